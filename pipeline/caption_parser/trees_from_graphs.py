"""Finds a training tree for each caption: the parse or variant of a parse that is closest to FACTUAL's gold graph.

FACTUAL has no trees. If the rules derive the gold tuples from a tree, the tree is correct as far as the rules use it.
Three out of four captions have such a tree among their parses and the variants one or two attachments away.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from spacy.tokens import Doc, Token
from tqdm import tqdm

from hspcgan.pipeline.concepts.annotate.spacy import read
from hspcgan.pipeline.concepts.annotate.to_ud import to_ud
from hspcgan.pipeline.concepts.editable_tree import NOMINAL, QUOTED, ParseEdit
from hspcgan.pipeline.concepts.extract.align_sng_graph import with_graph
from hspcgan.pipeline.concepts.extract.concept_sets import concepts_from_tokens
from hspcgan.pipeline.concepts.factual.to_tuples import tuples
from hspcgan.pipeline.concepts.repair.rules import repair
from hspcgan.pipeline.graphs.score import Graph, WordNet, spice

Row = tuple[str, list[list[str]]]
Move = tuple[int, int, str]  # a word, its new head, its new label
ATTACHED = ("prep", "acl", "relcl", "advcl", "conj", "appos")
BATCH = 256
HEADS = 6
"""Number of words before a phrase that are tried as its head, nearest first."""
WORDS = WordNet()
"""Without WordNet files: words are compared as written."""


@dataclass(frozen=True)
class ScoredTree:
    """A caption with a tree, the SPICE F1 of its tuples (0 … 1), and whether they equal the gold tuples."""

    doc: Doc
    score: float
    exact: bool


def best_trees(pipelines: Sequence[Any], rows: Sequence[Row], moves: int) -> list[ScoredTree]:
    """Returns the best tree for each caption, in order.

    Captions in which a rule merged words or tagged them as QUOTED are omitted: spaCy has no such words or tag.

    Args:
        pipelines: spaCy pipelines in order; each parses only captions for which no previous pipeline gave exact tuples.
        rows: (caption, gold tuples).
        moves: Maximum number of attachments in which a tree differs from a parse.
    """
    best: dict[int, ScoredTree] = {}
    for nlp in pipelines:
        left = [n for n in range(len(rows)) if n not in best or not best[n].exact]
        docs = repaired_docs(nlp, [rows[n][0] for n in left])
        for n, doc in tqdm(zip(left, docs, strict=True), "trees", len(left), disable=None):
            if len(doc) == len(nlp.make_doc(doc.text)) and all(token.tag_ != QUOTED for token in doc):
                scored = improve_tree(doc, WORDS.graph(rows[n][1]), moves)
                best[n] = max(best.get(n, scored), scored, key=_rank)
    return [best[n] for n in sorted(best)]


def repaired_docs(nlp: Any, texts: Sequence[str]) -> Iterator[Doc]:
    """Yields the Docs of a pipeline after all repair rules: the trees from which concepts are extracted."""
    for start in range(0, len(texts), BATCH):
        for doc in read(nlp, texts[start : start + BATCH], BATCH):
            yield edited_doc(repair(doc), doc)


def edited_doc(edit: ParseEdit, doc: Doc) -> Doc:
    """Returns a copy of a Doc with an edited parse."""
    tokens = list(doc)  # each iteration over a Doc creates new Token objects
    return Doc(
        doc.vocab,
        words=[t.text for t in tokens],
        spaces=[bool(t.whitespace_) for t in tokens],
        tags=edit.tags[:-1],
        pos=edit.pos[:-1],
        lemmas=edit.lemmas[:-1],
        heads=[i if head < 0 else head for i, head in enumerate(edit.heads[:-1])],
        deps=edit.labels[:-1],
        ents=[f"{t.ent_iob_}-{t.ent_type_}" if t.ent_type_ else "O" for t in tokens],
    )


def improve_tree(doc: Doc, gold: Graph, moves: int) -> ScoredTree:
    """Improves a tree by up to `moves` changes of attachment; each step takes the best single change."""
    best = score_tree(doc, gold)
    for _ in range(moves):
        if not best.exact:
            found = (score_tree(move_word(best.doc, move), gold) for move in variants(best.doc))
            best = max((best, *found), key=_rank)
    return best


def _rank(scored: ScoredTree) -> tuple[float, bool]:
    return scored.score, scored.exact


def score_tree(doc: Doc, gold: Graph) -> ScoredTree:
    """Scores a tree by the tuples that the rules derive from it."""
    tokens = to_ud(ParseEdit.of_doc(doc))
    graph = WORDS.graph(tuples(with_graph(concepts_from_tokens(tokens), doc, tokens), tokens))
    return ScoredTree(doc, spice(graph, gold, WORDS), graph == gold)


def move_word(doc: Doc, move: Move) -> Doc:
    """Returns a copy of a Doc with a word moved to another head; a conjunct is moved with its conjunction."""
    i, head, label = move
    edit = ParseEdit.of_doc(doc)
    links = [c for c in edit.children(edit.heads[i], "cc") if head < c < i] if label == "conj" else []
    for word, name in ((i, label), *((c, "cc") for c in links)):
        edit.attach(word, to=head, label=name)
    return edited_doc(edit, doc)


def variants(doc: Doc) -> Iterator[Move]:
    """
    Yields single changes of attachment: a phrase moves to another word before it, or an adjective to another noun.

    In "a man on a horse in white", "in white" can move from "horse" to "man"; "on" has no other noun before it.
    """
    for token in doc:
        if token.dep_ in ATTACHED and token.head.i < token.i:
            before = [word for word in reversed(doc[: token.left_edge.i]) if _can_head(word, token)]
            for word in before[:HEADS]:
                if word != token.head:
                    yield token.i, word.i, _label(token, word)
            if token.dep_ == "appos":
                yield token.i, token.head.i, "conj"
        elif token.dep_ == "amod" and token.head.i > token.i:
            nouns = (word for word in doc[token.i + 1 : token.i + 5] if word.pos_ in NOMINAL)
            yield from ((token.i, word.i, "amod") for word in nouns if word != token.head)


def _can_head(word: Token, phrase: Token) -> bool:
    """Whether a phrase may attach to a word.

    Any phrase may attach to a noun, some phrases to a verb, and a conjunct also to a word with the same part of speech.
    """
    if word.pos_ in NOMINAL:
        return word.dep_ not in ("compound", "nmod")
    is_predicate = word.pos_ in ("VERB", "AUX") and word.dep_ not in ("aux", "auxpass", "amod")
    if phrase.dep_ == "conj":
        return is_predicate or word.pos_ == phrase.pos_
    return is_predicate and phrase.dep_ in ("prep", "acl", "advcl")


def _label(phrase: Token, head: Token) -> str:
    """Returns the label of a phrase after a move: a participle is acl below a noun and advcl below a verb."""
    if phrase.dep_ in ("acl", "advcl"):
        return "acl" if head.pos_ in NOMINAL else "advcl"
    return phrase.dep_
