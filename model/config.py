"""The `model` section of a manifest: sizes and options of the networks. Every checkpoint contains this section."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.validation import CheckedModel

REFERENCE_LAYERS = 12  # block numbers are written for ViT-B/32's 12 blocks and scale with the backbone's depth
FIRST_PROMPTED = 1


@dataclass(frozen=True)
class ClipShape:
    """The sizes of a frozen CLIP that the trainable networks depend on."""

    embed_dim: int  # d, width of sentence, token and image features
    width: int  # D, width of the image encoder
    grid: int  # g, patches per side
    layers: int  # blocks of the image encoder
    resolution: int  # height and width of the image encoder's input, in pixels


class ModelConfig(CheckedModel, extra="forbid", frozen=True, allow_inf_nan=False):
    """Sizes and options of generator, discriminator and head; the defaults give the full-size networks."""

    kind: Literal["hspcgan", "galip"] = Field(
        "hspcgan",
        description="hspcgan: hierarchical semantic prompts; galip: prompts from one FC layer, appended as tokens.",
    )
    image_size: int = Field(224, ge=16, le=2_048, description="Height and width of generated images, in pixels.")
    noise_dim: int = Field(100, ge=1, le=65_536, description="Length of the noise vector z.")

    prompts: Literal["hierarchical", "local", "fc"] = Field(
        "hierarchical",
        description="How prompts are computed. hierarchical: as in the paper, with eq. 1 and eq. 2; local: from "
        "encoded entities, without eq. 1 and eq. 2; fc: by one FC layer, as in GALIP.",
    )
    order: Literal["GLG", "LG", "GL", "L", "G"] = Field(
        "GLG", description="Order of global (G) and local (L) prompts over the prompted blocks; not used by fc prompts."
    )
    locals: int = Field(6, ge=1, le=11, description="Number N of entity slots, with one local prompt each.")
    global_prompts: int = Field(
        8, ge=1, le=11, description="Number of prompted blocks if there are no local prompts (order G, or fc prompts)."
    )
    gate: Literal["soft", "hard", "append"] = Field(
        "soft",
        description="How a prompt enters a CLIP block. soft: a learned gate mixes it into the class token; hard: the "
        "gate either replaces the class token with it or ignores it; append: it is an extra token.",
    )
    context: Literal["tokens", "sentence"] = Field(
        "tokens",
        description="What local prompts attend to: all token features of the caption, or only the sentence feature.",
    )
    subtract_mean: bool = Field(
        True,
        description="Before prompts are computed, subtract from each entity, attribute and relation feature the mean "
        "of its kind in the cache.",
    )
    prompt_width: int | None = Field(
        None,
        ge=1,
        le=65_536,
        description="Width of the attention layers and of the gate between entities and attributes (eq. 1) in the "
        "prompt module; by default the width of text features.",
    )

    code_width: int = Field(
        64, ge=1, le=8_192, description="Channels of the latent code that is computed from the noise."
    )
    middle_width: int = Field(
        32, ge=1, le=8_192, description="Channels between the two convolutions of an adapter block."
    )
    adapter_blocks: int = Field(
        4, ge=0, le=64, description="Number of adapter blocks between the latent code and the bridge features."
    )
    clip_weight: float = Field(
        0.1, ge=0, le=1_000, description="Weight of CLIP's output when it is added to the bridge features."
    )
    clip_input: Literal["exact", "galip"] = Field(
        "exact",
        description="Conversion of images for CLIP. exact: to [0, 1], resized with antialiasing; galip: to [0.5, 1], "
        "resized by nearest neighbour, as in GALIP's code; needed for weights that were trained with GALIP's code.",
    )
    channels: tuple[Annotated[int, Field(ge=1, le=16_384)], ...] | None = Field(
        None,
        description="Channels before and after each generator block; by default 64 after the last block, "
        "doubled per block towards the first, at most 512.",
    )
    taps: tuple[int, ...] = Field(
        (1, 4, 8),
        min_length=1,
        description="CLIP blocks whose features the discriminator reads, from 0 to 11; if CLIP does not have 12 "
        "blocks, the numbers are scaled.",
    )
    discriminator_width: int = Field(512, ge=1, le=16_384, description="Channels of the discriminator's features.")
    head_width: int = Field(128, ge=1, le=16_384, description="Channels between the head's two convolutions.")

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("kind") == "galip":
            return {"prompts": "fc", "gate": "append", **values}
        return values

    @model_validator(mode="after")
    def _check(self) -> ModelConfig:
        if self.kind == "galip" and (self.prompts, self.gate) != ("fc", "append"):
            raise UserError(
                f"kind: galip requires prompts: fc and gate: append, got {self.prompts} and {self.gate}; "
                "set kind: hspcgan"
            )
        if len(self.slots) > REFERENCE_LAYERS - FIRST_PROMPTED:
            raise UserError(
                f"order {self.order} with {self.locals} locals needs {len(self.slots)} prompted blocks, but "
                f"at most {REFERENCE_LAYERS - FIRST_PROMPTED} are possible; reduce locals"
            )
        if list(self.taps) != sorted(set(self.taps)) or not 0 <= self.taps[0] <= self.taps[-1] < REFERENCE_LAYERS:
            raise UserError(f"taps must be ascending numbers in 0..{REFERENCE_LAYERS - 1}, got {list(self.taps)}")
        return self

    @property
    def reads_tokens(self) -> bool:
        """Whether local prompts read the captions' token features."""
        return self.prompts != "fc" and self.context == "tokens"

    @property
    def slots(self) -> str:
        """The kinds of the prompts in block order, G (global) or L (local): `GLLLLLLG` with the default settings."""
        if self.prompts == "fc" or self.order == "G":
            return "G" * self.global_prompts
        return self.order.replace("L", "L" * self.locals)

    def prompted_blocks(self, layers: int) -> list[int]:
        """Returns the CLIP block, counted from 0, that each prompt enters if the image encoder has `layers` blocks.

        The numbers for 12 blocks are scaled by `layers` / 12. Raises UserError if two prompts enter the same block.
        """
        return _scaled(range(FIRST_PROMPTED, FIRST_PROMPTED + len(self.slots)), layers, "prompts")

    def tap_blocks(self, layers: int) -> list[int]:
        """Returns the CLIP blocks, counted from 0, that the discriminator reads if the encoder has `layers` blocks.

        The numbers in `taps` are scaled by `layers` / 12. Raises UserError if two results are equal.
        """
        return _scaled(self.taps, layers, "taps")

    def upsample_sizes(self, grid: int) -> list[int]:
        """Returns the output size of each generator block: powers of two above the grid, then the image size."""
        if self.image_size <= grid:
            raise UserError(
                f"image_size is {self.image_size}, but must be larger than CLIP's grid ({grid} patches per side)"
            )
        sizes, size = [], 2 ** grid.bit_length()
        while size < self.image_size:
            sizes.append(size)
            size *= 2
        return [*sizes, self.image_size]

    def block_channels(self, grid: int) -> list[int]:
        """Returns the channels of the first generator block's input, then those of each block's output.

        Raises UserError if `channels` has the wrong length.
        """
        needed = len(self.upsample_sizes(grid)) + 1
        if self.channels is None:
            return [64 * min(2**i, 8) for i in reversed(range(needed))]
        if len(self.channels) != needed:
            raise UserError(
                f"model.channels has {len(self.channels)} entries, expected {needed}: one for the input of the first "
                f"block and one for the output of each block (sizes {grid} and {self.upsample_sizes(grid)} pixels)"
            )
        return list(self.channels)


def _scaled(blocks: Any, layers: int, what: str) -> list[int]:
    scaled = [block * layers // REFERENCE_LAYERS for block in blocks]
    if len(set(scaled)) != len(scaled):
        raise UserError(
            f"{what}: blocks {list(blocks)} are numbered for a CLIP with {REFERENCE_LAYERS} blocks, and this CLIP has "
            f"only {layers}; use a larger CLIP or select fewer blocks"
        )
    return scaled
