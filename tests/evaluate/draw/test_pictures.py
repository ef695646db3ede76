"""Images side by side: sheets that can be cut again, grids with captions, file names of texts."""

import numpy as np
import pytest

from hspcgan.evaluate.draw.pictures import captioned_grid, paired_sheet, sheet, slug, split_paired_sheet, tiles


def test_a_sheet_is_cut_into_the_tiles_it_was_made_of():
    images = np.random.default_rng(0).integers(0, 256, (11, 5, 7, 3), dtype=np.uint8)
    np.testing.assert_array_equal(tiles(sheet(images), 11, (5, 7)), images)
    np.testing.assert_array_equal(tiles(sheet(images[:3]), 3, (5, 7)), images[:3])
    with pytest.raises(ValueError, match="is too small for 20 tiles"):
        tiles(sheet(images), 20, (5, 7))


def test_pairs_stand_one_above_the_other():
    canvas = paired_sheet(*(np.full((9, 4, 4, 3), shade, dtype=np.uint8) for shade in (10, 20)))
    assert canvas.shape == (4 * 6 + 2, 8 * 6 + 2, 3)
    assert [canvas[row, 2, 0] for row in (2, 8, 14, 20)] == [10, 20, 10, 20]
    assert canvas[20, 8, 0] == 255


@pytest.mark.parametrize("count", [1, 3, 8, 11])
def test_a_paired_sheet_is_cut_into_what_stood_above_and_below(count):
    above, below = np.random.default_rng(0).integers(0, 256, (2, count, 5, 7, 3), dtype=np.uint8)
    found = split_paired_sheet(paired_sheet(above, below), count, (5, 7))
    np.testing.assert_array_equal(found[0], above)
    np.testing.assert_array_equal(found[1], below)


def test_a_captioned_grid_enlarges_small_images_and_has_room_for_every_line():
    images = np.zeros((3, 56, 56, 3), np.uint8)
    short = captioned_grid(images, ["a bird"] * 3, columns=2)
    long = captioned_grid(images, ["a bird " * 30] * 3, columns=2)
    assert short.shape[1] == long.shape[1] == 2 * 168 + 3 * 12
    assert long.shape[0] > short.shape[0] + 100


@pytest.mark.parametrize("text", ["bird " * 900, "b" * 10_000])
def test_a_long_caption_does_not_make_a_grid_high(text):
    images = np.zeros((3, 56, 56, 3), np.uint8)
    assert captioned_grid(images, ["a bird", text, "a bird"], columns=3).shape == (12 + 168 + 8 + 12 * 17 + 12, 552, 3)


@pytest.mark.parametrize(
    ("text", "name"), [("A red bird!", "a-red-bird"), ("../../etc", "etc"), ("¿…?", "text"), ("été – 鳥", "été-鳥")]
)
def test_file_names_hold_words_alone(text, name):
    assert slug(text) == name


@pytest.mark.parametrize("text", ["鸟" * 70, "𝐛" * 70, "é" * 200, "a" * 200])
def test_a_name_fits_into_the_bytes_that_a_file_system_allows(text):
    assert 57 <= len(slug(text).encode()) <= 60
