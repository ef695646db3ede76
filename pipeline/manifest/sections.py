"""The sections of a manifest and their typed models, which are defined in the packages that use them."""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import entry_points

from pydantic import BaseModel

from hspcgan.model.common.errors import UserError
from hspcgan.pipeline.manifest.files import SECTIONS

GROUP = "hspcgan.sections"


@cache
def section_models() -> dict[str, type[BaseModel]]:
    """Returns the typed model of each section, loaded by entry points, so that packages need not import each other."""
    found = {point.name: point for point in entry_points(group=GROUP)}
    if absent := [name for name in SECTIONS if name not in found]:
        raise UserError(f"the installed package lacks the entry points {GROUP} for {', '.join(absent)}; reinstall it: "
                        "pip install -e .")  # fmt: skip
    return {name: found[name].load() for name in SECTIONS}


def section_conflicts(sections: Mapping[str, BaseModel]) -> Iterator[tuple[str, str]]:
    """Yields the dotted key and the problem of each conflict between sections."""
    data, model, train = (sections.get(name) for name in ("data", "model", "train"))
    if train and model and train.shift >= model.image_size:  # type: ignore[attr-defined]
        yield (
            "train.shift",
            f"train.shift is {train.shift}, expected less than model.image_size, "  # type: ignore[attr-defined]
            f"{model.image_size} pixels",  # type: ignore[attr-defined]
        )
    if data and model and data.image_size != model.image_size:  # type: ignore[attr-defined]
        yield (
            "model.image_size",
            f"model.image_size is {model.image_size}, data.image_size {data.image_size}; "  # type: ignore[attr-defined]
            "training uses images at the size in the cache, so set both to the same size",
        )
