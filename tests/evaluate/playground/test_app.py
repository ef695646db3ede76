"""The playground over HTTP: who may ask, what comes back, what is refused, and that work ends with its client."""

import io
import socket
import threading
from contextlib import contextmanager
from html.parser import HTMLParser

import numpy as np
import pytest
from click.testing import CliRunner
from helpers.web.playground import wait_until
from PIL import Image
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse

from hspcgan.evaluate.playground.guard import Guard
from hspcgan.evaluate.playground.page_state import State
from hspcgan.pipeline.cli.root import main

A, B = "a red bird with white wings stands on the grass", "a blue bird with white wings stands on the grass"
STATE = State(A, B, seed=5, count=2)


def pixels(body: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(body))).astype(int)


@contextmanager
def occupied(queue):
    """The queue's one turn is taken until the block ends; everything else waits."""
    release = threading.Event()
    work = queue._thread.submit(release.wait, 120)
    try:
        yield
    finally:
        release.set()
        work.result()


@contextmanager
def client(served, path: str):
    """A connection that has asked; leaving the block closes it, whatever came."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=120) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n\r\n".encode())
        yield connection


def received(connection: socket.socket, words: str) -> bytes:
    """What comes until the words are in it."""
    body = b""
    while words.encode() not in body:
        part = connection.recv(65536)
        assert part, f"the answer ended without {words!r}"
        body += part
    return body


def test_the_page_shows_both_captions_read_and_drawn(served):
    answer, body = served.ask("/?" + STATE.query())
    page = body.decode()
    assert answer.status == 200
    assert page.count("<svg") == 2
    assert '<mark class="attribute"><ins>red</ins></mark> <mark class="entity">bird</mark>' in page
    assert page.count("download=") == 2 * STATE.count + 2
    assert page.rstrip().endswith("</html>")
    assert "<script" not in page


def test_images_are_those_of_the_terminal_command(served, tmp_path):
    drawn = [pixels(served.ask("/image.png?" + STATE.query(seed=seed, frame=frame))[1])
             for frame in (0, 8) for seed in STATE.seeds]  # fmt: skip
    command = ["edit", A, "--replace", "red", "blue", "--seed", "5", "--count", "2", "--out", str(tmp_path)]
    done = CliRunner().invoke(main, command, catch_exceptions=False)
    for image, path in zip(drawn, done.output.splitlines()[:4], strict=True):
        expected = np.asarray(Image.open(path)).astype(int)
        assert image.shape == expected.shape == (56, 56, 3)
        assert np.abs(image - expected).max() <= 1  # another batch, other rounding
    assert np.abs(drawn[0] - drawn[2]).mean() > 3  # the captions make a difference


def test_frames_between_are_those_of_interpolate(served, tmp_path):
    done = CliRunner().invoke(main, ["interpolate", A, B, "--seed", "5", "--out", str(tmp_path)])
    expected = np.asarray(Image.open(done.output.splitlines()[0])).astype(int)
    strip = pixels(served.ask("/strip.png?" + STATE.query())[1])
    assert strip.shape == expected.shape
    assert np.abs(strip - expected).max() <= 2  # enlarged after rounding


def test_the_grid_has_a_row_for_each_seed_and_a_column_for_each_caption(served):
    height, width, _ = pixels(served.ask("/grid.png?" + STATE.query())[1]).shape
    single_height, single_width, _ = pixels(served.ask("/grid.png?" + STATE.query(count=1))[1]).shape
    assert width == single_width == 2 * (168 + 12) + 12
    assert height > 2 * single_height - 20


class Elements(HTMLParser):
    """The kinds of elements of a page, each with the names of its attributes."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.found: set[tuple] = set()
        self.feed(page.decode())

    def handle_starttag(self, tag, attrs):
        self.found.add((tag, *sorted(name for name, _ in attrs)))


@pytest.mark.parametrize("hostile", [
    "a bird <script>alert(1)</script>", '"><img src=x onerror=alert(1)> bird', "bird' onfocus='x \" autofocus a=\"",
    "bird < script >", "&lt;script&gt; bird", "{{ 7 * 7 }} bird",
])  # fmt: skip
def test_captions_are_text_never_markup(served, hostile):
    plain = served.ask("/?" + State("a red bird", "a red bird with a parrot", count=1).query())[1]
    page = served.ask("/?" + State(hostile, f"{hostile} nest", count=1).query())[1]
    assert Elements(page).found <= Elements(plain).found
    assert b"49" not in page
    problem = served.ask("/?" + State(hostile, "?", count=1).query(seed=hostile, checkpoint=hostile))
    assert problem[0].status == 400
    harmless = served.ask("/?" + State("a bird", "?").query(seed="x"))[1]
    assert Elements(problem[1]).found <= Elements(harmless).found


@pytest.mark.parametrize("path", ["/", "/image.png", "/grid.png", "/strip.png"])
@pytest.mark.parametrize("query", ["count=100", "seed=-1", "a=" + "x" * 301, "checkpoint=../../etc/passwd", "a=%00"])
def test_what_is_out_of_limits_is_refused_with_a_message(served, path, query):
    answer, body = served.ask(f"{path}?{query}")
    assert answer.status == 400
    assert any(word in body.decode() for word in ("give a whole number", "shorten it", "choose one", "describe"))


@pytest.mark.parametrize(("path", "status"), [
    ("/image.png?frame=9", 400), ("/image.png?frame=x", 400), ("/strip.png?a=a+bird", 400),
    ("/../etc/passwd", 404), ("/page.html", 404), ("/static/app.py", 404),
])  # fmt: skip
def test_other_addresses_give_nothing(served, path, status):
    assert served.ask(path)[0].status == status


@pytest.mark.parametrize("headers", [
    {"Host": "evil.example"}, {"Host": "127.0.0.1"}, {"Host": "127.0.0.1.evil.example:{port}"},
    {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "https://127.0.0.1:{port}"},
    {"Origin": "http://127.0.0.1:1"},
    {"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors", "sec_fetch_dest": "image"},
    {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "iframe"},
])  # fmt: skip
def test_other_sites_are_refused(served, headers):
    answer, _ = served.ask("/style.css", **{name: value.format(port=served.port) for name, value in headers.items()})
    assert answer.status == 403


@pytest.mark.parametrize("headers", [
    {}, {"Host": "localhost:{port}"}, {"Origin": "http://127.0.0.1:{port}"},
    {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"},  # a link in a mail
    {"sec_fetch_site": "same-origin", "sec_fetch_mode": "no-cors", "sec_fetch_dest": "image"},
])  # fmt: skip
def test_the_own_page_and_links_to_it_are_answered(served, headers):
    answer, _ = served.ask("/style.css", **{name: value.format(port=served.port) for name, value in headers.items()})
    assert answer.status == 200
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_only_reading_is_allowed(served):
    assert {served.ask("/", method)[0].status for method in ("POST", "PUT", "DELETE")} == {405}


def test_who_waits_is_told_and_who_goes_leaves_the_queue(served):
    wait_until(lambda: len(served.queue) == 0)
    with occupied(served.queue), client(served, "/") as first:
        received(first, "</nav>")
        wait_until(lambda: len(served.queue) == 1)
        with client(served, "/?" + State("a bird", "").query()) as second:
            received(second, "Waiting; requests before this one: 1.")
            assert len(served.queue) == 2
        wait_until(lambda: len(served.queue) == 1)
        with client(served, "/image.png?" + State("a gray bird swims", "").query()):
            wait_until(lambda: len(served.queue) == 2)
        wait_until(lambda: len(served.queue) == 1)
    wait_until(lambda: len(served.queue) == 0)


def test_a_client_that_goes_away_stops_its_drawing(served, monkeypatch):
    studio = served.checkpoints.open("toy-hspcgan")
    begun, release, drawn = threading.Event(), threading.Event(), []

    def draw(pictures):
        drawn.append(pictures)
        begun.set()
        release.wait(120)
        return real(pictures)

    real = studio.draw
    monkeypatch.setattr(studio, "draw", draw)
    with client(served, "/?" + State("a pink bird", "a purple bird", seed=100, count=8).query()):
        assert begun.wait(120)
    wait_until(lambda: len(served.queue) == 0)
    release.set()
    served.queue._thread.submit(lambda: None).result(120)
    assert len(drawn) == 1  # of 16 images in parts of 4, and 9 between them


def test_a_full_queue_says_so_at_once(served):
    with occupied(served.queue):
        clients = [client(served, "/?" + State(seed=number).query()) for number in range(served.queue.longest)]
        connections = [one.__enter__() for one in clients]
        wait_until(lambda: served.queue.is_full)
        for path in ("/?seed=77", "/image.png?seed=77"):
            answer, body = served.ask(path)
            assert answer.status == 503
            assert answer.headers["Retry-After"] == "10"
            assert b"Too many requests are waiting" in body
        for one in clients:
            one.__exit__(None, None, None)
        assert len(connections) == 8
    wait_until(lambda: len(served.queue) == 0)


def test_what_clip_never_read_is_said(served):
    page = served.ask("/?" + State("a yellow parrot", "", count=1).query())[1].decode()
    assert "toy-clip was not trained on &#39;parrot&#39;" in page


@pytest.mark.parametrize(("port", "host", "answered"), [
    (80, "127.0.0.1", True), (80, "localhost", True), (80, "127.0.0.1:80", True), (80, "evil.example", False),
    (8017, "127.0.0.1", False), (8017, "localhost", False),
])  # fmt: skip
def test_browsers_leave_out_the_port_80(port, host, answered):
    problem = Guard(PlainTextResponse(""), port)._problem(Headers({"host": host, "origin": f"http://{host}"}))
    assert (problem == "") == answered
