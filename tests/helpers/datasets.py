"""Small datasets made by code, for the tests of the pipeline."""

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image


def picture(seed: int = 0, size: tuple[int, int] = (20, 16), kind: str = "PNG") -> bytes:
    """An encoded image of random pixels, width × height."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def write(path: Path, content: bytes | str) -> Path:
    """A file with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def folder_dataset(root: Path, count: int = 6) -> Path:
    """`count` images with two captions each; the second caption is the same for all."""
    colours = ["red", "blue", "yellow", "green", "black", "white"]
    for number in range(count):
        write(root / f"img{number:03d}.png", picture(number))
        own = f"a {colours[number % 6]} bird on a branch {number}"
        write(root / f"img{number:03d}.txt", f"{own}\na bird with a long beak\n")
    return root


def coco_dataset(root: Path, nested: bool = True) -> Path:
    """Three training images and one for validation, in the official tree, with or without the images/ level."""
    images = root / "images" if nested else root
    for split, numbers in {"train": (1, 2, 3), "val": (4,)}.items():
        for number in numbers:
            write(images / f"{split}2017" / f"{number:012d}.jpg", picture(number, kind="JPEG"))
        content = {
            "images": [{"id": n, "file_name": f"{n:012d}.jpg"} for n in numbers],
            "annotations": [
                {"id": 10 * n + k, "image_id": n, "caption": f"A dog number {n}, caption {k}."}
                for n in numbers
                for k in range(2)
            ],
        }
        write(root / "annotations" / f"captions_{split}2017.json", json.dumps(content))
    return root


def cub_dataset(root: Path, nested: bool = True, texts: str = "text_c10") -> Path:
    """Three classes of two birds with ten captions each, in CUB-200-2011's tree with Reed et al.'s captions."""
    home = root / "CUB_200_2011" if nested else root
    classes = ["001.Black_footed_Albatross", "002.Laysan_Albatross", "004.Groove_billed_Ani"]
    names = [f"{kind}/{kind[4:]}_{number:04d}_{number}" for kind in classes for number in (1, 2)]
    for number, name in enumerate(names, start=1):
        write(home / "images" / f"{name}.jpg", picture(number, (40, 30), "JPEG"))
        captions = [f"this bird is number {number}, seen {k} times.\n" for k in range(10)]
        write(root / texts / f"{name}.txt", "".join(captions))
    write(home / "images.txt", "".join(f"{n} {name}.jpg\n" for n, name in enumerate(names, start=1)))
    write(home / "bounding_boxes.txt", "".join(f"{n} {n}.0 4.0 12.0 8.0\n" for n in range(1, 7)))
    write(home / "train_test_split.txt", "".join(f"{n} {n % 2}\n" for n in range(1, 7)))
    write(root / "testclasses.txt", "002.Laysan_Albatross\n")
    return root


def tar_shard(path: Path, members: dict[str, bytes]) -> Path:
    """An uncompressed tar of files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in members.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    return write(path, buffer.getvalue())


def webdataset(root: Path) -> Path:
    """Two shards of two samples as img2dataset writes them, with its tables and statistics beside them."""
    for shard in range(2):
        members = {}
        for number in range(2):
            key = f"{shard:05d}{number:04d}"
            about = {"caption": f"a photo of bird {key}", "url": "https://example.org/x.jpg", "key": key,
                     "status": "success", "error_message": None, "width": 20, "height": 16}  # fmt: skip
            members |= {f"{key}.jpg": picture(2 * shard + number, kind="JPEG"), f"{key}.txt": about["caption"].encode(),
                        f"{key}.json": json.dumps(about, indent=4).encode()}  # fmt: skip
        tar_shard(root / f"{shard:05d}.tar", members)
        write(root / f"{shard:05d}_stats.json", json.dumps({"count": 2, "successes": 2}))
        write(root / f"{shard:05d}.parquet", b"PAR1")
    return root


def manifest(
    path: Path, dataset: Path, clip: Path, source: str = "folder", views: Sequence[str] = (), **data: object
) -> Path:
    """A manifest file for the offline stages, with the spaCy annotator; its cache is `path` with suffix .cache."""
    content = {
        "name": "small",
        "cache": str(path.with_suffix(".cache")),
        "data": {"source": source, "path": str(dataset), "image_size": 16, **data},
        "parse": {"annotator": "spacy"},
        "encode": {"clip": str(clip), "device": "cpu"},
        "taps": {"views": list(views)},
    }
    return write(path, json.dumps(content))  # JSON is YAML
