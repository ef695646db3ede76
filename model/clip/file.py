"""Finds, verifies and loads files of CLIP weights: state dicts and OpenAI's TorchScript archives."""

from __future__ import annotations

import re
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import torch
from torch import Tensor

from hspcgan.model.clip.openai import published_urls
from hspcgan.model.common.errors import UserError
from hspcgan.model.common.files import file_sha256
from hspcgan.model.common.user_files import open_regular

RESNET = "it has no class token and no transformer blocks to tap or to prompt"
"""Reason why a CLIP with a ResNet cannot be used."""


@dataclass(frozen=True)
class Published:
    """A file in OpenAI's list; the last folder of its URL is the sha256."""

    name: str
    url: str

    @property
    def sha256(self) -> str:
        return self.url.split("/")[-2]

    @property
    def file(self) -> str:
        return self.url.split("/")[-1]


def published(name: str) -> Published:
    """Returns the published file for a name such as ViT-B/32 or a file stem. UserError if unknown or a ResNet."""
    known = _all_published()
    usable = [one.name for one in known if one.name.startswith("ViT")]
    found = next((one for one in known if name in (one.name, Path(one.file).stem)), None)
    if found is None:
        raise UserError(f"OpenAI published no CLIP named {name!r}; give one of {', '.join(usable)}")
    if found.name not in usable:
        raise UserError(f"{name} is a CLIP with a ResNet: {RESNET}; give one of {', '.join(usable)}")
    return found


def read_clip_file(path: Path, allow_unverified: bool) -> tuple[dict[str, Tensor], str, str]:
    """Returns state dict, sha256 and name of a CLIP file; see `hspcgan.model.clip.frozen.load_clip`."""
    if not path.is_file():
        raise UserError(f"CLIP weights not found: {path}; give the path of a state dict or of OpenAI's archive, "
                         "which `hspcgan models fetch` downloads")  # fmt: skip
    sha256 = file_sha256(path)
    names = {one.sha256: one.name for one in _all_published()}
    if _is_torchscript(path):
        if sha256 not in names and not allow_unverified:
            raise UserError(
                f"{path} is a TorchScript archive, which can contain code, and its sha256 {sha256} is not one that "
                f"OpenAI published; download the file again, convert it to a state dict, or, if you trust it, set "
                f"encode.allow_unverified: true in the manifest or give --allow-unverified"
            )
        state = _torchscript_state(path)
    else:
        state = _pickled_state(path)
    _check(path, state)
    return state, sha256, names.get(sha256, path.stem)


def read_saved(path: Path, what: str) -> Any:
    """Loads tensors and plain data written by `torch.save`, to the CPU. UserError for other files."""
    with open_regular(path) as file:
        try:
            return load_tensors(file)
        except UserError as error:
            raise UserError(
                f"{path} cannot be read as {what} ({error}); the file is damaged or has the wrong format"
            ) from error


def load_tensors(file: BinaryIO) -> Any:
    """Loads tensors and plain data from an open file to the CPU. UserError with the reason for other content.

    The reason is not torch's own text, which advises to load the file in a way that can run code.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns about old pickles and TorchScript
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch does not document what it raises for files in other formats
        if name := re.search(r"GLOBAL (\S+)", str(error)):
            raise UserError(f"it contains {name[1]}, expected only tensors and plain data") from error
        if "TorchScript" in str(error):
            raise UserError("it is a TorchScript archive, expected tensors and plain data") from error
        if isinstance(error, RuntimeError) and "weights_only" not in str(error):
            raise UserError(str(error).partition(". ")[0]) from error
        raise UserError("it was not written by torch.save") from error


def openai_clip() -> ModuleType:
    """Imports the whole of OpenAI's package, which is slow and warns about pkg_resources; see `model.clip.openai`."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        import clip
        import clip.clip
        import clip.model
    return clip


def _check(path: Path, state: dict[str, Tensor]) -> None:
    if "visual.layer1.0.conv1.weight" in state:
        raise UserError(f"{path} is a CLIP with a ResNet: {RESNET}; use a ViT, for example ViT-B/32")
    if "visual.proj" not in state or "text_projection" not in state:
        raise UserError(
            f"{path} is not a CLIP state dict: visual.proj and text_projection expected, "
            f"got {len(state)} keys such as {sorted(state)[:3]}"
        )
    if empty := [name for name, value in state.items() if not value.numel()]:
        raise UserError(f"{path} is not a CLIP state dict: {', '.join(empty[:3])} without values")
    if other := [name for name, value in state.items() if value.ndim and not value.is_floating_point()]:
        raise UserError(f"{path} is not a CLIP state dict: {other[0]} is {state[other[0]].dtype}, expected floats")


def _all_published() -> list[Published]:
    return [Published(*row) for row in published_urls().items()]


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _torchscript_state(path: Path) -> dict[str, Tensor]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return dict(torch.jit.load(str(path), map_location="cpu").state_dict())
    except RuntimeError as error:
        raise UserError(f"{path} is not a readable TorchScript archive: {error}") from error


def _pickled_state(path: Path) -> dict[str, Tensor]:
    state = read_saved(path, "CLIP weights")
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise UserError(f"{path} contains a {type(state).__name__}, expected a state dict of tensors")
    return dict(state)
