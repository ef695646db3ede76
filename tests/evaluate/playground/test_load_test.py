"""The load test, small: every client gets every page and image whole; what is lost is counted."""

import pytest

from hspcgan.evaluate.playground import load_test
from hspcgan.evaluate.playground.server import open_socket
from hspcgan.model.common.errors import CheckFailedError


def test_clients_at_once_lose_nothing():
    lines: list[str] = []
    measured = load_test.load_test(2, lines.append, clients=5)
    assert len(measured.pages) >= 5
    assert len(measured.images) == 11 * len(measured.pages)  # 2 × 2, and 7 between the ends of one pair
    assert measured.lost == []
    assert "    0 lost" in lines[-1].splitlines()


def test_a_lost_answer_fails_the_test(monkeypatch):
    monkeypatch.setattr(load_test, "TIMEOUT_SEC", 0.05)
    with open_socket(0) as silent:  # takes connections, answers nothing
        seen = load_test.Load()
        load_test._page(seen, f"http://127.0.0.1:{silent.getsockname()[1]}", 1)
    assert seen.pages == []
    assert ["TimeoutError" in line for line in seen.lost] == [True]


def test_one_lost_answer_is_one_too_many():
    load_test.Load(pages=[0.1]).check()
    with pytest.raises(CheckFailedError, match="1 lost response, the first: no PNG"):
        load_test.Load(pages=[0.1], lost=["no PNG"]).check()
