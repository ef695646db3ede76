"""`hspcgan evaluate` end to end on a small cache: what is written, expected and rejected."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from helpers import runs
from helpers import scored_runs as world
from helpers.cli import hspcgan

from hspcgan.evaluate.config import EvaluateConfig
from hspcgan.evaluate.context import prepare
from hspcgan.evaluate.draw.pictures import read_png, tiles
from hspcgan.evaluate.scored import drawings
from hspcgan.evaluate.scored.selection import select
from hspcgan.evaluate.scored.subjects import Subject
from hspcgan.model.common.errors import UserError
from hspcgan.pipeline.cache.reader import Cache
from hspcgan.pipeline.manifest import load_manifest


@pytest.fixture(scope="module")
def manifest(tmp_path_factory, tiny_clip_path, other_clip_path) -> Path:
    return world.write_manifest(tmp_path_factory.mktemp("evaluate"), tiny_clip_path, other_clip_path)


@pytest.fixture(scope="module")
def cache(manifest) -> Cache:
    return Cache(manifest.parent / "cache")


@pytest.fixture(scope="module")
def checkpoint(manifest, tiny_clip_path) -> Path:
    return world.write_checkpoint(manifest.parent / "elsewhere", tiny_clip_path)


def record(manifest: Path, label: str) -> dict:
    return json.loads((manifest.parent / "run" / "evaluation" / f"{label}.json").read_text())


def failed(result, message: str) -> bool:
    """Whether a command ended with an error that holds the message."""
    return result.exit_code != 0 and message in result.output


def test_untrained_checkpoint_and_floor_are_scored_side_by_side(manifest, checkpoint, cache):
    result = hspcgan("evaluate", manifest, "--untrained", "--checkpoint", checkpoint, "--real")
    assert result.exit_code == 0, result.output
    drawn, real = record(manifest, "elsewhere"), record(manifest, "real")
    names = {figure["name"] for figure in drawn["figures"]}
    metrics = ("fid", "kid", "clip_score", "r_precision", "precision", "recall", "density", "coverage")
    scorers = ("held-out-clip", "trainer-clip")
    expected = {f"{metric}/{scorer}/n5/test/keyed/seed0" for metric in metrics for scorer in scorers}
    assert {"/".join(name.split("/")[:6]) for name in names} == expected
    assert drawn["subject"]["step"] == 7
    assert drawn["cache"]["fingerprint"] == cache.info["fingerprint"]
    assert real["n"] == drawn["n"] == 5
    assert all("/".join(name.split("/")[:2]) in result.output for name in names)
    assert "wrote" in result.output


def test_the_floor_is_the_distance_of_the_captions_own_images_to_the_reference(manifest, cache, other_clip_path):
    from hspcgan.evaluate.metrics.fid_and_kid import frechet
    from hspcgan.evaluate.scored.scorers import ClipScorer
    from hspcgan.model.clip.frozen import load_clip

    assert hspcgan("evaluate", manifest, "--real").exit_code == 0
    chosen = select(cache, EvaluateConfig(samples=5))
    scorer = ClipScorer("x", load_clip(other_clip_path))
    own, other = (scorer.image_features(np.asarray(cache.images)[rows].transpose(0, 2, 3, 1))
                  for rows in (chosen.sample_rows, chosen.reference_rows))  # fmt: skip
    values = {figure["name"]: figure["value"] for figure in record(manifest, "real")["figures"]}
    (name,) = [name for name in values if name.startswith("fid/held-out-clip/")]
    assert values[name] == pytest.approx(frechet(own, other), rel=1e-4)


def test_the_picture_holds_the_first_images_and_the_record_their_captions(manifest, cache):
    assert hspcgan("evaluate", manifest, "--real").exit_code == 0
    grid = record(manifest, "real")["grid"]
    chosen = select(cache, EvaluateConfig(samples=5))
    assert [row["id"] for row in grid["captions"]] == cache.captions["caption_id"].take(chosen.caption_rows).to_pylist()
    picture = tiles(read_png(manifest.parent / "run" / "evaluation" / "real.png"), 5, tuple(grid["image"]))
    np.testing.assert_array_equal(picture[3].transpose(2, 0, 1), cache.images[int(chosen.sample_rows[3])])


def test_a_second_evaluation_draws_nothing_and_gives_the_same_figures(manifest, checkpoint, monkeypatch):

    assert hspcgan("evaluate", manifest, "--checkpoint", checkpoint).exit_code == 0
    before = record(manifest, "elsewhere")["figures"]
    monkeypatch.setattr(drawings, "generate", lambda *_: pytest.fail("drawn again"))
    assert hspcgan("evaluate", manifest, "--checkpoint", checkpoint).exit_code == 0
    assert record(manifest, "elsewhere")["figures"] == before


def test_a_row_is_kept_for_each_caption_and_scorer(manifest, cache):
    assert hspcgan("evaluate", manifest, "--real").exit_code == 0
    rows = pq.read_table(manifest.parent / "run" / "evaluation" / "real.parquet").to_pydict()
    chosen = select(cache, EvaluateConfig(samples=5))
    assert rows["caption_id"] == cache.captions["caption_id"].take(chosen.caption_rows).to_pylist() * 2
    assert rows["scorer"] == ["held-out-clip"] * 5 + ["trainer-clip"] * 5
    values = {figure["name"].split("/n")[0]: figure["value"] for figure in record(manifest, "real")["figures"]}
    assert np.mean(rows["clip_score"][:5]) == pytest.approx(values["clip_score/held-out-clip"])
    assert np.mean(rows["r_precision"][5:]) == pytest.approx(values["r_precision/trainer-clip"])


def test_kept_images_are_scored_as_another_models(manifest, checkpoint, tmp_path):
    assert hspcgan("evaluate", manifest, "--checkpoint", checkpoint, "--keep-images").exit_code == 0
    folder = manifest.parent / "run" / "evaluation" / "images" / "elsewhere"
    assert len(list(folder.glob("*.png"))) == 5
    result = hspcgan("evaluate", manifest, "--images", folder, "--label", "theirs")
    assert result.exit_code == 0, result.output
    ours, theirs = (record(manifest, label)["figures"] for label in ("elsewhere", "theirs"))
    assert [figure["value"] for figure in theirs] == [figure["value"] for figure in ours]
    next(folder.glob("*.png")).unlink()
    missing = hspcgan("evaluate", manifest, "--images", folder, "--label", "theirs")
    assert missing.exit_code == 3
    assert "lacks 1 of 5 images" in missing.output


def test_a_damaged_cache_is_named_as_the_cause_of_images_that_are_not_finite(manifest):
    context = prepare(load_manifest(str(manifest)))
    context.cache.__dict__["sentence"] = np.full_like(context.cache.sentence, np.inf)
    drawn = drawings.Drawings(context, Subject("untrained", "untrained"))
    with pytest.raises(UserError, match=r"^The cache .* is damaged: .*`hspcgan validate`"):
        drawn._draw_captions(0)


def test_edits_are_drawn_for_checkpoints_and_not_for_real_images(tmp_path, tiny_clip_path, other_clip_path):
    path = world.write_manifest(tmp_path, tiny_clip_path, other_clip_path, metrics=["edit_consistency"], edits=3)
    colours = "a red bird with a blue belly"
    result = hspcgan("evaluate", path, "--untrained", "--real", "--json")
    assert result.exit_code == 0, result.output
    assert [one["figures"] for one in json.loads(result.stdout)["subjects"]] == [[], []]  # no caption names a colour
    context = prepare(load_manifest(str(path)))
    context.texts[1] = colours
    before, after, ids = drawings.Drawings(context, Subject("untrained", "untrained")).edits
    assert before == [colours] * 3
    assert len(set(ids)) == 3
    assert all(text != colours for text in after)


def test_drift_exits_with_1_and_a_table_and_holds_for_checkpoints_alone(manifest, checkpoint):
    expect = "evaluate.expect={clip_score/held-out-clip: {min: 2}, fid/held-out-clip: {min: -1}}"
    fine = hspcgan("evaluate", manifest, "--untrained", "--real", "-o", expect)
    assert fine.exit_code == 0, fine.output
    drift = hspcgan("evaluate", manifest, "--checkpoint", checkpoint, "-o", expect)
    assert drift.exit_code == 1
    (line,) = [line for line in drift.output.splitlines() if "DRIFT" in line]
    assert line.startswith("clip_score/held-out-clip/n5/test/keyed/seed0/")
    assert "≥ 2" in line
    verdicts = record(manifest, "elsewhere")["expect"]
    assert [verdict["passed"] for verdict in verdicts] == [False, True]


def test_without_a_subject_the_runs_own_checkpoint_is_scored_as_trained(tmp_path, manifest, tiny_clip_path):
    sections = yaml.safe_load(manifest.read_text())
    own = tmp_path / "m.yaml"
    own.write_text(yaml.safe_dump(sections | {"run": str(tmp_path / "run")}))
    missing = hspcgan("evaluate", own)
    assert failed(missing, "does not exist; run `hspcgan train MANIFEST`"), missing.output
    world.write_checkpoint(tmp_path / "run" / "checkpoints" / "step-000003", tiny_clip_path, step=3)
    (tmp_path / "run" / "checkpoints" / "latest").write_text("step-000003\n")
    result = hspcgan("evaluate", own, "-o", "evaluate.metrics=[clip_score]")
    assert result.exit_code == 0, result.output
    written = json.loads((tmp_path / "run" / "evaluation" / "trained.json").read_text())
    assert (written["label"], written["subject"]["step"]) == ("trained", 3)
    assert {figure["metric"] for figure in written["figures"]} == {"clip_score"}


def test_a_dry_run_says_the_plan_and_writes_nothing(tmp_path, tiny_clip_path, other_clip_path):
    path = world.write_manifest(tmp_path, tiny_clip_path, other_clip_path)
    result = hspcgan("evaluate", path, "--untrained", "--dry-run")
    assert result.exit_code == 0, result.output
    assert "5 captions of split test" in result.output
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_of_another_clip_or_size_and_shared_labels_are_refused(
    manifest, checkpoint, tmp_path, other_clip_path, monkeypatch, tiny_clip_path
):
    foreign = world.write_checkpoint(tmp_path / "foreign", other_clip_path)
    result = hspcgan("evaluate", manifest, "--checkpoint", foreign)
    assert failed(result, "was trained with CLIP"), result.output
    monkeypatch.setitem(runs.MODEL, "image_size", 64)
    large = world.write_checkpoint(tmp_path / "large", tiny_clip_path)
    result = hspcgan("evaluate", manifest, "--checkpoint", large)
    assert failed(result, "generates images of 64 px"), result.output
    result = hspcgan("evaluate", manifest, "--checkpoint", checkpoint, "--checkpoint", checkpoint)
    assert failed(result, "several subjects have it"), result.output
    result = hspcgan("evaluate", manifest, "--real", "--untrained", "--label", "x")
    assert failed(result, "--label is for one subject"), result.output


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ({"parse": {"annotator": "stanza"}}, "was made with parse.annotator 'spacy', but other with 'stanza'"),
        ({"templates": {"relation": "it {}"}}, "was made with encode.templates.relation '{}', but other with 'it {}'"),
    ],
)
def test_a_checkpoint_that_read_its_texts_otherwise_is_refused(manifest, tmp_path, tiny_clip_path, texts, said):
    other = world.write_checkpoint(tmp_path / "other", tiny_clip_path, texts=texts)
    result = hspcgan("evaluate", manifest, "--checkpoint", other)
    assert failed(result, said), result.output


def test_expectations_of_no_metric_or_of_several_figures_are_refused_before_anything_is_drawn(manifest):
    several = hspcgan("evaluate", manifest, "--untrained", "--dry-run", "-o", "evaluate.expect={fid: {max: 1}}")
    assert failed(several, "fid matches 2 metric values (fid/held-out-clip, fid/trainer-clip); use a longer name")
    unknown = hspcgan(
        "evaluate", manifest, "--untrained", "--dry-run", "-o", "evaluate.expect={fdi/trainer-clip: {max: 1}}"
    )
    assert failed(unknown, "'fdi/trainer-clip' is neither the name of a metric value"), unknown.output
    repeated = hspcgan("evaluate", manifest, "--untrained", "--dry-run", "-o", "evaluate.metrics=[fid, fid]")
    assert failed(repeated, "evaluate.metrics: listed more than once: fid"), repeated.output


def test_an_unknown_key_and_a_missing_scorer_are_refused_before_anything_is_drawn(manifest):
    result = hspcgan("evaluate", manifest, "--untrained", "-o", "evaluate.sampels=3")
    assert failed(result, "did you mean 'samples'"), result.output
    result = hspcgan("evaluate", manifest, "--untrained", "-o", "evaluate.scorers={held-out: nowhere.pt}")
    assert failed(result, "nowhere.pt"), result.output
