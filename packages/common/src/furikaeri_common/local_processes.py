"""The engine of this machine (io): its worker processes, or this process alone."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from furikaeri_common.line_processes import this_world
from furikaeri_common.task_store import Function, Job, Outcome, find_function, perform
from furikaeri_common.worker_processes import THREAD_VARIABLES, WorkerPool

__all__ = ["THREAD_VARIABLES", "LocalProcesses"]


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
    ) -> Iterator[WorkerPool | _OwnPool]:
        """Start no more workers than there are tasks; leaving kills them and whatever they started."""
        if self.workers == 0:
            yield _OwnPool(find_function(function))
            return
        pool = WorkerPool(min(self.workers, tasks), threads, this_world())
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
