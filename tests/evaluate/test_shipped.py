"""The shipped checkpoint: does it draw what unseen captions say, by a scorer that no generator was trained against?"""

import numpy as np
import torch

from hspcgan.evaluate.draw.checkpoint import CheckpointChoice, open_for_texts
from hspcgan.evaluate.draw.generate import generate
from hspcgan.evaluate.metrics.colour_swap import swap_colour
from hspcgan.evaluate.metrics.cosine import cosine
from hspcgan.model.clip.frozen import FrozenClip, load_clip
from hspcgan.pipeline.manifest import weights_path
from hspcgan.pipeline.toybirds.captions import captions
from hspcgan.pipeline.toybirds.scene import sample_scenes

UNSEEN = 7_000_021  # seed of scenes that no training draws


def text_features(scorer: FrozenClip, texts: list[str]) -> np.ndarray:
    return scorer.encode_text(scorer.tokenize(texts)[0])[0].numpy()


@torch.inference_mode()
def test_the_held_out_scorer_prefers_the_caption_to_one_with_a_colour_swapped():
    scenes = [scene for scene in sample_scenes(400, UNSEEN) if scene.split == "test"]
    said = [captions(scene)[i % 5].text for i, scene in enumerate(scenes)]
    pairs = [(text, swapped) for text in said if (swapped := swap_colour(text)) is not None][:40]
    own, other = ([pair[side] for pair in pairs] for side in (0, 1))
    assert len(own) == 40
    loaded, condition = open_for_texts(CheckpointChoice("toy-hspcgan"), own)
    images = torch.from_numpy(generate(loaded.generator, condition, own)).permute(0, 3, 1, 2).float() / 127.5 - 1
    scorer = load_clip(weights_path("toy-scorer"))
    seen = scorer.image_features(images).numpy()
    preferred = cosine(seen, text_features(scorer, own)) > cosine(seen, text_features(scorer, other))
    assert preferred.mean() >= 0.8
