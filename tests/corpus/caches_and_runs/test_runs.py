"""Run folders and states to resume from that are damaged or of the wrong shape: one message, never a bug."""

import shutil
from pathlib import Path

import pytest
import torch
from helpers.cli import hspcgan
from helpers.corpus import assert_told, bounded, put, saved
from helpers.datasets import picture

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def run(world, tmp_path) -> Path:
    """A copy of the trained run."""
    return Path(shutil.copytree(world / "run", tmp_path / "run"))


STATES = {
    "empty": b"", "text": b"hello", "object": saved({}), "list": saved([1]), "tensor": saved(torch.zeros(3)), "none": saved(None), "cut": saved({"step": 1})[:100], "fields": saved({"step": 1, "random": torch.zeros(5, dtype=torch.uint8), "fixed": {}}),
    "step-text": saved({"step": "one"}), "zeros": bytes(5000), "fifo": "fifo", "device": "device", "pickle": b"\x80\x04cos\nsystem\n(S'echo hi'\ntR.",
}  # fmt: skip


def resumed(world, run):
    """Continues the run to three steps; returns the result of the command."""
    places = ["-o", f"run={run}", "-o", f"cache={world / 'cache'}"]
    return hspcgan("train", world / "manifest.yaml", *places, "-o", "train.steps=3")


@pytest.mark.parametrize("name", STATES)
def test_a_damaged_state_to_resume_from(world, run, name):
    (state,) = sorted(run.glob("checkpoints/*/state.pt"))[-1:]
    put(state, STATES[name])
    with bounded():
        assert_told(resumed(world, run))


@pytest.mark.parametrize("change", ["random", "random-kind", "step", "optimizer", "network"])
def test_a_state_with_a_part_of_another_kind(world, run, change):
    (state,) = sorted(run.glob("checkpoints/*/state.pt"))[-1:]
    content = torch.load(state, weights_only=True)
    if change.startswith("random"):
        content["random"] = torch.zeros(7, dtype=torch.uint8) if change == "random" else torch.zeros(3)
    elif change == "step":
        content["step"] = -1
    else:
        key = next(
            key
            for key in content
            if ("optim" in key) == (change == "optimizer") and isinstance(content[key], dict) and key != "fixed"
        )
        content[key] = {}
    torch.save(content, state)
    with bounded():
        assert_told(resumed(world, run))


def moments(state: dict) -> dict:
    """Adam's averages of the generator's first parameter."""
    return state["optimizer_g"]["state"][0]


def doubled(value: dict | list) -> dict | list:
    """A value that contains itself 2^60 times, in a file of a few kB."""
    for _ in range(60):
        value = {"a": value, "b": value} if isinstance(value, dict) else [value, value]
    return value


PARTS = {
    "numbers-as-names": lambda s: s["fixed"].update({1: 2}), "tensor-in-settings": lambda s: s["fixed"].update({"train.loss": [torch.zeros(3)]}), "step-large": lambda s: s.update(step=10**30), "step-true": lambda s: s.update(step=True),
    "steps": lambda s: s["optimizer_g"]["state"][0].update(step=torch.zeros(3)), "step-negative": lambda s: s["optimizer_g"]["state"][0].update(step=torch.tensor(-5.0)), "many-settings": lambda s: s["fixed"].update({f"k{n}": "x" * 1000 for n in range(1000)}),
    "moments": lambda s: s["optimizer_g"]["state"][0].update(exp_avg=torch.zeros(3)), "moments-absent": lambda s: s["optimizer_d"]["state"][0].pop("exp_avg_sq"),
    "moments-of-one-absent": lambda s: s["optimizer_g"]["state"].pop(0), "moments-nan": lambda s: s["optimizer_d"]["state"][0]["exp_avg"].fill_(torch.nan),
    "weights-integers": lambda s: s["head"].update({"last.weight": s["head"]["last.weight"].to(torch.int8)}), "moments-complex": lambda s: moments(s).update(exp_avg=moments(s)["exp_avg"].to(torch.complex64)), "moments-expanded": lambda s: moments(s).update(exp_avg=torch.zeros(1).expand(moments(s)["exp_avg"].shape)), "expanded": lambda s: s.update(more=torch.zeros(1).expand(10**10)), "random-zeros": lambda s: s["random"].zero_(), "within-itself": lambda s: s.update(more=doubled({})), "settings-within-itself": lambda s: s["fixed"].update({"train.loss": doubled([])}),
    "weights-nan": lambda s: s["head"]["last.weight"].fill_(torch.nan), "average-infinite": lambda s: s["average"]["fc_code.weight"].fill_(torch.inf),
}  # fmt: skip


@pytest.mark.parametrize("name", PARTS)
def test_a_state_with_settings_or_moments_of_another_kind(world, run, name):
    (state,) = sorted(run.glob("checkpoints/*/state.pt"))[-1:]
    content = torch.load(state, weights_only=True)
    PARTS[name](content)
    torch.save(content, state)
    with bounded():
        result = resumed(world, run)
    told = {"many-settings": "was made with other settings (k0: xxx", "settings-within-itself": "train.loss: [[[[[["}
    if name == "within-itself":  # an additional part, which is not read
        assert result.exit_code == 0, result.output
    else:
        assert_told(result, told.get(name, "state.pt is damaged"), codes={3})
    assert len(result.output) < 10_000


def test_settings_of_the_optimizers_are_those_of_the_run_that_resumes(world, run):
    (state,) = sorted(run.glob("checkpoints/*/state.pt"))[-1:]
    content = torch.load(state, weights_only=True)
    content["optimizer_g"]["param_groups"][0].update(lr="abc", betas=(0.0, 0.9, 0.9), amsgrad=True)
    content["optimizer_d"]["param_groups"] = []
    torch.save(content, state)
    with bounded():
        result = resumed(world, run)
    assert result.exit_code == 0, result.output


def test_bad_lines_of_a_log_are_dropped_when_a_run_resumes(world, run):
    log = run / "log.jsonl"
    good = log.read_bytes()
    bad = [b"[" * 100_000, b'{"step": "1"}', b'{"step": 1e999}', b'{"step": NaN}', b'{"step": true}', b"\xff", b"5"]
    log.write_bytes(good + b"\n".join(bad))
    train = ("train", world / "manifest.yaml", "-o", f"run={run}", "-o", f"cache={world / 'cache'}")
    with bounded():
        result = hspcgan(*train, "-o", "train.steps=3")
    assert result.exit_code == 0, result.output
    assert f"{len(bad)} of {len(bad) + 1} lines cannot be parsed and are dropped" in result.output
    assert log.read_bytes().startswith(good)
    put(log, "fifo")
    with bounded():
        told = hspcgan(*train, "-o", "train.steps=4")
    assert_told(told, "log.jsonl is a pipe, expected a regular file; move it away and run the command again")


def test_a_run_is_packed_as_its_latest_checkpoint(world, run, tmp_path, tiny_clip_path):
    latest = sorted((run / "checkpoints").glob("step-*"))[-1]
    (run / "checkpoints" / "best").write_text(f"{latest.name}\n0.5 fid\n")
    packed = []
    for number, given in enumerate((latest, run, run / "checkpoints" / "best")):
        result = hspcgan("models", "pack", given, tmp_path / str(number), "--clip", tiny_clip_path)
        assert result.exit_code == 0, result.output
        packed.append((tmp_path / str(number) / "model.safetensors").read_bytes())
    assert packed[0] == packed[1] == packed[2]
    told = hspcgan("models", "pack", run / "log.jsonl", tmp_path / "out")
    assert_told(told, "log.jsonl is not a folder; give a checkpoint, a run, or RUN/checkpoints/best", codes={2})


RUN_FILES = {
    "manifest-model": ("manifest.yaml", b"model: 5"), "manifest-list": ("manifest.yaml", b"- a"), "manifest-empty": ("manifest.yaml", b""), "manifest-cut": ("manifest.yaml", b"train: {"), "manifest-name": ("manifest.yaml", b"name: [a]"), "manifest-fifo": ("manifest.yaml", "fifo"),
    "manifest-size": ("manifest.yaml", b"model: {image_size: x}"), "manifest-train": ("manifest.yaml", b"train: [1]"), "log-list": ("log.jsonl", b"[]\n"), "log-number": ("log.jsonl", b"5\n"), "log-text": ("log.jsonl", b"hello\n"), "log-nan": ("log.jsonl", b'{"step": NaN}\n'),
    "log-values": ("log.jsonl", b'{"step": "x", "loss_d": [1]}\n'), "log-empty": ("log.jsonl", b""), "log-deep": ("log.jsonl", b"[" * 100_000), "log-latin": ("log.jsonl", b"\xff\xfe\n"), "log-fifo": ("log.jsonl", "fifo"), "log-folder": ("log.jsonl", "folder"),
    "log-step-text": ("log.jsonl", b'{"step": "1"}\n'), "log-step-huge": ("log.jsonl", b'{"step": 1' + b"0" * 30 + b"}\n"), "log-infinite": ("log.jsonl", b'{"step": 1, "penalty": NaN}\n{"step": 2, "penalty": 1e999}\n'), "grid-small": ("grids/step-000001.png", picture()), "log-keys": ("log.jsonl", b"{}\n{}\n"), "evaluation-list": ("evaluation/x.json", b"[]"), "evaluation-object": ("evaluation/x.json", b"{}"), "evaluation-cut": ("evaluation/x.json", b"{"), "evaluation-format": ("evaluation/x.json", b'{"format": 1}'),
    "evaluation-label": ("evaluation/x.json", b'{"format": 1, "label": 5, "figures": [], "subject": {"kind": "checkpoint"}, "grid": {"image": [1, 1], "captions": []}}'), "evaluation-fifo": ("evaluation/x.json", "fifo"), "evaluation-deep": ("evaluation/x.json", b"[" * 100_000),
    "grid-text": ("grids/step-000001.png", b"hello"), "grid-name": ("grids/step-x.png", b"hello"), "grid-fifo": ("grids/step-000001.png", "fifo"), "evaluations-list": ("evaluations.jsonl", b"[]\n"), "latest-text": ("checkpoints/latest", b"../../etc"), "latest-binary": ("checkpoints/latest", b"\xff\xfe"), "latest-empty": ("checkpoints/latest", b""), "latest-fifo": ("checkpoints/latest", "fifo"),
    "best-text": ("checkpoints/best", b"x"), "best-binary": ("checkpoints/best", b"\xff"),
}  # fmt: skip


@pytest.mark.parametrize("name", RUN_FILES)
def test_a_run_with_a_file_of_another_kind(world, run, tmp_path, name):
    path, content = RUN_FILES[name]
    (run / path).parent.mkdir(exist_ok=True)
    put(run / path, content)
    with bounded():
        for command in (("report", run, "--out", tmp_path / "page.html"), ("sample", "a bird", "--checkpoint", run, "--out", tmp_path / "s", "--dry-run"),
                        ("train", world / "manifest.yaml", "-o", f"run={run}", "-o", f"cache={world / 'cache'}", "--dry-run")):  # fmt: skip
            result = hspcgan(*command)
            assert result.exit_code in (0, 1, 2, 3), (command, result.output[-2500:])
            assert "Traceback" not in result.output


@pytest.mark.parametrize(
    "content",
    [b"", b"step-000002", b"step-000002\nhigh fid\n", b"step-000077\n0.5 fid\n", b"../../..\n0.5 fid\n", b"\xff"],
)
def test_a_damaged_name_of_the_best_checkpoint_is_found_before_training(world, run, content):
    put(run / "checkpoints" / "best", content)
    log = (run / "log.jsonl").read_bytes()
    with bounded():
        assert_told(resumed(world, run), "best")
    assert (run / "log.jsonl").read_bytes() == log
    assert not (run / "checkpoints" / "step-000003").exists()
