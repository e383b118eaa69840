"""How soon `tq --help` answers, and `tq play` shows its first question: the installed script on a warm disk.

    .venv/bin/python benchmarks/startup.py [--runs 15] [--json]

Each figure is the median over fresh processes, after one to warm up, from before the process starts until its first
question is read from its output. Compiled bytecode is kept, as any installation does, in a folder that goes afterwards.
`tq play` is run both into a pipe and on a terminal, where drawing loads more. Exits 1 if a limit is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from furikaeri_common.figures import Figure, tell_figures

LIMITS = {"tq --help": 0.4, "tq play": 1.0, "tq play on a terminal": 1.0}
TQ = str(Path(sys.executable).parent / "tq")


def seconds_of_help(environment: Mapping[str, str]) -> float:
    """Return how long `tq --help` takes, from start to end."""
    start = time.perf_counter()
    subprocess.run([TQ, "--help"], env=environment, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def seconds_to_question(environment: Mapping[str, str]) -> float:
    """Return how long `tq play` takes until its first question can be read from a pipe."""
    start = time.perf_counter()
    with subprocess.Popen([TQ, "play"], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as game:
        assert game.stdout is not None
        seen = _until_question(game.stdout.fileno())
        game.communicate(b"quit\n")
    return seen - start


def seconds_to_drawn_question(environment: Mapping[str, str]) -> float:
    """Return how long `tq play` takes until its first question is on a terminal."""
    ours, theirs = os.openpty()
    start = time.perf_counter()
    with subprocess.Popen([TQ, "play"], env=environment, stdin=theirs, stdout=theirs, stderr=theirs) as game:
        os.close(theirs)
        seen = _until_question(ours)
        os.write(ours, b"quit\n")
        game.wait()
    os.close(ours)
    return seen - start


def _until_question(descriptor: int) -> float:
    """Read until the number of the first turn and a question mark after it; return when that was."""
    shown = b""
    while b"?" not in shown.partition(b"1/20")[2]:
        read = os.read(descriptor, 4096)
        if not read:
            raise SystemExit(f"tq play asked nothing: {shown.decode()}")
        shown += read
    return time.perf_counter()


def median_seconds(work: Callable[[Mapping[str, str]], float], environment: Mapping[str, str], runs: int) -> float:
    """Return the median over runs, after one to warm up."""
    work(environment)
    return statistics.median(work(environment) for _ in range(runs))


def main() -> int:
    """Measure all three against their limits."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    ways = dict(zip(LIMITS, (seconds_of_help, seconds_to_question, seconds_to_drawn_question), strict=True))
    with tempfile.TemporaryDirectory() as folder:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("TQ_", "FURIKAERI_"))}
        environment |= {"PYTHONPYCACHEPREFIX": folder, "XDG_DATA_HOME": folder, "TERM": "xterm-256color"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        figures = {name: median_seconds(way, environment, options.runs) for name, way in ways.items()}
    rows = {
        name: {"seconds": round(seconds, 3), "limit": LIMITS[name], "met": seconds < LIMITS[name]}
        for name, seconds in figures.items()
    }
    tell_figures(
        [
            Figure(f"{name}, median of {options.runs} starts", seconds, "s", limit=LIMITS[name])
            for name, seconds in figures.items()
        ]
    )
    if options.json:
        print(json.dumps({"runs": options.runs, **rows}, indent=2))
    else:
        for name, row in rows.items():
            print(f"{name:24}{row['seconds']:7.3f} s   limit {row['limit']} s   {'met' if row['met'] else 'MISSED'}")
    return 0 if all(row["met"] for row in rows.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
