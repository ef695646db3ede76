"""A small T5 in the files of a FACTUAL parser, taught a few captions by heart."""

from pathlib import Path

import sentencepiece
import torch
from transformers import T5Config, T5ForConditionalGeneration, T5Tokenizer

from hspcgan.pipeline.concepts.annotate.t5 import PROMPT

TAUGHT = {
    "a man in a white shirt": "( man , wear , shirt ) , ( shirt , is , white )",
    "two birds": "( birds , is , 2 )",
    "a red bird on a branch beside a small bird": "( bird , on , branch ) , ( bird , is , red ) , ( bird",
    "sleeping": "( dog )",
}
"""Caption → what the model writes; the third breaks off, the fourth names what is not there."""


STEPS = 200


def build(folder: Path) -> Path:
    """The folder with weights that know TAUGHT, and a sentencepiece tokenizer in T5's layout; takes 2 seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer(folder)
    asked = tokenizer([PROMPT + text for text in TAUGHT], padding=True, return_tensors="pt")
    labels = tokenizer(list(TAUGHT.values()), padding=True, return_tensors="pt").input_ids
    labels[labels == tokenizer.pad_token_id] = -100  # T5's mark for places that no loss counts
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=len(tokenizer), d_model=64, d_kv=32, d_ff=128, num_layers=2, num_heads=2, dropout_rate=0.0,
        decoder_start_token_id=0, tie_word_embeddings=False, feed_forward_proj="gated-gelu",  # as Flan-T5
    )  # fmt: skip
    model = T5ForConditionalGeneration(config)
    optimizer = torch.optim.AdamW(model.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=STEPS)
    for _ in range(STEPS):
        optimizer.zero_grad()
        model(input_ids=asked.input_ids, attention_mask=asked.attention_mask, labels=labels).loss.backward()
        optimizer.step()
        schedule.step()
    model.save_pretrained(folder)
    return folder


def _tokenizer(folder: Path) -> T5Tokenizer:
    lines = [PROMPT + text for text in TAUGHT] + list(TAUGHT.values())
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_prefix=str(folder / "spiece"), vocab_size=90, hard_vocab_limit=False,
        pad_id=0, eos_id=1, unk_id=2, bos_id=-1, minloglevel=2, num_threads=1,
    )  # fmt: skip
    (folder / "spiece.vocab").unlink()
    tokenizer = T5Tokenizer.from_pretrained(str(folder / "spiece.model"), extra_ids=0)
    tokenizer.save_pretrained(folder)
    return tokenizer
