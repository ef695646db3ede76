"""Benchmarks at tiny sizes: they run, their table judges by the bars, and the captions are like COCO's."""

import os
import statistics

import pytest
from helpers.cli import hspcgan
from helpers.datasets import write

from hspcgan.pipeline.bench import stores
from hspcgan.pipeline.bench.captions import load_captions, synthetic_captions
from hspcgan.pipeline.bench.config import BenchConfig, Figure, table
from hspcgan.pipeline.bench.memory import run_in_new_process


def figures(output: str) -> dict[str, float]:
    rows = [line.split() for line in output.splitlines() if line.startswith("  ")]
    return {row[0]: float(row[1].replace(",", "")) for row in rows if row[1:] and row[1][0].isdigit()}


def test_synthetic_captions_have_cocos_lengths_and_repetition():
    captions = synthetic_captions(10_000)
    assert captions == synthetic_captions(10_000)
    lengths = [len(caption.split()) for caption in captions]
    # The first 10,007 captions of COCO val2017 (2,000 images): mean 10.46, deviation 2.31, 9,963 unique.
    assert abs(statistics.mean(lengths) - 10.46) < 1
    assert abs(statistics.stdev(lengths) - 2.31) < 1
    assert 9_900 < len(set(captions)) <= 9_960


def test_captions_come_from_a_file_where_one_is_named(tmp_path):
    file = write(tmp_path / "captions.txt", "a bird\n\na tree\n")
    config = {"kind": "graphs", "compared": 1, "file": file}
    assert load_captions(BenchConfig(captions=2, **config)) == ["a bird", "a tree"]
    assert load_captions(BenchConfig(captions=3, **config), most=1) == ["a bird"]
    with pytest.raises(ValueError, match=r"has 2 captions, but bench\.captions is 3"):
        load_captions(BenchConfig(captions=3, **config))


def test_the_table_judges_by_the_bars_and_refuses_bars_of_nothing():
    measured = [Figure("ratio", "ours to theirs", 3.0, "×"), Figure("memory", "peak", 3.0, "GB", is_most=True)]
    for bars in ({}, {"ratio": 3, "memory": 3}, {"ratio": 3.1}, {"memory": 2.9}):
        text, holds = table(measured, bars)
        assert holds is (bars.get("ratio", 3) <= 3 <= bars.get("memory", 3))
        assert ("MISSED" in text) is not holds
    with pytest.raises(ValueError, match=r"bench\.bars has unknown keys: ratios; known: ratio, memory"):
        table(measured, {"ratios": 1})


def test_parsing_is_the_same_both_ways_and_a_missed_bar_fails():
    result = hspcgan("bench", "bench/graphs", "-o", "bench.captions=40", "-o", "bench.compared=10",
                     "-o", "bench.processes=1", "-o", "bench.bars={identical: 1, batched: 1000000}")  # fmt: skip
    assert result.exit_code == 1
    assert figures(result.output)["identical"] == 1
    assert "MISSED" in result.output


def test_encoding_agrees_with_openais_own_way():
    result = hspcgan("bench", "bench/encode", "-o", "bench.captions=12", "-o", "bench.compared=3",
                     "-o", "bench.clip_width=64", "-o", "bench.clip_layers=2",
                     "-o", "bench.bars={error: 1.0e-3}")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert 0 < figures(result.output)["error"] < 1e-3


def test_scale_says_what_was_recorded_and_measures_every_part(tmp_path, monkeypatch):
    monkeypatch.setattr(stores, "SIZE", 32)
    result = hspcgan("bench", "bench/scale", "-o", "bench.captions=1300", "-o", "bench.compared=300",
                     "-o", f"bench.folder={tmp_path}", "-o", "bench.bars={memory_gb: 4}")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "parser is replaced by recorded results" in result.output
    found = figures(result.output)
    sizes = {"us_300", "us_1300", "us_300_again", "memory_gb", "growth_gb", "cost_ratio", "cpu_ratio", "resident_gb"}
    assert sizes | {"start_sec", "start_gb", "batch_ratio", "select_sec", "select_gb"} <= found.keys()
    assert found["raw_kb"] == 3 * 32 * 32 / 1e3
    assert found["jpeg_85_kb"] < found["jpeg_kb"] < found["webp_kb"] < found["png_kb"]
    assert all(found[f"{store}_ms"] > 0 for store in ("raw", "jpeg", "png", "webp"))
    assert 0.05 < found["memory_gb"] < 4
    assert list(tmp_path.iterdir()) == []


def test_a_manifest_without_a_bench_section_is_refused():
    result = hspcgan("bench", "toybirds")
    assert result.exit_code == 2
    assert "has no `bench` section" in result.output


def test_an_evaluation_is_measured_by_stage_and_repeated(tmp_path):
    small = {
        "bench.captions": 24, "bench.width": 16, "bench.resolution": 56, "bench.patch": 14, "bench.folder": tmp_path,
        "bench.bars": "{memory_gb: 1}", "model.image_size": 56, "model.channels": "[2,2,2,2,2]",
        "evaluate.edits": 2, "evaluate.metrics": "[fid,clip_score,edit_consistency]",
    }  # fmt: skip
    options = [part for key, value in small.items() for part in ("-o", f"{key}={value}")]
    result = hspcgan("bench", "bench/evaluate", *options)
    assert result.exit_code == 0, result.output
    found = figures(result.output)
    assert found["images"] == 12
    assert 0 < found["memory_gb"] < 1
    assert all(found[f"{stage}_sec"] > 0 for stage in ("draw", "features", "score", "page", "again"))
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_of_a_benchmark_is_one_error():
    with pytest.raises(ValueError, match=r"process of the benchmark was killed, probably because memory ran out"):
        run_in_new_process(os._exit, 9)
