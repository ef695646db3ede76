"""Word lists of spaCy's rule lemmatizer by part of speech, and functions that find base forms of verbs in them."""

from dataclasses import dataclass, field
from typing import Any

VOWELS = "aeiou"


@dataclass(frozen=True)
class Vocabulary:
    """Base forms by part of speech and irregular verb forms; empty if the pipeline has no rule lemmatizer."""

    nouns: frozenset[str] = frozenset()
    verbs: frozenset[str] = frozenset()
    irregular_verbs: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, nlp: Any) -> "Vocabulary":
        """Returns the base forms in the lemmatizer tables of a spaCy pipeline."""
        lookups: Any = getattr(nlp.get_pipe("lemmatizer"), "lookups", None) if nlp.has_pipe("lemmatizer") else None
        if not (lookups and lookups.has_table("lemma_index") and lookups.has_table("lemma_exc")):
            return cls()
        table = lookups.get_table("lemma_index")
        return cls(frozenset(table["noun"]), frozenset(table["verb"]), lookups.get_table("lemma_exc")["verb"])

    def verb_of_third_person(self, form: str) -> str:
        """Returns the base form of a verb in the third person: "fly" for "flies"; "" if the word is not such a form."""
        guesses = [*self.irregular_verbs.get(form, []), form[:-3] + "y" if form.endswith("ies") else ""]
        return next((guess for guess in (*guesses, form[:-1], form[:-2]) if guess in self.verbs), "")

    def with_silent_e(self, form: str, lemma: str) -> str:
        """
        Returns the lemma of a verb; adds a final e if the form of the verb shows that the lemma has one.

        A short verb without e would double its consonant: the lemma of "riding" and "rides" is "ride", not "rid", and
        the lemma of "staring" is "stare", not "star".
        """
        short = len(lemma) > 2 and lemma[-1] not in VOWELS + "wxy" and lemma[-2] in VOWELS and lemma[-3] not in VOWELS
        once = sum(c in VOWELS for c in lemma) == 1
        grown = form in (lemma + "ing", lemma + "ed") and short and once
        grown |= form == lemma + "es" and not lemma.endswith(("s", "x", "z", "ch", "sh", "o"))
        return lemma + "e" if grown and lemma + "e" in self.verbs else lemma
