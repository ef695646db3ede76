"""Checkpoints of the original GALIP: read, compared with its networks written out plainly, refused where unfit."""

import pytest
import torch
from helpers.cli import hspcgan

from hspcgan.model.checkpoint import load
from hspcgan.model.clip.file import openai_clip
from hspcgan.model.import_galip import import_galip
from hspcgan.train.bench.plain_networks import networks

SIZES = {"noise": 10, "code": 8, "middle": 4, "channels": (16, 16, 16, 8, 6), "sizes": (8, 16, 32, 56),
         "features": 12, "hidden": 8}  # fmt: skip


@pytest.fixture(scope="module", params=["rounded", "unrounded"])
def original(tiny_clip_path, request):
    """The original's networks, around a CLIP as OpenAI's loader leaves it or with the file's own float32."""
    state = torch.load(tiny_clip_path, weights_only=True)
    clip = openai_clip().model.build_model(state).float()
    if request.param == "unrounded":
        clip.load_state_dict(state)
    return networks(clip.visual, 32, **SIZES)


def states(original, prefix="") -> dict:
    return {
        name: {prefix + key: value.clone() for key, value in network.state_dict().items()}
        for name, network in zip(("netG", "netD", "netC"), original, strict=True)
    }


def write(folder, model) -> str:
    path = folder / "state_epoch_220.pth"
    torch.save({"model": model, "optimizers": {"optimizer_G": {}}, "epoch": 220}, path)
    return str(path)


def import_galip_command(state, out, clip, *more):
    return hspcgan("models", "import-galip", state, *out, "--clip", clip, "--image-size", 56, *more)


@pytest.mark.parametrize("prefix", ["", "module."])
def test_images_features_and_scores_are_those_of_the_original(original, prefix, tiny_clip_path, tmp_path):
    result = import_galip_command(write(tmp_path, states(original, prefix)), [str(tmp_path / "out")], tiny_clip_path)
    assert result.exit_code == 0, result.output
    loaded = load(tmp_path / "out")
    noise, sentence = torch.randn(3, 10), torch.randn(3, 32)
    net_g, net_d, net_c = original
    with torch.no_grad():
        images = net_g(noise, sentence)
        taps = net_g.mapping.CLIP_ViT.taps_and_class_token(images, 56)[0]
        features = net_d(taps)
        assert images.std() > 0.1
        assert loaded.generator(noise, sentence).is_contiguous()
        torch.testing.assert_close(loaded.generator(noise, sentence), images, atol=1e-4, rtol=0)
        for got, expected in zip(loaded.clip.taps_only(images), taps, strict=True):
            torch.testing.assert_close(got, expected, atol=1e-4, rtol=0)
        torch.testing.assert_close(loaded.discriminator(taps), features, atol=1e-4, rtol=0)
        torch.testing.assert_close(loaded.discriminator(torch.stack(taps, dim=1)), features, atol=1e-4, rtol=0)
        torch.testing.assert_close(loaded.head(features, sentence), net_c(features, sentence), atol=1e-4, rtol=0)


def test_images_of_another_size_reach_clip_by_nearest_pixels(original, tiny_clip_path, tmp_path):
    result = import_galip_command(write(tmp_path, states(original)), [], tiny_clip_path)
    assert result.exit_code == 0, result.output
    loaded = load(tmp_path / "state_epoch_220")
    assert (loaded.config.clip_input, loaded.clip.clip_input) == ("galip", "galip")
    assert loaded.card["extra"]["imported"]["file"] == "state_epoch_220.pth"
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected = original[0].mapping.CLIP_ViT.taps_and_class_token(images, 56)[0]
        for got, tap in zip(loaded.clip.taps_only(images), expected, strict=True):
            torch.testing.assert_close(got, tap, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda model: model.pop("netC"), "is not a GALIP state: expected"),
        (lambda model: model["netG"].pop("fc_code.weight"), r"fc_code\.weight is missing"),
        (lambda model: model["netG"].pop("GBlocks.2.fuse1.affine0.fc_beta.linear1.bias"),
         r"(?s)netG.*missing GBlocks\.2\.fuse1\.affine0\.fc_beta\.linear1\.bias$"),
        (lambda model: [model["netG"].pop(key) for key in list(model["netG"]) if "FBlocks.3." in key],
         r"expected 4 mapping\.FBlocks, got 3"),
        (lambda model: model["netG"].pop("mapping.CLIP_ViT.ln_pre.bias"), r"lacks tensors of CLIP: .*ln_pre\.bias"),
        (lambda model: model["netD"].update(extra=torch.ones(1)), r"(?s)netD.*unknown extra$"),
        (lambda model: model["netC"].update({"joint_conv.2.weight": torch.ones(1, 8, 3, 3)}),
         r"netC: cannot make last\.weight with the shape \(1, 8, 4, 4\) from joint_conv\.2\.weight \(1, 8, 3, 3\)"),
        (lambda model: model["netG"].update({"mapping.FBlocks.0.fuse1.affine1.fc_gamma.linear1.bias": torch.ones(5)}),
         r"netG: cannot make .* the shape \(16,\) from .*FBlocks\.0\.fuse1\.affine1\.fc_gamma\.linear1\.bias \(5,\)"),
    ],
)  # fmt: skip
def test_a_state_that_does_not_fit_is_rejected_by_tensor_name(original, tiny_clip, tmp_path, change, says):
    model = states(original)
    change(model)
    with pytest.raises(ValueError, match=says):
        import_galip(write(tmp_path, model), tiny_clip, image_size=56)


def test_another_clip_and_another_image_size_are_rejected(original, tiny_clip_path, other_clip_path, tmp_path):
    state = write(tmp_path, states(original))
    other = import_galip_command(state, [], other_clip_path)
    assert (other.exit_code, "was not trained with other-clip" in other.output) == (3, True)
    larger = import_galip_command(state, [], tiny_clip_path, "--image-size", "224")
    assert (larger.exit_code, "model.channels has 5 entries, expected 7" in larger.output) == (3, True)
    assert [path.name for path in tmp_path.iterdir()] == ["state_epoch_220.pth"]


def test_files_that_are_not_a_state_are_rejected(tiny_clip, tiny_clip_path, tmp_path):
    with pytest.raises(ValueError, match="no GALIP state file at"):
        import_galip(tmp_path / "none.pth", tiny_clip)
    (tmp_path / "code.pth").write_bytes(b"\x80\x02c__builtin__\neval\n.")
    with pytest.raises(ValueError, match="cannot be read as tensors"):
        import_galip(tmp_path / "code.pth", tiny_clip)
    with pytest.raises(ValueError, match="is not a GALIP state"):
        import_galip(tiny_clip_path, tiny_clip)


def test_a_checkpoint_is_not_overwritten(original, tiny_clip_path, tmp_path):
    (tmp_path / "there").mkdir()
    result = import_galip_command(write(tmp_path, states(original)), [str(tmp_path / "there")], tiny_clip_path)
    assert (result.exit_code, "already exists" in result.output) == (2, True)
