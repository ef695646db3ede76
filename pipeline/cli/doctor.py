"""Reports installed packages, available weights and how to get missing parts, for `hspcgan doctor`. Changes nothing."""

import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from hspcgan.model.common.errors import install_command
from hspcgan.model.common.files import size_mb
from hspcgan.model.published_weights import (
    ALL,
    FACTUAL,
    INCEPTION,
    WEIGHTS,
    catalogue,
    problem_of_factual,
    stanza_english,
)
from hspcgan.pipeline.cli.extras import by_extra


@dataclass(frozen=True)
class Finding:
    """One line of the report; `fix` explains how to get a missing part, and what works without it."""

    group: str
    name: str
    present: bool
    detail: str
    fix: str = ""


def examine() -> Iterator[Finding]:
    """Yields findings in the order of the report."""
    yield Finding("machine", "Python", True, f"{sys.version.split()[0]}, {os.cpu_count()} CPU cores")
    yield _gpu()
    for extra, names in by_extra().items():
        for name in names:
            yield _package(name, extra)
        if not extra:
            yield _clip_import()
    yield from _shipped_weights()
    yield _spacy_model()
    yield from _fetched_weights()


def report() -> str:
    """Formats the findings as a table for a terminal."""
    lines, group = [], ""
    missing = 0
    for finding in examine():
        if finding.group != group:
            group = finding.group
            lines += ["", group]
        missing += not finding.present
        mark = "✓" if finding.present else "–"
        lines.append(f"  {mark} {finding.name:<18} {finding.detail}")
        if finding.fix:
            lines.append(f"      {finding.fix}")
    lines += ["", f"{missing} optional parts are missing; see above" if missing else "nothing is missing"]
    return "\n".join(lines[1:])


def _package(name: str, extra: str) -> Finding:
    group = f"packages, extra [{extra}]" if extra else "packages"
    try:
        return Finding(group, name, True, version(name))
    except PackageNotFoundError:
        return Finding(group, name, False, "not installed", install_command(extra))


def _gpu() -> Finding:
    if importlib.util.find_spec("torch") is None:
        return Finding("machine", "GPU", False, "unknown: torch is not installed")
    import torch

    if torch.cuda.is_available():
        return Finding("machine", "GPU", True, torch.cuda.get_device_name())
    return Finding(
        "machine", "GPU", False, "none found by torch", "the demo runs on the CPU; full-size training needs a GPU"
    )


def _clip_import() -> Finding:
    """Checks whether clip can be imported: it needs pkg_resources, which setuptools 81 removed."""
    if importlib.util.find_spec("pkg_resources") is None:
        return Finding("packages", "clip imports", False, "pkg_resources is missing", "pip install 'setuptools<81'")
    return Finding("packages", "clip imports", True, "pkg_resources is available")


def _shipped_weights() -> Iterator[Finding]:
    from hspcgan.pipeline.assets import (
        CAPTION_CHOICES,
        CAPTION_HEADS,
        CAPTION_PARSER,
        TRAINED_ON_FACTUAL,
        assets_folder,
        build_command,
    )
    from hspcgan.pipeline.manifest import shipped_weights

    uses = {
        "toy-clip": "the demo's CLIP",
        "toy-scorer": "the demo's held-out scorer",
        "toy-stanza": "the demo's annotator",
        "toy-hspcgan": "`hspcgan sample` without a checkpoint",
        CAPTION_PARSER: "spaCy's default parser of captions",
        CAPTION_CHOICES: "FACTUAL's wording in `hspcgan parse --jsonl`",
        CAPTION_HEADS: "the noun that a phrase describes, in all concept sets",
    }
    places = shipped_weights() | {name: assets_folder() / name for name in TRAINED_ON_FACTUAL}
    for name, use in uses.items():
        path = places.get(name)
        if path is None or not path.exists():
            fix = f"part of the package: reinstall the package, or build the weights with `{build_command(name)}`"
            yield Finding("weights, shipped", name, False, f"absent ({use})", fix)
        else:
            yield Finding("weights, shipped", name, True, f"{size_mb(path):.1f} MB ({use})")


def _spacy_model() -> Finding:
    from hspcgan.pipeline.concepts.annotate.spacy import SPACY_MODELS

    for name in SPACY_MODELS:
        if importlib.util.find_spec(name) is not None:
            return Finding("weights, shipped", "spaCy English", True, name)
    return Finding(
        "weights, shipped",
        "spaCy English",
        False,
        "absent",
        f"scene graphs need it: {install_command('pipeline')} installs en_core_web_sm",
    )


def _fetched_weights() -> Iterator[Finding]:
    """Yields a finding for each download of `hspcgan models fetch`, at the path where the commands expect it."""
    for name in ALL:
        one = catalogue()[name]
        found, problem = _found(name, WEIGHTS / one.place)
        if found is not None:
            yield Finding("weights, fetched", name, True, f"{found}, {size_mb(found):.1f} MB ({one.needed_by})")
            continue
        yield Finding(
            "weights, fetched",
            name,
            False,
            f"absent ({(WEIGHTS / one.place).absolute()}{problem})",
            f"for {one.needed_by}: hspcgan models fetch {name}{_manual_download_hint(name)}",
        )


def _found(name: str, place: Path) -> tuple[Path | None, str]:
    """Returns (path of the weights, ""); if they are absent or incomplete, (None, the reason or "")."""
    if name == "stanza":
        try:
            folder, listing = stanza_english()
        except ModuleNotFoundError:
            return None, ": stanza is not installed"
        absent = [str(path) for path in (folder, listing) if not path.exists()]
        return (None, f": no {', '.join(absent)}") if absent else (folder, "")
    if name == FACTUAL:
        problem = problem_of_factual(place)
        return (None, f": {problem}") if problem else (place, "")
    places = [place, Path(tempfile.gettempdir()) / INCEPTION] if name == "inception" else [place]
    return next((path for path in places if path.is_file()), None), ""


def _manual_download_hint(name: str) -> str:
    """Returns the URL and sha256 of a CLIP file, for machines without a network; "" for other weights."""
    if not name.startswith("ViT"):
        return ""
    try:
        from hspcgan.model.clip.file import published

        one = published(name)
    except ImportError:
        return "; when the clip package can be imported, `hspcgan doctor` also shows the URL of this file"
    return f"; without a network, copy {one.url} (sha256 {one.sha256}) to this path"
