"""Corrects spaCy's trees by rules, in the order of RULES.

To add a rule, write a function of a ParseEdit and a Vocabulary, with an example in its docstring ("caption → result",
which is tested), and put the function into RULES.
"""

from collections.abc import Callable

from spacy.tokens import Doc

from hspcgan.pipeline.concepts.editable_tree import ParseEdit
from hspcgan.pipeline.concepts.repair import clauses, nouns, premodifiers, quoted_words, verbs
from hspcgan.pipeline.concepts.repair.vocabulary import Vocabulary

RULES: tuple[Callable[[ParseEdit, Vocabulary], None], ...] = (
    # parts of speech
    quoted_words.quotations,
    quoted_words.words_on_signs,
    verbs.upside_down,
    verbs.side_by_side,
    verbs.silent_e,
    verbs.verbs_tagged_as_plurals,
    verbs.verbs_tagged_as_nouns,
    nouns.worn_colours,
    nouns.pictures_in_black_and_white,
    nouns.colours_on_parts,
    nouns.backs_after_colours,
    # modifiers of nouns
    premodifiers.hyphenated_words,
    premodifiers.makers_before_participles,
    premodifiers.adverbs_inside_names,
    clauses.states_of_parts,
    # groups of nouns, and the attachment of clauses
    nouns.adjacent_noun_phrases,
    clauses.bare_relative_clauses,
    clauses.verbs_of_the_main_clause,
    clauses.clauses_after_and,
)


def repair(doc: Doc, known: Vocabulary) -> tuple[Doc, ParseEdit]:
    """Applies all rules to spaCy's parse and returns it as Doc and ParseEdit. If `known` has no verbs, no rule runs."""
    join_close_ups(doc)
    edit = ParseEdit.of_doc(doc)
    if known.verbs:
        for rule in RULES:
            rule(edit, known)
    return edit.as_doc(doc), edit


def join_close_ups(doc: Doc) -> None:
    """Merges "close up" or "close-up" before "of" into one noun (a kind of picture); modifies the Doc.

    a close up of a flower → of (close-up, flower)
    a close-up of a cat → of (close-up, cat)
    """
    words = [t.lower_ for t in doc]
    if "close" not in words:
        return
    with doc.retokenize() as retokenizer:
        for i, word in enumerate(words):
            up = i + 2 if words[i + 1 : i + 2] == ["-"] else i + 1
            if word == "close" and words[up : up + 2] == ["up", "of"]:
                retokenizer.merge(doc[i : up + 1], attrs={"LEMMA": "close-up", "POS": "NOUN", "TAG": "NN"})
