"""A folder of three images and of names that are not files, for tables."""

import os
from pathlib import Path

import pytest
from helpers.datasets import picture, write


@pytest.fixture
def data(tmp_path) -> Path:
    folder = tmp_path / "data"
    for number in range(3):
        write(folder / f"{number}.png", picture(number))
    (folder / "sub").mkdir()
    os.mkfifo(folder / "pipe.png")
    (folder / "link.png").symlink_to("/dev/zero")
    return folder
