"""Copies a finished cache between folders and object stores; an interrupted copy is never accepted as a cache."""

import contextlib
import hashlib
import shutil
from pathlib import Path
from typing import Any

from tqdm import tqdm

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.files import BLOCK, is_cache
from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.cache_json import parse_info, read_raw
from hspcgan.pipeline.cache.partial.ownership import require_known_names, require_own_target
from hspcgan.pipeline.cache.partial.partial_cache import PartialCache
from hspcgan.pipeline.cache.reader import Cache
from hspcgan.pipeline.sources.readers.path_or_url import MAX_SHOWN, path_or_url, remote_errors

BEGUN = "copy.partial"
"""File that marks an unfinished copy at a URL, since files there cannot be renamed."""
NOT_FOUND = 404
"""Status of HTTP for a file that does not exist."""


def copy_cache(source: str, target: str, replace: bool = False) -> int:
    """
    Copies a finished cache; source and target are local folders or URLs that fsspec opens, such as s3://bucket/cache.

    A local target is written to its `.partial` folder, under the lock that `prepare` takes, and renamed when it is
    complete. At a URL, cache.json is written last, and removed first if `replace` overwrites a cache; meanwhile a file
    `copy.partial` marks the copy as unfinished.

    Returns the number of bytes copied, 0 if the target already has this cache (equal cache.json and file sizes). Raises
    UserError if the source is not a finished cache, is damaged (by its checksums) or changes during the copy; if the
    target contains other files or, without `replace`, another cache; if the target is inside a cache; and if the size
    of a file differs after the copy.
    """
    origin, goal = _local_or_url(source), _local_or_url(target)
    if goal.name in ("", "..") and isinstance(goal, Path):
        raise UserError(
            f"{target!r} does not end with the name of a folder; give the path of the folder to write as TARGET"
        )
    if str(origin).rstrip("/") == str(goal).rstrip("/") or _same_folder(origin, goal):
        raise UserError(f"{source} and {target} are the same folder; give another TARGET")
    with remote_errors(origin), remote_errors(goal):
        raw, info = _read_finished_info(origin)
        if _is_already_copied(goal, raw, info, replace):
            return 0
        if isinstance(goal, Path):
            _copy_into_folder(origin, goal, raw, info, replace)
        else:
            _copy_into_url(origin, goal, raw, info)
    return len(raw) + _size(info)


def _size(info: dict[str, Any]) -> int:
    """Returns the total size in bytes of all files except cache.json."""
    return sum(info["files"][name]["size"] for name in schema.contents_of(info))


def _local_or_url(text: str) -> Path:
    found = path_or_url(text)
    return Path(found.path) if getattr(found, "protocol", "") in ("file", "local") else found


def _same_folder(origin: Path, goal: Path) -> bool:
    local = isinstance(origin, Path) and isinstance(goal, Path)
    return local and origin.exists() and goal.exists() and origin.samefile(goal)


def _read_finished_info(origin: Path) -> tuple[bytes, dict[str, Any]]:
    """Returns cache.json of a finished cache, as bytes and as a dict."""
    if isinstance(origin, Path):
        Cache(origin)  # checks more than the code below, which also reads object stores
    if not (origin / schema.INFO).is_file():
        _require_reached(origin, schema.INFO)
        raise UserError(
            f"no finished cache at {origin}: {schema.INFO} is missing; if this is an interrupted copy, finish it "
            "first; else give another SOURCE"
        )
    raw = read_raw(origin / schema.INFO)
    info = parse_info(raw, origin / schema.INFO)
    differing = _differing_files(origin, info)
    if differing:
        _require_reached(origin, differing[0])
        raise UserError(
            f"{origin}: files missing or of the wrong size: {', '.join(differing)}; copy or prepare the cache again"
        )
    return raw, info


def _require_reached(origin: Path, name: str) -> None:
    """Raises UserError if a web server cannot be reached or denies a file, which fsspec reports as a missing file."""
    try:
        (origin / name).stat()
    except FileNotFoundError as error:
        reason = error.__cause__
        if isinstance(reason, OSError):
            raise UserError(
                f"{origin} cannot be reached ({type(reason).__name__}: {str(reason)[:MAX_SHOWN]}); check the URL and "
                "the network"
            ) from error
        status = getattr(reason, "status", NOT_FOUND)
        if status != NOT_FOUND:
            raise UserError(
                f"the web server answers {status} {getattr(reason, 'message', '')[:MAX_SHOWN]} for {origin / name}; "
                "check the URL and your access rights, or try again later"
            ) from error


def _differing_files(folder: Path, info: dict[str, Any]) -> list[str]:
    """Returns the files that are missing in a folder or do not have the size given in cache.json."""
    files = {name: folder / name for name in schema.contents_of(info)}
    return [n for n, path in files.items() if not path.is_file() or path.stat().st_size != info["files"][n]["size"]]


def _is_already_copied(goal: Path, raw: bytes, info: dict[str, Any], replace: bool) -> bool:
    """Whether the target already has this cache. Raises UserError if it has files that would be lost."""
    if isinstance(goal, Path):
        require_own_target(goal)
    else:
        require_known_names(goal, (BEGUN, *schema.FILES), lambda url: is_cache(url) or (url / BEGUN).exists())
    if replace or not (goal / schema.INFO).exists():
        return False
    if read_raw(goal / schema.INFO) != raw:
        raise UserError(f"{goal} contains another cache ({schema.INFO} differs); use --replace, or another TARGET")
    differing = _differing_files(goal, info)
    if differing:
        raise UserError(
            f"{goal} contains this cache, but files are missing or have the wrong size: {', '.join(differing)}; "
            "use --replace"
        )
    return True


def _copy_into_folder(origin: Path, goal: Path, raw: bytes, info: dict[str, Any], replace: bool) -> None:
    with PartialCache(goal, replace) as partial:
        if any(partial.folder(stage).exists() for stage in schema.STAGES):
            raise UserError(
                f"{partial.path} contains an unfinished `hspcgan prepare`; finish it, remove the folder, or give "
                "another TARGET"
            )
        work = partial.path / "copy"
        work.mkdir()
        try:
            _copy_files(origin, work, raw, info)
        except BaseException as error:
            shutil.rmtree(work)
            if isinstance(error, OSError) and not error.filename:
                error.filename = str(goal)  # as an error of `write` does not name the file
            raise
        partial.install(work)


def _copy_into_url(origin: Path, goal: Path, raw: bytes, info: dict[str, Any]) -> None:
    try:
        (goal / BEGUN).write_bytes(b"hspcgan copy\n")
        for name in (schema.INFO, *schema.FILES):  # cache.json first: without it, the other files are not a cache
            with contextlib.suppress(FileNotFoundError):
                (goal / name).unlink()
        _copy_files(origin, goal, raw, info)
        (goal / BEGUN).unlink()
    except NotImplementedError:
        raise UserError(f"{goal} cannot be written to: its protocol is read-only; give another TARGET") from None


def _copy_files(origin: Path, goal: Path, raw: bytes, info: dict[str, Any]) -> None:
    with tqdm(total=_size(info), desc="copy", unit="B", unit_scale=True, disable=None) as bar:
        for name in schema.contents_of(info):
            stated, digest = info["files"][name], hashlib.sha256()
            with (origin / name).open("rb") as reader, (goal / name).open("wb") as writer:
                while block := reader.read(BLOCK):
                    writer.write(block)
                    digest.update(block)
                    bar.update(len(block))
            if digest.hexdigest() != stated["sha256"]:
                _require_unchanged(origin, raw)
                raise UserError(
                    f"{origin / name} is damaged: sha256 {digest.hexdigest()}, expected {stated['sha256']}; "
                    "copy the cache from another source, or prepare it again"
                )
            _check_size(goal / name, stated["size"])
        _require_unchanged(origin, raw)
        (goal / schema.INFO).write_bytes(raw)
        _check_size(goal / schema.INFO, len(raw))


def _require_unchanged(origin: Path, raw: bytes) -> None:
    if (origin / schema.INFO).read_bytes() != raw:
        raise UserError(f"{origin} was replaced while it was copied; run the same command again")


def _check_size(path: Path, expected: int) -> None:
    got = path.stat().st_size
    if got != expected:
        raise UserError(f"{path} has {got:,} bytes after the copy, expected {expected:,}; run the same command again")
