"""An evaluation that is killed in any stage goes on; one that several processes share gives the figures of one."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import scored_runs as world

SERVER = Path(__file__).parents[1] / "helpers" / "processes" / "kill_evaluation.py"
KILLED, ENDED = int(signal.SIGKILL), int(signal.SIGTERM)


@pytest.fixture(scope="module")
def evaluate(tmp_path_factory, tiny_clip_path, other_clip_path):
    """Evaluates into a run folder, in processes of its own: (exit codes, ids of the captions that each one drew)."""
    folder = tmp_path_factory.mktemp("interrupted")
    checkpoint = world.write_checkpoint(folder / "checkpoint", tiny_clip_path)
    manifest = world.write_manifest(
        folder, tiny_clip_path, other_clip_path, metrics=["clip_score", "r_precision", "fid"],
        checkpoints={"drawn": str(checkpoint)}, expect={"clip_score/held-out-clip": {"min": -1}},
    )  # fmt: skip

    def run(name: str, **order: object) -> tuple[list[int], list[list[str]]]:
        server.stdin.write(json.dumps({"run": str(folder / name), **order}) + "\n")
        server.stdin.flush()
        codes, drawn = zip(*json.loads(server.stdout.readline()), strict=True)
        return list(codes), list(drawn)

    run.result = lambda name: json.loads((folder / name / "evaluation" / "drawn.json").read_text())
    with subprocess.Popen(
        [sys.executable, SERVER, manifest], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    ) as server:  # fmt: skip
        yield run
        server.stdin.close()


@pytest.fixture(scope="module")
def whole(evaluate) -> list[dict]:
    """Figures of an evaluation that nothing interrupts."""
    codes, (drawn,) = evaluate("whole")
    assert codes == [0]
    assert len(drawn) == len(set(drawn)) == 5
    return evaluate.result("whole")["figures"]


def test_an_evaluation_that_is_ended_in_every_stage_goes_on_and_gives_the_same_figures(evaluate, whole):
    ends = [("draw", KILLED), ("draw", ENDED), ("features", KILLED), ("score", ENDED), ("verdict", KILLED),
            ("page", ENDED)]  # fmt: skip
    drawn = []
    for stage, sent in ends:
        codes, (captions,) = evaluate("killed", stage=stage, signal=sent)
        assert codes[0] in (-sent, 128 + sent), stage
        drawn += captions
    codes, (captions,) = evaluate("killed")
    assert codes == [0]
    assert evaluate.result("killed")["figures"] == whole
    # Three batches: each of the first two kills comes before its second one was drawn and kept.
    assert len(set(drawn)) == 5
    assert captions == []


def test_two_processes_share_the_drawing_and_give_the_figures_of_one(evaluate, whole):
    codes, drawn = evaluate("shared", processes=2)
    assert codes == [0, 0]
    assert len(drawn[1]) == 2  # the second of three batches of two
    assert len({*drawn[0], *drawn[1]}) == 5
    assert evaluate.result("shared")["figures"] == whole
