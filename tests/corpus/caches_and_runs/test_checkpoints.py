"""Checkpoints and CLIP files that are damaged or of the wrong shape: one message, never a bug."""

import json
import os
import re
import zipfile

import pytest
import torch
from helpers.cli import hspcgan
from helpers.corpus import JSONS, assert_told, bounded, put, saved
from helpers.runs import MODEL
from helpers.scored_runs import write_checkpoint
from safetensors.torch import load_file, save_file

from hspcgan.evaluate.scored.scorers import Inception
from hspcgan.model.checkpoint import load
from hspcgan.model.clip import file
from hspcgan.model.clip.frozen import load_clip
from hspcgan.model.common.errors import UserError
from hspcgan.model.common.files import file_sha256
from hspcgan.pipeline.stages.unknown_words import unknown_words

pytestmark = pytest.mark.usefixtures("one_thread")


CARDS = {
    "extra": {"extra": []}, "extra-texts": {"extra": {"texts": 5}}, "extra-parse": {"extra": {"texts": {"parse": {"annotator": 5}, "templates": {}}}}, "config": {"config": 5}, "config-kind": {"config": {"kind": "x"}}, "config-huge": {"config": {"noise_dim": 10**12}}, "clip": {"clip": 5}, "clip-hint": {"clip": {"name": "x", "sha256": "x", "path_hint": 5}},
    "texts-list": {"extra": {"texts": {"parse": [1]}}}, "templates-list": {"extra": {"texts": {"templates": [1]}}}, "train": {"extra": {"train": 5}}, "format": {"format": True}, "weights": {"weights": 5}, "no-clip": {"clip": None}, "extra-null": {"extra": None}, "extra-step": {"extra": {"step": "two"}}, "surrogate": {"clip": {"name": "\ud800", "sha256": "x"}},
    "width-text": {"config": {"kind": "hspcgan", "head_width": "wide"}}, "width-list": {"config": {"kind": "hspcgan", "channels": 5}}, "width-negative": {"config": {"kind": "hspcgan", "code_width": -1}}, "width-unknown": {"config": {"kind": "hspcgan", "width": 7}},
    "width-count": {"config": {"kind": "hspcgan", "channels": [16384] * 6, "image_size": 224}}, "width-of-gigabytes": {"config": MODEL | {"channels": [16384] * 5}}, "middle-of-gigabytes": {"config": MODEL | {"middle_width": 8192}}, "parameters": {"weights": {"sha256": "x", "parameters": {"generator": "many"}}}, "rounded": {"clip": {"name": "x", "sha256": "x", "rounded": 5}},
}  # fmt: skip


@pytest.mark.parametrize("name", [*CARDS, *JSONS, "fifo", "device"])
def test_a_checkpoint_with_a_card_of_another_kind(tmp_path, tiny_clip_path, name):
    folder = write_checkpoint(tmp_path / "checkpoint", tiny_clip_path)
    card = json.loads((folder / "model.json").read_text())
    put(folder / "model.json", json.dumps(card | CARDS[name]) if name in CARDS else JSONS.get(name, name))
    with bounded():
        for command in (
            ("sample", "a red bird", "--checkpoint", folder, "--clip", tiny_clip_path, "--out", tmp_path / "s"),
            ("models", "pack", folder, tmp_path / "packed", "--clip", tiny_clip_path),
        ):
            result = hspcgan(*command)
            if (name, command[0]) != ("extra-parse", "models"):  # only drawing reads the settings of the parser
                assert_told(result, str(folder), codes={3})
            assert not any(
                word in result.output for word in ("pydantic", "validation error", "state_dict", "Input sho")
            )


WEIGHTS = {
    "empty": b"", "text": b"hello world", "zeros": bytes(1000), "huge-header": b"\xff" * 8 + b"{}", "header-list": (2).to_bytes(8, "little") + b"[]", "header-cut": (500).to_bytes(8, "little") + b"{", "fifo": "fifo", "device": "device", "folder": "folder", "pickle": saved({"a": torch.zeros(1)}),
}  # fmt: skip


@pytest.mark.parametrize("name", WEIGHTS)
def test_a_checkpoint_with_damaged_weights(tmp_path, tiny_clip_path, name):
    folder = write_checkpoint(tmp_path / "checkpoint", tiny_clip_path)
    put(folder / "model.safetensors", WEIGHTS[name])
    with bounded():
        assert_told(
            hspcgan("sample", "a red bird", "--checkpoint", folder, "--clip", tiny_clip_path, "--out", tmp_path / "s")
        )


TENSORS = {
    "integers": (lambda t: t.to(torch.int8), "is torch.int8, expected torch.float32"), "complex": (lambda t: t.to(torch.complex64), "is torch.complex64, expected"),
    "flat": (lambda t: t.reshape(-1), "has shape [2560], expected [64, 40]"),
}  # fmt: skip


@pytest.mark.parametrize("name", TENSORS)
def test_weights_of_other_shapes_and_types_are_named_in_short_lines(tmp_path, tiny_clip_path, name):
    folder = write_checkpoint(tmp_path / "checkpoint", tiny_clip_path)
    change, told = TENSORS[name]
    tensors = load_file(folder / "model.safetensors")
    key = "generator/blocks.0.fuse1.first.weight"
    save_file(
        tensors | {key: change(tensors[key]), "generator/" + "x" * 100_000: torch.zeros(1)},
        folder / "model.safetensors",
    )
    card = json.loads((folder / "model.json").read_text())
    card["weights"]["sha256"] = file_sha256(folder / "model.safetensors")
    (folder / "model.json").write_text(json.dumps(card))
    with pytest.raises(UserError) as error:
        load(folder, clip_path=tiny_clip_path)
    assert told in str(error.value)
    assert "generator/xxx" in str(error.value)
    assert len(str(error.value)) < 1000


CLIPS = {
    "empty": b"", "text": b"hello world", "line": b"e", "json": b'{"a": 1}', "zip": b"PK\x05\x06" + bytes(18), "zeros": bytes(10_000), "list": saved([1, 2]), "tensor": saved(torch.zeros(2)), "object": saved({}), "numbers": saved({"visual.proj": 1}),
    "keys": saved({"visual.proj": torch.zeros(2, 2), "text_projection": torch.zeros(2, 2)}), "ints": saved({1: torch.zeros(2)}), "pickle": b"\x80\x04cos\nsystem\n(S'echo hi'\ntR.", "cut": saved({"a": torch.zeros(1000)})[:500], "fifo": "fifo", "device": "device", "folder": "folder",
    "script": None, "no-weights": saved({"visual.proj": torch.zeros(0), "text_projection": torch.zeros(0)}),
    "names": saved({1: torch.zeros(2), "a": torch.zeros(2)}), "zip-damaged": b"PK\x05\x06" + bytes(4) + b"\5\0\5\0" + (200).to_bytes(4, "little") + bytes(6),
}  # fmt: skip


@pytest.mark.parametrize("name", CLIPS)
def test_a_file_that_is_no_clip(tmp_path, name):
    path = tmp_path / "clip.pt"
    if name == "script":
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), str(path))
    else:
        put(path, CLIPS[name])
    with bounded():
        for command in (("train", "toybirds", "--dry-run", "-o", f"encode.clip={path}", "-o", f"cache={tmp_path / 'c'}"), ("prepare", "toybirds", "-o", f"encode.clip={path}", "-o", f"cache={tmp_path / 'c'}", "-o", f"run={tmp_path / 'r'}", "--dry-run"),
                        ("models", "import-galip", path, tmp_path / "out", "--clip", path)):  # fmt: skip
            result = hspcgan(*command)
            assert_told(result)
            assert "weights_only" not in result.output  # torch's advice, which runs the code in a file


STATES = {
    "numbers-as-names": {"netG": {1: torch.zeros(2)}}, "text": {"netG": {"fc_code.weight": "x"}}, "lists": {"netD": {"main.conv_r.0.weight": [1]}}, "integers": {"netD": {"a": torch.zeros(2, dtype=torch.int8)}}, "clip-text": {"netG": {"mapping.CLIP_ViT.proj": "x"}}, "complex": {"netC": {"a": torch.zeros(2, dtype=torch.complex64)}},
}  # fmt: skip


@pytest.mark.parametrize("name", STATES)
def test_a_galip_state_with_values_that_are_no_tensors(tmp_path, tiny_clip_path, name):
    torch.save({"model": {"netG": {}, "netD": {}, "netC": {}} | STATES[name]}, tmp_path / "state.pth")
    with bounded():
        result = hspcgan("models", "import-galip", tmp_path / "state.pth", tmp_path / "out", "--clip", tiny_clip_path)
        assert_told(
            result,
            "state.pth has",
            "expected floats" if name == "integers" else "expected a state dict of tensors of real numbers",
            codes={3},
        )


GALIP_SIZES = {
    "no-noise": {"fc_code.weight": (49, 0)}, "narrow-code": {"fc_code.weight": (3, 8)}, "no-rows": {"mapping.FBlocks.0.conv1.weight": (0, 1)}, "flat": {"fc_code.weight": (49,)},
}  # fmt: skip


@pytest.mark.parametrize("name", GALIP_SIZES)
def test_a_galip_state_of_impossible_sizes(tmp_path, tiny_clip_path, name):
    shapes = {"fc_code.weight": (49, 8), "mapping.FBlocks.0.conv1.weight": (4, 4), "mapping.fc_prompt.weight": (512, 8), "GBlocks.0.c1.weight": (4, 4)}  # fmt: skip
    shapes |= {f"mapping.FBlocks.{n}.x": (1,) for n in range(1, 4)} | GALIP_SIZES[name]
    model = {"netG": {key: torch.zeros(shape) for key, shape in shapes.items()}, "netD": {"main.conv_r.0.weight": torch.zeros(4)}, "netC": {"joint_conv.0.weight": torch.zeros(4)}}  # fmt: skip
    torch.save({"model": model}, tmp_path / "state.pth")
    with bounded():
        result = hspcgan("models", "import-galip", tmp_path / "state.pth", tmp_path / "out", "--clip", tiny_clip_path)
        assert_told(result, "state.pth is not a GALIP state", codes={3})


def test_a_clip_of_very_many_tensors_is_not_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(file, "MOST_ENTRIES", 100)
    torch.save({str(number): torch.zeros(1) for number in range(120)}, tmp_path / "clip.pt")
    with pytest.raises(
        UserError, match=r"cannot be read as CLIP weights: .* about 12\d tensors, more than the 100 allowed"
    ):
        load_clip(tmp_path / "clip.pt")


def test_a_clip_that_unpacks_to_more_than_its_file_is_not_read(tmp_path):
    torch.save({"visual.proj": torch.zeros(20), "text_projection": torch.zeros(20)}, tmp_path / "plain.pt")
    with zipfile.ZipFile(tmp_path / "plain.pt") as plain, zipfile.ZipFile(tmp_path / "clip.pt", "w", 8) as packed:
        for name in plain.namelist():
            packed.writestr(name, bytes(2**26) if name.endswith("data/0") else plain.read(name))
    with (
        bounded(),
        pytest.raises(UserError, match=r"clip\.pt cannot be read as CLIP weights: the file is a compressed"),
    ):
        load_clip(tmp_path / "clip.pt")


SIZES = {
    "no-channels": ("visual.conv1.weight", (0, 3, 8, 8)), "no-patch": ("visual.conv1.weight", (64, 3, 0, 0)), "flat-patch": ("visual.conv1.weight", (64,)), "no-classes": ("visual.positional_embedding", (0, 64)),
    "no-words": ("token_embedding.weight", (0, 64)), "scalar": ("text_projection", ()), "no-context": ("positional_embedding", (0, 64)), "no-width": ("ln_final.weight", (0,)), "one": ("visual.proj", (1, 1)),
}  # fmt: skip


@pytest.mark.parametrize("name", SIZES)
def test_a_clip_of_impossible_sizes(tmp_path, tiny_clip_path, name):
    key, shape = SIZES[name]
    torch.save(torch.load(tiny_clip_path, weights_only=True) | {key: torch.zeros(shape)}, tmp_path / "clip.pt")
    with bounded(), pytest.raises(UserError, match=r"clip\.pt"):
        load_clip(tmp_path / "clip.pt")


DAMAGED = {
    "cut": (r"visual\.conv1\.weight", (), "the shapes of its tensors do not fit together"),
    "other-shape": (r"ln_final\.bias", (3,), "ln_final.bias has the shape [3], but the other tensors need [64]"),
    "odd-heads": (r"visual\.conv1\.weight", (200, 3, 8, 8), "do not fit together"),
    "lacking": (r"ln_final\.weight", None, "it has no ln_final.weight"),
    "few-tokens": (r"token_embedding\.weight", (5, 64), "token_embedding.weight has 5 rows, expected at least 49,408"),
    "short-context": (r"positional_embedding", (2, 64), "positional_embedding has 2 rows, expected at least 3"),
    "lacking-some": (r".*mlp.*", None, 'it lacks "'), "nan": (r"ln_final\.bias", (64,), "values that are NaN"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_clip_is_one_line_without_the_words_of_torch(tmp_path, tiny_clip_path, name):
    key, shape, told = DAMAGED[name]
    state = torch.load(tiny_clip_path, weights_only=True)
    for found in [one for one in state if re.fullmatch(key, one)]:
        del state[found]
        if shape is not None:
            state[found] = torch.full(shape, torch.nan if name == "nan" else 0.0)
    torch.save(state, tmp_path / "clip.pt")
    with bounded(), pytest.raises(UserError) as error:
        load_clip(tmp_path / "clip.pt")
    message = str(error.value)
    assert told in message
    assert message.startswith(str(tmp_path / "clip.pt"))
    assert "download" in message
    assert not re.search(r"\n|torch|state_dict|tuple|index", message)


@pytest.mark.parametrize(
    ("name", "load"), [("clip.pt", load_clip), ("inception-2015-12-05.pt", lambda path: Inception(path.parent))]
)
def test_a_file_that_is_too_large_for_its_network_is_rejected_before_it_is_read(tmp_path, name, load):
    (tmp_path / name).write_bytes(b"PK\3\4")
    os.truncate(tmp_path / name, 60 * 10**9)  # takes no space on the disk
    with bounded(), pytest.raises(UserError, match=rf"60,000,000,000 bytes, more than the .* allowed: .*{name}"):
        load(tmp_path / name)


ODD = {
    "float8": (lambda t: t.to(torch.float8_e4m3fn), "a torch.float8_e4m3fn"), "sparse": (lambda t: t.to_sparse(), "a torch.sparse_coo tensor"),
    "nested": (lambda t: torch.nested.nested_tensor([t, t[:1]]), "a nested tensor on the device cpu"), "meta": (lambda t: t.to("meta"), "on the device meta"), "expanded": (lambda t: torch.zeros(1, 1).expand(10**10, 64), "stores fewer values"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("name", ODD)
def test_a_clip_of_tensors_that_are_not_stored_plainly(tmp_path, tiny_clip_path, name):
    change, told = ODD[name]
    state = torch.load(tiny_clip_path, weights_only=True)
    torch.save(state | {"visual.proj": change(state["visual.proj"])}, tmp_path / "clip.pt")
    with bounded(), pytest.raises(UserError, match=rf"clip\.pt has 'visual\.proj', .*{told}.*; expected a state dict"):
        load_clip(tmp_path / "clip.pt")


def test_a_clip_of_more_text_positions_than_fit_into_memory(tmp_path, tiny_clip_path):
    state = torch.load(tiny_clip_path, weights_only=True)
    torch.save(state | {"positional_embedding": torch.zeros(60_000, 64)}, tmp_path / "clip.pt")
    with bounded(), pytest.raises(UserError, match=r"clip\.pt has 60,000 text positions, more than the 4,096 allowed"):
        load_clip(tmp_path / "clip.pt")


@pytest.mark.parametrize("factor", [1e9, 1e300])
def test_a_clip_of_numbers_that_float16_does_not_have(tmp_path, tiny_clip_path, factor):
    state = torch.load(tiny_clip_path, weights_only=True)
    torch.save(state | {"visual.proj": state["visual.proj"].double() * factor}, tmp_path / "clip.pt")
    with pytest.raises(UserError, match=r"clip\.pt is damaged: visual\.proj has values that are NaN or infinite"):
        load_clip(tmp_path / "clip.pt")


@pytest.mark.parametrize("dtype", [torch.complex64, torch.int8, torch.bool])
def test_a_clip_of_other_numbers(tmp_path, tiny_clip_path, dtype):
    state = torch.load(tiny_clip_path, weights_only=True)
    torch.save(state | {"visual.proj": state["visual.proj"].to(dtype)}, tmp_path / "clip.pt")
    with pytest.raises(UserError, match=r"visual\.proj.* torch\.\w+[,;] expected"):
        load_clip(tmp_path / "clip.pt")


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b'{"vocabulary": 5}', b'{"vocabulary": [1]}', b"[" * 100_000, b"\xff"]
)
def test_a_vocabulary_beside_a_clip_of_the_wrong_shape(tmp_path, content):
    (tmp_path / "clip.json").write_bytes(content)
    with pytest.raises(UserError, match=r"clip\.json"):
        unknown_words(["a bird"], tmp_path / "clip.pt")
