"""What a training step does on the device: it never makes the host wait, and it can be compiled."""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from hspcgan.model.image_views import to_signed
from hspcgan.train import loop
from hspcgan.train.distributed import World
from hspcgan.train.run_folder import checkpoints
from hspcgan.train.setup import set_gpu_math
from hspcgan.train.step.augment import signed
from hspcgan.train.step.clock import Clock
from hspcgan.train.step.finite import FiniteCheck

pytestmark = pytest.mark.usefixtures("one_thread")

HOST_WAITS = {"aten._local_scalar_dense", "aten.nonzero", "aten.masked_select", "aten.equal", "aten.is_nonzero"}
CONSTANT = "aten.lift_fresh"  # torch.tensor(…): a blocking copy to the device
SWAPS = [["caption", "words"], ["bird", "fish"]]


class Recorded(TorchDispatchMode):
    """Records the names of all operations inside the block."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.names.add(str(function).rpartition(".")[0])
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    "settings",
    [
        {"flip": True, "shift": 3, "accumulate": 2, "mode_seeking": 1.0, "contrast": 0.5, "swap_words": SWAPS},
        {"mining": "mis+fake", "hardest": "worst-pair", "loss": "hinge"},
        {"mining": "none", "precision": "bf16"},
        {"mine_swaps": True, "swap_words": SWAPS},
    ],
)
def test_no_operation_of_a_step_makes_the_host_wait(make_run, settings):
    run = make_run(**settings)
    batch = run.batches.at(0)
    with Recorded() as recorded:
        loop.train_step(run, batch, Clock())
    assert "aten._fused_adam_" in recorded.names
    assert not recorded.names & HOST_WAITS
    assert CONSTANT not in recorded.names or run.config.swap_words  # the rows with a swapped word, copied in the step


def test_all_levels_of_a_pixel_are_converted_as_on_the_host():
    levels = np.arange(256, dtype=np.uint8)
    assert np.array_equal(signed(torch.from_numpy(levels)).numpy(), to_signed(levels))


def test_the_host_waits_for_logs_grids_checkpoints_and_evaluations_alone(make_run):
    config = make_run(log_every=4, grid_every=6, checkpoint_every=10, evaluate_every=None).config
    assert [step for step in range(1, 13) if loop.must_wait_for_device(config, step)] == [4, 6, 8, 10, 12]
    assert loop.must_wait_for_device(config.model_copy(update={"evaluate_every": 5}), 5)


def test_the_first_update_that_is_not_finite_is_named_and_all_later_ones_are_skipped():
    check = FiniteCheck(World(0, 1, torch.device("cpu")))
    one, nan, inf = torch.tensor([1.0, torch.nan, torch.inf])
    check.add(6, "generator", one, one)
    assert (check.skip.item(), check.found()) == (0.0, None)
    check.add(16_777_217, "generator", one, inf)  # 2²⁴ + 1, which float32 cannot represent
    check.add(16_777_218, "discriminator", nan, one)
    check.add(16_777_219, "discriminator", one, one)
    assert (check.skip.item(), check.found()) == (1.0, (16_777_217, "generator", 1.0, torch.inf))


def test_a_run_that_is_not_finite_between_two_logs_stops_at_the_second_and_saves_nothing(make_run):
    run = make_run(steps=20, checkpoint_every=3, log_every=4, grid_every=20, lr_schedule=[[4, 1.0], [5, 1e38]])
    with pytest.raises(FloatingPointError, match=r"^step 6: .*Last good checkpoint: .*step-000003"):
        loop.train(run)
    assert [path.name for path in (run.folder / "checkpoints").glob("step-*")] == ["step-000003"]


def test_a_compiled_generator_gives_the_step_of_the_plain_one_and_the_same_kind_of_checkpoint(make_run):
    plain, compiled = make_run("plain"), make_run("c", compile="aot_eager")
    reports = [loop.train_step(run, run.batches.at(0), Clock()) for run in (plain, compiled)]
    for name, value in reports[0].items():
        torch.testing.assert_close(reports[1][name], value, rtol=1e-4, atol=1e-5)
    checkpoints.save(compiled, 1)
    resumed = make_run("c")  # without compile
    assert checkpoints.resume(resumed) == 1
    assert torch.equal(resumed.generator.fc_code.weight, compiled.generator.fc_code.weight)


def test_tf32_is_set_for_products_and_convolutions():
    cudnn = torch.backends.cudnn
    before = torch.get_float32_matmul_precision(), cudnn.allow_tf32, cudnn.benchmark
    try:
        for tf32 in (True, False):
            set_gpu_math(tf32)
            assert torch.get_float32_matmul_precision() == ("high" if tf32 else "highest")
            assert (cudnn.allow_tf32, cudnn.benchmark) == (tf32, True)
    finally:
        torch.set_float32_matmul_precision(before[0])
        cudnn.allow_tf32, cudnn.benchmark = before[1:]
