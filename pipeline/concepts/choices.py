"""Reads learned weights and chooses with them: FACTUAL's wording of a phrase, and the head of a phrase.

The weights are in `pipeline/assets/caption-choices` and `caption-heads`, in `choices.tsv`, one per line: question,
feature, option, weight. The column "question" is the kind of choice: "relation", "modifier", "owned" or "head".
`hspcgan assets build` learns the weights by logistic regression (`caption_parser/learn_choices.py`, `learn_heads.py`).
"""

from collections import defaultdict
from collections.abc import Iterable
from functools import cache

from hspcgan.model.common.errors import UserError
from hspcgan.pipeline.assets import CAPTION_CHOICES, assets_folder

FILE = "choices.tsv"
Weights = dict[str, list[tuple[str, float]]]  # feature → (option, weight)


@cache
def shipped(folder: str) -> dict[str, Weights]:
    """Returns the weights in a folder of `pipeline/assets`, by question. Raises UserError if they cannot be read."""
    path = assets_folder() / folder / FILE
    try:
        lines = path.read_text(encoding="utf8").splitlines()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error}); reinstall the package") from error
    found: dict[str, Weights] = defaultdict(lambda: defaultdict(list))
    for line in lines:
        question, feature, option, weight = line.split("\t")
        found[question][feature].append((option, float(weight)))
    return {question: dict(weights) for question, weights in found.items()}


def choose(question: str, features: Iterable[str]) -> str:
    """Returns the option with the largest sum of weights over the features of a phrase, for one kind of phrase."""
    weights, totals = shipped(CAPTION_CHOICES)[question], dict[str, float]()
    for feature in features:
        for option, weight in weights.get(feature, ()):
            totals[option] = totals.get(option, 0.0) + weight
    return max(sorted(totals), key=totals.__getitem__)
