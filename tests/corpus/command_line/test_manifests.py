"""Manifests and options with absurd, wrong and hostile values: refused before work, within a moment."""

import os

import pytest
from helpers.cli import hspcgan
from helpers.corpus import assert_told, bounded

BIG, HUGE = "9" * 30, "1000000000000"
OVERRIDES = [
    f"train.steps={BIG}", f"train.seed={2**64}", "train.seed=-1", "train.max_seconds=.inf", "train.max_seconds=.nan", "train.max_seconds=-1", f"train.batch_size={BIG}",
    "train.batch_size=0", "train.batch_size=1.5", "train.batch_size=true", "train.batch_size=[1]", "train.batch_size={a: 1}", "train.batch_size=2024-01-01", f"train.accumulate={HUGE}", "train.lr_generator=.inf",
    "train.lr_generator=-.inf", "train.lr_generator=.nan", "train.lr_generator=0", "train.betas=[0]", "train.betas=[1, 1]", "train.betas=[0, -0.5]", "train.betas=[0, .nan]", "train.betas=ab", "train.ema=1", "train.ema=-0.1", f"train.keep={BIG}", f"train.grid_images={HUGE}", "train.loss=other",
    *(f"train.{key}=1e308" for key in ("margin", "penalty_k", "penalty_p", "similarity", "contrast", "contrast_temperature", "mode_seeking", "mode_seeking_limit", "lr_generator", "lr_discriminator")), "train.lr_schedule=[[0, 1e308]]", f"train.lr_schedule=[[{BIG}, 1]]", "train.contrast_temperature=1e-300",
    "train.margin=.inf", "train.similarity=.nan", "train.penalty_k=.inf", "train.precision=fp64", "train.device=tpu", f"train.evaluate_every={BIG}", "train.best=3", "train.wandb=[a]",
    f"model.image_size={HUGE}", "model.image_size=-56", f"model.discriminator_width={HUGE}", f"model.noise_dim={BIG}", f"model.locals={BIG}", "model.locals=0", "model.kind=gan", f"model.adapter_blocks={HUGE}", f"model.code_width={BIG}",
    "model.taps=[]", "model.taps=[99]", "model.taps=[3, 1]", "model.taps=[-1]", "model.taps=x", "model.clip_weight=.nan", "model.clip_weight=1e308", "model.clip_weight=-1", "model.channels=[a]", "model.channels=[-1, 8, 8, 8, 8]", f"model.channels=[{BIG}, 8, 8, 8, 8]", "model.gate=none", "model.prompts=many", f"model.head_width={HUGE}",
    f"data.scenes={HUGE}", f"data.scenes={BIG}", "data.scenes=0", f"data.seed={BIG}", f"data.image_size={HUGE}", "data.image_size=4", f"data.processes={HUGE}", "data.processes=0", "data.source=zip", "data.path=x", "data.test_fraction=0.5", "data.source=[folder]",
    f"parse.processes={BIG}", f"parse.batch_size={BIG}", "parse.annotator=5", "parse.model=[a]", "encode.templates=x", "encode.templates.entity=no slot", "encode.templates.entity={} {}", "encode.templates.entity={0}", f"encode.processes={HUGE}", "encode.device=tpu", "encode.clip=[a]",
    "taps.views=[up]", "taps.views=[whole, whole]", "taps.views=whole", f"evaluate.samples={BIG}", "evaluate.samples=1", f"evaluate.seed={2**64}", "evaluate.scorers={}", "evaluate.scorers=[a]", "evaluate.scorers={a/b: toy-clip}", "evaluate.metrics=[]", "evaluate.metrics=[fie]",
    "evaluate.expect={fid: {min: 2, max: 1}}", "evaluate.expect={fid: {}}", "evaluate.expect={fid: 3}", "evaluate.expect={nothing: {max: 1}}", "evaluate.expect={fid: {max: .nan}}", "evaluate.expect={1: {max: 1}}", "evaluate.expect={fid: {2024-01-01: 1}}", f"evaluate.shown={HUGE}", "train=5", "train=[1]", "model=x", "cache=s3://a/b", "run=s3://a/b",
    "cache=", "name=", "name=[a]", "name=../../x", "name=/etc", "name=..", 'name="a\\eb"', f"name={'x' * 100_000}", "base=toybirds", "=3", "train", "train..steps=3", "train.steps.deep=3", "train.steps=[", "train.steps=*a", "x=1", "train.steps=!!python/name:os.system", "cache=.", "cache=/", "cache=a/..", "cache=[a, ..]", 'encode.clip="\\ud800"', 'data.path="a\\0b"', 'description="\\udfff"', "data.image_size=64",
    f"train.steps=0x{'f' * 5000}", f"train.steps={'9' * 5000}", f"train.betas=!!omap [a: 0x{'f' * 5000}]", f"train.steps={'1:' * 2000}1",
    "train.steps=1:30", "train.steps==", "train.steps=0o10", "train.lr_schedule=[[0, on]]", "evaluate.expect={fid: {max: yes}}", "evaluate.scorers={a: toy-clip, a: toy-scorer}", 'evaluate.scorers={"a\\nb": toy-clip}', "evaluate.checkpoints={' ': toy-hspcgan}", "train.shift=56", 'bench.file="a\\0b"', 'evaluate.inception="a\\0b"', "evaluate.metrics=fid", "evaluate.scorers={on: toy-clip}",
    "train.steps=yes", "train.seed=off", "train.keep=on", "data.scenes=yes", "train.lr_generator=on", "train.betas=[off, on]", "model.noise_dim=true", "evaluate.seed=yes",
]  # fmt: skip


@pytest.mark.parametrize("override", OVERRIDES)
def test_absurd_values_are_refused_by_a_dry_run_that_looks_at_nothing(tmp_path, monkeypatch, override):
    monkeypatch.chdir(tmp_path)
    with bounded():
        for command in ("train", "prepare"):
            assert_told(hspcgan(command, "toybirds", "--dry-run", "-o", override), codes={2})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("override", ["model.taps=4", "evaluate.metrics=[]", "evaluate.lock=5", "study.rows=a", "study.claims=[{kind: best}]", "study.claims=[{text: x}]", "study.claims=[5]", "bench.file=5", "study.seeds=[1]", "evaluate.scorers={1: toy-clip}", "train={1: 2}"])  # fmt: skip
def test_messages_name_no_classes_of_python(override):
    told = hspcgan("train", "toybirds", "--dry-run", "-o", override)
    assert_told(told, override.partition("=")[0], codes={2})
    assert not any(
        word in told.output for word in ("tuple", "Tuple", "ictionary", "instance", "discriminator", "class")
    )


FILES = {
    "empty": b"", "null": b"null", "list": b"- a", "text": b"hello", "number": b"5", "cut": b"data: {source", "tabs": b"data:\n\tsource: x", "latin": b"name: caf\xe9", "utf-16": "name: x".encode("utf-16"),
    "nul": b"name: a\0b", "binary": bytes(range(256)), "zeros": bytes(5000), "escape": b"name: \"\\e[31mred\"", "two": b"name: a\n---\nname: b", "tag": b"train: !!python/object/apply:os.system [ls]", "twice": b"train: {steps: 1}\ntrain: {steps: 2}",
    "bomb": b"a0: &a0 [1]\n" + b"".join(b"a%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 20)), "self": b"data: &a {source: *a}", "deep": b"data: " + b"[" * 2000, "merge": b"data: {<<: 3}",
    "large": b"# x\n" * 500_000, "base-self": b"base: m.yaml", "base-absent": b"base: nowhere", "base-url": b"base: https://example.org/x.yaml", "base-list": b"base: [a]", "keys": b"1: 2\ntrue: 3", "null-key": b"null: 1", "list-key": b"? [a]\n: 1",
    "surrogate": b'description: "\\ud800"', "surrogate-key": b'"\\ud800": 1',
    "merge-conflict": b"name: a\n<<<<<<< HEAD\nname: b\n=======\n", "tabs-after": b"train:\n  steps:\t5", "comments": b"# nothing\n", "windows": b'cache: "C:\\Users"', "own-tag": b"name: !ENV x", "template": b"name: {{ name }}", "form-feed": b"name: a\x0c",
    "sections": b"train: 3\nmodel: [a]\ndata: x", "float-name": b"name: 1.5",
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_files_that_are_no_manifest_are_one_error(tmp_path, name):
    (tmp_path / "m.yaml").write_bytes(FILES[name])
    with bounded():
        told = "is encoded in UTF-16" if name == "utf-16" else ""
        assert_told(hspcgan("train", tmp_path / "m.yaml", "--dry-run"), told, codes={2})


@pytest.mark.parametrize(("bench", "told"), [("photos: none", "no .jpg, .jpeg, .png or .webp files in none"), ("file: none", "none: No such file"), ("file: .", "expected a regular file")])  # fmt: skip
def test_files_of_a_benchmark_are_looked_at_before_it_measures(tmp_path, monkeypatch, bench, told):
    monkeypatch.chdir(tmp_path)
    kind = "scale" if "photos" in bench else "graphs"
    (tmp_path / "m.yaml").write_text(f"bench: {{kind: {kind}, captions: 5, compared: 2, {bench}}}")
    with bounded():
        assert_told(hspcgan("bench", "m.yaml"), told)


@pytest.mark.parametrize("kind", ["fifo", "device", "folder", "dangling", "loop", "base-fifo", "base-device"])
def test_manifests_that_are_no_regular_files_are_one_error(tmp_path, kind):
    path = tmp_path / "m.yaml"
    if kind.startswith("base"):
        path.write_text("base: other.yaml")
        path = tmp_path / "other.yaml"
    {"fifo": lambda: os.mkfifo(path), "device": lambda: path.symlink_to("/dev/zero"), "folder": path.mkdir, "dangling": lambda: path.symlink_to("no"),
     "loop": lambda: path.symlink_to(path.name)}[kind.rpartition("-")[2]]()  # fmt: skip
    with bounded():
        told = {"fifo": "got a pipe", "device": "got a device", "loop": "got a link that points back to itself"}
        assert_told(hspcgan("prepare", tmp_path / "m.yaml", "--dry-run"), told.get(kind.rpartition("-")[2], path.name))


@pytest.mark.parametrize("command", [
    ("sample", "a bird", "--count", "1000000000"), ("sample", "a bird", "--seed", BIG), ("interpolate", "a", "b", "--frames", HUGE), ("interpolate", "a", "--to-seed", BIG),
    ("parse", "--jsonl", "a", "b", "--batch-size", HUGE), ("parse", "--jsonl", "a", "b", "--processes", BIG), ("models", "import-galip", "x", "y", "--image-size", HUGE), ("sample",), ("edit", "a"), ("prepare",),
    ("copy", "x", "."), ("copy", "x", ""), ("copy", "x", "a/.."), ("stats", ""), ("report", "/"),
])  # fmt: skip
def test_absurd_options_are_refused(command):
    with bounded():
        assert_told(hspcgan(*command))
