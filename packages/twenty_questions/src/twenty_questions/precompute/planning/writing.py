"""How fast a model writes on this machine, from a few of the recipe's own requests (io)."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from furikaeri_common.memory import watching_memory
from furikaeri_common.models.config import ModelConfig, Writer
from furikaeri_common.models.usage import usage_of
from furikaeri_common.models.writing import open_once
from furikaeri_common.planning import Amount, Pace, amount
from twenty_questions.precompute.planning.labels import Clock

__all__ = ["WritingSample", "sample_writing"]


class WritingSample(NamedTuple):
    """What a sample of writing shows.

    Attributes:
        pace: of requests.
        bytes: of a request's text on disk.
        memory: bytes at the peak, the whole process counted.
        tokens_in, tokens_out: of each request, as a server counts; 0 for a model in this process.
        requests: that were written.
    """

    pace: Pace
    bytes: float
    memory: float
    tokens_in: float
    tokens_out: float
    requests: int


def sample_writing(
    config: ModelConfig,
    write: Callable[[Writer, int], str],
    *,
    requests: int,
    seconds: float,
    clock: Clock = time.perf_counter,
) -> WritingSample:
    """Open a writer and let it write, one request after the other as in the recipe, while the time lasts.

    Args:
        config: the model.
        write: has the writer write the request of that number; returns the text.
        requests: how many there are, at least 1; the first is written in any case.
        seconds: how long to go on.
        clock: what is measured.

    Raises:
        InputError, WorkError: as opening and writing do.
    """
    with watching_memory() as watch:
        began = clock()
        writer = open_once(config)
        opening = clock() - began
        try:
            before, ends = usage_of(writer), clock() + seconds
            times, sizes = [], []
            for number in range(requests):
                began = clock()
                sizes.append(len(write(writer, number).encode()))
                times.append(max(clock() - began, 1e-9))
                if clock() + times[-1] > ends:
                    break
            used = {name: value - before.get(name, 0) for name, value in usage_of(writer).items()}
        finally:
            open_once.cache_clear()
    return WritingSample(
        pace=_mean_pace(times, amount(opening, "measured")),
        bytes=statistics.mean(sizes),
        memory=watch.peak,
        tokens_in=used.get("tokens_in", 0) / len(times),
        tokens_out=used.get("tokens_out", 0) / len(times),
        requests=len(times),
    )


def _mean_pace(times: Sequence[float], opening: Amount) -> Pace:
    """Return the pace by the mean, for texts differ in length; the range is two standard errors of it."""
    mean = statistics.mean(times)
    error = 2 * statistics.stdev(times) / len(times) ** 0.5 if len(times) > 1 else 0.5 * mean
    each = amount(mean, "measured", low=max(mean - error, min(times) / 2), high=max(mean + error, mean))
    return Pace(each, opening=opening)
