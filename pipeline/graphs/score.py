"""Scores scene graphs against gold graphs, as in FACTUAL (Li et al., ACL Findings 2023): SPICE F1 and set match.

SPICE (Anderson et al., ECCV 2016) compares the propositions that graphs assert: objects, attributes, relations. Set
match requires equal sets of tuples. If WordNet is given, words are compared as noun lemmas, in SPICE also by synonyms.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.user_files import read_text

Graph = set[tuple[str, ...]]
WORDNET_FILES = ("english.synsets", "english.exceptions")
# Endings and their replacements in the base form, tried in order.
NOUN_ENDINGS = (
    *(("ses", "s"), ("ves", "f"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh")),
    *(("men", "man"), ("ies", "y"), ("s", "")),
)
ALL_ENDINGS = (
    *(
        ("s", ""),
        ("ses", "s"),
        ("xes", "x"),
        ("zes", "z"),
        ("ches", "ch"),
        ("shes", "sh"),
        ("men", "man"),
        ("ies", "y"),
    ),
    *(("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"), ("ing", "")),
    *(("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
)


@dataclass
class WordNet:
    """Synset numbers by word, and base forms of irregular words; if empty, words are compared as written."""

    synsets: dict[str, frozenset[str]] = field(default_factory=dict)
    bases: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> "WordNet":
        """Reads METEOR's english.synsets and english.exceptions, as SPICE does.

        Raises UserError if one is missing or is another kind of file.
        """
        missing = [name for name in WORDNET_FILES if not (folder / name).is_file()]
        if missing:
            raise UserError(
                f"{folder}: {' and '.join(missing)} missing; expected METEOR's WordNet files "
                f"{' and '.join(WORDNET_FILES)}, as shipped with SPICE; or omit --wordnet"
            )
        synsets = {word: frozenset(ids) for word, ids in _line_pairs(folder / WORDNET_FILES[0], "synset numbers")}
        bases: dict[str, list[str]] = {}
        for base, forms in _line_pairs(folder / WORDNET_FILES[1], "irregular forms"):
            for form in forms:
                bases.setdefault(form, []).append(base)
        return cls(synsets, bases)

    def lemma(self, word: str) -> str:
        """Returns the base form of a word as a noun, if WordNet has it; otherwise the word."""
        if word in self.bases:
            return self.bases[word][0]
        if word in self.synsets and not word.endswith("s"):
            return word
        if len(word) > 3:
            for end, new in NOUN_ENDINGS:
                if word.endswith(end) and word.removesuffix(end) + new in self.synsets:
                    return word.removesuffix(end) + new
        return word

    def senses(self, phrase: str) -> frozenset[str]:
        """Returns the synsets of a word or phrase and of its base form."""
        word = "_".join(phrase.lower().split())
        found = self.synsets.get(word, frozenset())
        if word in self.bases:
            return found.union(*(self.synsets.get(base, ()) for base in self.bases[word]))
        for end, new in ALL_ENDINGS:
            if word.endswith(end) and word.removesuffix(end) + new in self.synsets:
                return found | self.synsets[word.removesuffix(end) + new]
        return found

    def are_synonymous(self, one: Sequence[str], other: Sequence[str]) -> bool:
        """Whether each pair of words in two propositions is equal or has a common synset."""
        same = (a == b or not self.senses(a).isdisjoint(self.senses(b)) for a, b in zip(one, other, strict=False))
        return len(one) == len(other) and all(same)

    def graph(self, tuples: Iterable[Sequence[str]]) -> Graph:
        """Converts tuples to lower case and base forms; drops tuples with a blank part."""
        whole = ([str(part) for part in row] for row in tuples)
        return {tuple(map(self._part, row)) for row in whole if row and all(part.strip() for part in row)}

    def _part(self, text: str) -> str:
        return text if text == "is" else " ".join(map(self.lemma, text.lower().split()))


def _line_pairs(path: Path, what: str) -> Iterator[tuple[str, list[str]]]:
    """Yields pairs of lines: a word, and its synset numbers or irregular forms, which are on the next line of the file.

    Raises UserError, with `what` the second lines contain, if a line is missing or contains something else.
    """
    lines = [line.strip() for line in read_text(path).splitlines()]
    for at in range(0, max(len(lines), 1), 2):
        word, *rest = lines[at : at + 2] or [""]
        found = "".join(rest).split()
        if not word or not found or (what == "synset numbers" and not all(map(str.isdecimal, found))):
            raise UserError(
                f"{path}, line {at + 1}: expected a word, and its {what} on the next line; copy the file again"
            )
        yield word, found


def propositions(graph: Graph) -> list[tuple[str, ...]]:
    """Returns the objects (o,), attributes (o, a) and relations (s, r, o) of a graph, sorted."""
    found: set[tuple[str, ...]] = set()
    for row in graph:
        found.add(row[:1])
        if len(row) == 2 or (len(row) == 3 and row[1] == "is"):
            found.add((row[0], row[-1]))
        elif len(row) > 2:
            found |= {row[-1:], (row[0], " ".join(row[1:-1]), row[-1])}
    return sorted(found)


def spice(predicted: Graph, gold: Graph, wordnet: WordNet) -> float:
    """Returns F1 over propositions, 0 … 1; each is matched at most once, equal ones before synonymous ones."""
    ours, theirs = _without_synonyms(propositions(predicted), wordnet), _without_synonyms(propositions(gold), wordnet)
    equal = set(ours) & set(theirs)
    hits = len(equal)
    if wordnet.synsets:
        left = _Synonyms(wordnet)
        for proposition in theirs:
            if proposition not in equal:
                left.add(proposition)
        for proposition in ours:
            if proposition not in equal and (match := left.first(proposition)) is not None:
                left.remove(match)
                hits += 1
    return 2 * hits / (len(ours) + len(theirs)) if hits else 0.0


def _without_synonyms(found: list[tuple[str, ...]], wordnet: WordNet) -> list[tuple[str, ...]]:
    """Drops propositions that differ from an earlier proposition only by synonyms."""
    if not wordnet.synsets:  # without synonyms, the propositions of a graph differ from each other
        return found
    kept = _Synonyms(wordnet)
    for proposition in found:
        if kept.first(proposition) is None:
            kept.add(proposition)
    return list(kept.propositions.values())


class _Synonyms:
    """Propositions in the order of `add`, found by their words and synsets, so that few pairs are compared."""

    def __init__(self, wordnet: WordNet) -> None:
        self.wordnet, self.propositions = wordnet, dict[int, tuple[str, ...]]()
        self._numbers: dict[tuple[int, int, object], dict[int, None]] = {}  # by length, place, and word or synset
        self._added = 0

    def add(self, proposition: tuple[str, ...]) -> None:
        self.propositions[self._added] = proposition
        for key in chain.from_iterable(self._keys(proposition)):
            self._numbers.setdefault(key, {})[self._added] = None
        self._added += 1

    def first(self, proposition: tuple[str, ...]) -> int | None:
        """Returns the number of the first proposition that is equal or synonymous, None if there is none."""
        sharing = [[self._numbers.get(key, {}) for key in keys] for keys in self._keys(proposition)]
        fewest = min(sharing, key=lambda found: sum(map(len, found)))  # those with a common word in this place
        numbers = sorted({number for found in fewest for number in found})
        return next((n for n in numbers if self.wordnet.are_synonymous(proposition, self.propositions[n])), None)

    def remove(self, number: int) -> None:
        for key in chain.from_iterable(self._keys(self.propositions.pop(number))):
            del self._numbers[key][number]

    def _keys(self, proposition: tuple[str, ...]) -> list[list[tuple[int, int, object]]]:
        """Returns for each place in a proposition what a synonymous proposition has in this place."""
        return [
            [(len(proposition), place, key) for key in (word, *self.wordnet.senses(word))]
            for place, word in enumerate(proposition)
        ]


@dataclass(frozen=True)
class Score:
    """Means over gold captions, 0 … 100; captions without a prediction count as 0."""

    captions: int
    missing: int
    spice: float
    set_match: float


def score(predicted: dict[str, list], gold: Sequence[tuple[str, list]], wordnet: WordNet) -> Score:
    """Scores predictions, given as {caption: tuples}, against gold rows (caption, tuples)."""
    total, same, missing = 0.0, 0, 0
    for caption, tuples in gold:
        if caption not in predicted:
            missing += 1
            continue
        ours, theirs = wordnet.graph(predicted[caption]), wordnet.graph(tuples)
        total += spice(ours, theirs, wordnet)
        same += ours == theirs
    return Score(len(gold), missing, 100 * total / len(gold), 100 * same / len(gold))
