"""Converts attributes and relations of the concept sets into tuples by FACTUAL's conventions (ACL Findings 2023).

They differ from the conventions of §3.1.1: parts are related by "have", clothes by "wear". Examples in docstrings are
tests: caption → (subject, relation, object). To add a convention, write a function of a view and an attribute or
relation, and put it into ATTRIBUTES or RELATIONS.
"""

from collections.abc import Callable

from hspcgan.pipeline.concepts.choices import choose
from hspcgan.pipeline.concepts.concept_types import Attribute, Relation
from hspcgan.pipeline.concepts.factual import left_out
from hspcgan.pipeline.concepts.factual.features import POSTURES
from hspcgan.pipeline.concepts.factual.naming import ing_form, replace_phrases
from hspcgan.pipeline.concepts.factual.view import View
from hspcgan.pipeline.concepts.lexicons import lexicon, pairs

PARTICLES = ("up", "down", "back", "forward", "straight", "together")
PICTURES = ("picture", "photo", "photograph")
# Options of the learned wording of a relation; others are words ("wear"). "<" before an option swaps the ends.
SAME, VERB, PREPOSITION, REVERSED = "same", "verb", "preposition", "<"
Triple = tuple[str, str, str]
Triples = list[Triple] | None  # the tuples from a convention; None if it does not apply


def nouns_before_nouns(view: View, a: Attribute) -> Triples:
    """Converts a noun before another noun to a relation ("have" or a preposition); omits it if it is part of the name.

    a tree branch → (tree, have, branch)
    a bathroom sink → (sink, in, bathroom)
    """
    manner, noun = view.modifier_wordings.get(a, "is"), view.names[a.entity]
    if manner == "is":
        return None
    if manner == "have":
        return [(a.text, "have", noun)]
    return [] if manner == "name" else [(noun, manner, a.text)]


def omit_negated(view: View, a: Attribute) -> Triples:
    """Omits an attribute that is negated or part of a relation such as "full of".

    the small bird is not red → (bird, is, small)
    a bucket full of apples → (bucket, have, apples)
    the dog is bigger than the cat → (dog, bigger than, cat)
    """
    hidden = a.text.startswith(left_out.NEGATED_PREFIX) or a.entity in view.left_out
    related = {(a.entity, f"{a.text} of"), (a.entity, f"{view.attribute_text(a)} than")} & view.joined
    return [] if hidden or related or not view.attribute_text(a) else None


def parts(view: View, a: Attribute) -> Triples:
    """Converts an attribute that contains a part, such as "black haired", to a relation to this part.

    a black haired boy → (boy, have, hair), (hair, is, black)
    a framed mirror → (mirror, have, frame)
    a tiled floor → (tile, on, floor)
    """
    *qualities, last = view.attribute_text(a).replace("-", " ").split() or [""]
    if last == "tiled" and not qualities:
        return [("tile", "on", view.names[a.entity])]
    part = pairs("part_words").get(last, "")
    return [(view.names[a.entity], "have", part), *((part, "is", word) for word in qualities)] if part else None


def qualities(view: View, a: Attribute) -> Triples:
    """Converts any other attribute to (entity, is, attribute)."""
    return [(view.names[a.entity], "is", view.attribute_text(a))]


def verbs_without_object(view: View, r: Relation) -> Triples:
    """Converts a verb without an object to an attribute of its subject, unless another verb depends on it.

    a horse is running → (horse, is, running)
    a dog runs and a man lies down → (dog, is, running), (man, is, lying)
    a lamp that is turned on → (lamp, is, turned on)
    """
    if r.object >= 0:
        return None
    if not view.verb(r) or any(t.head == r.word and t.deprel == "xcomp" for t in view.tokens):
        return []
    switched = r.text.split()[1:] if r.text in ("turn on", "turn off") else []
    verb = view.tokens[r.word]
    if verb.lemma == "have":
        return []
    text = ing_form(verb.lemma) if verb.xpos in ("VBZ", "VBP") else verb.text.lower()
    return [(view.names[r.subject], "is", " ".join([text, *switched]))]


def states(view: View, r: Relation) -> Triples:
    """Converts a relation to an attribute if its object is not a separate thing, such as "distance".

    a man takes a picture → (man, is, taking photo)
    buildings in the distance → (buildings, is, in the distance)
    """
    state = view.names[r.object] if r.text == "be" else state_of(view, r)
    if state:
        view.left_out.add(r.object)
    return [(view.names[r.subject], "is", state)] if state else None


def state_of(view: View, r: Relation) -> str:
    """Returns the state that a relation expresses, such as "in the distance"; "" if its object is a separate thing."""
    kind = view.heads[r.object]
    if kind in ("left", "right") and r.text in ("on", "to"):
        return f"on the {kind}"
    if kind in ("center", "distance", "middle") and r.text == "in":
        return f"in the {kind}"
    return "taking photo" if r.text == "take" and kind in PICTURES else ""


def places_on_owners(view: View, r: Relation) -> Triples:
    """Omits "have" or "with" if another relation states the place of the object on the subject ("snow on it").

    the ground has snow on it → (snow, on, ground)
    a table with a vase on it → (vase, on, table)
    """
    has_reverse = any((q.subject, q.object) == (r.object, r.subject) for q in view.concepts.relations)
    return [] if r.text in ("have", "with") and has_reverse else None


def clothes(view: View, r: Relation) -> Triples:
    """Converts "in", "dressed in" and "has … on" with clothes to "wear".

    a man in a white shirt → (man, wear, shirt), (shirt, is, white)
    a man dressed in black → (man, wear, black)
    the man has a hat on → (man, wear, hat)
    """
    one, other = view.entity_names(r)
    verb, is_clothing = view.verb(r), view.heads[r.object] in lexicon("clothes")
    if r.text.split()[-1] == "in" and (verb == "dress" or (is_clothing and verb in ("", *POSTURES))):
        posture = [(one, "is", view.tokens[r.word].text.lower())] if verb in POSTURES else []
        return [*posture, (one, "wear", other)]
    has_on = r.text in ("have", "have on") and is_clothing and _ends_in_on(view, r.object)
    return [(one, "wear", other)] if has_on else None


def _ends_in_on(view: View, n: int) -> bool:
    after = view.tokens[view.concepts.entities[n].word + 1 :][:2]
    return bool(after) and after[0].text == "on" and all(t.upos == "PUNCT" for t in after[1:])


def learned_wordings(view: View, r: Relation) -> Triples:
    """Converts any other relation to the words and the direction that FACTUAL's annotators would probably choose.

    a roof covered in snow → (snow, cover, roof)
    a man with glasses → (man, wear, glasses)
    the leg of a chair → (chair, have, leg)
    a cup of coffee → (coffee, in, cup)
    """
    text, (one, other) = relation_text(view, r), view.entity_names(r)
    option = choose("relation", view.of_relation(r, text, view.verb(r)))
    if option.startswith(REVERSED):
        one, other = other, one
    wording = option.removeprefix(REVERSED)
    verb, _, preposition = text.partition(" ")
    return [(one, {SAME: text, VERB: verb, PREPOSITION: preposition}.get(wording, wording), other)]


def relation_text(view: View, r: Relation) -> str:
    """Returns the text of a relation in FACTUAL's spelling, without the particle before a preposition ("down at").

    a bird looks down at two zebras out in a field beneath a hill → (bird, look at, zebras), (zebras, is, 2)
    a man walking in to a store → (man, walk into, store)
    """
    words, verb = r.text.split(), view.verb(r)
    if verb and len(words) > 2 and words[1] in PARTICLES and words[2] not in ("of", "to"):
        del words[1]
    return replace_phrases(" ".join(words), "prepositions")


ATTRIBUTES: tuple[Callable[[View, Attribute], Triples], ...] = (omit_negated, nouns_before_nouns, parts, qualities)
RELATIONS: tuple[Callable[[View, Relation], Triples], ...] = (
    verbs_without_object,
    states,
    places_on_owners,
    clothes,
    learned_wordings,
)
