"""Memory that a process keeps: the next block of its size costs no new pages, and in the end it is given back."""

from __future__ import annotations

import json
import platform
import subprocess
import sys

import pytest

BLOCKS = """
import contextlib, json, resource, sys
import psutil
from furikaeri_common.allocation import keeping_freed_memory

faults, held = [], []
with keeping_freed_memory() if sys.argv[1] == "kept" else contextlib.nullcontext():
    for _ in range(4):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        block = bytearray(64 * 2**20)
        block[::4096] = b"x" * len(block[::4096])
        del block
        with keeping_freed_memory() if sys.argv[1] == "kept" else contextlib.nullcontext():
            pass  # who keeps it within gives nothing back
        faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    held.append(psutil.Process().memory_info().rss)
held.append(psutil.Process().memory_info().rss)
print(json.dumps([faults, held]))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of one C library")
def test_freed_blocks_are_taken_again_without_new_pages_and_given_back_in_the_end() -> None:
    def found(how: str) -> tuple[list[int], list[int]]:
        command = [sys.executable, "-c", BLOCKS, how]
        faults, held = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        return faults, held

    (first, *others), (before, after) = found("kept")
    assert first > 1000
    assert max(others) < first / 10
    assert before - after > 60 * 2**20
    assert min(found("plain")[0]) > 1000
