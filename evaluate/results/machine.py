"""Describes the environment of a result, for result files and the history: commit, machine and versions."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

PACKAGES = ("hspcgan", "torch", "clean-fid", "scipy", "numpy", "openai-clip")


@cache
def versions() -> dict[str, str]:
    """Returns the versions of packages that metric values depend on; "–" for a package that is not installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "–"
    return found


@cache
def machine() -> dict[str, str | int]:
    """Returns the commit of the code (empty outside a checkout), host, CPU, threads, GPU and Python version."""
    return {
        "commit": _commit(),
        "host": socket.gethostname(),
        "cpu": _cpu(),
        "cores": os.cpu_count() or 0,
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name(0) if torch.cuda.is_available() else "",
        "python": platform.python_version(),
        "system": platform.platform(),
    }


def _commit() -> str:
    folder = Path(__file__).parent
    try:
        done = subprocess.run(["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12"],
                              capture_output=True, text=True, timeout=10, check=False)  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
