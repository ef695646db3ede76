"""Logs a training run: JSON lines, TensorBoard, sample grids and a status line."""

import hashlib
import json
import logging
import time
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from hspcgan.model.common.files import make_folder, write_atomically
from hspcgan.model.common.printable import format_number
from hspcgan.model.condition import Condition
from hspcgan.model.image_views import to_uint8
from hspcgan.pipeline.cache.arrays.collate import collate
from hspcgan.train import distributed
from hspcgan.train.data import GRID_STEP, noise_rows
from hspcgan.train.periodic_eval import Evaluated
from hspcgan.train.setup import Run
from hspcgan.train.step.clock import Clock

log = logging.getLogger("hspcgan.train")

LOG, EVALUATIONS = "log.jsonl", "evaluations.jsonl"


class RunLog:
    """Logs the means of losses and other scalars every `log_every` steps; only the main process writes.

    A resumed run drops the lines that the interrupted run wrote after the checkpoint.
    """

    def __init__(self, run: Run, start: int):
        self.run, self.config = run, run.config
        self.sums: dict[str, Tensor] = {}
        self.count = 0
        self.began, self.start = time.perf_counter(), start
        self.writes = run.world.is_main
        self.evaluated_steps: list[int] = []  # steps with an evaluation logged before `start`
        if self.writes:
            make_folder(run.folder / "grids")
            self.sample_grid = _SampleGrid(run)
            _truncate_log(run.folder / LOG, start)
            self.evaluated_steps = _truncate_log(run.folder / EVALUATIONS, start)
            if self.config.wandb:
                _start_wandb(run, self.config.wandb)
            self.board = SummaryWriter(run.folder / "tensorboard", purge_step=start + 1 if start else 0)
            self.bar = tqdm(total=self.config.steps, initial=start, unit="step", disable=None, dynamic_ncols=True)

    def add(self, report: dict[str, Tensor]) -> None:
        """Adds the scalars of one step to the sums, which stay on their device until `log` is called."""
        for name, value in report.items():
            self.sums[name] = self.sums[name] + value if name in self.sums else value
        self.count += 1
        if self.writes:
            self.bar.update()

    def log(self, step: int, clock: Clock) -> None:
        """Logs the means of the scalars since the last call; `step` is the number of finished steps."""
        names, seconds = sorted(self.sums), clock.read()
        sums = torch.stack([self.sums[name].double() for name in names]).tolist()
        local = [total / self.count for total in sums]
        means = dict(zip(names, distributed.mean(local, self.run.world), strict=True))
        rate = self.count * self.config.batch_size / sum(seconds.values())
        parts = {part: round(spent / self.count, 5) for part, spent in seconds.items()}
        self.sums, self.count = {}, 0
        if not self.writes:
            return
        line = {"step": step, "images_per_sec": round(rate, 2), **means, **self._gpu(), "sec_per_step": parts}
        with open(self.run.folder / LOG, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self._scalars(step, {**means, "images_per_sec": rate, **self._gpu()})
        shown = {"D": means["loss_d"], "G": means["loss_g"], "cos": means["cosine"]}
        status = "  ".join(f"{name} {format_number(value, 3)}" for name, value in shown.items())
        status += f"  {rate:.1f} images/s"
        status += "".join(f"  {gb:.1f} GB GPU" for gb in self._gpu().values())
        if self.bar.disable:
            log.info(f"step {step}/{self.config.steps}  {status}  ETA {self._eta(step)}")
        else:
            self.bar.set_postfix_str(status)

    def log_evaluation(self, step: int, found: Evaluated) -> None:
        """Logs an evaluation: one status line, one line in evaluations.jsonl, all its values in TensorBoard."""
        with open(self.run.folder / EVALUATIONS, "a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **asdict(found)}, ensure_ascii=False) + "\n")
        self._scalars(step, found.figures)
        line = f"step {step}: {found.deciding} {found.figures[found.deciding]:.4g}, best checkpoint {found.best}"
        log.info("; DRIFT: ".join([line, *found.drift]))

    def _scalars(self, step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            self.board.add_scalar(name, value, step)

    def grid(self, step: int) -> None:
        """Draws and saves a sample grid: real images above, generated images for the same captions below."""
        if not self.writes:
            return
        from hspcgan.evaluate.draw.pictures import png

        picture = self.sample_grid.draw()
        write_atomically(self.run.folder / "grids" / f"step-{step:06d}.png", png(picture))
        self.board.add_image("grid", picture, step, dataformats="HWC")

    def close(self) -> None:
        """Closes the progress bar and the TensorBoard writer."""
        if self.writes:
            self.bar.close()
            self.board.close()

    def _gpu(self) -> dict[str, float]:
        """Returns {"gpu_gb": peak memory of tensors on the GPU so far, in GB}; empty on a CPU."""
        device = self.run.world.device
        return {"gpu_gb": round(torch.cuda.max_memory_allocated(device) / 1e9, 2)} if device.type == "cuda" else {}

    def _eta(self, step: int) -> timedelta:
        per_step = (time.perf_counter() - self.began) / max(1, step - self.start)
        return timedelta(seconds=round(per_step * (self.config.steps - step)))


class _SampleGrid:
    """Draws the sample grids of a run, which all use the same captions and noise.

    Captions are spread evenly over the test split, or over the training split if there is no test split. UserError if
    their features are not finite.
    """

    def __init__(self, run: Run):
        self.run = run
        split = next(name for name in ("test", "train") if len(run.cache.split_rows(name)))
        samples = np.asarray(run.cache.split_rows(split))
        samples = samples[np.linspace(0, len(samples) - 1, min(run.config.grid_images, len(samples))).astype(int)]
        captions = np.array([run.cache.captions_of(int(row)).start for row in samples])
        arrays = collate(run.cache.texts, captions, n_entities=run.model_config.locals)
        run.cache.require_finite(arrays.values())
        self.condition = Condition.from_arrays(arrays).to(run.world.device)
        noise = noise_rows(run.config.seed, GRID_STEP, len(samples), run.model_config.noise_dim)
        self.noise = torch.from_numpy(noise).to(run.world.device)
        self.real = np.stack([run.cache.images[row] for row in samples])  # [n, 3, H, W] uint8
        texts = run.cache.captions_at(captions, ["text"])["text"].to_pylist()
        keys = run.cache.samples_at(samples, ["key"])["key"].to_pylist()
        lines = (f"{key}\t{text}\n" for key, text in zip(keys, texts, strict=True))
        write_atomically(run.folder / "grids" / "captions.tsv", "".join(lines))

    @torch.no_grad()
    def draw(self) -> np.ndarray:
        """Draws real images above generated images; returns uint8 [rows · (H + 2) + 2, columns · (W + 2) + 2, 3]."""
        from hspcgan.evaluate.draw.pictures import paired_sheet

        with self.run.autocast():
            images = self.run.sampling_generator(self.noise, self.condition).float()
        return paired_sheet(self.real.transpose(0, 2, 3, 1), to_uint8(images))


def _start_wandb(run: Run, project: str) -> None:
    """Starts Weights & Biases, which then also receives everything that is written to TensorBoard.

    The id of the W&B run is a hash of the run folder's path, so that a resumed run continues it.
    """
    import wandb

    identity = hashlib.sha256(str(run.folder.resolve()).encode()).hexdigest()[:12]
    wandb.init(project=project, name=run.manifest.name, id=identity, resume="allow", dir=run.folder,
               config=run.manifest.raw, sync_tensorboard=True)  # fmt: skip


def _truncate_log(path: Path, step: int) -> list[int]:
    """Deletes log lines of steps after `step` and lines that cannot be parsed; returns the steps of the other lines.

    Logs are not needed to resume, so bad lines (such as one cut short by a crash) are reported and dropped.
    """
    if not path.is_file():
        return []
    lines = path.read_bytes().splitlines()
    steps = [_step_of(line) for line in lines]
    if unread := steps.count(None):
        log.warning(f"{path}: {unread} of {len(lines)} lines cannot be parsed and are dropped")
    kept = [(at, line) for at, line in zip(steps, lines, strict=True) if at is not None and at <= step]
    write_atomically(path, b"".join(line + b"\n" for _, line in kept))
    return [at for at, _ in kept]


def _step_of(line: bytes) -> int | None:
    """Returns the step of a log line, or None if the line cannot be parsed."""
    try:
        step = json.loads(line)["step"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return step if type(step) is int else None
