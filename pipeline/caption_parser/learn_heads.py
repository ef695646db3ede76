"""Learns the weights of `concepts/extract/attach.py`: which noun before a phrase the phrase describes.

An example is a phrase with the features of each candidate, and the candidates that are right. There are four sources:

- `heads.tsv`: phrases of COCO captions, labelled by a language model that read the captions (positions only);
- `heads_examples.txt`: sentences made for this purpose, each with a relation;
- phrases of FACTUAL's training captions, with the noun that the gold graph relates to the thing of the phrase;
- relations of FACTUAL's graphs, with the subject in the graph and a random other noun; features of words only.
"""

import logging
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import BaseModel

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.user_files import read_json
from hspcgan.model.common.validation import validate_as
from hspcgan.pipeline.caption_parser.learn_choices import FEATURE, PENALTY, SMALLEST, STEPS, Gold
from hspcgan.pipeline.caption_parser.train_spacy import SEED, training_rows
from hspcgan.pipeline.caption_parser.trees_from_graphs import Row, repaired_docs
from hspcgan.pipeline.concepts.annotate.spacy import load_spacy
from hspcgan.pipeline.concepts.annotate.to_ud import to_ud
from hspcgan.pipeline.concepts.choices import FILE
from hspcgan.pipeline.concepts.editable_tree import ParseEdit
from hspcgan.pipeline.concepts.extract import attach
from hspcgan.pipeline.concepts.extract.concept_sets import FOLDS
from hspcgan.pipeline.concepts.extract.tree import Tree
from hspcgan.pipeline.concepts.factual.naming import replace_phrases
from hspcgan.pipeline.concepts.lexicons import lexicon

log = logging.getLogger("hspcgan.pipeline")

LABELS = Path(__file__).with_name("heads.tsv")
"""Per line: caption id, offset of the head word of a phrase, offsets of the nouns that it describes (any is right)."""
EXAMPLES = Path(__file__).with_name("heads_examples.txt")
WEIGHTS = {"labels": 1.0, "made": 1.0, "gold": 0.9, "relations": 0.05}
"""Weight of an example in the loss, by source."""
SHORTEST = 5
"""Minimum number of words of a caption with two candidates."""
HELD = 5
"""Each fifth label is held out, to measure the accuracy."""


@dataclass(frozen=True)
class Example:
    """A phrase: the features of each candidate, the indices of the right candidates, and the weight in the loss."""

    candidates: tuple[tuple[str, ...], ...]
    right: frozenset[int]
    weight: float


def learn(factual: Path, coco: Path, out: Path) -> None:
    """Learns from FACTUAL's training captions, without the held-out ones, and from COCO captions; writes into `out`."""
    rows = training_rows(factual)
    labelled = from_labels(coco)
    others = [*from_examples(), *from_gold(rows), *from_relations(rows)]
    kept = [example for n, example in enumerate(labelled) if n % HELD]
    log.info(f"  right heads of held-out labels: {accuracy(fitted([*kept, *others]), labelled[::HELD]):.1%}")
    weights = fitted([*labelled, *others])
    out.mkdir(parents=True, exist_ok=True)
    lines = (f"head\t{feature}\there\t{weight:.2f}\n" for feature, weight in sorted(weights.items()))
    (out / FILE).write_text("".join(lines), encoding="utf8")


def trees(texts: Sequence[str]) -> Iterator[Tree]:
    """Yields the tree of each caption as `attach.phrases` gets it."""
    for doc in repaired_docs(load_spacy(), texts):
        tree = Tree(to_ud(ParseEdit.of_doc(doc)))
        for rule in FOLDS[: FOLDS.index(attach.phrases)]:
            rule(tree)
        yield tree


def example(tree: Tree, phrase: attach.Phrase, right: Sequence[int], source: str) -> Example | None:
    """Returns the example of a phrase; None if it has one candidate, or if none or all of its candidates are right.

    Attaches the phrase to a right candidate, because `attach.phrases` scores a phrase after it has moved those before.
    """
    nouns = attach.candidates(tree, phrase)
    parsed = attach.parsed_head(tree, phrase, nouns)
    firsts = {noun: attach.first_conjunct(tree, noun, nouns) for noun in nouns}
    # if all of the coordinated nouns are right, the phrase belongs to the first
    hits = frozenset(
        n for n, noun in enumerate(nouns) if noun in right and (firsts[noun] == noun or firsts[noun] not in right)
    )
    features = [
        (
            *attach.words(tree.lemmas[noun], phrase.kind, phrase.relation, phrase.thing),
            # a parse of a caption on which the parser was trained says less than that of another caption
            *(
                "gold " * (source == "gold") * f.startswith("parsed") + f
                for f in attach.structure(tree, phrase, nouns, noun, parsed)
            ),
        )
        for noun in nouns
    ]
    if hits and parsed not in (nouns[n] for n in hits):
        attach.move(tree, phrase, nouns[max(hits)])
    is_learned = phrase.thing != attach.PRONOUN and 0 < len(hits) < len(nouns)
    return Example(tuple(features), hits, WEIGHTS[source]) if is_learned else None


class _Caption(BaseModel):
    """A caption in a file of COCO."""

    id: int
    caption: str


class _Captions(BaseModel):
    """The content of captions_val2017.json, as far as it is used."""

    annotations: list[_Caption]


def from_labels(coco: Path) -> list[Example]:
    """Returns the examples of `heads.tsv`; `coco` is captions_val2017.json, which contains the captions.

    Raises UserError if `coco` is another file.
    """
    content = validate_as(_Captions, read_json(coco), f"{coco} is not COCO's captions_val2017.json")
    captions = {row.id: row.caption for row in content.annotations}
    labels: dict[int, dict[int, list[int]]] = {}
    for line in LABELS.read_text(encoding="utf8").splitlines():
        caption, word, nouns = line.split("\t")
        if int(caption) in captions:
            labels.setdefault(int(caption), {})[int(word)] = [int(noun) for noun in nouns.split(",")]
    found = []
    for heads, tree in zip(labels.values(), trees([captions[caption] for caption in labels]), strict=True):
        for phrase in list(attach.phrases_in(tree)):
            starts = heads.get(tree.starts[phrase.word], [])
            found.append(example(tree, phrase, [i for i in range(len(tree)) if tree.starts[i] in starts], "labels"))
    if not any(found):
        raise UserError(f"{coco} has no caption that {LABELS.name} labels; give COCO's captions_val2017.json as --coco")
    return [one for one in found if one]


def from_examples() -> Iterator[Example]:
    """Yields the examples of `heads_examples.txt`: "caption → text (subject, object)"."""
    lines = [line.split(" → ") for line in EXAMPLES.read_text(encoding="utf8").splitlines()]
    for (_, relations), tree in zip(lines, trees([caption for caption, _ in lines]), strict=True):
        edges = re.findall(r"([^,()]+) \((.*?), (.*?)\)", relations)
        for phrase in list(attach.phrases_in(tree)):
            thing = tree.lemmas[phrase.word] if phrase.kind == "prep" else phrase.thing
            joins = phrase.kind == "conj"
            subjects = {noun for text, noun, other in edges if other == thing and (text.strip() == "and") == joins}
            right = [i for i in range(phrase.start) if tree.lemmas[i] in subjects]
            if one := example(tree, phrase, right, "made"):
                yield one


def from_gold(rows: Sequence[Row]) -> Iterator[Example]:
    """Yields an example for each phrase whose noun or object has a relation with a noun before the phrase in gold."""
    rows = [row for row in rows if len(row[0].split()) >= SHORTEST]
    for (_, tuples), tree in zip(rows, trees([text for text, _ in rows]), strict=True):
        links = Gold(tuples).links
        heads = [replace_phrases(word, "spellings").split()[-1] if word.strip() else "" for word in tree.words]
        for phrase in list(attach.phrases_in(tree)):
            if phrase.kind == "conj":
                continue
            things = [phrase.word] if phrase.kind == "prep" else tree.children(phrase.word, "obj", "obl")
            first = phrase.relation.split()[0]
            right = [
                noun
                for noun in range(phrase.start)
                for thing in things
                if any(first in text.split() for text in links.get((heads[noun], heads[thing]), ()))
            ]
            if one := example(tree, phrase, right, "gold"):
                yield one


def from_relations(rows: Sequence[Row]) -> Iterator[Example]:
    """Yields an example for each relation of the graphs, with its subject and a random noun as candidates."""
    edges = [row for _, tuples in rows for row in tuples if len(row) == 3 and row[1] != "is"]
    nouns = [name.split()[-1] for row in edges for name in (row[0], row[2])]
    draw = random.Random(SEED)
    for subject, text, thing in edges:
        verb, _, rest = text.partition(" ")
        noun, other, thing = subject.split()[-1], draw.choice(nouns), thing.split()[-1]
        if verb == "have":
            readings = [("prep", "with")]
        elif verb in lexicon("prepositions") or verb in ("next", "inside", "close"):
            readings = [("prep", text)]
        else:
            readings = [("VBG", verb), ("prep", rest)] if rest else [("VBG obj", verb)]
        for kind, relation in readings if other not in (noun, thing) else ():
            both = (tuple(attach.words(one, kind, relation, thing)) for one in (noun, other))
            yield Example(tuple(both), frozenset({0}), WEIGHTS["relations"])


def fitted(examples: Sequence[Example]) -> dict[str, float]:
    """Returns the weight of each feature by a conditional logistic regression over the candidates (L-BFGS)."""
    counts = Counter(f for example in examples for features in example.candidates for f in set(features))
    names = sorted(f for f, count in counts.items() if count >= FEATURE)
    index = {f: i for i, f in enumerate(names)}
    bags = [[index[f] for f in dict.fromkeys(c) if f in index] for example in examples for c in example.candidates]
    offsets = torch.tensor([0, *map(len, bags[:-1])]).cumsum(0)
    inputs = torch.tensor([i for bag in bags for i in bag])
    owner = torch.tensor([n for n, example in enumerate(examples) for _ in example.candidates])
    right = torch.tensor([n in example.right for example in examples for n in range(len(example.candidates))])
    shares = torch.tensor([example.weight for example in examples])
    weights = torch.zeros(len(names), 1, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        scores = torch.nn.functional.embedding_bag(inputs, weights, offsets, mode="sum").squeeze(1).exp()
        zeros = torch.zeros(len(examples))
        probability = zeros.index_add(0, owner, scores * right) / zeros.index_add(0, owner, scores)
        total = -(shares * probability.log()).sum() + PENALTY / 2 * weights.square().sum()
        total.backward()
        return total

    optimizer.step(loss)
    return {name: w for name, w in zip(names, weights.squeeze(1).tolist(), strict=True) if abs(w) >= SMALLEST}


def accuracy(weights: dict[str, float], examples: Sequence[Example]) -> float:
    """Returns the share of the examples in which the candidate with the highest score is right."""

    def best(example: Example) -> int:
        scores = [sum(weights.get(f, 0.0) for f in dict.fromkeys(c)) for c in example.candidates]
        return scores.index(max(scores))

    return sum(best(example) in example.right for example in examples) / len(examples)
