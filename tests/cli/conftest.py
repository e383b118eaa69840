"""Run the programs inside the test's own process."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import NamedTuple

import pytest

from furikaeri_cli.main import run


class Result(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def invoke(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run `program arguments...` with `input` on stdin."""

    def call(program: str, *arguments: object, input: str = "") -> Result:
        monkeypatch.setattr("sys.stdin", io.StringIO(input))
        capsys.readouterr()
        code = run(program, [str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call
