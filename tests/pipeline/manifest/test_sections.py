"""Every command checks every section, and names all problems at once, before it looks for anything."""

import pytest
from helpers.cli import hspcgan

from hspcgan.model.common.errors import ManifestError
from hspcgan.pipeline.manifest import load_manifest
from hspcgan.pipeline.manifest.sections import section_models

COMMANDS = [("prepare",), ("prepare", "--dry-run"), ("ingest",), ("parse",), ("encode",), ("taps",), ("train",),
            ("train", "--dry-run"), ("evaluate", "--untrained"), ("bench",)]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_wrong_key_of_any_section_is_refused_by_every_command(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    wrong = [word for section in ("data", "parse", "encode", "taps", "model", "train", "evaluate")
             for word in ("-o", f"{section}.foo=1")]  # fmt: skip
    result = hspcgan(*command, "toybirds", *wrong, "-o", "trian.steps=1")
    assert result.exit_code == 2
    for section in ("data", "parse", "encode", "taps", "model", "train", "evaluate"):
        assert f"  {section}.foo: unknown key; known: " in result.output
    assert "unknown key 'trian' (did you mean 'train'?)" in result.output
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_nested_key_names_the_closest_and_the_known_ones(tmp_path):
    with pytest.raises(ManifestError) as error:
        load_manifest(
            "toybirds", ["evaluate.expect={fid: {maxx: 3}}", "encode.templates.entitty=a {}"], section_models()
        )
    assert "evaluate.expect.fid.maxx: unknown key (did you mean 'max'?); known: min, max" in str(error.value)
    assert "encode.templates.entitty: unknown key (did you mean 'entity'?); known: entity, attribute, relation" in str(
        error.value
    )


def test_texts_of_our_own_checks_come_without_pydantics_words():
    with pytest.raises(ManifestError) as error:
        load_manifest("toybirds", ["model.taps=[3, 1]", "train.steps=soon", "data.path=x"], section_models())
    assert "Value error" not in str(error.value)
    assert "Input should" not in str(error.value)
    assert "model: taps must be ascending numbers in 0..11, got [3, 1]" in str(error.value)
    assert "train.steps: should be a valid integer" in str(error.value)


@pytest.mark.parametrize("command", ["prepare", "train", "evaluate"])
def test_images_of_two_sizes_are_refused_by_every_command(command):
    result = hspcgan(command, "toybirds", "-o", "data.image_size=64")
    assert result.exit_code == 2
    assert "model.image_size is 56, data.image_size 64" in result.output


def test_each_problem_is_told_of_the_file_that_has_it(tmp_path):
    (tmp_path / "below.yaml").write_text("trian: {}\nmodel: {locals: 99, image_size: 56}\ntrain: {steps: 1}\n")
    (tmp_path / "row.yaml").write_text("base: below.yaml\nparse: {annotator: nobody}\n")
    with pytest.raises(ManifestError) as error:
        load_manifest(str(tmp_path / "row.yaml"), ["train.steps=0"], section_models())
    told = str(error.value)
    files = (f"{tmp_path / 'below.yaml'}:", f"{tmp_path / 'row.yaml'}:", "--override:")
    for file, problems in zip(
        files, (("'trian'", "model.locals"), ("parse.annotator",), ("train.steps",)), strict=True
    ):
        part = told.partition(file)[2].split("\n")[1:]
        own = part[: next((n for n, line in enumerate(part) if not line.startswith("  ")), len(part))]
        assert all(any(problem in line for line in own) for problem in problems), (file, own)


def test_all_shipped_manifests_pass():
    from hspcgan.pipeline.manifest.files import shipped_manifests

    for name in shipped_manifests():
        load_manifest(name, (), section_models())
