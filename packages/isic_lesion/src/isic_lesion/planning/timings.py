"""Things that were timed, and what they tell of other sizes. (io: clocks)

Work on a table of N rows is told by a line through a + b N log2 N: quantising, ranking and scoring sort, and what they
gather lies further off the more there is. From 8,000 and 32,000 rows that foretold the processor's seconds of features
and boosters at 401,059 rows within 15 % and those of the stack within a third; a + b N fell short by up to 43 %.
"""

from __future__ import annotations

import math
import resource
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from furikaeri_common.errors import WorkError
from furikaeri_common.planning import Amount, amount
from furikaeri_common.tasks import TaskReport

__all__ = [
    "BUSY",
    "Timing",
    "Watch",
    "busy_of",
    "only_value",
    "own_peak",
    "processor_seconds",
    "quiet_ratio",
    "quiet_seconds",
    "seconds_of",
    "sorted_line",
    "straight_line",
]


BUSY = 1.3
"""From how many times longer by the clock on other work is taken to hold the processor."""


class Timing(NamedTuple):
    """Something that was timed.

    Attributes:
        units: how much of it.
        seconds: by the clock.
        processor: seconds of the processor; of a GPU's work those of the process that waits for it.
    """

    units: float
    seconds: float
    processor: float


def busy_of(timings: Iterable[Timing]) -> float:
    """Return how many times longer work on the processor took by the clock than it computed, at least 1.

    More than a little is other work's, which holds the processor.
    """
    laps = list(timings)
    computed = sum(lap.processor for lap in laps)
    return max(1.0, sum(lap.seconds for lap in laps) / computed) if computed > 0 else 1.0


def quiet_seconds(timing: Timing, busy: float) -> float:
    """Return the seconds that work on the processor would take by the clock if nothing else held it.

    Args:
        timing: of the work.
        busy: of all that was timed beside it; see `busy_of`.
    """
    if busy <= BUSY:
        return timing.seconds
    return min(timing.seconds, max(timing.processor, timing.seconds / busy))


def quiet_ratio(timings: Iterable[Timing], busy: float) -> float:
    """Return by what the processor's seconds are multiplied to be those of the clock on a quiet machine."""
    return min((quiet_seconds(one, busy) / one.processor for one in timings if one.processor > 0), default=1.0)


class Watch:
    """Tells how long it is since it was last asked."""

    def __init__(self) -> None:
        self._clock, self._processor = time.perf_counter(), time.process_time()

    def lap(self, units: float) -> Timing:
        """Return what it took since this was last called, or the watch was made."""
        clock, processor = time.perf_counter(), time.process_time()
        lap = Timing(units, clock - self._clock, processor - self._processor)
        self._clock, self._processor = clock, processor
        return lap


def seconds_of(timings: Sequence[Timing], units: float, *, processor: bool = False) -> float:
    """Return the seconds of so many units in one go: of the line through the smallest and the largest size timed.

    Args:
        timings: at least one.
        units: of what is asked for.
        processor: take the processor's seconds, not the clock's.
    """
    of = {
        size: float(np.median([one.processor if processor else one.seconds for one in timings if one.units == size]))
        for size in {one.units for one in timings}
    }
    small, large = min(of), max(of)
    if small == large or of[large] <= of[small]:
        return of[large] * units / large
    slope = (of[large] - of[small]) / (large - small)
    return max(0.0, of[small] - slope * small) + slope * units


def sorted_line(points: Sequence[tuple[int, float]], rows: int) -> tuple[Amount, Amount]:
    """Return (fixed seconds, seconds of each row) of a line through a + b N log2 N at so many rows.

    The further the rows lie beyond the sample, the wider the range: a tenth up and half of that down for each doubling.

    Args:
        points: (rows, seconds) of one or two samples.
        rows: of the plan.
    """

    def size(number: int) -> float:
        return number * math.log2(max(2, number))

    (small, few), (large, many) = min(points), max(points)
    slope = (many - few) / (size(large) - size(small)) if large > small else many / size(large)
    fixed = few - slope * size(small)
    if slope <= 0:
        slope, fixed = 0.0, max(few, many)
    if fixed < 0:
        slope, fixed = many / size(large), 0.0
    each, beyond = slope * size(rows) / rows, math.log2(max(1.0, rows / large))
    return (
        amount(fixed, "measured", low=0.9 * fixed, high=1.1 * fixed),
        amount(each, "measured", low=each * 0.9 / (1 + 0.05 * beyond), high=each * (1.1 + 0.1 * beyond)),
    )


def straight_line(points: Sequence[tuple[int, float]], rows: int) -> Amount:
    """Return the value at so many rows of the line through one or two samples; it does not fall."""
    (small, few), (large, many) = min(points), max(points)
    slope = max(0.0, (many - few) / (large - small)) if large > small else many / large
    likely = max(0.0, many + slope * (rows - large))
    return amount(likely, "measured", low=0.85 * likely, high=1.2 * likely)


def processor_seconds(stage: str) -> float:
    """Return the processor's seconds so far of what does a stage.

    Those of worker processes that have ended, and of this process; where it waits for workers, of this thread alone,
    for another one looks at the memory all the while.
    """
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    waits = stage.startswith(("image ", "model "))
    return (time.thread_time() if waits else time.process_time()) + ended.ru_utime + ended.ru_stime


def own_peak() -> int:
    """Return the most memory that this process has held so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def only_value(report: TaskReport) -> Any:
    """Return what the only task of a sample told.

    Raises:
        WorkError: if it failed; in a line that people can read.
    """
    if report.failures:
        failure = report.failures[0]
        raise WorkError(f"the sample of {failure.key} failed: {failure.error}", fix="Plan without it: --sample 0")
    (value,) = report.values
    return value
