"""Makes stanza faster on many short captions by running less Python code; models and results are unchanged."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np


@contextmanager
def greedy_trees() -> Iterator[None]:
    """
    Context manager in which stanza's parser uses the best head of each word, and searches only if these form no tree.

    If the best heads of all words form a tree with one root, no tree scores higher, and this tree is used. Otherwise
    stanza's search (Chu-Liu/Edmonds, one root) runs as usual; on every sentence, it would take a third of stanza's
    total time on captions.
    """
    from stanza.models.depparse import model

    search = getattr(model, "chuliu_edmonds_one_root", None)
    if search is None:  # other versions of stanza may use another name: slower, equal results
        yield
        return
    model.chuliu_edmonds_one_root = lambda scores: best_tree(scores, search)
    try:
        yield
    finally:
        model.chuliu_edmonds_one_root = search


def best_tree(scores: np.ndarray, search: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """
    Returns the head of each node in the tree with the highest score, int [n]; node 0 is the root, others are words.

    Args:
        scores: [n, n], word × head.
        search: Finds the best tree from `scores` if the best heads do not form a tree.
    """
    barred = scores.astype(np.float64)
    np.fill_diagonal(barred, -np.inf)
    heads = barred.argmax(axis=1)
    heads[0] = 0
    if np.count_nonzero(heads[1:] == 0) == 1:
        above = heads
        for _ in range(len(heads).bit_length()):  # each round doubles the distance to the ancestor
            above = above[above]
        if not above.any():
            return heads
    return search(scores)
