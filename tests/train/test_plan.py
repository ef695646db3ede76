"""The plan of a run and the paper's rows: counted by hand, and every row against its line in the paper."""

from collections import defaultdict

import pytest
import torch
from helpers.cli import hspcgan
from torch import nn

from hspcgan.model.config import ModelConfig
from hspcgan.model.meta_device import meta_clip
from hspcgan.pipeline.manifest import load_manifest
from hspcgan.pipeline.manifest.files import shipped_manifests
from hspcgan.train import plan
from hspcgan.train.config import TrainConfig

DATASETS = ("toybirds", "cub", "coco")
ROWS = [
    name  # paper/DATA/ROW
    for name in shipped_manifests()
    if name.startswith("paper/") and name.count("/") == 2 and not name.endswith("/common")
]

# Switches of each row: kind, prompts, order, locals, gate, loss, mining, batch.
GALIP = ("galip", "fc", "GLG", 6, "append")
TABLES = {
    "table2_base_32": (*GALIP, "hinge", "none", 32),
    "table2_base_64": (*GALIP, "hinge", "none", 64),
    "table2_max_fake_32": (*GALIP, "margin", "fake", 32),
    "table2_max_fake_mis_32": (*GALIP, "margin", "mis+fake", 32),
    "table2_max_mis_16": (*GALIP, "margin", "mis", 16),
    "table2_max_mis_32": (*GALIP, "margin", "mis", 32),
    "table2_max_mis_64": (*GALIP, "margin", "mis", 64),
    "table3_baseline": (*GALIP, "hinge", "none", 32),
    "table3_local_6": ("hspcgan", "local", "GLG", 6, "append", "hinge", "none", 32),
    "table3_local_4": ("hspcgan", "local", "GLG", 4, "append", "hinge", "none", 32),
    "table3_hierarchical_6": ("hspcgan", "hierarchical", "GLG", 6, "append", "hinge", "none", 32),
    "table3_hmma": (*GALIP, "margin", "mis", 32),
    "table3_hierarchical_6_adaptor": ("hspcgan", "hierarchical", "GLG", 6, "soft", "hinge", "none", 32),
    "table3_hierarchical_6_adaptor_hmma": ("hspcgan", "hierarchical", "GLG", 6, "soft", "margin", "mis", 32),
    **{f"table4_{order.lower()}": ("hspcgan", "hierarchical", order, 6, "soft", "margin", "mis", 32)
       for order in ("G", "L", "LG", "GL", "GLG")},
    "control_margin_none": (*GALIP, "margin", "none", 32),
    **{f"fig5_base_{batch}": (*GALIP, "hinge", "none", batch) for batch in (16, 32, 64)},
    **{f"fig5_max_mis_{batch}": (*GALIP, "margin", "mis", batch) for batch in (16, 32, 64)},
}  # fmt: skip
# Other readings of the paper: the row that each one changes, and the one setting that it changes.
SWITCHES = {
    "worst_pair": ("hspcgan", "train", "hardest", "worst-pair"),
    "hinge_mis": ("hspcgan", "train", "loss", "hinge"),
    "penalty_joint": ("hspcgan", "train", "penalty_norm", "joint"),
    "penalty_summed": ("galip", "train", "penalty_norm", "summed"),
    "gate_hard": ("hspcgan", "model", "gate", "hard"),
    "context_sentence": ("hspcgan", "model", "context", "sentence"),
    "raw_phrases": ("hspcgan", "model", "subtract_mean", False),
}


def settings(name: str) -> tuple[ModelConfig, TrainConfig]:
    loaded = load_manifest(name)
    return loaded.section("model", ModelConfig), loaded.section("train", TrainConfig)


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("row", TABLES)
def test_every_row_of_the_paper_has_its_switches(row, dataset):
    model, train = settings(f"paper/{dataset}/{row}")
    switches = (model.kind, model.prompts, model.order, model.locals, model.gate, train.loss, train.mining)
    assert (*switches, train.batch_size) == TABLES[row]
    assert (train.ema, train.hardest, train.penalty_k, train.penalty_p, train.similarity) == (0, "per-image", 2, 6, 4)
    assert train.penalty_norm == ("joint" if model.kind == "galip" else "summed")


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("row", SWITCHES)
def test_a_switch_row_differs_from_its_row_in_one_setting(row, dataset):
    changed, section, key, value = SWITCHES[row]
    raw, whole = (load_manifest(f"paper/{dataset}/{name}").raw for name in (f"switch_{row}", changed))
    assert raw[section] == whole[section] | {key: value}
    assert {**raw, section: 0, "name": 0, "description": 0, "run": 0} == {
        **whole, section: 0, "name": 0, "description": 0, "run": 0
    }  # fmt: skip
    settings(f"paper/{dataset}/switch_{row}")


def test_every_manifest_is_a_row_or_a_switch():
    beside = ("table1", "galip", "hspcgan")
    rows = [name for name in ROWS if not name.rpartition("/")[2].startswith(beside)]
    assert len(rows) == 3 * (len(TABLES) + len(SWITCHES))


def test_rows_share_a_run_folder_exactly_where_they_are_the_same_experiment():
    by_run, by_settings = defaultdict(set), defaultdict(set)
    for name in ROWS:
        raw = load_manifest(name).raw
        model, train = settings(name)
        by_run[raw["run"]].add((raw["cache"], model, train))
        by_settings[raw["cache"], model, train].add(raw["run"])
    assert all(len(found) == 1 for found in by_run.values())
    assert all(len(found) == 1 for found in by_settings.values())
    assert len(by_run) == 3 * (17 + 1 + len(SWITCHES))  # and the control


def test_saved_bytes_of_a_layer_by_hand():
    layer = nn.Sequential(nn.Linear(3, 5), nn.ReLU())
    x = torch.ones(4, 3, requires_grad=True)
    assert plan.saved_bytes(lambda: layer(x), [layer]) == 4 * (4 * 3 + 4 * 5)  # input and activation, not the weight
    assert plan.saved_bytes(lambda: layer(x), []) == 4 * (4 * 3 + 4 * 5 + 3 * 5)
    with torch.no_grad():
        assert plan.saved_bytes(lambda: layer(x), [layer]) == 0


def test_memory_of_the_full_baseline():
    model, clip = ModelConfig(kind="galip"), meta_clip("ViT-B-32")
    memory = plan.step_memory(model, TrainConfig(steps=1, batch_size=32), clip)
    assert memory.training == 16 * (51_830_211 + 27_525_637 + 2_099_200)
    assert memory.frozen == 4 * 151_277_313
    assert memory.total / 1e9 == pytest.approx(9.3, abs=0.05)  # as the README says; 24 GB is the limit
    half = plan.step_memory(model, TrainConfig(steps=1, batch_size=16), clip)
    assert half.activations == pytest.approx(memory.activations / 2, rel=0.02)
    parts = TrainConfig(steps=1, batch_size=32, accumulate=2)
    assert plan.step_memory(model, parts, clip) == half


def test_ram_of_cached_taps_by_hand():
    of_one = plan.tap_bytes(ModelConfig(kind="galip"), meta_clip("ViT-B-32"))
    assert of_one == 3 * 768 * 7 * 7 * 2
    coco, cub = (plan.cached_taps_line(of_one, images) for images in (118_287, 8_855))
    assert coco.startswith("cached taps: + 26.7 GB, 0.226 MB per image in the RAM of each process; cache_taps: disk")
    assert cub == "cached taps: + 2.0 GB, 0.226 MB per image in the RAM of each process"


def test_a_dry_run_needs_neither_data_nor_weights(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = hspcgan("train", "paper/cub/table2_max_mis_16", "--dry-run")
    assert result.exit_code == 0, result.output
    for part in ("parameters: G 51.83 M, D 27.53 M, head 2.10 M", "memory: about", "steps: 741600 of 16 images",
                 "mining mis",
                 "no cache at runs/cub/cache; build it with `hspcgan prepare paper/cub/table2_max_mis_16`",
                 "no weights 'weights/ViT-B-32.pt'"):  # fmt: skip
        assert part in result.output
    assert not list(tmp_path.iterdir())
    held = hspcgan("train", "paper/cub/galip", "--dry-run", "-o", "train.cache_taps=true",
                                     "-o", "train.flip=false")  # fmt: skip
    assert "cached taps: + 0.226 MB per image in the RAM of each process; cache_taps: disk" in held.output
    unknown = hspcgan("train", "paper/cub/galip", "--dry-run", "-o", "encode.clip=weights/own.pt")
    assert (unknown.exit_code, "no weights 'weights/own.pt'" in unknown.output) == (3, True)
    (tmp_path / "file").touch()
    taken = plan.missing(load_manifest("paper/cub/galip", ["cache=file"]))
    assert taken[0] == "no cache at file; it is a file, expected a folder; give another `cache:`"
    wrong = hspcgan("train", "paper/cub/galip", "--dry-run", "-o", "model.locals=0")
    assert (wrong.exit_code, "model.locals" in wrong.output) == (2, True)


def test_an_error_in_the_evaluate_section_is_reported_before_training(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    slip = hspcgan("train", "paper/cub/galip", "-o", "evaluate.sampels=100")
    assert slip.exit_code == 2
    assert "evaluate.sampels: unknown key (did you mean 'samples'?)" in slip.output
