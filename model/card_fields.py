"""The fields of a checkpoint's card (`model.json`) that are validated when it is read; see `checkpoint.py`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field


class _Config(BaseModel):
    kind: str


class _Clip(BaseModel, strict=True):
    name: str
    sha256: str
    path_hint: str | None = None
    rounded: bool = True


class _Weights(BaseModel, strict=True):
    sha256: str
    parameters: dict[str, Annotated[int, Field(ge=0, le=10**15)]] = {}


class _Texts(BaseModel, strict=True):
    parse: dict[str, Any] | None = None
    templates: dict[str, str] | None = None


class _Extra(BaseModel, strict=True):
    step: Annotated[int, Field(ge=0, le=10**15)] | None = None
    texts: _Texts | None = None
    train: dict[str, Any] | None = None


class Card(BaseModel):
    """The fields of a card that are validated when it is read; `load` validates the whole `config`."""

    config: _Config
    clip: _Clip
    weights: _Weights
    extra: _Extra = _Extra()
