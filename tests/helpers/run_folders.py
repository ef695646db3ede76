"""A run folder written by hand, with texts that a page must escape, for the tests of the report and of bad records."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from hspcgan.evaluate.draw.pictures import paired_sheet, sheet

EVIL = "<script>alert('x')</script> \"&amp; bird"


def write_run(folder: Path) -> Path:
    """A run folder written by hand: a log, two grids, a checkpoint and the real images scored on three captions."""
    (folder / "grids").mkdir(parents=True)
    (folder / "evaluation").mkdir()
    (folder / "manifest.yaml").write_text(
        f"name: {json.dumps('run ' + EVIL)}\ndescription: {json.dumps(EVIL)}\nmodel: {{image_size: 8}}\n"
    )
    lines = [{"step": i, "loss_d": 2 - i / 10, "loss_g": i / 7, "cosine": i / 20, "sec_per_step": {}} for i in range(9)]
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    draw = np.random.default_rng(0)
    for step in (0, 10):
        grid = draw.integers(0, 256, (22, 42, 3), dtype=np.uint8)
        Image.fromarray(grid).save(folder / "grids" / f"step-{step:06d}.png")
    for label, value in (("untrained", 100.0), ("trained", 28.0), ("real", 10.0)):
        real, drawn = draw.integers(0, 256, (2, 3, 8, 8, 3), dtype=np.uint8)
        if label == "trained":
            for name in ("extremes", "edits"):
                Image.fromarray(paired_sheet(real[:2], drawn[:2])).save(folder / "evaluation" / f"trained.{name}.png")
        picture = sheet(real) if label == "real" else paired_sheet(real, drawn)
        Image.fromarray(picture).save(folder / "evaluation" / f"{label}.png")
        (folder / "evaluation" / f"{label}.json").write_text(json.dumps(record(label, value)))
    return folder


def record(label: str, value: float) -> dict:
    """The record of an evaluation on three captions, with every field that a report reads."""
    kind = "checkpoint" if label == "trained" else label
    name = "fid/held-out-clip/n5/test/keyed/seed0/vs-test/v1-0a0a0a0a"
    captions = [{"id": f"k{i}#0", "text": text, "entities": [], "attributes": [], "relations": [],
                 "graph": {"entities": [{"head": text, "attributes": [EVIL]}], "relations": []}}
                for i, text in enumerate(("a red bird", EVIL, "a blue bird"))]  # fmt: skip
    identity = {
        "split": "test",
        "scorer_sha256": "0a" * 32,
        "scorer_mode": f"CLIP {EVIL}",
        "method": "clean-fid 0.1.35",
    }
    figure = {"name": name, "metric": "fid", "part": "", "scorer": "held-out-clip", "value": value, "se": 1.0,
              "low": value - 2, "high": value + 2, "n": 5, "better": "lower", "identity": identity}  # fmt: skip
    attribute = {**figure, "name": "attribute_accuracy.place/x", "metric": "attribute_accuracy", "part": "place",
                 "value": value / 100, "low": 0.05, "high": None}  # fmt: skip
    examples = {} if kind != "checkpoint" else {
        "extremes": [{"id": "k0#0", "text": EVIL, "score": 0.1}, {"id": "k1#0", "text": "a red bird", "score": 0.9}],
        "edits": [{"before": "a red bird", "after": f"a blue {EVIL}"}, {"before": "a red bird", "after": "a red cat"}],
    }  # fmt: skip
    verdict = {"name": name, "got": value, "n": 5, "low": None, "high": 20, "passed": False, "bound": {"max": 20}}
    settings = {"samples": 5, "split": "test", "reference": "test", "caption": "keyed", "seed": 0}
    lock = {"settings": settings, "cache": {"images": "0a0a"}, "scorers": {"held-out-clip": "0a" * 32},
            "metrics": {"fid": 1}, "checkpoints": {}}  # fmt: skip
    machine = {"commit": "c0ffee123456", "host": "h", "cpu": f"cpu {EVIL}", "cores": 4, "threads": 2, "gpu": ""}
    verdicts = [verdict] if kind == "checkpoint" else []
    return {
        "format": 2, "label": label, "subject": {"kind": kind, "path": "run/step", "step": 10}, "n": 5, "split": "test",
        "reference": "test", "seed": 0, "caption": "keyed", "figures": [figure, attribute], "expect": verdicts,
        "notes": [EVIL],
        "scorers": {"held-out-clip": "0a" * 32}, "manifest": {"name": "x", "fingerprint": "1b" * 32},
        "cache": {"fingerprint": "2c" * 32, "clip": {"name": "c", "sha256": "3d" * 32}, "templates": {"entity": EVIL}},
        "rejects": {"image": 2}, "reject_reasons": [{"what": "image", "why": f"no image {EVIL}", "count": 2}],
        "lock": lock, "found": {**lock, "settings": {**settings, "seed": 1}},
        "machine": machine, "date": "2026-01-02T03:04:05+00:00", "real": [{**figure, "value": 11.0}, attribute],
        "versions": {"torch": "2"}, "timings": {"draw_sec": 1.5}, "grid": {"image": [8, 8], "captions": captions},
        **examples,
    }  # fmt: skip
