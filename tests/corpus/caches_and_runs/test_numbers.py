"""Numbers that are huge, tiny or not finite: shown in few digits, or one error, never a warning of a library."""

import json
import re

import pytest
from helpers.cli import hspcgan
from helpers.corpus import assert_told, bounded
from helpers.run_folders import record, write_run

from hspcgan.evaluate.metrics import METRICS
from hspcgan.evaluate.report.charts import label
from hspcgan.evaluate.results.figure_names import format_value
from hspcgan.model.common.printable import format_number, format_percent

VALUES = [1e308, -1e308, 1e99, -1e99, 1e7, 9999999.0, 1e-300, -1e-300, 5e-324, 0.0, -0.0, 0.125, 123456.789]


@pytest.mark.parametrize("value", VALUES)
def test_numbers_have_few_digits(value):
    shown = [format_value(metric, value) for metric in METRICS]
    shown += [format_number(value), format_number(value, 2), format_percent(value)]
    assert max(map(len, [*shown, label(value)])) <= 14, shown
    assert not any(re.fullmatch(r"[-−]0\.?0*( %)?", text) for text in shown), shown


def test_numbers_of_everyday_size_are_shown_as_before():
    assert [format_number(value, 2) for value in (27.815, -0.4, 1234567.0)] == ["27.82", "-0.40", "1234567.00"]
    assert (format_number(0.71249), format_percent(0.9948), format_percent(0.5, 0)) == ("0.712", "99.5 %", "50 %")
    assert (format_number(1.234e30), format_percent(-1e40)) == ("1.23e+30", "-1e+42 %")
    assert (format_value("fid", -1e30), format_value("fid", float("inf"))) == ("−1e+30", "–")
    assert (label(1234.5), label(0.12345), label(-1e30)) == ("1,234", "0.123", "−1e+30")


@pytest.mark.parametrize("value", [1e99, -1e99, 1e-300])
def test_reports_and_tables_of_odd_values(tmp_path, value):
    run = write_run(tmp_path / "run")
    found = record("trained", 28.0)
    for figure in found["figures"] + found["real"]:
        figure |= {"value": value, "low": value, "high": value}
    found["extremes"][0]["score"] = value
    (run / "evaluation" / "trained.json").write_text(json.dumps(found))
    lines = [{"step": step, "loss_d": value, "grad_d": 1e308, "loss_g": float("inf")} for step in range(9)]
    (run / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with bounded():
        for form in ("markdown", "csv", "latex"):
            result = hspcgan("table", run / "evaluation" / "trained.json", "--format", form)
            assert result.exit_code == 0, result.output
            assert not re.search(r"\d{20}", result.output), result.output
        result = hspcgan("report", run)
    assert result.exit_code == 0, result.output
    assert not re.search(r"[^0-9a-zA-Z+/]\d{40}", (run / "report.html").read_text())


@pytest.mark.parametrize("field", ["value", "low", "high"])
@pytest.mark.parametrize("value", [1e308, -1e101, float("inf"), float("nan"), 10**400])
def test_a_value_that_nothing_can_be_computed_with_is_one_error(tmp_path, field, value):
    found = record("trained", 28.0)
    found["figures"][0][field] = value
    path = tmp_path / "trained.json"
    path.write_text(json.dumps(found))
    told = hspcgan("table", path)
    assert_told(told, f"{path}:\n  figures.0.{field}: ", "; evaluate again", codes={3})
    assert len(told.output) < 1000


@pytest.mark.parametrize("command", [
    ("demo", "--train-seconds", "nan", "--dry-run"), ("demo", "--train-seconds", 10**30, "--dry-run"),
    ("study", "paper/toybirds-study", "--threads", 10**9, "--dry-run"),
    ("study", "paper/toybirds-study", "--processes", 10**9, "--dry-run"), ("playground", "--load-test", 10**9),
])  # fmt: skip
def test_absurd_numbers_of_options_are_rejected_before_the_work(command):
    with bounded():
        assert_told(hspcgan(*command), "Invalid value for '--", codes={2})
