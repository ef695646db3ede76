"""Drawn scene graphs: well-formed XML, everything escaped, every box apart from the others."""

import random
import re
from xml.etree import ElementTree

import pytest

from hspcgan.pipeline.graphs.svg import graph_svg

NAMESPACE = "{http://www.w3.org/2000/svg}"
BIRD = {
    "entities": [
        {"head": "bird", "attributes": ["large", "yellow"]},
        {"head": "belly", "attributes": ["blue"]},
        {"head": "branch", "attributes": []},
    ],
    "relations": [[0, "with", 1], [0, "perch on", 2]],
}


def labels(svg: str) -> list[str]:
    return [text.text or "" for text in ElementTree.fromstring(svg).iter(f"{NAMESPACE}text")]


def boxes(svg: str) -> list[tuple[float, float, float, float]]:
    """Labelled boxes as (left, top, right, bottom)."""
    found = []
    for group in ElementTree.fromstring(svg).iter(f"{NAMESPACE}g"):
        rect = group.find(f"{NAMESPACE}rect")
        assert rect is not None
        x, y, width, height = (float(rect.attrib[name]) for name in ("x", "y", "width", "height"))
        found.append((x, y, x + width, y + height))
    return found


def test_entities_attributes_and_relations_are_all_labelled():
    assert sorted(labels(graph_svg("a caption", BIRD))) == sorted(
        ["a caption", "bird", "belly", "branch", "large", "yellow", "blue", "with", "perch on"]
    )


def test_texts_are_escaped_and_what_xml_cannot_hold_is_left_out():
    graph = {"entities": [{"head": "<b>&\"'", "attributes": ["x\x00\ud800y"]}], "relations": []}
    svg = graph_svg("<script>alert('&')</script>", graph)
    assert "<script" not in svg
    assert labels(svg) == ["<script>alert('&')</script>", "x  y", "<b>&\"'"]


def test_nothing_outside_the_document_is_referred_to():
    svg = graph_svg("a caption", BIRD)
    assert re.findall(r"(?:href|src|url|@import|https?://)\S*", svg) == ['http://www.w3.org/2000/svg"']


@pytest.mark.parametrize("relation", [[0, "look at", -1], [0, "look at", None], [0, "look at", 9], [-1, "look at", 0]])
def test_a_relation_with_an_open_end_is_shown_at_its_entity(relation):
    svg = graph_svg("c", {"entities": [{"head": "man"}], "relations": [relation]})
    assert any("look at" in label and "…" in label for label in labels(svg))


def test_an_empty_graph_says_so():
    assert labels(graph_svg("hm", {"entities": [], "relations": []})) == ["hm", "no entities found"]


@pytest.mark.parametrize("seed", range(30))
def test_boxes_of_up_to_eight_entities_stay_apart_and_inside(seed):
    draw = random.Random(seed)
    words = ["man", "frisbee", "red-and-white umbrella", "x", "a quite long name of a thing here", "dog", "鳥", "WWWWW"]
    count = draw.randint(1, 8)
    entities = [
        {"head": draw.choice(words), "attributes": draw.choices(words, k=draw.randint(0, 3))} for _ in range(count)
    ]
    relations = [
        [draw.randint(-1, count - 1), draw.choice(words), draw.randint(-1, count - 1)]
        for _ in range(draw.randint(0, 9))
    ]
    svg = graph_svg("a caption " * draw.randint(1, 20), {"entities": entities, "relations": relations})
    root = ElementTree.fromstring(svg)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    found = boxes(svg)
    for number, (left, top, right, bottom) in enumerate(found):
        assert left >= 0
        assert top >= 0
        assert right <= width
        assert bottom <= height
        for other in found[:number]:
            assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top
