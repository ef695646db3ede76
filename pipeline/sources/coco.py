"""COCO captions in the official tree: annotations/captions_{train,val}YEAR.json and [images/]{train,val}YEAR/."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.files import file_sha256
from hspcgan.model.common.user_files import UnfitFileError, read_bytes, read_json
from hspcgan.pipeline.sources.base import Entry, Item, list_folders, short_repr
from hspcgan.pipeline.sources.files_below import name_hint
from hspcgan.pipeline.sources.fingerprints import hash_lines
from hspcgan.pipeline.sources.readers.caption_files import require_few
from hspcgan.pipeline.sources.split import ImageStates, first_of_each_key, split_by_image

WORDS = {int: "a whole number", str: "a string", object: "any value"}
FIELDS = {"images": {"id": int, "file_name": str}, "annotations": {"id": int, "image_id": int, "caption": object}}
"""The fields of each list that are used, with their types."""
MAX_ANNOTATIONS = 2**31
_ANNOTATIONS = re.compile(r"captions_(train|val)(\d{4})\.json")


@dataclass(frozen=True)
class _Record:
    image: Path | None
    captions: tuple[object, ...]
    problem: str | None = None


class CocoSource:
    """COCO captions; val becomes the test split, and keys are the stems of the image files."""

    def __init__(self, path: Path, test_fraction: float, year: int | None) -> None:
        self.root, self.fraction = path, test_fraction
        self._pictures = ImageStates()
        self._parts = self._find(year)

    def _find(self, year: int | None) -> list[tuple[str, Path, Path]]:
        """Returns (split, annotation file, image folder) of each part. Raises UserError if the tree is not COCO's."""
        matches = [
            (match, path)
            for path in sorted((self.root / "annotations").glob("captions_*.json"))
            if (match := _ANNOTATIONS.fullmatch(path.name))
        ]
        years = sorted({int(match[2]) for match, _ in matches})
        if year is None and len(years) > 1:
            raise UserError(
                f"{self.root}/annotations contains several years ({', '.join(map(str, years))}) with overlapping "
                "images; choose a year with data.year"
            )
        chosen = [(match, path) for match, path in matches if year is None or int(match[2]) == year]
        if not chosen:
            raise UserError(self._layout_error(f"annotations/captions_{{train,val}}{year or 'YEAR'}.json"))
        parts = []
        for match, path in chosen:
            name = match[1] + match[2]
            folders = [self.root / "images" / name, self.root / name]
            folder = next((folder for folder in folders if folder.is_dir()), None)
            if folder is None:
                raise UserError(self._layout_error(f"images/{name}/ or {name}/ for {path.name}"))
            parts.append(("test" if match[1] == "val" else "train", path, folder))
        return parts

    def _layout_error(self, missing: str) -> str:
        found = list_folders(self.root, self.root / "annotations", self.root / "images")
        return (
            f"not COCO's tree: no {missing}; found {found}; expected PATH/annotations/"
            "captions_{train,val}YEAR.json and PATH/images/{train,val}YEAR/*.jpg; set data.path to that PATH"
        )

    @cached_property
    def _listed(self) -> tuple[list[Entry], list[Entry]]:
        """Two lists: entries of images, and entries of rejected captions and images."""
        parts = [_read_part(*part, self.root) for part in self._parts]
        return [entry for images, _ in parts for entry in images], [entry for _, orphans in parts for entry in orphans]

    def entries(self) -> Sequence[Entry]:
        images, orphans = self._listed
        images, others = first_of_each_key(images)
        split = split_by_image(images, self.fraction, lambda entry: self._pictures.identity(entry.ref.image))
        return split + others + orphans

    def read(self, entry: Entry) -> Item:
        record: _Record = entry.ref
        if record.problem is not None or record.image is None:
            return Item(entry, None, record.captions, record.problem)
        try:
            require_few(record.captions, entry.where)
        except UserError as error:
            return Item(entry, None, (), str(error))
        try:
            problem = None if record.captions else "no captions in the annotations"
            return Item(entry, read_bytes(record.image), record.captions, problem)
        except FileNotFoundError:
            return Item(entry, None, record.captions, f"missing image file: {record.image}{name_hint(record.image)}")
        except OSError as error:
            return Item(entry, None, record.captions, f"cannot be read: {error.strerror or error}")

    def signature(self) -> str:
        images, _ = self._listed  # raises for a file that is too large, before its bytes are hashed
        lines = [f"{path.name}\t{file_sha256(path)}" for _, path, _ in self._parts]
        lines += [f"{entry.where}\t{self._pictures.state(entry.ref.image)}" for entry in images if entry.ref.image]
        return hash_lines(lines)


def _read_part(split: str, annotations: Path, folder: Path, root: Path) -> tuple[list[Entry], list[Entry]]:
    """Returns the entries of the images in an annotation file, sorted by key, and of all that belongs to no image."""
    content = _load(annotations)
    images, others = _usable_rows(annotations, "images", content["images"])
    rows, unusable = _usable_rows(annotations, "annotations", content["annotations"])
    _require_unique_ids(annotations, images)
    captions: dict[Any, list[object]] = {image["id"]: [] for image in images}
    others += unusable
    for row in sorted(rows, key=lambda row: row["id"]):
        if row["image_id"] in captions:
            captions[row["image_id"]].append(row["caption"])
        else:
            problem = f"annotation {row['id']} refers to image {row['image_id']}, which is not in `images`"
            others.append((str(row["id"]), _Record(None, (row["caption"],), problem)))
    orphans = [Entry(f"{annotations.stem}#{place}", split, f"{annotations.name}#{place}", record)
               for place, record in others]  # fmt: skip
    entries = []
    for image in images:
        name = PurePosixPath(image["file_name"])
        inside = not name.is_absolute() and ".." not in name.parts and bool(name.name) and "\0" not in str(name)
        record = _Record(
            folder / name if inside else None,
            tuple(captions[image["id"]]),
            None if inside else f"file_name is not inside {folder.name}/: {short_repr(str(name))}",
        )
        where = (folder.relative_to(root) / name).as_posix() if inside else f"{annotations.name}: image {image['id']}"
        key = name.with_suffix("").as_posix() if name.name else f"image {image['id']}"
        entries.append(Entry(key, split, where, record))
    return sorted(entries, key=lambda entry: entry.key), orphans


def _require_unique_ids(path: Path, images: list[dict]) -> None:
    """Raises UserError if several images have the same id, since their annotations would be ambiguous."""
    names: dict[int, list[str]] = {}
    for image in images:
        names.setdefault(image["id"], []).append(image["file_name"])
    twice = {number: files for number, files in names.items() if len(files) > 1}
    if twice:
        shown = "; ".join(f"{number}: {', '.join(files)}" for number, files in list(twice.items())[:5])
        raise UserError(f"{path}: {len(twice)} id(s) are used by several `images` ({shown}); keep one per id")


def _load(path: Path) -> dict:
    """Loads an annotation file with its lists; raises UserError naming the file, and the position if it is not JSON."""
    try:
        content = read_json(path, MAX_ANNOTATIONS)
    except UnfitFileError:
        raise
    except UserError as error:
        raise UserError(f"{error}; if the download was interrupted, download it again") from error
    for part in FIELDS:
        rows = content.get(part) if isinstance(content, dict) else None
        if not isinstance(rows, list):
            got = ", ".join(content) if isinstance(content, dict) else type(content).__name__
            raise UserError(f"{path}: no list `{part}`; got {got[:120]}; expected the layout of COCO captions")
    return content


def _usable_rows(path: Path, part: str, rows: list[Any]) -> tuple[list[dict], list[tuple[str, _Record]]]:
    """Returns the rows of a list that have its FIELDS, and the places of the others with their rejects.

    Raises UserError if no row has them, since the file is then of another kind. A caption may have any type here;
    ingest rejects captions that are not strings.
    """
    usable, others = [], []
    for index, row in enumerate(rows):
        bad = [name for name, kind in FIELDS[part].items()
               if not isinstance(row, dict) or name not in row or not isinstance(row[name], kind)]  # fmt: skip
        if not bad:
            usable.append(row)
            continue
        wanted = ", ".join(f"{name} ({WORDS[FIELDS[part][name]]})" for name in bad)
        captions = (row["caption"],) if isinstance(row, dict) and "caption" in row else ()
        place = f"{part}[{index}]"
        others.append((place, _Record(None, captions, f"{place} lacks {wanted}: got {short_repr(row)}")))
    if rows and not usable:
        raise UserError(f"{path}: {others[0][1].problem}")
    return usable, others
