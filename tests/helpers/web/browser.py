"""Headless Chromium (Debian's package) driven by Playwright: pages at a width, without network, checked by axe-core."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

CHROMIUM = shutil.which("chromium")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync")  # fmt: skip
WIDTHS = (1280, 390)  # px: a laptop, a telephone

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None and "CI" not in os.environ, reason="no chromium; apt-get install chromium"
)
"""In CI nothing is skipped: without Chromium these tests fail there."""


@contextmanager
def running_chromium() -> Iterator:
    """A playwright Browser with a new, empty profile. Close it before other tests run an asyncio loop."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=list(FLAGS))
        yield browser
        browser.close()


@contextmanager
def opened(browser, url: str, width: int = WIDTHS[0], height: int = 900, status: int = 200) -> Iterator:
    """The page at `url` in a window of its own.

    Requests to other origins are aborted; the page must not make any, nor log an error: both are asserted at the end.
    `status` is the page's own answer over HTTP.
    """
    context = browser.new_context(viewport={"width": width, "height": height})
    context.set_default_timeout(60_000)
    outside, errors = [], []

    def route(asked) -> None:
        if _origin(asked.request.url) == _origin(url) or asked.request.url.startswith("data:"):
            asked.continue_()
        else:
            outside.append(asked.request.url)
            asked.abort()

    context.route("**/*", route)
    page = context.new_page()
    page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    answer = page.goto(url)
    if url.startswith("http"):
        assert answer.status == status
        if status >= 400:
            errors.remove(next(line for line in errors if f"status of {status}" in line))  # the console's own line
    yield page
    context.close()
    assert outside == [], "the page loads from outside"
    assert errors == []


def axe_violations(page) -> list[str]:
    """A line for each accessibility rule that the page breaks, by axe-core with all its rules for WCAG and practice."""
    from axe_playwright_python.sync_playwright import Axe

    return [
        f"{found['id']} ({found['impact']}): {found['help']}: {[node['target'] for node in found['nodes']][:5]}"
        for found in Axe().run(page).response["violations"]
    ]


def overflow(page) -> int:
    """By how many px the page is wider than its window."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc
