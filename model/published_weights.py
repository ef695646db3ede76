"""Lists, downloads and finds weights that are not shipped: CLIP, stanza's models, Inception, FACTUAL's parser."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from hspcgan.model.common.download import MissingError, Remote, download
from hspcgan.model.common.errors import UserError, install_command
from hspcgan.model.common.files import file_sha256, write_atomically

WEIGHTS = Path("weights")
"""The folder, relative to the working directory, in which every command looks for weights that are not shipped."""

SUMS = "SHA256SUMS"
INCEPTION = "inception-2015-12-05.pt"
INCEPTION_SHA256 = "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4"
STANZA, FACTUAL = "stanza", "factual"
STANZA_PROCESSORS = ("tokenize", "mwt", "pos", "lemma", "depparse", "ner")
FACTUAL_REPO = "lizhuang144/flan-t5-base-VG-factual-sg"
FACTUAL_NEEDS = ("config.json", "model.safetensors")
FACTUAL_MAY_HAVE = ("tokenizer.json", "spiece.model", "tokenizer_config.json", "special_tokens_map.json",
                    "added_tokens.json", "generation_config.json")  # fmt: skip
FACTUAL_TOKENIZERS = FACTUAL_MAY_HAVE[:2]  # one of them is needed
CONVERT = (
    "python -c \"import torch; from safetensors.torch import save_file; s = torch.load('pytorch_model.bin', "
    "weights_only=True); save_file({k: v.clone() for k, v in s.items()}, 'model.safetensors', {'format': 'pt'})\""
)


@dataclass(frozen=True)
class Weights:
    """One entry of the catalogue: weights that `hspcgan models fetch` can download, and what needs them."""

    name: str
    place: str  # below WEIGHTS
    needed_by: str
    remotes: Callable[[Path], Iterator[Remote]]  # weights folder → files; each may need the files yielded before it


def catalogue() -> dict[str, Weights]:
    """Returns all weights that can be downloaded, by name."""
    clips = [
        Weights("ViT-B/32", "ViT-B-32.pt", "the CLIP of all shipped manifests except toy birds", _clip("ViT-B/32")),
        Weights("ViT-B/16", "ViT-B-16.pt", "the held-out scorer in shipped manifests", _clip("ViT-B/16")),
        Weights("ViT-L/14", "ViT-L-14.pt", "a larger CLIP, for manifests that name it", _clip("ViT-L/14")),
    ]
    others = [
        Weights(STANZA, STANZA, "parse.annotator: stanza with parse.model: en", _stanza),
        Weights("inception", INCEPTION, "FID and KID that are comparable with published values", _inception),
        Weights(FACTUAL, FACTUAL, "parse.annotator: factual", _factual),
    ]
    return {one.name: one for one in (*clips, *others)}


ALL = ("ViT-B/32", "ViT-B/16", STANZA, "inception", FACTUAL)
"""The weights that `--all` downloads: all that `hspcgan doctor` can report as missing."""


class Fetched(NamedTuple):
    """The result of `fetch`: path, whether a file was downloaded, number of verified files, number of files."""

    path: Path
    new: bool
    verified: int
    files: int


def fetch(name: str, folder: Path = WEIGHTS) -> Fetched:
    """
    Downloads the weights with this name into a folder, and writes the sha256 of each file to SHA256SUMS in the folder.

    Existing files are compared with SHA256SUMS and with published checksums. Raises UserError for an unknown name, a
    CLIP with a ResNet, or a file that differs from SHA256SUMS, and the errors of `download`.
    """
    known = catalogue()
    found = known.get(name)
    if found is None:
        from hspcgan.model.clip.file import published

        try:
            one = published(name)  # any other name in OpenAI's list, or a file stem; UserError with the known names
        except UserError as error:
            others = ", ".join(one for one in known if not one.startswith("ViT"))
            raise UserError(f"{error}; or one of the other weights: {others}") from error
        found = known.get(one.name) or Weights(one.name, one.file, "manifests that name it", _clip(one.name))
    sums, fetched, verified, files = _read_sha256sums(folder), False, 0, 0
    for remote in found.remotes(folder):
        path = folder / remote.path
        listed = sums.get(remote.path) if path.is_file() else None
        if listed and file_sha256(path) != listed:
            raise UserError(
                f"{path} has changed since its download ({SUMS} has sha256 {listed}); move it away and run the "
                "command again"
            )
        try:
            outcome = download(remote, folder)
        except MissingError:
            if not remote.optional:
                raise
            continue
        files += 1
        verified += bool(listed) or outcome.verified
        if outcome.new:
            _add_sha256sum(folder, remote.path, file_sha256(path))
            fetched = True
    return Fetched(folder / found.place, fetched, verified, files)


def _read_sha256sums(folder: Path) -> dict[str, str]:
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except FileNotFoundError:
        return {}
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines) if name}


def _add_sha256sum(folder: Path, name: str, digest: str) -> None:
    """Adds a line to SHA256SUMS, or replaces it; other lines are kept, since the folder may be a user's."""
    path = folder / SUMS
    lines = path.read_bytes().splitlines() if path.is_file() else []
    kept = [line for line in lines if line.partition(b"  ")[2] != name.encode()]
    write_atomically(path, b"".join(line + b"\n" for line in [*kept, f"{digest}  {name}".encode()]))


def _clip(name: str) -> Callable[[Path], Iterator[Remote]]:
    """Returns a function that yields the weights file of an OpenAI CLIP: URL and sha256 as in the package `clip`."""

    def remotes(folder: Path) -> Iterator[Remote]:
        from hspcgan.model.clip.file import published

        one = published(name)
        yield Remote(one.url, one.file, one.sha256)

    return remotes


def _inception(folder: Path) -> Iterator[Remote]:
    """Yields NVIDIA's file of Inception weights, with the URL that clean-fid uses."""
    try:
        from cleanfid.downloads_helper import inception_url
    except ModuleNotFoundError:
        raise _missing_package_error("clean-fid", "evaluate") from None
    yield Remote(inception_url, INCEPTION, INCEPTION_SHA256)


def _stanza(folder: Path) -> Iterator[Remote]:
    """Yields stanza's list of models, then its default English models with their md5 from that list."""
    try:
        from stanza.resources import common
    except ModuleNotFoundError:
        raise _missing_package_error("stanza", "pipeline") from None
    version = common.DEFAULT_RESOURCES_VERSION
    yield Remote(f"{common.DEFAULT_RESOURCES_URL}/resources_{version}.json", f"{STANZA}/resources.json")
    path = folder / STANZA / "resources.json"
    try:
        listing: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        wanted = dict.fromkeys((name for name in STANZA_PROCESSORS if name in listing["en"]), "default")
        models = common.maintain_processor_list(listing, "en", None, wanted, allow_pretrain=True)
        models = common.flatten_processor_list(common.add_dependencies(listing, "en", models))
        address = common.expand_model_url(listing, common.DEFAULT_MODEL_URL)
        files = [
            (f"{kind}/{package}.pt", str(listing["en"][kind][package]["md5"]))
            for kind, package in sorted(map(tuple, models))
        ]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} is not a valid list of stanza's models ({error!r}); remove it and run the command again"
        ) from error
    for name, md5 in files:
        url = address.format(resources_version=version, lang="en", filename=name)
        yield Remote(url, f"{STANZA}/en/{name}", md5=md5)


def _factual(folder: Path) -> Iterator[Remote]:
    """Yields the files of FACTUAL's parser on Hugging Face; the server's headers contain their checksums."""
    try:
        from huggingface_hub import hf_hub_url
    except ModuleNotFoundError:
        raise _missing_package_error("huggingface_hub", "factual") from None
    for name in (*FACTUAL_NEEDS, *FACTUAL_MAY_HAVE):
        yield Remote(hf_hub_url(FACTUAL_REPO, name), f"{FACTUAL}/{name}", optional=name in FACTUAL_MAY_HAVE)


def _missing_package_error(package: str, extra: str) -> UserError:
    return UserError(f"the download URL comes from {package}, which is not installed; {install_command(extra)}")


def stanza_english() -> tuple[Path, Path]:
    """Returns the paths of the folder of stanza's English models and of resources.json.

    Both are in `weights/stanza` if the models were fetched, otherwise in stanza's default folder.
    """
    from stanza.resources.common import DEFAULT_MODEL_DIR

    fetched = WEIGHTS / STANZA
    home = fetched if (fetched / "en").is_dir() else Path(DEFAULT_MODEL_DIR)
    return home / "en", home / "resources.json"


def problem_of_factual(folder: Path) -> str:
    """Returns the missing files of FACTUAL's parser in a folder, and where to get them; "" if none are missing."""
    if not folder.is_dir():
        return "no such folder; expected a copy of a Hugging Face repository such as flan-t5-base-VG-factual-sg"
    absent = [name for name in FACTUAL_NEEDS if not (folder / name).is_file()]
    if not any((folder / name).is_file() for name in FACTUAL_TOKENIZERS):
        absent.append(" or ".join(FACTUAL_TOKENIZERS))
    advice, weights = "; all files are in the model's repository on Hugging Face", FACTUAL_NEEDS[1]
    if weights in absent and any(folder.glob("*.bin")):
        advice = (
            f"; .bin files are pickles and are not read; take {weights} from the model's repository, or run {CONVERT}"
        )
    return f"{', '.join(absent)} missing{advice}" if absent else ""
