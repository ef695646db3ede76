"""Copy: a finished cache between folders and object stores; what an interrupted copy leaves is never taken for one."""

import contextlib
import json
import shutil
from pathlib import Path

from tqdm import tqdm

from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.reader import Cache
from hspcgan.pipeline.cache.writer import PartialCache
from hspcgan.pipeline.sources import place

BLOCK = 8 * 2**20  # bytes in memory at a time


def copy_cache(source: str, target: str, replace: bool = False) -> int:
    """
    Copies a finished cache; source and target are local folders or URLs that fsspec opens, such as s3://bucket/cache.

    A local target is filled beside its place, under the lock that `prepare` takes, and renamed when it is a whole
    cache. At a URL cache.json is written last, and removed first where `replace` overwrites a cache.

    Returns the bytes copied, 0 when the very same cache (fingerprint and sizes of files) is there already. Raises
    ValueError when the source is no finished cache, is damaged or changes meanwhile, when the target holds anything
    else (another cache, without `replace`), and when a file's size differs after the copy.
    """
    origin, goal = _place(source), _place(target)
    if str(origin).rstrip("/") == str(goal).rstrip("/") or _same_folder(origin, goal):
        raise ValueError(f"{source} and {target} are the same place; give another TARGET")
    info, sizes = _finished(origin)
    if _is_there(goal, info, sizes, replace):
        return 0
    if isinstance(goal, Path):
        _into_folder(origin, goal, info, sizes, replace)
    else:
        _into_url(origin, goal, info, sizes)
    return sum(sizes.values())


def _place(text: str) -> Path:
    found = place(text)
    return Path(found.path) if getattr(found, "protocol", "") in ("file", "local") else found


def _same_folder(origin: Path, goal: Path) -> bool:
    local = isinstance(origin, Path) and isinstance(goal, Path)
    return local and origin.exists() and goal.exists() and origin.samefile(goal)


def _finished(origin: Path) -> tuple[bytes, dict[str, int]]:
    """cache.json of a finished cache, and the sizes of its files in bytes."""
    if isinstance(origin, Path):
        Cache(origin).check()  # a local folder is opened, which notices more
    if not (origin / schema.INFO).is_file():
        raise ValueError(f"no finished cache at {origin}: {schema.INFO} is missing, which `hspcgan copy` writes last")
    raw = (origin / schema.INFO).read_bytes()
    info = _parsed(raw)
    if info.get("format") != schema.FORMAT:
        raise ValueError(
            f"{origin / schema.INFO} says format {info.get('format')}, this version copies {schema.FORMAT}; "
            "prepare the cache again, or use the version that made it"
        )
    files = schema.files_of(info)
    missing = [name for name in files if not (origin / name).is_file()]
    if missing:
        raise ValueError(f"{origin} lacks {', '.join(missing)}; copy or prepare it again")
    return raw, {name: (origin / name).stat().st_size for name in files}


def _parsed(raw: bytes) -> dict:
    """cache.json as a mapping; an empty one where it is damaged."""
    try:
        info = json.loads(raw)
    except ValueError:
        return {}
    return info if isinstance(info, dict) else {}


def _is_there(goal: Path, raw: bytes, sizes: dict[str, int], replace: bool) -> bool:
    """Whether the target holds the very same cache. ValueError when it holds what must not be overwritten."""
    if not goal.exists():
        return False
    if not goal.is_dir():
        raise ValueError(f"{goal} is a file; name the folder that is to hold the cache")
    names = {path.name for path in goal.iterdir()}
    foreign = sorted(names.difference(schema.FILES))
    if foreign:
        raise ValueError(f"{goal} holds what is no cache's ({', '.join(foreign[:5])}); give another TARGET")
    if replace or not names or (schema.INFO not in names and not isinstance(goal, Path)):
        return False  # the last: what an interrupted copy to a URL leaves
    there = (goal / schema.INFO).read_bytes() if schema.INFO in names else b""
    own, wanted = _parsed(there).get("fingerprint", "unknown"), _parsed(raw).get("fingerprint")
    if own != wanted:
        raise ValueError(
            f"{goal} holds another cache (fingerprint {own}, that of the source is {wanted}); give another TARGET, "
            "or --replace"
        )
    differing = [name for name in sizes if name not in names or (goal / name).stat().st_size != sizes[name]]
    if differing:
        raise ValueError(
            f"{goal} holds this cache, but lacks or has in other size: {', '.join(differing)}; --replace it"
        )
    return True


def _into_folder(origin: Path, goal: Path, info: bytes, sizes: dict[str, int], replace: bool) -> None:
    if goal.exists() and not any(goal.iterdir()):
        goal.rmdir()
    with PartialCache(goal, replace) as partial:
        if any(partial.folder(stage).exists() for stage in schema.STAGES):
            raise ValueError(
                f"{partial.path} is an unfinished `hspcgan prepare`; finish it, remove it, or give another TARGET"
            )
        work = partial.path / "copy"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        try:
            _copy_files(origin, work, info, sizes)
            _check(work, origin)
        except BaseException:
            shutil.rmtree(work)
            if [path.name for path in partial.path.iterdir()] == ["lock"]:
                shutil.rmtree(partial.path)
            raise
        partial.install(work)


def _check(work: Path, origin: Path) -> None:
    try:
        Cache(work).check()
    except ValueError as error:
        raise ValueError(f"{origin} is damaged, its copy does not open as a cache: {error}") from error


def _into_url(origin: Path, goal: Path, info: bytes, sizes: dict[str, int]) -> None:
    try:
        for name in (schema.INFO, *schema.FILES):  # without cache.json, the rest is no cache any more
            with contextlib.suppress(FileNotFoundError):
                (goal / name).unlink()
        _copy_files(origin, goal, info, sizes)
    except NotImplementedError:
        raise ValueError(f"{goal} cannot be written to: its protocol only reads; give another TARGET") from None


def _copy_files(origin: Path, goal: Path, info: bytes, sizes: dict[str, int]) -> None:
    with tqdm(total=sum(sizes.values()), desc="copy", unit="B", unit_scale=True, disable=None) as bar:
        for name in (name for name in sizes if name != schema.INFO):
            with (origin / name).open("rb") as reader, (goal / name).open("wb") as writer:
                while block := reader.read(BLOCK):
                    writer.write(block)
                    bar.update(len(block))
            _check_size(goal / name, sizes[name])
        if (origin / schema.INFO).read_bytes() != info:
            raise ValueError(f"{origin} was replaced while it was copied; run the same command again")
        (goal / schema.INFO).write_bytes(info)
        _check_size(goal / schema.INFO, len(info))


def _check_size(path: Path, expected: int) -> None:
    got = path.stat().st_size
    if got != expected:
        raise ValueError(f"{path} has {got:,} bytes after the copy, expected {expected:,}; run the same command again")
