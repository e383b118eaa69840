"""A command ends with all that it has started."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from furikaeri_common.processes import is_running
from furikaeri_common.watched_command import run_command

LEAVES = """
import pathlib, subprocess, sys
other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
pathlib.Path("pid").write_text(str(other.pid))
"""


def python(source: str) -> list[str]:
    return [sys.executable, "-c", source]


def test_it_tells_how_the_command_ended_and_keeps_what_it_printed(tmp_path: Path) -> None:
    source = (
        "import os, sys, tempfile; print('out'); print(os.environ['NAME'], file=sys.stderr); sum(range(10**6)); "
        "open('temporary', 'w').write(tempfile.gettempdir()); sys.exit(3)"
    )
    output = tmp_path / "output.txt"
    output.write_text("of an earlier time")
    ended = run_command(python(source), output=output, seconds=60, folder=tmp_path, environment={"NAME": "err"})
    assert ended.status == 3
    assert sorted(output.read_text().splitlines()) == ["err", "out"]
    assert ended.cpu_seconds > 0
    assert ended.peak > 2**20
    assert not Path((tmp_path / "temporary").read_text()).exists()


def test_what_a_command_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    assert run_command(python(LEAVES), output=tmp_path / "o", seconds=60, folder=tmp_path).status == 0
    assert not is_running(int((tmp_path / "pid").read_text()))


def test_time_that_is_up_ends_the_command_and_its_children(tmp_path: Path) -> None:
    ticks: list[float] = []
    ended = run_command(
        python(LEAVES + "\nimport time\ntime.sleep(600)"),
        output=tmp_path / "o",
        seconds=2.2,
        folder=tmp_path,
        on_tick=ticks.append,
    )
    assert ended.status is None
    assert len(ticks) == 2
    assert not is_running(int((tmp_path / "pid").read_text()))


def test_a_command_that_is_killed_is_told_by_its_signal(tmp_path: Path) -> None:
    source = "import os; os.kill(os.getpid(), 9)"
    assert run_command(python(source), output=tmp_path / "o", seconds=60).status == -9


def test_an_error_of_the_caller_ends_the_command(tmp_path: Path) -> None:
    def fail(_: float) -> None:
        raise KeyboardInterrupt

    source = LEAVES + "\nimport time\ntime.sleep(600)"
    with pytest.raises(KeyboardInterrupt):
        run_command(python(source), output=tmp_path / "o", seconds=60, folder=tmp_path, on_tick=fail)
    assert not is_running(int((tmp_path / "pid").read_text()))


def test_no_child_outlives_a_caller_that_is_killed(tmp_path: Path) -> None:
    source = LEAVES + "\nimport time\ntime.sleep(600)"
    caller = (
        "import sys, pathlib; from furikaeri_common.watched_command import run_command; "
        f"run_command([sys.executable, '-c', {source!r}], output=pathlib.Path('o'), seconds=60)"
    )
    started = subprocess.Popen(python(caller), cwd=tmp_path)
    file = tmp_path / "pid"
    for _ in range(400):
        if file.exists() and file.read_text():
            break
        time.sleep(0.05)
    child = int(file.read_text())
    started.kill()
    started.wait()
    for _ in range(400):
        if not is_running(child):
            return
        time.sleep(0.05)
    raise AssertionError("it still runs")
