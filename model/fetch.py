"""OpenAI's published CLIP weights from their own addresses: the one place that downloads weights."""

from __future__ import annotations

import socket
import sys
from http.client import HTTPException
from pathlib import Path
from urllib.error import URLError

import torch.hub

from hspcgan.model.clip_file import Published, published
from hspcgan.model.errors import UserError
from hspcgan.model.files import file_sha256

TIMEOUT_SEC = 30


def fetch(name: str, folder: Path) -> tuple[Path, bool]:
    """
    Downloads a CLIP's weights into a folder, under another name until their sha256 is OpenAI's.

    Returns the file, and whether it had to be fetched. UserError: an unknown name, a CLIP with a ResNet, another file
    in its place, an address that cannot be reached, a download that is not what was published.
    """
    wanted = published(name)
    path = folder / wanted.file
    if path.is_file():
        _demand(path, wanted)
        return path, False
    folder.mkdir(parents=True, exist_ok=True)
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT_SEC)  # torch.hub sets none: a firewall that drops packets would hang for minutes
    try:
        torch.hub.download_url_to_file(wanted.url, str(path), wanted.sha256, progress=sys.stderr.isatty())
    except (URLError, HTTPException, ConnectionError, TimeoutError) as error:
        raise UserError(
            f"{wanted.url} cannot be fetched ({error}); fetch it where there is a network, and put it here as {path} "
            f"(sha256 {wanted.sha256})"
        ) from error
    except RuntimeError as error:  # torch.hub's for a sha256 that differs
        raise UserError(f"{wanted.url} did not give what was published ({error}); run the command again") from error
    finally:
        socket.setdefaulttimeout(before)
    return path, True


def _demand(path: Path, wanted: Published) -> None:
    got = file_sha256(path)
    if got != wanted.sha256:
        raise UserError(
            f"{path} is there with sha256 {got}, OpenAI's {wanted.name} has {wanted.sha256}; move it away, or give "
            "another folder with --to"
        )
