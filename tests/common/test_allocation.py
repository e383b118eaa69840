"""Memory that a process keeps: the next block of its size costs no new pages."""

from __future__ import annotations

import json
import platform
import subprocess
import sys

import pytest

BLOCKS = """
import json, resource, sys
from furikaeri_common.allocation import keep_freed_memory

if sys.argv[1] == "kept":
    keep_freed_memory()
faults = []
for _ in range(4):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = bytearray(64 * 2**20)
    block[::4096] = b"x" * len(block[::4096])
    del block
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(json.dumps(faults))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of the C library of Linux")
def test_freed_blocks_are_taken_again_without_new_pages() -> None:
    def faults(how: str) -> list[int]:
        command = [sys.executable, "-c", BLOCKS, how]
        found: list[int] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        return found

    first, *others = faults("kept")
    assert first > 1000
    assert max(others) < first / 10
    assert min(faults("plain")) > 1000
