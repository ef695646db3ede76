"""Generates images of a caption and of variants with words replaced, all from the same noise (Fig. 6 of the paper)."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from hspcgan.evaluate.draw.checkpoint import CheckpointChoice, open_for_texts
from hspcgan.evaluate.draw.generate import batch_for, generate_each
from hspcgan.evaluate.draw.out_folder import make_out_folder, require_few, write_each
from hspcgan.evaluate.draw.pictures import captioned_grid, png, slug
from hspcgan.evaluate.draw.texts import clean_texts
from hspcgan.model.common.errors import UsageError
from hspcgan.model.common.files import write_atomically
from hspcgan.model.common.validation import quoted


@dataclass(frozen=True)
class Edits:
    """A caption, the word replacements (one variant for each) and the noise seeds, which all variants share."""

    text: str
    replacements: tuple[tuple[str, str], ...]
    seeds: tuple[int, ...]
    out: Path

    def texts(self) -> list[str]:
        """Returns the caption and its variants.

        UserError if there are no replacements, or if the caption does not contain the words to replace.
        """
        if not self.replacements:
            raise UsageError("nothing is replaced; give --replace OLD NEW, such as --replace white yellow")
        return [self.text, *(replace_words(self.text, old, new) for old, new in self.replacements)]

    def files(self) -> list[Path]:
        """Returns the files to write, sorted by caption and seed, the grid last.

        UserError as in `texts`, `require_few` and `clean_texts`.
        """
        texts = self.texts()
        require_few(len(texts), len(self.seeds))
        clean_texts(texts)
        names = [f"{i:02d}-{slug(text)}" for i, text in enumerate(texts)]
        images = [self.out / f"{name}_seed{seed}.png" for name in names for seed in self.seeds]
        return [*images, self.out / f"{slug(self.text)}_edits.png"]


def edit(edits: Edits, choice: CheckpointChoice) -> list[Path]:
    """Writes an image for each caption and seed, and a grid with one row per seed; returns the paths.

    UserError as in `Edits.files` and `make_out_folder`, and for weights that are missing or do not match.
    """
    paths, texts, count = edits.files(), edits.texts(), len(edits.seeds)
    make_out_folder(paths)
    loaded, condition = open_for_texts(choice, texts)
    by_seed = [(row, number) for number in range(count) for row in range(len(texts))]  # the order of the grid
    images = generate_each(
        loaded.generator,
        condition,
        [row for row, _ in by_seed],
        [edits.text] * len(by_seed),
        [edits.seeds[number] for _, number in by_seed],
        batch_for(loaded.config.image_size),
    )
    shown = write_each(images, [paths[row * count + number] for row, number in by_seed])
    write_atomically(paths[-1], png(captioned_grid(shown, texts * count, columns=len(texts))))
    return paths


def replace_words(text: str, old: str, new: str) -> str:
    """Replaces `old` with `new` wherever it occurs as whole words. UserError if the caption does not contain it."""
    text, old = (unicodedata.normalize("NFC", part) for part in (text, old))  # as in clean_caption
    changed, count = re.subn(rf"(?<!\w){re.escape(old)}(?!\w)", lambda match: new, text)
    if not old.strip() or not count:
        raise UsageError(f"--replace {quoted(old)}: not in the caption {quoted(text)}; give words from the caption")
    return changed
