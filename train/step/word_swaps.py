"""Creates wrong captions for optional loss terms: replaces one word of a caption with another word from its group.

Two captions in a random batch differ in several attributes, so an attribute with little effect on CLIP's features, such
as the length of a beak, never decides between them. A caption with one word swapped differs only in that attribute
(NegCLIP, Yuksekgonul et al., ICLR 2023). The training loop encodes these captions with the frozen CLIP.

Legend: B rows of the global batch, M groups of words, L text positions.
"""

import re
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

Groups = tuple[tuple[str, ...], ...]
Tokenize = Callable[[Sequence[str]], tuple[Tensor, Tensor]]  # FrozenClip.tokenize

STREAM = 2 << 64  # Philox counter: a random stream separate from those for noise and image shifts


class WordSwaps:
    """Creates captions with one word swapped, as CLIP tokens.

    Args:
        groups: words of the same kind; replacing a word with another from its group makes a caption wrong.
        texts: the captions in the cache.
        tokenize: captions → tokens int64 [n, L], trimmed to the longest, and a second value that is not used.
    """

    def __init__(self, groups: Groups, texts: pa.ChunkedArray, tokenize: Tokenize) -> None:
        self.groups, self.texts, self.tokenize = groups, texts, tokenize
        self.patterns = [
            re.compile(rf"\b(?:(an?) )?({'|'.join(map(re.escape, group))})\b", re.IGNORECASE) for group in groups
        ]

    def tokens(self, captions: np.ndarray, seed: int, step: int) -> tuple[Tensor, Tensor]:
        """Returns tokens [B, M, L] of variants of captions, and whether they exist: variant m swaps a word of group m.

        `captions` are caption rows in the cache, [B]. The second result is bool [B, M]; if it is false, the tokens are
        those of the unchanged caption. The result depends only on captions, seed and step.
        """
        key = np.array([seed, step], dtype=np.uint64)
        draws = np.random.Generator(np.random.Philox(key=key, counter=STREAM))
        chance = draws.random((len(captions), len(self.groups), 2))
        texts = self.texts.take(pa.array(captions)).to_pylist()
        swapped = [
            self.swapped(text, group, *chance[row, group].tolist())
            for row, text in enumerate(texts)
            for group in range(len(self.groups))
        ]
        own = [text for text in texts for _ in self.groups]
        tokens, _ = self.tokenize([new or text for new, text in zip(swapped, own, strict=True)])
        shape = (len(captions), len(self.groups))
        return tokens.unflatten(0, shape), torch.tensor([new is not None for new in swapped]).reshape(shape)

    def swapped(self, text: str, group: int, place: float, other: float) -> str | None:
        """Returns the caption with one word of the group replaced by another; None if it contains no word of the group.

        "a bird with a short beak", [short, long] → "a bird with a long beak". `place` in [0, 1) selects one of the
        words found, `other` in [0, 1) one of the other words of the group.
        """
        found = list(self.patterns[group].finditer(text))
        if not found:
            return None
        match = found[int(place * len(found))]
        others = [word for word in self.groups[group] if word.lower() != match[2].lower()]
        word = others[int(other * len(others))]
        if match[1]:
            word = f"{'an' if word[0].lower() in 'aeiou' else 'a'} {word}"
        return text[: match.start()] + word + text[match.end() :]
