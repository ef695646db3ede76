"""Judges the claims of a study; each verdict lists the comparisons that it is based on."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from hspcgan.train.study import statistics
from hspcgan.train.study.config import Better, Claim, Fails, Faster, NotWorse, Reaches, StudyConfig
from hspcgan.train.study.results import Results
from hspcgan.train.study.statistics import Estimate, Verdict


@dataclass(frozen=True)
class Comparison:
    """One of the comparisons that a claim consists of, with its estimate, p value and verdict."""

    what: str  # "hspcgan − galip" or "hspcgan"
    figure: str
    found: Estimate  # of the paired difference (positive is better), the share of images, or the value
    p: float | None  # exact one-sided p value, if the verdict has a test
    verdict: Verdict
    note: str = ""


@dataclass(frozen=True)
class JudgedClaim:
    """A claim with its comparisons and its verdict."""

    claim: Claim
    comparisons: list[Comparison]

    @property
    def verdict(self) -> Verdict:
        """The verdict of the claim, from those of its comparisons (see `statistics.combine_verdicts`)."""
        return statistics.combine_verdicts([one.verdict for one in self.comparisons])


def judge(config: StudyConfig, results: Results) -> list[JudgedClaim]:
    """Judges every claim, in the order of the protocol."""
    return [JudgedClaim(claim, list(_comparisons(claim, config, results))) for claim in config.claims]


def _comparisons(claim: Claim, config: StudyConfig, results: Results) -> list[Comparison]:
    if isinstance(claim, Better | NotWorse):
        return [_difference(claim, other, figure, config, results) for other in claim.than for figure in claim.figures]
    if isinstance(claim, Faster):
        return [_speed(claim, claim.than[0], figure, config, results) for figure in claim.figures]
    if isinstance(claim, Fails):
        return [_failure(claim, row, config, results) for row in claim.rows]
    return [_level(claim, figure, least, config, results) for figure, least in claim.at_least.items()]


def _difference(claim: Better | NotWorse, other: str, figure: str, config: StudyConfig, results: Results) -> Comparison:
    differences, margin = results.differences(claim.row, other, figure), config.margins.get(figure, 0.0)
    what = f"{claim.row} − {other}"
    found = statistics.estimate(differences, config.confidence)
    if found.n < 2:  # no interval
        return Comparison(what, figure, found, None, "undecided", _pairs(found.n, config))
    if isinstance(claim, NotWorse):
        shifted = [difference + margin for difference in differences]
        verdict, p = statistics.not_worse(found, margin), statistics.sign_flip_p(shifted)
    else:
        verdict, p = statistics.by_interval(found, margin), statistics.sign_flip_p(differences)
    return Comparison(what, figure, found, p, verdict, _pairs(found.n, config))


def _speed(claim: Faster, other: str, figure: str, config: StudyConfig, results: Results) -> Comparison:
    found = [results.share_to_reach(claim.row, other, seed, figure) for seed in config.seeds]
    shares = [share for share in found if share is not None]
    within, censored = sum(share <= claim.share for share in shares), sum(not isfinite(share) for share in shares)
    note = f"share at most {claim.share:g} in {within} of {len(shares)} seeds"
    if censored:
        note += f"; score not reached in {censored} (not in the mean)"
    what = f"share of the images of {other} that {claim.row} needs"
    finite = statistics.estimate([share for share in shares if isfinite(share)], config.confidence)
    p = statistics.binomial_p(within, len(shares)) if shares else None
    return Comparison(what, figure, finite, p, statistics.by_count(within, len(shares), _alpha(config)), note)


def _failure(claim: Fails, row: str, config: StudyConfig, results: Results) -> Comparison:
    answers = [results.failed_to_learn(row, seed, claim.figures) for seed in config.seeds]
    known = [answer for answer in answers if answer is not None]
    failures = sum(known)
    diverged = sum(results.by_cell.get((row, seed), {}).get("status") == "diverged" for seed in config.seeds)
    note = f"no better than untrained in {failures} of {len(known)} seeds; loss not finite in {diverged}"
    p = statistics.binomial_p(failures, len(known)) if known else None
    verdict = statistics.by_count(failures, len(known), _alpha(config))
    return Comparison(row, ", ".join(claim.figures), _mean(results, row, claim.figures[0], config), p, verdict, note)


def _level(claim: Reaches, figure: str, least: float, config: StudyConfig, results: Results) -> Comparison:
    found = _mean(results, claim.row, figure, config)
    verdict: Verdict = "held" if found.low >= least else "not held" if found.high < least else "undecided"
    return Comparison(claim.row, figure, found, None, verdict, f"at least {least:g}; {_pairs(found.n, config)}")


def _mean(results: Results, row: str, figure: str, config: StudyConfig) -> Estimate:
    return statistics.estimate(list(results.values(row, figure).values()), config.confidence)


def _alpha(config: StudyConfig) -> float:
    return 1 - config.confidence


def _pairs(n: int, config: StudyConfig) -> str:
    return f"{n} of {len(config.seeds)} seeds"


def row_estimates(config: StudyConfig, results: Results, figures: Sequence[str]) -> dict[str, dict[str, Estimate]]:
    """Returns the mean over the seeds with its interval, for every row and metric."""
    return {row: {figure: _mean(results, row, figure, config) for figure in figures} for row in config.rows}
