"""A small T5 in the files of a FACTUAL parser, taught a few captions by heart."""

from pathlib import Path

import sentencepiece
import torch
from transformers import T5Config, T5ForConditionalGeneration, T5Tokenizer

from hspcgan.pipeline.concepts.factual import PROMPT

TAUGHT = {
    "a man in a white shirt": "( man , wear , shirt ) , ( shirt , is , white )",
    "two birds": "( birds , is , 2 )",
    "a red bird on a branch beside a small bird": "( bird , on , branch ) , ( bird , is , red ) , ( bird",
    "sleeping": "( dog )",
}
"""Caption → what the model writes; the third breaks off, the fourth names what is not there."""


def build(folder: Path, steps: int) -> Path:
    """The folder with weights after `steps` of Adam on TAUGHT, and a sentencepiece tokenizer in T5's layout."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [PROMPT + text for text in TAUGHT] + list(TAUGHT.values())
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_prefix=str(folder / "spiece"), vocab_size=90, hard_vocab_limit=False,
        pad_id=0, eos_id=1, unk_id=2, bos_id=-1, minloglevel=2, num_threads=1,
    )  # fmt: skip
    (folder / "spiece.vocab").unlink()
    tokenizer = T5Tokenizer.from_pretrained(str(folder / "spiece.model"), extra_ids=0)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    model = T5ForConditionalGeneration(
        T5Config(
            vocab_size=len(tokenizer), d_model=32, d_kv=16, d_ff=64, num_layers=1, num_heads=2, dropout_rate=0.0,
            decoder_start_token_id=0, tie_word_embeddings=False,
        )
    )  # fmt: skip
    asked = tokenizer([PROMPT + text for text in TAUGHT], padding=True, return_tensors="pt")
    labels = tokenizer(list(TAUGHT.values()), padding=True, return_tensors="pt").input_ids
    labels[labels == 0] = -100
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = model(input_ids=asked.input_ids, attention_mask=asked.attention_mask, labels=labels).loss
        loss.backward()
        optimizer.step()
    print(steps, float(loss) if steps else None)
    model.save_pretrained(folder)
    return folder
