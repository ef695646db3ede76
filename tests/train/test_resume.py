"""Interrupted and resumed equals uninterrupted; a checkpoint is complete or absent."""

import shutil

import pytest
import torch
from helpers.runs import assert_equal, read

from hspcgan.model.checkpoint import load
from hspcgan.model.clip.frozen import load_clip
from hspcgan.train import loop
from hspcgan.train.run_folder import checkpoints

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("cache_taps", [False, True])
def test_resumed_equals_uninterrupted_bit_for_bit(make_run, cache_taps):
    whole, halves = make_run("whole", cache_taps=cache_taps), make_run("halves", steps=3, cache_taps=cache_taps)
    loop.train(whole)
    loop.train(halves)
    resumed = make_run("halves", cache_taps=cache_taps)
    loop.train(resumed)
    assert_equal(read(whole.folder), read(resumed.folder))
    shared = [load(checkpoints.latest(run.folder)) for run in (whole, resumed)]
    assert_equal(dict(shared[0].generator.state_dict()), dict(shared[1].generator.state_dict()))
    steps = [line.split(",")[0] for line in (resumed.folder / "log.jsonl").read_text().splitlines()]
    assert steps == ['{"step": 2', '{"step": 3', '{"step": 4', '{"step": 6']


def test_a_crash_while_saving_leaves_the_checkpoint_before(make_run):
    run = make_run("a", steps=3)
    loop.train(run)
    root = run.folder / "checkpoints"
    kept = checkpoints.latest(run.folder)
    assert kept == root / "step-000003"
    for torn in (".step-000006.partial", ".step-000002.partial", "..step-000002.partial.partial"):
        shutil.copytree(kept, root / torn)  # killed before the rename; that step may not be saved again
    shutil.copytree(kept, root / "step-000006")  # killed between the rename and the pointer
    (root / "step-000006" / "state.pt").write_bytes(b"torn")
    assert checkpoints.latest(run.folder) == kept
    with open(run.folder / "log.jsonl", "a") as log:
        log.write('{"step": 4, "loss_d": 1.0}\n{"step": 5, "lo')
    loop.train(make_run("a"))
    assert sorted(path.name for path in root.iterdir()) == ["latest", "step-000003", "step-000006"]
    assert read(run.folder)["step"] == 6
    whole = make_run("whole")
    loop.train(whole)
    assert_equal(read(run.folder), read(whole.folder))
    assert len((run.folder / "log.jsonl").read_text().splitlines()) == 4


def test_without_the_latest_file_the_newest_checkpoint_is_used(make_run):
    assert checkpoints.latest(make_run("none").folder) is None
    run = make_run("a", steps=4)
    loop.train(run)
    (run.folder / "checkpoints" / "latest").unlink()
    assert checkpoints.latest(run.folder).name == "step-000004"
    loop.train(make_run("a", steps=4))
    assert (run.folder / "checkpoints" / "latest").read_text() == "step-000004\n"  # for those who ask by it
    assert loop.train(make_run("a", steps=5)).step == 5


def test_other_folders_beside_the_checkpoints_are_left_alone(make_run):
    run = make_run("a", steps=3)
    loop.train(run)
    kept = run.folder / "checkpoints" / "step-000003-good"
    shutil.copytree(checkpoints.latest(run.folder), kept)
    assert loop.train(make_run("a", keep=1)).step == 6
    assert (kept / "state.pt").is_file()


@pytest.mark.parametrize("damage", ["empty", "cut", "one bit"])
def test_a_damaged_state_is_rejected_with_the_checkpoint_to_use(make_run, damage):
    run = make_run("a")
    loop.train(run)
    file = checkpoints.latest(run.folder) / "state.pt"
    weights = torch.load(file, weights_only=True)["discriminator"]["main.conv_s.weight"]
    content = bytearray(file.read_bytes())
    content[content.index(weights.numpy().tobytes())] ^= 1
    file.write_bytes({"empty": b"", "cut": content[:5000], "one bit": content}[damage])
    with pytest.raises(ValueError, match=r"step-000006/state\.pt is damaged .*; write step-000003 into .*latest"):
        loop.train(make_run("a", steps=7))
    (run.folder / "checkpoints" / "latest").write_text("step-000003\n")
    assert loop.train(make_run("a", steps=7)).step == 7


def test_only_the_newest_checkpoints_are_kept(make_run):
    run = make_run("a", checkpoint_every=1, keep=2)
    loop.train(run)
    names = sorted(path.name for path in (run.folder / "checkpoints").iterdir())
    assert names == ["latest", "step-000005", "step-000006"]
    assert (run.folder / "checkpoints" / "latest").read_text() == "step-000006\n"


def test_changed_settings_are_rejected_by_name_unless_they_may_change(make_run):
    loop.train(make_run("a", steps=1))
    with pytest.raises(ValueError, match=r"train.batch_size: 4 then, 5 now.*train.mining: mis then, none now"):
        loop.train(make_run("a", batch_size=5, mining="none"))
    assert loop.train(make_run("a", steps=2, log_every=7, keep=1)).step == 2


def test_a_latest_file_naming_a_missing_checkpoint_is_an_error(make_run):
    run = make_run("a", steps=1)
    loop.train(run)
    for content, told in {
        "step-000099\n": "names step-000099, which is missing; write",
        "\n": "is empty; write",
        "../checkpoints/step-000001\n": "contains .*step-000001, which is not the name of a folder next to it; write",
        f"{run.folder}/checkpoints/step-000001\n": "contains .*, which is not the name of a folder next to it; write",
    }.items():
        (run.folder / "checkpoints" / "latest").write_text(content)
        with pytest.raises(ValueError, match=rf"checkpoints/latest {told} the name of a complete checkpoint"):
            loop.train(make_run("a"))


def test_a_state_of_another_step_than_its_folder_is_damaged(make_run):
    run = make_run("a", steps=2)
    loop.train(run)
    file = run.folder / "checkpoints" / "step-000002" / "state.pt"
    torch.save(torch.load(file, weights_only=True) | {"step": 10**9}, file)
    with pytest.raises(ValueError, match=r"damaged \(its step is 1,000,000,000, expected that of the folder's name\)"):
        loop.train(make_run("a"))


def test_shared_weights_are_the_moving_average_without_clip(make_run, tiny_clip_path):
    run = make_run("a", steps=2)
    loop.train(run)
    path = checkpoints.latest(run.folder)
    loaded = load(path, load_clip(tiny_clip_path))
    assert run.average is not None
    assert_equal(dict(loaded.generator.state_dict()), dict(run.average.state_dict()))
    assert loaded.card["extra"]["step"] == 2
    assert loaded.card["extra"]["cache"] == run.cache.info["fingerprint"]
    size = sum(p.numel() for n in (run.generator, run.discriminator, run.head) for p in n.parameters())
    assert (path / "model.safetensors").stat().st_size < 4 * size + 40_000
