"""Builds the tables of a study as pandas frames and writes them as Markdown, CSV and LaTeX."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hspcgan.model.common.files import write_atomically
from hspcgan.model.common.printable import format_number
from hspcgan.pipeline.manifest import load_manifest
from hspcgan.train.study.config import StudyConfig
from hspcgan.train.study.results import Results
from hspcgan.train.study.statistics import Estimate
from hspcgan.train.study.verdicts import JudgedClaim, row_estimates

if TYPE_CHECKING:
    import pandas as pd

PUBLISHED = {"fid": "published FID (CUB)", "clip_score": "published CLIP score (CUB)"}


def rows_table(config: StudyConfig, results: Results) -> "pd.DataFrame":
    """Returns a table with one line per row: published values, parameters, runs by status, estimate of each metric."""
    import pandas as pd

    estimates, lines = row_estimates(config, results, config.shown), []
    for row in config.rows:
        runs = [result for (name, _), result in results.by_cell.items() if name == row]
        published = _published(config, row)
        line: dict[str, Any] = {"row": row}
        line |= {title: published.get(key) for key, title in PUBLISHED.items()}
        line["parameters (M)"] = _parameters(runs)
        line["runs"] = _statuses(runs)
        line |= {figure: spread(estimates[row][figure], figure) for figure in config.shown}
        lines.append(line)
    return pd.DataFrame(lines).fillna("")


def claims_table(judged: list[JudgedClaim]) -> "pd.DataFrame":
    """Returns a table with one line per comparison of a claim, with the number and the verdict of the claim."""
    import pandas as pd

    lines = []
    for number, one in enumerate(judged, 1):
        for part in one.comparisons:
            lines.append(
                {
                    "claim": number,
                    "verdict of claim": one.verdict,
                    "comparison": part.what,
                    "metric": part.figure,
                    "mean [interval]": spread(part.found, part.figure),
                    "p": "" if part.p is None else f"{part.p:.3f}",
                    "verdict": part.verdict,
                    "note": part.note,
                }
            )
    return pd.DataFrame(lines)


def spread(found: Estimate, figure: str) -> str:
    """Formats an estimate as "0.7120 [0.6900, 0.7340]", FID and KID with two decimals; "–" if there are no values."""
    digits = 2 if figure.startswith(("fid", "kid")) else 4
    if found.n == 0:
        return "–"
    mean, low, high = (format_number(value, digits) for value in (found.mean, found.low, found.high))
    return f"{mean} (n = 1)" if found.n == 1 else f"{mean} [{low}, {high}]"


def write_tables(folder: Path, frames: dict[str, "pd.DataFrame"]) -> list[Path]:
    """Writes NAME.md, NAME.csv and NAME.tex for each frame; returns their paths."""
    written = []
    for name, frame in frames.items():
        texts = {
            "md": frame.to_markdown(index=False) + "\n",
            "csv": frame.to_csv(index=False),
            "tex": _latex(frame),
        }
        for suffix, text in texts.items():
            write_atomically(folder / f"{name}.{suffix}", text)
            written.append(folder / f"{name}.{suffix}")
    return written


def _latex(frame: "pd.DataFrame") -> str:
    """Returns the frame as a LaTeX table; the document needs `\\usepackage{booktabs}`."""
    head = [_escaped(str(column)) for column in frame.columns]
    lines = [" & ".join(_escaped(str(value)) for value in row) + r" \\" for row in frame.itertuples(index=False)]
    columns = "l" * len(head)
    parts = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", " & ".join(head) + r" \\", r"\midrule", *lines]
    return "\n".join([*parts, r"\bottomrule", r"\end{tabular}", ""])


def _escaped(text: str) -> str:
    for plain, escaped in (("\\", r"\textbackslash{}"), ("_", r"\_"), ("%", r"\%"), ("&", r"\&"), ("−", "$-$")):
        text = text.replace(plain, escaped)
    return text


def _published(config: StudyConfig, row: str) -> dict[str, float]:
    name = config.published.get(row)
    return (load_manifest(name).raw.get("evaluate") or {}).get("published") or {} if name else {}


def _parameters(runs: list[dict[str, Any]]) -> str:
    """Returns the numbers of trainable parameters of generator, discriminator and head, in millions, as a string."""
    counts: dict[str, int] = next((result["parameters"] for result in runs if result["parameters"]), {})
    return " + ".join(f"{count / 1e6:.2f}" for count in counts.values())


def _statuses(runs: list[dict[str, Any]]) -> str:
    names = [result["status"] for result in runs]
    return ", ".join(f"{names.count(status)} {status}" for status in dict.fromkeys(names)) or "none"
