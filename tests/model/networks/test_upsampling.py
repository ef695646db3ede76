"""The convolution after a doubling against the plain way: values, borders and gradients."""

import pytest
import torch
import torch.nn.functional as F

from hspcgan.model.networks.upsampling import UpsampledConv


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("before", "after"), [((4, 4), (8, 8)), ((1, 3), (2, 6)), ((4, 4), (7, 7)), ((4, 4), (4, 4))])
def test_equals_interpolation_and_convolution(before, after, bias):
    torch.manual_seed(0)
    conv = UpsampledConv(5, 3, bias=bias).double()
    plain = torch.nn.Conv2d(5, 3, 3, padding=1, bias=bias).double()
    plain.load_state_dict(conv.state_dict())
    x = torch.randn(2, 5, *before, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(2, 3, *after, dtype=torch.float64)
    results = [plain(F.interpolate(x, size=after)), conv(x, after)]
    assert torch.allclose(*results, atol=1e-12)
    expected, found = (
        torch.autograd.grad((result * weights).sum(), [x, *network.parameters()])
        for result, network in zip(results, (plain, conv), strict=True)
    )
    assert all(torch.allclose(a, b, atol=1e-12) for a, b in zip(expected, found, strict=True))


def test_a_corner_by_hand():
    conv = UpsampledConv(1, 1, bias=False)
    conv.weight.data = torch.arange(1.0, 10).reshape(1, 1, 3, 3)
    corner = conv(torch.tensor([[[[1.0, 10.0], [100.0, 1000.0]]]]), (4, 4))[0, 0]
    assert corner[0, 0] == 5 + 6 + 8 + 9  # the upper left pixel sees itself four times, zeros beyond the border
    assert corner[1, 1] == 1 + 2 + 4 + 5 + 10 * (3 + 6) + 100 * (7 + 8) + 1000 * 9
