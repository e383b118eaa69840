"""How far labelling is, and what came of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import numpy as np

from furikaeri_common.errors import WorkError
from twenty_questions.labelling.grid import PairGrid
from twenty_questions.labelling.shard_store import ShardStore

__all__ = ["LabelEvent", "LabelProgress", "LabelReport", "ShardFailure", "Teller", "require_labelled"]

LabelEvent = Literal["found", "opening", "labelled", "shared", "waiting", "retried", "failed"]


class LabelProgress(NamedTuple):
    """One step of the work.

    Attributes:
        event: "found" (a shard was there), "opening" (a labeller), "labelled" (a shard, here), "shared" (one, by
            another process), "waiting" (other processes are at work on the rest), "retried" (a shard failed and comes
            again) or "failed" (it does not).
        model: whose labels.
        shard: its number; -1 where the event is about none.
        done: pairs that are labelled, over all models.
        total: pairs that are to be.
        seconds: since the call began.
        rate: pairs a second that were labelled since then, here or by another process; 0 before the first.
        left: seconds to the end at that rate; infinite before the first.
        usage: what the labellers' servers were asked in this call, such as requests, tokens and cost.
        error: what went wrong, one line; empty unless it did.
    """

    event: LabelEvent
    model: str
    shard: int
    done: int
    total: int
    seconds: float
    rate: float
    left: float
    usage: Mapping[str, float]
    error: str


class ShardFailure(NamedTuple):
    """A shard that could not be labelled.

    Attributes:
        model: by which labeller.
        shard: its number.
        keywords: its keywords.
        attempts: how often it was tried; fewer than asked if it was given up with the others of its labeller.
        error: the last error, one line.
    """

    model: str
    shard: int
    keywords: tuple[str, ...]
    attempts: int
    error: str


class LabelReport(NamedTuple):
    """What came of it.

    Attributes:
        stores: the shards of each labeller, in the order of the sources; None for one that could not be opened.
        failures: what could not be labelled.
        labelled: pairs that were labelled in this call, by this process.
        seconds: how long the call took.
        usage: what the labellers' servers were asked in this call.
    """

    stores: tuple[ShardStore | None, ...]
    failures: tuple[ShardFailure, ...]
    labelled: int
    seconds: float
    usage: Mapping[str, float]


class Teller:
    """Counts pairs over the steps of one call, and tells of each step.

    Args:
        grid: what is labelled.
        total: pairs over all models.
        tell: who is told, if anybody.
    """

    def __init__(self, grid: PairGrid, total: int, tell: Callable[[LabelProgress], None] | None) -> None:
        self._grid, self._total, self._tell = grid, total, tell
        self._began = time.monotonic()
        self._done = self._fresh = self.labelled = 0
        self.usage: Counter[str] = Counter()

    @property
    def seconds(self) -> float:
        """Since the call began."""
        return time.monotonic() - self._began

    def __call__(self, event: LabelEvent, model: str, shard: int = -1, error: str = "") -> None:
        """Tell of a step."""
        pairs = self._grid.pairs_of(shard) if event in ("found", "labelled", "shared") else 0
        self._done += pairs
        self._fresh += 0 if event == "found" else pairs
        self.labelled += pairs if event == "labelled" else 0
        if self._tell is not None:
            seconds, done, total = self.seconds, self._done, self._total
            rate = self._fresh / max(seconds, 1e-9)
            left = (total - done) / rate if rate else np.inf
            self._tell(LabelProgress(event, model, shard, done, total, seconds, rate, left, dict(self.usage), error))

    def take_back(self, pairs: int) -> None:
        """Count pairs as not labelled after all."""
        self._done -= pairs


def require_labelled(report: LabelReport) -> tuple[ShardStore, ...]:
    """Return the shards of all sources.

    Raises:
        WorkError: if anything could not be labelled; it names the first shard, its keywords and the error.
    """
    if report.failures:
        first = report.failures[0]
        others = f" and {len(report.failures) - 1} more" if len(report.failures) > 1 else ""
        raise WorkError(
            f"{first.model}: shard {first.shard} (keywords {first.keywords[0][:40]!r} to {first.keywords[-1][:40]!r})"
            f"{others} could not be labelled: {first.error}",
            fix="Run the same command again to retry only what failed",
        )
    return tuple(store for store in report.stores if store is not None)
