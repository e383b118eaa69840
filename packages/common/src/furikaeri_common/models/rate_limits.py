"""Requests spread evenly over time, so that no minute holds more than a server allows."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

__all__ = ["RateLimit"]


class RateLimit:
    """Lets callers through one by one, 60 / per_minute seconds apart; a token bucket that holds one token.

    A larger bucket would let a burst through on top of a minute's share; with one token, any 60 seconds (the end not
    counted) hold at most `per_minute` requests, rounded up.

    Args:
        per_minute: requests a minute; 0: no limit, so that only a `pause` holds anyone up.
        clock: seconds, never going back.
        sleep: waits for some seconds.
    """

    def __init__(
        self,
        per_minute: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not per_minute >= 0:
            raise ValueError(f"expected per_minute >= 0, got {per_minute}")
        self._interval = 60 / per_minute if per_minute else 0.0
        self._clock = clock
        self._sleep = sleep
        self._next = -math.inf
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Return when the caller's turn has come; turns are given in the order of the calls."""
        with self._lock:
            now = self._clock()
            turn = max(now, self._next)
            self._next = turn + self._interval
        if turn > now:
            self._sleep(turn - now)

    def pause(self, seconds: float) -> None:
        """Let nobody who has no turn yet through for so long, for a server that says it is overrun."""
        with self._lock:
            self._next = max(self._next, self._clock() + seconds)
