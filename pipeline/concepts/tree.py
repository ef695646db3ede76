"""A caption's dependency tree as the concept rules read it: children by label, and phrases folded onto their noun."""

from bisect import insort
from collections.abc import Iterator, Sequence
from functools import cache

from hspcgan.pipeline.concepts.lexicons import lexicon
from hspcgan.pipeline.concepts.tokens import Token

NOMINAL = ("NOUN", "PROPN")
COLOURED = ("colored", "coloured", "color", "colour")
# What a pronoun stands for where nothing is named.
PERSONS = {"he": "man", "him": "man", "she": "woman", "her": "woman", "they": "people", "them": "people"}
PERSONS |= dict.fromkeys(("someone", "somebody", "anyone", "anybody"), "person")
# Nouns whose owner is the place: "the building's side".
SIDES = ("side", "edge", "top", "bottom", "corner", "end", "center", "middle")
# Lemmas that open a preposition of two words when they are adjectives: "next to", "close to".
NEAR = ("next", "close", "adjacent", "near")


@cache
def is_label(deprel: str, *labels: str) -> bool:
    """Whether a relation is one of the labels or a subtype of it: acl:relcl is an acl."""
    return deprel in labels or deprel.partition(":")[0] in labels


class Tree:
    """Tokens with heads that the folds may move; indices stay those of the caption."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.head = [token.head for token in tokens]
        self.deprel = [token.deprel for token in tokens]
        self.quantities: set[int] = set()
        self.persons: dict[int, str] = {}
        self._kids: list[list[int]] = [[] for _ in tokens]
        for i, head in enumerate(self.head):
            if head >= 0:
                self._kids[head].append(i)
        self._lemmas = [self._lemma(i) for i in range(len(tokens))]
        self._lift_modifiers()
        self._fold_quantities()
        self._fold_places()
        self._fold_adverbs()
        self._hang_pronouns()
        self._pass_clothes()
        self.persons = self._unnamed_persons()

    def __len__(self) -> int:
        return len(self.tokens)

    def lemma(self, i: int) -> str:
        return self._lemmas[i]

    def _lemma(self, i: int) -> str:
        """In lower case; of "shorts" and their like the plural, since one short is another thing."""
        written = self.tokens[i].text.lower()
        kept = written in lexicon("plural_only") or (written == "glasses" and self._are_worn(i))
        return written if kept else (self.tokens[i].lemma or written).lower()

    def _are_worn(self, i: int) -> bool:
        """a man wearing glasses · a woman with glasses · a man with a hat and glasses"""
        above = self.head[i]
        lemma = self.tokens[above].lemma.lower() if above >= 0 else ""
        beside = self.is_a(i, "conj") and lemma in lexicon("clothes")
        return lemma == "wear" or beside or (self.is_a(i, "nmod") and lemma in lexicon("persons"))

    def upos(self, i: int) -> str:
        return self.tokens[i].upos

    def is_a(self, i: int, *labels: str) -> bool:
        return is_label(self.deprel[i], *labels)

    def children(self, i: int, *labels: str) -> list[int]:
        """Dependents in caption order, those with one of the labels if any are given."""
        kids = self._kids[i]
        return [c for c in kids if is_label(self.deprel[c], *labels)] if labels and kids else kids.copy()

    def with_conjuncts(self, i: int) -> list[int]:
        """The word and those coordinated with it."""
        return [i, *self.children(i, "conj")]

    def case(self, i: int) -> list[int]:
        """The words of a noun's preposition, with what is fixed to them: "out of", "in front of"."""
        words = [c for c in self.children(i, "case") if self.lemma(c) not in ("'s", "'", "’s", "’")]
        return sorted(words + [f for c in words for f in self.children(c, "fixed")])

    def case_text(self, i: int) -> str:
        words = [self.lemma(c) for c in self.case(i)]
        return " ".join([*words, "of"] if words and words[-1] in SIDES else words)

    def is_entity(self, i: int) -> bool:
        """Nouns and names that head a phrase: "party" of "a cocktail party", "york" of "new york"; unnamed persons."""
        if i in self.persons:
            return True
        apart = ("compound", "amod", "nummod", "flat", "fixed", "case", "goeswith", "cc", "mark", "obl:tmod")
        return self.upos(i) in NOMINAL and not self.is_a(i, *apart) and not self.is_nobody(i)

    def is_nobody(self, i: int) -> bool:
        """nobody · no one · the color in "black in color", which the adjective names"""
        no_one = self.lemma(i) == "one" and any(self.lemma(c) == "no" for c in self.children(i, "det"))
        in_color = self.lemma(i) in COLOURED and [self.lemma(c) for c in self.children(i)] == ["in"]
        return no_one or in_color or self.lemma(i) in ("nobody", "nothing", "none")

    def _hang(self, i: int, head: int) -> None:
        """Moves a word, with what hangs on it, under another head (-1: none)."""
        if self.head[i] >= 0:
            self._kids[self.head[i]].remove(i)
        self.head[i] = head
        if head >= 0:
            insort(self._kids[head], i)

    def _replace(self, old: int, new: int, keep: Sequence[int]) -> None:
        """Puts `new` where `old` stands in the tree; old's dependents follow, but for `keep`."""
        self._hang(new, self.head[old])
        self.deprel[new] = self.deprel[old]
        for child in self.children(old):
            if child not in keep:
                self._hang(child, new)
        self._hang(old, new)

    def _complement(self, i: int, preposition: str = "") -> int:
        """The noun just after a word and its preposition: people in "group of people"; -1 without one."""
        for child in self.children(i, "nmod", "obl"):
            words = self.children(child, "case")
            if child > i and words and words[0] == i + 1 and preposition in ("", self.lemma(words[0])):
                return child
        return -1

    def _lift_modifiers(self) -> None:
        """An adjective or colour before a compound, or before another adjective, is said of the whole.

        a white table cloth → white (cloth), table (cloth)
        a bird with a short pointy bill → short (bill), pointy (bill)
        """
        for i in range(len(self)):
            noun = self.head[i]
            if noun <= i or not self.is_a(i, "amod", "nummod", "det", "compound"):
                continue
            if self.is_a(i, "compound") and not (self.lemma(i) in lexicon("colours") and not self.children(i)):
                continue
            if self.is_a(i, "compound"):
                self.deprel[i] = "amod"
            while self.head[noun] > noun and (
                (self.is_a(noun, "compound") and self.upos(noun) in NOMINAL)
                or (self.is_a(noun, "amod") and self.is_a(i, "amod") and self.upos(noun) in ("ADJ", "VERB"))
            ):
                noun = self.head[noun]
            self._hang(i, noun)

    def _pass_clothes(self) -> None:
        """Who wears it acts, not what is worn.

        a man in a white shirt holding a bat → hold (man, bat)
        """
        for i in range(len(self)):
            worn = self.head[i]
            if worn < 0 or worn > i or self.lemma(worn) not in lexicon("clothes") or not self.is_a(worn, "nmod"):
                continue
            acts = self.is_a(i, "acl") and self.tokens[i].xpos == "VBG" and self.lemma(i) not in ("hang", "make")
            stays = self.is_a(i, "nmod") and self.case_text(i) in ("on", "at", "near", "in front of", "next to")
            if self.case_text(worn) in ("in", "with") and self.is_entity(self.head[worn]) and (acts or stays):
                self._hang(i, self.head[worn])

    def _hang_pronouns(self) -> None:
        """A preposition with a pronoun speaks of the noun before it.

        a glass with dessert in it → in (dessert, glass)
        """
        for i in range(len(self)):
            first = min(self.children(i, "case"), default=i)
            if self.upos(i) != "PRON" or not self.is_a(i, "nmod", "obl") or self.lemma(i) not in ("it", "they"):
                continue
            above, near = self.head[i], first - 1
            while near > above and not self.is_entity(near):
                near -= 1
            while self.is_a(near, "conj") and self.head[near] > above:
                near = self.head[near]
            after_with = self.is_a(near, "obl", "nmod") and self.case_text(near) == "with"
            if above < near and self.is_entity(near) and (after_with or self.upos(above) != "VERB"):
                self._hang(i, near)
                self.deprel[i] = "nmod"

    def _unnamed_persons(self) -> dict[int, str]:
        """Pronouns, by index, that speak of somebody whom no noun before them names, and the nouns they stand for.

        he is wearing a suit → man, suit
        """
        found = {}
        for i, token in enumerate(self.tokens):
            noun = PERSONS.get(token.text.lower())
            if noun is None or token.upos not in ("PRON", "NOUN") or self.is_a(i, "nmod:poss", "det", "det:predet"):
                continue
            earlier = [j for j in range(i) if self.upos(j) in NOMINAL and self.is_entity(j)]
            if noun == "people":
                earlier = [j for j in earlier if self.tokens[j].xpos in ("NNS", "NNPS") or self.children(j, "conj")]
            elif noun != "person":
                earlier = [j for j in earlier if self.lemma(j) in lexicon("persons") or self.upos(j) == "PROPN"]
            if not earlier or noun == "person":
                found[i] = noun
        return found

    def _fold_quantities(self) -> None:
        """The thing counted is the entity, the noun of quantity its attribute; also in "a pile of", "a slice of".

        a group of people standing on a hill → group (people), stand on (people, hill)
        one of the boys wears a hat → one (boy), wear (boy, hat)
        some of the apples are green → green (apple)
        """
        partitives = (i for i in range(len(self)) if self.upos(i) in ("DET", "PRON", "NUM"))
        for i in sorted([*self._nouns("quantity_nouns"), *partitives]):
            noun = self._complement(i, "of")
            if noun < 0:
                continue
            for case in self.children(noun, "case"):
                self._hang(case, i)
                self.deprel[case] = "fixed"
            self._replace(i, noun, keep=self.children(i, "amod", "fixed", "compound"))
            self.deprel[i] = "amod"
            self.quantities.add(i)

    def _fold_places(self) -> None:
        """The place on a thing is part of the preposition: "in front of" is the window's.

        a boy sits in front of a window → sit in front of (boy, window)
        a white sign on the side of a building → on side of (sign, building)
        """
        for i in self._nouns("place_nouns"):
            noun = self._complement(i, "of")
            if noun < 0 and self.lemma(i) in SIDES:
                noun = next((c for c in self.children(i, "nmod:poss") if self.upos(c) in NOMINAL), -1)
            if noun < 0 or not self.children(i, "case"):
                continue
            self._replace(i, noun, keep=self.children(i, "det"))
            self.deprel[i] = "case"
            for child in self.children(noun, "amod", "compound"):
                if child < i:
                    self.deprel[child] = "case"
            for child in self.children(i, "det"):
                if self.lemma(child) in ("both", "either"):
                    self._hang(child, noun)
                    self.deprel[child] = "case"

    def _fold_adverbs(self) -> None:
        """An adverb before a preposition is part of it: "next to", "out of", "away from".

        a man stands next to a tree → stand next to (man, tree)
        """
        for i in range(len(self)):
            bare = self.upos(i) == "ADV" or (self.upos(i) == "ADP" and self.is_a(i, "advmod"))
            if bare or (self.upos(i) in ("ADJ", "ADP") and self.lemma(i) in NEAR):
                noun = self._complement(i)
                if noun >= 0 and self.upos(noun) in (*NOMINAL, "PRON"):
                    advmod = self.is_a(i, "advmod", "amod", "acl")
                    self._replace(i, noun, keep=self.children(i, "advmod"))
                    self.deprel[i] = "case"
                    if advmod:
                        self.deprel[noun] = "nmod" if self.upos(self.head[noun]) in NOMINAL else "obl"

    def _nouns(self, name: str) -> Iterator[int]:
        words = lexicon(name)
        return (i for i in range(len(self)) if self.lemma(i) in words and self.upos(i) in (*NOMINAL, "ADJ", "ADV"))
