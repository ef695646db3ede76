"""Caches, runs, checkpoints and CLIP files that are damaged or of the wrong shape: one message with the path, never a bug."""

import io
import json
import os
import shutil
from pathlib import Path

import h5py
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from helpers.cli import hspcgan
from helpers.corpus import assert_told, bounded
from helpers.runs import make_cache, write_manifest
from helpers.scored_runs import write_checkpoint

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def world(tmp_path_factory, tiny_clip_path) -> Path:
    """A folder with cache, a trained run and its manifest; tests copy what they damage."""
    root = tmp_path_factory.mktemp("finished")
    make_cache(root / "cache", tiny_clip_path)
    path = write_manifest(root / "made", root / "cache", tiny_clip_path, steps=2)
    result = hspcgan("train", path)
    assert result.exit_code == 0, result.output
    (root / "m.yaml").write_text(path.read_text())
    return root


@pytest.fixture
def run(world, tmp_path) -> Path:
    import yaml

    made = Path(yaml.safe_load((world / "m.yaml").read_text())["run"])
    return Path(shutil.copytree(made, tmp_path / "run"))


JSONS = {
    "empty": b"", "cut": b'{"format": 1', "text": b"hello", "list": b"[]", "number": b"5", "null": b"null", "object": b"{}", "brackets": b"[" * 100_000, "digits": b"9" * 5000, "latin": b'{"a": "\xe9"}', "zeros": bytes(4096),
    "utf-16": '{"format": 1}'.encode("utf-16"), "format-text": b'{"format": "one"}', "format-2": b'{"format": 2, "fingerprint": "x"}', "nested": b'{"format": 1, "files": []}',
}  # fmt: skip


def put(path: Path, content: bytes | str) -> None:
    """Content in place of a file; "fifo", "device" and "folder" stand for such."""
    if path.exists():
        path.unlink()
    if content == "fifo":
        os.mkfifo(path)
    elif content == "device":
        path.symlink_to("/dev/zero")
    elif content == "folder":
        path.mkdir()
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.mark.parametrize("name", [*JSONS, "fifo", "device", "folder"])
def test_a_damaged_cache_json(world, tmp_path, name):
    cache = shutil.copytree(world / "cache", tmp_path / "cache")
    put(cache / "cache.json", JSONS.get(name, name))
    with bounded():
        for command in (
            ("stats", cache),
            ("validate", cache),
            ("inspect", cache),
            ("train", world / "m.yaml", "--dry-run", "-o", f"cache={cache}", "-o", f"run={tmp_path / 'r'}"),
        ):
            result = hspcgan(*command)
            if command[0] != "train" or result.exit_code:
                assert_told(result)


CHANGES = {
    "format": True, "files": [], "counts": {}, "stages": [], "clip": "x", "templates": 5, "parser": {"annotator": 5}, "tools": None, "fingerprint": 3,
}  # fmt: skip


@pytest.mark.parametrize("key", CHANGES)
def test_a_cache_json_with_a_field_of_another_kind_is_invalid(world, tmp_path, key):
    cache = shutil.copytree(world / "cache", tmp_path / "cache")
    info = json.loads((cache / "cache.json").read_text())
    from hspcgan.pipeline.cache.cache_json import sealed

    info[key] = CHANGES[key]
    (cache / "cache.json").write_text(json.dumps(sealed(info)))
    with bounded():
        assert_told(hspcgan("validate", cache), codes={1})
        result = hspcgan("stats", cache)
        assert "Traceback" not in result.output, result.output[-1500:]


def resealed(cache: Path) -> None:
    """cache.json with the sums of the files as they are."""
    from hspcgan.pipeline.cache.cache_json import sealed, stamp

    info = json.loads((cache / "cache.json").read_text())
    info["files"] = {name: stamp(cache / name) for name in info["files"]}
    (cache / "cache.json").write_text(json.dumps(sealed(info)))


def hdf5(change):
    def damage(cache: Path) -> None:
        with h5py.File(cache / "features.h5", "r+") as file:
            change(file)

    return damage


def group_for_data(file: h5py.File) -> None:
    del file["phrase/text"]
    file.create_group("phrase/text")


def named_type(file: h5py.File) -> None:
    del file["phrase/text"]
    file["phrase/text"] = h5py.h5t.NATIVE_FLOAT.dtype


def link_loop(file: h5py.File) -> None:
    del file["phrase/text"]
    file["phrase/text"] = h5py.SoftLink("/phrase/text")


def external(file: h5py.File) -> None:
    del file["phrase/text"]
    file["phrase/text"] = h5py.ExternalLink("/etc/passwd", "/x")


def replaced(make):
    def change(file: h5py.File) -> None:
        del file["phrase/text"]
        make(file)

    return change


def table(name: str, change):
    def damage(cache: Path) -> None:
        path = cache / f"{name}.parquet"
        pq.write_table(change(pq.read_table(path)), path)

    return damage


def first_entity(**values: object):
    """The first caption's first entity with other values."""

    def change(found: pa.Table) -> pa.Table:
        rows = found.to_pylist()
        rows[0]["entities"][0].update(values)
        return pa.Table.from_pylist(rows, schema=found.schema)

    return change


DAMAGES = {
    "group": hdf5(group_for_data), "named-type": hdf5(named_type), "link-loop": hdf5(link_loop), "external": hdf5(external), "absent": hdf5(lambda f: f.__delitem__("phrase/text")),
    "text-data": hdf5(replaced(lambda f: f.create_dataset("phrase/text", data=["a", "b"], dtype=h5py.string_dtype()))), "scalar": hdf5(replaced(lambda f: f.create_dataset("phrase/text", data=1.0))),
    "chunked": hdf5(replaced(lambda f: f.create_dataset("phrase/text", data=torch.zeros(3, 32).numpy(), chunks=True, compression="gzip"))), "no-rows": hdf5(replaced(lambda f: f.create_dataset("phrase/text", shape=(0, 32), dtype="f2"))),
    "ints": hdf5(replaced(lambda f: f.create_dataset("phrase/text", shape=(5, 32), dtype="i4"))), "three-d": hdf5(replaced(lambda f: f.create_dataset("phrase/text", shape=(5, 3, 2), dtype="f2"))),
    "not-hdf5": lambda c: put(c / "features.h5", b"hello" * 100), "empty-hdf5": lambda c: put(c / "features.h5", b""), "cut-hdf5": lambda c: os.truncate(c / "features.h5", 3000), "zero-images": lambda c: put(c / "images.h5", bytes(5000)),
    "fifo-hdf5": lambda c: put(c / "features.h5", "fifo"), "folder-hdf5": lambda c: put(c / "images.h5", "folder"), "absent-images": lambda c: (c / "images.h5").unlink(),
    "not-parquet": lambda c: put(c / "captions.parquet", b"PAR1"), "empty-parquet": lambda c: put(c / "samples.parquet", b""), "cut-parquet": lambda c: os.truncate(c / "captions.parquet", 500), "fifo-parquet": lambda c: put(c / "phrases.parquet", "fifo"),
    "no-columns": table("captions", lambda t: t.select(["caption_id"])), "renamed": table("samples", lambda t: t.rename_columns([f"x{n}" for n in t.column_names])), "no-captions": table("captions", lambda t: t.slice(0, 0)), "fewer": table("phrases", lambda t: t.slice(1)),
    "phrase-beyond": table("captions", first_entity(phrase=10**6)), "phrase-negative": table("captions", first_entity(phrase=-5)), "word-beyond": table("captions", first_entity(word=10**6)), "span-beyond": table("captions", first_entity(start=5, end=10**6)),
    "unsorted": table("captions", lambda t: t.take(list(reversed(range(t.num_rows))))), "twice": table("samples", lambda t: pa.concat_tables([t.slice(0, 1), t.slice(0, t.num_rows - 1)])),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
@pytest.mark.parametrize("seal", [True, False])
def test_a_damaged_cache(world, tmp_path, name, seal):
    cache = shutil.copytree(world / "cache", tmp_path / "cache")
    DAMAGES[name](cache)
    if seal and all((cache / file).is_file() for file in ("features.h5", "images.h5", "phrases.parquet")):
        resealed(cache)
    with bounded():
        assert_told(hspcgan("validate", cache), codes={1})
        commands = [("stats", cache), ("inspect", cache), ("inspect", cache, "--number", 0), ("export", cache, tmp_path / "out"),
                    ("train", world / "m.yaml", "-o", f"cache={cache}", "-o", f"run={tmp_path / 'r'}", "-o", "train.steps=1")]  # fmt: skip
        for command in commands:
            result = hspcgan(*command)
            assert result.exit_code in (0, 1, 2, 3), (command, result.output[-2500:])
            assert "Traceback" not in result.output


def index(name: str, change):
    """A dataset of index.h5 with other numbers."""

    def damage(cache: Path) -> None:
        with h5py.File(cache / "index.h5", "r+") as file:
            values = file[name][:]
            change(values)
            file[name][:] = values

    return damage


INDEXES = {
    "phrase": index("entity/phrase", lambda v: v.__setitem__(0, 10**6)), "negative": index("relation/phrase", lambda v: v.__setitem__(0, -7)), "owner": index("attribute/entity", lambda v: v.__setitem__(0, 40)),
    "subject": index("relation/subject", lambda v: v.__setitem__(0, -2)), "offsets": index("entity/offsets", lambda v: v.__setitem__(-1, 10**9)), "falling": index("sample/captions", lambda v: v.__setitem__(1, 10**6)),
    "sample": index("caption/sample", lambda v: v.__setitem__(0, 10**6)), "text": index("caption/text", lambda v: v.__setitem__(0, -1)), "split": index("sample/split", lambda v: v.__setitem__(slice(None), 9)),
}  # fmt: skip


@pytest.mark.parametrize("name", INDEXES)
def test_an_index_out_of_range_is_found_before_it_is_read(world, tmp_path, name):
    cache = shutil.copytree(world / "cache", tmp_path / "cache")
    INDEXES[name](cache)
    resealed(cache)
    train = ("train", world / "m.yaml", "-o", f"cache={cache}", "-o", f"run={tmp_path / 'r'}", "-o", "train.steps=1")
    with bounded():
        assert_told(hspcgan("validate", cache), "index.h5", codes={1})
        readers = hspcgan(*train), hspcgan("inspect", cache)
    assert {result.exit_code for result in readers} <= {0, 3}
    damaged = [result for result in readers if result.exit_code]
    assert damaged
    for result in damaged:
        assert_told(result, "index.h5 is damaged", "hspcgan prepare MANIFEST --rebuild")


def test_a_file_that_is_no_part_of_a_cache_is_named_by_validate(world, tmp_path):
    cache = Path(shutil.copytree(world / "cache", tmp_path / "cache"))
    (cache / ".DS_Store").touch()
    assert hspcgan("validate", cache).exit_code == 0
    (cache / "notes.txt").touch()
    assert_told(hspcgan("validate", cache), "files that are not part of a cache: notes.txt", codes={1})


def saved(value: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


STATES = {
    "empty": b"", "text": b"hello", "object": saved({}), "list": saved([1]), "tensor": saved(torch.zeros(3)), "none": saved(None), "cut": saved({"step": 1})[:100], "fields": saved({"step": 1, "random": torch.zeros(5, dtype=torch.uint8), "fixed": {}}),
    "step-text": saved({"step": "one"}), "zeros": bytes(5000), "fifo": "fifo", "device": "device", "pickle": b"\x80\x04cos\nsystem\n(S'echo hi'\ntR.",
}  # fmt: skip


@pytest.mark.parametrize("name", STATES)
def test_a_damaged_state_to_resume_from(world, run, name):
    (state,) = sorted(run.glob("checkpoints/*/state.pt"))[-1:]
    put(state, STATES[name])
    with bounded():
        assert_told(
            hspcgan(
                "train", world / "m.yaml", "-o", f"run={run}", "-o", f"cache={world / 'cache'}", "-o", "train.steps=3"
            )
        )


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
        assert_told(
            hspcgan(
                "train", world / "m.yaml", "-o", f"run={run}", "-o", f"cache={world / 'cache'}", "-o", "train.steps=3"
            )
        )


RUN_FILES = {
    "manifest-model": ("manifest.yaml", b"model: 5"), "manifest-list": ("manifest.yaml", b"- a"), "manifest-empty": ("manifest.yaml", b""), "manifest-cut": ("manifest.yaml", b"train: {"), "manifest-name": ("manifest.yaml", b"name: [a]"), "manifest-fifo": ("manifest.yaml", "fifo"),
    "manifest-size": ("manifest.yaml", b"model: {image_size: x}"), "manifest-train": ("manifest.yaml", b"train: [1]"), "log-list": ("log.jsonl", b"[]\n"), "log-number": ("log.jsonl", b"5\n"), "log-text": ("log.jsonl", b"hello\n"), "log-nan": ("log.jsonl", b'{"step": NaN}\n'),
    "log-values": ("log.jsonl", b'{"step": "x", "loss_d": [1]}\n'), "log-empty": ("log.jsonl", b""), "log-deep": ("log.jsonl", b"[" * 100_000), "log-latin": ("log.jsonl", b"\xff\xfe\n"), "log-fifo": ("log.jsonl", "fifo"), "log-folder": ("log.jsonl", "folder"),
    "log-keys": ("log.jsonl", b"{}\n{}\n"), "evaluation-list": ("evaluation/x.json", b"[]"), "evaluation-object": ("evaluation/x.json", b"{}"), "evaluation-cut": ("evaluation/x.json", b"{"), "evaluation-format": ("evaluation/x.json", b'{"format": 1}'),
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
                        ("train", world / "m.yaml", "-o", f"run={run}", "-o", f"cache={world / 'cache'}", "--dry-run")):  # fmt: skip
            result = hspcgan(*command)
            assert result.exit_code in (0, 1, 2, 3), (command, result.output[-2500:])
            assert "Traceback" not in result.output


CARDS = {
    "extra": {"extra": []}, "extra-texts": {"extra": {"texts": 5}}, "extra-parse": {"extra": {"texts": {"parse": {"annotator": 5}, "templates": {}}}}, "config": {"config": 5}, "config-kind": {"config": {"kind": "x"}}, "config-huge": {"config": {"noise_dim": 10**12}}, "clip": {"clip": 5}, "clip-hint": {"clip": {"name": "x", "sha256": "x", "path_hint": 5}},
    "format": {"format": True}, "weights": {"weights": 5}, "no-clip": {"clip": None},
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
            assert result.exit_code in (0, 1, 2, 3), (command, result.output[-2500:])
            assert "Traceback" not in result.output


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


CLIPS = {
    "empty": b"", "text": b"hello world", "line": b"e", "json": b'{"a": 1}', "zip": b"PK\x05\x06" + bytes(18), "zeros": bytes(10_000), "list": saved([1, 2]), "tensor": saved(torch.zeros(2)), "object": saved({}), "numbers": saved({"visual.proj": 1}),
    "keys": saved({"visual.proj": torch.zeros(2, 2), "text_projection": torch.zeros(2, 2)}), "ints": saved({1: torch.zeros(2)}), "pickle": b"\x80\x04cos\nsystem\n(S'echo hi'\ntR.", "cut": saved({"a": torch.zeros(1000)})[:500], "fifo": "fifo", "device": "device", "folder": "folder",
    "script": None, "no-weights": saved({"visual.proj": torch.zeros(0), "text_projection": torch.zeros(0)}),
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
            assert_told(hspcgan(*command))
