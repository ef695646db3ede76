"""Images and features on disk: kept, resumed, shared between processes, and told apart by what they depend on."""

import numpy as np
import pytest

from hspcgan.evaluate.draw.pictures import png
from hspcgan.evaluate.scored.drawings import draw
from hspcgan.evaluate.scored.images import BATCH, DrawnImages, FeatureStore, FolderImages, batches, first, image_name


def picture(index: int) -> np.ndarray:
    return np.full((4, 4, 3), index % 256, np.uint8)


class Generator:
    """Draws batches of pictures and counts which."""

    def __init__(self, count: int):
        self.count, self.drawn = count, []

    def __call__(self, index: int) -> np.ndarray:
        self.drawn.append(index)
        return np.stack([picture(i) for i in range(index * BATCH, min((index + 1) * BATCH, self.count))])


class Mean:
    """A scorer of mean colours that counts the images it was given."""

    label, sha256, mode = "mean", "ab" * 32, "mean"

    def __init__(self):
        self.seen = 0

    def image_features(self, images):
        self.seen += len(images)
        return images.reshape(len(images), -1, 3).mean(1).astype(np.float32)


def test_batches_are_drawn_once_and_read_again_by_another_process(tmp_path):
    generator = Generator(70)
    whole = np.concatenate(list(batches(DrawnImages(tmp_path, "k" * 64, 70, generator))))
    assert whole.shape == (70, 4, 4, 3)
    again = DrawnImages(tmp_path, "k" * 64, 70, lambda index: pytest.fail("drawn again"))
    np.testing.assert_array_equal(np.concatenate(list(batches(again))), whole)
    assert first(again, 40).shape[0] == 40
    assert generator.drawn == [0, 1, 2]


def test_a_killed_drawing_goes_on_with_the_missing_batches(tmp_path):
    generator = Generator(100)
    images = DrawnImages(tmp_path, "k" * 64, 100, generator)
    images.batch(0), images.batch(2)
    draw(images, "x")
    assert generator.drawn == [0, 2, 1, 3]
    (images.folder / "000001.npy").write_bytes(b"cut short")
    assert images.batch(1)[0, 0, 0, 0] == BATCH


def test_processes_share_the_batches_and_the_first_draws_what_is_missing(tmp_path, monkeypatch):
    def work(rank: int) -> list[int]:
        generator = Generator(160)
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", "3")
        draw(DrawnImages(tmp_path, "k" * 64, 160, generator), "x")
        return generator.drawn

    assert work(1) == [1, 4]
    assert work(0) == [0, 3, 2]  # of its share, then of process 2, which never came
    assert work(2) == []


def test_features_are_computed_once_by_images_and_scorer(tmp_path):
    store, scorer = FeatureStore(tmp_path), Mean()
    images = DrawnImages(tmp_path, "k" * 64, 70, Generator(70))
    features = store.of(images, scorer)
    np.testing.assert_array_equal(features[:, 0], np.arange(70))
    np.testing.assert_array_equal(store.of(images, scorer), features)
    assert scorer.seen == 70
    other = Mean()
    other.sha256 = "cd" * 32
    store.of(images, other)
    store.of(DrawnImages(tmp_path, "l" * 64, 70, Generator(70)), scorer)
    assert (other.seen, scorer.seen) == (70, 140)


def test_what_is_discarded_is_computed_again(tmp_path):
    store, scorer, generator = FeatureStore(tmp_path), Mean(), Generator(40)
    images = DrawnImages(tmp_path, "k" * 64, 40, generator)
    store.of(images, scorer)
    store.discard(images, [scorer])
    assert not list(tmp_path.rglob("*.npy"))
    store.of(images, scorer)
    assert (scorer.seen, generator.drawn) == (80, [0, 1, 0, 1])


def test_a_folder_of_images_is_read_by_caption_id(tmp_path):
    ids = ["bird-1#0", "a/b c", "x" * 3]
    long = image_name("n" * 300 + "#0.png"), image_name("n" * 300 + "#1.png")
    assert len(set(long)) == 2
    assert max(map(len, long)) < 255
    assert [image_name(one) for one in ids] == ["bird-1#0.png", "a%2Fb%20c.png", "xxx.png"]
    for i, one in enumerate(ids):
        (tmp_path / image_name(one)).write_bytes(png(picture(i)))
    images = FolderImages(tmp_path, ids)
    np.testing.assert_array_equal(images.batch(0)[:, 0, 0, 0], [0, 1, 2])
    key = images.key
    (tmp_path / "xxx.png").write_bytes(png(picture(9)))
    assert FolderImages(tmp_path, ids).key != key


def test_missing_images_and_other_sizes_are_named(tmp_path):
    (tmp_path / "a.png").write_bytes(png(picture(1)))
    with pytest.raises(ValueError, match=r"lacks 2 of 3 images: b\.png, c\.png"):
        FolderImages(tmp_path, ["a", "b", "c"])
    (tmp_path / "b.png").write_bytes(png(np.zeros((5, 4, 3), np.uint8)))
    with pytest.raises(ValueError, match=r"b\.png has \(5, 4\) px, but a\.png has \(4, 4\); use equal sizes"):
        FolderImages(tmp_path, ["a", "b"]).batch(0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_kept_features_that_are_not_finite_are_computed_again_and_logged(tmp_path, caplog, value):
    store, scorer = FeatureStore(tmp_path), Mean()
    images = DrawnImages(tmp_path, "k" * 64, 70, Generator(70))
    whole = store.of(images, scorer)
    (path,) = tmp_path.glob("features/*/*.npy")
    damaged = whole.copy()
    damaged[3, 1] = value
    np.save(path, damaged)
    for seen in (140, 140):  # the second time they are read
        np.testing.assert_array_equal(store.of(images, scorer), whole)
        assert scorer.seen == seen
    assert caplog.messages == [f"{path} is damaged; computing its content again"]


def test_features_of_a_scorer_that_are_not_finite_are_not_kept(tmp_path, caplog):
    class Broken(Mean):
        def image_features(self, images):
            return super().image_features(images) * np.float32(np.nan)

    store, images = FeatureStore(tmp_path), DrawnImages(tmp_path, "k" * 64, 40, Generator(40))
    for _ in range(2):
        assert np.isnan(store.of(images, Broken())).all()
    assert not list(tmp_path.glob("features/*/*"))
    assert caplog.messages == []


@pytest.mark.parametrize(
    "kept", [np.zeros((32, 4, 4, 3)), np.zeros((31, 4, 4, 3), np.uint8), np.zeros((32, 4, 4), np.uint8),
             np.zeros((32, 4, 4, 4), np.uint8), np.zeros((), np.uint8)],
)  # fmt: skip
def test_a_kept_batch_of_another_kind_is_drawn_again_and_logged(tmp_path, caplog, kept):
    generator = Generator(70)
    images = DrawnImages(tmp_path, "k" * 64, 70, generator)
    whole = images.batch(0)
    np.save(images.folder / "000000.npy", kept)
    np.testing.assert_array_equal(images.batch(0), whole)
    np.testing.assert_array_equal(images.batch(0), whole)
    assert generator.drawn == [0, 0]
    assert caplog.messages == [f"{images.folder / '000000.npy'} is damaged; computing its content again"]
