"""A figure cannot pass for another: what differs from the lock is named before anything is drawn."""

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from helpers import scored_runs as world
from helpers.cli import hspcgan

from hspcgan.evaluate import metrics
from hspcgan.evaluate.metrics.base import Metric
from hspcgan.evaluate.scored import drawings


@pytest.fixture(scope="module")
def locked(tmp_path_factory, tiny_clip_path, other_clip_path) -> Path:
    """A manifest with two named checkpoints, expectations and lock as --update writes them."""
    folder = tmp_path_factory.mktemp("locked")
    one = world.write_checkpoint(folder / "one", tiny_clip_path)
    two = world.write_checkpoint(folder / "two", tiny_clip_path, seed=1)
    checkpoints = {"first": str(one), "second": str(two)}
    path = world.write_manifest(
        folder, tiny_clip_path, other_clip_path, metrics=["clip_score", "fid"], samples=4, checkpoints=checkpoints
    )
    path.write_text("# a comment that stays\n" + path.read_text())
    result = hspcgan("evaluate", path, "--update")
    assert result.exit_code == 0, result.output
    return path


@pytest.fixture
def untouched(monkeypatch):
    """Fails the test where anything is drawn."""
    monkeypatch.setattr(drawings, "draw", lambda *_: pytest.fail("drawn"))


def test_an_update_writes_values_and_lock_and_keeps_comments(locked):
    text = locked.read_text()
    assert text.startswith("# a comment that stays\n")
    section = yaml.safe_load(text)["evaluate"]
    assert section["lock"]["settings"] == {
        "samples": 4,
        "split": "test",
        "reference": "test",
        "caption": "keyed",
        "seed": 0,
    }
    assert section["lock"]["checkpoints"].keys() == section["expect"].keys() == {"first", "second"}
    record = json.loads((locked.parent / "run" / "evaluation" / "second.json").read_text())
    value = next(one["value"] for one in record["figures"] if one["name"].startswith("fid/held-out-clip"))
    assert section["expect"]["second"]["fid/held-out-clip"] == {
        "value": pytest.approx(value, rel=1e-5),
        "se": 1,
        "n": 4,
    }


def test_the_same_evaluation_again_passes_by_every_output(locked, tmp_path):
    result = hspcgan("evaluate", locked, "--json", "--junit", tmp_path / "j.xml", "--markdown", tmp_path / "m.md")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["passed"] is True
    assert [subject["label"] for subject in found["subjects"]] == ["first", "second"]
    assert all(isinstance(one["got"], float) and one["low"] < one["got"] < one["high"]
               for subject in found["subjects"] for one in subject["expect"])  # fmt: skip
    suites = ElementTree.parse(tmp_path / "j.xml").getroot()
    assert [(suite.get("name"), suite.get("tests"), suite.get("failures")) for suite in suites] == [
        ("first", "2", "0"), ("second", "2", "0"),
    ]  # fmt: skip
    summary = (tmp_path / "m.md").read_text()
    assert summary.startswith("## tiny: pass")
    assert "| fid/held-out-clip | 4 |" in summary
    history = (locked.parent / "run" / "evaluation" / "history.jsonl").read_text().splitlines()
    assert json.loads(history[-1])["subjects"]["first"]["figures"]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("evaluate.seed=1", "evaluate.seed: the expectations were measured with 0, but it is 1"),
        ("evaluate.samples=3", "evaluate.samples: the expectations were measured with 4, but it is 3"),
        ("evaluate.caption=first", "evaluate.caption: the expectations were measured with keyed, but it is first"),
        ("evaluate.split=train", "evaluate.split"),
        ("evaluate.reference=train", "evaluate.reference: the expectations were measured with test, but it is train"),
        ("encode.templates.entity=a {}", "encode.templates.entity: the cache was made with 'a photo of a {}'"),
    ],
)
def test_other_settings_are_named_before_anything_is_drawn(locked, untouched, override, said):
    if override.startswith("evaluate.split"):
        override = ["-o", override, "-o", "evaluate.reference=test", "-o", "evaluate.samples=3"]
    else:
        override = ["-o", override, "-o", "evaluate.samples=3"] if "train" in override else ["-o", override]
    result = hspcgan("evaluate", locked, *override)
    assert result.exit_code == 3, result.output
    assert said in result.output


def test_another_data_section_than_the_caches_is_named(locked):
    from hspcgan.evaluate.context import prepare
    from hspcgan.evaluate.verdict.pinned_inputs import stale_sections
    from hspcgan.pipeline.manifest import load_manifest

    data = "data={source: toybirds, scenes: 20, seed: 7, image_size: 56}"
    context = prepare(load_manifest(str(locked), [data]))
    context.cache.info["stages"]["ingest"]["data"] = {"image_size": 56, "scenes": 20, "seed": 0, "source": "toybirds"}
    assert stale_sections(context) == ["data.seed: the cache was made with 0, but the manifest has 7"]


def test_another_scorer_is_named(locked, untouched, tiny_clip_path):
    scorers = f"evaluate.scorers={{held-out: {tiny_clip_path}, trainer: {tiny_clip_path}}}"
    result = hspcgan("evaluate", locked, "-o", scorers)
    assert result.exit_code == 3
    assert "weights of scorer held-out-clip: expected" in result.output


def test_a_changed_weight_is_named_and_a_damaged_one_costs_its_own_column(locked, untouched, tmp_path, tiny_clip_path):
    swapped = f"evaluate.checkpoints={{first: {locked.parent / 'two'}, second: {locked.parent / 'two'}}}"
    text = yaml.safe_load(locked.read_text())
    text["evaluate"]["checkpoints"] = {"first": str(locked.parent / "two"), "second": str(locked.parent / "two")}
    other = tmp_path / "other.yaml"
    other.write_text(yaml.safe_dump(text))
    for arguments in ((other,), (locked, "-o", swapped)):
        result = hspcgan("evaluate", *arguments)
        assert result.exit_code == 3, result.output
        assert "weights of checkpoint first: expected" in result.output


def test_other_weights_or_images_under_a_locked_label_are_named(locked, untouched, tmp_path):
    for other in (("--checkpoint", locked.parent / "two"), ("--images", tmp_path)):
        result = hspcgan("evaluate", locked, *other, "--label", "first")
        assert result.exit_code == 3, result.output
        assert "weights of checkpoint first: expected" in result.output


def test_a_checkpoint_with_expectations_but_without_its_sha256_in_the_lock_is_named(locked, untouched, tmp_path):
    text = yaml.safe_load(locked.read_text())
    del text["evaluate"]["lock"]["checkpoints"]["second"]
    other = tmp_path / "other.yaml"
    other.write_text(yaml.safe_dump(text))
    result = hspcgan("evaluate", other)
    assert result.exit_code == 3, result.output
    assert "weights of checkpoint second: not in the lock, which has first" in result.output
    assert hspcgan("evaluate", other, "--checkpoint", "first", "--dry-run").exit_code == 0
    text["evaluate"]["expect"]["second"] = {"fid/held-out-clip": {"max": 900}}  # no measured value
    other.write_text(yaml.safe_dump(text))
    result = hspcgan("evaluate", other, "--dry-run")
    assert result.exit_code == 0, result.output
    assert "note: evaluate.lock has no sha256 for second" in result.output


def test_expectations_without_a_lock_are_noted_by_label(locked, tmp_path):
    text = yaml.safe_load(locked.read_text())
    del text["evaluate"]["lock"], text["evaluate"]["expect"]["second"]
    other = tmp_path / "other.yaml"
    other.write_text(yaml.safe_dump(text))
    notes = [line for line in hspcgan("evaluate", other, "--dry-run").output.splitlines() if "note:" in line]
    assert [line.split(" have no lock")[0] for line in notes] == ["note: the expectations of first"]
    assert notes[0].endswith("to add it, run the same command with --update")
    assert "note:" not in hspcgan("evaluate", locked, "--dry-run").output


def test_a_damaged_checkpoint_costs_its_own_column(locked, tmp_path):
    broken = tmp_path / "two"
    shutil.copytree(locked.parent / "two", broken)
    (weights,) = broken.glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:-100])
    checkpoints = f"evaluate.checkpoints={{first: {locked.parent / 'one'}, second: {broken}}}"
    result = hspcgan("evaluate", locked, "-o", checkpoints, "--markdown", tmp_path / "m.md")
    assert result.exit_code == 3, result.output
    assert "second could not be scored" in result.output
    assert "first, compared with the expectations of tiny" in result.output
    assert "**second** could not be scored" in (tmp_path / "m.md").read_text()


def test_another_version_of_a_metric_is_named(locked, untouched, monkeypatch):
    entry = metrics.METRICS["fid"]
    monkeypatch.setitem(metrics.METRICS, "fid", Metric(**(vars(entry) | {"version": 2})))
    result = hspcgan("evaluate", locked)
    assert result.exit_code == 3
    assert "version of metric fid: expected 1, got 2" in result.output


def test_other_images_captions_and_concepts_are_named(locked, untouched, tmp_path, tiny_clip_path):
    from helpers import runs

    text = yaml.safe_load(locked.read_text())
    text["cache"] = str(runs.make_cache(tmp_path / "cache", tiny_clip_path, train=4, test=10))
    other = tmp_path / "other.yaml"
    other.write_text(yaml.safe_dump(text))
    result = hspcgan("evaluate", other)
    assert result.exit_code == 3, result.output
    assert "cache content images: expected" in result.output
    assert "cache content captions: expected" in result.output


def test_only_some_metrics_are_computed_and_judged(locked):
    result = hspcgan("evaluate", locked, "--only", "clip_score", "--json")
    assert result.exit_code == 0, result.output
    first, _ = json.loads(result.stdout)["subjects"]
    assert {one["metric"] for one in first["figures"]} == {"clip_score"}
    assert [one["name"].split("/")[0] for one in first["expect"]] == ["clip_score"]
    assert hspcgan("evaluate", locked, "--only", "fod").exit_code == 2


def test_without_expectations_the_lock_does_not_matter(locked):
    result = hspcgan("evaluate", locked, "-o", "evaluate.seed=1", "-o", "evaluate.expect=null", "--dry-run")
    assert result.exit_code == 0, result.output


def test_the_best_checkpoint_is_chosen_by_the_validation_split(locked, tmp_path, tiny_clip_path):
    from helpers import runs

    from hspcgan.evaluate.context import prepare
    from hspcgan.pipeline.manifest import load_manifest

    without = prepare(load_manifest(str(locked)), validation=True)
    assert without.config.split == "test"
    assert any("no val split" in note for note in without.notes)
    cache = runs.make_cache(tmp_path / "cache", tiny_clip_path, train=6, test=4)
    named = prepare(load_manifest(str(locked), ["evaluate.validation=train", f"cache={cache}"]), validation=True)
    assert (named.config.split, named.selection.reference_split, len(named.ids)) == ("train", "train", 3)
    with pytest.raises(ValueError, match=r"evaluate\.validation is 'val', but .* has no images in this split"):
        prepare(load_manifest(str(locked), ["evaluate.validation=val"]), validation=True)


def test_labels_of_runs_and_steps_that_share_a_name_are_told_apart(tmp_path, tiny_clip_path, other_clip_path):
    from hspcgan.evaluate.scored.subjects import select_subjects
    from hspcgan.pipeline.manifest import load_manifest

    manifest = load_manifest(str(world.write_manifest(tmp_path, tiny_clip_path, other_clip_path)))
    steps = [str(tmp_path / "run" / "checkpoints" / name) for name in ("step-1", "step-2")]
    assert [one.label for one in select_subjects(manifest, steps)] == ["step-1", "step-2"]
    assert [one.label for one in select_subjects(manifest, [str(tmp_path / "run"), steps[0]])] == ["trained", "step-1"]
    assert [one.label for one in select_subjects(manifest, ["a/run", "b/run"])] == ["a-run", "b-run"]
    assert [one.label for one in select_subjects(manifest, ["demo"], {"demo": "a/run"})] == ["demo"]
