"""A cache's page: what it shows is what the cache holds, texts are escaped, and its search finds captions."""

import base64
import io
import re
from collections import Counter
from html.parser import HTMLParser

import numpy as np
import pytest
from click.testing import CliRunner
from helpers.caches import World, flat, make_cache
from helpers.web.browser import WIDTHS, axe_violations, needs_chromium, opened, overflow
from PIL import Image

from hspcgan.model.common.errors import UserError
from hspcgan.pipeline.cache.reader import Cache
from hspcgan.pipeline.cache_tools.page import render
from hspcgan.pipeline.cli.root import main

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


@pytest.fixture(scope="module")
def world() -> World:
    world = World(3)
    world.captions[0][1]["text"] = f"a red bird {EVIL}"
    world.rejects[1] = [
        {"stage": "ingest", "where": f"row {i} {EVIL}", "what": "caption", "why": "empty"} for i in range(7)
    ]
    return world


@pytest.fixture(scope="module")
def cache(tmp_path_factory, world) -> Cache:
    return Cache(make_cache(tmp_path_factory.mktemp("cache") / "birds", world))


class Page(HTMLParser):
    """Elements of a page with their attributes, and its text without scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict]] = []
        self.text, self._hidden = "", False
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._hidden = tag in ("script", "style")

    def handle_endtag(self, tag):
        self._hidden = False

    def handle_data(self, data):
        self.text += "" if self._hidden else data

    def count(self, tag: str) -> int:
        return sum(one == tag for one, _ in self.elements)


def test_every_image_and_caption_is_shown(cache, world):
    page = Page(render(cache))
    samples, captions = flat(world.samples), flat(world.captions)
    assert page.count("article") == len(samples)
    assert page.count("svg") == len(captions)
    for caption in captions:
        assert caption["text"] in page.text
    assert f"All {len(samples)}." in page.text


def test_images_are_the_caches(cache, world):
    found = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', render(cache))
    shown = [np.asarray(Image.open(io.BytesIO(base64.b64decode(one)))) for one in found]
    expected = np.concatenate(world.images)
    for image, pixels in zip(shown, expected, strict=True):
        assert image.shape == (6, 6, 3)
        assert np.abs(image.mean((0, 1)) - pixels.mean((1, 2))).max() < 12  # random pixels, as a JPEG


def test_phrases_are_counted_and_rejects_summed_up(cache, world):
    page = Page(render(cache))
    counts = Counter({(kind, text): count for kind, text, count in world.phrases})
    ((_, text), count) = counts.most_common(1)[0]
    assert re.search(rf"{re.escape(text)}\s*{count}", page.text)
    assert re.search(r"7\s*ingest\s*caption\s*empty", page.text)
    offered = len(flat(world.samples)) + len(flat(world.captions)) + len(flat(world.rejects))
    assert f"{offered} rows in" in page.text


def test_texts_are_never_markup(cache):
    page = Page(render(cache))
    assert page.count("script") == 1
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert all(attributes["src"].startswith("data:image/jpeg") for tag, attributes in page.elements if tag == "img")


def test_a_page_of_fewer_images_is_spread_evenly_over_the_cache(cache, world):
    samples = [row["key"] for row in flat(world.samples)]
    page = Page(render(cache, most=3))
    shown = [attributes["aria-label"] for tag, attributes in page.elements if tag == "article"]
    assert shown == [samples[0], samples[(len(samples) - 1) // 2], samples[-1]]
    assert f"3 of {len(samples)}, taken at regular intervals" in page.text


def test_a_page_of_a_search_has_the_images_with_such_captions(cache):
    page = Page(render(cache, search="THE SAME words"))
    assert page.count("article") == 2
    with pytest.raises(UserError, match="contains 'zebra'"):
        render(cache, search="zebra")


def test_the_command_writes_it(cache, tmp_path):
    target = tmp_path / "new" / "cache.html"
    done = CliRunner().invoke(main, ["inspect", str(cache.path), "--html", str(target), "--images", "2"])
    assert done.exit_code == 0, done.output
    assert Page(target.read_text()).count("article") == 2
    wrong = CliRunner().invoke(main, ["inspect", str(cache.path), "--html", str(target), "--number", "2"])
    assert wrong.exit_code == 2


@needs_chromium
@pytest.mark.parametrize("width", WIDTHS)
def test_it_is_accessible_fits_and_searches(chromium, cache, tmp_path, width):
    (tmp_path / "cache.html").write_text(render(cache))
    with opened(chromium, (tmp_path / "cache.html").as_uri(), width) as page:
        page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true; })")
        assert axe_violations(page) == []
        assert overflow(page) == 0
        page.get_by_label("Search captions").press_sequentially("WORDS same")
        assert page.locator(".sample:visible").count() == 2
        assert page.inner_text("#found") == "2 of 12 images"
        page.reload()
        assert page.locator(".sample:visible").count() == 2
        page.fill("#words", "")
        assert page.locator(".sample:visible").count() == 12


@needs_chromium
def test_a_phrase_leads_to_its_captions(chromium, tmp_path):
    concepts = [{"entities": [{"phrase": text, "head": text, "start": 0, "end": 1, "word": 0, "type": ""}]}
                for text in ("caption 1", "bird & co")]  # fmt: skip
    cache = Cache(make_cache(tmp_path / "cache", World.of(*concepts)))
    (tmp_path / "cache.html").write_text(render(cache))
    with opened(chromium, (tmp_path / "cache.html").as_uri()) as page:
        page.get_by_role("link", name="bird & co").click()
        assert page.input_value("#words") == "bird & co"
        assert page.inner_text("#found") == "0 of 1 images"
        page.get_by_role("link", name="caption 1").click()
        assert page.inner_text("#found") == "1 of 1 images"
