"""Texts → tuples, by the FACTUAL scene graph parser: a Flan-T5 that writes them out (Li et al., ACL Findings 2023).

The models are lizhuang144/flan-t5-*-factual-sg on Hugging Face, pretrained on Visual Genome ("VG") or not; those named
"-id" mark verbs ("v:", passive "pv:") and number things of one name ("bowl:1"). Prompt, lengths and greedy search are
those of the models' own page. Nothing is fetched, no code and no pickle of a model's folder runs.
"""

import hashlib
import importlib.util
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hspcgan.model import published_weights
from hspcgan.model.common.errors import UserError, install

PROMPT = "Generate Scene Graph: "
LENGTH = 200  # tokens, of the prompt and of the answer
BATCH = 32  # texts generated together; Flan-T5-base's keys and values then take 0.94 GB at most
WEIGHTS = "model.safetensors"
TOKENIZERS = ("tokenizer.json", "spiece.model")
SETTINGS = ("config.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
CONVERT = (
    "python -c \"import torch; from safetensors.torch import save_file; s = torch.load('pytorch_model.bin', "
    "weights_only=True); save_file({k: v.clone() for k, v in s.items()}, 'model.safetensors', {'format': 'pt'})\""
)


@dataclass(frozen=True)
class Graph:
    """A text's tuples; how many pieces of the answer were none; whether text or answer was longer than `LENGTH`."""

    tuples: list[list[str]]
    malformed: int = 0
    is_cut: bool = False


class Factual:
    """The parser in a Hugging Face folder; its files are looked for at once, and loaded at the first text."""

    def __init__(self, model: str) -> None:
        self.folder = Path(model) if model else published_weights.WEIGHTS / published_weights.FACTUAL
        if problem := missing(self.folder):
            raise UserError(f"{self.folder}: no FACTUAL parser, {problem}; `hspcgan models fetch factual` downloads it")
        if importlib.util.find_spec("transformers") is None:
            raise UserError(
                f"parse.annotator: factual needs transformers, which is not installed: {install('factual')}"
            )

    def graphs(self, texts: Sequence[str]) -> list[list[list[str]]]:
        """Each text's tuples as the model writes them: [s, r, o], [entity, "is", attribute], [entity]."""
        return [graph.tuples for graph in self.read(texts)]

    def read(self, texts: Sequence[str]) -> list[Graph]:
        """Each text's graph. A blank text has none; others depend on themselves alone, up to ties in the last digit."""
        graphs = [Graph([]) for _ in texts]
        order = sorted((n for n, text in enumerate(texts) if text.strip()), key=lambda n: len(texts[n]))
        for at in range(0, len(order), BATCH):
            numbers = order[at : at + BATCH]
            for n, graph in zip(numbers, self._generate([texts[n] for n in numbers]), strict=True):
                graphs[n] = graph
        return graphs

    def _generate(self, texts: list[str]) -> Iterator[Graph]:
        import torch

        from hspcgan.pipeline.stages.engines import one_thread

        tokenizer, model = self.loaded
        prompts = [PROMPT + text.strip() for text in texts]
        asked = tokenizer(prompts, padding=True, truncation=True, max_length=LENGTH, return_tensors="pt")
        with one_thread(), torch.inference_mode():
            answers = model.generate(input_ids=asked.input_ids, attention_mask=asked.attention_mask)
        is_cut = (asked.attention_mask.sum(1) >= LENGTH) | ~(answers == tokenizer.eos_token_id).any(1)
        for answer, cut in zip(tokenizer.batch_decode(answers, skip_special_tokens=True), is_cut.tolist(), strict=True):
            yield Graph(*tuples_in(answer), cut)

    @cached_property
    def loaded(self) -> tuple[Any, Any]:
        """Tokenizer and model, float32 on the CPU; ValueError where they cannot be read or lack weights."""
        import torch
        from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, GenerationConfig
        from transformers.utils import logging

        logging.set_verbosity_error()
        logging.disable_progress_bar()
        local = {"local_files_only": True, "trust_remote_code": False}
        try:
            tokenizer = AutoTokenizer.from_pretrained(self.folder, **local)
            model, report = AutoModelForSeq2SeqLM.from_pretrained(
                self.folder, use_safetensors=True, output_loading_info=True, **local
            )
        except Exception as error:  # its parts raise errors of many kinds, some of them bare
            raise UserError(f"{self.folder}: transformers cannot load it: {error}") from error
        if absent := sorted(report["missing_keys"]):
            raise UserError(f"{self.folder / WEIGHTS}: {len(absent)} tensors are missing, such as {absent[0]}")
        model.generation_config = GenerationConfig(  # whatever the folder's own says
            max_length=LENGTH,
            do_sample=False,
            num_beams=1,
            decoder_start_token_id=tokenizer.pad_token_id,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
        return tokenizer, model.to("cpu", torch.float32).eval()

    def sha256(self) -> str:
        """Of the files that are read, in this order: weights, tokenizers, settings; absent ones are left out."""
        from hspcgan.model.common.files import file_sha256

        digest = hashlib.sha256()
        for path in (self.folder / name for name in (WEIGHTS, *TOKENIZERS, *SETTINGS)):
            if path.is_file():
                digest.update(f"{path.name} {file_sha256(path)}\n".encode())
        return digest.hexdigest()


def missing(folder: Path) -> str:
    """The files that a folder lacks to be such a parser, and where they are found; "" if none."""
    if not folder.is_dir():
        return "no such folder; expected a copy of the model's page on Hugging Face, such as flan-t5-base-VG-factual-sg"
    absent = [name for name in ("config.json", WEIGHTS) if not (folder / name).is_file()]
    if not any((folder / name).is_file() for name in TOKENIZERS):
        absent.append(" or ".join(TOKENIZERS))
    advice = "; all are on the model's page on Hugging Face"
    if WEIGHTS in absent and any(folder.glob("*.bin")):
        advice = (
            f"; .bin files are pickles and are not read: take {WEIGHTS} from the model's page, or make it: {CONVERT}"
        )
    return f"{', '.join(absent)} missing{advice}" if absent else ""


def tuples_in(answer: str) -> tuple[list[list[str]], int]:
    """The tuples of a model's answer without repetitions, and how many pieces of it were none.

    ( pigs, is, 2), (bags , on back of, pigs ) ⇒ [pigs, is, 2], [bags, on back of, pigs]
    ( car, pv:park, on, ground ) ⇒ [car, pv:park on, ground]
    ( pole ) , ( pole , is , ⇒ [pole], one piece malformed
    """
    groups = [[part.strip() for part in group.split(",")] for group in re.findall(r"\(([^()]*)\)", answer)]
    sound = [parts for parts in groups if len(parts) in (1, 3, 4) and all(re.search(r"[^\W_]", part) for part in parts)]
    found = dict.fromkeys((p[0], " ".join(p[1:-1]), p[-1]) if len(p) > 1 else (p[0],) for p in sound)
    left = [piece for piece in re.split(r"\([^()]*\)", answer) if re.search(r"\w", piece)]
    return [list(parts) for parts in found], len(groups) - len(sound) + len(left)
