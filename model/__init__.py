"""The networks (frozen CLIP, prompts, adapter, generator, discriminator, head) and their checkpoints."""

from typing import TYPE_CHECKING

from hspcgan.model.common.lazy import lazy_names

if TYPE_CHECKING:
    from hspcgan.model.checkpoint import load as load_checkpoint
    from hspcgan.model.clip.frozen import FrozenClip, load_clip
    from hspcgan.model.common.errors import UserError
    from hspcgan.model.condition import Condition
    from hspcgan.model.config import ModelConfig

    __version__: str

__all__ = ["Condition", "FrozenClip", "ModelConfig", "UserError", "__version__", "load_checkpoint", "load_clip"]

__getattr__ = lazy_names(
    __name__,
    {
        "Condition": "hspcgan.model.condition:Condition",
        "FrozenClip": "hspcgan.model.clip.frozen:FrozenClip",
        "ModelConfig": "hspcgan.model.config:ModelConfig",
        "UserError": "hspcgan.model.common.errors:UserError",
        "load_checkpoint": "hspcgan.model.checkpoint:load",
        "load_clip": "hspcgan.model.clip.frozen:load_clip",
    },
)
