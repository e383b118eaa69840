"""What a call to label all pairs has done and has left, and what every way of labelling does with a shard (io).

`shards` labels in this process, `shards_elsewhere` by tasks on an engine; what they find or make is settled here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.errors import InputError, WorkError
from twenty_questions.labelling.claims import is_claimed
from twenty_questions.labelling.grid import LabelSource, PairGrid
from twenty_questions.labelling.label_progress import ShardFailure, Teller
from twenty_questions.labelling.shard_store import ShardStore, append_journal, create_store, find_store

__all__ = [
    "GIVE_UP_AFTER",
    "Call",
    "Work",
    "begin",
    "checked",
    "enter",
    "fail",
    "give_up",
    "has_free_shards",
    "one_line",
    "require_distinct_names",
    "settle",
    "strike_off",
]

GIVE_UP_AFTER = 5
"""Shards on which one labeller failed, each after the other, with no success between: the rest is not tried then."""


class Call(NamedTuple):
    """What is the same for all sources of a call."""

    grid: PairGrid
    root: Path
    retries: int
    failures: list[ShardFailure]
    tell: Teller


@dataclass(slots=True)
class Work:
    """The shards of one source that are not settled yet."""

    source: LabelSource
    store: ShardStore | None
    pending: list[int]
    attempts: Counter[int] = field(default_factory=Counter)
    failed_in_a_row: set[int] = field(default_factory=set)

    @property
    def name(self) -> str:
        """What messages call the labeller."""
        return self.store.model if self.store else self.source.name


def begin(call: Call, source: LabelSource) -> Work:
    """Return the work of a source, without what is there already."""
    work = Work(source, find_store(call.root, source, call.grid), list(range(call.grid.num_shards)))
    if work.store is not None:
        strike_off(call, work, work.store, "found")
    return work


def strike_off(call: Call, work: Work, store: ShardStore, event: Literal["found", "shared"]) -> None:
    """Let what is there be pending no longer."""
    for shard in list(work.pending):
        if store.has(shard):
            is_claimed(store.claim_of(shard))  # removes the claim of a process that was killed before it let go
            work.pending.remove(shard)
            call.tell(event, work.name, shard)


def has_free_shards(call: Call, work: Work) -> bool:
    """Strike off what other processes have labelled, and return whether they left something."""
    if work.store is None:
        return True
    # Looked at in this order: who holds a claim writes the shard before letting go.
    free = [shard for shard in work.pending if not is_claimed(work.store.claim_of(shard))]
    strike_off(call, work, work.store, "shared")
    return bool(set(free) & set(work.pending))


def enter(call: Call, work: Work, model: str, identity: Mapping[str, Any]) -> ShardStore:
    """Return the folder of a labeller that is open, and let what is there be pending no longer.

    Args:
        call: of which this is a part.
        work: the source that led to the labeller.
        model: the labeller's name.
        identity: the labeller's own.
    """
    store = create_store(call.root, work.source, call.grid, model, identity)
    if work.store is None or store.mark != work.store.mark:
        # The settings led to no model yet, or to one with other weights, whose shards are not its own.
        settled = set(range(call.grid.num_shards)) - set(work.pending)
        call.tell.take_back(sum(call.grid.pairs_of(shard) for shard in settled))
        work.store, work.pending = store, list(range(call.grid.num_shards))
        strike_off(call, work, store, "found")
    return work.store


def settle(
    call: Call, work: Work, shard: int, p_yes: NDArray[np.float32], seconds: float, usage: Mapping[str, float]
) -> None:
    """Write a shard that was labelled, and note what it took; for who has its claim."""
    store = work.store
    assert store is not None
    store.write(shard, p_yes)
    call.tell.usage.update(usage)
    note = {"folder": store.folder.name, "shard": shard, "pairs": int(p_yes.size)}
    append_journal(call.root, {**note, "seconds": round(seconds, 3), "usage": dict(usage)})
    work.pending.remove(shard)
    work.failed_in_a_row.clear()
    call.tell("labelled", work.name, shard)


def checked(p_yes: NDArray[np.float32], grid: PairGrid, shard: int) -> NDArray[np.float32]:
    """Return what a labeller gave for a shard.

    Raises:
        ValueError: if it is not what it must be.
    """
    given = np.asarray(p_yes, dtype=np.float32)
    shape = (len(grid.keywords_of(shard)), len(grid.questions))
    if given.shape != shape:
        raise ValueError(f"expected P(yes) of shape {shape}, got {given.shape}")
    outside = (given < 0) | (given > 1)
    if outside.any():
        raise ValueError(f"expected P(yes) in [0, 1], got {given[outside][0]}")
    return given


def fail(
    call: Call, work: Work, shard: int, error: str, *, comes_again: bool, at_once: int = 1, is_lost: bool = False
) -> bool:
    """Count and tell a failed attempt, and return whether to go on; if not, the labeller is given up.

    Args:
        call: of which this is a part.
        work: the labeller's.
        shard: on which it failed.
        error: how, in one line.
        comes_again: whether the shard is tried again.
        at_once: shards under way at once, at least 1: one pause of a server fails them all.
        is_lost: whether the machine was lost, which says nothing against the labeller.
    """
    work.attempts[shard] += 1
    if not is_lost:
        work.failed_in_a_row.add(shard)
        if len(work.failed_in_a_row) >= GIVE_UP_AFTER + at_once - 1:
            give_up(call, work, error)
            return False
    if comes_again:
        call.tell("retried", work.name, shard, error)
        return True
    work.pending.remove(shard)
    call.failures.append(ShardFailure(work.name, shard, call.grid.keywords_of(shard), work.attempts[shard], error))
    call.tell("failed", work.name, shard, error)
    return True


def give_up(call: Call, work: Work, error: str) -> None:
    """Set a labeller aside, with all that is pending."""
    for shard in work.pending:
        keywords = call.grid.keywords_of(shard)
        call.failures.append(ShardFailure(work.name, shard, keywords, work.attempts[shard], error))
    work.pending = []
    call.tell("failed", work.name, -1, error)


def require_distinct_names(works: Sequence[Work]) -> None:
    """Raise if two labellers have one name.

    Raises:
        InputError: naming it.
    """
    names = Counter(work.store.model for work in works if work.store is not None)
    for name, count in names.items():
        if count > 1:
            raise InputError(f"two of the models are called {name!r}", fix="Give each model once")


def one_line(error: BaseException) -> str:
    """Return what an error says, in one line."""
    text = " ".join(str(error).split())
    return text if isinstance(error, WorkError) else f"{type(error).__name__}: {text}"
