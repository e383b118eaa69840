"""Memory and processor flags, read from made-up `/proc` and `/sys` trees."""

from __future__ import annotations

from pathlib import Path

import pytest

from furikaeri_common.machine import Memory, cpu_memory, has_bfloat16

GIB = 2**30


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


MEMINFO = f"MemTotal:  {16 * 2**20} kB\nMemFree: 1 kB\nMemAvailable: {10 * 2**20} kB\nHugePages_Total: 0\n"


def test_without_a_limit_the_machine_counts(tmp_path: Path) -> None:
    assert cpu_memory(write(tmp_path, {"proc/meminfo": MEMINFO})) == Memory(16 * GIB, 10 * GIB)


def test_a_version_2_limit_counts_and_file_pages_are_free(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "0::/slice/box\n",
            "sys/fs/cgroup/slice/box/memory.max": "max\n",
            "sys/fs/cgroup/slice/memory.max": f"{4 * GIB}\n",
            "sys/fs/cgroup/slice/memory.current": f"{3 * GIB}\n",
            "sys/fs/cgroup/slice/memory.stat": f"anon 5\ninactive_file {GIB}\nactive_file 7\n",
        },
    )
    assert cpu_memory(root) == Memory(4 * GIB, 2 * GIB)


def test_a_version_1_limit_counts_and_the_tightest_wins(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "9:cpu,cpuacct:/x\n4:memory:/a/b\n0::/\n",
            "sys/fs/cgroup/memory/a/b/memory.limit_in_bytes": f"{8 * GIB}",
            "sys/fs/cgroup/memory/a/b/memory.usage_in_bytes": f"{9 * GIB}",
            "sys/fs/cgroup/memory/a/memory.limit_in_bytes": f"{12 * GIB}",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
        },
    )
    assert cpu_memory(root) == Memory(8 * GIB, 0)


def test_a_group_seen_from_inside_a_container_is_at_the_root(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "0::/not/mounted/here\n",
            "sys/fs/cgroup/memory.max": f"{2 * GIB}",
            "sys/fs/cgroup/memory.current": f"{GIB}",
        },
    )
    assert cpu_memory(root) == Memory(2 * GIB, GIB)


def test_a_system_without_proc_gives_a_total_or_nothing(tmp_path: Path) -> None:
    memory = cpu_memory(tmp_path)
    assert memory.free is None
    assert memory.total is None or memory.total > GIB // 2


def test_this_machine_has_more_memory_than_is_free() -> None:
    total, free = cpu_memory()
    assert total is not None
    assert free is None or 0 < free <= total


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [
        ("processor: 0\nflags\t\t: fpu sse avx512f avx512_bf16 amx_tile\n", True),
        ("flags : fpu amx_bf16\n", True),
        ("Features\t: fp asimd bf16 i8mm\n", True),
        ("flags : fpu sse avx2 avx512f\nmodel name : bf16 dreams\n", False),
        ("", False),
    ],
)
def test_bfloat16_is_read_from_the_flags(tmp_path: Path, cpuinfo: str, expected: bool) -> None:
    assert has_bfloat16(write(tmp_path, {"proc/cpuinfo": cpuinfo})) is expected
