"""What a model is asked to write, as one recorded run: requests in shards, none of them made twice."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from furikaeri_cli.output import Output
from furikaeri_common.errors import WorkError

if TYPE_CHECKING:
    from furikaeri_common.runs import Run
    from furikaeri_common.task_store import Function
    from furikaeri_common.tasks import Engine, Progress, Task, TaskReport

__all__ = ["PARTS", "asking_for_texts"]

PARTS = "parts"
"""The folder of a run that keeps what the model wrote."""


@contextlib.contextmanager
def asking_for_texts(
    command: str,
    write: Function,
    tasks: Sequence[Task],
    *,
    record: Mapping[str, object],
    data: Mapping[str, str],
    seed: int,
    runs: Path,
    reads: Sequence[Path],
    engine: Engine,
    output: Output,
) -> Iterator[tuple[Run, TaskReport]]:
    """Make the requests that are missing, and give the run and what came of all of them for the rest of its work.

    Args:
        command: whose run it is; an earlier run of the same command, record, seed and data is taken up.
        write: makes one shard of requests.
        tasks: the shards.
        record: what the run is known by, as `start_run` takes it.
        data: what was read, by its fingerprint.
        seed: of everything random.
        runs: where runs are kept.
        reads: files and folders that the shards name.
        engine: whose workers ask, each with the model.
        output: who is told of progress.

    Raises:
        InputError: if the model cannot be asked at all.
        WorkError: if a shard fails at every attempt.
    """
    from furikaeri_cli.progress import showing_progress
    from furikaeri_common.runs import find_earlier, start_run
    from furikaeri_common.tasks import run_tasks
    from twenty_questions.asking_workers import require_accepted

    earlier = find_earlier(runs, command, record, seed=seed, data=data)
    with start_run(runs, command, record, seed=seed, data=data, resume=earlier) as run:
        with showing_progress(output, "requests", len(tasks)) as show:

            def on_progress(event: Progress) -> None:
                require_accepted(event.error)
                show(event)

            report = run_tasks(
                write, tasks, store=run.path / PARTS, engine=engine, reads=reads, on_progress=on_progress
            )
        if report.failures:
            raise WorkError(
                f"{len(report.failures)} of {len(tasks)} shards of requests failed, the first: "
                f"{report.failures[0].error}",
                fix="Run the same command again to ask only for what is missing",
            )
        yield run, report
