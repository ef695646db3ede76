"""Rules for verbs that spaCy tagged as other parts of speech, and for adverbs after verbs."""

from hspcgan.pipeline.concepts.editable_tree import ParseEdit
from hspcgan.pipeline.concepts.lexicons import lexicon

SINGULAR = ("a", "an", "this", "that", "each", "every")


def upside_down(edit: ParseEdit) -> None:
    """Makes "upside-down" after a verb a state of its subject, and attaches "on PLACE" after it to the verb.

    an umbrella placed upside-down on the beach → upside-down (umbrella), place on (umbrella, beach)
    a cat lying upside-down on a bed → upside-down (cat), lie on (cat, bed)
    """
    for i, word in enumerate(edit.words):
        if word == "upside-down" and edit.pos[edit.heads[i]] == "VERB":
            edit.relabel(i, "acomp")
            for child in edit.children(i):
                edit.attach(child, to=edit.heads[i])


def side_by_side(edit: ParseEdit) -> None:
    """Makes "side by side" an adverb.

    two zebras standing side by side → stand (zebra, –)
    a room with two beds side by side → two (bed), with (room, bed)
    """
    for i in range(1, len(edit) - 2):
        if edit.words[i : i + 3] == ["side", "by", "side"]:
            if (edit.heads[i - 1], edit.labels[i - 1]) == (i, "compound"):
                edit.promote(i - 1, over=i, label="advmod", moving=[c for c in edit.children(i) if c < i])
            for word in range(i, i + 3):
                edit.attach(word, to=i if word > i else edit.heads[i], label="advmod")
                edit.retag(word, "RB", "ADV")


def verbs_tagged_as_nouns(edit: ParseEdit) -> None:
    """Retags as a verb the first noun that is also a form of a verb, and makes it the root.

    - A plural must have a singular subject, disagree with its article ("a … swims"), or follow a name or a verb.
    - A singular must follow "and" and a person or animal, and a preposition must follow it.

    a goat stands on a rock and leans against a fence → stand on (goat, rock), lean against (goat, fence)
    a bird with a white crown swims on the water → swim on (bird, water)
    George Johnson studies at Stanford → study at (george johnson, stanford)
    the small bird flies in the sky and has red wings → fly in (bird, sky)
    a cow and a pig stand near a fence → stand near (cow, fence), stand near (pig, fence)
    a horse and a goat stand near → stand near (horse, –), stand near (goat, –)
    """
    for verb in range(1, len(edit)):
        noun, top, word, plural = verb - 1, _top_noun(edit, verb), edit.words[verb], edit.tags[verb] == "NNS"
        subjects = [c for c in edit.children(verb, "nsubj") if c < verb and edit.tags[c] == "NN"]
        follows = (edit.heads[noun], edit.labels[noun]) == (verb, "compound") and edit.heads[top] < 0
        if plural:
            lemma, is_root = _base_form(word), edit.heads[verb] < 0
            named = is_root and edit.tags[noun] == "NNP" and edit.texts[noun].istitle()
            article = any(c < verb and edit.words[c] in SINGULAR for c in edit.children(verb, "det"))
            has_subject = is_root and bool(subjects) and any(c > verb for c in edit.children(verb, "prep", "dobj"))
            second = edit.tags[edit.heads[verb]] == "VBZ" and edit.labels[verb] == "conj"
            has_subject |= second and not edit.children(verb, "det", "poss", "amod", "compound", "nummod")
            fits = has_subject or (follows and (named or article))
        else:
            lemma = word if edit.tags[verb] == "NN" and word in lexicon("verbs") else ""
            lives = edit.lemmas[noun] in lexicon("animals") | lexicon("persons")
            joined = edit.labels[verb] == "conj" or any(edit.children(c, "cc") for c in subjects)
            fits, has_subject = follows and lives and joined and edit.labels[verb + 1] == "prep", bool(subjects)
        if lemma and fits:
            if not has_subject:
                _as_root(edit, verb, top)
            elif not plural:
                edit.attach(noun, to=subjects[0], label="conj")
                for child in edit.children(verb):
                    if subjects[0] < child < noun:
                        edit.attach(child, to=noun)
            edit.retag(verb, "VBZ" if plural else "VBP", "VERB", lemma)
            return


def _base_form(word: str) -> str:
    """Returns the verb of which a word is the third person: "fly" for "flies"; "" if it is not in the list of verbs."""
    forms = (word.removesuffix("ies") + "y", word.removesuffix("s"), word.removesuffix("es"))
    return next((form for form in forms if form != word and form in lexicon("verbs")), "")


def _top_noun(edit: ParseEdit, i: int) -> int:
    """Returns the noun at the top of a chain of prepositional phrases."""
    while edit.labels[i] in ("pobj", "prep", "conj", "compound"):
        i = edit.heads[i]
    return i


def _as_root(edit: ParseEdit, verb: int, top: int) -> None:
    """Makes a verb the root, with `top` as its subject; the noun before the verb takes the verb's previous head."""
    noun = verb - 1
    edit.promote(noun, over=verb, label="dep", moving=[c for c in edit.children(verb) if c < verb])
    subject = noun if top == verb else top
    after = [c for c in edit.children(subject) if c > verb] if subject != noun else []
    edit.promote(verb, over=subject, label="nsubj", moving=after)
