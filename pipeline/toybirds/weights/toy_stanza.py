"""Trains the toy stanza (tokenizer, tagger, lemmatizer, parser) with stanza's training scripts on the toy grammar.

The only data are gold annotations of training scenes: no word vectors, no language model, no network. The folder is
loaded by path like other stanza models, and `accuracy` measures it with the rules of `pipeline.concepts`.
"""

import contextlib
import gzip
import importlib
import io
import json
import logging
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from hspcgan.pipeline.concepts.concept_types import Concepts
from hspcgan.pipeline.concepts.parser import Parser
from hspcgan.pipeline.toybirds.captions import Caption, captions
from hspcgan.pipeline.toybirds.scene import Scene, sample_scenes
from hspcgan.pipeline.toybirds.weights.treebank import Sentence, paragraphs

SCENES, SEED, DEV_SHARE = 1200, 17, 0.1

# Sizes and steps as options of stanza's training scripts; other options have stanza's defaults.
# The saved name contains no folder, since stanza replaces "__" in it by "_".
COMMON = "--cpu --seed {seed} --save_dir {folder} --save_name {saved} --shorthand en_toybirds"
TREES = "--train_file {folder}/train.conllu --eval_file {folder}/dev.conllu"
STAGES = {
    "tokenize": (
        "stanza.models.tokenizer",
        "--lang en --txt_file {folder}/train.txt --label_file {folder}/train.labels --dev_txt_file {folder}/dev.txt "
        "--dev_label_file {folder}/dev.labels --dev_conll_gold {folder}/dev.conllu "
        "--mwt_json_file {folder}/train.mwt.json --no_use_mwt --emb_dim 16 --hidden_dim 32 --lr0 5e-3 --max_seqlen 300 "
        "--steps 600 --eval_steps 300",
    ),
    "pos": (
        "stanza.models.tagger",
        TREES + " --lang en --no_pretrain --word_cutoff 3 --word_emb_dim 24 --char_emb_dim 16 --char_hidden_dim 32 "
        "--transformed_dim 24 --tag_emb_dim 8 --hidden_dim 48 --num_layers 1 --deep_biaff_hidden_dim 48 "
        "--composite_deep_biaff_hidden_dim 16 --batch_size 50 --dropout 0.3 --lr 5e-3 --max_steps 500 "
        "--eval_interval 250 --fix_eval_interval --no_second_optim",
    ),
    "lemma": ("stanza.models.lemmatizer", TREES + " --dict_only --caseless"),
    "depparse": (
        "stanza.models.parser",
        TREES + " --lang en --no_pretrain --word_cutoff 3 --word_emb_dim 24 --char_emb_dim 16 --char_hidden_dim 32 "
        "--transformed_dim 24 --tag_emb_dim 16 --hidden_dim 64 --num_layers 1 --deep_biaff_hidden_dim 64 "
        "--batch_size 800 --dropout 0.3 --optim adam --lr 5e-3 --beta2 0.95 --weight_decay 0 --max_steps 1200 "
        "--eval_interval 100 --max_steps_before_stop 500 --no_second_optim --no_plateau --no_checkpoint",
    ),
}


def train(out: Path, scenes: int = SCENES, seed: int = SEED) -> None:
    """Writes tokenize.pt, pos.pt, lemma.pt, depparse.pt (half precision) and card.json into the folder `out`.

    `scenes` scenes are sampled with `seed`; their captions, except those of the test split, are the treebank. Takes
    about three minutes on one core. Sets the global seeds of random, numpy and torch, as stanza's scripts do.
    """
    whole = paragraphs([scene for scene in sample_scenes(scenes, seed * 1000) if scene.split == "train"], seed)
    dev = whole[: max(1, round(len(whole) * DEV_SHARE))]
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work, _quiet():
        folder = Path(work)
        write_treebank(folder, "train", whole[len(dev) :])
        write_treebank(folder, "dev", dev)
        for name, (module, options) in tqdm(STAGES.items(), "toy stanza", disable=None):
            saved = f"en_toybirds.{name}.pt"
            words = [word.format(folder=folder, saved=saved, seed=seed) for word in f"{COMMON} {options}".split()]
            importlib.import_module(module).main(words)
            save_half_precision(folder / saved, out / f"{name}.pt")
    _write_card(out, scenes, seed, sum(map(len, whole)))


def write_treebank(folder: Path, name: str, texts: Sequence[Sequence[Sentence]]) -> None:
    """Writes NAME.conllu, NAME.txt (with blank lines between paragraphs) and NAME.labels (a label per character)."""
    from stanza.utils.datasets import prepare_tokenizer_data

    conllu, plain, labels, words = (folder / f"{name}.{end}" for end in ("conllu", "txt", "labels", "mwt.json"))
    conllu.write_text("".join(s.conllu for sentences in texts for s in sentences), encoding="utf8")
    plain.write_text("\n\n".join(" ".join(s.text for s in sentences) for sentences in texts), encoding="utf8")
    with contextlib.redirect_stdout(io.StringIO()):
        prepare_tokenizer_data.main([str(plain), str(conllu), "-o", str(labels), "-m", str(words)])


def save_half_precision(source: Path, target: Path) -> None:
    """Saves a trained model with weights in half precision and without file paths, so that its bytes are reproducible.

    Raises FileNotFoundError if there is no trained model, since stanza only logs that saving failed.
    """
    saved: dict[str, Any] = torch.load(source, weights_only=True)
    state = saved["model"] or {}
    saved["model"] = {key: value.half() if value.is_floating_point() else value for key, value in state.items()} or None
    config = saved["config"]
    for key in [key for key in config if key.endswith(("_file", "_dir")) or key in ("save_name", "dev_conll_gold")]:
        config[key] = None
    if "dicts" in saved:  # the dictionary of the lemmatizer; its gzip header contains the time
        saved["dicts"] = gzip.compress(gzip.decompress(saved["dicts"]), mtime=0)
    torch.save(saved, target)


def _write_card(out: Path, scenes: int, seed: int, sentences: int) -> None:
    import stanza

    models = {}
    for name in STAGES:
        path = out / f"{name}.pt"
        state = torch.load(path, weights_only=True)["model"] or {}
        models[name] = {"bytes": path.stat().st_size, "parameters": sum(value.numel() for value in state.values())}
    made = "stanza's own training scripts on the toy birds' grammar (hspcgan assets build); no other data, no vectors"
    card = {"made": made, "stanza": stanza.__version__, "seed": seed, "scenes": scenes, "sentences": sentences}
    (out / "card.json").write_text(json.dumps({**card, "models": models}, indent=1) + "\n", encoding="utf8")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Context manager that limits stanza's log to warnings; first imports stanza's scripts, which set the log level."""
    logger = logging.getLogger("stanza")
    level = logger.level
    for module, _ in STAGES.values():
        importlib.import_module(module)
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


Sets = tuple[Counter, Counter, Counter]


def accuracy(parser: Parser, scenes: Sequence[Scene]) -> float:
    """Returns the share of captions for which all three concept sets from the parser equal the gold sets.

    Attributes are compared with their entity and relations with subject and object, by word index in the caption.
    """
    spoken = [caption for scene in scenes for caption in captions(scene)]
    parsed = parser.parse([caption.text for caption in spoken])
    right = sum(found_sets(one) == gold_sets(other) for one, other in zip(parsed, spoken, strict=True))
    return right / len(spoken)


def gold_sets(caption: Caption) -> Sets:
    """Counts gold entities (lemma, word), attributes (text, entity word), relations (text, subject word, object word).

    The object word is -1 for a relation without an object.
    """
    meaning, place = caption.meaning, caption.index
    return (
        Counter((word.lemma, place[id(word)]) for word in meaning.entities),
        Counter((text, place[id(word)]) for word, text in meaning.attributes),
        Counter((text, place[id(one)], place[id(other)] if other else -1) for one, text, other in meaning.relations),
    )


def found_sets(concepts: Concepts) -> Sets:
    """Converts concept sets from a parser to the form of `gold_sets`."""
    place = [*(entity.word for entity in concepts.entities), -1]
    return (
        Counter((entity.text, entity.word) for entity in concepts.entities),
        Counter((attribute.text, place[attribute.entity]) for attribute in concepts.attributes),
        Counter((relation.text, place[relation.subject], place[relation.object]) for relation in concepts.relations),
    )
