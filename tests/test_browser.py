"""The browser that other tests look at pages with finds what is wrong with a page."""

import pytest
from helpers.web.browser import axe_violations, needs_chromium, opened, overflow

PAGE = '<!doctype html><html lang="en"><title>t</title><main><h1>Birds</h1>{}</main>'


@pytest.fixture
def page_url(tmp_path):
    def write(body: str) -> str:
        (tmp_path / "page.html").write_text(PAGE.format(body))
        return (tmp_path / "page.html").as_uri()

    return write


@needs_chromium
def test_a_good_page_has_no_findings(chromium, page_url):
    with opened(chromium, page_url("<p>A bird.</p>"), width=390) as page:
        assert page.evaluate("innerWidth") == 390
        assert axe_violations(page) == []
        assert overflow(page) == 0


@needs_chromium
def test_axe_and_the_width_are_looked_at(chromium, page_url):
    with opened(chromium, page_url('<img src="data:,"><p style="width: 500px">wide</p>'), width=390) as page:
        assert [line.split(" ")[0] for line in axe_violations(page)] == ["image-alt"]
        assert overflow(page) > 100


@needs_chromium
@pytest.mark.parametrize("body", ['<img alt="" src="https://example.org/bird.png">', "<script>throw 1</script>"])
def test_what_comes_from_outside_and_what_fails_is_an_error(chromium, page_url, body):
    with pytest.raises(AssertionError), opened(chromium, page_url(body)):
        pass
