"""What a model is asked to write, as one recorded run: requests in shards, none of them made twice."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from furikaeri_cli.output import Output
from furikaeri_common.errors import WorkError

if TYPE_CHECKING:
    from furikaeri_common.models.config import ModelConfig
    from furikaeri_common.runs import Run
    from furikaeri_common.task_store import Function
    from furikaeri_common.tasks import Engine, Progress, Task
    from twenty_questions.writers import KnownWriter

__all__ = ["PARTS", "Asked", "asking_for_texts"]

PARTS = "parts"
"""The folder of a run that keeps what the model wrote."""


class _How(Protocol):
    @property
    def num_tasks(self) -> int: ...


class Asked(NamedTuple):
    """What came of the requests.

    Attributes:
        run: which goes on while the rest is done.
        name: the model's, as reports call it.
        values: of all shards, in order.
        is_new: whether any of them was made now.
    """

    run: Run
    name: str
    values: list[Any]
    is_new: bool


@contextlib.contextmanager
def asking_for_texts(
    command: str,
    write: Function,
    tasks_for: Callable[[KnownWriter], Sequence[Task]],
    how: _How,
    model: ModelConfig,
    *,
    data: Mapping[str, str],
    seed: int,
    runs: Path,
    engine: Engine,
    output: Output,
) -> Iterator[Asked]:
    """Make the requests that are missing, and give the run and what came of all of them for the rest of its work.

    An earlier run of the same command, settings, model, seed and data is taken up, wherever the model's server is now.
    One that is done tells what the model is, so that nobody need be asked.

    Args:
        command: whose run it is.
        write: makes one shard of requests.
        tasks_for: returns the shards for a model that is known.
        how: the model is asked; JSON can hold it.
        model: which one.
        data: what was read, by its fingerprint.
        seed: of everything random.
        runs: where runs are kept.
        engine: whose workers ask; they open the model once.
        output: who is told of progress.

    Raises:
        InputError: if the model cannot be asked at all.
        WorkError: if a shard fails at every attempt.
    """
    from furikaeri_cli.progress import showing_progress
    from furikaeri_common.asking_workers import kept_workers
    from furikaeri_common.documents import jsonable
    from furikaeri_common.models.config import how_reached, what_decides
    from furikaeri_common.runs import find_earlier, start_run
    from furikaeri_common.tasks import raise_if_final, run_tasks
    from twenty_questions.writers import known_writer

    settings = {"how": jsonable(how), "model": jsonable(what_decides(model))}
    with contextlib.ExitStack() as workers:
        kept = workers.enter_context(kept_workers(engine, how.num_tasks))
        told = _told_before(model, command, settings, seed, data, runs) if model.base_url else None
        writer = told or known_writer(model, runs, kept)
        tasks = tasks_for(writer)
        record = {**settings, "name": writer.name, "identity": writer.identity}
        earlier = find_earlier(runs, command, record, seed=seed, data=data)
        with start_run(runs, command, record, seed=seed, data=data, resume=earlier) as run:
            with showing_progress(output, "requests", len(tasks)) as show:
                asked = False

                def on_progress(event: Progress) -> None:
                    nonlocal asked
                    if model.base_url and not asked and event.event != "reused":
                        asked = True
                        run.log(how_reached(model))
                    raise_if_final(event.error)
                    show(event)

                report = run_tasks(
                    write, tasks, store=run.path / PARTS, engine=kept, reads=writer.reads, on_progress=on_progress
                )
            workers.close()
            if report.failures:
                raise WorkError(
                    f"{len(report.failures)} of {len(tasks)} shards of requests failed, the first: "
                    f"{report.failures[0].error}",
                    fix="Run the same command again to ask only for what is missing",
                )
            yield Asked(run, writer.name, report.values, report.reused < len(tasks))


def _told_before(
    model: ModelConfig, command: str, settings: Mapping[str, Any], seed: int, data: Mapping[str, str], runs: Path
) -> KnownWriter | None:
    """Return what a server's model is by the newest run that did all of this before; None without one."""
    from furikaeri_common.records import list_runs
    from twenty_questions.writers import placed_writer

    for run in reversed(list_runs(runs)[0]):
        told = {name: run.config.get(name) for name in settings}
        same = (run.command, told, run.seed, run.data) == (command, settings, seed, data)
        if same and run.status == "done" and {"name", "identity"} <= run.config.keys():
            return placed_writer(model, run.config["name"], run.config["identity"])
    return None
