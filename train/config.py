"""The `train` section of a manifest: the settings of one training run."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from hspcgan.model.common.errors import UserError
from hspcgan.train.step.schedule import Knots, problem

# A run may be resumed with other values of these. They change when it ends, what it logs, and where and in how many
# parts it computes, but (up to rounding) not the result.
FREE_ON_RESUME = frozenset(
    {"steps", "max_seconds", "log_every", "grid_every", "grid_images", "checkpoint_every", "keep", "device", "prefetch"}
    | {"accumulate", "evaluate_every", "best", "wandb"}
)


class TrainConfig(BaseModel):
    """Settings of the trainer; defaults are the paper's where it gives one (§3.2, §4.1)."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    initial: str | None = Field(
        None,
        description="Checkpoint (shipped name or folder) that the networks start from. Absent: random weights.",
    )
    steps: int = Field(
        ge=1, le=1_000_000_000, description="Steps (one D and one G update each) after which the run is complete."
    )
    max_seconds: float | None = Field(
        None, gt=0, le=1e9, description="Stop and save once training has taken this long."
    )
    batch_size: int = Field(32, ge=2, le=65_536, description="Rows of the global batch, all processes together.")
    accumulate: int = Field(
        1,
        ge=1,
        le=65_536,
        description="Parts that a process computes its rows in, one by one: less memory, the same step.",
    )
    seed: int = Field(
        0, ge=0, le=2**63 - 1, description="Seed of weights, image order, choice of captions, flips, views and noise."
    )

    loss: Literal["hinge", "margin"] = Field("margin", description="Eq. 3, or the last line of eq. 4.")
    margin: float = Field(2.0, gt=0, description="α of eq. 4 and 5; only with loss: margin.")
    mining: Literal["none", "mis", "fake", "mis+fake"] = Field(
        "mis", description="Terms with hard mining (HMMA, eq. 5). The two with `fake` are the paper's failure case."
    )
    hardest: Literal["per-image", "worst-pair"] = Field(
        "per-image", description="Hardest caption of each image (VSE++), or the batch's worst pair (eq. 5, literally)."
    )
    penalty_k: float = Field(2.0, ge=0, description="k of the gradient penalty in eq. 3.")
    penalty_p: float = Field(6.0, ge=1, description="p of the gradient penalty in eq. 3.")
    penalty_every: int = Field(
        1,
        ge=1,
        le=1_000_000_000,
        description="Steps between penalties, each weighted by this number (StyleGAN2's lazy regularisation).",
    )
    penalty_norm: Literal["summed", "joint"] = Field(
        "summed", description="summed: two norms (eq. 3); joint: one (GALIP)."
    )
    similarity: float = Field(4.0, ge=0, description="λ of eq. 3, weight of the CLIP similarity in the generator loss.")

    similarity_schedule: Knots = Field(
        (), description="[step, factor] pairs: λ is multiplied by the factor, linear between the steps."
    )
    mode_seeking: float = Field(
        0.0,
        ge=0,
        description="Weight of the mode-seeking term (other noise, another image); 0, the paper's: none.",
    )
    mode_seeking_limit: float = Field(
        0.2, gt=0, description="Image distance per noise distance above which the mode-seeking term asks for no more."
    )

    lr_generator: float = Field(1e-4, gt=0, description="Adam's learning rate of the generator.")
    lr_discriminator: float = Field(4e-4, gt=0, description="Adam's learning rate of discriminator and head.")
    betas: tuple[float, float] = Field((0.0, 0.9), description="Adam's β₁ and β₂.")
    lr_schedule: Knots = Field(
        (), description="[step, factor] pairs; both learning rates are multiplied by the factor, as with λ."
    )
    ema: float = Field(0.0, ge=0, lt=1, description="Decay of the generator's moving average; 0, the paper's: none.")
    precision: Literal["fp32", "bf16"] = Field(
        "fp32", description="bf16: autocast everywhere except in the discriminator's real branch and its penalty."
    )

    flip: bool = Field(False, description="Mirror half of the images; only if captions never say left or right.")
    shift: int = Field(
        0,
        ge=0,
        le=2_048,
        description="Differentiable augmentation: real and generated images are moved by up to this many pixels before "
        "CLIP sees them; 0, the paper's: not moved.",
    )
    cache_taps: Literal[False, True, "disk"] = Field(
        False,
        description="true: compute the frozen CLIP features of all training images at each start and keep them in RAM "
        "(float16); disk: read the features of the views in taps.views from the cache, a random view each time.",
    )
    prefetch: bool = Field(True, description="Prepare the next batch in a thread during each step.")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: cuda if there is a GPU.")

    log_every: int = Field(10, ge=1, le=1_000_000_000, description="Steps between log lines.")
    grid_every: int = Field(500, ge=1, le=1_000_000_000, description="Steps between sample grids.")
    grid_images: int = Field(16, ge=1, le=1_024, description="Captions of the test split shown in a grid.")
    checkpoint_every: int = Field(500, ge=1, le=1_000_000_000, description="Steps between checkpoints.")
    keep: int = Field(2, ge=1, le=1_000_000, description="Number of newest checkpoints to keep.")

    evaluate_every: int | None = Field(
        None,
        ge=1,
        le=1_000_000_000,
        description="Steps between evaluations by the manifest's evaluate section; absent: none.",
    )
    best: str = Field(
        "fid",
        description="Figure that decides which checkpoint is best, by the beginning of its name: fid/held-out-clip.",
    )
    wandb: str | None = Field(
        None, description="Name of a Weights & Biases project; TensorBoard's content is sent there as well."
    )

    @field_validator("similarity_schedule", "lr_schedule")
    @classmethod
    def _rising_steps(cls, knots: Knots) -> Knots:
        if found := problem(knots):
            raise ValueError(found)
        return knots

    @model_validator(mode="after")
    def _one_view_per_cached_image(self) -> "TrainConfig":
        if self.cache_taps == "disk" and self.flip:
            raise UserError(
                "with cache_taps: disk the cache's views are the augmentation: set flip: false, and name flipped views "
                "in taps.views, such as [whole, whole-flipped]"
            )
        if self.cache_taps and self.shift:
            raise ValueError("cache_taps holds images that are not moved: set shift: 0 or cache_taps: false")
        if self.cache_taps and self.flip:
            raise UserError("cache_taps holds one unflipped view per image: set flip: false or cache_taps: false")
        return self

    @model_validator(mode="after")
    def _no_maximum_over_parts(self) -> "TrainConfig":
        if self.accumulate > 1 and ("fake" in self.mining or ("mis" in self.mining and self.hardest == "worst-pair")):
            raise UserError(
                f"accumulate: {self.accumulate} computes a batch in parts, but mining {self.mining} ({self.hardest}) "
                "takes one maximum over all of it: set accumulate: 1, or mining: mis with hardest: per-image"
            )
        return self
