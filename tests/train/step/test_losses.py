"""Objectives of §3.2 against numbers worked out by hand, brute force over pairs, and known gradients."""

import itertools
import math

import pytest
import torch

from hspcgan.train.step import losses


def test_hinge_by_hand():
    real, fake = torch.tensor([0.5, 2.0, -1.0]), torch.tensor([-2.0, 0.0, 0.25])
    assert losses.real_terms("hinge", real).tolist() == [0.5, 0.0, 2.0]
    assert losses.negative_terms("hinge", real, fake).tolist() == [0.0, 1.0, 1.25]


def test_margin_by_hand():
    real, mismatched = torch.tensor([0.5, 4.0, -1.0]), torch.tensor([-2.0, 0.5, 0.25])
    assert losses.real_terms("margin", real).tolist() == [0.0, 0.0, 0.0]
    assert losses.negative_terms("margin", real, mismatched).tolist() == [0.0, 0.0, 3.25]
    assert losses.negative_terms("margin", real, mismatched, alpha=3.0).tolist() == [0.5, 0.0, 4.25]


def test_margin_is_a_lower_bound_of_two_hinges():
    torch.manual_seed(0)
    real, fake = torch.randn(200) * 2, torch.randn(200) * 2
    hinges = losses.real_terms("hinge", real) + losses.negative_terms("hinge", real, fake)
    margins = losses.negative_terms("margin", real, fake)
    assert (margins <= hinges + 1e-6).all()
    both_active = (real < 1) & (fake > -1)
    torch.testing.assert_close(margins[both_active], hinges[both_active])


def test_an_unknown_loss_is_rejected():
    with pytest.raises(ValueError, match="'wgan'"):
        losses.negative_terms("wgan", torch.zeros(1), torch.zeros(1))


def test_captions_of_the_same_image_and_equal_captions_are_not_negatives():
    # Image 0 says "a" and "b"; image 1 "c" and "a"; image 2 (drawn twice) "d". Batch captions: b, a, d, d.
    a, b, c, d = range(4)
    own = torch.tensor([[a, b], [c, a], [d, -1], [d, -1]])
    valid = losses.valid_negatives(own, torch.tensor([b, a, d, d]))
    assert valid.tolist() == [
        [False, False, True, True],
        [True, False, True, True],
        [True, True, False, False],
        [True, True, False, False],
    ]


def test_hardest_equals_brute_force_over_pairs():
    torch.manual_seed(1)
    for _ in range(20):
        scores, valid = torch.randn(6, 9), torch.rand(6, 9) > 0.5
        valid[:, 0] |= ~valid.any(dim=1)
        chosen = losses.hardest_negative(scores, valid)
        for i in range(6):
            pairs = [(scores[i, j].item(), j) for j in range(9) if valid[i, j]]
            assert chosen[i].item() == max(pairs)[1]


def test_roll_by_one_skips_to_the_next_valid_caption():
    valid = ~torch.eye(4, dtype=torch.bool)
    assert losses.next_mismatched(valid).tolist() == [1, 2, 3, 0]
    valid[0, 1] = valid[3, 0] = valid[3, 1] = False
    assert losses.next_mismatched(valid).tolist() == [2, 2, 3, 2]
    assert losses.next_mismatched(valid[2:], first_row=2).tolist() == [3, 2]


def test_rows_without_negative_are_left_out_of_the_mean():
    valid = torch.tensor([[True, False], [False, False], [True, True]])
    terms = torch.tensor([3.0, 100.0, 5.0])
    assert losses.batch_mean(terms, losses.row_weights(valid, balance=3 / 2)).item() == pytest.approx(4.0)
    assert losses.batch_mean(terms, losses.row_weights(torch.zeros(3, 3, dtype=torch.bool), balance=0.0)).item() == 0


def test_worst_pair_is_the_maximum_over_all_pairs_of_the_batch():
    torch.manual_seed(2)
    scores = torch.randn(5, 5)
    valid = ~torch.eye(5, dtype=torch.bool)
    real = scores.diagonal()
    brute = max(max(0.0, 2 - scores[i, i].item() + scores[i, j].item()) for i, j in itertools.permutations(range(5), 2))
    mismatched = scores[torch.arange(5), losses.hardest_negative(scores, valid)]
    terms = losses.negative_terms("margin", real, mismatched)
    assert losses.worst(terms, valid.any(dim=1)).item() == pytest.approx(brute)


def test_worst_gives_all_gradient_to_one_usable_row():
    terms = torch.tensor([1.0, 7.0, 7.0, 9.0], requires_grad=True)
    losses.worst(terms, torch.tensor([True, True, True, False])).backward()
    assert terms.grad is not None
    assert sorted(terms.grad.tolist()) == [0.0, 0.0, 0.0, 1.0]
    assert terms.grad[3] == 0
    assert losses.worst(terms, torch.zeros(4, dtype=torch.bool)).item() == 0


def test_penalty_of_a_linear_score_is_known():
    # score = <w, taps> + <v, e>: the gradients are w and v whatever the input, ‖w‖ over all taps together.
    taps = [torch.randn(3, 2, 2, 2, requires_grad=True) for _ in range(3)]
    sentence = torch.randn(3, 5, requires_grad=True)
    weights = [torch.full((2, 2, 2), value) for value in (0.1, 0.2, 0.3)]
    v = torch.full((5,), 0.4)
    scores = sum((tap * w).flatten(1).sum(1) for tap, w in zip(taps, weights, strict=True)) + sentence @ v
    norm_w, norm_v = math.sqrt(8 * (0.01 + 0.04 + 0.09)), math.sqrt(5 * 0.16)
    summed = losses.matching_aware_penalty(scores, taps, sentence)
    assert summed.item() == pytest.approx(2 * (norm_w + norm_v) ** 6, rel=1e-5)
    joint = losses.matching_aware_penalty(scores, taps, sentence, k=1.5, p=4, joint=True)
    assert joint.item() == pytest.approx(1.5 * (norm_w**2 + norm_v**2) ** 2, rel=1e-5)


def test_penalty_and_its_weight_gradient_equal_finite_differences():
    torch.manual_seed(3)
    mix = torch.randn(7, 4, dtype=torch.float64)
    weight = torch.randn(4, dtype=torch.float64, requires_grad=True)
    taps = [torch.randn(2, 2, 1, 1, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    sentence = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)

    def score(tap0, tap1, e, w):
        return torch.tanh(torch.cat([tap0.flatten(1), tap1.flatten(1), e], dim=1) @ mix) @ w

    def numeric_norm(row: int) -> float:
        inputs = [t.detach().clone() for t in (*taps, sentence)]
        squares = []
        for tensor in inputs:
            total = 0.0
            for place in range(tensor[row].numel()):
                flat = tensor[row].view(-1)
                kept = flat[place].item()
                flat[place] = kept + 1e-6
                up = score(*inputs, weight.detach())[row].item()
                flat[place] = kept - 1e-6
                down = score(*inputs, weight.detach())[row].item()
                flat[place] = kept
                total += ((up - down) / 2e-6) ** 2
            squares.append(total)
        return math.sqrt(squares[0] + squares[1]) + math.sqrt(squares[2])

    penalty = losses.matching_aware_penalty(score(*taps, sentence, weight), taps, sentence, p=3)
    expected = 2 * sum(numeric_norm(row) ** 3 for row in range(2)) / 2
    assert penalty.item() == pytest.approx(expected, rel=1e-6)
    assert torch.autograd.gradcheck(
        lambda w: losses.matching_aware_penalty(score(*taps, sentence, w), taps, sentence, p=3), (weight,)
    )


def test_penalty_stays_finite_where_the_gradient_vanishes():
    taps = [torch.zeros(2, 1, 1, 1, requires_grad=True)]
    sentence = torch.zeros(2, 3, requires_grad=True)
    weight = torch.zeros(3, requires_grad=True)
    penalty = losses.matching_aware_penalty(taps[0].flatten() * weight.sum() + sentence @ weight, taps, sentence)
    penalty.backward()
    assert weight.grad is not None
    assert torch.isfinite(weight.grad).all()


def test_penalty_rejects_half_precision():
    with pytest.raises(TypeError, match="float32"):
        losses.matching_aware_penalty(torch.zeros(1, dtype=torch.bfloat16), [], torch.zeros(1, 1))


def test_generator_loss_by_hand():
    scores = torch.tensor([1.0, -3.0])
    image = torch.tensor([[3.0, 4.0], [1.0, 0.0]])
    sentence = torch.tensor([[4.0, 3.0], [0.0, 2.0]])  # cosines 24/25 and 0
    assert losses.generator_loss(scores, image, sentence).item() == pytest.approx(1.0 - 4 * 0.48)
