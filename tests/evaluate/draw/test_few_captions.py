"""A few captions are parsed with a short start-up, with the concepts of `Parser.parse`."""

import subprocess
import sys
from dataclasses import replace

from hspcgan.evaluate.draw.few_captions import parse_few
from hspcgan.pipeline.concepts import ParseConfig, Parser

TEXTS = [
    "a large yellow bird with a blue belly",
    "this bird has a red crown and is standing on a branch",
    "it is red",  # no entity that its attribute belongs to
    "birds",
    "red",
    "a word " * 400,  # too long to be parsed
]


def test_concepts_are_those_of_the_parser_for_every_caption():
    parser = Parser(ParseConfig(annotator="stanza", model="toy-stanza"))
    for texts in (TEXTS[:5], TEXTS):
        found, expected = parse_few(parser, texts), parser.parse(texts)
        assert len(found) == len(expected) == len(texts)
        for one, other in zip(found, expected, strict=True):
            untyped = [replace(entity, type="") for entity in other.entities]
            assert [replace(entity, type="") for entity in one.entities] == untyped
            assert (one.attributes, one.relations) == (other.attributes, other.relations)
    assert found[0].relations


def test_drawing_a_caption_imports_no_library_that_it_does_not_need(tmp_path):
    heavy = ("torchvision", "torch._dynamo", "spacy", "transformers", "networkx.algorithms", "pandas", "pkg_resources")
    program = f"""
import sys
from hspcgan.pipeline.cli.root import main
sys.argv = ["hspcgan", "sample", {TEXTS[0]!r}, "--out", {str(tmp_path)!r}]
try:
    main()
except SystemExit:
    pass
print("imported:", [name for name in {heavy!r} if name in sys.modules])
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "imported: []" in result.stdout, result.stdout + result.stderr
    assert len(list(tmp_path.glob("*.png"))) == 2
