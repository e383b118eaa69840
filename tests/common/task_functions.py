"""Functions that worker processes import by name."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from furikaeri_common.errors import WorkError


def square(inputs: Mapping[str, Any], folder: Path) -> Any:
    """Return the square, and say in a file beside it that it was computed once more."""
    with Path(inputs["diary"]).open("a") as diary:
        diary.write(f"{inputs['number']}\n")
    return {"square": inputs["number"] ** 2}


def draw(inputs: Mapping[str, Any], folder: Path) -> Any:
    """Return numbers that depend on the seed alone, and write them to a file."""
    import numpy as np

    numbers = np.random.default_rng(inputs["seed"]).normal(size=50)
    (folder / "numbers.bin").write_bytes(numbers.tobytes())
    (folder / "deep").mkdir()
    (folder / "deep" / "sum.txt").write_text(repr(numbers.sum()))
    return numbers.tolist()


def fail_if_odd(inputs: Mapping[str, Any], folder: Path) -> Any:
    """Fail on odd numbers."""
    if inputs["number"] % 2:
        raise ValueError(f"{inputs['number']} is odd")
    return inputs["number"]


def fail_first(inputs: Mapping[str, Any], folder: Path) -> Any:
    """Fail until a marker stands, which the first failure sets."""
    marker = Path(inputs["marker"])
    if not marker.exists():
        marker.touch()
        (folder / "half-done").write_text("x")
        raise OSError("not yet")
    return "now"


def die(inputs: Mapping[str, Any], folder: Path) -> Any:
    """Be killed, if the inputs say so, with a child that holds on to our stdout."""
    if inputs["dies"]:
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], stdout=sys.stdout)
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


def leave(inputs: Mapping[str, Any], folder: Path) -> Any:
    """Call the exit."""
    sys.exit(7)


def chatter(inputs: Mapping[str, Any], folder: Path) -> Any:
    """Print on stdout and read from stdin, as careless libraries do."""
    print("chatter", flush=True)
    os.write(1, b"more chatter\n")
    return sys.stdin.read()


def threads(inputs: Mapping[str, Any], folder: Path) -> Any:
    """Return the thread counts that libraries will find."""
    return {name: os.environ.get(name) for name in inputs["names"]}


def not_json(inputs: Mapping[str, Any], folder: Path) -> Any:
    """Return what JSON has no word for."""
    return float("nan")


def meddle(inputs: dict[str, Any], folder: Path) -> Any:
    """Change the inputs."""
    inputs["number"] += 1
    return inputs["number"]


def sleep(inputs: Mapping[str, Any], folder: Path) -> Any:
    """Leave our process number behind, start a child that does the same, and sleep if the inputs say so."""
    if inputs["seconds"]:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        notes = Path(inputs["notes"])
        (notes / f"{inputs['name']}.pids.part").write_text(f"{os.getpid()} {child.pid}")
        (notes / f"{inputs['name']}.pids.part").rename(notes / f"{inputs['name']}.pids")
        time.sleep(inputs["seconds"])
    return inputs["name"]


def refuse(inputs: Mapping[str, Any], folder: Path) -> Any:
    """Fail as work does that explains itself."""
    raise WorkError("no luck", fix="Try elsewhere")


def fill_the_disk(inputs: Mapping[str, Any], folder: Path) -> Any:
    """Fail as a library does that finds no room."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder / "file"))


def look(inputs: Mapping[str, Any], folder: Path) -> Any:
    """Return the inputs."""
    return dict(inputs)


def own_pid(inputs: Mapping[str, Any], folder: Path) -> Any:
    """Return which process performs the task."""
    return os.getpid()
