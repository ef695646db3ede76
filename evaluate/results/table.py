"""Tables of results and of the published rows of the paper, as Markdown, CSV or LaTeX, for `hspcgan table`.

published.csv holds the twelve rows of Table 1 of the HSPC-GAN paper, as printed there. The paper does not state which
Inception, resizing, sample count and CLIP were used, so compare trends, not values.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hspcgan.evaluate.results.read_record import read_record
from hspcgan.model.common.printable import format_number

if TYPE_CHECKING:
    import pandas as pd

PUBLISHED = Path(__file__).parent / "published.csv"
FORMATS = ("markdown", "csv", "latex")
COLUMNS = ("method", "type", "scorer", "inception", "fid", "fid_low", "fid_high", "floor", "clip_score", "n", "source")
DIGITS = {"fid": 2, "fid_low": 2, "fid_high": 2, "floor": 2, "clip_score": 4}


def published(data: str | None = None) -> pd.DataFrame:
    """Returns Table 1 of the paper, for one data set or both; `clip_score` is nan if the paper does not state it."""
    import pandas as pd

    rows = pd.read_csv(PUBLISHED)
    return rows if data is None else rows[rows["data"] == data].reset_index(drop=True)


def results_table(results: Sequence[Path], data: str | None = None) -> pd.DataFrame:
    """Returns the published rows of `data` (none if it is None), then a row for each result file and scorer.

    Columns: COLUMNS; `floor` is the FID of real images at the same N, `inception` the mode of clean-fid if the scorer
    is Inception. UserError as in `read_record`.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    if data is not None:
        for row in published(data).to_dict("records"):
            rows.append({**{name: row[name] for name in COLUMNS if name in row}, "scorer": "not stated"})
    for path in results:
        rows += _rows(path)
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    frame["n"] = frame["n"].astype("Int64")
    return frame


def as_text(frame: pd.DataFrame, form: str) -> str:
    """Formats the table as markdown, csv or latex; missing values are a dash, or empty in CSV."""
    if form == "csv":
        return frame.to_csv(index=False)
    shown = frame.copy().astype(object)
    for name, digits in DIGITS.items():
        shown[name] = [_number(value, digits) for value in frame[name]]
    shown["n"] = frame["n"].astype(str)
    shown = shown.where(frame.notna(), "–")
    if form == "latex":
        style = shown.style.hide(axis="index").format(escape="latex").format_index(escape="latex", axis="columns")
        return style.to_latex(hrules=True).replace("–", "--")
    shown = shown.map(lambda cell: cell.replace("|", r"\|") if isinstance(cell, str) else cell)
    return shown.to_markdown(index=False, disable_numparse=True) + "\n"


def _rows(path: Path) -> list[dict[str, Any]]:
    record = read_record(path)
    figures, label = record["figures"], record["label"]
    rows = []
    for scorer in dict.fromkeys(figure["scorer"] for figure in figures):
        own = {figure["metric"]: figure for figure in figures if figure["scorer"] == scorer}
        if not own.keys() & {"fid", "clip_score"}:
            continue
        fid, score = own.get("fid", {}), own.get("clip_score", {})
        real = (one for one in record["real"] if (one["metric"], one["scorer"]) == ("fid", scorer))
        mode = own[next(iter(own))]["identity"]["scorer_mode"] if scorer.startswith("inception-") else None
        rows.append(
            {
                "method": label, "type": record["subject"]["kind"], "scorer": scorer, "inception": mode,
                "fid": fid.get("value"), "fid_low": fid.get("low"), "fid_high": fid.get("high"),
                "floor": next((one["value"] for one in real), None), "clip_score": score.get("value"),
                "n": record["n"], "source": f"{record['manifest']['name']}, {record['date'][:10]}",
            }
        )  # fmt: skip
    return rows


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else format_number(value, digits)
