"""The losses of §3.2 as pure functions of scores and masks; `loop.py` combines them.

Legend: b rows of this process, B rows of the global batch, d text width, D tap width, g grid.
Equation numbers are those of the HSPC-GAN paper. Every Σ over a batch is a mean.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def real_terms(loss: str, real: Tensor) -> Tensor:
    """Returns the loss of each real image with its own caption; [b] → [b].

    With "margin" it is 0, because the real scores are part of `negative_terms`.
    """
    if loss == "hinge":
        return F.relu(1 - real)  # eq. 3, first term
    return torch.zeros_like(real)


def negative_terms(loss: str, real: Tensor, negative: Tensor, alpha: float = 2.0) -> Tensor:
    """Returns the loss of each generated or mismatched pair, without the factor ½; [b], [b] → [b].

    Args:
        loss: "hinge" (eq. 3: matched pairs above 1, all others below −1) or "margin" (eq. 4, last line).
        real: D(x_i, e_i).
        negative: D(x̂_i, e_i) or D(x_i, ê_i).
        alpha: the margin α; 2 equals the sum of the two hinge margins.
    """
    if loss == "hinge":
        return F.relu(1 + negative)  # eq. 3, second and third term
    if loss == "margin":
        return F.relu(alpha - real + negative)  # eq. 4, last line
    raise ValueError(f"loss is {loss!r}, expected 'hinge' or 'margin'")


def valid_negatives(own_texts: Tensor, texts: Tensor) -> Tensor:
    """Returns for each image which captions of the batch are valid negatives.

    A caption that equals any caption of the image is not valid; this excludes the image's own captions.

    Args:
        own_texts: [b, K] int64, ids of all captions of each image, padded with −1; equal captions have equal ids.
        texts: [B] int64, id of each caption of the global batch, never negative.
    Returns:
        [b, B] bool.
    """
    return (own_texts[:, :, None] != texts[None, None, :]).all(dim=1)  # [b, K, B] → [b, B]


def next_mismatched(valid: Tensor, first_row: int = 0) -> Tensor:
    """Returns the index of a mismatched caption for each image: the next valid row of the batch; [b, B] → [b].

    GALIP uses the next row, valid or not.

    Args:
        valid: [b, B] bool; the result for a row without any True must not be used.
        first_row: index of row 0 in the global batch.
    """
    rows, size = valid.shape
    start = torch.arange(rows, device=valid.device)[:, None] + first_row + 1
    order = (start + torch.arange(size, device=valid.device)) % size  # [b, B]
    first_valid = valid.gather(1, order).int().argmax(dim=1, keepdim=True)
    return order.gather(1, first_valid).squeeze(1)


def hardest_negative(scores: Tensor, valid: Tensor) -> Tensor:
    """Returns the index of the hardest valid caption ê_i of each image (eq. 5); [b, B], [b, B] → [b].

    It is the caption with the largest D(x_i, e_j). The result for a row without a valid caption must not be used.
    """
    return scores.masked_fill(~valid, -torch.inf).argmax(dim=1)


def row_weights(valid: Tensor, balance: float) -> Tensor:
    """Returns row weights with which a batch mean equals the mean over the rows with a valid negative; [b, B] → [b].

    A row without a valid negative has weight 0 in the mismatched term.

    Args:
        balance: B / (rows of the global batch with a valid negative); 0 if there are none.
    """
    return valid.any(dim=1).float() * balance


def batch_mean(terms: Tensor, weights: Tensor | None = None) -> Tensor:
    """Returns the mean of the terms, each multiplied by its weight if weights are given; [b] → scalar."""
    return (terms if weights is None else terms * weights).mean()


def worst(terms: Tensor, usable: Tensor | None = None) -> Tensor:
    """Returns the largest term of the batch (max_i of eq. 5, literally), not divided by b.

    Among equal terms, the first one receives the whole gradient.

    Args:
        usable: [b] bool, the rows to include; the result is 0 (with zero gradient) if there are none.
    """
    if usable is None:
        return terms.gather(0, terms.detach().argmax(dim=0, keepdim=True)).squeeze(0)
    index = terms.detach().masked_fill(~usable, -torch.inf).argmax(dim=0, keepdim=True)
    return (terms.gather(0, index) * usable.gather(0, index)).squeeze(0)


def matching_aware_penalty(
    scores: Tensor, taps: Sequence[Tensor], sentence: Tensor, k: float = 2.0, p: float = 6.0, joint: bool = False
) -> Tensor:
    """Returns the matching-aware gradient penalty, the last term of eq. 3: k · mean (‖∇ₓD‖ + ‖∇ₑD‖)^p.

    x are the frozen CLIP features of the real image; ‖∇ₓD‖ is taken over all taps of a sample together. The result can
    be differentiated once more. Call it outside autocast, with float32 scores: in half precision the sixth power
    overflows.

    Args:
        scores: D(x_i, e_i), [b], computed from `taps` and `sentence`; a score must depend only on its row.
        taps: list of [b, D, g, g] float32 leaves that require gradients.
        sentence: [b, d] float32 leaf that requires gradients.
        joint: one norm over taps and sentence together (GALIP's code) instead of the sum of two (eq. 3).
    Raises:
        TypeError: scores are not float32 or float64.
    """
    if scores.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"gradient penalty: scores are {scores.dtype}, expected float32; run it outside autocast")
    gradients = torch.autograd.grad(scores.sum(), [*taps, sentence], create_graph=True)
    eps = 1e-12  # inside the root, so that the gradient of the norm at zero is finite
    squares = [gradient.flatten(1).square().sum(dim=1) for gradient in gradients]  # each [b]
    over_taps, over_sentence = torch.stack(squares[:-1]).sum(dim=0), squares[-1]
    if joint:
        norm = (over_taps + over_sentence + eps).sqrt()
    else:
        norm = (over_taps + eps).sqrt() + (over_sentence + eps).sqrt()
    return k * norm.pow(p).mean()


def generator_loss(scores: Tensor, image_features: Tensor, sentence: Tensor, similarity: float = 4.0) -> Tensor:
    """Returns the generator loss of eq. 3: −mean D(C(G(z, e)), e) − λ · mean cos(CLIP(G(z, e)), e).

    Args:
        scores: [b]; image_features, sentence: [b, d]; similarity: λ.
    """
    return -scores.float().mean() - similarity * image_text_cosine(image_features, sentence)


def contrastive(image_features: Tensor, sentence: Tensor, others: Tensor, valid: Tensor, temperature: float) -> Tensor:
    """Returns the InfoNCE loss (van den Oord et al., 2018) of selecting the caption of each image by cosine.

    Args:
        image_features, sentence: [b, d] of images and their captions.
        others: [b, N, d] wrong captions for each row; valid: [b, N] bool, which of them to include.
    """
    images = F.normalize(image_features.float(), dim=1)  # [b, d]
    own = (images * F.normalize(sentence.float(), dim=1)).sum(dim=1, keepdim=True)  # [b, 1]
    wrong = (F.normalize(others.float(), dim=2) @ images[:, :, None]).squeeze(2)  # [b, N]
    scores = torch.cat([own, wrong.masked_fill(~valid, -torch.inf)], dim=1) / temperature
    return F.cross_entropy(scores, torch.zeros(len(scores), dtype=torch.int64, device=scores.device))


def mode_seeking(
    images: Tensor, others: Tensor, noise: Tensor, other_noise: Tensor, limit: float = float("inf")
) -> Tensor:
    """Returns the mean of min(‖x − x'‖ / ‖z − z'‖, limit), a scalar to maximise; norms are mean absolute values.

    It is the term of MSGAN (Mao et al., CVPR 2019) without inversion, with the limit of DSGAN (Yang et al., ICLR 2019).

    Args:
        images, others: [b, 3, H, W], generated for the same captions from noise and other_noise, [b, z].
    """
    apart = (images.float() - others.float()).abs().flatten(1).mean(dim=1)
    return (apart / (noise - other_noise).abs().mean(dim=1)).clamp(max=limit).mean()


def image_text_cosine(image_features: Tensor, sentence: Tensor) -> Tensor:
    """Returns S of eq. 3: the mean cosine of image and sentence features, in float32; [b, d], [b, d] → scalar."""
    return F.cosine_similarity(image_features.float(), sentence.float(), dim=1).mean()
