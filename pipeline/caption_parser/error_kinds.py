"""Scores predicted graphs after one kind of error is corrected from gold, to show what separates them from gold.

python -m hspcgan.pipeline.caption_parser.error_kinds graphs.jsonl dev.csv WORDNET  # the folder of SPICE's WordNet
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from hspcgan.model.common.printable import echo
from hspcgan.pipeline.graphs.files import read_gold, read_predictions
from hspcgan.pipeline.graphs.score import Graph, WordNet, propositions, spice

Correction = Callable[[Graph, Graph], Graph]


def is_relation(row: tuple[str, ...]) -> bool:
    """Whether a tuple is a relation of two entities."""
    return len(row) == 3 and row[1] != "is"


def entities(graph: Graph) -> list[str]:
    """Returns the names of the entities of a graph, sorted."""
    return sorted({name for row in graph for name in ((row[0], row[2]) if is_relation(row) else row[:1])})


def names(ours: Graph, gold: Graph) -> Graph:
    """Renames entities that gold does not contain to unused entities of gold with the same last word."""
    unused = [name for name in entities(gold) if name not in entities(ours)]
    renamed = {}
    for name in entities(ours):
        found = [other for other in unused if other.split()[-1] == name.split()[-1]]
        if found and name not in entities(gold):
            renamed[name] = found[0]
            unused.remove(found[0])
    return {_renamed(row, renamed) for row in ours}


def _renamed(row: tuple[str, ...], new: dict[str, str]) -> tuple[str, ...]:
    last = (new.get(row[2], row[2]),) if is_relation(row) else row[2:]
    return (new.get(row[0], row[0]), *row[1:2], *last)


def wording(ours: Graph, gold: Graph) -> Graph:
    """Replaces the text and direction of a relation by those of a relation of gold between the same entities."""
    found = {frozenset((row[0], row[2])): row for row in sorted(gold) if is_relation(row)}
    return {
        found.get(frozenset((row[0], row[2])), row) if is_relation(row) and row not in gold else row for row in ours
    }


def attachment(ours: Graph, gold: Graph) -> Graph:
    """Replaces relations by unused ones of gold that share a word of the text, and the subject or object."""
    unused = sorted(row for row in gold - ours if is_relation(row))
    fixed = set()
    for row in sorted(ours):
        if is_relation(row) and row not in gold:
            similar = (new for new in unused if _shares_word(row, new) and (row[2] == new[2] or row[0] == new[0]))
            if new := next(similar, None):
                unused.remove(new)
                row = new
        fixed.add(row)
    return fixed


def _shares_word(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    return not set(one[1].split()).isdisjoint(other[1].split())


def missing_relations(ours: Graph, gold: Graph) -> Graph:
    """Adds relations of gold between two entities of ours that have no relation."""
    known = {frozenset((row[0], row[2])) for row in ours if is_relation(row)}
    new = {row for row in gold if is_relation(row) and {row[0], row[2]} <= {*entities(ours)}}
    return ours | {row for row in new if frozenset((row[0], row[2])) not in known}


def attributes(ours: Graph, gold: Graph) -> Graph:
    """Adds attributes of gold to entities of ours; removes them from entities that lack them in gold."""
    new = {row for row in gold - ours if row[1:2] == ("is",) and row[0] in entities(ours)}
    moved = {row[2] for row in new}
    return {row for row in ours if row in gold or row[1:2] != ("is",) or row[2] not in moved} | new


def additional(ours: Graph, gold: Graph) -> Graph:
    """Drops what gold does not contain; an entity of gold remains without the dropped attribute or relation."""
    rest = {(name,) for name in entities(ours) if name in entities(gold)}
    return (ours & gold) | (rest - {row[:1] for row in propositions(ours & gold)})


KINDS: dict[str, tuple[Correction, ...]] = {
    "nothing": (),
    "names of entities": (names,),
    "wording of relations": (wording,),
    "attachment of relations": (attachment,),
    "missing relations": (missing_relations,),
    "missing and moved attributes": (attributes,),
    "additional things": (additional,),
    "names, wording, attachment": (names, attachment, wording),
    "all": (names, attachment, wording, missing_relations, attributes, additional),
}


def scores(pairs: Sequence[tuple[Graph, Graph]], wordnet: WordNet) -> dict[str, tuple[float, float]]:
    """Returns SPICE F1 and set match (0 … 100) by kind of correction, for pairs of predicted and gold graphs."""
    found = {}
    for kind, steps in KINDS.items():
        total = same = 0.0
        for ours, gold in pairs:
            for step in steps:
                ours = step(ours, gold)
            total += spice(ours, gold, wordnet)
            same += ours == gold
        found[kind] = (100 * total / len(pairs), 100 * same / len(pairs))
    return found


def main(predictions: Path, gold: Path, folder: Path) -> None:
    """Prints the scores of the predictions after each kind of correction."""
    wordnet, ours = WordNet.load(folder), read_predictions(predictions)
    pairs = [(wordnet.graph(ours.get(caption, [])), wordnet.graph(tuples)) for caption, tuples in read_gold(gold)]
    for kind, (f1, match) in scores(pairs, wordnet).items():
        echo(f"{kind:30}{f1:6.2f} /{match:6.2f}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
