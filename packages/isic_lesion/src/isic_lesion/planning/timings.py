"""Things that were timed, and what they tell of other sizes. (io: clocks)

Work on a table of N rows is told by a line through a + b N log2 N: quantising, ranking and scoring sort, and what they
gather lies further off the more there is; from 8,000 and 32,000 rows to 401,059 a + b N fell short by up to 43 %. From
4,000 and 16,000 rows, as a plan takes them, it foretold the processor's seconds at 48,000 within 9 % (of all) and 2 %
(of boosters) at the contest's share of malignant lesions, and within 8 and 15 % at twenty times that share
(`benchmarks/isic_plan_accuracy.py --rows 48000 --no-images`).
"""

from __future__ import annotations

import math
import resource
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from furikaeri_common.errors import WorkError
from furikaeri_common.planning import Amount, amount, line
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
    points = [(one.units, one.processor if processor else one.seconds) for one in timings]
    fixed, each = line(points)
    if each:
        return fixed + each * units
    large = max(one.units for one in timings)
    return statistics.median(value for size, value in points if size == large) * units / large


def sorted_line(points: Sequence[tuple[float, float]], rows: float) -> tuple[Amount, Amount]:
    """Return (fixed seconds, seconds of each row) of a line through a + b N log2 N at so many rows.

    The further the rows lie beyond the sample, the wider the range: a tenth up and half of that down for each doubling.

    Args:
        points: (rows, seconds) of one or two samples.
        rows: of the plan.
    """

    def size(number: float) -> float:
        return number * math.log2(max(2, number))

    fixed, slope = line(points, size=size)
    each, beyond = slope * size(rows) / rows, math.log2(max(1.0, rows / max(points)[0]))
    return (
        amount(fixed, "measured", low=0.9 * fixed, high=1.1 * fixed),
        amount(each, "measured", low=each * 0.9 / (1 + 0.05 * beyond), high=each * (1.1 + 0.1 * beyond)),
    )


def straight_line(points: Sequence[tuple[float, float]], rows: float) -> Amount:
    """Return the value at so many rows of the line through one or two samples."""
    fixed, each = line(points)
    likely = fixed + each * rows
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
