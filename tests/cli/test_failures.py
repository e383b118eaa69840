"""Every failure is one line and an exit code."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from furikaeri_cli.failures import explain, guarded, wants_debug
from furikaeri_common.errors import InputError, MissingExtraError, WorkError


class OutOfMemoryError(RuntimeError):
    """As torch names it."""


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("file x,\n line 3: bad", fix="Mend it"), 2, "file x, line 3: bad. Mend it"),
        (WorkError("it broke"), 1, "it broke"),
        (MissingExtraError("labelling", distribution="d", extra="llm"), 2, 'pip install "d[llm]"'),
        (typer.BadParameter("not good"), 2, "not good"),
        (typer.Abort(), 1, "the input ended"),
        (EOFError("EOF when reading a line"), 1, "the input ended"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 141, ""),
        (MemoryError(), 1, "out of memory"),
        (OutOfMemoryError("CUDA out of memory"), 1, "the device ran out of memory"),
        (OSError(errno.ENOSPC, "No space left on device", "/x/y"), 1, "/x/y: the disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 1, "/x: Permission denied"),
        (ZeroDivisionError("division\nby zero"), 1, "unexpected ZeroDivisionError: division by zero"),
    ],
)
def test_a_failure_has_one_line_and_one_code(
    error: BaseException, code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def work() -> None:
        print("some data")
        raise error

    assert explain(error).exit_code == code
    assert guarded(work, program="tq", debug=False) == code
    out, err = capsys.readouterr()
    assert out == "some data\n"
    assert line in err
    assert err.count("\n") == (1 if line else 0)
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("leave", "code"), [(typer.Exit(3), 3), (typer.Exit(), 0), (SystemExit(4), 4), (SystemExit(None), 0)]
)
def test_a_command_may_leave_with_a_code(leave: BaseException, code: int) -> None:
    def work() -> None:
        raise leave

    assert guarded(work, program="tq", debug=False) == code


def test_debug_shows_the_traceback_before_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        raise WorkError("it broke")

    assert guarded(work, program="tq", debug=True) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Traceback")
    assert lines[-1] == "tq: it broke"


@pytest.mark.parametrize(
    ("arguments", "variable", "expected"),
    [
        (["match"], "", False),
        (["--debug", "match"], "", True),
        (["match", "--debug"], "", True),
        (["match", "--", "--debug"], "", False),
        (["match"], "1", True),
        (["match"], "0", False),
    ],
)
def test_debug_is_asked_for_by_option_or_variable(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], variable: str, expected: bool
) -> None:
    monkeypatch.setenv("FURIKAERI_DEBUG", variable)
    assert wants_debug(arguments) is expected


SCRIPT = "import sys; from furikaeri_cli.failures import guarded; sys.exit(guarded({work}, program='tq', debug=False))"


def test_a_reader_that_leaves_is_no_error_and_no_noise() -> None:
    work = "lambda: [print(i) for i in range(200_000)]"
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(work=work)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as command:
        assert command.stdout is not None
        assert command.stderr is not None
        command.stdout.readline()
        command.stdout.close()
        assert command.stderr.read() == b""
        assert command.wait(timeout=60) == 141


def test_a_reader_that_left_before_a_short_output() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(work="lambda: print('x')")],
        stdout=writing, stderr=subprocess.PIPE, check=False,
    )  # fmt: skip
    os.close(writing)
    assert (command.returncode, command.stderr) == (141, b"")


@pytest.mark.parametrize("polite", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_interrupts_the_installed_program(tmp_path: Path, polite: signal.Signals) -> None:
    script = (
        "import sys, time\n"
        "from furikaeri_cli import main\n"
        "main.run = lambda program, arguments: main.guarded(lambda: [print('up', flush=True), time.sleep(60)],"
        " program=program, debug=False)\n"
        "sys.exit(main.tq())\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == "up\n"
        command.send_signal(polite)
        _, err = command.communicate(timeout=60)
    assert command.returncode == 130
    assert err == "tq: interrupted; what was finished is kept\n"
