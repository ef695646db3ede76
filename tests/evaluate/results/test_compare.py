"""Two results side by side, reference files, tables and the Python API, each against numbers by hand."""

import json
from io import StringIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import scored_runs as world
from helpers.cli import hspcgan

from hspcgan.evaluate.results.compare import as_text, compare
from hspcgan.evaluate.results.table import published, results_table


def write_result(folder, label, values, sha256="ab", scorer="held-out-clip"):
    """A result of caption scores, one a caption, as an evaluation writes it."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = {
        "caption_id": [f"k{i}" for i in range(len(values))], "text": [f"caption {i}" for i in range(len(values))],
        "scorer": [scorer] * len(values), "clip_score": pa.array(values, pa.float64()),
    }  # fmt: skip
    pq.write_table(pa.table(rows), folder / f"{label}.parquet")
    (folder / f"{label}.json").write_text(json.dumps({"scorers": {scorer: sha256}}))
    return folder / f"{label}.json"


def test_differences_are_paired_and_much_surer_than_the_values(tmp_path):
    draw = np.random.default_rng(0)
    hard = draw.normal(0, 1, size=200)
    change = draw.normal(0.1, 0.1, size=200)
    a, b = write_result(tmp_path, "a", hard), write_result(tmp_path, "b", hard + change)
    (found,) = compare(a, b).differences
    assert (found.n, found.difference) == (200, pytest.approx(change.mean()))
    assert found.high - found.low == pytest.approx(2 * 1.96 * change.std() / np.sqrt(200), rel=0.15)
    assert found.better == "B"
    assert compare(b, a).differences[0].better == "A"
    ranked = compare(a, b).ranked
    assert ranked[0][0] == f"k{change.argmin()}"
    assert ranked[-1] == (f"k{change.argmax()}", f"caption {change.argmax()}", pytest.approx(change.max()))


def test_equal_results_have_no_winner_and_captions_of_one_alone_do_not_count(tmp_path):
    a = write_result(tmp_path, "a", [0.1, 0.2, None, 0.4])
    b = write_result(tmp_path, "b", [0.1, 0.2, 0.3, 0.4, 0.5])
    (found,) = compare(a, b).differences
    assert (found.n, found.difference, found.better) == (3, 0, "")
    assert "clip_score, held-out-clip" in as_text(compare(a, b))


@pytest.mark.parametrize(("change", "message"), [({"sha256": "cd"}, "with the same scorer"),
                                                 ({"scorer": "other"}, "share no caption")])  # fmt: skip
def test_results_of_other_scorers_are_rejected(tmp_path, change, message):
    a, b = write_result(tmp_path, "a", [1.0, 2.0]), write_result(tmp_path, "b", [1.0, 2.0], **change)
    with pytest.raises(ValueError, match=message):
        compare(a, b)
    with pytest.raises(ValueError, match=r"c\.parquet is missing"):
        compare(a, tmp_path / "c.json")


def test_the_published_rows_are_the_papers_twelve_for_each_data_set():
    assert published().groupby("data").size().to_dict() == {"cub": 12, "coco": 12}
    ours = published("coco").set_index("method").loc["HSPC-GAN"]
    assert (ours["fid"], ours["clip_score"]) == (4.97, 0.3507)
    assert (ours["source"], ours["inception"]) == ("HSPC-GAN Table 1", "not stated")
    assert published("cub").set_index("method")["fid"].isna().sum() == 3  # XMC-GAN, LDM, GigaGAN


def test_a_real_evaluation_is_compared_put_into_tables_and_used_as_a_reference(
    tmp_path, tiny_clip_path, other_clip_path
):
    path = world.write_manifest(tmp_path, tiny_clip_path, other_clip_path, metrics=["fid", "clip_score"])
    assert hspcgan("evaluate", path, "--untrained", "--real").exit_code == 0
    results = [tmp_path / "run" / "evaluation" / f"{label}.json" for label in ("untrained", "real")]
    record = json.loads(results[1].read_text())
    shown = hspcgan("compare", *results)
    assert shown.exit_code == 0, shown.output
    assert "clip_score, held-out-clip" in shown.stdout

    frame = pd.read_csv(StringIO(hspcgan("table", *results, "--format", "csv").stdout))
    values = {(one["metric"], one["scorer"]): one["value"] for one in record["figures"]}
    row = frame[(frame["method"] == "real") & (frame["scorer"] == "held-out-clip")].iloc[0]
    assert row["fid"] == pytest.approx(values["fid", "held-out-clip"])
    assert row["n"] == 5
    assert len(results_table(results, "cub")) == 12 + 4
    markdown = hspcgan("table", results[1], "--published", "cub").stdout.splitlines()
    assert len(markdown) == 2 + 12 + 2
    assert "| 10.11" in next(line for line in markdown if line.startswith("| HSPC-GAN "))
    assert row["floor"] == row["fid"]
    latex = hspcgan("table", "--published", "coco", "--format", "latex").stdout
    assert "4.97" in latex
    assert r"\toprule" in latex

    file = tmp_path / "reference.safetensors"
    assert hspcgan("reference", path, "--out", file).exit_code == 0
    again = hspcgan("evaluate", path, "--real", "-o", f"evaluate.reference={file}", "--json")
    assert again.exit_code == 0, again.output
    figures = {(one["metric"], one["scorer"]): one for one in json.loads(again.stdout)["subjects"][0]["figures"]}
    assert figures["fid", "held-out-clip"]["value"] == pytest.approx(values["fid", "held-out-clip"])
    assert "/vs-test/" not in figures["fid", "held-out-clip"]["name"]
    other = hspcgan("evaluate", path, "--real", "-o", f"evaluate.reference={file}", "-o",
                    f"evaluate.scorers={{held-out: {tiny_clip_path}}}")  # fmt: skip
    assert (other.exit_code, "for scorer held-out-clip, expected" in other.output) == (3, True), other.output
    file.write_bytes(file.read_bytes()[:100])
    cut = hspcgan("evaluate", path, "--real", "-o", f"evaluate.reference={file}")
    assert (cut.exit_code, "write it again" in cut.output) == (3, True), cut.output


def test_notebooks_draw_texts_and_score_folders(tmp_path, tiny_clip_path, other_clip_path):
    from PIL import Image

    from hspcgan.evaluate import draw_texts, score_folder

    checkpoint = world.write_checkpoint(tmp_path / "checkpoint", tiny_clip_path)
    texts = ["a red bird", "a blue bird"]
    images = draw_texts(texts, str(checkpoint), seed=3)
    assert (images.shape, images.dtype) == ((2, 56, 56, 3), np.uint8)
    options = ("--checkpoint", checkpoint, "--seed", 3, "--out", tmp_path / "out", "--no-grid")
    assert hspcgan("sample", *texts, *options).exit_code == 0
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out" / "a-blue-bird_seed3.png")), images[1])

    path = world.write_manifest(tmp_path, tiny_clip_path, other_clip_path, metrics=["clip_score"])
    assert hspcgan("evaluate", path, "--real", "--keep-images").exit_code == 0
    evaluation = tmp_path / "run" / "evaluation"
    frame = score_folder(evaluation / "images" / "real", str(path), label="mine")
    record = json.loads((evaluation / "real.json").read_text())
    assert frame["value"].tolist() == [one["value"] for one in record["figures"]]
    with pytest.raises(ValueError, match="lacks 5 of 5 images"):
        score_folder(tmp_path / "out", str(path))
