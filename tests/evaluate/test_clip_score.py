"""CLIP scores, retrieval and colour swaps against OpenAI's own pass and against counting by hand."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from hspcgan.evaluate.config import METRICS, EvaluateConfig
from hspcgan.evaluate.metrics import clip_score as scores
from hspcgan.evaluate.metrics.base import ImageSet, Scored
from hspcgan.evaluate.metrics.colour_swap import COLOURS, colour_swap, swap_colour
from hspcgan.evaluate.run import MEASURES

PAINT = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


class Painter:
    """A scorer that knows pure colours: an image's mean colour, and the sum of the colours that a text names."""

    label, sha256, mode = "painter", "ab" * 32, "mean colour"

    def image_features(self, images):
        return images.reshape(len(images), -1, 3).mean(axis=1).astype(np.float32)

    def text_features(self, texts):
        named = [[PAINT[word] for word in text.split() if word in PAINT] or [(1, 1, 1)] for text in texts]
        return np.array([np.sum(paint, axis=0) for paint in named], dtype=np.float32)


def painted(*names: str) -> np.ndarray:
    return np.stack([np.full((4, 4, 3), PAINT[name], np.uint8) for name in names])


def scored(images: np.ndarray, texts: list[str]) -> Scored:
    return Scored(ImageSet(images), texts, ImageSet(images), "test", "test", [Painter()], None, 0)


def test_image_features_equal_openais_own_pass(tiny_clip):
    images = np.random.default_rng(0).integers(0, 256, (5, 56, 56, 3), dtype=np.uint8)
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073])  # from OpenAI's preprocessing
    std = torch.tensor([0.26862954, 0.26130258, 0.27577711])
    pixels = ((torch.from_numpy(images) / 255 - mean) / std).permute(0, 3, 1, 2)
    with torch.no_grad():
        expected = tiny_clip.network.encode_image(pixels).numpy()
    scorer = scores.ClipScorer("held-out", tiny_clip, batch_size=2)
    np.testing.assert_allclose(scorer.image_features(images), expected, atol=1e-4)


def test_text_features_equal_openais_own_pass_whatever_else_is_asked_for(tiny_clip):
    import clip

    texts = ["a red bird", "a much longer text about a small bird with a blue belly on a branch", "a red bird"]
    with torch.no_grad():
        expected = tiny_clip.network.encode_text(clip.tokenize(texts)).numpy()
    scorer = scores.ClipScorer("held-out", tiny_clip)
    scorer.text_features(["a bird that came before", texts[1]])
    np.testing.assert_allclose(scorer.text_features(texts), expected, atol=1e-4)


def test_clip_score_is_the_mean_raw_cosine_of_pairs():
    (figure,) = scores.clip_score(scored(painted("red", "green", "blue"), ["red", "blue", "red blue"]))
    assert figure.value == pytest.approx((1 + 0 + np.sqrt(0.5)) / 3)
    assert figure.name == "clip_score/painter/n3/test/abababab"
    assert figure.better == "higher"


def test_retrieval_counts_images_that_find_their_own_caption_first():
    images = painted("red", "green", "blue", "red")
    (figure,) = scores.retrieval(scored(images, ["red", "blue", "blue green", "red"]))
    # The fourth image has the same words as the first, which is no rival; the second and third prefer another text.
    assert figure.value == pytest.approx(2 / 4)


def test_first_among_looks_only_at_the_crowd_behind_each_row():
    eye = np.eye(4, dtype=np.float32)
    wrong_pairs = eye[[1, 0, 2, 3]]  # captions of rows 0 and 1 are exchanged
    words = ["a", "b", "c", "d"]
    assert scores.first_among(eye, wrong_pairs, words, crowd=4) == 0.5
    # In a crowd of two, row 0 meets row 1's caption, which is its own image's; row 1 meets row 2's and ties.
    assert scores.first_among(eye, wrong_pairs, words, crowd=2) == 0.5
    assert scores.first_among(eye, eye, words, crowd=4) == 1.0


def test_colour_swap_counts_images_that_show_the_colour_they_should():
    texts = ["a red bird", "a green bird", "a bird", "a blue bird"]
    images = painted("red", "red", "red", "blue")
    (figure,) = colour_swap(scored(images, texts))
    # A green bird drawn red has cosine 0 with its caption, which no swap undercuts; the third names no colour.
    assert figure.n == 3
    assert figure.value == pytest.approx(2 / 3)


def test_colour_swap_without_colours_gives_no_figure():
    assert colour_swap(scored(painted("red"), ["a dog on a chair"])) == []


@pytest.mark.parametrize("text", ["a red bird with a blue belly", "an orange beak", "Gray wings", "two grey birds"])
def test_a_swap_exchanges_exactly_one_colour_for_one_not_named(text):
    swapped = swap_colour(text)
    before, after = text.replace("grey", "gray").split(), swapped.split()
    changed = [(a, b) for a, b in zip(before, after, strict=True) if a.lower() != b.lower() and a not in ("a", "an")]
    assert len(changed) == 1
    old, new = changed[0]
    assert old.lower() in COLOURS
    assert new.lower() in COLOURS
    assert new.lower() not in text.lower().replace("grey", "gray")
    assert swapped == swap_colour(text)


def test_a_swap_mends_the_article_and_keeps_the_capital():
    texts = [f"a bird number {i} with an orange beak" for i in range(30)]
    assert all(" with a " in swap_colour(text) for text in texts)
    into_orange = [swap for i in range(200) if "orange" in (swap := swap_colour(f"bird {i} with a red beak"))]
    assert into_orange
    assert all("with an orange beak" in text for text in into_orange)
    assert swap_colour("Red wings")[0].isupper()


def test_a_swap_leaves_texts_without_a_colour_and_words_that_hold_one():
    assert swap_colour("a bird that is bored and redacted") is None
    assert swap_colour(" ".join(COLOURS)) is None


def test_manifests_may_name_what_can_be_measured_alone():
    assert tuple(MEASURES) == METRICS
    with pytest.raises(ValidationError, match=r"unknown metrics \['isc'\]; known: fid, kid,"):
        EvaluateConfig(metrics=("isc",))


def test_degenerate_figures_are_refused():
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match="is nan: images or features are degenerate"):
        scores.clip_score(scored(np.zeros((1, 4, 4, 3), np.uint8), ["red"]))
