"""What this machine's processor can do and how much memory this process may use (io).

On Linux both are read from `/proc` and `/sys`; a container's memory limit counts, for it is what kills. Elsewhere the
system is asked for the total alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ["Memory", "cpu_memory", "has_bfloat16"]

# x86 names its bfloat16 instructions avx512_bf16 and amx_bf16, ARM bf16.
_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}


class Memory(NamedTuple):
    """Bytes of memory; None where the system does not say.

    Args:
        total: what this process may use at most: the machine's, or less under a container's limit.
        free: how much of it could be taken now without pushing anything out.
    """

    total: int | None
    free: int | None


def has_bfloat16(root: Path = Path("/")) -> bool:
    """Say whether the processor has bfloat16 instructions of its own.

    Args:
        root: where `/proc` is.
    """
    try:
        text = (root / "proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return sys.platform == "darwin" and _sysctl("hw.optional.arm.FEAT_BF16") == "1"
    for line in text.splitlines():
        name, _, flags = line.partition(":")
        if name.strip().lower() in ("flags", "features"):
            return not _BFLOAT16_FLAGS.isdisjoint(flags.split())
    return False


def cpu_memory(root: Path = Path("/")) -> Memory:
    """Return the memory of the machine, or of the control group that limits this process, whichever is less.

    Args:
        root: where `/proc` and `/sys` are.
    """
    total, free = _machine_memory(root)
    for limit, used in _limits(root):
        total = limit if total is None else min(total, limit)
        free = None if free is None else max(0, min(free, limit - used))
    return Memory(total, free)


def _machine_memory(root: Path) -> Memory:
    try:
        lines = (root / "proc/meminfo").read_text().splitlines()
    except OSError:
        try:
            return Memory(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), None)
        except (AttributeError, ValueError, OSError):
            return Memory(None, None)
    kibibytes = {name: value.split()[0] for name, _, value in (line.partition(":") for line in lines) if value.split()}
    total, free = (kibibytes.get(name, "") for name in ("MemTotal", "MemAvailable"))
    return Memory(int(total) * 1024 if total.isdecimal() else None, int(free) * 1024 if free.isdecimal() else None)


def _limits(root: Path) -> Iterator[tuple[int, int]]:
    """Yield (limit, in use) of every control group above this process that has one, in bytes.

    What the kernel would give up at once (inactive file pages) does not count as in use.
    """
    for folder, limit_name, used_name, statistic in _control_groups(root):
        limit = _number(folder / limit_name)
        if limit is not None:
            used = (_number(folder / used_name) or 0) - _statistic(folder / "memory.stat", statistic)
            yield limit, max(0, used)


def _control_groups(root: Path) -> Iterator[tuple[Path, str, str, str]]:
    """Yield the folders of this process's memory control groups, version 2 and 1, innermost first."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        hierarchy, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if hierarchy == "0":
            base, names = root / "sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            base = root / "sys/fs/cgroup/memory"
        else:
            continue
        inner = base / group.lstrip("/")
        for folder in (inner, *inner.parents):
            yield folder, *names
            if folder == base:
                break


def _number(file: Path) -> int | None:
    try:
        text = file.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None


def _statistic(file: Path, name: str) -> int:
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return 0
    return next((int(value) for key, _, value in (line.partition(" ") for line in lines) if key == name), 0)


def _sysctl(name: str) -> str:
    try:
        asked = subprocess.run(["sysctl", "-n", name], capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return asked.stdout.strip()
