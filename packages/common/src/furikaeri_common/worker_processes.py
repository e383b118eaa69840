"""Worker processes that a task may kill without killing the run (io).

Workers are fresh interpreters, so that numeric libraries meet their thread count in the environment before they are
imported. Jobs and outcomes travel as JSON lines over the worker's stdin and stdout. A worker whose stdin closes ends
itself and all it started, so no orphan outlives this process, however it ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from furikaeri_common.interruptible import next_from
from furikaeri_common.task_store import Job, Outcome

__all__ = ["THREAD_VARIABLES", "WorkerPool", "World", "cause_of_death", "this_world"]

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "RAYON_NUM_THREADS",
)

_START = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from furikaeri_common.task_worker import main
main()
"""


class World(NamedTuple):
    """What a worker finds when it starts, beside its threads.

    Args:
        path: its `sys.path`.
        environment: its environment variables.
        folder: where it stands; None: where this process does.
    """

    path: Sequence[str]
    environment: Mapping[str, str]
    folder: Path | None = None


def this_world() -> World:
    """Return the world of this process."""
    return World(tuple(sys.path), dict(os.environ))


class WorkerPool:
    """Workers of one world, started when there is a job for them and replaced when they die.

    Args:
        slots: how many at most.
        threads: each computes with so many.
        world: what they find.
    """

    def __init__(self, slots: int, threads: int, world: World) -> None:
        self.slots = slots
        self._threads = threads
        self._world = world
        self._inbox: queue.SimpleQueue[tuple[_Worker, str]] = queue.SimpleQueue()
        self._workers: list[_Worker] = []

    def submit(self, job: Job) -> None:
        """Hand a job to an idle worker, or to a new one."""
        idle = next((worker for worker in self._workers if worker.job is None), None)
        if idle is None:
            idle = _Worker(self._threads, self._world, self._inbox)
            self._workers.append(idle)
        idle.give(job)

    def wait(self) -> Outcome:
        """Block until some job ends, be it by the death of its worker."""
        while True:
            worker, line = next_from(self._inbox)
            job, worker.job = worker.job, None
            if line.endswith("\n"):
                return Outcome(*json.loads(line))
            if line:  # cut short by the worker's death, whose notice follows
                worker.job = job
                continue
            self._workers.remove(worker)
            status = worker.end()
            if job is not None:
                return Outcome(job.key, f"its worker process died ({cause_of_death(status)})")

    def kill(self) -> None:
        """Kill every worker with all it started; from any thread, and `wait` hears of it."""
        for worker in list(self._workers):
            worker.kill()

    def close(self) -> None:
        """Kill every worker with all it started, and wait until they are gone."""
        for worker in self._workers:
            worker.end()
        self._workers.clear()


class _Worker:
    """One worker process, the job it is at, and the threads that hear what it says and when it ends."""

    def __init__(self, threads: int, world: World, inbox: queue.SimpleQueue[tuple[_Worker, str]]) -> None:
        self.job: Job | None = None
        self.process = subprocess.Popen(
            [sys.executable, "-c", _START, json.dumps(list(world.path))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            cwd=world.folder,
            env={**world.environment, **dict.fromkeys(THREAD_VARIABLES, str(threads))},
            # A session of its own: Ctrl-C at the terminal reaches this process alone, which then stops its workers.
            start_new_session=True,
        )
        self._threads = [
            threading.Thread(target=self._hear, args=(inbox,), daemon=True),
            threading.Thread(target=self._bury, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _hear(self, inbox: queue.SimpleQueue[tuple[_Worker, str]]) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            inbox.put((self, line))
        inbox.put((self, ""))

    def _bury(self) -> None:
        """Wait for the process, then end what it started: a child that holds its stdout would hide its death."""
        self.process.wait()
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def give(self, job: Job) -> None:
        self.job = job
        assert self.process.stdin is not None
        # A worker that has just died is reported by the end of its stdout.
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(job) + "\n")
            self.process.stdin.flush()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg") and self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()

    def end(self) -> int:
        """Kill the process with all it started, if it still runs; return its exit status."""
        self.process.kill()
        for thread in self._threads:
            thread.join()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):
                stream.close()
        return self.process.wait()


def cause_of_death(status: int) -> str:
    """Return an exit status in words: the signal's name where it was one."""
    if status >= 0:
        return f"exit status {status}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-status).name
    return f"signal {-status}"
