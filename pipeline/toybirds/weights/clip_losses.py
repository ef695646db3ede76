"""The losses that train the toy CLIPs: retrieval, colours of parts, true and false phrases, and parts in patches.

Legend: B pictures, T texts, P phrases or things, g patches on a side, d width of the features.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from hspcgan.pipeline.toybirds.scene import COLOURS
from hspcgan.pipeline.toybirds.weights.training_data import LOCATED
from hspcgan.pipeline.toybirds.weights.true_texts import descriptions

PHRASE_WEIGHT = 4.0  # high, since some phrases are hard: where a belly is missing, the body's colour is seen
PHRASE_SCALE = 30.0  # 35 phrases share 64 dimensions, so cosines of true and false phrases differ little


def matching_loss(seen: Tensor, read: Tensor, held: Tensor, captions: int, scale: Tensor, offset: Tensor) -> Tensor:
    """Returns the sum of the losses for retrieval, colours and phrases.

    `seen` [B, d]: image features, `read` [T, d]: text features.
    """
    cosine = F.normalize(read, dim=1) @ F.normalize(seen, dim=1).T  # [T, B]
    logits = scale.exp() * cosine
    colours = slice(captions, captions + len(descriptions()))
    loss = retrieval_loss(logits[:captions], held[:captions])
    loss = loss + naming_loss(logits[colours], held[colours])
    phrases_told = phrase_loss(PHRASE_SCALE * (cosine[colours.stop :] - offset[:, None]), held[colours.stop :])
    return loss + PHRASE_WEIGHT * phrases_told


def retrieval_loss(logits: Tensor, held: Tensor) -> Tensor:
    """Returns −log of the total probability of all positives, averaged over caption-to-image and image-to-caption.

    Inputs are [T, B].
    """
    total = torch.zeros(())
    for scores, true in ((logits, held), (logits.T, held.T)):
        some = true.any(1)
        right = scores[some].masked_fill(~true[some], -torch.inf)
        total = total + (scores[some].logsumexp(1) - right.logsumexp(1)).mean() / 2
    return total


def phrase_loss(logits: Tensor, held: Tensor) -> Tensor:
    """Returns the binary cross-entropy of whether phrases are true of pictures, balanced per phrase; inputs [P, B]."""
    losses = F.binary_cross_entropy_with_logits(logits, held.float(), reduction="none")
    share = held.float().mean(1, keepdim=True)  # [P, 1]
    weights = torch.where(held, 0.5 / share.clamp(min=0.02), 0.5 / (1 - share).clamp(min=0.02))
    return (losses * weights).mean()


def naming_loss(logits: Tensor, held: Tensor) -> Tensor:
    """Returns the cross-entropy over the eleven colours, averaged over pictures with the part, then over parts.

    Inputs are [T, B], with rows ordered by colour, then by part.
    """
    losses = []
    for scores, true in zip(
        *(x.unflatten(0, (len(COLOURS), -1)).permute(1, 2, 0) for x in (logits, held)), strict=True
    ):
        there = true.any(1)  # [B]
        if there.any():
            losses.append(F.cross_entropy(scores[there], true[there].int().argmax(1)))
    return torch.stack(losses).mean()


def locating_loss(guesses: Tensor, places: Tensor, colours: Tensor) -> Tensor:
    """Returns the loss of predicting, for each patch, the share that each thing covers and the colour of the thing.

    `guesses` are the predictions [B, g, g, P × (1 + colours)].
    """
    guesses = guesses.unflatten(-1, (len(LOCATED), 1 + len(COLOURS)))  # [B, g, g, P, 12]
    shares = places.permute(0, 2, 3, 1)  # [B, g, g, P]
    seen = shares > 0.1
    named = F.cross_entropy(guesses[..., 1:][seen], colours[:, None, None].expand_as(seen)[seen])
    return named + F.binary_cross_entropy_with_logits(guesses[..., 0], shares)
