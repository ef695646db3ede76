"""Manifest keys set by --override: their types, how deep they reach, and that their mistakes are told as theirs."""

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field

from hspcgan.pipeline.manifest import Manifest, load_manifest

TEXT = """\
name: small
cache: c
run: r
data: {source: folder, path: images}
train: {steps: 400, batch_size: 32, schedule: {warmup: 10}}
"""


class Sizes(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: int = Field(ge=1)
    batch_size: int = 8


def manifest(folder: Path, text: str, *overrides: str) -> Manifest:
    path = folder / "small.yaml"
    path.write_text(text, encoding="utf-8")
    return load_manifest(str(path), overrides)


def refusal(folder: Path, text: str, *overrides: str) -> str:
    with pytest.raises(ValueError, match=r"\S") as error:
        manifest(folder, text, *overrides).section("train", Sizes)
    return str(error.value)


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("train.steps=16", 16),
        ("train.steps=4.0e-4", 0.0004),
        ("train.steps=true", True),
        ("train.steps=null", None),
        ("train.steps=", None),
        ("train.steps=a=b", "a=b"),
        ("train.steps='16'", "16"),
        ("train.steps=[1, 2]", [1, 2]),
        ("train.steps={a: {b: 2}}", {"a": {"b": 2}}),
    ],
)
def test_overrides_have_the_types_of_yaml(tmp_path, override, value):
    loaded = manifest(tmp_path, TEXT, override)
    assert loaded.raw["train"] == {"steps": value, "batch_size": 32, "schedule": {"warmup": 10}}
    assert type(loaded.raw["train"]["steps"]) is type(value)


def test_overrides_reach_any_depth_make_what_is_missing_and_the_last_one_wins(tmp_path):
    loaded = manifest(
        tmp_path, TEXT, "train.schedule.warmup=1", "encode.templates.entity=a {}", "cache=x", "train.schedule.warmup=2"
    )
    assert loaded.raw["train"]["schedule"] == {"warmup": 2}
    assert loaded.raw["encode"] == {"templates": {"entity": "a {}"}}
    assert loaded.raw["cache"] == "x"
    assert loaded.raw["train"]["batch_size"] == 32


@pytest.mark.parametrize("folder", ["runs/my #1 try/cache", "5", "{a: b}", "- x", "2024-13-45"])
def test_a_folder_is_taken_as_it_is_written(tmp_path, folder):
    assert manifest(tmp_path, TEXT, f"cache={folder}").raw["cache"] == folder


def test_the_name_given_as_an_override_names_the_folders(tmp_path):
    assert manifest(tmp_path, "train: {}", "name=other").raw["run"] == "runs/other/run"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.steps", "'train.steps' is not KEY=VALUE, such as train.batch_size=16"),
        ("=3", "is not KEY=VALUE"),
        ("train.=3", "is not KEY=VALUE"),
        (".steps=3", "is not KEY=VALUE"),
        ("train..steps=3", "is not KEY=VALUE"),
        ("train.steps.more=3", "steps is 400, so it cannot have keys"),
        ("train.steps=[1", "the value is not YAML"),
        ("train.steps=2024-13-45", "the value is not YAML: line 1: the value '2024-13-45' is not a valid"),
        ("train={steps: 1, steps: 2}", "override 'train={steps: 1, steps: 2}': line 1: steps occurs twice"),
        ("trian.steps=3", "unknown key 'trian' (did you mean 'train'?)"),
        ("train=5", "train is 5, expected keys below it"),
        ("name=5", "name is 5, expected one line of text"),
        ("cache=", "cache is None, expected one line of text"),
    ],
)
def test_bad_overrides_are_refused(tmp_path, override, message):
    assert message in refusal(tmp_path, TEXT, override)


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("train.batch_size=abc", "train.batch_size: should be a valid integer"),
        ("train.stepz=3", "train.stepz: unknown key (did you mean 'steps'?)"),
        ("train={batch_size: abc, steps: 1}", "train.batch_size: should be a valid integer"),
        ("train.batch_size.small=3", "train.batch_size: should be a valid integer"),
    ],
)
def test_an_overrides_mistake_is_not_blamed_on_the_file(tmp_path, override, line):
    first, second = refusal(tmp_path, "train: {steps: 4}", override).splitlines()
    assert first == "--override:"
    assert second.startswith(f"  {line}")


def test_mistakes_of_the_file_and_of_overrides_are_told_apart(tmp_path):
    told = refusal(tmp_path, "train: {batch_size: many}", "train.batch_siz=1", "train.steps=0")
    assert [line.partition(": ")[0] for line in told.splitlines()] == [
        "--override:", "  train.steps", "  train.batch_siz", f"{tmp_path / 'small.yaml'}:", "  train.batch_size",
    ]  # fmt: skip
    assert refusal(tmp_path, TEXT, "trian.steps=3").startswith("--override:\n  unknown key 'trian'")


def test_an_override_of_one_section_leaves_sections_with_the_same_anchor_alone(tmp_path):
    shared = "data: {processes: &four 4}\nparse: &shared {nested: {a: 1}}\nencode: *shared\n"
    loaded = manifest(tmp_path, shared, "encode.nested.a=2")
    assert loaded.raw["parse"] == {"nested": {"a": 1}}
    assert loaded.raw["encode"] == {"nested": {"a": 2}}
