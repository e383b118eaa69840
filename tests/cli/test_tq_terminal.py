"""`tq play` on a terminal of its own: what is drawn, and the keys that end it."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

TQ = Path(sys.executable).parent / "tq"
PATIENCE = 20


class Terminal:
    """A game on a terminal of its own; whoever waits in vain fails instead of waiting on."""

    def __init__(self, descriptor: int, process: subprocess.Popen[bytes]) -> None:
        self.descriptor, self.process, self.shown = descriptor, process, b""

    def read(self, seconds: float) -> bool:
        """Read what is shown within some seconds; whether anything was. At the end the process is over."""
        if not select.select([self.descriptor], [], [], seconds)[0]:
            return False
        try:
            read = os.read(self.descriptor, 4096)
        except OSError:  # Linux's way of saying that the other end is closed
            read = b""
        self.shown += read
        return bool(read)

    def wait_for_prompts(self, number: int) -> None:
        """Read until so many prompts are shown."""
        while self.shown.count("› ".encode()) < number:
            assert self.read(PATIENCE), self.shown.decode()

    def until_it_ends(self, act) -> tuple[int, str]:
        """Do something, again if it was too early to be noticed, until the game ends; return its exit code and text."""
        stop = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < stop:
            act()
            while self.read(0.5):
                pass
        return self.process.wait(1), self.shown.decode()


@contextmanager
def terminal(*arguments: object, **environment: str) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    game = subprocess.Popen(
        [TQ, "play", "--fresh", *map(str, arguments)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", **environment},
    )
    os.close(theirs)
    try:
        yield Terminal(ours, game)
    finally:
        game.kill()
        game.wait()
        os.close(ours)


@pytest.mark.parametrize(("no_colour", "coloured"), [("", True), ("1", False)])
def test_guesses_are_drawn_and_ctrl_d_ends(things_folder, no_colour, coloured) -> None:
    with terminal("--table", things_folder, "--seed", 1, NO_COLOR=no_colour) as game:
        game.wait_for_prompts(1)
        os.write(game.descriptor, b"y\n")
        game.wait_for_prompts(2)
        code, shown = game.until_it_ends(lambda: os.write(game.descriptor, b"\x04"))
    assert code == 0
    assert "█" in shown
    assert ("\x1b[36m" in shown) == coloured
    assert "Until next time." in shown


def test_ctrl_c_ends_without_a_traceback(things_folder) -> None:
    with terminal("--table", things_folder) as game:
        game.wait_for_prompts(1)
        code, shown = game.until_it_ends(lambda: game.process.send_signal(signal.SIGINT))
    assert code == 130
    assert "tq: interrupted" in shown
    assert "Traceback" not in shown
