"""Sections `evaluate.lock` and `evaluate.expect` with odd values: one error in few lines, or differences that are shown."""

import pytest
import yaml
from helpers.cli import hspcgan
from helpers.corpus import assert_told, bounded
from helpers.scored_runs import write_checkpoint, write_manifest

pytestmark = pytest.mark.usefixtures("one_thread")

SETTINGS = {"samples": 5, "split": "test", "reference": "test", "caption": "keyed", "seed": 0}
LOCK = {"settings": SETTINGS, "cache": {}, "scorers": {}, "metrics": {"clip_score": 1}, "checkpoints": {}}
BIG, LONG = 10**400, "x" * 200_000


@pytest.fixture(scope="module")
def place(tmp_path_factory, tiny_clip_path, other_clip_path):
    """A manifest with an expectation, and its checkpoint."""
    root = tmp_path_factory.mktemp("locks")
    expect = {"clip_score/held-out": {"max": 1.0}}
    path = write_manifest(root, tiny_clip_path, other_clip_path, metrics=["clip_score"], expect=expect)
    write_checkpoint(root / "checkpoint", tiny_clip_path)
    return path


def evaluated(place, tmp_path, **evaluate: object):
    """What `evaluate --dry-run` prints for the manifest with other keys in its section evaluate."""
    sections = yaml.safe_load(place.read_text())
    sections["evaluate"] |= evaluate
    (tmp_path / "m.yaml").write_text(yaml.safe_dump(sections))
    with bounded():
        return hspcgan("evaluate", tmp_path / "m.yaml", "--checkpoint", place.parent / "checkpoint", "--dry-run")


INVALID: dict[str, object] = {
    "text": "x", "number": 5, "list": [1], "true": True, "empty": {}, "unknown key": LOCK | {"more": 1}, "no settings": {**LOCK, "settings": None}, "settings list": {**LOCK, "settings": [1]},
    "samples text": {**LOCK, "settings": {**SETTINGS, "samples": "five"}}, "samples infinite": {**LOCK, "settings": {**SETTINGS, "samples": float("inf")}}, "seed nan": {**LOCK, "settings": {**SETTINGS, "seed": float("nan")}}, "seed list": {**LOCK, "settings": {**SETTINGS, "seed": [0]}},
    "split number": {**LOCK, "settings": {**SETTINGS, "split": 5}}, "setting unknown": {**LOCK, "settings": {**SETTINGS, LONG: 5}}, "cache list": {**LOCK, "cache": ["a"]}, "cache number": {**LOCK, "cache": {"images": 5}}, "scorers null": {**LOCK, "scorers": None},
    "metrics text": {**LOCK, "metrics": {"fid": "one"}}, "metrics infinite": {**LOCK, "metrics": {"fid": float("inf")}}, "checkpoints list": {**LOCK, "checkpoints": [LONG]}, "keys": {**LOCK, "cache": {1: "a", None: "b"}},
}  # fmt: skip


@pytest.mark.parametrize("name", INVALID)
def test_a_lock_of_another_kind_is_one_error(place, tmp_path, name):
    told = evaluated(place, tmp_path, lock=INVALID[name])
    assert_told(told, "evaluate.lock", codes={2})
    assert len(told.output) < 3000


ODD: dict[str, dict] = {
    "samples huge": {"settings": {**SETTINGS, "samples": BIG}}, "seed negative": {"settings": {**SETTINGS, "seed": -BIG}}, "split long": {"settings": {**SETTINGS, "split": LONG}}, "split escape": {"settings": {**SETTINGS, "split": "\x1b[31m"}},
    "cache long": {"cache": {LONG: LONG}}, "cache many": {"cache": {f"part {n}": "0" for n in range(5000)}}, "scorers": {"scorers": {LONG: "", "\x1b]0;x": "a"}}, "metrics huge": {"metrics": {"clip_score": BIG}}, "checkpoints": {"checkpoints": {"checkpoint": LONG}},
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_a_lock_with_odd_values_is_shown_in_few_lines(place, tmp_path, name):
    told = evaluated(place, tmp_path, lock=LOCK | ODD[name])
    assert_told(told, "the expectations (evaluate.lock) were measured with other inputs", "--update", codes={3})
    assert len(told.output) < 6000


@pytest.mark.parametrize("number", ["0x" + "f" * 4000, "9" * 5000, "0b" + "1" * 20_000])
def test_an_integer_that_cannot_be_printed_is_one_error(place, tmp_path, number):
    path = tmp_path / "m.yaml"
    path.write_text(place.read_text() + f"seeds: {number}\n")
    with bounded():
        told = hspcgan("evaluate", path, "--dry-run")
    assert_told(told, "m.yaml", codes={2})
    assert len(told.output) < 3000


EXPECT = {
    "list": [1], "text": "x", "bound text": {"fid/held-out": "low"}, "infinite": {"clip_score/held-out": {"max": float("inf")}}, "nan": {"clip_score/held-out": {"value": float("nan"), "abs": 1}}, "falling": {"clip_score/held-out": {"min": 2, "max": 1}},
    "no tolerance": {"clip_score/held-out": {"value": 1}}, "n huge": {"clip_score/held-out": {"max": 1, "n": -BIG}}, "long": {LONG: {"max": 1}}, "deep": {"checkpoint": {"clip_score": {"max": {"max": 1}}}}, "unknown": {"clip_score/held-out": {"max": 1, LONG: 2}},
}  # fmt: skip


@pytest.mark.parametrize("name", EXPECT)
def test_expectations_of_another_kind_are_one_error(place, tmp_path, name):
    told = evaluated(place, tmp_path, expect=EXPECT[name])
    assert_told(told, "evaluate.expect", codes={2})
    assert len(told.output) < 3000


GRIDS: dict[str, list] = {
    "train.grid_every": [0, -1, 1.5, "x", BIG, float("inf"), None, [1]], "train.grid_images": [0, -1, 1.5, "x", BIG, float("nan"), None, {}],
    "evaluate.shown": [0, -1, 2.5, "x", BIG, None, []], "train.log_every": [0, -1, "x", BIG], "evaluate.edits": [0, -5, BIG, "x"],
}  # fmt: skip


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in GRIDS.items() for value in values])
def test_numbers_for_grids_out_of_range_are_one_error(place, key, value):
    told = hspcgan(
        "train", place, "--dry-run", "-o", f"{key}={yaml.safe_dump(value, default_flow_style=True).splitlines()[0]}"
    )
    assert_told(told, key, codes={2})
    assert len(told.output) < 2000
