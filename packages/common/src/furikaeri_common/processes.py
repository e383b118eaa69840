"""Which process wrote this, and does it still run (io).

A process number is used again after a while, so a process is known by its number, its machine and when it started.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["ProcessIdentity", "identity_from", "is_alive", "is_running", "note_on_stderr", "this_process"]

_PROC = Path("/proc")


class ProcessIdentity(NamedTuple):
    """One process among all that ever ran.

    Args:
        pid: its number.
        host: the name of its machine.
        started: when it started, in the machine's own words; empty where that cannot be known.
    """

    pid: int
    host: str
    started: str


def this_process() -> ProcessIdentity:
    """Return the identity of the calling process."""
    return ProcessIdentity(os.getpid(), socket.gethostname(), _started(os.getpid()) or "")


def identity_from(document: object) -> ProcessIdentity | None:
    """Read an identity back from JSON; None when it is not one."""
    if not isinstance(document, Mapping):
        return None
    fields: Mapping[str, Any] = document
    pid, host, started = fields.get("pid"), fields.get("host"), fields.get("started")
    if isinstance(pid, int) and isinstance(host, str) and isinstance(started, str):
        return ProcessIdentity(pid, host, started)
    return None


def is_alive(process: ProcessIdentity) -> bool | None:
    """Say whether a process still runs; None for one on another machine, which cannot be asked."""
    if process.host != socket.gethostname():
        return None
    started = _started(process.pid)
    return started is not None and started == process.started


def note_on_stderr(text: str) -> None:
    """Tell of something where nobody listens: in a line on stderr, with the name of the machine."""
    print(f"{socket.gethostname()}: {text}", file=sys.stderr, flush=True)


def is_running(pid: int) -> bool:
    """Say whether some process of this machine has the number; one that ended and waits for its parent has not."""
    return _started(pid) is not None


def _started(pid: int) -> str | None:
    """Return when a process started; None if it does not run (a zombie has ended)."""
    if (_PROC / "self" / "stat").exists():
        return _started_by_proc(pid)
    try:
        asked = subprocess.run(
            ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    state, _, started = asked.stdout.strip().partition(" ")
    return started.strip() if state and not state.startswith("Z") else None


def _started_by_proc(pid: int) -> str | None:
    """Read field 22 of `/proc/PID/stat` (clock ticks since the machine booted) and which boot that was."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    # The second field is the program's name in parentheses and may itself hold spaces and parentheses.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else f"{boot}+{fields[19]}"
