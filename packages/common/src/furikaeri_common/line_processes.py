"""Processes that this one speaks with in JSON lines, over their stdin and stdout (io).

Each is a fresh interpreter in a session of its own: Ctrl-C at the terminal reaches this process alone, which then ends
the others. One whose stdin closes is to end itself, so no orphan outlives this process, however it ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple

__all__ = ["LineProcess", "World", "cause_of_death", "this_world"]

_START = """
import importlib, json, sys
sys.path[:] = json.loads(sys.argv[1])
importlib.import_module(sys.argv[2]).main()
"""


class World(NamedTuple):
    """What a process finds when it starts.

    Args:
        path: its `sys.path`.
        environment: its environment variables.
        folder: where it stands; None: where this process does.
    """

    path: Sequence[str]
    environment: Mapping[str, str]
    folder: Path | None = None


def this_world() -> World:
    """Return the world of this process."""
    return World(tuple(sys.path), dict(os.environ))


class LineProcess:
    """A process, and the threads that hear what it says and when it ends.

    Args:
        module: whose `main` it runs.
        world: what it finds.
        inbox: gets the process and each line that it says; at its end, when it may have been cut short, one that does
            not end in a line break.
        errors: where its stderr goes; None: where that of this process does.
    """

    def __init__(
        self,
        module: str,
        world: World,
        inbox: queue.SimpleQueue[tuple[LineProcess, str]],
        errors: IO[bytes] | None = None,
    ) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, json.dumps(list(world.path)), module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            encoding="utf-8",
            cwd=world.folder,
            env=dict(world.environment),
            start_new_session=True,
        )
        self._threads = [
            threading.Thread(target=self._hear, args=(inbox,), daemon=True),
            threading.Thread(target=self._bury, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def say(self, content: object) -> None:
        """Give it a JSON value; one that has just died is reported by its end."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(content) + "\n")
            self._process.stdin.flush()

    def end(self, grace: float = 0.0) -> int:
        """End the process with all it started; return its exit status.

        Args:
            grace: seconds that it may take to end by itself.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(grace)
        finally:
            self._process.kill()
            for thread in self._threads:
                thread.join()
            self._process.stdout.close()
        return self._process.wait()

    def _hear(self, inbox: queue.SimpleQueue[tuple[LineProcess, str]]) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            inbox.put((self, line))
        inbox.put((self, ""))

    def _bury(self) -> None:
        """Wait for the process, then end what it started: a child that holds its stdout would hide its death."""
        self._process.wait()
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)


def cause_of_death(status: int) -> str:
    """Return an exit status in words: the signal's name where it was one."""
    if status >= 0:
        return f"exit status {status}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-status).name
    return f"signal {-status}"
