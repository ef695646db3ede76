"""What a user can look up of manifests: the keys, their JSON Schema, and the shipped ones."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from helpers.cli import hspcgan

from hspcgan.pipeline.manifest.files import SECTIONS, shipped_folder, shipped_manifests, shipped_path
from hspcgan.pipeline.manifest.sections import section_models
from hspcgan.pipeline.manifest.shipped import schema_line

SCHEMA = json.loads((shipped_folder() / "schema.json").read_text(encoding="utf-8"))


def test_every_key_is_listed_with_type_range_default_and_sentence():
    lines = hspcgan("keys").stdout.splitlines()
    assert "train.steps: whole number ≥ 1, ≤ 1e+09  (required)" in lines
    assert "train.ema: number ≥ 0, < 1  (default: 0.0)" in lines
    assert "train.betas: list of 2: number  (default: [0.0, 0.9])" in lines
    assert "model.kind: one of hspcgan, galip  (default: hspcgan)" in lines
    assert "encode.templates.entity: string  (default: a photo of a {})" in lines
    assert lines[lines.index("train.wandb: string or null") + 1].startswith("    ")
    for name, model in section_models().items():
        for key, field in model.model_fields.items():
            assert field.description, f"{name}.{key} has no description"
            assert any(line.startswith(f"{name}.{key}:") for line in lines)


def test_a_section_is_listed_alone_and_an_unknown_one_names_the_closest():
    assert {line.split(".")[0] for line in hspcgan("keys", "parse").stdout.splitlines() if line[0] != " "} == {"parse"}
    wrong = hspcgan("keys", "trian")
    assert (wrong.exit_code, "no section 'trian' (did you mean 'train'?)" in wrong.output) == (2, True)


def test_the_shipped_schema_is_that_of_the_code():
    made = json.loads(hspcgan("keys", "--json-schema").stdout)
    assert made == SCHEMA, "run: hspcgan keys --json-schema > manifests/schema.json"
    jsonschema.Draft202012Validator.check_schema(made)
    assert set(made["properties"]) == {"name", "description", "base", "cache", "run", *SECTIONS}


@pytest.mark.parametrize("name", shipped_manifests())
def test_shipped_manifests_fit_the_schema_name_it_and_have_a_description(name):
    path = shipped_path(name)
    text = path.read_text(encoding="utf-8")
    content = yaml.safe_load(text)
    jsonschema.validate(content, SCHEMA)
    first = text.splitlines()[0]
    assert first == schema_line(path)
    assert (path.parent / first.partition("=")[2]).samefile(shipped_folder() / "schema.json")
    assert len(content["description"]) <= 90


@pytest.mark.parametrize(("content", "place"), [
    ({"train": {"stepz": 1}}, "stepz"), ({"trian": {}}, "trian"), ({"train": {"steps": 0}}, "0"),
    ({"model": {"kind": "other"}}, "other"), ({"evaluate": {"expect": {"fid": {"most": 1}}}}, "most"),
])  # fmt: skip
def test_the_schema_finds_what_the_commands_refuse(tmp_path, content, place):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, SCHEMA)
    (tmp_path / "wrong.yaml").write_text(yaml.safe_dump(content))
    refused = hspcgan("train", tmp_path / "wrong.yaml", "--dry-run")
    assert (refused.exit_code, place in refused.output) == (2, True), refused.output


def test_shipped_manifests_are_listed_with_their_descriptions_and_shown():
    listed = dict(line.split("  ", 1) for line in hspcgan("manifests").stdout.splitlines())
    assert listed["toybirds"].strip().startswith("HSPC-GAN on drawn birds")
    assert not any(name.startswith("paper/cub/table") for name in listed)
    rows = hspcgan("manifests", "paper/cub").stdout.splitlines()
    assert len(rows) == len(list(shipped_folder().glob("paper/cub/*.yaml")))
    assert hspcgan("manifests", "toybirds").stdout == shipped_path("toybirds").read_text(encoding="utf-8")
    wrong = hspcgan("manifests", "toybrids")
    assert (wrong.exit_code, "did you mean 'toybirds'" in wrong.output) == (2, True)


@pytest.mark.parametrize("name", ["toybirds", "coco2014", "paper/cub/table2_base_32"])
def test_a_copy_means_the_same_and_is_found_by_editors(tmp_path, name):
    from hspcgan.pipeline.manifest import load_manifest

    target = tmp_path / "deep" / "mine.yaml"
    assert hspcgan("manifests", name, "--out", target).exit_code == 0
    first = target.read_text(encoding="utf-8").splitlines()[0]
    assert Path(first.partition("$schema=")[2]).samefile(shipped_folder() / "schema.json")
    copy, shipped = (load_manifest(str(place)).raw for place in (target, name))
    assert {key: copy[key] for key in SECTIONS if key in copy} == {
        key: shipped[key] for key in SECTIONS if key in shipped
    }
    again = hspcgan("manifests", name, "--out", target)
    assert (again.exit_code, "already exists" in again.output) == (2, True)
    assert hspcgan("manifests", name, "--out", target, "--force").exit_code == 0
