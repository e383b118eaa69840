"""Where a command's words go."""

from __future__ import annotations

import io
import json
import os
import sys
from typing import NamedTuple

import pytest
from rich.text import Text

from furikaeri_cli.output import Output


class Score(NamedTuple):
    name: str
    value: float


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


HUMAN, JSON, QUIET = Output(), Output("json"), Output("quiet")


def test_options_choose_the_mode() -> None:
    assert Output.choose() == HUMAN
    assert Output.choose(quiet=True) == QUIET
    assert Output.choose(json=True) == Output.choose(json=True, quiet=True) == JSON


def test_a_result_is_text_or_one_json_document(capsys: pytest.CaptureFixture[str]) -> None:
    HUMAN.result(Score("é", 0.5), "the text")
    QUIET.result(Score("é", 0.5), "the text")
    assert capsys.readouterr() == ("the text\nthe text\n", "")
    JSON.result(Score("é", float("nan")), "the text")
    out = capsys.readouterr().out
    assert json.loads(out) == {"name": "é", "value": None}
    assert "é" in out


def test_events_are_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    JSON.event({"round": 1}, "Round 1")
    JSON.event({"round": 2})
    HUMAN.event({"round": 1}, "Round 1")
    HUMAN.event({"round": 2})
    assert capsys.readouterr().out == '{"round": 1}\n{"round": 2}\nRound 1\n'


def test_a_table_in_a_pipe_is_tab_separated_and_whole(capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 500
    HUMAN.table(("name", "value"), [("a\tb\nc", 0.123456), (long, None)], title="unseen")
    assert capsys.readouterr().out == f"name\tvalue\na b c\t0.1235\n{long}\t\n"


def test_a_table_as_json_is_a_list_of_objects_or_the_value(capsys: pytest.CaptureFixture[str]) -> None:
    JSON.table(("name", "value"), [("a", 1)])
    assert json.loads(capsys.readouterr().out) == [{"name": "a", "value": 1}]
    JSON.table(("name", "value"), [("a", 1)], value={"rows": 1})
    assert json.loads(capsys.readouterr().out) == {"rows": 1}


@pytest.mark.parametrize("no_color", ["", "1"])
def test_a_table_on_a_terminal_is_drawn_and_no_color_is_honoured(
    monkeypatch: pytest.MonkeyPatch, no_color: str
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color:
        monkeypatch.setenv("NO_COLOR", no_color)
    HUMAN.table(("name", "value"), [("[bold]a[/bold]", 1), ("y" * 100, 2.5)], title="Scores")
    HUMAN.show(Text("red", style="red"))
    drawn = terminal.getvalue()
    assert "Scores" in drawn
    assert "[bold]a[/bold]" in drawn
    assert drawn.count("y") == 100
    assert ("\x1b[31m" in drawn) is not bool(no_color)


def test_notes_are_for_people_and_warnings_for_all(capsys: pytest.CaptureFixture[str]) -> None:
    for output in (HUMAN, JSON, QUIET):
        output.note("by the way")
        output.warn("look")
    assert capsys.readouterr() == ("", "by the way\n" + 3 * "warning: look\n")


def test_warnings_break_no_word_at_the_edge_of_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "fileno", lambda: 2, raising=False)
    monkeypatch.setattr(os, "get_terminal_size", lambda descriptor: os.terminal_size((30, 24)))
    path = "/a/long/path-with-hyphens/that/fits/no/line"
    HUMAN.warn(f"the recipe is in {path} and\nthis is another line")
    assert capsys.readouterr().err.splitlines() == [
        "warning: the recipe is in",
        path,
        "and",
        "this is another line",
    ]


def test_what_is_shown_stays_out_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    JSON.show("text")
    assert capsys.readouterr().out == ""
    HUMAN.show("[not markup] :smile:")
    assert capsys.readouterr().out == "[not markup] :smile:\n"
