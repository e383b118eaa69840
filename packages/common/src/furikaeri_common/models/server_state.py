"""What is known of each of several servers while they share requests."""

from __future__ import annotations

from dataclasses import dataclass, field

from furikaeri_common.models.chat_client import ChatClient
from furikaeri_common.models.server_choice import Load, Standing

__all__ = ["FIRST_PAUSE", "Batch", "Loan", "Server"]

FIRST_PAUSE = 1.0
"""Seconds until a server that was set aside is looked at."""

_FORGETTING = 0.2
"""Weight of the newest answer in what a server has shown it can take."""

_SLOW = 4.0
"""A request that takes so many times as long as usual makes its server a slower one, before it ends."""


@dataclass(eq=False, slots=True)
class Server:
    """One of the servers; what changes is changed by the pool alone.

    Attributes:
        client: sends to it.
        in_flight: when each request that it has began.
        latency, load: see `server_choice.Load`.
        standing: whether it is to be used, but for a pause that it asked for.
        rests_until: the end of that pause.
        failed: requests that failed there since the last success.
        answered: whether it has ever answered well.
        is_alike: whether it is known to give what the others give, since it was set aside last.
        pause: seconds until it is looked at.
        outages: how often it was set aside.
        is_watched: whether a thread looks.
        told: what was last said about it, since it answered last.
    """

    client: ChatClient
    in_flight: list[float] = field(default_factory=list)
    latency: float = 0.0
    load: float = 1.0
    standing: Standing = "up"
    rests_until: float = 0.0
    failed: set[int] = field(default_factory=set)
    answered: bool = False
    is_alike: bool = False
    pause: float = FIRST_PAUSE
    outages: int = 0
    is_watched: bool = False
    told: str = ""

    def learn(self, seconds: float, load: float) -> None:
        """Take into account how long an answer took, with so many requests in flight."""
        weight = _FORGETTING if self.latency else 1.0
        self.latency += weight * (seconds - self.latency)
        self.load += weight * (load - self.load)

    def load_at(self, now: float, capacity: int, *, is_single: bool) -> Load:
        """Return how the server is, as one of several that may have `capacity` requests, or as the only one."""
        # A server that hangs has answered nothing that would show it.
        oldest = (now - min(self.in_flight)) / _SLOW if self.in_flight else 0.0
        standing = "resting" if self.standing != "down" and now < self.rests_until else self.standing
        # One whose last word was a failure gets one request at a time, as one on trial does.
        is_doubtful = self.standing == "trial" or (bool(self.failed) and not is_single)
        latency = max(self.latency, oldest)
        return Load(len(self.in_flight), 1 if is_doubtful else capacity, latency, max(self.load, 1.0), standing)


@dataclass(eq=False, slots=True)
class Batch:
    """Requests that belong together.

    Attributes:
        waiting: those that no server has, now.
    """

    waiting: int


@dataclass(frozen=True, eq=False, slots=True)
class Loan:
    """A server's place that a request has.

    Attributes:
        server: which.
        batch: whose request.
        began: when.
        load: requests in flight there then, this one among them.
        outages: how often the server had been set aside then; what began before it was last tells nothing new of it.
    """

    server: Server
    batch: Batch
    began: float
    load: int
    outages: int
