"""Formats an evaluation for other programs: JSON, JUnit XML for a CI server, Markdown for a job summary."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

from hspcgan.evaluate.results.figure_names import format_value, name_prefix
from hspcgan.evaluate.run import Result, add_real_images
from hspcgan.evaluate.scored.subjects import REAL
from hspcgan.model.common.printable import printable


def as_json(name: str, results: Sequence[Result]) -> str:
    """Returns a JSON object: manifest, whether all passed, values and verdicts by subject, values of real images."""
    data: dict[str, Any] = {
        "manifest": name,
        "passed": all(result.passed for result in results),
        "subjects": [
            {
                "label": result.subject.label,
                "kind": result.subject.kind,
                "error": result.error or None,
                "figures": [figure.as_json() for figure in result.figures],
                "expect": [verdict.as_json() for verdict in result.verdicts],
                "file": str(result.path),
            }
            for result in results
        ],
        "real": [figure.as_json() for figure in next((result.real for result in results if result.real), [])],
    }
    return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False)


def as_junit(name: str, results: Sequence[Result]) -> str:
    """Returns JUnit XML with a suite per subject and a case per expectation.

    A value outside its range is a failure; a subject that cannot be scored is an error.
    """
    root = ElementTree.Element("testsuites", name=name)
    for result in results:
        errors = 1 if result.error else 0
        suite = ElementTree.SubElement(
            root, "testsuite", name=result.subject.label, tests=str(len(result.verdicts) + errors),
            failures=str(sum(not one.passed for one in result.verdicts)), errors=str(errors),
        )  # fmt: skip
        if result.error:
            case = ElementTree.SubElement(suite, "testcase", classname=name, name=f"{result.subject.label} is scored")
            ElementTree.SubElement(case, "error", message=_one_line(result.error)).text = result.error
        for verdict in result.verdicts:
            case = ElementTree.SubElement(
                suite, "testcase", classname=f"{name}.{result.subject.label}", name=verdict.name
            )
            if not verdict.passed:
                message = f"{verdict.name} is {verdict.shown}, expected {verdict.expected}"
                ElementTree.SubElement(case, "failure", message=message).text = message
    ElementTree.indent(root)
    # XML cannot contain control characters, which an error can quote from a file.
    return printable(ElementTree.tostring(root, encoding="unicode", xml_declaration=True)) + "\n"


def as_markdown(name: str, results: Sequence[Result]) -> str:
    """Returns Markdown: a heading with the outcome, the verdicts, and the metric values with their 95 % intervals."""
    judged = [result for result in results if result.verdicts or result.error]
    state = "" if not judged else ": pass" if all(result.passed for result in judged) else ": FAIL"
    lines = [f"## {name}{state}", ""]
    for result in results:
        if result.error:
            lines += [f"**{result.subject.label}** could not be scored: {_one_line(result.error)}", ""]
    verdicts = [(result, verdict) for result in results for verdict in result.verdicts]
    if verdicts:
        lines += _table(
            ["Checkpoint", "Metric", "Got", "Expected", ""],
            [[result.subject.label, f"`{one.name}`", one.shown, one.expected, "pass" if one.passed else "**drift**"]
             for result, one in verdicts],
        )  # fmt: skip
    scored = [result for result in add_real_images(results) if result.figures]
    names = list(dict.fromkeys(figure.name for result in scored for figure in result.figures))
    rows = []
    for figure_name in names:
        found = [{one.name: one for one in result.figures}.get(figure_name) for result in scored]
        one = next(figure for figure in found if figure is not None)
        cells = [
            "–" if figure is None
            else f"{format_value(figure.metric, figure.value)} ({format_value(figure.metric, figure.low)} … "
                 f"{format_value(figure.metric, figure.high)})"
            for figure in found
        ]  # fmt: skip
        rows.append([name_prefix(one.metric, one.scorer, one.part), str(one.n), *cells])
    labels = ["real images" if result.subject.kind == REAL else result.subject.label for result in scored]
    lines += _table(["Metric (95 % interval)", "N", *labels], rows)
    return "\n".join(lines)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(header)} |", f"| {' | '.join('---' for _ in header)} |"]
    return [*lines, *(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows), ""]


def _one_line(text: str) -> str:
    return " ".join(text.split())
