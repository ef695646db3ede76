"""The state of the page, read from its URL and validated: two captions, seeds, a checkpoint."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from urllib.parse import urlencode

from hspcgan.evaluate.draw.edit import replace_words
from hspcgan.model.common.errors import UserError
from hspcgan.pipeline.pages.marked_caption import changed_words
from hspcgan.pipeline.stages.caption_text import clean_caption

LONGEST = 300  # characters in a caption
MOST = 8  # images per caption
LAST_SEED = 2**31 - 1
FRAMES = 9  # in an interpolation


@dataclass(frozen=True)
class State:
    """Caption `a`, caption `b` (can be empty), the seeds for both (`count` seeds from `seed` on) and the checkpoint."""

    a: str = "a small yellow bird with a white belly is perched on a branch"
    b: str = "a small yellow bird with a red belly is perched on a branch"
    seed: int = 0
    count: int = 4
    checkpoint: str = "toy-hspcgan"

    @property
    def captions(self) -> dict[str, str]:
        """The captions that are not empty, by side (a or b)."""
        return {side: text for side, text in (("a", self.a), ("b", self.b)) if text}

    @property
    def seeds(self) -> range:
        return range(self.seed, self.seed + self.count)

    def query(self, **changes: object) -> str:
        """Returns the state as a URL query, with some values changed or added."""
        return urlencode({**asdict(self), **changes})

    def commands(self) -> list[str]:
        """Returns commands that give the same images: `sample` for one caption, `edit` and `interpolate` for two."""
        options = ["--seed", str(self.seed)]
        if self.checkpoint != "toy-hspcgan":
            options += ["--checkpoint", self.checkpoint]
        count = ["--count", str(self.count)]
        if not self.b or self.a == self.b:
            return [shlex.join(["hspcgan", "sample", self.a, *options, *count])]
        edit = ["hspcgan", "edit", self.a, "--replace", *replacement(self.a, self.b), *options, *count]
        return [shlex.join(edit), shlex.join(["hspcgan", "interpolate", self.a, self.b, *options])]


class StateError(UserError):
    """An invalid request, with one sentence per problem; `state` holds the valid parts of the request."""

    def __init__(self, problems: list[str], state: State):
        super().__init__(" ".join(problems))
        self.problems, self.state = problems, state


def read_state(query: Mapping[str, str], checkpoints: Collection[str]) -> State:
    """Reads the state from a URL query; missing values get their default. StateError with all problems at once.

    `checkpoints` are the names that a request may use, the default first.
    """
    names, problems = list(checkpoints), []
    texts = {}
    for side, default in (("a", State.a), ("b", State.b if "a" not in query else "")):
        texts[side], problem = _caption(query.get(side, default), side)
        problems += problem
    if not texts["a"] and not problems:
        problems.append("Caption A is empty; describe a bird, such as “a red bird with long wings”.")
    numbers = {}
    for key, name, standard, low, high in (("seed", "first seed", State.seed, 0, LAST_SEED),
                                           ("count", "number of images", State.count, 1, MOST)):  # fmt: skip
        text = query.get(key, str(standard)).strip()
        valid = re.fullmatch(r"[0-9]{1,10}", text) and low <= int(text) <= high
        numbers[key] = int(text) if valid else standard
        if not valid:
            problems.append(f"The {name} is {text[:20]!r}; give a whole number from {low} to {high:,}.")
    checkpoint = query.get("checkpoint", names[0])
    if checkpoint not in names:
        problems.append(f"There is no checkpoint {checkpoint[:60]!r} here; choose one from the list.")
        checkpoint = names[0]
    state = State(texts["a"], texts["b"], numbers["seed"], numbers["count"], checkpoint)
    if problems:
        raise StateError(problems, state)
    return state


def _caption(text: str, side: str) -> tuple[str, list[str]]:
    """Returns the caption as ingest would store it, and its problems; an empty caption is not a problem here."""
    if len(text) > LONGEST:
        problem = f"Caption {side.upper()} has {len(text):,} characters, at most {LONGEST} are allowed; shorten it."
        return text[:LONGEST], [problem]
    if not text.strip():
        return "", []
    try:
        return clean_caption(text), []
    except UserError as error:
        return text, [f"Caption {side.upper()} cannot be used ({error}); describe the image in words."]


def replacement(before: str, after: str) -> tuple[str, str]:
    """Returns OLD and NEW for `hspcgan edit`: the shortest sequence of words whose replacement gives `after`."""
    spans = changed_words(before, after), changed_words(after, before)
    if all(spans):
        (new, old) = ((text[s[0][0] : s[-1][1]]) for text, s in zip((after, before), spans, strict=True))
        try:
            if replace_words(before, old, new) == after:
                return old, new
        except UserError:
            pass
    return before, after
