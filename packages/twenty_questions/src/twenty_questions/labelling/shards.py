"""All pairs of keywords and questions labelled by each of several models (io), shard by shard.

    grid = PairGrid(keywords=names, questions=texts)
    report = label_pairs(grid, sources, Path("my-table/shards"))

A shard that is there is never labelled again, whatever stopped the process that made it; one that is damaged is.
Several processes with the same arguments share the work. Models are opened one after the other, and only for shards
that are missing. What a shard holds depends on its labeller, its keywords and the questions, and on nothing else: an
engine leads to the same bytes as this process (on the same kind of device, and with the same threads).
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from furikaeri_common.errors import InputError, WorkError
from furikaeri_common.models.usage import usage_of, usage_since
from furikaeri_common.tasks import Engine
from twenty_questions.labelling.claims import claimed
from twenty_questions.labelling.grid import LabelSource, PairGrid
from twenty_questions.labelling.label_progress import LabelProgress, LabelReport, Teller
from twenty_questions.labelling.labeller import Labeller
from twenty_questions.labelling.shard_files import require_polars
from twenty_questions.labelling.shard_work import (
    GIVE_UP_AFTER,
    Call,
    Work,
    begin,
    checked,
    enter,
    fail,
    give_up,
    has_free_shards,
    one_line,
    require_distinct_names,
    settle,
)
from twenty_questions.labelling.shards_elsewhere import Workers, label_elsewhere, sweep

__all__ = ["GIVE_UP_AFTER", "label_pairs"]

_POLL_SECONDS = 0.5


def label_pairs(
    grid: PairGrid,
    sources: Sequence[LabelSource],
    root: Path,
    *,
    engine: Engine | None = None,
    threads: int = 1,
    retries: int = 2,
    on_progress: Callable[[LabelProgress], None] | None = None,
) -> LabelReport:
    """Label every pair with every source, but for what is in the folder already.

    A shard whose labeller fails is tried again `retries` times, after the others; then it is reported and the others
    go on. A labeller that fails on `GIVE_UP_AFTER` shards in a row, or cannot be reached to begin with, is set aside;
    workers may fail together, so that of n at once n - 1 more must.

    Args:
        grid: what is labelled.
        sources: who labels; with distinct names. With an engine each must say how it is opened elsewhere.
        root: the folder of all shards; made if it is missing.
        engine: whose workers open the models and label; None: this process.
        threads: of numeric libraries in each worker of an engine, at least 1.
        retries: how often a failed shard is tried again, at least 0.
        on_progress: called in this process after every step.

    Returns:
        What came of it; failures do not raise (see `label_progress.require_labelled`).

    Raises:
        InputError: if a labeller cannot be opened for what it was given, two have one name, workers would label
            differently, or the folder cannot be written.
        WorkError: if the disk is full.
        MissingExtraError: if polars is not installed.
        ValueError: if a number is out of its range, or a source cannot be opened elsewhere.
    """
    if retries < 0 or threads < 1:
        raise ValueError(f"expected retries >= 0 and threads >= 1, got {retries} and {threads}")
    require_polars()
    call = Call(grid, Path(root), retries, [], Teller(grid, grid.num_pairs * len(sources), on_progress))
    works = [begin(call, source) for source in sources]
    waiting = False
    while any(work.pending for work in works):
        moved = False
        for work in works:
            if work.pending:
                before = len(work.pending)
                if has_free_shards(call, work):
                    if engine is None:
                        _label_here(call, work, works)
                    else:
                        label_elsewhere(call, work, works, Workers(engine, threads))
                    moved = True
                moved |= len(work.pending) < before
        if not moved and not waiting:
            call.tell("waiting", next(work.name for work in works if work.pending))
        if not moved:
            time.sleep(_POLL_SECONDS)
        waiting = not moved
    require_distinct_names(works)
    sweep(call, works)
    stores = tuple(work.store for work in works)
    return LabelReport(stores, tuple(call.failures), call.tell.labelled, call.tell.seconds, dict(call.tell.usage))


def _label_here(call: Call, work: Work, works: Sequence[Work]) -> None:
    """Label what a source has pending and nobody else is at work on.

    The labeller is let go at the end, for the next one may need its memory.
    """
    labeller = _open(call, work)
    require_distinct_names(works)
    try:
        again = list(work.pending) if labeller is not None else []
        while again and labeller is not None:
            again = [shard for shard in again if shard in work.pending and _label_shard(call, work, labeller, shard)]
    finally:
        # A connection to a server is closed; a model in this process goes with its last reference.
        getattr(labeller, "close", _nothing)()
        del labeller
        gc.collect()


def _nothing() -> None:
    pass


def _open(call: Call, work: Work) -> Labeller | None:
    call.tell("opening", work.name)
    try:
        labeller = work.source.open()
    except WorkError as error:
        give_up(call, work, one_line(error))
        return None
    enter(call, work, labeller.name, labeller.identity)
    return labeller


def _label_shard(call: Call, work: Work, labeller: Labeller, shard: int) -> bool:
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
            p_yes = checked(labeller.label(store.grid.keywords_of(shard), store.grid.questions), store.grid, shard)
        except InputError:
            raise
        except Exception as error:
            comes_again = work.attempts[shard] < call.retries
            return fail(call, work, shard, one_line(error), comes_again=comes_again) and comes_again
        settle(call, work, shard, p_yes, time.monotonic() - began, usage_since(labeller, asked))
    return False
