"""Which of several servers takes the next request: one that has the least to do, for what it has shown it can take.

A server took `latency` seconds a request while it had `load` of them in flight. With n others there, one more takes

    latency * (1/2 + (n + 1) / (2 load))

half-way between a server that batches, which takes as long for many as for one, and one that shares its speed among
them. The least of these is taken. While servers stand alike, this is the one with the fewest requests in flight.

No server is left idle while there is much to do. When the last requests are given out, one waits for a quick server
rather than going to a slow one that would end later.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal, NamedTuple

__all__ = ["Load", "Standing", "choose_server"]

Standing = Literal["up", "trial", "resting", "down"]
"""up: it answers; trial: it may be back; resting: it asked to be left alone for a while; down: it is set aside."""

_TIER = {"up": 0, "trial": 0, "resting": 1, "down": 2}


class Load(NamedTuple):
    """How a server is.

    Attributes:
        in_flight: requests that it has.
        capacity: the most that it may have, at least 1.
        latency: seconds that a request takes there; 0: not known yet.
        load: requests in flight while that was measured, above 0.
        standing: whether it is to be used.
    """

    in_flight: int
    capacity: int
    latency: float = 0.0
    load: float = 1.0
    standing: Standing = "up"

    @property
    def is_free(self) -> bool:
        """Whether it may have another one."""
        return self.in_flight < self.capacity


def choose_server(
    loads: Sequence[Load], *, waiting: int, without: Collection[int] = ()
) -> int | Literal["wait", "none"]:
    """Return the number of the server that takes a request.

    Only while no server of all is up or on trial are those used that rest, and only while none of these is there, those
    that are set aside: with nothing else left, one of them may yet answer.

    Args:
        loads: of all servers, at least one.
        waiting: requests that no server has yet, this one among them, at least 1.
        without: numbers of servers that this request has been to.

    Returns:
        A number; "wait" if one of the servers will be better when it has answered something, which is then under way;
        "none" if the request has been to all that are to be used.
    """
    tier = min(_TIER[load.standing] for load in loads)
    usable = [one for one, load in enumerate(loads) if _TIER[load.standing] == tier and one not in without]
    if not usable:
        return "none"
    steady = [one for one in usable if loads[one].standing != "trial"]
    free = [one for one in steady if loads[one].is_free]
    if free:
        best = min(free, key=lambda one: (_expected(loads[one]), loads[one].in_flight))
        # How long it takes until the quicker ones, all of which are busy, have answered all that wait, too.
        slowness = loads[best].latency
        quicker = [loads[one] for one in steady if not loads[one].is_free and 0 < loads[one].latency < slowness]
        speed = sum(load.capacity / load.latency for load in quicker)
        sooner = speed > 0 and max(load.latency for load in quicker) + waiting / speed < slowness
        return "wait" if sooner else best
    trials = [one for one in usable if one not in steady and loads[one].is_free]
    # A request is not risked on a server that may fail while the others can take all that wait.
    if trials and waiting > sum(loads[one].capacity for one in steady):
        return trials[0]
    return "wait"


def _expected(load: Load) -> float:
    return load.latency * (0.5 + (load.in_flight + 1) / (2 * load.load))
