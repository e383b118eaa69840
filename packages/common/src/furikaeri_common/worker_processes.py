"""Worker processes that a task may kill without killing the run (io).

Workers are fresh interpreters, so that numeric libraries meet their thread count in the environment before they are
imported.
"""

from __future__ import annotations

import json
import queue

from furikaeri_common.interruptible import next_from
from furikaeri_common.line_processes import LineProcess, World, cause_of_death
from furikaeri_common.task_store import Job, Outcome

__all__ = ["THREAD_VARIABLES", "WorkerPool"]

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


class WorkerPool:
    """Workers of one world, started when there is a job for them and replaced when they die.

    Args:
        slots: how many at most.
        threads: each computes with so many.
        world: what they find.
    """

    def __init__(self, slots: int, threads: int, world: World) -> None:
        self.slots = slots
        variables = dict.fromkeys(THREAD_VARIABLES, str(threads))
        self._world = world._replace(environment={**world.environment, **variables})
        self._inbox: queue.SimpleQueue[tuple[LineProcess, str]] = queue.SimpleQueue()
        self._jobs: dict[LineProcess, Job | None] = {}

    def submit(self, job: Job) -> None:
        """Hand a job to an idle worker, or to a new one."""
        worker = next((worker for worker, at in self._jobs.items() if at is None), None)
        if worker is None:
            worker = LineProcess("furikaeri_common.task_worker", self._world, self._inbox)
        self._jobs[worker] = job
        worker.say(job)

    def wait(self) -> Outcome:
        """Block until some job ends, be it by the death of its worker."""
        while True:
            worker, line = next_from(self._inbox)
            if line.endswith("\n"):
                self._jobs[worker] = None
                return Outcome(*json.loads(line))
            if line:  # cut short by the worker's death, whose notice follows
                continue
            job = self._jobs.pop(worker)
            status = worker.end()
            if job is not None:
                return Outcome(job.key, f"its worker process died ({cause_of_death(status)})")

    def close(self) -> None:
        """End every worker with all it started, and wait until they are gone; from any thread."""
        for worker in list(self._jobs):
            worker.end()
