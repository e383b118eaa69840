"""What the task engine adds to the tasks themselves, on this machine and on a Ray cluster of two nodes.

    uv run python benchmarks/engine_overhead.py --tasks 20

Tasks of 2 s, two at once, on two worker processes and on two Ray nodes of one slot each (started here for it). They
are counted from when all workers are at work; the overhead is what they took beyond `tasks / 2 x 2 s`. With `--busy` a
task computes for 2 s of processor time, which needs two idle cores.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from furikaeri_common.figures import Figure, tell_figures
from furikaeri_common.local_processes import LocalProcesses
from furikaeri_common.ray_cluster import RayCluster
from furikaeri_common.tasks import Engine, Progress, Task, require_all, run_tasks

SECONDS, SLOTS, LIMIT = 2.0, 2, 5.0


def meet(inputs: Mapping[str, Any], folder: Path) -> None:
    """Wait until every slot is at work."""
    markers = Path(inputs["markers"])
    markers.mkdir(exist_ok=True)
    (markers / str(inputs["number"])).touch()
    while len(list(markers.iterdir())) < SLOTS:
        time.sleep(0.01)


def spend(inputs: Mapping[str, Any], folder: Path) -> float:
    """Sleep or compute for the seconds that the inputs say; or meet the other slots first of all."""
    if "markers" in inputs:
        meet(inputs, folder)
        return 0.0
    began = time.process_time()
    if inputs["busy"]:
        while time.process_time() - began < inputs["seconds"]:
            pass
    else:
        time.sleep(inputs["seconds"])
    return float(inputs["seconds"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=20, help="how many; an even number")
    parser.add_argument("--busy", action="store_true", help="compute instead of sleeping")
    given = parser.parse_args()
    with contextlib.ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        local = measured(LocalProcesses(SLOTS), given.tasks, given.busy, place / "local")
        address = stack.enter_context(two_nodes())
        ray = measured(RayCluster(address, on_note=print), given.tasks, given.busy, place / "ray")
    kind = "computing" if given.busy else "sleeping"
    alone = given.tasks / SLOTS * SECONDS
    print(f"{given.tasks} tasks of {SECONDS:g} s ({kind}), {SLOTS} at once: {alone:g} s without overhead")
    for name, (start, wall) in (("this machine", local), ("Ray, two nodes", ray)):
        more = overhead(wall, given.tasks)
        print(f"  {name:<14} {wall:7.3f} s, overhead {more:5.2f} %; workers up after {start:.1f} s")
    tell_figures(
        [
            Figure(
                f"overhead on tasks of {SECONDS:g} s, Ray",
                overhead(ray[1], given.tasks),
                "%",
                alternative=overhead(local[1], given.tasks),
                against="worker processes of this machine",
                limit=LIMIT,
            ),
            Figure(
                f"overhead on tasks of {SECONDS:g} s, this machine", overhead(local[1], given.tasks), "%", limit=LIMIT
            ),
            Figure("workers up on Ray", ray[0], "s", alternative=local[0], against="worker processes of this machine"),
        ]
    )


def measured(engine: Engine, tasks: int, busy: bool, store: Path) -> tuple[float, float]:
    """Return the seconds until every slot was at work, and those that the tasks took after that."""
    # By the name of this module, under which workers find it too.
    function = importlib.import_module(Path(__file__).stem).spend
    first = [Task(f"first {slot}", {"markers": f"{store}-markers", "number": slot}) for slot in range(SLOTS)]
    rest = [Task(f"task {number}", {"seconds": SECONDS, "busy": busy, "number": number}) for number in range(tasks)]
    times: list[float] = []

    def note(event: Progress) -> None:
        times.append(event.seconds)

    require_all(run_tasks(function, [*first, *rest], store=store, engine=engine, on_progress=note))
    return times[SLOTS - 1], times[-1] - times[SLOTS - 1]


def overhead(wall: float, tasks: int) -> float:
    """Return per cent beyond the time of the tasks alone."""
    return 100 * (wall / (tasks / SLOTS * SECONDS) - 1)


@contextlib.contextmanager
def two_nodes() -> Iterator[str]:
    """Start a Ray cluster of two nodes with a slot each, and yield its address."""
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    head = ["--head", f"--port={address.partition(':')[2]}", f"--temp-dir={folder}", "--include-dashboard=false"]
    nodes: list[subprocess.Popen[bytes]] = []
    try:
        for where in (head, [f"--address={address}"]):
            log = folder / f"node-{len(nodes)}.log"
            with log.open("wb") as stream:
                command = [str(Path(sys.executable).with_name("ray")), "start", "--block", "--num-cpus=1", *where]
                nodes.append(
                    subprocess.Popen(
                        [*command, "--object-store-memory=100000000", "--disable-usage-stats"],
                        stdout=stream,
                        stderr=stream,
                        env={**os.environ, "RAY_AUTH_MODE": "disabled"},
                        start_new_session=True,
                    )
                )
            while "Ray runtime started" not in log.read_text():
                if nodes[-1].poll() is not None:
                    raise SystemExit(f"Ray did not start:\n{log.read_text()}")
                time.sleep(0.1)
        yield address
    finally:
        for node in nodes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(node.pid, signal.SIGKILL)
            node.wait()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
