"""Concept sets → the tuples in which FACTUAL (ACL Findings 2023) writes scene graphs, for `parse --jsonl`.

Its conventions differ from those of §3.1.1: possession is "have", dress "wear", "and" is left out, what is absent as
well. The captions in the docstrings are the rules' tests: caption → (subject, relation, object).
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from hspcgan.pipeline.concepts.factual import omitted
from hspcgan.pipeline.concepts.factual.naming import Naming, respelt
from hspcgan.pipeline.concepts.lexicons import lexicon, pairs
from hspcgan.pipeline.concepts.tokens import Concepts, Relation, Token

PARTICLES = ("up", "down", "back", "forward", "straight", "together")
POSTURES = ("sit", "stand", "walk", "play", "pose", "lie", "run")
PICTURES = ("picture", "photo", "photograph")
Triple = tuple[str, str, str]


def tuples(concepts: Concepts, tokens: Sequence[Token]) -> list[list[str]]:
    """[subject, relation, object], [entity, "is", attribute], and [entity] for those that nothing is said of."""
    if concepts.empty:  # noun chunks, whose word indices may be another annotator's
        return [[name] for name in dict.fromkeys(entity.text for entity in concepts.entities)]
    view = _View(concepts, tokens)
    found = dict.fromkeys([*view.attributes(), *view.owners(), *view.relations()])
    said = {part for one, text, other in found for part in ((one,) if text == "is" else (one, other))}
    rest = [name for n, name in enumerate(view.names) if n not in view.left_out and name not in said]
    return [list(triple) for triple in found] + [[name] for name in dict.fromkeys(rest)]


class _View:
    """One caption's concept sets as FACTUAL sees them; `left_out` are entities that its graph does not have."""

    def __init__(self, concepts: Concepts, tokens: Sequence[Token]) -> None:
        self.concepts, self.tokens = concepts, tokens
        self.naming = Naming(concepts, tokens)
        self.names = self.naming.names
        self.heads = [entity.head for entity in concepts.entities]
        self.tops, self.shown = omitted.tops(concepts), omitted.shown(concepts)
        self.left_out = {*omitted.absent(concepts, tokens), *self.tops.values(), *self.shown}

    def attributes(self) -> Iterator[Triple]:
        """What is denied is left out.

        a black haired boy → (boy, have, hair), (hair, is, black)
        a framed mirror → (mirror, have, frame)
        a tiled floor → (tile, on, floor)
        the small bird is not red → (bird, is, small)
        a bucket full of apples → (bucket, have, apples)
        the dog is bigger than the cat → (dog, bigger than, cat)
        """
        joined = {(r.subject, r.text) for r in self.concepts.relations}
        for a in self.concepts.attributes:
            if (
                a.entity < 0
                or a.text.startswith(omitted.DENIED)
                or (a.entity, f"{a.text} of") in joined
                or (a.entity, f"{self.naming.quality(a)} than") in joined
                or a.entity in self.left_out
                or self.naming.in_name(a)
                or self.naming.owner(a)
                or self.naming.room(a)
            ):
                continue
            text = self.naming.quality(a)
            words = text.replace("-", " ").split()
            if words and words[-1] in pairs("part_words"):
                part = pairs("part_words")[words[-1]]
                yield self.names[a.entity], "have", part
                yield from ((part, "is", word) for word in words[:-1])
            elif text == "tiled":
                yield "tile", "on", self.names[a.entity]
            elif text:
                yield self.names[a.entity], "is", text

    def owners(self) -> Iterator[Triple]:
        for a in self.concepts.attributes:
            if a.entity >= 0 and self.naming.owner(a):
                yield self.naming.owner(a), "have", self.names[a.entity]
            elif a.entity >= 0 and self.naming.room(a):
                yield self.names[a.entity], "in", a.text

    def relations(self) -> Iterator[Triple]:
        """What is denied is left out.

        a yellow bird that never flies → (bird, is, yellow)
        a tall man not holding a bat → (man, is, tall)
        a lamp that is turned on → (lamp, is, turned on)
        """
        for r in self.concepts.relations:
            if r.subject in self.shown and r.text != "of" and self.tokens[r.word].upos == "ADP":
                r = replace(r, subject=self.shown[r.subject])
            taken = r.text == "take" and r.object in self.shown
            absent = {r.subject, *(() if taken else (r.object,))} & self.left_out
            if r.text in ("and", "or") or r.text.startswith(omitted.DENIED) or r.subject < 0 or absent:
                continue
            if r.object >= 0:
                yield from self._edge(r)
            elif self.tokens[r.word].upos == "VERB" and not self._governs(r.word, "xcomp"):
                switched = r.text.split()[1:] if r.text in ("turn on", "turn off") else []
                yield self.names[r.subject], "is", " ".join([self.tokens[r.word].text.lower(), *switched])

    def _edge(self, r: Relation) -> Iterator[Triple]:
        """The tuples of one relation, by what its preposition, verb and object say."""
        one, other, kind = self.names[r.subject], self.names[r.object], self.heads[r.object]
        words = r.text.split()
        first, last = words[0], words[-1]
        verb = first if self.tokens[r.word].upos == "VERB" else ""
        state = self._state(r)
        if state:
            self.left_out.add(r.object)
            yield one, "is", state
        elif r.text == "have" and self._says_where(r):
            return
        elif r.text == "with":
            yield from self._with(r)
        elif r.text == "of":
            yield from self._of(r)
        elif last == "in" and (verb == "dress" or (kind in lexicon("clothes") and verb in ("", *POSTURES))):
            yield from self._dressed(r, verb)
        elif r.text in ("have", "have on") and kind in lexicon("clothes") and self._has_on(r):
            yield one, "wear", other
        elif verb in ("cover", "surround") and last in ("in", "with", "by"):
            yield other, verb, one
        else:
            yield self._actor(r), self._wording(r.text, verb), other

    def _state(self, r: Relation) -> str:
        """What a relation says of its subject alone, its object being no thing of its own; "" for others.

        a man takes a picture → (man, is, taking photo)
        buildings in the distance → (buildings, is, in the distance)
        """
        kind = self.heads[r.object]
        if r.text == "be":
            return self.names[r.object]
        if kind in ("left", "right") and r.text in ("on", "to"):
            return f"on the {kind}"
        if kind == "distance" and r.text == "in":
            return "in the distance"
        return "taking photo" if r.text == "take" and kind in PICTURES else ""

    def _with(self, r: Relation) -> Iterator[Triple]:
        """What something has on it is said to be there; a part of one's own is had, glasses and shirts are worn.

        a table with a vase on it → (vase, on, table)
        a box with apples on top → (apples, on top of, box)
        a woman with her arm in the air → (woman, have, arm)
        a man with glasses → (man, wear, glasses)
        """
        one, other = self.names[r.subject], self.names[r.object]
        if r.object in self.tops:
            yield other, "on top of", one
        elif not self._says_where(r):
            worn = self.heads[r.object] in ("glass", "glasses", "sunglass", "sunglasses", "shirt")
            wears = worn and self.heads[r.subject] in lexicon("persons")
            yield one, "wear" if wears else "have" if self._is_own(r.object) else "with", other

    def _says_where(self, r: Relation) -> bool:
        """Whether the caption says where on its owner a thing is, which says that it has it.

        the ground has snow on it → (snow, on, ground)
        """
        return any((q.subject, q.object) == (r.object, r.subject) for q in self.concepts.relations)

    def _has_on(self, r: Relation) -> bool:
        """the woman has a pink shirt on → (woman, wear, shirt), (shirt, is, pink)"""
        after = self.tokens[self.concepts.entities[r.object].word + 1 :][:2]
        return bool(after) and after[0].text == "on" and all(t.upos == "PUNCT" for t in after[1:])

    def _of(self, r: Relation) -> Iterator[Triple]:
        """A part is had by its whole; what a container holds is in it; a picture is what it shows.

        the leg of a chair → (chair, have, leg)
        a cup of coffee → (coffee, in, cup)
        """
        one, other = self.names[r.subject], self.names[r.object]
        link = pairs("containers").get(self.heads[r.subject], "of")
        if link in ("of", "have"):
            yield (other, "have", one) if link == "of" else (one, "have", other)
        else:
            yield other, link, one

    def _dressed(self, r: Relation, verb: str) -> Iterator[Triple]:
        """
        a man in a white shirt → (man, wear, shirt), (shirt, is, white)
        a man dressed in black → (man, wear, black)
        """
        if verb in POSTURES:
            yield self.names[r.subject], "is", self.tokens[r.word].text.lower()
        yield self.names[r.subject], "wear", self.names[r.object]

    def _actor(self, r: Relation) -> str:
        """a boy holding a bat in his hand → (boy, hold, bat), (bat, in, hand)"""
        governor = self.tokens[self.tokens[r.word].head].head if self.tokens[r.word].deprel == "case" else -1
        if governor >= 0 and self.heads[r.object] in lexicon("parts") and self._is_own(r.object):
            for q in self.concepts.relations:
                held = q.word == governor and q.subject == r.subject and q.object >= 0
                if held and self.tokens[self.concepts.entities[q.object].word].deprel == "obj":
                    return self.names[q.object]
        return self.names[r.subject]

    def _wording(self, text: str, verb: str) -> str:
        """a bird looks down at two zebras out in a field beneath a hill → (bird, look at, zebras), (zebras, is, 2)"""
        words = text.split()
        if verb and len(words) > 2 and words[1] in PARTICLES and words[2] not in ("of", "to"):
            del words[1]
        elif not verb and len(words) > 1 and words[0] in ("out", "up", "down", "over") and words[1] != "of":
            del words[0]
        return respelt(" ".join(words), "prepositions")

    def _is_own(self, n: int) -> bool:
        """his arm: a pronoun says whose"""
        noun = self.concepts.entities[n].word
        return any(t.head == noun and t.deprel == "nmod:poss" and t.upos == "PRON" for t in self.tokens)

    def _governs(self, word: int, deprel: str) -> bool:
        return any(t.head == word and t.deprel == deprel for t in self.tokens)
