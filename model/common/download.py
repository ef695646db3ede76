"""Downloads one file: resumes an interrupted download, and renames the partial file after verifying its checksum."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import sys
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError, URLError

from tqdm import tqdm

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.files import NO_ROOM, file_sha256, make_folder

TIMEOUT_SEC = 30
BLOCK = 2**20
LINKED = "X-Linked-Etag"
"""Header in Hugging Face's first response: the sha256 of a large file, or git's SHA-1 of a small file."""

log = logging.getLogger("hspcgan.model")


class MissingError(UserError):
    """The error for a file that the server does not have (HTTP status 404)."""


@dataclass(frozen=True)
class Remote:
    """A file to download: its URL, its path below the weights folder, and its checksum if known."""

    url: str
    path: str
    sha256: str = ""
    md5: str = ""
    optional: bool = False  # not an error if the server does not have it


class Outcome(NamedTuple):
    """The result of `download`: whether the file is new, and whether it was compared with a published checksum."""

    new: bool
    verified: bool


def download(remote: Remote, folder: Path) -> Outcome:
    """
    Downloads a file into a folder if it is missing there; an existing file is compared with the known checksums.

    A proxy set in the environment (https_proxy etc.) is used. An interrupted download is kept as NAME.part and resumed.
    UserError if an existing file differs, the URL cannot be reached, or a checksum is wrong.
    """
    path = folder / remote.path
    if path.is_file():
        checks = _checks(remote)
        for name, wanted, measure in checks:
            if (got := measure(path)) != wanted:
                raise UserError(
                    f"{path} exists, but differs from the published file ({name} {got}, expected {wanted}); move it "
                    "away, or give another folder with --to"
                )
        return Outcome(False, bool(checks))
    make_folder(path.parent)
    part = path.with_name(f"{path.name}.part")
    try:
        linked = _transfer(remote, part)
        verified = _verify(remote, part, linked)
    except (HTTPError, URLError, HTTPException, ConnectionError, TimeoutError) as error:
        sum_hint = f" (sha256 {remote.sha256})" if remote.sha256 else ""
        kind = MissingError if isinstance(error, HTTPError) and error.code == 404 else UserError
        kept = f"; {part.stat().st_size / 1e6:,.1f} MB are kept" if part.exists() else ""
        raise kind(
            f"{remote.url} cannot be downloaded ({error}){kept}; run the command again, or download the file on a "
            f"machine with network access and copy it to {path}{sum_hint}"
        ) from error
    except OSError as error:
        if error.errno in NO_ROOM:
            part.unlink(missing_ok=True)  # otherwise the disk stays full
        raise
    os.replace(part, path)
    return Outcome(True, verified)


def _transfer(remote: Remote, part: Path) -> str:
    """Downloads the rest of a partial file; returns the checksum in the server's headers, "" if there is none."""
    have = part.stat().st_size if part.exists() else 0
    redirects = _Redirects()
    request = urllib.request.Request(remote.url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.build_opener(redirects).open(request, timeout=TIMEOUT_SEC)
    except HTTPError as error:
        if error.code != 416:  # on 416 the part is complete or too long; the checksum decides which
            raise
        return redirects.linked or error.headers.get(LINKED, "")
    with response:
        resumed = bool(have) and getattr(response, "status", None) == 206
        if resumed and not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            raise HTTPException(f"requested the bytes from {have} on, got {response.headers.get('Content-Range')}")
        start = have if resumed else 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length and length.isdigit() else None
        with (
            part.open("ab" if resumed else "wb") as file,
            tqdm(
                total=total, initial=start, unit="B", unit_scale=True, desc=part.stem, disable=_is_bar_hidden()
            ) as bar,
        ):
            while block := response.read(BLOCK):
                file.write(block)
                bar.update(len(block))
        if total is not None and part.stat().st_size != total:
            raise HTTPException(f"the connection ended after {part.stat().st_size:,} of {total:,} bytes")
        return redirects.linked or response.headers.get(LINKED, "")


def _checks(remote: Remote, linked: str = "") -> list[tuple[str, str, Callable[[Path], str]]]:
    """Returns the known checksums of a file, each as (name, expected value, function that computes it from a path).

    `linked` is the checksum in the server's headers, or "".
    """
    linked = linked.strip().strip('"').removeprefix("W/").strip('"')
    checks: list[tuple[str, str, Callable[[Path], str]]] = [
        ("sha256", remote.sha256, file_sha256),
        ("md5", remote.md5, _md5),
        ("sha256", linked if re.fullmatch("[0-9a-f]{64}", linked) else "", file_sha256),
        ("git SHA-1", linked if re.fullmatch("[0-9a-f]{40}", linked) else "", _git_sha1),
    ]
    return [(name, wanted, measure) for name, wanted, measure in checks if wanted]


def _verify(remote: Remote, part: Path, linked: str) -> bool:
    """Compares the partial file with the known checksums; returns whether any checksum is known.

    If a checksum differs, the partial file is removed and UserError is raised.
    """
    checks = _checks(remote, linked)
    for name, wanted, measure in checks:
        if (got := measure(part)) != wanted:
            part.unlink()
            raise UserError(
                f"the file downloaded from {remote.url} is not the published file ({name} {got}, expected {wanted}); "
                "run the command again"
            )
    return bool(checks)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, and keeps the checksum from the headers of the first response."""

    linked = ""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        self.linked = self.linked or headers.get(LINKED, "")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def _git_sha1(path: Path) -> str:
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _is_bar_hidden() -> bool:
    return not sys.stderr.isatty()
