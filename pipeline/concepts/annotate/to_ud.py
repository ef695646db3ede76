"""Converts spaCy's CLEAR-style dependency trees to Universal Dependencies, as far as the concept rules need them.

Three constructions are restructured: prepositions (the preposition heads its phrase in CLEAR, the noun in UD), copulas
("be" heads its clause in CLEAR, the predicate in UD), and coordination (a chain in CLEAR, a star in UD). The remaining
labels are renamed by a table.
"""

from dataclasses import replace

from hspcgan.pipeline.concepts.concept_types import Token
from hspcgan.pipeline.concepts.editable_tree import QUOTED, ParseEdit
from hspcgan.pipeline.concepts.lexicons import lexicon, pairs

# CLEAR label → UD relation; labels with equal names and meanings are omitted.
LABELS = {
    "ROOT": "root",
    "acomp": "xcomp",
    "agent": "case",
    "attr": "xcomp",
    "auxpass": "aux:pass",
    "csubjpass": "csubj:pass",
    "dative": "iobj",
    "dobj": "obj",
    "intj": "discourse",
    "meta": "dep",
    "neg": "advmod",
    "npadvmod": "obl:npmod",
    "nsubjpass": "nsubj:pass",
    "oprd": "xcomp",
    "pcomp": "advcl",
    "pobj": "obl",
    "poss": "nmod:poss",
    "preconj": "cc:preconj",
    "predet": "det:predet",
    "prep": "case",
    "prt": "compound:prt",
    "quantmod": "advmod",
    "relcl": "acl:relcl",
}
NOUN_LIKE = ("NOUN", "PROPN", "PRON", "NUM", "SYM", "X")
PREPOSITIONS = ("prep", "agent")
MOVED = ("nmod", "obl")  # labels of nouns that have been promoted over their preposition


def to_ud(edit: ParseEdit) -> list[Token]:
    """Converts an edited parse to UD tokens; leaves out whitespace tokens. Modifies `edit` in place."""
    for i, label in enumerate(edit.labels):
        if label == "nmod":  # in UD, nmod is a noun with a preposition
            edit.relabel(i, "compound")
    coordination(edit)
    prepositions(edit)
    copulas(edit)
    words = [i for i, token in enumerate(edit.tokens) if not token.text.isspace()]
    place = {i: n for n, i in enumerate(words)}
    typos = pairs("typos")
    return [
        replace(
            edit.tokens[i],
            lemma=typos.get(edit.words[i]) or edit.lemmas[i] or edit.words[i],
            upos=_upos(edit, i),
            xpos=edit.tags[i],
            head=place.get(edit.heads[i], -1),
            deprel=LABELS.get(edit.labels[i], edit.labels[i]),
        )
        for i in words
    ]


def _upos(edit: ParseEdit, i: int) -> str:
    """Returns spaCy's part of speech, except AUX for a copula and NOUN for a word that is tagged as a name but is in
    lower case ("bird" in "the red bird").
    """
    if edit.labels[i] == "cop":
        return "AUX"
    is_noun = edit.pos[i] == "PROPN" and edit.texts[i].islower() and edit.tags[i] != QUOTED
    return "NOUN" if is_noun else edit.pos[i]


def coordination(edit: ParseEdit) -> None:
    """Attaches all conjuncts to the first one, and "and" to the conjunct after it: "red, green and blue"."""
    for i, label in enumerate(edit.labels):
        if label == "cc" and edit.heads[i] >= 0:
            after = [c for c in edit.children(edit.heads[i], "conj") if c > i]
            edit.attach(i, to=after[0] if after else edit.heads[i])
    for i, label in enumerate(edit.labels):
        while label == "conj" and edit.labels[edit.heads[i]] == "conj":
            edit.attach(i, to=edit.heads[edit.heads[i]])


def prepositions(edit: ParseEdit) -> None:
    """Makes the noun, not the preposition, the head of each prepositional phrase ("on a branch").

    The noun becomes nmod if its head is a noun, otherwise obl. Works from the innermost phrase outwards, so that in
    "from under the table" both prepositions depend on the noun. A preposition before a clause becomes a mark. A
    preposition without a noun or clause becomes a particle if it follows its verb ("a plane flies over"), otherwise
    an adverb.
    """
    for i in reversed(range(len(edit))):
        label = edit.labels[i]
        if label not in PREPOSITIONS and not edit.children(i, "pobj"):
            continue
        noun = next((c for c in edit.children(i, "pobj", *MOVED) if c > i), -1)
        if noun >= 0:
            edit.promote(noun, over=i, label="case", moving=edit.children(i))
            if label == "agent":
                edit.relabel(noun, "obl:agent")
            elif label not in ("conj", "ROOT"):
                edit.relabel(noun, "nmod" if edit.pos[edit.heads[noun]] in NOUN_LIKE else "obl")
        elif clauses := edit.children(i, "pcomp"):
            edit.promote(clauses[0], over=i, label="mark", moving=edit.children(i))
            edit.relabel(clauses[0], "advcl")
        elif label == "prep":
            after_verb = edit.heads[i] == i - 1 and edit.pos[i - 1] == "VERB"
            edit.relabel(i, "compound:prt" if after_verb else "advmod")


def copulas(edit: ParseEdit) -> None:
    """Makes the predicate the head of a clause with "be": "yellow" in "the bird is yellow".

    After "there is", the noun becomes the subject instead.
    """
    for i, lemma in enumerate(edit.lemmas):
        if lemma != "be" or edit.pos[i] not in ("AUX", "VERB") or edit.labels[i] in ("aux", "auxpass"):
            continue
        predicates = edit.children(i, "acomp", "attr", "oprd")
        if edit.children(i, "expl"):
            for noun in predicates:
                edit.relabel(noun, "nsubj")
            continue
        if not predicates and edit.children(i, "nsubj"):
            predicates = edit.children(i, "obl") or _state_words(edit, i)
        if predicates:
            edit.promote(predicates[0], over=i, label="cop", moving=edit.children(i))


def _state_words(edit: ParseEdit, be: int) -> list[int]:
    """Returns the words after "be" that name a state: "off" in "lights are off", not "on" in "the table it is on".

    the boats and people are on → boat, people
    """
    if edit.labels[be] == "relcl" and not any(edit.tags[c] in ("WDT", "WP") for c in edit.children(be, "nsubj")):
        return []
    after = [c for c in edit.children(be, "prep", "advmod", "prt", "compound:prt") if c > be]
    switched = any(edit.lemmas[i] in lexicon("switched") for i in (edit.heads[be], *edit.children(be, "nsubj")))
    states = lexicon("positions") | ({"on", "off"} if switched else set())
    alone = all(edit.words[c] in states and not edit.children(c) for c in after)
    return after if alone else []
