"""Trains spaCy's tagger and parser on captions in two rounds; the first round's weights find trees for the second."""

import json
import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import fix_random_seed, minibatch

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.printable import format_count
from hspcgan.model.common.user_files import no_file
from hspcgan.pipeline.caption_parser.long_captions import doc_of, splices, tree_of
from hspcgan.pipeline.caption_parser.trees_from_graphs import Row, best_trees, repaired_docs
from hspcgan.pipeline.concepts.annotate.spacy import installed_model, load_spacy
from hspcgan.pipeline.concepts.annotate.spacy_caption_weights import CARD, PARTS, WEIGHTS, labels_of, params
from hspcgan.pipeline.graphs.files import read_gold
from hspcgan.pipeline.toybirds.captions import captions
from hspcgan.pipeline.toybirds.scene import sample_scenes

log = logging.getLogger("hspcgan.pipeline")


@dataclass(frozen=True)
class Round:
    """
    Settings of a training round, which selects dependency trees by their scene graphs and trains the parser on them.

    `moves`: maximum number of attachments in which a tree differs from a parse. `worth`: minimum SPICE F1 of the trees
    that are used; below 0.6, gold graph and caption usually describe different things. `rate`: learning rate of the
    first epoch. `splices`: number of long captions. `toys`: number of toy-bird captions.
    """

    moves: int
    worth: float
    epochs: int
    rate: float
    splices: int = 0
    toys: int = 0


ROUNDS = (
    Round(moves=0, worth=1.0, epochs=3, rate=5e-4),
    Round(moves=2, worth=0.6, epochs=4, rate=7e-4, splices=16000, toys=1000),
)
SHARES = (0.25, 0.0, 0.75)
"""Shares of the initial weights and of the weights after each round in the final mean. Averaging with the initial
weights improves parsing of other text (WiSE-FT, Wortsman et al., CVPR 2022)."""
DECAY, DROPOUT, BATCH = 0.6, 0.1, 128  # DECAY: factor of the learning rate per epoch
SEED = 15
HELD_LONG, HELD_DRAWN = 1000, 2000
"""Number of captions held out of training: the longest, and others drawn at random."""


def learn(csv: Path, out: Path) -> None:
    """
    Trains on FACTUAL's training captions and writes the weights and their card into the folder `out`.

    Takes ten minutes on one core. The bytes differ between runs, since sums of floats depend on threads.
    """
    rows, name = training_rows(csv), installed_model()
    pipelines = [load_spacy(name)]
    for number, how in enumerate(ROUNDS, start=1):
        found = best_trees(pipelines[::-1], rows, how.moves)
        exact = [scored.doc for scored in found if scored.exact]
        if not exact:
            raise UserError(f"{csv}: no caption has a tree that gives its gold graph; give FACTUAL's train.csv")
        log.info(f"  round {number}: {len(exact)} of {len(rows)} captions have a tree that gives the gold graph")
        docs = [scored.doc for scored in found if scored.score >= how.worth]
        docs += [doc_of(tree, exact[0]) for tree in splices([tree_of(doc) for doc in exact], how.splices, SEED)]
        docs += toy_birds(pipelines[0], how.toys)
        pipelines.append(train_pipeline(load_spacy(name), docs, how))
    nlp = average_weights(pipelines, SHARES)
    facts = {"model": f"en_core_web_sm {nlp.meta['version']}", "data": f"FACTUAL's train.csv, {len(rows)} captions"}
    save(nlp, out, facts)


def training_rows(csv: Path) -> list[Row]:
    """Reads FACTUAL's training captions and their gold graphs; omits those that are held out of training.

    Raises UserError if the file is missing, cannot be read, or has too few captions.
    """
    if not csv.is_file():
        raise UserError(f"{csv}: {no_file(csv)}; give FACTUAL's train.csv as --factual")
    rows, least = read_gold(csv), HELD_LONG + HELD_DRAWN + 1
    count = len({caption for caption, _ in rows})
    if count < least:
        raise UserError(
            f"{csv} has {format_count(count, 'different caption')}, at least {least:,} are needed because "
            f"{least - 1:,} are held out of training; give FACTUAL's train.csv as --factual"
        )
    return without_held_out(rows)


def without_held_out(rows: Sequence[Row]) -> list[Row]:
    """Returns the rows for training: omits the HELD_LONG longest captions and HELD_DRAWN random others.

    Duplicates of these captions are omitted too. Captions are sorted by number of words, then alphabetically.
    """
    order = sorted(rows, key=lambda row: (-len(row[0].split()), row[0]))
    longest, others = order[:HELD_LONG], order[HELD_LONG:]
    held = {caption for caption, _ in (*longest, *random.Random(SEED).sample(others, HELD_DRAWN))}
    return [row for row in others if row[0] not in held]


def toy_birds(nlp: Any, count: int) -> list[Doc]:
    """Returns toy-bird captions parsed by `nlp`; training on them preserves the parsing of lists and full sentences."""
    scenes = (scene for scene in sample_scenes(count, SEED) if scene.split == "train")
    texts = dict.fromkeys(caption.text for scene in scenes for caption in captions(scene))
    return list(repaired_docs(nlp, list(texts)[:count]))


def train_pipeline(nlp: Any, docs: Sequence[Doc], how: Round) -> Any:
    """Trains a spaCy pipeline on the tags and trees of the Docs, and returns it; other components are unchanged."""
    fix_random_seed(SEED)
    shuffled = random.Random(SEED)
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in docs]
    with nlp.select_pipes(enable=list(PARTS)):
        optimizer = nlp.resume_training()
        optimizer.learn_rate = how.rate
        for epoch in range(1, how.epochs + 1):
            shuffled.shuffle(examples)
            losses: dict[str, float] = {}
            for some in minibatch(examples, BATCH):
                nlp.update(some, sgd=optimizer, drop=DROPOUT, losses=losses)
            log.info(f"  epoch {epoch}: " + ", ".join(f"{name} {loss:.0f}" for name, loss in losses.items()))
            optimizer.learn_rate *= DECAY
    return nlp


def average_weights(pipelines: Sequence[Any], shares: Sequence[float]) -> Any:
    """Sets the weights of the last pipeline to the weighted mean over all pipelines, and returns it."""
    for same in zip(*map(params, pipelines), strict=True):
        mean = sum(share * layer.get_param(name) for share, (_, layer, name) in zip(shares, same, strict=True))
        _, layer, name = same[-1]
        layer.set_param(name, np.asarray(mean, np.float32))
    return pipelines[-1]


def save(nlp: Any, folder: Path, facts: Mapping[str, Any]) -> None:
    """Saves a pipeline's weights in float16, and a JSON card with `facts` and the labels of its tagger and parser."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: layer.get_param(param).astype(np.float16) for name, layer, param in params(nlp)}
    save_file(weights, folder / WEIGHTS)
    card = {**facts, "labels": labels_of(nlp)}
    (folder / CARD).write_text(json.dumps(card, indent=1) + "\n", encoding="utf8")
