"""Runs and requests that the playground cannot use: a message on the page or a status, the other runs as before."""

import logging
import os
import shutil
import socket
import time
from contextlib import ExitStack

import pytest
from helpers.corpus import put
from helpers.web.playground import serving, wait_until

from hspcgan.evaluate.playground.server import GRACE_SEC

pytest.importorskip("uvicorn")
LATEST = {"long": b"a" * 5000, "null": b"step\0x", "bytes": b"\xff\xfe", "outside": b"../../../../etc", "fifo": "fifo"}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A playground over runs that cannot be opened, one of them with a name that is not UTF-8."""
    runs = tmp_path_factory.mktemp("runs")
    for name, content in LATEST.items():
        (runs / name / "checkpoints").mkdir(parents=True)
        put(runs / name / "checkpoints" / "latest", content)
    (runs / "loop" / "checkpoints" / "step-1").mkdir(parents=True)
    (runs / "loop" / "checkpoints" / "latest").write_text("step-1\n")
    (runs / "loop" / "checkpoints" / "step-1" / "model.json").symlink_to("model.json")
    shutil.copytree(runs / "long", runs / os.fsdecode(b"\xff"))
    with serving(runs) as found:
        yield found, runs


@pytest.fixture
def logged(served, caplog):
    """The records of the server, which uvicorn does not propagate."""
    logging.getLogger("uvicorn").addHandler(caplog.handler)
    yield caplog
    logging.getLogger("uvicorn").removeHandler(caplog.handler)


@pytest.mark.parametrize("name", [*LATEST, "loop"])
def test_a_run_that_cannot_be_opened_is_a_message(served, logged, name):
    found, runs = served
    answer, body = found.ask(f"/?a=a+bird&count=1&checkpoint={runs / name}")
    assert answer.status == 200
    assert b"</html>" in body
    assert b"problem" in body
    answer, body = found.ask(f"/image.png?a=a+bird&count=1&checkpoint={runs / name}")
    assert answer.status == 400
    assert not any(record.exc_info for record in logged.records)


def test_a_name_that_is_not_utf_8_does_not_break_the_page(served):
    found, _ = served
    answer, body = found.ask("/?a=a+bird&b=&count=1")
    assert (answer.status, b"</html>" in body, b"</h1>" in body) == (200, True, True)


@pytest.mark.parametrize("origin", ["http://[bad", "http://[::1", "http://127.0.0.1.evil", "null", "\xff"])
def test_an_origin_that_is_no_address_is_refused(served, origin):
    found, _ = served
    assert found.ask("/style.css", origin=origin)[0].status == 403


def test_a_malformed_body_is_a_bad_request(served, logged):
    found, _ = served
    with socket.create_connection(("127.0.0.1", found.port), timeout=60) as client:
        client.sendall(
            f"POST /grid.png HTTP/1.1\r\nHost: 127.0.0.1:{found.port}\r\nTransfer-Encoding: chunked\r\n\r\nZ\r\n".encode()
        )
        assert client.recv(1000).startswith(b"HTTP/1.1 40")
    assert found.ask("/style.css")[0].status == 200
    assert not any(record.exc_info for record in logged.records)


def test_requests_that_still_run_at_the_end_are_cancelled_without_a_traceback(tmp_path, caplog):
    with ExitStack() as clients, serving(tmp_path) as found:
        found.queue._thread.submit(time.sleep, GRACE_SEC + 2)
        for number in range(3):
            client = clients.enter_context(socket.create_connection(("127.0.0.1", found.port)))
            query = f"/?a=bird+{number}&count=8".encode()
            client.sendall(b"GET %b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % (query, found.port))
        wait_until(lambda: len(found.queue) == 3)
        logging.getLogger("uvicorn").addHandler(caplog.handler)  # uvicorn's records do not propagate
    logging.getLogger("uvicorn").removeHandler(caplog.handler)
    assert "graceful shutdown exceeded" in caplog.text
    assert not any(record.exc_info for record in caplog.records)
