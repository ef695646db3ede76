"""CUB-200-2011 with the ten captions of Reed et al. (CVPR 2016) and the bounding boxes of the birds.

The expected tree; PATH may also be the folder CUB_200_2011 itself:

    PATH/CUB_200_2011/images.txt              lines ID CLASS/NAME.jpg
    PATH/CUB_200_2011/bounding_boxes.txt      lines ID X Y WIDTH HEIGHT
    PATH/CUB_200_2011/train_test_split.txt    lines ID 1|0, read only for `split: images`
    PATH/CUB_200_2011/images/CLASS/NAME.jpg
    PATH/text_c10/CLASS/NAME.txt              one caption per line; PATH/text/, as repackaged for GANs, is read as well
    PATH/testclasses.txt                      one CLASS per line, from the archive of Reed et al., for `split: classes`

The folder of the captions and testclasses.txt may also be inside CUB_200_2011 or inside PATH/cvpr2016_cub.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.files import file_sha256
from hspcgan.model.common.user_files import MAX_TEXT, read_bytes, read_text, require_utf8
from hspcgan.pipeline.sources.base import Box, Entry, Item, list_folders, short_repr
from hspcgan.pipeline.sources.files_below import name_hint
from hspcgan.pipeline.sources.fingerprints import MAX_CAPTION_BYTES, hash_lines, image_state, text_state
from hspcgan.pipeline.sources.readers.caption_files import require_few
from hspcgan.pipeline.sources.split import first_of_each_key

MAX_COORDINATE = 2**29
"""Pixels; the cache stores boxes as 32-bit integers."""
_EXPECTED = (
    "PATH/CUB_200_2011/{images.txt, bounding_boxes.txt, images/CLASS/NAME.jpg}, PATH/text_c10/CLASS/NAME.txt "
    "(or text/) and PATH/testclasses.txt"
)


@dataclass(frozen=True)
class _Files:
    image: Path | None  # None for a name outside images/, and for captions without an image
    captions: Path | None
    box: Box | None
    problem: str | None = None


class CubSource:
    """CUB images, with keys CLASS/NAME.

    By default the test split consists of the classes listed in testclasses.txt, which do not occur in training.
    """

    def __init__(self, path: Path, split: str) -> None:
        self.root, self.split = path, split
        home = next((h for h in (self.root / "CUB_200_2011", self.root) if (h / "images.txt").is_file()), None)
        if home is None:
            raise UserError(self._layout_error("CUB_200_2011/images.txt"))
        self.home = home
        for name in ("bounding_boxes.txt", "images"):
            if not (home / name).exists():
                raise UserError(self._layout_error(f"{home.name}/{name}"))
        self.texts = self._find_part("text_c10", "text")
        wanted = "testclasses.txt" if self.split == "classes" else "train_test_split.txt"
        self.split_file = self._find_part(wanted)

    def _find_part(self, *names: str) -> Path:
        places = (self.root, self.home, self.root / "cvpr2016_cub")
        found = next((place / name for name in names for place in places if (place / name).exists()), None)
        if found is not None:
            return found
        missing = self._layout_error(" or ".join(names))
        if names == ("testclasses.txt",):
            missing += "; or set data.split: images to use CUB's own split, in which every class occurs in training"
        raise UserError(missing)

    def _layout_error(self, missing: str) -> str:
        found = list_folders(self.root, self.root / "CUB_200_2011")
        return f"not CUB's tree: no {missing}; found {found}; expected {_EXPECTED}; set data.path to that PATH"

    def entries(self) -> Sequence[Entry]:
        boxes = {
            number: self._box(number, rest) for number, rest in _split_numbered_lines(self.home / "bounding_boxes.txt")
        }
        lines = read_text(self.split_file).split()
        if self.split == "classes":
            test_classes, trained = set(lines), {}
        else:
            test_classes, trained = set(), dict(_split_numbered_lines(self.split_file))
        entries = []
        for number, name in _split_numbered_lines(self.home / "images.txt"):
            inside = PurePosixPath(name)
            key = inside.with_suffix("").as_posix() if inside.name else name
            if inside.is_absolute() or ".." in inside.parts or len(inside.parts) != 2 or "\0" in name:
                files = _Files(None, None, None, f"images.txt: not of the form CLASS/NAME.jpg: {short_repr(name)}")
            else:
                problem = None if number in boxes else f"bounding_boxes.txt has no line for ID {number}"
                if self.split == "images" and number not in trained:
                    problem = f"{self.split_file.name} has no line for ID {number}"
                elif self.split == "images" and trained[number] not in ("0", "1"):
                    problem = (
                        f"{self.split_file.name}: got {short_repr(trained[number])} for ID {number}, expected 0 or 1"
                    )
                files = _Files(self.home / "images" / name, self.texts / f"{key}.txt", boxes.get(number), problem)
            is_test = key.split("/")[0] in test_classes if self.split == "classes" else trained.get(number) == "0"
            entries.append(Entry(key, "test" if is_test else "train", f"images/{name}", files))
        if not entries:
            raise UserError(f"{self.home}/images.txt lists no image; download the dataset again")
        unknown = test_classes - {entry.key.split("/")[0] for entry in entries}
        if unknown:
            raise UserError(f"{self.split_file}: {sorted(unknown)[:3]} are not classes in {self.home}/images.txt")
        entries, others = first_of_each_key(entries)
        return entries + others + self._captions_without_image({entry.ref.captions for entry in entries})

    def _captions_without_image(self, known: set[Path | None]) -> list[Entry]:
        """Returns an entry for each caption file without an image in images.txt; ingest rejects these entries."""
        orphans = []
        for path in sorted(self.texts.rglob("*.txt")):
            if path not in known and not path.name.startswith("."):
                where = path.relative_to(self.texts)
                files = _Files(None, path, None, "captions without an image in images.txt")
                orphans.append(Entry(where.as_posix(), "train", f"{self.texts.name}/{where.as_posix()}", files))
        return orphans

    def _box(self, number: str, text: str) -> Box:
        try:
            x, y, width, height = (int(float(word)) for word in text.split())
            if max(map(abs, (x, y, width, height))) > MAX_COORDINATE:
                raise ValueError
        except (ValueError, OverflowError):
            raise UserError(
                f"{self.home}/bounding_boxes.txt: got {f'{number} {text}'!r}, expected ID X Y WIDTH HEIGHT, "
                f"numbers of at most {MAX_COORDINATE:,}"
            ) from None
        return x, y, x + width, y + height

    def read(self, entry: Entry) -> Item:
        files: _Files = entry.ref
        captions: tuple[bytes, ...] = ()
        problem = files.problem
        if files.captions is not None:
            try:
                text = read_bytes(files.captions, MAX_CAPTION_BYTES)
                require_utf8(text, files.captions)
                lines = tuple(text.rstrip(b"\r\n").splitlines())
                require_few(lines, files.captions.name)
                captions = lines
                problem = problem or (None if captions else f"no captions: {files.captions} is empty")
            except OSError as error:
                problem = problem or f"no captions: {files.captions}: {error.strerror or error}"
            except UserError as error:
                problem = problem or str(error)
        if files.image is None:
            return Item(entry, None, captions, problem)
        try:
            return Item(entry, read_bytes(files.image), captions, problem, files.box)
        except OSError as error:
            hint = name_hint(files.image) if isinstance(error, FileNotFoundError) else ""
            return Item(entry, None, captions, f"cannot be read: {error.strerror or error}{hint}")

    def signature(self) -> str:
        entries = self.entries()  # raises for a list that is too large, before its bytes are hashed
        lists = (self.home / "images.txt", self.home / "bounding_boxes.txt", self.split_file)
        lines = [file_sha256(path) for path in lists]
        for entry in entries:
            files: _Files = entry.ref
            seen = "" if files.image is None else image_state(files.image)
            text = "" if files.captions is None else text_state(files.captions)
            lines.append(f"{entry.key}\t{seen}\t{text}")
        return hash_lines(lines)


def _split_numbered_lines(path: Path) -> list[tuple[str, str]]:
    """Splits lines "ID REST" into pairs; raises UserError for a line of another form or with a repeated ID.

    Bytes that are not UTF-8 become surrogates, as in the names of files, so that only their image is rejected.
    """
    content = read_bytes(path, MAX_TEXT)
    require_utf8(content, path)
    pairs: dict[str, str] = {}
    for place, line in enumerate(content.decode("utf-8-sig", "surrogateescape").split("\n"), start=1):
        number, _, rest = line.strip().partition(" ")
        if not number:
            continue
        if not number.isdigit() or not rest:
            raise UserError(f"{path}, line {place}: got {line[:60]!r}, expected a number, a space and a value")
        if number in pairs:
            raise UserError(
                f"{path}, line {place}: ID {number} is already used for {pairs[number]!r}; keep one of the lines"
            )
        pairs[number] = rest.strip()
    return list(pairs.items())
