"""What only a worker can tell, such as what a model is that this machine need not hold (io), and how it says no.

An `InputError` in a task means that what was given cannot be used there; to try again, or elsewhere, would not help.
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
from furikaeri_common.task_store import Function, folder_name
from furikaeri_common.tasks import Engine, Task, run_tasks

__all__ = ["ask_worker", "naming_the_machine", "require_accepted"]


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
            on_progress=lambda progress: require_accepted(progress.error),
        )
    finally:
        shutil.rmtree(store / folder_name(task.key), ignore_errors=True)
        with contextlib.suppress(OSError):
            store.rmdir()
    if report.failures:
        raise WorkError(report.failures[0].error.removeprefix(f"{WorkError.__name__}: "))
    (value,) = report.values
    return value


@contextlib.contextmanager
def naming_the_machine() -> Iterator[None]:
    """Let what goes wrong in a block tell on which machine it did."""
    try:
        yield
    except (InputError, WorkError) as error:
        kind = InputError if isinstance(error, InputError) else WorkError
        raise kind(f"{socket.gethostname()}: {error.message}", fix=error.fix) from error


def require_accepted(error: str) -> None:
    """Raise what a worker says is wrong with what it was given.

    Args:
        error: of a task, in one line; "" for none.

    Raises:
        InputError: saying the same.
    """
    refused = error.removeprefix(f"{InputError.__name__}: ")
    if refused != error:
        raise InputError(refused)
