"""Which machine figures are of, and how busy it was (io)."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

from furikaeri_common.local_processes import THREAD_VARIABLES
from furikaeri_common.machine import cpu_memory

__all__ = ["Machine", "busy_processors", "machine_from", "this_machine"]

_GIB = 2**30


class Machine(NamedTuple):
    """What of a machine decides how fast it is.

    Args:
        processor: its name.
        cores: that this process may use.
        memory_gib: that it may use, in GiB; None where the system does not say.
        system: and its release.
        python: the interpreter's version.
        threads: the variables that limit the threads of numeric libraries, as far as they are set.
    """

    processor: str
    cores: int
    memory_gib: float | None
    system: str
    python: str
    threads: dict[str, str]

    def __str__(self) -> str:
        memory = "" if self.memory_gib is None else f", {self.memory_gib:g} GiB"
        cores = f"{self.cores} core{'s' if self.cores > 1 else ''}"
        limited = "".join(f", {name}={value}" for name, value in self.threads.items())
        return f"{self.processor}, {cores}{memory}, {self.system}, Python {self.python}{limited}"


def this_machine() -> Machine:
    """Return the facts of this machine."""
    total = cpu_memory().total
    usable = getattr(os, "sched_getaffinity", None)
    return Machine(
        processor=_processor(),
        cores=len(usable(0)) if usable else os.cpu_count() or 1,
        memory_gib=None if total is None else round(total / _GIB, 1),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        threads={name: os.environ[name] for name in THREAD_VARIABLES if os.environ.get(name)},
    )


def machine_from(document: Any) -> Machine | None:
    """Read a machine back from JSON; None when it is not one."""
    try:
        return Machine(**document)
    except TypeError:
        return None


def busy_processors() -> float | None:
    """Return the mean number of processes that ran or waited for a processor in the last minute, if that is known."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        return _asked("sysctl", "-n", "machdep.cpu.brand_string") or platform.processor() or platform.machine()
    named = (line.partition(":") for line in lines)
    found = {name.strip().lower(): value.strip() for name, _, value in named}
    return found.get("model name") or found.get("hardware") or platform.processor() or platform.machine()


def _asked(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=10).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
