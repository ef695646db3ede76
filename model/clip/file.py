"""Finds, verifies and loads CLIP weight files: state dicts and OpenAI's TorchScript archives."""

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

from hspcgan.model.clip.openai_package import published_urls
from hspcgan.model.common.errors import UserError
from hspcgan.model.common.files import file_sha256
from hspcgan.model.common.user_files import no_file, open_regular
from hspcgan.model.common.validation import shortened

RESNET = "it has no class token and no transformer blocks, which taps and prompts need"
"""Reason why a CLIP with a ResNet cannot be used."""

LEAST_ROWS = {
    "token_embedding.weight": (49_408, "a row for each token of OpenAI's tokenizer"),
    "positional_embedding": (3, "rows for the start token, a word and the end token"),
}
"""The tensors that must have a minimum number of rows to encode text: that number, and what the rows are."""

MOST_POSITIONS = 4096
"""Maximum number of text positions; the memory for OpenAI's attention mask grows with its square."""

MAX_CLIP = 2**33  # bytes; OpenAI's largest CLIP has 1.7 GB in float32
MOST_ENTRIES = 2**14  # in an archive of torch, one for each tensor; torch takes up to a millisecond for each

_OTHER_SHAPE = re.compile(r"size mismatch for (\S+): copying .*?Size\((.*?)\) from .*?Size\((.*?)\)")
_OTHER_KEYS = re.compile(r"(Missing|Unexpected) key\(s\) in state_dict: (.*\w\")")
"""Parts of the message of torch's `load_state_dict`."""


@dataclass(frozen=True)
class Published:
    """A CLIP file in OpenAI's list; its URL is `…/SHA256/FILE`."""

    name: str
    url: str

    @property
    def sha256(self) -> str:
        return self.url.split("/")[-2]

    @property
    def file(self) -> str:
        return self.url.split("/")[-1]


def published(name: str) -> Published:
    """Returns OpenAI's CLIP file for a name such as ViT-B/32 or for a file stem such as ViT-B-32.

    Raises UserError if the name is unknown or the CLIP has a ResNet.
    """
    known = _all_published()
    usable = [one.name for one in known if one.name.startswith("ViT")]
    found = next((one for one in known if name in (one.name, Path(one.file).stem)), None)
    if found is None:
        raise UserError(f"OpenAI published no CLIP named {name!r}; give one of {', '.join(usable)}")
    if found.name not in usable:
        raise UserError(f"{name} is a CLIP with a ResNet: {RESNET}; give one of {', '.join(usable)}")
    return found


def read_clip_file(path: Path, allow_unverified: bool) -> tuple[dict[str, Tensor], str, str]:
    """Reads a CLIP file; returns its state dict, its sha256 and the name of the CLIP.

    `allow_unverified` and the errors are described in `hspcgan.model.clip.frozen.load_clip`.
    """
    if not path.is_file():
        raise UserError(f"CLIP weights not found: {path}: {no_file(path)}; give the path of a state dict or of "
                        "OpenAI's archive, which `hspcgan models fetch` downloads")  # fmt: skip
    open_regular(path, MAX_CLIP).close()  # before minutes are spent on the checksum of another file
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
    """Loads a file written by `torch.save` to the CPU; the file may contain only tensors and plain data.

    Raises UserError for other files; `what` names the expected content in the message.
    """
    with open_regular(path) as file:
        try:
            return load_tensors(file)
        except UserError as error:
            raise UserError(
                f"{path} cannot be read as {what}: {error}; give an undamaged file in the right format"
            ) from error


def load_tensors(file: BinaryIO) -> Any:
    """Loads tensors and plain data from an open file to the CPU.

    Raises UserError with the reason if the file has other content. The message does not quote torch, because torch
    recommends to load such a file with an option that can run code.
    """
    _require_small_archive(file)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns about old pickles and TorchScript
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch does not document what it raises for files in other formats
        if name := re.search(r"GLOBAL (\S+)", str(error)):
            raise UserError(f"the file contains {name[1]}, expected only tensors and plain data") from error
        if "TorchScript" in str(error):
            raise UserError("the file is a TorchScript archive, expected only tensors and plain data") from error
        if isinstance(error, RuntimeError) and not re.search(r"weights_only|enforce fail", str(error)):
            raise UserError(str(error).partition(". ")[0]) from error
        raise UserError("the file is damaged, or was not written by torch.save") from error


def _require_small_archive(file: BinaryIO) -> None:
    """Raises UserError for an archive of very many entries, or of compressed ones, which unpack to any size."""
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError):  # no archive, or a damaged archive
        return
    finally:
        file.seek(0)
    if len(entries) > MOST_ENTRIES:
        raise UserError(f"the file contains about {len(entries):,} tensors, more than the {MOST_ENTRIES:,} allowed")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise UserError("the file is a compressed archive, expected the uncompressed archive that torch.save writes")


def openai_clip() -> ModuleType:
    """Imports and returns OpenAI's complete package `clip`.

    The import is slow, so other code uses `model.clip.openai_package`, which loads only the needed parts. The
    package's warning about pkg_resources is suppressed.
    """
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
            f"{path} is not a CLIP state dict: expected the keys visual.proj and text_projection, "
            f"got {len(state)} keys such as {sorted(state)[:3]}"
        )
    if empty := [name for name, value in state.items() if not value.numel()]:
        raise UserError(f"{path} is not a CLIP state dict: {', '.join(empty[:3])} contain no values")
    for name, (least, why) in LEAST_ROWS.items():
        if name in state and state[name].ndim and len(state[name]) < least:
            raise UserError(
                f"{path} cannot encode text: {name} has {len(state[name]):,} rows, expected at least {least:,}, {why}; "
                "the file is damaged or is another network, so download it again, or give another file"
            )
    positions = state.get("positional_embedding")
    if positions is not None and positions.ndim and len(positions) > MOST_POSITIONS:
        raise UserError(
            f"{path} has {len(positions):,} text positions, more than the {MOST_POSITIONS:,} allowed; use another CLIP"
        )
    if other := [name for name, value in state.items() if value.ndim and not value.is_floating_point()]:
        raise UserError(f"{path} is not a CLIP state dict: {other[0]} is {state[other[0]].dtype}, expected floats")


def mismatch(error: Exception) -> str:
    """Returns, in one line, why OpenAI's code could not build a CLIP from a state dict and raised this error."""
    text = str(error)
    if isinstance(error, KeyError):
        return f"it has no {error.args[0]}"
    if found := _OTHER_SHAPE.search(text):
        return f"{found[1]} has the shape {found[2]}, but the other tensors need {found[3]}"
    if found := _OTHER_KEYS.search(text):
        return f"it {'lacks' if found[1] == 'Missing' else 'has the unknown tensors'} {shortened(found[2])}"
    return "the shapes of its tensors do not fit together"


def _all_published() -> list[Published]:
    return [Published(*row) for row in published_urls().items()]


def _is_torchscript(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except zipfile.BadZipFile:  # no archive, or a damaged archive, which `_pickled_state` reports
        return False


def _torchscript_state(path: Path) -> dict[str, Tensor]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return dict(torch.jit.load(str(path), map_location="cpu").state_dict())
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"{path} is not a readable TorchScript archive: {reason}; download the file again") from error


def _pickled_state(path: Path) -> dict[str, Tensor]:
    state = read_saved(path, "CLIP weights")
    require_state_dict(state, str(path))
    return dict(state)


def require_state_dict(state: Any, what: str) -> None:
    """Raises UserError if `state`, called `what` in the message, is not a dictionary of real-valued tensors by name."""
    if not isinstance(state, dict):
        raise UserError(f"{what} is a {type(state).__name__}, expected a state dict of tensors")
    for name, value in state.items():
        found = other_kind(value)
        if found or not isinstance(name, str):
            raise UserError(
                f"{what} has {name!r}, a {found or value.dtype}; expected a state dict of tensors of real numbers"
            )


def other_kind(value: Any) -> str:
    """Returns what a value is if it is not a tensor of real numbers that are all stored in the file; "" if it is."""
    if not isinstance(value, Tensor):
        return type(value).__name__
    if value.is_complex() or (value.is_floating_point() and value.itemsize == 1):
        return str(value.dtype)
    if value.layout != torch.strided or value.is_meta or value.is_nested:
        return f"{'nested' if value.is_nested else value.layout} tensor on the device {value.device}"
    if value.numel() * value.itemsize > value.untyped_storage().nbytes():
        return "tensor that stores fewer values than its shape has"  # copying it could take any amount of memory
    return ""
