"""Models that write, in this process or at the workers of an engine (io)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from furikaeri_common.asking_workers import ask_worker, kept_workers, naming_the_machine
from furikaeri_common.configs import config_from
from furikaeri_common.documents import jsonable
from furikaeri_common.errors import WorkError
from furikaeri_common.local_processes import LocalProcesses
from furikaeri_common.models import writing
from furikaeri_common.models.config import ModelConfig, Writer
from furikaeri_common.task_store import Function
from furikaeri_common.tasks import Engine, Progress, Task, raise_if_final, require_all, run_tasks
from twenty_questions.labelling.model_files import files_of, with_absolute_files

__all__ = ["KnownWriter", "find_writer", "known_writer", "let_writer_go", "placed_writer", "writer_for", "written"]


class KnownWriter(NamedTuple):
    """A model that writes, and need not be open.

    Attributes:
        name: what reports call it.
        identity: everything its texts depend on beside what it is asked.
        model: its configuration, which names files by absolute paths.
        reads: these files.
    """

    name: str
    identity: Mapping[str, Any]
    model: ModelConfig
    reads: list[Path]


def known_writer(model: ModelConfig, folder: Path, engine: Engine) -> KnownWriter:
    """Find out what a model is, from whoever is to write with it.

    Args:
        model: which one.
        folder: in which a task may lie meanwhile.
        engine: whose workers write. Where it is this process, the model stays open (`models.writing.open_once`).

    Raises:
        InputError: if the model cannot be used there.
        WorkError: if it does not fit, or its server fails.
    """
    if engine == LocalProcesses(0):
        writer = _opened(with_absolute_files(model))
        return placed_writer(model, writer.name, jsonable(writer.identity))
    told = ask_worker(
        find_writer,
        {"model": jsonable(with_absolute_files(model))},
        folder=folder / ".asking",
        engine=engine,
        reads=list(files_of(model).values()),
    )
    return placed_writer(model, told["name"], told["identity"])


def placed_writer(model: ModelConfig, name: str, identity: Mapping[str, Any]) -> KnownWriter:
    """Return a model of which it is known what it is, and where its files are on this machine."""
    return KnownWriter(name, identity, with_absolute_files(model), list(files_of(model).values()))


def written(
    write: Function,
    tasks_for: Callable[[KnownWriter], Sequence[Task]],
    model: ModelConfig,
    *,
    most: int,
    store: Path,
    engine: Engine,
    on_progress: Callable[[Progress], None] | None = None,
) -> tuple[KnownWriter, list[Any]]:
    """Have a model write, and return it with the values of all tasks, in order.

    Args:
        write: the tasks' function; it opens the model by `writer_for`.
        tasks_for: returns the tasks for a model that is known.
        model: which one.
        most: how many tasks there are at most.
        store: the folder that keeps what is written.
        engine: whose workers write; they open the model once.
        on_progress: called after every step.

    Raises:
        InputError: if the model cannot be used there.
        WorkError: if it does not fit, its server fails, or a task fails at every attempt.
    """

    def tell(progress: Progress) -> None:
        raise_if_final(progress.error)
        if on_progress is not None:
            on_progress(progress)

    try:
        with kept_workers(engine, most) as kept:
            writer = known_writer(model, store, kept)
            tasks = tasks_for(writer)
            report = run_tasks(write, tasks, store=store, engine=kept, reads=writer.reads, on_progress=tell)
        return writer, require_all(report)
    finally:
        let_writer_go()


def find_writer(inputs: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Open a model to find out what it is; a task (see `furikaeri_common.tasks`).

    Returns:
        `name` and `identity` of it.

    Raises:
        InputError: if this machine lacks what it takes; it names the machine.
        WorkError: if the model does not fit, or its server fails.
    """
    with naming_the_machine():
        writer = _opened(config_from(ModelConfig, inputs["model"], source="the task's model"))
    return {"name": writer.name, "identity": jsonable(writer.identity)}


def writer_for(inputs: Mapping[str, Any]) -> Writer:
    """Open the model of a task, once for all tasks of this process.

    Args:
        inputs: `model`: its configuration; `identity`: what it must be.

    Raises:
        InputError: if this machine lacks what it takes; it names the machine.
        WorkError: if the model is another than the one that the task names, does not fit, or its server fails.
    """
    with naming_the_machine():
        writer = _opened(config_from(ModelConfig, inputs["model"], source="the task's model"))
        if jsonable(writer.identity) != inputs["identity"]:
            raise WorkError(f"the model {writer.name} is not the one that this run began with")
    return writer


def let_writer_go() -> None:
    """Free the memory, or close the connections, of what this process has open."""
    for writer in _connected:
        writer.close()
    _connected.clear()
    writing.open_once.cache_clear()


_connected: list[Any] = []
"""Writers that are to be closed; others go with their last reference."""


def _opened(model: ModelConfig) -> Writer:
    writer = writing.open_once(model)
    if hasattr(writer, "close") and writer not in _connected:
        _connected.append(writer)
    return writer
