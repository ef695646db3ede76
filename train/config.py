"""The `train` section of a manifest: the settings of one training run."""

from typing import Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.validation import CheckedModel
from hspcgan.train.step.schedule import Knots, problem

MAX_WEIGHT = 1e6
"""Limit of weights and limits in losses; float32 losses with larger ones are not finite."""

# A run may be resumed with other values of these settings. They determine when it ends, what it logs, and where and in
# how many parts it computes, but (up to rounding) not the result.
FREE_ON_RESUME = frozenset(
    {"steps", "max_seconds", "log_every", "grid_every", "grid_images", "checkpoint_every", "keep", "device", "prefetch"}
    | {"accumulate", "compile", "evaluate_every", "best", "wandb"}
)


class TrainConfig(CheckedModel):
    """Settings of the trainer; defaults are the values of the paper if it states them (§3.2, §4.1)."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    initial: str | None = Field(
        None,
        description="Checkpoint to start from, a folder or a shipped checkpoint's name; if absent, weights are random.",
    )
    steps: int = Field(
        ge=1, le=1_000_000_000, description="Total number of steps; each step updates discriminator and generator once."
    )
    max_seconds: float | None = Field(
        None, gt=0, le=1e9, description="Stop and save after this many seconds of training."
    )
    batch_size: int = Field(32, ge=2, le=65_536, description="Number of images per step, summed over all processes.")
    accumulate: int = Field(
        1,
        ge=1,
        le=65_536,
        description="Number of parts into which each process splits its share of a batch; more parts need less memory "
        "and give the same result.",
    )
    seed: int = Field(
        0, ge=0, le=2**63 - 1, description="Seed for weights, image order, choice of captions, flips, views and noise."
    )

    loss: Literal["hinge", "margin"] = Field(
        "margin", description="Discriminator loss. hinge: eq. 3; margin: last line of eq. 4."
    )
    margin: float = Field(2.0, gt=0, le=MAX_WEIGHT, description="α in eq. 4 and 5; used only with loss: margin.")
    mining: Literal["none", "mis", "fake", "mis+fake"] = Field(
        "mis",
        description="Loss terms with hard mining (HMMA, eq. 5): mis (mismatched captions), fake (generated images), "
        "both or none. In the paper, training with `fake` fails.",
    )
    hardest: Literal["per-image", "worst-pair"] = Field(
        "per-image",
        description="Which mismatched captions mining selects. per-image: the hardest caption for each image (VSE++); "
        "worst-pair: the worst pair of the batch (eq. 5).",
    )
    penalty_k: float = Field(2.0, ge=0, le=MAX_WEIGHT, description="Factor k of the gradient penalty in eq. 3.")
    penalty_p: float = Field(6.0, ge=1, le=20, description="Power p of the gradient penalty in eq. 3.")
    penalty_every: int = Field(
        1,
        ge=1,
        le=1_000_000_000,
        description="Steps between gradient penalties; each penalty is multiplied by this number (lazy regularisation, "
        "as in StyleGAN2).",
    )
    penalty_norm: Literal["summed", "joint"] = Field(
        "summed",
        description="Norm in the gradient penalty. summed: the sum of one norm for the image and one for the sentence "
        "(eq. 3); joint: one norm for both (GALIP).",
    )
    similarity: float = Field(
        4.0, ge=0, le=MAX_WEIGHT, description="λ in eq. 3, the weight of CLIP similarity in the generator loss."
    )

    similarity_schedule: Knots = Field(
        (),
        description="Schedule of λ: [step, factor] pairs. λ is multiplied by the factor, which is interpolated "
        "linearly between the steps.",
    )
    contrast: float = Field(
        0.0,
        ge=0,
        le=MAX_WEIGHT,
        description="Weight of a contrastive term in the generator loss: in CLIP's feature space, a generated "
        "image must be closer to its caption than to other captions of the batch and to variants of its caption with "
        "one word swapped (swap_words); 0 (as in the paper) disables it.",
    )
    contrast_temperature: float = Field(
        0.05, ge=1e-4, le=1e4, description="Softmax temperature of the contrastive term."
    )
    swap_words: tuple[tuple[str, ...], ...] = Field(
        (),
        description="Groups of words such as [[short, long], [red, blue]]. Replacing a word of a caption with another "
        "word from its group gives a wrong caption for the contrastive term (contrast) and for mining (mine_swaps).",
    )
    mine_swaps: bool = Field(
        False,
        description="true: mining of mismatched captions also considers captions with one word swapped (swap_words); "
        "false: as in the paper.",
    )
    mode_seeking: float = Field(
        0.0,
        ge=0,
        le=MAX_WEIGHT,
        description="Weight of the mode-seeking term, which makes images vary with the noise; 0 (as in the paper) "
        "disables it.",
    )
    mode_seeking_limit: float = Field(
        0.2,
        gt=0,
        le=MAX_WEIGHT,
        description="Limit for the ratio of image distance to noise distance in the mode-seeking term.",
    )

    lr_generator: float = Field(1e-4, gt=0, le=1e38, description="Adam's learning rate for the generator.")
    lr_discriminator: float = Field(4e-4, gt=0, le=1e38, description="Adam's learning rate for discriminator and head.")
    betas: tuple[float, float] = Field((0.0, 0.9), description="Adam's β₁ and β₂.")
    lr_schedule: Knots = Field(
        (), description="Schedule of both learning rates: [step, factor] pairs as in similarity_schedule."
    )
    ema: float = Field(
        0.0, ge=0, lt=1, description="Decay of the generator's moving average; 0 (as in the paper) disables it."
    )
    precision: Literal["fp32", "bf16", "auto"] = Field(
        "fp32",
        description="bf16 uses autocast everywhere except in the discriminator's real branch and its penalty; auto "
        "selects bf16 on a GPU or CPU that computes it in hardware (CPU: AVX-512), otherwise fp32.",
    )

    tf32: bool = Field(
        False,
        description="Round the inputs of float32 matrix products and convolutions to TF32 (10-bit mantissa), which is "
        "faster on Ampere and newer GPUs; no effect on a CPU.",
    )
    compile: Literal[False, "inductor", "aot_eager"] = Field(
        False,
        description="Compile the generator, including CLIP in its adapter, with this backend of torch.compile: "
        "inductor generates fused kernels; aot_eager needs no compiler and is for tests.",
    )

    flip: bool = Field(
        False, description="Mirror half of the images; use it only if no caption mentions left or right."
    )
    shift: int = Field(
        0,
        ge=0,
        le=2_048,
        description="Differentiable augmentation: shift real and generated images by up to this many pixels before "
        "they enter CLIP; 0 (as in the paper) disables it.",
    )
    cache_taps: Literal[False, True, "disk"] = Field(
        False,
        description="true: compute the frozen CLIP features of all training images at each start and keep them in RAM "
        "(float16); disk: read the features of a random view in taps.views from the cache; false: compute them in each "
        "step.",
    )
    prefetch: bool = Field(True, description="Prepare the next batch in a thread during each step.")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: cuda if there is a GPU, else cpu.")

    log_every: int = Field(10, ge=1, le=1_000_000_000, description="Steps between log lines.")
    grid_every: int = Field(500, ge=1, le=1_000_000_000, description="Steps between sample grids.")
    grid_images: int = Field(16, ge=1, le=1_024, description="Number of test captions in a sample grid.")
    checkpoint_every: int = Field(500, ge=1, le=1_000_000_000, description="Steps between checkpoints.")
    keep: int = Field(2, ge=1, le=1_000_000, description="Number of newest checkpoints to keep.")

    evaluate_every: int | None = Field(
        None,
        ge=1,
        le=1_000_000_000,
        description="Steps between evaluations with the settings in `evaluate`; if absent, there are no evaluations.",
    )
    best: str = Field(
        "fid",
        description="Metric that selects the best checkpoint: the name of a metric value or the beginning of its name, "
        "such as fid/held-out-clip.",
    )
    wandb: str | None = Field(
        None, description="Weights & Biases project that also receives everything written to TensorBoard."
    )

    @field_validator("betas")
    @classmethod
    def _are_below_one(cls, betas: tuple[float, float]) -> tuple[float, float]:
        if not all(0 <= beta < 1 for beta in betas):
            raise UserError("both should be at least 0 and below 1")
        return betas

    @field_validator("similarity_schedule", "lr_schedule")
    @classmethod
    def _check_rising_steps(cls, knots: Knots) -> Knots:
        if found := problem(knots):
            raise UserError(found)
        return knots

    @field_validator("swap_words")
    @classmethod
    def _check_group_sizes(cls, groups: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
        for group in groups:
            if not all(word.strip() for word in group) or len({word.lower() for word in group}) < max(2, len(group)):
                raise UserError(
                    f"each group of swap_words needs two or more words, all different and none empty; got {list(group)}"
                )
        return groups

    @model_validator(mode="after")
    def _check_swaps(self) -> "TrainConfig":
        if self.swap_words and not (self.contrast or self.mine_swaps):
            raise UserError("swap_words is set but not used; set train.contrast, train.mine_swaps or both")
        if self.mine_swaps and not self.swap_words:
            raise UserError("mine_swaps needs captions with a word swapped; set train.swap_words")
        if self.mine_swaps and (self.mining not in ("mis", "mis+fake") or self.hardest != "per-image"):
            raise UserError(
                f"mine_swaps mines captions per image, but mining is {self.mining} ({self.hardest}); set mining: mis "
                "and hardest: per-image, or mine_swaps: false"
            )
        return self

    @model_validator(mode="after")
    def _check_cached_views(self) -> "TrainConfig":
        if self.cache_taps == "disk" and self.flip:
            raise UserError(
                "cache_taps: disk reads features of stored views, so images cannot be flipped during training; set "
                "flip: false and list flipped views in taps.views, such as [whole, whole-flipped]"
            )
        if self.cache_taps and self.shift:
            raise UserError("cache_taps uses stored features of unshifted images; set shift: 0 or cache_taps: false")
        if self.cache_taps and self.flip:
            raise UserError("cache_taps: true uses features of unflipped images; set flip: false or cache_taps: false")
        return self

    @model_validator(mode="after")
    def _check_accumulation(self) -> "TrainConfig":
        if self.accumulate > 1 and ("fake" in self.mining or ("mis" in self.mining and self.hardest == "worst-pair")):
            raise UserError(
                f"accumulate: {self.accumulate} computes a batch in parts, but mining {self.mining} ({self.hardest}) "
                "needs the maximum over the whole batch; set accumulate: 1, or mining: mis with hardest: per-image"
            )
        return self
