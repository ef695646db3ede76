"""Captions that stop a parser, take all memory or take minutes: each is a row with an empty graph; the stage goes on."""

import pytest
from helpers.corpus import bounded

from hspcgan.pipeline.concepts import ParseConfig, Parser

LONG = {
    "commas": "red, " * 900 + "bird", "hyphens": "a-" * 3000 + "bird", "words": "bird " * 1000, "digits": "7" * 9000,
    "letters": "x" * 9999, "chinese": "鸟" * 9000, "brackets": "(" * 400 + "bird" + ")" * 400, "quotes": "'" * 900 + " bird",
    "dots": "bird. " * 400, "slashes": "a/" * 900, "emoji": "🐦 bird " * 300, "apostrophes": "n't" * 700,
}  # fmt: skip
ODD = {
    "one": "a", "digit": "3", "sign": "a & b", "accents": "un café", "chinese": "一只红色的鸟", "emoji": "🐦 a bird", "underscores": "_" * 50 + "a",
    "capitals": "A RED BIRD", "repeated": "bird " * 250, "dashes": "a - - - - bird", "url": "https://example.org/a?b=c a bird", "joined": "a\u200db",
    "arabic": "طائر أحمر", "many-of": "a bird " + "of a bird " * 70, "many-and": "a bird " + "and a bird " * 70, "only-verbs": "run jump fly sit",
}  # fmt: skip


@pytest.fixture(scope="module", params=["spacy", "stanza"])
def parser(request) -> Parser:
    model = {"model": "toy-stanza"} if request.param == "stanza" else {}
    made = Parser(ParseConfig.model_validate({"annotator": request.param, **model}))
    made.load()
    return made


def test_long_captions_are_rows_with_empty_graphs_between_others(parser):
    texts = ["a red bird", *LONG.values(), "a blue bird"]
    with bounded():
        found = parser.parse(texts)
    assert len(found) == len(texts)
    assert [bool(one.entities) for one in found] == [True, *[False] * len(LONG), True]
    assert all(one.notes == {"too_long": 1} for one in found[1:-1])


def test_odd_captions_are_rows(parser):
    with bounded():
        found = parser.parse(list(ODD.values()))
    assert [one.graph.keys() for one in found] == [{"entities", "relations"}] * len(ODD)


def test_a_caption_that_an_annotator_fails_on_costs_no_other(parser, monkeypatch, caplog):
    name = f"_by_{parser.config.annotator}"
    whole = getattr(parser, name)

    def failing(texts):
        if any("fatal" in text for text in texts):
            raise IndexError("list index out of range")
        return whole(texts)

    monkeypatch.setattr(parser, name, failing)
    found = parser.parse(["a red bird", "a fatal bird", "a blue bird"])
    assert [bool(one.entities) for one in found] == [True, False, True]
    assert found[1].notes == {"failed": 1}
    assert "caption not parsed (IndexError: list index out of range): 'a fatal bird'" in caplog.text
