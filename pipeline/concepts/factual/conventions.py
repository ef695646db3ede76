"""Converts attributes and relations of the concept sets into tuples by FACTUAL's conventions (ACL Findings 2023).

They differ from the conventions of §3.1.1: parts are related by "have", clothes by "wear". Examples in docstrings are
tests: caption → (subject, relation, object). To add a convention, write a function of a view and an attribute or
relation, and put it into ATTRIBUTES or RELATIONS.
"""

from collections.abc import Callable

from hspcgan.pipeline.concepts.concept_types import Attribute, Relation
from hspcgan.pipeline.concepts.factual import left_out
from hspcgan.pipeline.concepts.factual.naming import participle, respelt
from hspcgan.pipeline.concepts.factual.view import View
from hspcgan.pipeline.concepts.lexicons import lexicon, pairs

PARTICLES = ("up", "down", "back", "forward", "straight", "together")
POSTURES = ("sit", "stand", "walk", "play", "pose", "lie", "run")
PICTURES = ("picture", "photo", "photograph")
ARTWORKS = ("drawing", "illustration", "painting", "portrait", "sketch")
GLASSES = ("glass", "glasses", "sunglass", "sunglasses")
Triple = tuple[str, str, str]
Triples = list[Triple] | None  # the tuples from a convention; None if it does not apply


def wholes(view: View, a: Attribute) -> Triples:
    """Converts a whole before its part to (whole, have, part), and a room before a fixture to (fixture, in, room).

    a tree branch → (tree, have, branch)
    a bathroom sink → (sink, in, bathroom)
    """
    if view.naming.owner(a):
        return [(view.naming.owner(a), "have", view.names[a.entity])]
    return [(view.names[a.entity], "in", a.text)] if view.naming.room(a) else None


def unwritten(view: View, a: Attribute) -> Triples:
    """Omits an attribute that is negated, part of a name, or part of a relation such as "full of".

    the small bird is not red → (bird, is, small)
    a bucket full of apples → (bucket, have, apples)
    the dog is bigger than the cat → (dog, bigger than, cat)
    """
    hidden = a.text.startswith(left_out.DENIED) or a.entity in view.left_out or view.naming.in_name(a)
    related = {(a.entity, f"{a.text} of"), (a.entity, f"{view.naming.quality(a)} than")} & view.joined
    return [] if hidden or related or not view.naming.quality(a) else None


def parts(view: View, a: Attribute) -> Triples:
    """Converts an attribute that contains a part, such as "black haired", to a relation to this part.

    a black haired boy → (boy, have, hair), (hair, is, black)
    a framed mirror → (mirror, have, frame)
    a tiled floor → (tile, on, floor)
    """
    *qualities, last = view.naming.quality(a).replace("-", " ").split() or [""]
    if last == "tiled" and not qualities:
        return [("tile", "on", view.names[a.entity])]
    part = pairs("part_words").get(last, "")
    return [(view.names[a.entity], "have", part), *((part, "is", word) for word in qualities)] if part else None


def qualities(view: View, a: Attribute) -> Triples:
    """Converts any other attribute to (entity, is, attribute)."""
    return [(view.names[a.entity], "is", view.naming.quality(a))]


def verbs_alone(view: View, r: Relation) -> Triples:
    """Converts a verb without an object to an attribute of its subject, unless another verb depends on it.

    a horse is running → (horse, is, running)
    a dog runs and a man lies down → (dog, is, running), (man, is, lying)
    a lamp that is turned on → (lamp, is, turned on)
    """
    if r.object >= 0:
        return None
    if not view.verb(r) or view.governs(r.word, "xcomp"):
        return []
    switched = r.text.split()[1:] if r.text in ("turn on", "turn off") else []
    verb = view.tokens[r.word]
    if verb.lemma == "have":
        return []
    text = participle(verb.lemma) if verb.xpos in ("VBZ", "VBP") else verb.text.lower()
    return [(view.names[r.subject], "is", " ".join([text, *switched]))]


def states(view: View, r: Relation) -> Triples:
    """Converts a relation to an attribute if its object is not a separate thing.

    a man takes a picture → (man, is, taking photo)
    buildings in the distance → (buildings, is, in the distance)
    """
    kind, state = view.heads[r.object], ""
    if r.text == "be":
        state = view.names[r.object]
    elif kind in ("left", "right") and r.text in ("on", "to"):
        state = f"on the {kind}"
    elif kind == "distance" and r.text == "in":
        state = "in the distance"
    elif r.text == "take" and kind in PICTURES:
        state = "taking photo"
    if state:
        view.left_out.add(r.object)
    return [(view.names[r.subject], "is", state)] if state else None


def places_on_owners(view: View, r: Relation) -> Triples:
    """Omits "have" and "with" if the caption also gives the place of the thing on its owner.

    the ground has snow on it → (snow, on, ground)
    a table with a vase on it → (vase, on, table)
    """
    with_top = r.text == "with" and r.object in view.tops
    return [] if r.text in ("have", "with") and not with_top and view.says_where(r) else None


def accompaniments(view: View, r: Relation) -> Triples:
    """Converts "with" to "have" before a possessive pronoun, to "wear" before glasses or a shirt, and to "on top of"
    if "on top" follows.

    a box with apples on top → (apples, on top of, box)
    a woman with her arm in the air → (woman, have, arm)
    a man with glasses → (man, wear, glasses)
    """
    if r.text != "with":
        return None
    one, other = view.ends(r)
    if r.object in view.tops:
        return [(other, "on top of", one)]
    worn = view.heads[r.object] in (*GLASSES, "shirt") and view.heads[r.subject] in lexicon("persons")
    return [(one, "wear" if worn else "have" if view.is_own(r.object) else "with", other)]


def wholes_and_contents(view: View, r: Relation) -> Triples:
    """Converts "of" to (whole, have, part), or to (contents, in, container) if the contents have no article.

    the leg of a chair → (chair, have, leg)
    a cup of coffee → (coffee, in, cup)
    the basket of a bicycle → (bicycle, have, basket)
    """
    if r.text != "of":
        return None
    one, other = view.ends(r)
    link = pairs("containers").get(view.heads[r.subject], "of")
    is_part = view.heads[r.subject] not in ARTWORKS and view.has_article(r.object)
    if link == "of" or is_part:
        return [(other, "have", one)]
    return [(one, "have", other)] if link == "have" else [(other, link, one)]


def clothes(view: View, r: Relation) -> Triples:
    """Converts "in", "dressed in" and "has … on" with clothes to "wear".

    a man in a white shirt → (man, wear, shirt), (shirt, is, white)
    a man dressed in black → (man, wear, black)
    the man has a hat on → (man, wear, hat)
    """
    one, other = view.ends(r)
    verb, is_clothing = view.verb(r), view.heads[r.object] in lexicon("clothes")
    if r.text.split()[-1] == "in" and (verb == "dress" or (is_clothing and verb in ("", *POSTURES))):
        posture = [(one, "is", view.tokens[r.word].text.lower())] if verb in POSTURES else []
        return [*posture, (one, "wear", other)]
    has_on = r.text in ("have", "have on") and is_clothing and _ends_in_on(view, r.object)
    return [(one, "wear", other)] if has_on else None


def _ends_in_on(view: View, n: int) -> bool:
    after = view.tokens[view.concepts.entities[n].word + 1 :][:2]
    return bool(after) and after[0].text == "on" and all(t.upos == "PUNCT" for t in after[1:])


def coverings(view: View, r: Relation) -> Triples:
    """Converts "covered in X" to (X, cover, thing), and "surrounded by X" to (X, surround, thing).

    a roof covered in snow → (snow, cover, roof)
    """
    if view.verb(r) not in ("cover", "surround") or r.text.split()[-1] not in ("in", "with", "by"):
        return None
    one, other = view.ends(r)
    return [(other, view.verb(r), one)]


def plain_relations(view: View, r: Relation) -> Triples:
    """Keeps any other relation, without a particle between verb and preposition or an adverb before a preposition.

    a bird looks down at two zebras out in a field beneath a hill → (bird, look at, zebras), (zebras, is, 2)
    """
    words, verb = r.text.split(), view.verb(r)
    if verb and len(words) > 2 and words[1] in PARTICLES and words[2] not in ("of", "to"):
        del words[1]
    elif not verb and len(words) > 1 and words[0] in ("out", "up", "down", "over") and words[1] != "of":
        del words[0]
    return [(_subject(view, r), respelt(" ".join(words), "prepositions"), view.names[r.object])]


def _subject(view: View, r: Relation) -> str:
    """Returns the name of a relation's subject; for a place such as "in his hand", this is the thing held.

    a boy holding a bat in his hand → (boy, hold, bat), (bat, in, hand)
    """
    governor = view.tokens[view.tokens[r.word].head].head if view.tokens[r.word].deprel == "case" else -1
    if governor >= 0 and view.heads[r.object] in lexicon("parts") and view.is_own(r.object):
        for q in view.concepts.relations:
            held = q.word == governor and q.subject == r.subject and q.object >= 0
            if held and view.tokens[view.concepts.entities[q.object].word].deprel == "obj":
                return view.names[q.object]
    return view.names[r.subject]


# The first convention that applies writes the tuples.
ATTRIBUTES: tuple[Callable[[View, Attribute], Triples], ...] = (wholes, unwritten, parts, qualities)
RELATIONS: tuple[Callable[[View, Relation], Triples], ...] = (
    verbs_alone,
    states,
    places_on_owners,
    accompaniments,
    wholes_and_contents,
    clothes,
    coverings,
    plain_relations,
)
