"""An engine of all processes that `torchrun` started: they train each network together, one after the other. (io)

The first process runs the tasks and records them in the same store as any other engine, so what one way of running has
finished the other goes on from. The others are told of each task and do their share of it.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

from furikaeri_common.errors import FurikaeriError, InputError, WorkError
from furikaeri_common.task_store import Function, Job, Outcome, find_function
from furikaeri_common.task_store import perform as perform_job
from furikaeri_common.tasks import Pool
from isic_lesion.image_models.processes import Processes, add_up, joined, own_device, wait_for_all

__all__ = ["AllProcesses", "all_processes", "follow"]

_PATIENCE = timedelta(hours=1)
"""The first process alone hashes and decodes all pictures before the first network; the others wait."""


class AllProcesses:
    """The engine, in the first process.

    Args:
        processes: all of them.
        device: of this one.
    """

    def __init__(self, processes: Processes, device: str) -> None:
        self._processes = processes
        self._device = device
        self._is_at_work = False

    @contextlib.contextmanager
    def _started(self, function: str) -> Iterator[Pool]:
        yield _Pool(self, find_function(function))

    def start(
        self, function: str, *, threads: int, tasks: int, store: Path, reads: Sequence[Path]
    ) -> AbstractContextManager[Pool]:
        """Start nothing: the processes are there, and each keeps the threads that it has."""
        return self._started(function)

    def perform(self, job: Job, function: Function) -> Outcome:
        """Perform a job together with the others.

        Raises:
            FurikaeriError: if it fails: the others are somewhere in the middle of it, so no job can follow.
        """
        self._is_at_work = True
        _broadcast(self._processes, self._device, json.dumps(job))
        caught: list[FurikaeriError] = []
        outcome = perform_job(job, _noting(function, caught))
        if outcome.error is not None:
            raise caught[0] if caught else WorkError(f"{job.key}: {outcome.error}")
        self._is_at_work = False
        return outcome

    def end(self, *, is_done: bool) -> None:
        """Tell the others that there is no more; nothing where they are at work, for they would not hear it."""
        if not self._is_at_work:
            _broadcast(self._processes, self._device, json.dumps(is_done))


class _Pool:
    slots = 1

    def __init__(self, engine: AllProcesses, function: Function) -> None:
        self._engine = engine
        self._function = function
        self._job: Job | None = None

    def submit(self, job: Job) -> None:
        self._job = job

    def wait(self) -> Outcome:
        assert self._job is not None
        return self._engine.perform(self._job, self._function)


@contextlib.contextmanager
def all_processes(device: str) -> Iterator[tuple[Processes, AllProcesses]]:
    """Join the processes of `torchrun`; where the block ends in the first one, `follow` ends in the others.

    Args:
        device: as a configuration names it.
    """
    own = own_device(device)
    with joined(own, patience=_PATIENCE) as processes:
        engine = AllProcesses(processes, own)
        try:
            yield processes, engine
        except BaseException:
            if processes.is_first and processes.count > 1:
                engine.end(is_done=False)
            raise
        if processes.is_first and processes.count > 1:
            engine.end(is_done=True)
        wait_for_all(processes)


def follow(processes: Processes, device: str) -> None:
    """Do this process's share of every task, until the first one says that there are no more.

    Raises:
        InputError: if the first process failed, which says why.
        WorkError: if this process fails.
    """
    own = own_device(device)
    while not isinstance(told := json.loads(_broadcast(processes, own, "")), bool):
        job = Job(*told)
        try:
            find_function(job.function)(job.inputs, Path(job.store) / f".follower-{processes.rank}")
        except InputError as error:
            raise WorkError(f"process {processes.rank} of {processes.count}: {error.message}", fix=error.fix) from error
    if not told:
        raise InputError("the first process of the training failed", fix="See what it said")


def _noting(function: Function, caught: list[FurikaeriError]) -> Function:
    def noting(inputs: Mapping[str, Any], folder: Path) -> Any:
        try:
            return function(inputs, folder)
        except FurikaeriError as error:
            caught.append(error)
            raise

    return noting


def _broadcast(processes: Processes, device: str, text: str) -> str:
    """Return the text of the first process, in all of them. It is a sum: what the others give is zeros."""
    import torch

    content = text.encode()
    length = torch.tensor([len(content) if processes.is_first else 0], dtype=torch.int64, device=device)
    add_up(processes, length)
    letters = torch.zeros(int(length), dtype=torch.int32, device=device)
    if processes.is_first:
        letters += torch.tensor(list(content), dtype=torch.int32, device=device)
    add_up(processes, letters)
    return bytes(letters.cpu().tolist()).decode()
