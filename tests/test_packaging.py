"""A wheel holds what the repository's rooms hold: an editable install never notices a file that is left out."""

import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import requires
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROOMS = ("pipeline", "model", "train", "evaluate", "manifests")


def test_a_wheel_holds_every_file_of_the_rooms(tmp_path):
    for room in ROOMS:
        shutil.copytree(ROOT / room, tmp_path / "tree" / room, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / "tree" / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    done = subprocess.run([*command, "--wheel-dir", tmp_path, tmp_path / "tree"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    held = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("hspcgan/")}
    files = (path for room in ROOMS for path in (tmp_path / "tree" / room).rglob("*") if path.is_file())
    assert held == {f"hspcgan/{path.relative_to(tmp_path / 'tree').as_posix()}" for path in files}


def test_the_extra_all_holds_every_other_but_the_developers_and_study_holds_what_it_imports():
    extras: dict[str, set[str]] = {}
    for requirement in requires("hspcgan") or ():
        found = re.match(r"([\w.-]+).*extra == ['\"]([\w-]+)['\"]", requirement)
        if found:
            extras.setdefault(found[2], set()).add(found[1].lower())
    for extra in extras.keys() - {"dev", "all"}:
        assert extras[extra] <= extras["all"], extra
    assert {"matplotlib", "scipy", "jinja2"} <= extras["study"]
