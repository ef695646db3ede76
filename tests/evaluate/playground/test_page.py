"""The playground in a browser: a telephone and a laptop, mouse or keys alone, without faults of accessibility."""

import io

import pytest
from helpers.web.browser import WIDTHS, axe_violations, needs_chromium, opened, overflow
from PIL import Image

from hspcgan.evaluate.playground.page_state import State

pytestmark = needs_chromium
TWO = State("a red bird stands on the grass", "a blue bird stands on the grass", count=2)
PAGES = {
    "two captions": (TWO.query(), 200),
    "one caption with unknown words": (State("a red parrot wearing glasses", "", count=3).query(), 200),
    "a long caption": (State("a red bird with white wings and a small beak and " * 6 + "nest", "a bird").query(), 200),
    "nothing that can be drawn": ("a=%3F&count=99&seed=x", 400),
}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_pages_are_accessible_and_fit(chromium, served, name, width):
    query, status = PAGES[name]
    with opened(chromium, f"{served.url}/?{query}", width, status=status) as page:
        page.wait_for_load_state("networkidle")
        assert axe_violations(page) == []
        assert overflow(page) == 0
        assert page.locator(".status:visible").count() == 0
        broken = "[...document.images].filter(image => image.complete && !image.naturalWidth).length"
        assert page.evaluate(broken) == 0


def test_changed_words_are_underlined_and_images_drawn(chromium, served):
    with opened(chromium, f"{served.url}/?{TWO.query()}") as page:
        assert page.locator(".side ins").all_inner_texts() == ["red", "blue"]
        assert page.locator(".side svg").count() == 2
        assert page.locator(".draws img").evaluate_all("all => all.map(one => one.naturalWidth)") == [56] * 4
        pairs = page.locator(".draws .pair").evaluate_all(
            "all => all.map(pair => pair.children[0].getBoundingClientRect().top == "
            "pair.children[1].getBoundingClientRect().top)"
        )
        assert pairs == [True, True]


@pytest.mark.parametrize("width", WIDTHS)
def test_keys_alone_are_enough(chromium, served, width):
    with opened(chromium, f"{served.url}/?{TWO.query()}", width) as page:
        reached = []
        for _ in range(6):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
        assert reached == ["a", "b", "seed", "count", "checkpoint", "BUTTON"]
        for _ in range(4):
            page.keyboard.press("Shift+Tab")  # back on b, with its text selected
        page.keyboard.type("a green bird stands on the grass")
        page.keyboard.press("Enter")
        page.wait_for_url("**b=a+green+bird*")
        assert page.locator(".side ins").all_inner_texts() == ["red", "green"]
        page.locator("#f0").focus()
        shown = page.locator(".frames figure:visible figcaption")
        assert shown.all_inner_texts() == ["0% B"]
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        assert shown.all_inner_texts() == ["25% B"]
        page.keyboard.press("ArrowLeft")
        assert shown.all_inner_texts() == ["12% B"]


def test_focus_is_visible(chromium, served):
    with opened(chromium, f"{served.url}/?{TWO.query()}") as page:
        for _ in range(12):
            page.keyboard.press("Tab")
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline == "solid"


def test_a_reload_and_the_address_bring_the_same_page_back(chromium, served):
    with opened(chromium, served.url) as page:
        page.fill("#a", "a large pink bird is floating on the water")
        page.fill("#b", "")
        page.fill("#seed", "41")
        page.fill("#count", "2")
        page.click("button")
        page.wait_for_url("**seed=41*")
        first = page.content()
        page.reload()
        assert page.content() == first
        assert page.input_value("#seed") == "41"
        with opened(chromium, page.url) as other:
            assert other.content() == first


def test_pngs_and_grids_are_downloaded(chromium, served):
    with opened(chromium, f"{served.url}/?{TWO.query()}") as page:
        sizes = {}
        for name in ("PNG of A, seed 0", "Download the grid", "Download the strip"):
            with page.expect_download() as waiting:
                page.get_by_role("link", name=name).click()
            download = waiting.value
            sizes[download.suggested_filename] = Image.open(io.BytesIO(download.path().read_bytes())).size
        assert sizes["a-red-bird-stands-on-the-grass_seed0.png"] == (56, 56)
        assert sizes["grid.png"][0] == 2 * (168 + 12) + 12
        assert sizes["strip.png"][0] == 9 * (168 + 12) + 12
