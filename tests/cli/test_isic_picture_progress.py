"""How many pictures are scored is told after a silence, and not at all where nobody listens."""

from __future__ import annotations

import pytest

from furikaeri_cli.isic import picture_progress
from furikaeri_cli.isic.picture_progress import showing_pictures
from furikaeri_cli.output import Output


def test_lines_come_after_a_silence(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 30.5, 30.5, 31.0, 61.0, 61.0])
    monkeypatch.setattr(picture_progress.time, "monotonic", lambda: next(clock))
    with showing_pictures(Output(), "net") as tell:
        for done in (64, 1280, 1344, 2000):
            tell(done, 2000)
    assert capsys.readouterr() == ("", "net: 1,280 of 2,000 pictures\nnet: 2,000 of 2,000 pictures\n")


def test_with_json_nothing_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with showing_pictures(Output("json"), "net") as tell:
        tell(64, 2000)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_has_a_bar_while_pictures_are_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with showing_pictures(Output(), "net"):
        pass
    assert "pictures" not in capsys.readouterr().err
    with showing_pictures(Output(), "net") as tell:
        tell(64, 2000)
    assert "net, pictures" in capsys.readouterr().err
