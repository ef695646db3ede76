"""Captions of every kind beside good images: each is kept or a reject row, and the other captions stay."""

import json

import pytest
from helpers.cli import hspcgan
from helpers.corpus import KEPT, REJECT, Ingested, bounded, ingested
from helpers.datasets import manifest, picture, write

LINES: dict[str, tuple[bytes, str | None]] = {
    "plain": (b"a red bird", "a red bird"), "spaces": (b"  a \t red   bird ", "a red bird"),
    "accents": ("un café rouge".encode(), "un café rouge"), "decomposed": ("cafe\u0301".encode(), "café"),
    "emoji": ("a bird 🐦 sings".encode(), "a bird 🐦 sings"), "chinese": ("一只红色的鸟".encode(), "一只红色的鸟"),
    "arabic": ("طائر أحمر".encode(), "طائر أحمر"), "digits": (b"3", "3"), "one-letter": (b"a", "a"),
    "tag": (b"a <b>red</b> bird", "a red bird"), "entity": (b"black &amp; white bird", "black & white bird"),
    "placeholder": (b"a <red> bird <with a blue tail>", "a <red> bird <with a blue tail>"),
    "person": (b"<PERSON> with a bird", "person with a bird"), "less-than": (b"3 < 5 birds", "3 < 5 birds"),
    "control": (b"a\x00red\x07bird", "a red bird"), "escape": (b"a \x1b[31mred bird", "a [31mred bird"),
    "bidi": ("a \u202ered\u202c bird".encode(), "a red bird"), "soft-hyphen": ("a bi\u00adrd".encode(), "a bird"),
    "zero-width": ("a\u200b bird".encode(), "a bird"), "bom": (b"\xef\xbb\xbfa bird", "a bird"),
    "latin-1": ("un café".encode("latin-1"), None), "surrogate": (b"a \xed\xa0\x80 bird", None), "overlong": (b"\xc0\xaf bird", None),
    "utf-16": ("\ufeffa red bird".encode("utf-16-le"), None), "utf-16-no-bom": ("a red bird".encode("utf-16-le"), None),
    "utf-16-be": ("a red bird".encode("utf-16-be"), None), "utf-32": ("a red bird".encode("utf-32-le"), None),
    "punctuation": (b"... !!", None), "emoji-alone": ("🐦".encode(), None), "nothing-visible": ("\u200b\u200b".encode(), None),
    "script": (b"<script></script>", None), "long": (b"red " * 1100, None), "long-word": (b"x" * 11000, None),
    "many-commas": (b"red, " * 900 + b"bird", "red, " * 900 + "bird"), "digits-long": (b"7" * 9000, "7" * 9000),
    "huge-reference": (b"&#" + b"9" * 9000 + b"; bird", "&#" + "9" * 9000 + "; bird"),
    "combining-marks": (("a" + "\u0301\u0327" * 200_000).encode(), None),
}  # fmt: skip

FILES: dict[str, tuple[str, bytes, str]] = {
    "empty-text": ("txt", b"", REJECT), "blank-lines": ("txt", b"\n\n\n", REJECT), "crlf": ("txt", b"a bird\r\na cat\r\n", KEPT),
    "no-newline": ("txt", b"a bird", KEPT), "one-bad-line": ("txt", b"a bird\n\xff\xfe\n", KEPT), "old-mac": ("txt", b"a bird\ra cat", KEPT),
    "huge-text": ("txt", b"a bird\n" * 200_000, REJECT), "json": ("json", b'{"captions": ["a bird"]}', KEPT),
    "json-caption": ("json", b'{"caption": "a bird"}', KEPT), "json-list": ("json", b'["a bird"]', REJECT),
    "json-text": ("json", b'"a bird"', REJECT), "json-null": ("json", b"null", REJECT), "json-cut": ("json", b'{"captions": ["a bi', REJECT),
    "json-empty": ("json", b"", REJECT), "json-no-captions": ("json", b'{"captions": []}', REJECT),
    "json-numbers": ("json", b'{"captions": [1, null, {"a": 2}]}', REJECT), "json-mixed": ("json", b'{"captions": [1, "a bird"]}', KEPT),
    "json-as-text": ("json", b'{"captions": "a bird"}', KEPT), "json-deep": ("json", b'{"captions": ' + b"[" * 100_000, REJECT),
    "json-digits": ("json", b'{"captions": ' + b"9" * 5000 + b"}", REJECT), "json-nan": ("json", b'{"captions": [NaN]}', REJECT),
    "json-bom": ("json", b'\xef\xbb\xbf{"captions": ["a bird"]}', KEPT), "json-twice": ("json", b'{"captions": ["x"], "captions": ["a bird"]}', REJECT),
    "json-surrogate": ("json", b'{"captions": ["\\ud800"]}', REJECT), "json-latin": ("json", b'{"captions": ["caf\xe9"]}', REJECT),
    "many-lines": ("txt", b"a bird\n" * 1001, REJECT), "most-lines": ("txt", b"a bird\n" * 1000, KEPT),
    "json-many": ("json", json.dumps({"captions": ["a bird"] * 1001}).encode(), REJECT),
    "json-huge": ("json", json.dumps({"captions": ["a bird"] * 200_000}).encode(), REJECT),
}  # fmt: skip


@pytest.fixture(scope="module")
def outcome(tmp_path_factory, tiny_clip_path) -> Ingested:
    root = tmp_path_factory.mktemp("captions")
    for name, (line, _) in LINES.items():
        write(root / "data" / f"{name}.png", picture())
        if name.startswith("utf-"):
            write(root / "data" / f"{name}.txt", line)
        else:
            write(root / "data" / f"{name}.txt", line + b"\nthe other caption\n")
    for name, (suffix, content, _) in FILES.items():
        write(root / "data" / f"{name}.png", picture())
        write(root / "data" / f"{name}.{suffix}", content)
    path = manifest(root / "m.yaml", root / "data", tiny_clip_path)
    with bounded():
        result = hspcgan("ingest", path)
    assert result.exit_code == 0, result.output[-3000:]
    return ingested(path.with_suffix(".cache"))


@pytest.mark.parametrize("name", LINES)
def test_a_caption_is_cleaned_or_a_reject_and_the_one_beside_it_stays(outcome, name):
    wanted = LINES[name][1]
    if name.startswith("utf-"):
        assert outcome.verdict(name) == REJECT, outcome.captions.get(name)
        assert "is encoded in UTF-" in outcome.why(name)
    else:
        assert outcome.captions[name] == ([] if wanted is None else [wanted]) + ["the other caption"], outcome.why(name)


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_captions_is_read_or_a_reject(outcome, name):
    assert outcome.verdict(name) == FILES[name][2], (outcome.why(name), outcome.captions.get(name))
