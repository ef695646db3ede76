"""Verdicts, tables and the page of made results: differences by hand, censored runs, failures, equal files."""

import pytest

from hspcgan.train.study.config import StudyConfig
from hspcgan.train.study.results import Results
from hspcgan.train.study.tables import claims_table, rows_table, write_tables
from hspcgan.train.study.verdicts import judge

SCORE, FID = "clip_score/held-out-clip", "fid/held-out-clip"
SEEDS = (0, 1, 2, 3, 4, 5)


def figure(name: str, value: float, better: str, half: float = 0.01) -> dict:
    full = f"{name}/n10/test/keyed/seed0/v1-abc"
    return {full: {"value": value, "low": value - half, "high": value + half, "better": better, "n": 10}}


def result(row: str, seed: int, score: float, fid: float, curve=(), status="done", untrained_fid=100.0) -> dict:
    final = figure(SCORE, score, "higher") | figure(FID, fid, "lower")
    return {
        "row": row,
        "seed": seed,
        "status": status,
        "batch_size": 4,
        "validation": [{"step": step, "figures": {f"{SCORE}/n5/val/v1-d": value}} for step, value in curve],
        "final": final if status == "done" else {},
        "untrained": figure(FID, untrained_fid, "lower", 1.0),
        "parameters": {"generator": 1_000_000, "discriminator": 500_000},
    }


def config(*claims: dict, **more: object) -> StudyConfig:
    rows = {"a": "paper/toybirds/hspcgan", "b": "paper/toybirds/galip"}
    return StudyConfig.model_validate({"rows": rows, "shown": [SCORE, FID], "claims": claims, **more})


def better(*figures: str, kind: str = "better") -> dict:
    return {"text": "a is better", "kind": kind, "row": "a", "than": ["b"], "figures": figures}


def test_differences_are_paired_by_seed_and_positive_where_the_row_is_better():
    gains = [0.02, 0.03, 0.01, 0.02, 0.04, 0.03]
    results = Results.of(
        [result("b", seed, 0.30 + seed / 10, 50.0) for seed in SEEDS]
        + [result("a", seed, 0.30 + seed / 10 + gains[seed], 50.0 - gains[seed]) for seed in reversed(SEEDS)]
    )
    assert results.differences("a", "b", SCORE) == pytest.approx(gains)
    assert results.differences("a", "b", FID) == pytest.approx(gains)  # lower is better
    (judged,) = judge(config(better(SCORE, FID)), results)
    assert [part.verdict for part in judged.comparisons] == ["held", "held"]
    assert judged.comparisons[0].p == 1 / 64


def test_a_missing_or_failed_run_leaves_its_pair_out():
    results = Results.of(
        [result("b", seed, 0.3, 50.0, status="failed" if seed == 2 else "done") for seed in SEEDS]
        + [result("a", seed, 0.4, 50.0) for seed in SEEDS[:-1]]
    )
    assert len(results.differences("a", "b", SCORE)) == 4
    (judged,) = judge(config(better(SCORE)), results)
    assert judged.comparisons[0].note == "4 of 6 seeds"


def test_without_results_everything_is_undecided():
    (judged,) = judge(config(better(SCORE)), Results.of([]))
    assert judged.verdict == "undecided"
    assert judged.comparisons[0].note == "0 of 6 seeds"


def test_one_pair_has_a_difference_but_no_interval_and_no_verdict():
    results = Results.of([result("a", 0, 0.4, 40.0), result("b", 0, 0.3, 50.0)])
    for kind in ("better", "not-worse"):
        (judged,) = judge(config(better(FID, kind=kind), margins={FID: 1}), results)
        assert judged.verdict == "undecided"
        assert claims_table([judged])["mean [interval]"].tolist() == ["10.00 (n = 1)"]


def test_not_worse_needs_a_margin_and_holds_within_it():
    with pytest.raises(ValueError, match="needs a margin for clip_score"):
        config(better(SCORE, kind="not-worse"))
    results = Results.of(
        [result("b", seed, 0.3, 50.0) for seed in SEEDS]
        + [result("a", seed, 0.299 + seed / 10_000, 50.0) for seed in SEEDS]
    )
    (judged,) = judge(config(better(SCORE, kind="not-worse"), margins={SCORE: 0.01}), results)
    assert judged.verdict == "held"


def test_speed_is_the_first_evaluation_as_good_and_censored_if_there_is_none():
    slow = [(1, 0.1), (2, 0.2), (4, 0.3)]  # of 4 images a step: 16 images
    results = Results.of(
        [result("b", seed, 0.3, 50.0, slow) for seed in SEEDS]
        + [result("a", seed, 0.3, 50.0, [(1, 0.1), (2, 0.31), (4, 0.25)]) for seed in SEEDS[:5]]
        + [result("a", 5, 0.3, 50.0, [(1, 0.1), (2, 0.2), (4, 0.29)])]
    )
    assert results.share_to_reach("a", "b", 0, SCORE) == 0.5  # 8 of 16 images
    assert results.share_to_reach("a", "b", 5, SCORE) == float("inf")
    claim = better(SCORE, kind="faster") | {"share": 0.65}
    (judged,) = judge(config(claim), results)
    assert judged.verdict == "undecided"  # 5 of 6: p = 7/64
    assert judged.comparisons[0].note.startswith("share at most 0.65 in 5 of 6 seeds; score not reached in 1")


def test_rows_fail_by_a_loss_that_is_not_finite_or_by_ending_no_better_than_untrained():
    claim = {"text": "a and b fail", "kind": "fails", "rows": ["a", "b"], "figures": [FID]}
    results = Results.of(
        [result("a", seed, 0.3, 99.5 if seed else 0, status="done" if seed else "diverged") for seed in SEEDS]
        + [result("b", seed, 0.3, 60.0) for seed in SEEDS]
    )
    (judged,) = judge(config(claim), results)
    assert [part.verdict for part in judged.comparisons] == ["held", "not held"]
    assert judged.comparisons[0].note == "no better than untrained in 6 of 6 seeds; loss not finite in 1"
    assert judged.verdict == "not held"


def test_a_level_is_reached_if_the_interval_lies_above_it():
    def judged(values):
        results = Results.of([result("a", seed, value, 50.0) for seed, value in enumerate(values)])
        claim = {"text": "a reaches", "kind": "reaches", "row": "a", "at_least": {SCORE: 0.9}}
        return judge(config(claim), results)[0].verdict

    assert judged([0.95, 0.96, 0.94, 0.95]) == "held"
    assert judged([0.85, 0.86, 0.84, 0.85]) == "not held"
    assert judged([0.85, 0.95, 0.9, 0.9]) == "undecided"


def test_unknown_rows_and_repeated_seeds_are_rejected():
    with pytest.raises(ValueError, match="unknown rows c; known: a, b"):
        config(better(SCORE) | {"than": ["c"]})
    with pytest.raises(ValueError, match="contain duplicates"):
        config(seeds=[0, 0])


def test_tables_are_written_as_markdown_csv_and_latex(tmp_path):
    results = Results.of([result(row, seed, 0.3, 50.0) for row in "ab" for seed in SEEDS])
    study = config(better(SCORE), published={"b": "paper/cub/table2_base_32"})
    frames = {"rows": rows_table(study, results), "claims": claims_table(judge(study, results))}
    files = {path.name: path.read_text() for path in write_tables(tmp_path, frames)}
    assert files["rows.csv"].splitlines()[2] == (
        'b,11.2,0.316,1.00 + 0.50,6 done,"0.3000 [0.3000, 0.3000]","50.00 [50.00, 50.00]"'
    )
    assert "| a − b" in files["claims.md"]
    assert r"a $-$ b & clip\_score/held-out-clip & 0.0000 [0.0000, 0.0000] & 1.000" in files["claims.tex"]
