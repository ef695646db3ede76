"""Words of a caption marked as HTML by what they say, and by what changed."""

import pytest

from hspcgan.pipeline.pages.marked_caption import changed_words, marked


def test_words_are_marked_where_they_stand():
    text = "a small bird's wings, perched on the branch"
    caption = {
        "text": text,
        "entities": [{"start": 15, "end": 20}, {"start": 37, "end": 43}],
        "attributes": [{"text": "small", "word": 1}],
        "relations": [{"text": "perch on", "word": 6}],
    }
    assert marked(caption) == (
        'a <mark class="attribute">small</mark> bird&#39;s <mark class="entity">wings</mark>, '
        '<mark class="relation">perched on</mark> the <mark class="entity">branch</mark>'
    )


def test_a_lemma_marks_the_nearest_of_several_words():
    attributes = [{"text": "red", "word": 5}]
    caption = {"text": "a red bird and a red nest", "entities": [], "relations": [], "attributes": attributes}
    assert marked(caption) == 'a red bird and a <mark class="attribute">red</mark> nest'


def test_changed_words_are_underlined_inside_and_outside_of_marks():
    caption = {"text": "a red <b> sits", "entities": [], "relations": [], "attributes": [{"text": "red", "word": 1}]}
    assert marked(caption, changed=[(2, 5), (7, 8)]) == (
        'a <mark class="attribute"><ins>red</ins></mark> &lt;<ins>b</ins>&gt; sits'
    )


@pytest.mark.parametrize(("before", "after", "changed"), [
    ("a bird with a white belly", "a bird with a yellow belly", ["yellow"]),
    ("a bird", "A bird", []),
    ("a bird with red wings", "a small bird with long red wings", ["small", "long"]),
    ("a small bird", "a bird", []),
    ("", "two birds.", ["two", "birds", "."]),
])  # fmt: skip
def test_changed_words_are_those_that_the_other_caption_lacks_in_this_place(before, after, changed):
    assert [after[start:end] for start, end in changed_words(before, after)] == changed
