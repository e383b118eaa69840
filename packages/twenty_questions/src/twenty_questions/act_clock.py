"""How much time an act of the contest has left."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from twenty_questions.match import ACT_SECONDS

__all__ = ["ActClock"]


class ActClock:
    """Knows how much time is left of an act in the contest, which gives each 60 s, and 300 s more for a whole game.

    An act may take its own time and half of what is left of the game's: the first, in which models are loaded, gets
    much, and no act uses it up.

    Args:
        act_seconds: of each act.
        margin: seconds that are kept back for everything but the votes.
        clock: seconds.
    """

    def __init__(
        self, *, act_seconds: float = ACT_SECONDS, margin: float = 5.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._act_seconds, self._margin, self._clock = act_seconds, margin, clock
        self._start, self._overage = clock(), 0.0

    def begin(self, observation: Any) -> None:
        """Note that an act begins; never raises.

        Args:
            observation: holds `remainingOverageTime`, seconds, as a key or an attribute; else there is none.
        """
        self._start = self._clock()
        name = "remainingOverageTime"
        found = observation.get(name) if isinstance(observation, Mapping) else getattr(observation, name, None)
        self._overage = float(found) if isinstance(found, int | float) and 0 < found < math.inf else 0.0

    def left(self) -> float:
        """Return the seconds that the votes of this act may still take, at least 0."""
        end = self._start + self._act_seconds + self._overage / 2 - self._margin
        return max(0.0, end - self._clock())
