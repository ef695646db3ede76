"""spaCy's CLEAR-style dependency trees → Universal Dependencies, as far as the concept rules read them.

Labels are renamed by one table. Three things are built differently and are moved: prepositions (the preposition heads
its phrase in CLEAR, the noun in UD), copulas ("be" heads its clause, the predicate does), and coordination (a chain
in CLEAR, a star in UD).
"""

from spacy.tokens import Doc
from spacy.tokens import Token as SpacyToken

from hspcgan.pipeline.concepts.lexicons import lexicon, pairs
from hspcgan.pipeline.concepts.tokens import Token

LIFTED = "lifted"  # in place of the CLEAR label of a noun that has left its preposition
# CLEAR label → UD relation, before the moves: they rename what they move ("pobj" to nmod, obl:agent, …).
LABELS = {
    "ROOT": "root",
    "acl": "acl",
    "acomp": "xcomp",
    "advcl": "advcl",
    "advmod": "advmod",
    "agent": "case",
    "amod": "amod",
    "appos": "appos",
    "attr": "xcomp",
    "aux": "aux",
    "auxpass": "aux:pass",
    "case": "case",
    "cc": "cc",
    "ccomp": "ccomp",
    "compound": "compound",
    "conj": "conj",
    "csubj": "csubj",
    "csubjpass": "csubj:pass",
    "dative": "iobj",
    "dep": "dep",
    "det": "det",
    "dobj": "obj",
    "expl": "expl",
    "intj": "discourse",
    "mark": "mark",
    "meta": "dep",
    "neg": "advmod",
    "nmod": "compound",
    "npadvmod": "obl:npmod",
    "nsubj": "nsubj",
    "nsubjpass": "nsubj:pass",
    "nummod": "nummod",
    "oprd": "xcomp",
    "parataxis": "parataxis",
    "pcomp": "advcl",
    "pobj": "obl",
    "poss": "nmod:poss",
    "preconj": "cc:preconj",
    "predet": "det:predet",
    "prep": "case",
    "prt": "compound:prt",
    "punct": "punct",
    "quantmod": "advmod",
    "relcl": "acl:relcl",
    "xcomp": "xcomp",
}


class _Tree:
    """A CLEAR tree on its way to UD: absolute heads (-1: root), CLEAR labels, UD labels once they are settled."""

    def __init__(self, doc: Doc) -> None:
        self.doc = doc
        self.head = [-1 if t.head.i == t.i else t.head.i for t in doc]
        self.clear = [t.dep_ for t in doc]
        self.deprel = [LABELS.get(t.dep_, "dep") for t in doc]

    def children(self, i: int, *clear: str) -> list[int]:
        return [c for c in range(len(self.doc)) if self.head[c] == i and (not clear or self.clear[c] in clear)]

    def promote(self, new: int, old: int) -> None:
        """Lifts `new` into the place of its head `old`, with all of old's other dependents."""
        for child in self.children(old):
            self.head[child] = new
        self.head[new], self.head[old] = self.head[old], new


def to_ud(doc: Doc) -> list[Token]:
    """A parsed Doc as neutral tokens; white-space tokens are left out. The Doc is not changed."""
    tree = _Tree(doc)
    _coordination(tree)
    _prepositions(tree)
    _copulas(tree)
    _particle_objects(tree)
    _open_circles(tree)
    words = [t for t in doc if not t.is_space]
    place = {t.i: n for n, t in enumerate(words)}
    return [
        Token(
            text=t.text,
            lemma=pairs("typos").get(t.lower_) or t.lemma_ or t.lower_,
            upos=_upos(tree, t),
            xpos=t.tag_,
            head=place.get(tree.head[t.i], -1),
            deprel=tree.deprel[t.i],
            start=t.idx,
            end=t.idx + len(t.text),
            ner=t.ent_type_,
        )
        for t in words
    ]


def _open_circles(tree: _Tree) -> None:
    """Words that the steps before left hanging on each other hang on the root: captions need make no sense."""
    root = next((i for i, head in enumerate(tree.head) if head < 0), -1)
    for i in range(len(tree.head)):
        seen, above = {i}, tree.head[i]
        while above >= 0 and above not in seen:
            seen.add(above)
            above = tree.head[above]
        if above >= 0:
            tree.head[i] = root


def _upos(tree: _Tree, t: SpacyToken) -> str:
    """spaCy's part of speech; a copula is AUX, and a name in lower case is a noun ("the red bird" is no Mr Bird)."""
    if tree.deprel[t.i] == "cop":
        return "AUX"
    return "NOUN" if t.pos_ == "PROPN" and t.text.islower() else t.pos_


def _coordination(tree: _Tree) -> None:
    """red, green and blue: all conjuncts hang on the first, "and" on the conjunct after it."""
    for i, label in enumerate(tree.clear):
        if label == "cc" and tree.head[i] >= 0:
            before = tree.head[i]
            after = [c for c in tree.children(before, "conj") if c > i]
            if not after:
                after = _stray_conjunct(tree, i)
            tree.head[i] = after[0] if after else before
    for i, label in enumerate(tree.clear):
        while label == "conj" and tree.clear[tree.head[i]] == "conj":
            tree.head[i] = tree.head[tree.head[i]]


def _stray_conjunct(tree: _Tree, cc: int) -> list[int]:
    """A room with a couch and a chair: the chair, if it was hung on the room, comes back to what "and" hangs on.

    Not under a plural verb: "a woman in white and a man stand near a cake" is right as it is.
    """
    for t in tree.doc:
        if t.dep_ == "conj" and t.left_edge.i == cc + 1:
            if not (t.head.dep_ == "nsubj" and t.head.head.tag_ in ("VBP", "VB")):
                tree.head[t.i] = tree.head[cc]
            return [t.i]
    return []


def _prepositions(tree: _Tree) -> None:
    """on a branch: the noun takes the place of its preposition, as nmod of a noun and obl of anything else.

    From the innermost outwards, so that "from under the table" becomes two prepositions of one noun. A preposition
    without a noun is a verb's particle ("a plane flies over"), before a clause a mark.
    """
    for i in reversed(range(len(tree.doc))):
        if tree.clear[i] not in ("prep", "agent") and not tree.children(i, "pobj"):
            continue
        nouns = [c for c in tree.children(i, "pobj", LIFTED) if c > i]
        clauses = tree.children(i, "pcomp")
        if nouns:
            noun, label = nouns[0], tree.clear[i]
            tree.promote(noun, i)
            tree.deprel[i] = "case"
            moved = {"agent": "obl:agent", "conj": "conj", "ROOT": "root"}
            tree.deprel[noun] = moved.get(label) or _oblique(tree, noun)
            tree.clear[noun] = "conj" if label == "conj" else LIFTED
        elif clauses:
            tree.promote(clauses[0], i)
            tree.deprel[i], tree.deprel[clauses[0]] = "mark", "advcl"
        elif tree.clear[i] == "prep":
            verb = tree.head[i] >= 0 and tree.doc[tree.head[i]].pos_ == "VERB" and tree.head[i] == i - 1
            tree.deprel[i] = "compound:prt" if verb else "advmod"


def _oblique(tree: _Tree, noun: int) -> str:
    head = tree.head[noun]
    return "nmod" if head >= 0 and tree.doc[head].pos_ in ("NOUN", "PROPN", "PRON", "NUM", "SYM", "X") else "obl"


def _particle_objects(tree: _Tree) -> None:
    """walking up a hill: a bare noun after a particle, which spaCy takes for a measure, is the verb's object."""
    for i, label in enumerate(tree.clear):
        verb = tree.head[i]
        if label == "npadvmod" and verb >= 0 and not tree.children(verb, "dobj"):
            particles = [c for c in tree.children(verb, "prt") if verb < c < i]
            tree.deprel[i] = "obj" if particles else tree.deprel[i]


def _states(tree: _Tree, be: int) -> list[int]:
    """the lights are off · a lamp that is on: what stands behind "be" alone, but for "the table the vase is on" """
    if tree.clear[be] == "relcl" and not any(tree.doc[c].tag_ in ("WDT", "WP") for c in tree.children(be, "nsubj")):
        return []
    after = [c for c in tree.children(be, "prep", "advmod", "prt") if c > be]
    alone = all(tree.doc[c].lower_ in {"on", "off", *lexicon("positions")} and not tree.children(c) for c in after)
    return after if alone else []


def _copulas(tree: _Tree) -> None:
    """the bird is yellow: the predicate takes the place of "be". With "there" the noun is the subject instead."""
    for i, t in enumerate(tree.doc):
        if t.lemma_ != "be" or t.pos_ not in ("AUX", "VERB") or tree.clear[i] in ("aux", "auxpass"):
            continue
        predicates = tree.children(i, "acomp", "attr", "oprd")
        if tree.children(i, "expl"):
            for noun in predicates:
                tree.deprel[noun] = "nsubj"
            continue
        if not predicates and tree.children(i, "nsubj"):
            predicates = [c for c in tree.children(i) if tree.deprel[c] == "obl"] or _states(tree, i)
        if predicates:
            label = tree.deprel[i]
            tree.promote(predicates[0], i)
            tree.deprel[predicates[0]], tree.clear[predicates[0]] = label, tree.clear[i]
            tree.deprel[i] = tree.clear[i] = "cop"
