"""A command with all that it starts, none of which outlives the process that asked for it (io).

    ended = run_command([sys.executable, "benchmarks/pauc.py"], output=Path("pauc.txt"), seconds=600)

Between the two stands a small process of its own session, which hears by the end of its stdin that nobody waits any
more. However the command ends, and however this process does, what the command has started ends with it, and its
temporary files go.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

__all__ = ["Ended", "main", "run_command"]

_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)
_PATIENCE = 30.0  # seconds for the death of what was killed, and the removal of its files


class Ended(NamedTuple):
    """How a command ended.

    Args:
        status: its exit status, negative for the number of the signal that killed it; None if its time was up.
        seconds: by the clock.
        cpu_seconds: of the processor, all that it started included.
        peak: bytes of memory that the largest of its processes held at most.
    """

    status: int | None
    seconds: float
    cpu_seconds: float
    peak: int


def run_command(
    command: Sequence[str],
    *,
    output: Path,
    seconds: float,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    on_tick: Callable[[float], None] = lambda seconds: None,
) -> Ended:
    """Run a command to its end, and end all that it has started.

    Args:
        command: the program and its arguments.
        output: the file that gets what it prints, in place of earlier output.
        seconds: after which it is killed, above 0.
        folder: to run it in; None: the current one.
        environment: variables beside those of this process. Temporary files get a folder of their own in any case.
        on_tick: told about once a second how long it has run.

    Raises:
        OSError: if the output cannot be written.
    """
    with output.open("wb") as stream:
        watcher = subprocess.Popen(
            [sys.executable, "-P", "-m", "furikaeri_common.watched_command", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stream,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            # A session of its own: Ctrl-C at the terminal reaches this process alone, which then ends the command.
            start_new_session=True,
        )
    began = time.monotonic()
    assert watcher.stdin is not None
    assert watcher.stdout is not None
    try:
        while not select.select([watcher.stdout], [], [], min(1.0, max(0.0, began + seconds - time.monotonic())))[0]:
            lasted = time.monotonic() - began
            if lasted >= seconds:
                return Ended(None, lasted, 0.0, 0)
            on_tick(lasted)
        told = watcher.stdout.read()
        return Ended(**json.loads(told)) if told else Ended(-signal.SIGKILL, time.monotonic() - began, 0.0, 0)
    finally:
        watcher.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            watcher.wait(_PATIENCE)
        watcher.kill()
        watcher.wait()
        watcher.stdout.close()


def main() -> None:
    """Run the command of the arguments, its output going to stderr, and tell on stdout how it ended."""
    if sys.platform == "linux":
        # Whoever loses its parent becomes a child of this process, where it is found.
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    temporary = tempfile.mkdtemp(prefix="bench-")
    is_wanted = threading.Event()
    is_wanted.set()
    process = subprocess.Popen(
        sys.argv[1:], stdin=subprocess.DEVNULL, stdout=2, stderr=2, env={**os.environ, "TMPDIR": temporary}
    )

    def end_with_parent() -> None:
        sys.stdin.buffer.read()
        is_wanted.clear()
        _end_children()

    threading.Thread(target=end_with_parent, daemon=True).start()
    began = time.monotonic()
    status = process.wait()
    lasted = time.monotonic() - began
    _end_children()
    shutil.rmtree(temporary, ignore_errors=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    kibibytes = used.ru_maxrss if sys.platform != "darwin" else used.ru_maxrss // 1024
    if is_wanted.is_set():
        with contextlib.suppress(BrokenPipeError):
            ended = Ended(status, round(lasted, 3), round(used.ru_utime + used.ru_stime, 3), kibibytes * 1024)
            print(json.dumps(ended._asdict()), flush=True)
    os._exit(0)


def _end_children() -> None:
    """Kill what descends from this process until nothing is left, for what is killed late may have started more."""
    for _ in range(100):
        children = psutil.Process().children(recursive=True)
        alive = 0
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if child.status() != psutil.STATUS_ZOMBIE:
                    child.kill()
                    alive += 1
        if not alive:
            return
        time.sleep(0.02)


if __name__ == "__main__":
    main()
