"""The scoring networks against OpenAI's own pass and clean-fid's functions; small networks in Inception's format."""

import tempfile

import numpy as np
import pytest
import torch
from torch import nn

from hspcgan.evaluate.scored import scorers

FILE = "inception-2015-12-05.pt"


def test_image_features_equal_openais_own_pass(tiny_clip):
    images = np.random.default_rng(0).integers(0, 256, (5, 56, 56, 3), dtype=np.uint8)
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073])  # from OpenAI's preprocessing
    std = torch.tensor([0.26862954, 0.26130258, 0.27577711])
    pixels = ((torch.from_numpy(images) / 255 - mean) / std).permute(0, 3, 1, 2)
    with torch.no_grad():
        expected = tiny_clip.network.encode_image(pixels).numpy()
    scorer = scorers.ClipScorer("held-out", tiny_clip)
    np.testing.assert_allclose(scorer.image_features(images), expected, atol=1e-4)


def test_text_features_equal_openais_own_pass_whatever_else_is_asked_for(tiny_clip):
    import clip

    texts = ["a red bird", "a much longer text about a small bird with a blue belly on a branch", "a red bird"]
    with torch.no_grad():
        expected = tiny_clip.network.encode_text(clip.tokenize(texts)).numpy()
    scorer = scorers.ClipScorer("held-out", tiny_clip)
    scorer.text_features(["a bird that came before", texts[1]])
    np.testing.assert_allclose(scorer.text_features(texts), expected, atol=1e-4)


def test_inception_is_left_out_where_clean_fid_has_none_and_refused_where_the_manifest_names_a_wrong_file(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    tower, line = scorers.find_inception(None)
    assert tower is None
    assert str(tmp_path / "inception-2015-12-05.pt") in line
    with pytest.raises(ValueError, match="is missing"):
        scorers.find_inception(str(tmp_path))
    (tmp_path / FILE).write_bytes(b"something else")
    with pytest.raises(ValueError, match="expected f58cb9b6"):
        scorers.find_inception(None)


class Mean(nn.Module):
    """In the place of Inception's layers: 2,048 times the image's mean."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=[1, 2, 3])[:, None].repeat(1, 2048)


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = Mean()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


def test_a_present_inception_reads_images_as_clean_fid_does(tmp_path, monkeypatch):
    from hspcgan.model.common.files import file_sha256

    torch.jit.script(Network()).save(str(tmp_path / FILE))
    monkeypatch.setitem(scorers.INCEPTION_FILES, "clean", (FILE, file_sha256(tmp_path / FILE)))
    tower, _ = scorers.find_inception(str(tmp_path))
    images = np.stack([np.full((56, 40, 3), level, np.uint8) for level in (0, 128, 255)])
    features = tower.image_features(images)
    assert features.shape == (3, 2048)
    np.testing.assert_allclose(features[:, 0], [-1, 0, 127 / 128], atol=1e-5)


class ResizesInside(nn.Module):
    """NVIDIA's TorchScript takes `return_features` and resizes by itself."""

    def __init__(self):
        super().__init__()
        self.layers = Mean()

    def forward(self, x: torch.Tensor, return_features: bool = False) -> torch.Tensor:
        return self.layers(x) * (1.0 if return_features else 0.0)


def test_tensorflows_mode_leaves_the_resize_to_the_network(tmp_path, monkeypatch):
    from hspcgan.model.common.files import file_sha256

    torch.jit.script(ResizesInside()).save(str(tmp_path / FILE))
    monkeypatch.setitem(scorers.INCEPTION_FILES, "legacy_tensorflow", (FILE, file_sha256(tmp_path / FILE)))
    tower, _ = scorers.find_inception(str(tmp_path), "legacy_tensorflow")
    features = tower.image_features(np.stack([np.full((56, 40, 3), level, np.uint8) for level in (0, 128, 255)]))
    np.testing.assert_allclose(features[:, 0], [0, 128, 255])
    assert tower.label == "inception-legacy_tensorflow"


@pytest.mark.filterwarnings("ignore")  # of torchvision's, about arguments that clean-fid passes
def test_pytorchs_mode_gives_the_pooled_features_of_torchvisions_own_pass(tmp_path, monkeypatch):
    from cleanfid import inception_pytorch

    from hspcgan.model.common.files import file_sha256

    name = scorers.INCEPTION_FILES["legacy_pytorch"][0]
    with monkeypatch.context() as patch:  # random weights of the true architecture
        patch.setattr(inception_pytorch, "load_state_dict_from_url", lambda *args, **kwargs: {})
        patch.setattr(nn.Module, "load_state_dict", lambda *args, **kwargs: None)
        torch.manual_seed(0)
        network = inception_pytorch.fid_inception_v3().eval()
    torch.save(network.state_dict(), tmp_path / name)
    monkeypatch.setitem(scorers.INCEPTION_FILES, "legacy_pytorch", (name, file_sha256(tmp_path / name)[:8]))
    before = inception_pytorch.load_state_dict_from_url
    tower, _ = scorers.find_inception(str(tmp_path), "legacy_pytorch")
    assert inception_pytorch.load_state_dict_from_url is before
    images = np.random.default_rng(0).integers(0, 256, (1, 60, 60, 3), dtype=np.uint8)
    pooled = []
    network.avgpool.register_forward_hook(lambda module, args, output: pooled.append(output.flatten(1)))
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    resized = torch.nn.functional.interpolate(pixels, size=(299, 299), mode="bilinear", align_corners=False)
    with torch.no_grad():
        network(resized.clamp(0, 255) / 255 * 2 - 1)
    np.testing.assert_allclose(tower.image_features(images), pooled[0].numpy(), rtol=1e-3, atol=1e-5)
