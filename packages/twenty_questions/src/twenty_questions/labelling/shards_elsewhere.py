"""The shards of a source labelled by the workers of an engine (io).

A worker opens the model and tells what it is, for this machine need not hold it; then all of them label. What they
label comes back as a finished task and becomes the same shard file that this process would have written; then the task
is removed. If this process is killed in between, the next call finds the task and need not label again.

This process has the claims of all shards that it gives to workers, so that another process on the same folder waits for
them, and leaves to it the shards that it has claimed. No shard is done twice.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from furikaeri_common.documents import fingerprint, jsonable
from furikaeri_common.errors import InputError, WorkError
from furikaeri_common.task_store import fingerprint_of_task, name_of, read_stored
from furikaeri_common.tasks import Engine, Progress, Task, run_tasks
from twenty_questions.asking_workers import ask_worker, require_accepted
from twenty_questions.kept_workers import kept_workers
from twenty_questions.labelling.claims import claimed, is_claimed
from twenty_questions.labelling.grid import Elsewhere
from twenty_questions.labelling.shard_store import ShardStore
from twenty_questions.labelling.shard_tasks import (
    LabellingError,
    finding_inputs,
    label_shard,
    let_go,
    p_yes_in,
    shard_task,
    write_common,
)
from twenty_questions.labelling.shard_work import (
    Call,
    Work,
    enter,
    failed,
    give_up,
    is_given_up,
    one_line,
    require_distinct_names,
    settle,
)

__all__ = ["Workers", "label_elsewhere"]

_FOLDER = ".tasks"
_VERSION = "1"

_SAID = (f"{LabellingError.__name__}: ", f"{WorkError.__name__}: ")
"""How errors begin that say it all; the name of their class tells nobody anything."""


class Workers(NamedTuple):
    """Who labels: the workers of an engine, each computing with so many threads."""

    engine: Engine
    threads: int


class _GivenUp(Exception):
    """The labeller failed too often in a row; holds the last error."""


@dataclass(frozen=True, slots=True)
class _Order:
    """What workers get.

    Attributes:
        workers: who they are.
        retries: how often a failed task is tried again.
        common: the file of what is the same for all shards.
        done: the folder of finished tasks.
        finding: the inputs of the task that opens the labeller.
        reads: the files that all tasks read.
    """

    workers: Workers
    retries: int
    common: Path
    done: Path
    finding: dict[str, Any]
    reads: list[Path]


def label_elsewhere(call: Call, work: Work, works: Sequence[Work], workers: Workers) -> None:
    """Label what a source has pending and nobody else is at work on.

    Args:
        call: of which this is a part.
        work: the source.
        works: of all sources of the call.
        workers: who labels.

    Raises:
        InputError: if a worker cannot open the labeller for what it was given, or would label differently.
        ValueError: if the source does not say how it is opened elsewhere.
    """
    elsewhere = work.source.elsewhere
    if elsewhere is None:
        raise ValueError(f"expected a source that can be opened elsewhere, got {work.source.name!r}")
    call.tell("opening", work.name)
    done = _folder(call, work, elsewhere)
    try:
        with _using(done), kept_workers(workers.engine, len(work.pending)) as engine:
            order = _order(call, elsewhere, done, Workers(engine, workers.threads))
            found = _found(call, work, order)
            if found is not None:
                store = enter(call, work, found["model"], found["identity"])
                require_distinct_names(works)
                _label(call, work, store, order)
    finally:
        let_go()
    if not work.pending and not any(map(is_claimed, done.parent.glob(f".{done.name}.*.claim"))):
        order.common.unlink(missing_ok=True)
    for folder in (done, done.parent):
        with contextlib.suppress(OSError):  # holds something, or is gone
            folder.rmdir()


def _folder(call: Call, work: Work, elsewhere: Elsewhere) -> Path:
    """Return the folder of finished tasks, the same for every process that labels the same by the same settings."""
    place = fingerprint([work.source.settings, jsonable(elsewhere.settings), call.grid.fingerprint])[:16]
    return (call.root / _FOLDER / place).resolve()


@contextlib.contextmanager
def _using(done: Path) -> Iterator[None]:
    """Let other processes know that this one's workers need what all shards have in common."""
    try:
        done.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        told = f"{done.parent}: cannot be made ({error.strerror or error})"
        raise InputError(told, fix="Choose another folder") from error
    with claimed(done.with_name(f".{done.name}.{os.getpid()}.claim")):
        yield


def _order(call: Call, elsewhere: Elsewhere, done: Path, workers: Workers) -> _Order:
    common = done.with_name(f"{done.name}.json")
    finding = finding_inputs(common, write_common(common, elsewhere, call.grid), elsewhere)
    return _Order(workers, call.retries, common, done, finding, [common, *elsewhere.files.values()])


def _found(call: Call, work: Work, order: _Order) -> Mapping[str, Any] | None:
    """Have a worker open the labeller, and return its `model` and `identity`; None if that failed."""
    try:
        found: Mapping[str, Any] = ask_worker(
            label_shard,
            order.finding,
            folder=order.done,
            engine=order.workers.engine,
            threads=order.workers.threads,
            retries=order.retries,
            reads=order.reads,
        )
    except WorkError as error:
        give_up(call, work, one_line(error))
        return None
    return found


def _label(call: Call, work: Work, store: ShardStore, order: _Order) -> None:
    with contextlib.ExitStack() as stack:
        held = _claims(call, work, store, stack)
        tasks = {
            f"{shard:06d}": shard_task(shard, order.finding, store.model, store.identity) for shard in sorted(held)
        }

        def on_progress(progress: Progress) -> None:
            shard, task = int(progress.key), tasks[progress.key]
            if progress.event in ("reused", "finished"):
                _take_in(call, work, order, task)
                held[shard].close()
                return
            require_accepted(progress.error)
            work.attempts[shard] += 1
            error = progress.error.removeprefix(_SAID[0]).removeprefix(_SAID[1])
            if not progress.is_lost and is_given_up(work, shard):
                raise _GivenUp(error)
            failed(call, work, shard, error, comes_again=progress.event == "retried")

        try:
            run_tasks(
                label_shard,
                list(tasks.values()),
                store=order.done,
                engine=order.workers.engine,
                threads=order.workers.threads,
                retries=order.retries,
                version=_VERSION,
                reads=order.reads,
                on_progress=on_progress,
            )
        except _GivenUp as error:
            give_up(call, work, str(error))


def _claims(call: Call, work: Work, store: ShardStore, stack: contextlib.ExitStack) -> dict[int, contextlib.ExitStack]:
    """Take the claims of all pending shards that no other process has; each is let go by closing what it maps to."""
    held = {}
    for shard in list(work.pending):
        claim = stack.enter_context(contextlib.ExitStack())
        if not claim.enter_context(claimed(store.claim_of(shard))):
            continue
        if store.has(shard):
            work.pending.remove(shard)
            call.tell("shared", work.name, shard)
            claim.close()
            continue
        store.clear_remains(shard)
        held[shard] = claim
    return held


def _take_in(call: Call, work: Work, order: _Order, task: Task) -> None:
    """Make a shard of a finished task; if what it left is damaged, the shard stays pending and is labelled again."""
    mark = fingerprint_of_task(name_of(label_shard), _VERSION, task.inputs, order.workers.threads)
    stored = read_stored(order.done, task.key, mark)
    assert stored is not None  # run_tasks has just seen it
    shard = int(task.key)
    p_yes = p_yes_in(stored.folder, call.grid, shard)
    if p_yes is not None:
        settle(call, work, shard, p_yes, float(stored.value["seconds"]), stored.value["usage"])
    shutil.rmtree(stored.folder, ignore_errors=True)
