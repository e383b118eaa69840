"""Many slow calls at once, their results in order; an interruption does not wait for those under way."""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from furikaeri_common.interruptible import next_from

__all__ = ["run_side_by_side"]

_Result = TypeVar("_Result")


def run_side_by_side(call: Callable[[int, threading.Event], _Result], count: int, *, concurrency: int) -> list[_Result]:
    """Return [call(0, stop), ..., call(count - 1, stop)], at most `concurrency` of them under way at once.

    The first failure, or an interruption (Ctrl-C) of the caller, sets `stop`, begins nothing more, and is raised at
    once. What is under way then goes on unheard: the threads are daemons, which a process that ends does not wait for
    (those of `concurrent.futures` it would).

    Args:
        call: from the position and `stop`, which it may look at before anything slow.
        count: how many.
        concurrency: at least 1.
    """
    stop = threading.Event()
    positions = itertools.count()
    done: queue.SimpleQueue[tuple[int, Any, BaseException | None]] = queue.SimpleQueue()

    def work() -> None:
        while not stop.is_set() and (position := next(positions)) < count:
            try:
                done.put((position, call(position, stop), None))
            except BaseException as error:
                done.put((position, None, error))
                return

    results: list[Any] = [None] * count
    try:
        for _ in range(min(concurrency, count)):
            threading.Thread(target=work, daemon=True, name="request").start()
        for _ in range(count):
            position, result, error = next_from(done)
            if error is not None:
                raise error
            results[position] = result
    finally:
        stop.set()
    return results
