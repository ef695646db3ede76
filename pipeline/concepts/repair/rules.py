"""Corrects spaCy's trees by rules, in the order of RULES.

To add a rule, write a function of a ParseEdit with an example in its docstring ("caption → result", which is tested),
and put the function into RULES.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from hspcgan.pipeline.concepts.editable_tree import ParseEdit
from hspcgan.pipeline.concepts.repair import clauses, nouns, quoted_words, verbs

if TYPE_CHECKING:
    from spacy.tokens import Doc

RULES: tuple[Callable[[ParseEdit], None], ...] = (
    # parts of speech
    quoted_words.quotations,
    quoted_words.words_on_signs,
    verbs.upside_down,
    verbs.side_by_side,
    verbs.verbs_tagged_as_nouns,
    nouns.worn_colours,
    nouns.pictures_in_black_and_white,
    nouns.backs_after_colours,
    # modifiers of nouns
    nouns.adjacent_noun_phrases,
    nouns.makers_before_participles,
    clauses.states_of_parts,
    # clauses
    clauses.bare_relative_clauses,
    clauses.verbs_of_the_main_clause,
    clauses.clauses_after_and,
)


def repair(doc: "Doc") -> ParseEdit:
    """Returns spaCy's parse after all rules; modifies the Doc only by `join_close_ups`."""
    join_close_ups(doc)
    edit = ParseEdit.of_doc(doc)
    for rule in RULES:
        rule(edit)
    return edit


def join_close_ups(doc: "Doc") -> None:
    """Merges "close up" before "of" into one noun (a kind of picture); modifies the Doc.

    a close up of a flower → of (close-up, flower)
    a close-up of a cat → of (close-up, cat)
    """
    words = [t.lower_ for t in doc]
    if "close" in words:
        with doc.retokenize() as retokenizer:
            for i in range(len(words)):
                if words[i : i + 3] == ["close", "up", "of"]:
                    retokenizer.merge(doc[i : i + 2], attrs={"LEMMA": "close-up", "POS": "NOUN", "TAG": "NN"})
