"""Independent tasks, performed once each, on whatever engine there is (io).

    def score_fold(inputs: Mapping[str, Any], folder: Path) -> Any: ...

    tasks = [Task(f"fold-{fold}", {"fold": fold, "seed": 7}) for fold in range(5)]
    report = run_tasks(score_fold, tasks, store=Path("runs/x/folds"), engine=LocalProcesses(workers=2))

A task is a key and its inputs; the function is given the inputs and an empty folder for files, and returns a value that
JSON can hold. What is finished is in the store, so the same call after a crash does only what is missing. Nothing a
task computes may depend on which worker takes it or when: its randomness comes from its inputs.
"""

from __future__ import annotations

import contextlib
import textwrap
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from furikaeri_common.documents import jsonable
from furikaeri_common.errors import FullDiskError, FurikaeriError, InputError, WorkError
from furikaeri_common.task_store import (
    Function,
    Job,
    Outcome,
    Stored,
    clear_unfinished,
    fingerprint_of_task,
    name_of,
    read_stored,
)

__all__ = [
    "LOSSES",
    "Engine",
    "Pool",
    "Progress",
    "Task",
    "TaskFailure",
    "TaskReport",
    "explained",
    "raise_if_final",
    "require_all",
    "run_tasks",
]

_EXPLAINED: Mapping[str, Callable[[str], FurikaeriError]] = {
    "InputError": InputError,
    "MissingExtraError": InputError,
    "WorkError": WorkError,
    "FullDiskError": lambda text: FullDiskError(text.partition(FullDiskError.SAID)[0]),
}

_SHOWN = 400  # characters of a failed task's inputs

LOSSES = 3
"""How often a task whose machine was lost is tried again without counting against its retries."""


class Task(NamedTuple):
    """One unit of work.

    Args:
        key: its stable name, unique among the tasks of a call.
        inputs: what the function gets; JSON values.
        places: inputs besides that only say where things lie. What was finished is used again wherever they lie now,
            so the other inputs must tell what they hold.
    """

    key: str
    inputs: Mapping[str, Any]
    places: Mapping[str, Any] = {}


class TaskFailure(NamedTuple):
    """A task that failed at every attempt: the last error in one line, and its traceback where there was one."""

    key: str
    inputs: Mapping[str, Any]
    attempts: int
    error: str
    traceback: str


class TaskReport(NamedTuple):
    """What came of the tasks, both in the order in which they were given.

    Args:
        finished: key -> value and folder.
        failures: those that failed at every attempt.
        reused: how many of the finished were in the store already.
    """

    finished: dict[str, Stored]
    failures: tuple[TaskFailure, ...]
    reused: int

    @property
    def values(self) -> list[Any]:
        """The values of the finished tasks, in order."""
        return [stored.value for stored in self.finished.values()]


class Progress(NamedTuple):
    """One step of the work.

    Args:
        event: "reused", "finished", "retried" (an attempt failed, another follows) or "failed" (the last one did).
        key: the task.
        done: how many are settled, finished or failed.
        total: how many there are.
        error: what went wrong; empty unless it did.
        seconds: since the call began.
        is_lost: whether it went wrong because a machine was lost, which says nothing against the task.
    """

    event: Literal["reused", "finished", "retried", "failed"]
    key: str
    done: int
    total: int
    error: str
    seconds: float
    is_lost: bool = False


class Pool(Protocol):
    """Workers that are up, or come and go."""

    @property
    def slots(self) -> int:
        """How many jobs it can hold at once; 0 for a while where every worker is lost or still to come."""
        ...

    def submit(self, job: Job) -> None:
        """Hand over a job; at most `slots` may be under way."""
        ...

    def wait(self) -> Outcome | None:
        """Block until some job ends, or, for None, until the number of slots has changed."""
        ...


class Engine(Protocol):
    """Where tasks are performed.

    An engine performs a job by `task_store.perform`, which records it, and a job counts as finished when its result is
    in the store. Leaving the context stops every worker, at once and for good, unless they are kept for more calls.
    """

    def start(
        self, function: str, *, threads: int, tasks: int, store: Path, reads: Sequence[Path]
    ) -> AbstractContextManager[Pool]:
        """Start workers for jobs of one function.

        Args:
            function: `module:name`, as `task_store.name_of` gives it.
            threads: each computes with so many.
            tasks: how many jobs there are at most.
            store: the folder of finished tasks, as the jobs name it.
            reads: absolute paths of the files and folders that the jobs read; an engine whose workers do not see them
                brings them there.
        """
        ...


def run_tasks(
    function: Function,
    tasks: Sequence[Task],
    *,
    store: Path,
    engine: Engine,
    threads: int = 1,
    retries: int = 1,
    version: str = "",
    reads: Sequence[Path] = (),
    on_progress: Callable[[Progress], None] | None = None,
) -> TaskReport:
    """Perform every task that is not in the store yet.

    A task that fails, by an exception or because its worker died, is tried again `retries` times at the end of the
    queue, then reported; the others go on. One whose machine was lost is tried again `LOSSES` times beside that. Ctrl-C
    stops the workers and goes on; what was finished stays finished.

    Args:
        function: at the top level of an importable module; called as `function(inputs, folder)`.
        tasks: with distinct keys.
        store: the folder that keeps finished tasks; made if it is missing.
        engine: where to perform them (`local_processes.LocalProcesses`, `ray_cluster.RayCluster`).
        threads: of numeric libraries in each task, at least 1; part of what a result depends on.
        retries: how often a failed task is tried again, at least 0.
        version: of the function's meaning; a result of another version is done again.
        reads: files and folders that the tasks read, which inputs name by their absolute paths or by a path below one;
            whoever performs a task on a machine that does not see them gets copies, and inputs that name those.
        on_progress: called in this process after every step.

    Returns:
        What came of them; failures do not raise (see `require_all`).

    Raises:
        ValueError: on a repeated key, an input that is a place too, or a number out of its range.
        TypeError: if another process could not find the function, or JSON cannot hold an input exactly.
        InputError: if the store cannot be made.
    """
    if threads < 1 or retries < 0:
        raise ValueError(f"expected threads >= 1 and retries >= 0, got {threads} and {retries}")
    jobs = _jobs(name_of(function), tasks, store=Path(store), threads=threads, version=version)
    _make_store(Path(store))
    began = time.monotonic()
    finished: dict[str, Stored] = {}
    failures: dict[str, TaskFailure] = {}

    def tell(
        event: Literal["reused", "finished", "retried", "failed"], key: str, error: str = "", is_lost: bool = False
    ) -> None:
        if on_progress is not None:
            done = len(finished) + len(failures)
            on_progress(Progress(event, key, done, len(jobs), error, time.monotonic() - began, is_lost))

    for key, job in jobs.items():
        stored = read_stored(Path(store), key, job.fingerprint)
        if stored is not None:
            finished[key] = stored
            tell("reused", key)
    reused = len(finished)
    waiting = deque(job for key, job in jobs.items() if key not in finished)
    attempts = dict.fromkeys((job.key for job in waiting), 0)
    losses = dict.fromkeys(attempts, 0)
    # Closed on every way out, or the workers would live as long as the traceback of what went wrong.
    found = [Path(path).absolute() for path in reads]
    with contextlib.closing(_outcomes(engine, name_of(function), threads, waiting, Path(store), found)) as outcomes:
        for key, error, trace, is_lost in outcomes:
            attempts[key] += 1
            losses[key] += is_lost
            # The store decides, for a worker may have died after it recorded the task.
            stored = read_stored(Path(store), key, jobs[key].fingerprint)
            error = error or "its result is not in the store: the workers do not see this folder"
            if stored is not None:
                finished[key] = stored
                tell("finished", key)
            elif attempts[key] - min(losses[key], LOSSES) <= retries:
                waiting.append(jobs[key])
                tell("retried", key, error, is_lost)
            else:
                failures[key] = TaskFailure(key, jobs[key].inputs, attempts[key], error, trace)
                tell("failed", key, error, is_lost)
    return TaskReport(
        {key: finished[key] for key in jobs if key in finished},
        tuple(failures[key] for key in jobs if key in failures),
        reused,
    )


def explained(error: str) -> FurikaeriError | None:
    """Return the error by which a task explained its failure to a user, to be raised here; None for any other.

    Args:
        error: of an attempt, in one line, as `Progress` and `TaskFailure` have it.
    """
    name, _, text = error.partition(": ")
    kind = _EXPLAINED.get(name)
    return None if kind is None else kind(text)


def raise_if_final(error: str) -> None:
    """Raise a failure that every other attempt and task would meet again: a refused input, or a full disk.

    Args:
        error: of an attempt, in one line; "" for none.

    Raises:
        InputError, FullDiskError: as the task raised it.
    """
    told = explained(error)
    if isinstance(told, InputError | FullDiskError):
        raise told


def require_all(report: TaskReport) -> list[Any]:
    """Return the values of all tasks, in order.

    Raises:
        WorkError: if any failed; it names the first, its inputs if it does not explain itself, and its error.
    """
    if report.failures:
        first = report.failures[0]
        others = f" (and {len(report.failures) - 1} more)" if len(report.failures) > 1 else ""
        told = explained(first.error)
        inputs = "" if told else f" with inputs {textwrap.shorten(str(dict(first.inputs)), _SHOWN, placeholder=' ...')}"
        raise WorkError(
            f"task {first.key}{others} failed {first.attempts} times{inputs}: {told.message if told else first.error}",
            fix="Run the same command again to retry only what failed",
        )
    return report.values


def _jobs(function: str, tasks: Sequence[Task], *, store: Path, threads: int, version: str) -> dict[str, Job]:
    jobs: dict[str, Job] = {}
    for key, given, places in tasks:
        inputs = {**places, **given}
        if key in jobs:
            raise ValueError(f"expected distinct keys, got {key!r} twice")
        if len(inputs) < len(given) + len(places):
            raise ValueError(f"expected inputs of task {key!r} apart from its places, got {inputs!r}")
        if jsonable(inputs) != inputs:
            raise TypeError(f"expected inputs of task {key!r} that JSON holds exactly, got {inputs!r}")
        mark = fingerprint_of_task(function, version, given, threads)
        jobs[key] = Job(function, key, inputs, str(store.resolve()), mark)
    return jobs


def _outcomes(
    engine: Engine, function: str, threads: int, waiting: deque[Job], store: Path, reads: Sequence[Path]
) -> Generator[Outcome, None, None]:
    """Yield how each attempt ended until nothing waits; what the caller appends meanwhile is attempted too."""
    if not waiting:
        return
    try:
        tasks = len(waiting)
        with engine.start(function, threads=threads, tasks=tasks, store=store.resolve(), reads=reads) as pool:
            under_way = 0
            while waiting or under_way:
                while waiting and under_way < pool.slots:
                    pool.submit(waiting.popleft())
                    under_way += 1
                outcome = pool.wait()
                if outcome is not None:
                    under_way -= 1
                    yield outcome
    finally:
        clear_unfinished(store)


def _make_store(store: Path) -> None:
    try:
        store.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{store}: cannot be made ({error.strerror or error})", fix="Choose another folder") from error
    clear_unfinished(store)
