"""What only a worker can tell, such as what a model is that this machine need not hold (io).

Workers that are kept stay up from one call of `run_tasks` to the next, so that what one opened to tell stays open.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from furikaeri_common.errors import InputError, WorkError
from furikaeri_common.local_processes import LocalProcesses
from furikaeri_common.task_store import Function, clear_unfinished, folder_name
from furikaeri_common.tasks import Engine, Pool, Task, explained, raise_if_final, run_tasks

__all__ = ["ask_worker", "kept_workers", "naming_the_machine", "slots_of"]


def ask_worker(
    function: Function,
    inputs: Mapping[str, Any],
    *,
    folder: Path,
    engine: Engine,
    threads: int = 1,
    retries: int = 1,
    reads: Sequence[Path] = (),
) -> Any:
    """Return what one task returns, which is kept nowhere.

    Args:
        function: as `run_tasks` takes it.
        inputs: what it gets.
        folder: in which the task may lie meanwhile; made if it is missing.
        engine: whose worker does it.
        threads: of numeric libraries.
        retries: how often it is tried again.
        reads: files and folders that it reads.

    Raises:
        InputError: if the worker cannot use what it was given.
        WorkError: if it failed at every attempt.
    """
    # A name of its own, for what an earlier task found need not hold any more.
    task = Task(f"asked-{secrets.token_hex(6)}", inputs)
    store = folder.resolve()
    try:
        report = run_tasks(
            function,
            [task],
            store=store,
            engine=engine,
            threads=threads,
            retries=retries,
            reads=reads,
            on_progress=lambda progress: raise_if_final(progress.error),
        )
    finally:
        shutil.rmtree(store / folder_name(task.key), ignore_errors=True)
        with contextlib.suppress(OSError):
            store.rmdir()
    if report.failures:
        error = report.failures[0].error
        raise explained(error) or WorkError(error)
    (value,) = report.values
    return value


@contextlib.contextmanager
def naming_the_machine() -> Iterator[None]:
    """Let what goes wrong in a block tell on which machine it did."""
    try:
        yield
    except (InputError, WorkError) as error:
        kind = InputError if isinstance(error, InputError) else WorkError
        raise kind(f"machine {socket.gethostname()}: {error.message}", fix=error.fix) from error


@contextlib.contextmanager
def kept_workers(engine: Engine, tasks: int) -> Iterator[Engine]:
    """Give an engine whose workers start at the first call, serve the later ones, and end with the block.

    Args:
        engine: where they are; this process alone has none to keep.
        tasks: of the largest call. The calls may be of several functions, and of several stores if whoever sees one
            sees all.
    """
    if engine == LocalProcesses(0):
        yield engine
        return
    with contextlib.ExitStack() as stack:
        kept = _Kept(engine, tasks, stack)
        try:
            yield kept
        finally:
            stack.close()
            for store in kept.stores:  # what they were at, now that they have ended
                clear_unfinished(store)


def slots_of(engine: Engine) -> int:
    """Return how many tasks the workers that are kept, and up, have at once, at least 1; this process alone has 1."""
    return max(1, engine.slots) if isinstance(engine, _Kept) else 1


class _Kept:
    def __init__(self, engine: Engine, tasks: int, stack: contextlib.ExitStack) -> None:
        self._engine, self._tasks, self._stack = engine, tasks, stack
        self._pool: Pool | None = None
        self._serves: tuple[int, tuple[Path, ...]] | None = None
        self.stores = set[Path]()

    @property
    def slots(self) -> int:
        return 0 if self._pool is None else self._pool.slots

    @contextlib.contextmanager
    def start(self, function: str, *, threads: int, tasks: int, store: Path, reads: Sequence[Path]) -> Iterator[Pool]:
        """Give the workers that are up; jobs say themselves of which function and store they are.

        Raises:
            ValueError: if they are asked for another number of threads or choice of files.
        """
        asked = (threads, tuple(reads))
        self.stores.add(store)
        if self._pool is None:
            self._serves = asked
            self._pool = self._stack.enter_context(
                self._engine.start(function, threads=threads, tasks=self._tasks, store=store, reads=reads)
            )
        if asked != self._serves:
            raise ValueError(f"expected workers with the threads and files {self._serves}, got {asked}")
        yield self._pool
