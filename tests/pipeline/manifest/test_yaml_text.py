"""YAML from outside: what would hang, nest without end or fill the memory is an error within a moment."""

import pytest
import yaml

from hspcgan.model.common.errors import ManifestError
from hspcgan.pipeline.manifest import load_manifest
from hspcgan.pipeline.manifest.yaml_text import YamlTextError, parse


def bomb(levels: int) -> str:
    """Each line holds ten aliases of the line before: 10 ** levels values."""
    lines = ["a0: &a0 [1]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels + 1))]
    return "\n".join(lines)


@pytest.mark.parametrize(("text", "message"), [
    (bomb(30), "more than 100,000 values with aliases expanded"),
    ("a: &a {b: *a}", "line 1: an alias refers to the value that contains it"),
    ("&a [*a]", "an alias refers to the value that contains it"),
    ("a: " + "[" * 1000 + "]" * 1000, "nested more than 40 levels deep"),
    ("a: " + "{b: " * 60 + "1" + "}" * 60, "nested more than 40 levels deep"),
    ("[" * 100_000, "nested more than 40 levels deep"),
    ("a: " + "9" * 5000, "9 … is not a valid !!int; correct it"),
    ("a: !!int ''", "line 1: the value '' is not a valid !!int; correct it, or write it in quotes and without a tag"),
    ("a:\n- b\n- !!bool maybe", "line 3: the value 'maybe' is not a valid !!bool"),
    ('a: {b: !!timestamp "x"}', "line 1: the value 'x' is not a valid !!timestamp"),
    ("a: 2024-13-45", "line 1: the value '2024-13-45' is not a valid !!timestamp"),
    ('a: 1\nb: "\\UFFFFFFFF"', "line 2 has an invalid escape or directive"),
    ("a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
    ("a: 1\n---\nb: 2", "expected a single document"),
    ("a: \x1b[31m", "special characters are not allowed\n  at position 3"),
    ("{[1]: 2}", "unhashable"),
    ("a: b: c", "mapping values are not allowed here\n  at line 1, column 5"),
    ("a: !" + "x" * 5000, f"the tag '!{'x' * 100}"),
    ('a: "\\0"', "contains a NUL character"),
    ("a: !!set {b}", "{'b'} is a set, expected text, numbers, lists and mappings without tags"),
    ("a: [!!binary aGk=]", "b'hi' is a binary value, expected"),
    ("? !!binary aGk=\n: 1", "b'hi' is a binary value, expected"),
    ("a: !!omap [b: 1]", "('b', 1) is a pair, expected"),
])  # fmt: skip
def test_text_that_is_not_a_plain_small_document_is_an_error(text, message):
    with pytest.raises(YamlTextError, match=r"\S") as error:
        parse(text)
    assert message in str(error.value)


def test_plain_documents_are_as_pyyaml_reads_them_with_aliases_apart():
    text = "a: &x {n: [1, 2.5, true, null, 'é']}\nb: *x\nc: {<<: *x, m: 1}\nd: 4.0e-4\n"
    data, repeated = parse(text)
    assert (data, repeated) == (yaml.safe_load(text), [])
    assert data["a"]["n"] is not data["b"]["n"]
    assert parse("") == (None, [])


def test_numbers_and_signs_are_read_as_in_yaml_1_2():
    text = "a: 1:30\nb: 010\nc: -0_7\nd: 00.5\ne: =\nf: [10, 0, 0x1F, 0b11, 1_000, 0.5, 4.0e-4, .inf]\n"
    found = {"a": "1:30", "b": "010", "c": "-0_7", "d": "00.5", "e": "="}
    assert parse(text) == (found | {"f": [10, 0, 31, 3, 1000, 0.5, 0.0004, float("inf")]}, [])


def test_keys_that_stand_twice_are_listed_once_each():
    assert parse("a: 1\na: 2\nb: &b [{c: 1, c: 2}]\nd: *b\n")[1] == [
        "line 2: a occurs twice",
        "line 3: c occurs twice",
    ]


def test_long_chains_of_bases_and_large_files_are_refused(tmp_path):
    for number in range(1200):
        (tmp_path / f"{number}.yaml").write_text(f"base: {number + 1}.yaml\n")
    with pytest.raises(ManifestError, match="more than 20 base manifests"):
        load_manifest(str(tmp_path / "0.yaml"))
    (tmp_path / "large.yaml").write_bytes(b"a: 1\n" * 400_000)
    with pytest.raises(ManifestError, match="larger than 1 MB"):
        load_manifest(str(tmp_path / "large.yaml"))


@pytest.mark.parametrize("override", ["train.steps=" + "[" * 1000, "train={a: &a [*a]}", "train.steps=!!int ''"])
def test_overrides_have_the_same_limits(override):
    with pytest.raises(ManifestError, match="the value is not YAML"):
        load_manifest("toybirds", [override])
