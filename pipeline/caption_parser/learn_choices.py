"""Learns the weights of `concepts/choices.py`: how FACTUAL's annotators write a phrase in their graphs.

A question (a key of OPTIONS) asks how to write a relation, a modifier or an owned thing; its options are the ways of
writing. Each phrase of a caption that the gold graph also contains is an example: the features of the phrase, and the
option that the graph uses. A logistic regression over the options is fitted for each question.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from spacy.tokens import Doc

from hspcgan.pipeline.caption_parser.train_spacy import training_rows
from hspcgan.pipeline.caption_parser.trees_from_graphs import repaired_docs
from hspcgan.pipeline.concepts.annotate.spacy import load_spacy
from hspcgan.pipeline.concepts.annotate.to_ud import to_ud
from hspcgan.pipeline.concepts.choices import FILE
from hspcgan.pipeline.concepts.concept_types import Relation
from hspcgan.pipeline.concepts.editable_tree import ParseEdit
from hspcgan.pipeline.concepts.extract.align_sng_graph import with_graph
from hspcgan.pipeline.concepts.extract.concept_sets import concepts_from_tokens
from hspcgan.pipeline.concepts.factual.conventions import (
    PREPOSITION,
    REVERSED,
    SAME,
    VERB,
    places_on_owners,
    relation_text,
    state_of,
)
from hspcgan.pipeline.concepts.factual.naming import replace_phrases
from hspcgan.pipeline.concepts.factual.to_tuples import written_relations
from hspcgan.pipeline.concepts.factual.view import View

log = logging.getLogger("hspcgan.pipeline")

OPTIONS = {"relation": 30, "modifier": 60, "owned": 5}
"""Minimum number of examples of an option, by question; rarer options are omitted."""
FEATURE = 3
"""Minimum number of examples of a feature."""
PENALTY = 1.0
"""Weight of the squared norm of the weights, as in scikit-learn's LogisticRegression with C = 1."""
SMALLEST = 0.15
"""Smaller weights are not written."""
STEPS = 60


@dataclass(frozen=True)
class Example:
    """A training example: the features of a phrase of a caption, and the option that the gold graph uses."""

    question: str
    features: tuple[str, ...]
    option: str


class Gold:
    """The gold graph of a caption, with its entities identified by their last word."""

    def __init__(self, tuples: Sequence[Sequence[str]]) -> None:
        self.names = {name for row in tuples for name in ((row[0],) if row[1:2] == ["is"] else (row[0], row[-1]))}
        self.heads = {_last(name) for name in self.names}
        self.qualities = {(_last(row[0]), row[-1]) for row in tuples if row[1:2] == ["is"]}
        self.links: dict[tuple[str, str], list[str]] = defaultdict(list)
        for one, text, other in (row for row in tuples if len(row) == 3 and row[1] != "is"):
            self.links[_last(one), _last(other)].append(text)

    def relation(self, view: View, r: Relation) -> str:
        """Returns the option that the graph uses for a relation; "" if it does not connect the two entities."""
        one, other, text = _head(view, r.subject), _head(view, r.object), relation_text(view, r)
        ahead, back = self.links.get((one, other), []), self.links.get((other, one), [])
        if text in ahead:
            return SAME
        if ahead or back:
            first, _, rest = text.partition(" ")
            found = (ahead or back)[0]
            shorter = {first: VERB, rest: PREPOSITION} if view.verb(r) and rest else {}
            return ("" if ahead else REVERSED) + shorter.get(found, SAME if found == text else found)
        return ""

    def modifier(self, text: str, quality: str, noun: str) -> str:
        """Returns the option that the graph uses for a modifier and its noun; "" if the graph does not combine them."""
        spellings = (f" {text} {noun}", f" {text}{noun}", " " + replace_phrases(f"{text} {noun}", "spellings"))
        if any(f" {name}".endswith(spellings) for name in self.names):
            return "name"
        if {(noun, text), (noun, quality), (noun, _last(text))} & self.qualities:
            return "is"
        if (text, noun) in self.links:
            return "have"
        return self.links[noun, text][0] if (noun, text) in self.links else ""

    def owned(self, thing: str) -> str:
        """Returns how the graph links an owner to a thing: "have", "wear" or "none"; "" if the thing is not in it."""
        found = {text for (_, other), texts in self.links.items() for text in texts if other == thing}
        return next((verb for verb in ("have", "wear") if verb in found), "none" if thing in self.heads else "")


def _last(name: str) -> str:
    return name.split()[-1]


def _head(view: View, n: int) -> str:
    """Returns the head noun of an entity in FACTUAL's spelling."""
    return _last(replace_phrases(view.token(n).text.lower(), "spellings"))


def learn(csv: Path, out: Path) -> None:
    """Learns from FACTUAL's training captions, without the held-out ones, and writes `choices.tsv` into `out`."""
    rows = training_rows(csv)
    found: list[Example] = []
    for doc, (_, tuples) in zip(repaired_docs(load_spacy(), [text for text, _ in rows]), rows, strict=True):
        found += examples(view_of(doc), tuples)
    out.mkdir(parents=True, exist_ok=True)
    write(found, out / FILE)


def view_of(doc: Doc) -> View:
    """Returns the concept sets of a repaired parse as a `View`."""
    tokens = to_ud(ParseEdit.of_doc(doc))
    return View(with_graph(concepts_from_tokens(tokens), doc, tokens), tokens)


def examples(view: View, tuples: Sequence[Sequence[str]]) -> Iterator[Example]:
    """Yields the examples of one caption."""
    gold = Gold(tuples)
    for r in written_relations(view):
        if r.object >= 0 and r.text != "be" and not state_of(view, r) and places_on_owners(view, r) is None:
            features = view.of_relation(r, relation_text(view, r), view.verb(r))
            yield Example("relation", tuple(features), gold.relation(view, r))
    for a in filter(view.is_candidate, view.concepts.attributes):
        text, noun = view.text(a), _head(view, a.entity)
        yield Example("modifier", tuple(view.of_modifier(a, text)), gold.modifier(text, view.attribute_text(a), noun))
    for n in range(len(view.heads)):
        if view.has_possessive(n) and view.owner(n) >= 0:
            yield Example("owned", tuple(view.of_owned(n, view.owner(n))), gold.owned(_head(view, n)))


def write(found: Sequence[Example], path: Path) -> None:
    """Fits the weights of each question in OPTIONS to its examples, and writes one weight per line."""
    lines = []
    for question, least in OPTIONS.items():
        ours = [e for e in found if e.question == question and e.option]
        counts = Counter(e.option for e in ours)
        frequent = [e for e in ours if counts[e.option] >= least]
        weights = fitted(frequent) if frequent else []
        lines += [f"{question}\t{feature}\t{option}\t{weight:.2f}" for feature, option, weight in weights]
        log.info(f"  {question}: {len(ours)} examples, {len(weights)} weights")
    path.write_text("\n".join(sorted(lines)) + "\n", encoding="utf8")


def fitted(found: Sequence[Example]) -> list[tuple[str, str, float]]:
    """Returns (feature, option, weight) of a logistic regression, fitted to all examples at once by L-BFGS."""
    counts = Counter(feature for e in found for feature in set(e.features))
    names = sorted(feature for feature, count in counts.items() if count >= FEATURE)
    options = sorted({e.option for e in found})
    index = {feature: i for i, feature in enumerate(names)}
    bags = [[index[f] for f in dict.fromkeys(e.features) if f in index] for e in found]
    offsets = torch.tensor([0, *map(len, bags[:-1])]).cumsum(0)
    inputs = torch.tensor([i for bag in bags for i in bag])
    targets = torch.tensor([options.index(e.option) for e in found])
    weights = torch.zeros(len(names), len(options), requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        scores = torch.nn.functional.embedding_bag(inputs, weights, offsets, mode="sum")
        total = (
            torch.nn.functional.cross_entropy(scores, targets, reduction="sum") + PENALTY / 2 * weights.square().sum()
        )
        total.backward()
        return total

    optimizer.step(loss)
    kept = (weights.abs() >= SMALLEST).nonzero().tolist()
    return [(names[i], options[k], weights[i, k].item()) for i, k in kept]
