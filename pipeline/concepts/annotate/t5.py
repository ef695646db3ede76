"""Parses captions into tuples with FACTUAL's scene graph parser, a fine-tuned Flan-T5 (Li et al., ACL Findings 2023).

The models are lizhuang144/flan-t5-*-factual-sg on Hugging Face; those with "VG" in the name were pretrained on Visual
Genome. Models with "-id" in the name mark verbs ("v:", passive "pv:") and number things with equal names ("bowl:1").
Prompt, lengths and greedy search are as on the models' page. Nothing is downloaded; no code and no pickle in the model
folder is executed.
"""

import importlib.util
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field

from hspcgan.model import published_weights
from hspcgan.model.common.errors import UserError, install_command
from hspcgan.model.common.library_models import loading
from hspcgan.model.common.user_files import read_json
from hspcgan.model.common.validation import validate_as
from hspcgan.pipeline.concepts.annotate.fingerprint_inputs import files_sha256

PROMPT = "Generate Scene Graph: "
LENGTH = 200  # maximum tokens in the prompt and in the output
CONFIG, WEIGHTS = published_weights.FACTUAL_NEEDS
BATCH = 32  # captions per batch; keys and values of Flan-T5-base then take at most 0.94 GB
FIX = "`hspcgan models fetch factual` downloads the parser"


class _Config(BaseModel):
    """The fields of config.json that are validated before transformers builds the network."""

    model_type: Literal["t5"]
    num_layers: int = Field(ge=1, le=1000)
    num_decoder_layers: int | None = Field(None, ge=1, le=1000)


@dataclass(frozen=True)
class Graph:
    """A caption's tuples, the number of malformed tuples in the output, and whether input or output was truncated."""

    tuples: list[list[str]]
    malformed: int = 0
    is_cut: bool = False


class Factual:
    """The FACTUAL parser in a Hugging Face folder. The constructor checks the files; the first use loads them."""

    def __init__(self, model: str) -> None:
        self.folder = Path(model) if model else published_weights.WEIGHTS / published_weights.FACTUAL
        if problem := published_weights.problem_of_factual(self.folder):
            raise UserError(f"{self.folder} is not a FACTUAL parser: {problem}; {FIX}")
        if importlib.util.find_spec("transformers") is None:
            raise UserError(
                f"parse.annotator: factual needs transformers, which is not installed; {install_command('factual')}"
            )

    def graphs(self, texts: Sequence[str]) -> list[list[list[str]]]:
        """Returns each caption's tuples as the model writes them: [s, r, o], [entity, "is", attribute], [entity]."""
        return [graph.tuples for graph in self.read(texts)]

    def read(self, texts: Sequence[str]) -> list[Graph]:
        """Returns a graph for each caption, empty for a blank caption.

        A graph depends only on its caption, except for ties within rounding errors.
        """
        graphs = [Graph([]) for _ in texts]
        order = sorted((n for n, text in enumerate(texts) if text.strip()), key=lambda n: len(texts[n]))
        for at in range(0, len(order), BATCH):
            numbers = order[at : at + BATCH]
            for n, graph in zip(numbers, self._generate([texts[n] for n in numbers]), strict=True):
                graphs[n] = graph
        return graphs

    def _generate(self, texts: list[str]) -> Iterator[Graph]:
        import torch

        from hspcgan.pipeline.stages.executors import one_thread

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
        """The tokenizer and the model (float32, CPU). Raises UserError if a file is unreadable or incomplete."""
        import torch
        from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, GenerationConfig
        from transformers.utils import logging

        logging.set_verbosity_error()
        logging.disable_progress_bar()
        local = {"local_files_only": True, "trust_remote_code": False}
        try:
            validate_as(_Config, read_json(self.folder / CONFIG), f"{self.folder / CONFIG} is not that of a T5")
        except UserError as error:
            raise UserError(f"{error}; {FIX}") from error
        with loading(f"FACTUAL parser {self.folder}", self.folder.iterdir(), FIX):
            tokenizer = AutoTokenizer.from_pretrained(self.folder, **local)
            model, report = AutoModelForSeq2SeqLM.from_pretrained(
                self.folder, use_safetensors=True, output_loading_info=True, **local
            )
        if absent := sorted(report["missing_keys"]):
            raise UserError(f"{self.folder / WEIGHTS}: {len(absent)} tensors are missing, such as {absent[0]}; {FIX}")
        if unused := sorted(key for key in report["unexpected_keys"] if ".block." in key):
            raise UserError(
                f"{self.folder / WEIGHTS} has more layers than {CONFIG} states: {unused[0]} is not used; {FIX}"
            )
        if broken := [name for name, value in model.named_parameters() if not value.isfinite().all()]:
            raise UserError(
                f"{self.folder / WEIGHTS} is damaged: {broken[0]} has values that are NaN or infinite; {FIX}"
            )
        model.generation_config = GenerationConfig(  # overrides the configuration in the folder
            max_length=LENGTH,
            do_sample=False,
            num_beams=1,
            decoder_start_token_id=tokenizer.pad_token_id,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
        return tokenizer, model.to("cpu", torch.float32).eval()

    def sha256(self) -> str:
        """Returns one sha256 over the files of weights, tokenizer and settings that exist in the folder."""
        names = (*published_weights.FACTUAL_NEEDS, *published_weights.FACTUAL_MAY_HAVE)
        files = {name: self.folder / name for name in names}
        return files_sha256({name: path for name, path in files.items() if path.is_file()})


def tuples_in(answer: str) -> tuple[list[list[str]], int]:
    """Parses the output of the model; returns its distinct tuples and the number of malformed tuples.

    ( pigs, is, 2), (bags , on back of, pigs ) ⇒ [pigs, is, 2], [bags, on back of, pigs]
    ( car, pv:park, on, ground ) ⇒ [car, pv:park on, ground]
    ( pole ) , ( pole , is , ⇒ [pole], one malformed tuple
    """
    groups = [[part.strip() for part in group.split(",")] for group in re.findall(r"\(([^()]*)\)", answer)]
    sound = [parts for parts in groups if len(parts) in (1, 3, 4) and all(re.search(r"[^\W_]", part) for part in parts)]
    found = dict.fromkeys((p[0], " ".join(p[1:-1]), p[-1]) if len(p) > 1 else (p[0],) for p in sound)
    left = [piece for piece in re.split(r"\([^()]*\)", answer) if re.search(r"\w", piece)]
    return [list(parts) for parts in found], len(groups) - len(sound) + len(left)
