"""All pairs of keywords and questions labelled by each of several models (io), shard by shard.

    grid = PairGrid(keywords=names, questions=texts)
    report = label_pairs(grid, sources, Path("my-table/shards"))

A shard that is there is never labelled again, whatever stopped the process that made it; one that is damaged is.
Several processes with the same arguments share the work. Models are opened one after the other, and only for shards
that are missing. What a shard holds depends on its labeller, its keywords and the questions, and on nothing else.
"""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.errors import InputError, WorkError
from furikaeri_common.models.usage import usage_of
from twenty_questions.labelling.claims import claimed, is_claimed
from twenty_questions.labelling.grid import LabelSource, PairGrid
from twenty_questions.labelling.label_progress import LabelProgress, LabelReport, ShardFailure, Teller
from twenty_questions.labelling.labeller import Labeller
from twenty_questions.labelling.shard_files import require_polars
from twenty_questions.labelling.shard_store import ShardStore, append_journal, create_store, find_store

__all__ = ["GIVE_UP_AFTER", "label_pairs"]

GIVE_UP_AFTER = 5
"""Shards on which one labeller failed with no success between, after which the rest of its shards is not tried."""

_POLL_SECONDS = 0.5


class _Call(NamedTuple):
    """What is the same for all sources of a call."""

    grid: PairGrid
    root: Path
    retries: int
    failures: list[ShardFailure]
    tell: Teller


@dataclass(slots=True)
class _Work:
    """The shards of one source that are not settled yet."""

    source: LabelSource
    store: ShardStore | None
    pending: list[int]
    attempts: Counter[int] = field(default_factory=Counter)
    failed_in_a_row: set[int] = field(default_factory=set)

    @property
    def name(self) -> str:
        return self.store.model if self.store else self.source.name


def label_pairs(
    grid: PairGrid,
    sources: Sequence[LabelSource],
    root: Path,
    *,
    retries: int = 2,
    on_progress: Callable[[LabelProgress], None] | None = None,
) -> LabelReport:
    """Label every pair with every source, but for what is in the folder already.

    A shard whose labeller fails is tried again `retries` times, after the others; then it is reported and the others
    go on. A labeller that fails on `GIVE_UP_AFTER` shards in a row, or cannot be reached to begin with, is set aside.

    Args:
        grid: what is labelled.
        sources: who labels; with distinct names.
        root: the folder of all shards; made if it is missing.
        retries: how often a failed shard is tried again, at least 0.
        on_progress: called in this process after every step.

    Returns:
        What came of it; failures do not raise (see `label_progress.require_labelled`).

    Raises:
        InputError: if a labeller cannot be opened for what it was given, two have one name, or the folder cannot be
            written.
        WorkError: if the disk is full.
        MissingExtraError: if polars is not installed.
    """
    if retries < 0:
        raise ValueError(f"expected retries >= 0, got {retries}")
    require_polars()
    call = _Call(grid, Path(root), retries, [], Teller(grid, grid.num_pairs * len(sources), on_progress))
    works = [_begin(call, source) for source in sources]
    waiting = False
    while any(work.pending for work in works):
        moved = False
        for work in works:
            if work.pending:
                moved |= _go_through(call, work, works)
        if not moved and not waiting:
            call.tell("waiting", next(work.name for work in works if work.pending))
        if not moved:
            time.sleep(_POLL_SECONDS)
        waiting = not moved
    _require_distinct_names(works)
    stores = tuple(work.store for work in works)
    return LabelReport(stores, tuple(call.failures), call.tell.labelled, call.tell.seconds, dict(call.tell.usage))


def _begin(call: _Call, source: LabelSource) -> _Work:
    work = _Work(source, find_store(call.root, source, call.grid), list(range(call.grid.num_shards)))
    if work.store is not None:
        _strike_off(call, work, work.store, "found")
    return work


def _strike_off(call: _Call, work: _Work, store: ShardStore, event: Literal["found", "shared"]) -> None:
    """Let what is there be pending no longer."""
    for shard in list(work.pending):
        if store.has(shard):
            is_claimed(store.claim_of(shard))  # removes the claim of a process that was killed before it let go
            work.pending.remove(shard)
            call.tell(event, work.name, shard)


def _go_through(call: _Call, work: _Work, works: Sequence[_Work]) -> bool:
    """Label what a source has pending and nobody else is at work on; return whether anything moved.

    The labeller is let go at the end, for the next one may need its memory.
    """
    before = len(work.pending)
    if work.store is not None:
        # Looked at in this order: who holds a claim writes the shard before letting go.
        free = [shard for shard in work.pending if not is_claimed(work.store.claim_of(shard))]
        _strike_off(call, work, work.store, "shared")
        if not set(free) & set(work.pending):
            return len(work.pending) < before
    labeller = _open(call, work)
    _require_distinct_names(works)
    try:
        again = list(work.pending) if labeller is not None else []
        while again and labeller is not None:
            again = [shard for shard in again if shard in work.pending and _settle(call, work, labeller, shard)]
    finally:
        # A connection to a server is closed; a model in this process goes with its last reference.
        getattr(labeller, "close", _nothing)()
        del labeller
        gc.collect()
    return True


def _nothing() -> None:
    pass


def _open(call: _Call, work: _Work) -> Labeller | None:
    call.tell("opening", work.name)
    try:
        labeller = work.source.open()
    except WorkError as error:
        _give_up(call, work, _one_line(error))
        return None
    store = create_store(call.root, work.source, call.grid, labeller)
    if work.store is None or store.mark != work.store.mark:
        # The settings led to no model yet, or to one with other weights, whose shards are not its own.
        settled = set(range(call.grid.num_shards)) - set(work.pending)
        call.tell.take_back(sum(call.grid.pairs_of(shard) for shard in settled))
        work.store, work.pending = store, list(range(call.grid.num_shards))
        _strike_off(call, work, store, "found")
    return labeller


def _settle(call: _Call, work: _Work, labeller: Labeller, shard: int) -> bool:
    """Label a shard, unless another process has done so or is about to; return whether it failed and comes again."""
    store = work.store
    assert store is not None
    with claimed(store.claim_of(shard)) as held:
        if not held:
            return False
        if store.has(shard):
            work.pending.remove(shard)
            call.tell("shared", work.name, shard)
            return False
        store.clear_remains(shard)
        began, asked = time.monotonic(), usage_of(labeller)
        try:
            p_yes = _checked(labeller.label(store.grid.keywords_of(shard), store.grid.questions), store.grid, shard)
        except InputError:
            raise
        except Exception as error:
            return _failed(call, work, shard, _one_line(error))
        store.write(shard, p_yes)
    usage = {name: value - asked.get(name, 0) for name, value in usage_of(labeller).items()}
    call.tell.usage.update(usage)
    note = {"folder": store.folder.name, "shard": shard, "pairs": int(p_yes.size)}
    append_journal(call.root, {**note, "seconds": round(time.monotonic() - began, 3), "usage": usage})
    work.pending.remove(shard)
    work.failed_in_a_row.clear()
    call.tell("labelled", work.name, shard)
    return False


def _checked(p_yes: NDArray[np.float32], grid: PairGrid, shard: int) -> NDArray[np.float32]:
    """Return what a labeller gave if it is what it must be."""
    given = np.asarray(p_yes, dtype=np.float32)
    shape = (len(grid.keywords_of(shard)), len(grid.questions))
    if given.shape != shape:
        raise ValueError(f"expected P(yes) of shape {shape}, got {given.shape}")
    outside = (given < 0) | (given > 1)
    if outside.any():
        raise ValueError(f"expected P(yes) in [0, 1], got {given[outside][0]}")
    return given


def _failed(call: _Call, work: _Work, shard: int, error: str) -> bool:
    work.attempts[shard] += 1
    work.failed_in_a_row.add(shard)
    if len(work.failed_in_a_row) >= GIVE_UP_AFTER:
        _give_up(call, work, error)
        return False
    if work.attempts[shard] <= call.retries:
        call.tell("retried", work.name, shard, error)
        return True
    work.pending.remove(shard)
    call.failures.append(ShardFailure(work.name, shard, call.grid.keywords_of(shard), work.attempts[shard], error))
    call.tell("failed", work.name, shard, error)
    return False


def _give_up(call: _Call, work: _Work, error: str) -> None:
    for shard in work.pending:
        keywords = call.grid.keywords_of(shard)
        call.failures.append(ShardFailure(work.name, shard, keywords, work.attempts[shard], error))
    work.pending = []
    call.tell("failed", work.name, -1, error)


def _require_distinct_names(works: Sequence[_Work]) -> None:
    names = Counter(work.store.model for work in works if work.store is not None)
    for name, count in names.items():
        if count > 1:
            raise InputError(f"two of the models are called {name!r}", fix="Give each model once")


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, WorkError) else f"{type(error).__name__}: {text}"
