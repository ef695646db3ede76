"""The report: one self-contained page, every text escaped, curves and marks that say what the files say."""

import base64
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import yaml
from helpers import scored_runs as world
from helpers.cli import hspcgan
from helpers.run_folders import record, write_run
from helpers.web.browser import WIDTHS, axe_violations, needs_chromium, opened, overflow
from PIL import Image

from hspcgan.evaluate.draw.pictures import read_png, split_paired_sheet
from hspcgan.evaluate.report.build import render
from hspcgan.evaluate.report.charts import Curve, chart, smoothed, ticks
from hspcgan.model.common.errors import UserError


class Page(HTMLParser):
    """Tags, addresses and texts of a page; counts what is opened and not closed."""

    def __init__(self, html: str):
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.cards: list[list[tuple[str, np.ndarray]]] = []  # (label, pixels) of each captioned figure
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href", "action", "xlink:href")]
        assert not [name for name, _ in attributes if name.startswith("on")]
        if tag not in ("meta", "img", "br", "link"):
            self.open.append(tag)
        if tag == "figure" and "card" in dict(attributes).get("class", "").split():
            self.cards.append([])
        if tag == "img" and "figure" in self.open:
            self.cards[-1].append(("", decoded(dict(attributes)["src"])))

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, self.getpos()

    def handle_data(self, data):
        self.texts.append(data)
        if self.open[-2:] == ["div", "span"] and "figure" in self.open:
            self.cards[-1][-1] = (data, self.cards[-1][-1][1])


def decoded(address: str) -> np.ndarray:
    """Pixels of a data URL, uint8 HWC."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))).convert("RGB"))


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Page:
    return Page(render(write_run(tmp_path_factory.mktemp("report") / "run")))


def test_every_text_is_escaped(page):
    assert "script" not in page.tags
    assert sum("alert('x')" in text for text in page.texts) >= 8


def test_absolute_paths_of_the_machine_stay_off_the_page(tmp_path):
    run, elsewhere = write_run(tmp_path / "mine" / "run"), tmp_path / "datasets" / "birds"
    (run / "manifest.yaml").write_text(
        f"run: {run}\ncache: {tmp_path}/mine/cache\ndata: {{path: {elsewhere}}}\n"
        f"evaluate: {{scorers: {{own: [{elsewhere}/b.pt, weights/c.pt]}}}}\n"
    )
    for label, path in (("trained", run / "checkpoints" / "step-000010"), ("untrained", elsewhere / "toy")):
        found = record(label, 1.0)
        found["subject"] |= {"kind": "checkpoint", "path": str(path)}
        (run / "evaluation" / f"{label}.json").write_text(json.dumps(found))
    texts = Page(render(run)).texts
    assert not [text for text in texts if str(tmp_path) in text]
    assert {"run/checkpoints/step-000010", "…/toy"} <= set(texts)
    (manifest,) = (text for text in texts if "scorers:" in text)
    assert yaml.safe_load(manifest) == {
        "run": "run", "cache": "cache", "data": {"path": "…/birds"},
        "evaluate": {"scorers": {"own": ["…/b.pt", "weights/c.pt"]}},
    }  # fmt: skip


def test_the_page_is_well_formed_and_needs_nothing_from_outside(page):
    assert page.open == []
    assert page.addresses
    assert all(address.startswith("data:image/png;base64,") for address in page.addresses)
    assert not {"link", "iframe", "object", "script"} & set(page.tags)
    style = "".join(page.texts)
    assert "@import" not in style
    assert "url(" not in style


def test_the_page_says_how_far_the_checkpoint_has_come_and_which_bound_it_missed(page):
    text = re.sub(r"\s+", " ", " ".join(page.texts))
    assert "80 % of the way" in text  # (100 − 28) / (100 − 10)
    assert "a network that was not used in training" in text
    assert "drift" in text
    assert "≤ 20" in text
    assert "0 of 1 expectations hold" in text


def test_the_page_says_when_where_and_with_what_it_was_made_and_what_was_rejected(page):
    text = re.sub(r"\s+", " ", " ".join(page.texts))
    assert "2026-01-02 03:04" in text
    assert "commit c0ffee123456" in text
    assert ", 4 cores" in text
    assert re.search(r"Lock Found same evaluate.samples 5 5 .* differs evaluate.seed 0 1 ", text)
    assert re.search(r"image no image <script>.* 2 Provenance", text)


def test_real_images_stand_beside_a_checkpoint_that_was_scored_alone(tmp_path):
    run = write_run(tmp_path / "run")
    for label in ("real", "untrained"):
        (run / "evaluation" / f"{label}.json").unlink()
    page = Page(render(run))
    text = " ".join(page.texts)
    assert re.search(r"real images\s+floor\s+11\.00", text)
    assert "of the way" not in text


def test_an_evaluation_without_fid_is_a_page_all_the_same(tmp_path):
    run = write_run(tmp_path / "run")
    for path in (run / "evaluation").glob("*.json"):
        record = json.loads(path.read_text())
        record["figures"], record["real"] = record["figures"][1:], []
        path.write_text(json.dumps(record))
    text = " ".join(Page(render(run)).texts)
    assert "Not scored yet" not in text
    assert "Correct attributes" in text


def test_each_caption_shows_its_real_and_its_drawn_image(tmp_path):
    run = write_run(tmp_path / "run")
    real, drawn = split_paired_sheet(read_png(run / "evaluation" / "trained.png"), 3, (8, 8))
    cards = Page(render(run)).cards
    assert [[label for label, _ in card] for card in cards[:5]] == [["real", "trained here"]] * 5  # 3, lowest, highest
    got = [[pixels for _, pixels in card] for card in cards[:3]]
    np.testing.assert_array_equal(got, np.stack([real, drawn], axis=1))


def test_the_page_shows_attributes_extremes_and_edits(page):
    text = re.sub(r"\s+", " ", " ".join(page.texts))
    assert "Correct attributes" in text
    assert "28.0 %" in text  # of the checkpoint, 10.0 % of real images
    assert [[label for label, _ in card] for card in page.cards[-2:]] == [["before", "after"]] * 2
    assert "0.100" in text


def test_an_evaluation_without_a_training_run_and_other_runs_beside_it(tmp_path):
    run, other = write_run(tmp_path / "one"), write_run(tmp_path / "two")
    (run / "manifest.yaml").unlink()
    page = Page(render(run, [other]))
    assert page.texts.count("two/trained") >= 2
    assert not any(text == "Training" for text in page.texts)
    (tmp_path / "three").mkdir()
    with pytest.raises(ValueError, match=r"neither manifest\.yaml.*nor evaluation/"):
        render(tmp_path / "three")


@needs_chromium
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_has_no_accessibility_faults_and_fits_its_window(chromium, tmp_path, width):
    (tmp_path / "page.html").write_text(render(write_run(tmp_path / "run")))
    with opened(chromium, (tmp_path / "page.html").as_uri(), width=width) as page:
        assert axe_violations(page) == []
        assert overflow(page) == 0


@needs_chromium
def test_folded_parts_are_printed_and_nothing_is_cut_off_on_paper(chromium, tmp_path):
    run, others = write_run(tmp_path / "run"), [write_run(tmp_path / f"other-{i}") for i in range(4)]
    (tmp_path / "page.html").write_text(render(run, others))
    with opened(chromium, (tmp_path / "page.html").as_uri()) as page:
        visible = "document.querySelector('details pre').checkVisibility()"
        assert page.evaluate(visible) is False
        page.set_viewport_size({"width": 700, "height": 1000})  # an A4 page within its margins, in CSS px
        page.emulate_media(media="print")
        assert page.evaluate(visible) is True
        assert overflow(page) == 0


def test_a_run_that_is_not_scored_yet_says_what_to_do(tmp_path):
    (tmp_path / "manifest.yaml").write_text("name: young\n")
    page = Page(render(tmp_path))
    assert any("Not scored yet" in text for text in page.texts)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [("log.jsonl", '{"step": 1\n', "remove this line"),
     ("evaluation/real.json", "{", "is not valid JSON"), ("evaluation/real.json", '{"format": 9}', "has format 9"),
     ("evaluation/real.png", "no image", "cannot be read as an image")],
)  # fmt: skip
def test_damaged_files_are_named(tmp_path, name, content, message):
    run = write_run(tmp_path / "run")
    (run / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        render(run)


@pytest.mark.parametrize("cut", ['{"step": 1', "[" * 100_000, "{"])
def test_a_last_line_of_the_log_that_was_cut_off_is_left_out_and_said(tmp_path, caplog, cut):
    run = write_run(tmp_path / "run")
    page = render(run)
    with (run / "log.jsonl").open("a") as log:
        log.write(cut)
    assert render(run) == page
    assert f"{run / 'log.jsonl'}: the last line is cut off" in caplog.text
    with (run / "log.jsonl").open("a") as log:
        log.write("\n{}")
    with pytest.raises(UserError, match="remove this line"):
        render(run)


def test_the_command_writes_the_page_of_a_real_evaluation(tmp_path, tiny_clip_path, other_clip_path):
    path = world.write_manifest(tmp_path, tiny_clip_path, other_clip_path, metrics=["fid", "clip_score"])
    run = tmp_path / "run"
    assert hspcgan("evaluate", str(path), "--untrained", "--real").exit_code == 0
    (run / "manifest.yaml").write_text(path.read_text())
    dry = hspcgan("report", str(run), "--dry-run")
    assert (dry.exit_code, (run / "report.html").exists()) == (0, False)
    result = hspcgan("report", str(run))
    assert result.exit_code == 0, result.output
    page = Page((run / "report.html").read_text())
    assert page.tags.count("figure") == 5


@pytest.mark.parametrize(("low", "high", "expected"), [
    (0, 1, [0, 0.25, 0.5, 0.75, 1]), (-0.3, 1.7, [-0.5, 0, 0.5, 1, 1.5, 2]), (1000, 1000, None), (0, 0, None),
])  # fmt: skip
def test_ticks_are_round_and_enclose_the_values(low, high, expected):
    found = ticks(low, high, 4)
    assert found[0] <= low
    assert found[-1] >= high
    assert len(found) >= 2
    if expected is not None:
        assert found == pytest.approx(expected)


def test_curves_are_averaged_over_what_came_before():
    points = [(float(i), float(i % 2)) for i in range(50)]  # window: 8 % of 50 = 4
    assert smoothed(points)[0] == (0.0, 0.0)
    assert smoothed(points)[10] == (10.0, 0.5)


def test_a_chart_is_svg_with_a_line_for_each_curve_and_stays_inside_its_frame():
    curves = [Curve("a", "a", [(0, 1), (10, 5)]), Curve("b", "b", [(0, 2), (10, 900)])]
    svg = chart(curves, "Two <curves>", up="height")
    assert 'aria-label="Two &lt;curves&gt;, from step 0 to 10: a ends at 5; b ends at 900"' in svg
    assert re.findall(r'class="axis"[^>]*>([^<]*)<', svg) == ["step", "height"]
    page = Page(str(svg))
    assert page.tags.count("polyline") == 4
    numbers = [float(y) for points in re.findall(r'points="([^"]+)"', svg) for y in re.findall(r",(-?[\d.]+)", points)]
    assert min(numbers) >= 0
    assert max(numbers) <= 220
