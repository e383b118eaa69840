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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from furikaeri_common.asking_workers import ask_worker, kept_workers, slots_of
from furikaeri_common.documents import fingerprint
from furikaeri_common.errors import InputError, WorkError
from furikaeri_common.task_store import fingerprint_of_task, name_of, read_stored
from furikaeri_common.tasks import Engine, Progress, Task, raise_if_final, run_tasks
from twenty_questions.labelling.claims import Claims, claiming, is_claimed
from twenty_questions.labelling.grid import Elsewhere
from twenty_questions.labelling.shard_store import ShardStore
from twenty_questions.labelling.shard_tasks import (
    LabellingError,
    label_shard,
    let_go,
    opening_task,
    p_yes_in,
    shard_task,
    write_common,
)
from twenty_questions.labelling.shard_work import (
    Call,
    Work,
    enter,
    fail,
    give_up,
    one_line,
    require_distinct_names,
    settle,
)

__all__ = ["Workers", "label_elsewhere", "sweep"]

_FOLDER = ".tasks"
_VERSION = "1"

_SAID = (f"{LabellingError.__name__}: ", f"{WorkError.__name__}: ")
"""How errors begin that say it all; the name of their class tells nobody anything."""


class Workers(NamedTuple):
    """Who labels: the workers of an engine, each computing with so many threads."""

    engine: Engine
    threads: int


class _GivenUp(Exception):
    """The labeller failed too often in a row."""


@dataclass(frozen=True, slots=True)
class _Order:
    """What workers get.

    Attributes:
        workers: who they are.
        retries: how often a failed task is tried again.
        done: the folder of finished tasks.
        opening: the task that opens the labeller.
        reads: the files that all tasks read, first that of what is the same for all shards.
    """

    workers: Workers
    retries: int
    done: Path
    opening: Task
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
    done = _folder(call, work)
    _make(done.parent)
    try:
        with claiming() as claims:
            claims.take(done.with_name(f".{done.name}.{os.getpid()}.claim"))
            wanted = 0
            while wanted < len(work.pending):
                wanted = len(work.pending)
                with kept_workers(workers.engine, wanted) as engine:
                    order = _order(call, elsewhere, done, Workers(engine, workers.threads))
                    found = _found(call, work, order)
                    if found is None:
                        return
                    store = enter(call, work, found["model"], found["identity"])
                    require_distinct_names(works)
                    # Where the labeller is another than before, all shards are pending now: more workers are wanted.
                    if len(work.pending) <= wanted:
                        _label(call, work, store, order, claims)
                        return
    finally:
        let_go()


def sweep(call: Call, works: Sequence[Work]) -> None:
    """Remove what workers labelled by, of sources that are labelled, unless another process still uses it.

    Args:
        call: which has come to its end.
        works: of all its sources.
    """
    incomplete = {failure.model for failure in call.failures}
    for work in works if (call.root / _FOLDER).is_dir() else ():
        done = _folder(call, work)
        if work.name not in incomplete and not any(map(is_claimed, done.parent.glob(f".{done.name}.*.claim"))):
            shutil.rmtree(done, ignore_errors=True)
            _common_of(done).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # holds something, or is gone
        (call.root / _FOLDER).rmdir()


def _folder(call: Call, work: Work) -> Path:
    """Return the folder of finished tasks, the same for every process that labels the same by the same settings."""
    return (call.root / _FOLDER / fingerprint([work.source.settings, call.grid.fingerprint])[:16]).resolve()


def _common_of(done: Path) -> Path:
    """Return the file, beside the folder of finished tasks, of what is the same for all of them."""
    return done.with_name(f"{done.name}.json")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        told = f"{folder}: cannot be made ({error.strerror or error})"
        raise InputError(told, fix="Choose another folder") from error


def _order(call: Call, elsewhere: Elsewhere, done: Path, workers: Workers) -> _Order:
    common = _common_of(done)
    opening = opening_task(common, write_common(common, call.grid), elsewhere)
    return _Order(workers, call.retries, done, opening, [common, *elsewhere.files.values()])


def _found(call: Call, work: Work, order: _Order) -> Mapping[str, Any] | None:
    """Have a worker open the labeller, and return its `model` and `identity`; None if that failed."""
    try:
        found: Mapping[str, Any] = ask_worker(
            label_shard,
            {**order.opening.places, **order.opening.inputs},
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


def _label(call: Call, work: Work, store: ShardStore, order: _Order, claims: Claims) -> None:
    held = _claim(call, work, store, claims)
    tasks = {f"{shard:06d}": shard_task(shard, order.opening, store.model, store.identity) for shard in held}

    def on_progress(progress: Progress) -> None:
        shard = int(progress.key)
        if progress.event in ("reused", "finished"):
            _take_in(call, work, order, tasks[progress.key])
            claims.let_go(store.claim_of(shard))
            return
        raise_if_final(progress.error)
        error = progress.error.removeprefix(_SAID[0]).removeprefix(_SAID[1])
        again = progress.event == "retried"
        _fail(call, work, shard, error, order, comes_again=again, is_lost=progress.is_lost)

    with contextlib.suppress(_GivenUp):
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


def _claim(call: Call, work: Work, store: ShardStore, claims: Claims) -> list[int]:
    """Take the claims of all pending shards that no other process has, and return which these are."""
    held = []
    for shard in list(work.pending):
        if not claims.take(store.claim_of(shard)):
            continue
        if store.has(shard):
            work.pending.remove(shard)
            call.tell("shared", work.name, shard)
            claims.let_go(store.claim_of(shard))
            continue
        store.clear_remains(shard)
        held.append(shard)
    return held


def _take_in(call: Call, work: Work, order: _Order, task: Task) -> None:
    """Make a shard of a finished task; if what it left is damaged, that is a failed attempt."""
    mark = fingerprint_of_task(name_of(label_shard), _VERSION, task.inputs, order.workers.threads)
    stored = read_stored(order.done, task.key, mark)
    assert stored is not None  # run_tasks has just seen it
    shard = int(task.key)
    p_yes = p_yes_in(stored.folder, call.grid, shard)
    if p_yes is not None:
        settle(call, work, shard, p_yes, float(stored.value["seconds"]), stored.value["usage"])
    shutil.rmtree(stored.folder, ignore_errors=True)
    if p_yes is None:
        error = f"what a worker labelled is damaged in {order.done}"
        _fail(call, work, shard, error, order, comes_again=work.attempts[shard] < order.retries)


def _fail(
    call: Call, work: Work, shard: int, error: str, order: _Order, *, comes_again: bool, is_lost: bool = False
) -> None:
    at_once = slots_of(order.workers.engine)
    if not fail(call, work, shard, error, comes_again=comes_again, at_once=at_once, is_lost=is_lost):
        raise _GivenUp
