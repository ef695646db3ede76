"""Offline stages: datasets → checked samples → concepts and scene graphs → CLIP text features, stored in the cache.

In notebooks: open a finished cache (`Cache`), parse captions (`Parser`), or run the stages (`prepare`).
"""

from typing import TYPE_CHECKING

from hspcgan.model.common.lazy import lazy_names

if TYPE_CHECKING:
    from hspcgan.pipeline.cache.reader import Cache
    from hspcgan.pipeline.concepts import ParseConfig, Parser
    from hspcgan.pipeline.manifest import load_manifest
    from hspcgan.pipeline.stages.prepare import prepare

    __version__: str

__all__ = ["Cache", "ParseConfig", "Parser", "__version__", "load_manifest", "prepare"]

__getattr__ = lazy_names(
    __name__,
    {
        "Cache": "hspcgan.pipeline.cache.reader:Cache",
        "ParseConfig": "hspcgan.pipeline.concepts:ParseConfig",
        "Parser": "hspcgan.pipeline.concepts:Parser",
        "load_manifest": "hspcgan.pipeline.manifest:load_manifest",
        "prepare": "hspcgan.pipeline.stages.prepare:prepare",
    },
)
