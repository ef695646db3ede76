"""Generates five captions per scene, each with its gold tree, gold concept sets and facts.

A fact gives the value of one field of the scene (or only that a thing is present), so it is known exactly of which
pictures a caption is true; the toy CLIP is trained and measured with this knowledge (`weights/true_texts.py`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from hspcgan.pipeline.toybirds import grammar as g
from hspcgan.pipeline.toybirds.scene import ABSENT, Scene

T = TypeVar("T")

CAPTIONS = 5
PRESENT = "present"
PLACE_VERBS = {
    "branch": (("is perched", "on", "branch"), ("sits", "on", "branch"), ("is sitting", "on", "branch")),
    "grass": (("stands", "on", "grass"), ("is standing", "on", "grass")),
    "water": (("swims", "on", "water"), ("is floating", "on", "water")),
    "sky": (("flies", "in", "sky"), ("is flying", "in", "sky")),
}
LEMMAS = {
    "perched": "perch", "sits": "sit", "sitting": "sit", "stands": "stand", "standing": "stand", "swims": "swim",
    "floating": "float", "flies": "fly", "flying": "fly", "wears": "wear",
}  # fmt: skip


@dataclass
class Caption:
    """A caption with its gold annotations.

    `index`: id() of a Word → token index. `facts`: scene field → required value; PRESENT is any value except ABSENT
    and False.
    """

    text: str
    tokens: list[g.Token]
    meaning: g.Meaning
    index: dict[int, int]
    facts: dict[str, str]


@dataclass
class CaptionBuilder:
    """Builds one caption of a scene, and records its entities, attributes, relations and facts."""

    scene: Scene
    rng: np.random.Generator
    meaning: g.Meaning = field(default_factory=g.Meaning)
    facts: dict[str, str] = field(default_factory=dict)

    def pick(self, options: Sequence[T]) -> T:
        return options[int(self.rng.integers(len(options)))]

    def phrase(self, head: str, adjectives: Sequence[str] = (), det: str = "a", plural: bool = False) -> g.Word:
        """Builds a noun phrase: "a large yellow bird", "red wings"."""
        noun = g.noun(head, plural)
        if det and not plural:
            noun.before(g.article((*adjectives, head)[0]) if det == "a" else g.determiner(det), "det")
        self.meaning.entities.append(noun)
        for word in adjectives:
            noun.before(g.adjective(word), "amod")
            self.meaning.attributes.append((noun, word))
        return noun

    def bird(self, det: str, *fields: str) -> g.Word:
        """Builds the noun phrase of the main bird; `fields` are the properties to name, from "size" and "body"."""
        for name in fields:
            self.facts[name] = getattr(self.scene, name)
        return self.phrase("bird", [getattr(self.scene, name) for name in fields], det)

    def part(self, name: str) -> g.Word:
        """Builds the noun phrase of a part with its colour (a beak: colour, length or both): "a long black beak"."""
        if name in ("crest", "nest"):
            self.facts["crest" if name == "crest" else "nest_relation"] = PRESENT
            return self.phrase(name)
        colour = self.facts[name] = getattr(self.scene, name)
        words = [colour]
        if name == "beak" and self.rng.random() < 0.6:
            self.facts["beak_length"] = self.scene.beak_length
            words = [self.scene.beak_length, colour] if self.rng.random() < 0.6 else [self.scene.beak_length]
            if len(words) == 1:
                del self.facts["beak"]
        return self.phrase(name, words, plural=name == "wing")

    def listed(self, names: Sequence[str]) -> list[g.Word]:
        """Builds a list of parts, with the others attached to the first: "a blue belly, red wings and a crest"."""
        words = [self.part(name) for name in names]
        for i, word in enumerate(words[1:], start=1):
            if i == len(words) - 1:
                word.left.insert(0, g.conjunction())
                word.left[0].deprel = "cc"
                self.meaning.relations.append((words[i - 1], "and", word))
            else:
                word.left.insert(0, g.comma())
                word.left[0].deprel = "punct"
            words[0].after(word, "conj")
        return words

    def attach(self, subject: g.Word, text: str, words: Sequence[g.Word]) -> None:
        """Attaches a prepositional phrase to a noun: "a bird with red wings", "a flower beside the bird"."""
        words[0].left.insert(0, g.preposition(text))
        words[0].left[0].deprel = "case"
        subject.after(words[0], "nmod")
        self.relate(subject, text, words)

    def relate(self, subject: g.Word, text: str, words: Sequence[g.Word]) -> None:
        self.meaning.relations.extend((subject, text, word) for word in words)

    def place(self, subject: g.Word) -> g.Word:
        """Builds the clause with the place of the bird ("… is perched on a branch"); returns the verb."""
        self.facts["place"] = self.scene.place
        phrase, preposition, where = self.pick(PLACE_VERBS[self.scene.place])
        verb = self.verb(phrase, subject)
        det = self.pick(("a", "the")) if where == "branch" else "the"
        place = self.phrase(where, det=det).before(g.preposition(preposition), "case")
        place.left.insert(0, place.left.pop())
        verb.after(place, "obl")
        self.relate(subject, f"{verb.lemma} {preposition}", [place])
        return verb

    def verb(self, phrase: str, subject: g.Word) -> g.Word:
        """Builds a finite verb with its subject: "sits", or "is" and a participle."""
        text = phrase.split()[-1]
        if " " not in phrase:
            return g.finite(text, LEMMAS[text]).before(subject, "nsubj")
        verb = g.participle(text, LEMMAS[text])
        passive = verb.xpos == "VBN"
        verb.before(subject, "nsubj:pass" if passive else "nsubj")
        return verb.before(g.be(), "aux:pass" if passive else "aux")


Pattern = Callable[[CaptionBuilder, list[str]], g.Word]


def place_caption(s: CaptionBuilder, parts: list[str]) -> g.Word:
    """Builds captions such as "a large yellow bird with a blue belly is perched on a branch"."""
    bird = s.bird("a", *([] if s.rng.random() < 0.3 else ["size"]), "body")
    s.attach(bird, "with", s.listed(parts[: int(s.rng.integers(1, 3))]))
    return s.place(bird)


def parts_caption(s: CaptionBuilder, parts: list[str]) -> g.Word:
    """Builds captions such as "this small bird has red wings, a crest and a long black beak"."""
    bird = s.bird(s.pick(("this", "the")), s.pick(("size", "body")))
    words = s.listed(parts[: int(s.rng.integers(2, 4))])
    s.relate(bird, "have", words)
    return g.finite("has", "have").before(bird, "nsubj").after(words[0], "obj")


def colours_caption(s: CaptionBuilder, parts: list[str]) -> g.Word:
    """Builds captions such as "the belly of the yellow bird is white and its wings are red"."""
    first, second = [p for p in parts if p not in ("crest", "nest", "collar")][:2]
    belly = s.phrase(first, det="the", plural=first == "wing")
    if first == "wing":
        belly.before(g.determiner("the"), "det")
    s.attach(belly, "of", [s.bird("the", "body")])
    root = _predicate(s, belly, first)
    other = s.phrase(second, det="", plural=second == "wing").before(g.its(), "nmod:poss")
    more = _predicate(s, other, second)
    more.left.insert(0, g.conjunction())
    more.left[0].deprel = "cc"
    return root.after(more, "conj")


def _predicate(s: CaptionBuilder, subject: g.Word, name: str) -> g.Word:
    colour = s.facts[name] = getattr(s.scene, name)
    s.meaning.attributes.append((subject, colour))
    return g.adjective(colour).before(subject, "nsubj").before(g.be(name == "wing"), "cop")


def thing_caption(s: CaptionBuilder, parts: list[str]) -> g.Word:
    """Builds captions such as "there is a red flower beside the large blue bird"."""
    thing, relation = _thing(s)
    s.attach(thing, relation, [s.bird("the", *(["size"] if s.rng.random() < 0.5 else []), "body")])
    root = g.be()
    root.upos = "VERB"
    return root.before(g.Word("there", "there", "PRON", "EX"), "expl").after(thing, "nsubj")


def _thing(s: CaptionBuilder) -> tuple[g.Word, str]:
    names = [n for n in ("flower", "nest", "second") if getattr(s.scene, f"{n}_relation") != ABSENT]
    name = s.pick(names)
    relation = s.facts[f"{name}_relation"] = getattr(s.scene, f"{name}_relation")
    if name == "nest":
        return s.phrase("nest"), relation
    colour = s.facts[name] = getattr(s.scene, name)
    return s.phrase("bird" if name == "second" else "flower", [colour]), relation


def collar_caption(s: CaptionBuilder, parts: list[str]) -> g.Word:
    """Builds captions such as "the black bird wears a yellow collar and has a white crown"."""
    bird = s.bird("the", s.pick(("size", "body")))
    collar = s.part("collar")
    s.relate(bird, "wear", [collar])
    first = g.finite("wears", "wear").before(bird, "nsubj").after(collar, "obj")
    words = s.listed([p for p in parts if p != "collar"][:1])
    s.relate(bird, "have", words)
    return first.after(g.finite("has", "have").before(g.conjunction(), "cc").after(words[0], "obj"), "conj")


def posture_caption(s: CaptionBuilder, parts: list[str]) -> g.Word:
    """Builds captions such as "the small bird flies in the sky and has red wings"."""
    bird = s.bird(s.pick(("this", "the", "a")), s.pick(("size", "body")))
    verb = s.place(bird)
    words = s.listed(parts[: int(s.rng.integers(1, 3))])
    s.relate(bird, "have", words)
    return verb.after(g.finite("has", "have").before(g.conjunction(), "cc").after(words[0], "obj"), "conj")


def noun_phrase_caption(s: CaptionBuilder, parts: list[str]) -> g.Word:
    """Builds captions such as "a purple bird with a white crown, orange wings and a short beak"."""
    bird = s.bird("a", *([] if s.rng.random() < 0.6 else ["size"]), "body")
    s.attach(bird, "with", s.listed(parts[: int(s.rng.integers(2, 4))]))
    return bird


def captions(scene: Scene) -> list[Caption]:
    """Returns five captions with different patterns, determined by the scene; together they name almost every part."""
    rng = np.random.default_rng([*scene.key.encode(), 5])
    patterns: list[Pattern] = [place_caption, parts_caption, noun_phrase_caption, colours_caption, posture_caption]
    if scene.collar != ABSENT:
        patterns[int(rng.integers(2, 5))] = collar_caption
    if any(getattr(scene, f"{n}_relation") != ABSENT for n in ("flower", "nest", "second")):
        patterns[int(rng.choice([i for i in (2, 3, 4) if patterns[i] is not collar_caption]))] = thing_caption
    spoken, queue = [], _parts(scene, rng)
    for pattern in patterns:
        speaker = CaptionBuilder(scene, rng)
        root = pattern(speaker, queue)
        named = [p for p in queue if p in speaker.facts]
        queue = [p for p in queue if p not in named] + named
        text, tokens, index = g.linearise(root)
        spoken.append(Caption(text, tokens, speaker.meaning, index, speaker.facts))
    return spoken


def _parts(scene: Scene, rng: np.random.Generator) -> list[str]:
    parts = ["belly", "wing", "crown", "beak"] + ["crest"] * scene.crest + ["collar"] * (scene.collar != ABSENT)
    return [parts[i] for i in rng.permutation(len(parts))]
