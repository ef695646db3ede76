"""`--update` adds the new parts of a metric that is already expected, and no other figures."""

from helpers import scored_runs as world
from ruamel.yaml import YAML

from hspcgan.evaluate.context import prepare
from hspcgan.evaluate.results.figure_names import Figure
from hspcgan.evaluate.run import Result
from hspcgan.evaluate.scored.subjects import CHECKPOINT, Subject
from hspcgan.evaluate.verdict.update import update
from hspcgan.pipeline.manifest import load_manifest


def figure(metric: str, part: str) -> Figure:
    name = f"{metric}.{part}/held-out-clip/n4"
    return Figure(name, metric, part, "held-out-clip", 0.5, 0.1, 0.4, 0.6, 4, "higher")


def test_new_parts_of_an_expected_metric_are_added_and_no_other_figures(tmp_path, tiny_clip_path, other_clip_path):
    checkpoint = world.write_checkpoint(tmp_path / "one", tiny_clip_path)
    expect = {"first": {"edit_consistency.followed/held-out-clip": {"value": 0.4, "abs": 0.2}}}
    path = world.write_manifest(tmp_path, tiny_clip_path, other_clip_path, samples=4, expect=expect)
    figures = [figure("edit_consistency", "followed"), figure("edit_consistency", "stayed"),
               figure("attribute_accuracy", "place")]  # fmt: skip
    result = Result(Subject("first", CHECKPOINT, str(checkpoint)), figures, [], path)
    lines = update(prepare(load_manifest(str(path))), [result])
    assert lines[:2] == [
        "first edit_consistency.stayed/held-out-clip: new, 0.5 (N 4)",
        "first edit_consistency.followed/held-out-clip: 0.4 → 0.5",
    ]
    assert YAML(typ="safe").load(path)["evaluate"]["expect"]["first"] == {
        "edit_consistency.followed/held-out-clip": {"value": 0.5, "abs": 0.2, "n": 4},
        "edit_consistency.stayed/held-out-clip": {"value": 0.5, "se": 1, "n": 4},
    }
