"""Doctor: what is installed, which weights are present, and what each missing piece needs. Looks only; exits 0."""

import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = {
    "core": (
        "torch",
        "torchvision",
        "openai-clip",
        "setuptools",
        "h5py",
        "numpy",
        "pyarrow",
        "click",
        "pydantic",
        "PyYAML",
        "tqdm",
        "pillow",
        "safetensors",
        "tensorboard",
        "threadpoolctl",
        "pandas",
        "tabulate",
    ),
    "pipeline": ("stanza", "SceneGraphParser", "spacy"),
    "evaluate": ("clean-fid", "scipy", "Jinja2"),
    "ui": ("starlette", "uvicorn"),
    "factual": ("transformers", "sentencepiece"),
    "ray": ("ray",),
    "remote": ("universal_pathlib",),
}
"""Distribution names by the extra that brings them."""


@dataclass(frozen=True)
class Finding:
    """One line of the report; `mend` says what brings a missing piece, and what works without it."""

    group: str
    name: str
    present: bool
    detail: str
    mend: str = ""


def examine() -> Iterator[Finding]:
    """Findings in the order of the report."""
    yield Finding("machine", "Python", True, f"{sys.version.split()[0]}, {os.cpu_count()} CPU cores")
    yield _gpu()
    for extra, names in PACKAGES.items():
        for name in names:
            yield _package(name, extra)
        if extra == "core":
            yield _clip_import()
    yield from _shipped_weights()
    yield _openai_clip()
    yield _stanza_english()
    yield _spacy_model()
    yield _factual()
    yield _inception()


def report() -> str:
    """The findings as a table for a terminal."""
    lines, group = [], ""
    missing = 0
    for finding in examine():
        if finding.group != group:
            group = finding.group
            lines += ["", group]
        missing += not finding.present
        mark = "✓" if finding.present else "–"
        lines.append(f"  {mark} {finding.name:<18} {finding.detail}")
        if finding.mend:
            lines.append(f"      {finding.mend}")
    lines += ["", f"{missing} pieces are absent; each says what needs it." if missing else "Everything is here."]
    return "\n".join(lines[1:])


def _package(name: str, extra: str) -> Finding:
    group = "packages" if extra == "core" else f"packages, extra [{extra}]"
    try:
        return Finding(group, name, True, version(name))
    except PackageNotFoundError:
        target = "." if extra == "core" else f"'.[{extra}]'"
        return Finding(group, name, False, "not installed", f"pip install {target} in hspcgan's checkout")


def _gpu() -> Finding:
    if importlib.util.find_spec("torch") is None:
        return Finding("machine", "GPU", False, "unknown: torch is not installed")
    import torch

    if torch.cuda.is_available():
        return Finding("machine", "GPU", True, torch.cuda.get_device_name())
    return Finding(
        "machine", "GPU", False, "none that torch sees", "the demo runs on the CPU; full-size training needs one"
    )


def _clip_import() -> Finding:
    """openai-clip imports pkg_resources, which setuptools 81 removed: installed is not yet importable."""
    if importlib.util.find_spec("pkg_resources") is None:
        return Finding("packages", "clip imports", False, "pkg_resources is gone", "pip install 'setuptools<81'")
    return Finding("packages", "clip imports", True, "pkg_resources is there")


def _shipped_weights() -> Iterator[Finding]:
    from hspcgan.pipeline.manifest import weights_path

    uses = {
        "toy-clip": "the demo's CLIP",
        "toy-scorer": "the demo's held-out scorer",
        "toy-stanza": "the demo's annotator",
        "toy-hspcgan": "`hspcgan sample` without a checkpoint",
    }
    for name, use in uses.items():
        try:
            path = weights_path(name)
        except ValueError:
            mend = "comes with the package: install it again, or build it with `hspcgan assets build`"
            yield Finding("weights, shipped", name, False, f"absent ({use})", mend)
        else:
            yield Finding("weights, shipped", name, True, f"{_size_mb(path):.1f} MB ({use})")


def _size_mb(path: Path) -> float:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files) / 1e6


def _openai_clip() -> Finding:
    """The CLIP of full-size manifests; its address is OpenAI's own."""
    path = Path("weights/ViT-B-32.pt")
    if path.is_file():
        return Finding("weights, fetched", "OpenAI's CLIP", True, f"{path}, {_size_mb(path):.1f} MB")
    use = (
        "manifests other than the toy birds' need it: `hspcgan models fetch ViT-B/32`, or, without a network, put "
        f"OpenAI's file there as {path}"
    )
    try:
        from hspcgan.model.clip_file import published

        one = published("ViT-B/32")
        mend = f"{use}; from clip.clip._MODELS: {one.url} (sha256 {one.sha256})"
    except ImportError:
        mend = f"{use}; the clip package, once it imports, has its address in clip.clip._MODELS"
    return Finding("weights, fetched", "OpenAI's CLIP", False, f"absent ({path.absolute()})", mend)


def _stanza_english() -> Finding:
    from hspcgan.pipeline.concepts.annotate.stanza import stanza_english

    try:
        places = stanza_english()
    except ModuleNotFoundError:
        return Finding("weights, fetched", "stanza en", False, "unknown: stanza is not installed")
    absent = [str(place) for place in places if not place.exists()]
    if not absent:
        return Finding("weights, fetched", "stanza en", True, str(places[0]))
    return Finding(
        "weights, fetched",
        "stanza en",
        False,
        f"absent ({', '.join(absent)})",
        "parse.model: en needs it: stanza.download('en') where there is a network, then copy the folder and "
        "resources.json beside it; toy-stanza and the spaCy annotator work without",
    )


def _spacy_model() -> Finding:
    from hspcgan.pipeline.concepts.annotate.spacy import SPACY_MODELS

    for name in SPACY_MODELS:
        if importlib.util.find_spec(name) is not None:
            return Finding("weights, fetched", "spaCy English", True, name)
    return Finding(
        "weights, fetched",
        "spaCy English",
        False,
        "absent",
        "scene graphs need it: pip install '.[pipeline]' in hspcgan's checkout brings en_core_web_sm",
    )


def _factual() -> Finding:
    from hspcgan.pipeline.concepts.annotate.t5 import missing

    folder = Path("weights/factual")
    if not (problem := missing(folder)):
        return Finding("weights, fetched", "FACTUAL parser", True, f"{folder}, {_size_mb(folder):.1f} MB")
    return Finding(
        "weights, fetched",
        "FACTUAL parser",
        False,
        f"absent ({folder.absolute()}: {problem})",
        f"only parse.annotator: factual needs it, with parse.model: {folder} or where else it lies; "
        "stanza and spaCy work without",
    )


def _inception() -> Finding:
    name = "inception-2015-12-05.pt"
    path = Path(tempfile.gettempdir()) / name
    if path.is_file():
        return Finding("weights, fetched", "Inception", True, str(path))
    return Finding(
        "weights, fetched",
        "Inception",
        False,
        f"absent ({path})",
        "only FIDs comparable with published ones need it; put clean-fid's file there; FID and KID on the "
        "scorers' own features work without",
    )
