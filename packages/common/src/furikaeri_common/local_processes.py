"""The engine of this machine (io): worker processes that a task may kill without killing the run.

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
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from furikaeri_common.task_store import Function, Job, Outcome, find_function, perform

__all__ = ["THREAD_VARIABLES", "LocalProcesses"]

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


@dataclass(frozen=True, slots=True)
class LocalProcesses:
    """Worker processes on this machine.

    Args:
        workers: how many at most. 0: no process but this one, for tests and debuggers: libraries that are imported
            already keep their threads, and a task that kills its process kills the run.
    """

    workers: int = 1

    def __post_init__(self) -> None:
        if self.workers < 0:
            raise ValueError(f"expected workers >= 0, got {self.workers}")

    @contextlib.contextmanager
    def start(
        self, function: str, *, threads: int, tasks: int, store: Path, reads: Sequence[Path]
    ) -> Iterator[_ProcessPool | _OwnPool]:
        """Start no more workers than there are tasks; leaving kills them and whatever they started."""
        if self.workers == 0:
            yield _OwnPool(find_function(function))
            return
        pool = _ProcessPool(min(self.workers, tasks), threads)
        try:
            yield pool
        finally:
            pool.close()


class _OwnPool:
    slots = 1

    def __init__(self, function: Function) -> None:
        self._function = function
        self._jobs: deque[Job] = deque()

    def submit(self, job: Job) -> None:
        self._jobs.append(job)

    def wait(self) -> Outcome:
        return perform(self._jobs.popleft(), self._function)


class _Worker:
    """One worker process, the job it is at, and the threads that hear what it says and when it ends."""

    def __init__(self, threads: int, inbox: queue.SimpleQueue[tuple[_Worker, str]]) -> None:
        self.job: Job | None = None
        self.process = subprocess.Popen(
            [sys.executable, "-c", _START, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads))},
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


class _ProcessPool:
    def __init__(self, slots: int, threads: int) -> None:
        self.slots = slots
        self._threads = threads
        self._inbox: queue.SimpleQueue[tuple[_Worker, str]] = queue.SimpleQueue()
        self._workers: list[_Worker] = []

    def submit(self, job: Job) -> None:
        idle = next((worker for worker in self._workers if worker.job is None), None)
        if idle is None:
            idle = _Worker(self._threads, self._inbox)
            self._workers.append(idle)
        idle.give(job)

    def wait(self) -> Outcome:
        while True:
            worker, line = self._inbox.get()
            job, worker.job = worker.job, None
            if line.endswith("\n"):
                return Outcome(*json.loads(line))
            if line:  # cut short by the worker's death, whose notice follows
                worker.job = job
                continue
            self._workers.remove(worker)
            status = worker.end()
            if job is not None:
                return Outcome(job.key, f"its worker process died ({_cause(status)})")

    def close(self) -> None:
        for worker in self._workers:
            worker.end()
        self._workers.clear()


def _cause(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-status).name
    return f"signal {-status}"
