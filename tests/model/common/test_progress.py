"""Progress bars show the remaining time on a terminal, and nothing anywhere else."""

import io
import sys

from hspcgan.model.common.progress import bytes_bar, count_bar, progress_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def bars() -> None:
    assert list(progress_bar(range(3), "drawing")) == [0, 1, 2]
    with bytes_bar("checksums", 4_000_000) as bar:
        bar.update(1_000_000)
        bar.refresh()
    with count_bar("study", 4, "runs") as bar:
        bar.update()
        bar.refresh()


def test_a_terminal_shows_title_share_and_time(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    bars()
    shown = sys.stderr.getvalue()
    assert "drawing:   0%|" in shown
    assert "checksums:  25%|" in shown
    assert "1.00M/4.00M" in shown
    assert "study:  25%|" in shown
    assert "1/4" in shown
    assert "<" in shown  # elapsed<remaining


def test_a_file_gets_nothing(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    bars()
    assert sys.stderr.getvalue() == ""
