"""Progress of tasks, as lines."""

from __future__ import annotations

import sys

import pytest

from furikaeri_cli.output import Output
from furikaeri_cli.progress import PlainLines, showing_progress
from furikaeri_common.tasks import Progress


def finished(done: int, total: int, seconds: float) -> Progress:
    return Progress("finished", str(done), done, total, "", seconds)


def test_a_line_is_due_at_every_tenth_and_after_a_long_silence() -> None:
    lines = PlainLines("games")
    spoken = [lines.line_for(finished(done, 1000, 0.0)) for done in range(1, 1001)]
    assert [line for line in spoken if line][:2] == [
        "games: 100 of 1000 tasks after 0 s",
        "games: 200 of 1000 tasks after 0 s",
    ]
    assert sum(map(bool, spoken)) == 10
    assert spoken[-1]
    slow = PlainLines("folds")
    assert [bool(slow.line_for(finished(1, 100, seconds))) for seconds in (1, 29, 30, 31, 59, 61)] == [
        False, False, True, False, False, True,
    ]  # fmt: skip


@pytest.mark.parametrize("mode", ["human", "json", "quiet"])
def test_failures_are_told_in_every_mode_and_nothing_reaches_stdout(mode, capsys: pytest.CaptureFixture[str]) -> None:
    with showing_progress(Output(mode), "games", 2) as tell:
        tell(Progress("retried", "a", 0, 2, "ValueError: odd", 0.0))
        tell(Progress("failed", "a", 1, 2, "ValueError: odd", 0.0))
        tell(finished(2, 2, 1.0))
    out, err = capsys.readouterr()
    assert out == ""
    assert "warning: task a failed (ValueError: odd); it is tried again" in err
    assert "the others go on" in err
    assert ("games: 2 of 2" in err) is (mode == "human")


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with showing_progress(Output(), "games", 2) as tell:
        tell(finished(1, 2, 1.0))
        tell(finished(2, 2, 2.0))
    assert "2/2" in terminal.getvalue()
