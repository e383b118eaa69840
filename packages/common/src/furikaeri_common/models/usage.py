"""What requests to a server have cost: how many, how often again, tokens, money, time."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from furikaeri_common.documents import jsonable

__all__ = ["Meter", "Usage", "requests_by_server", "summed_usage", "usage_of", "usage_since"]

_BY_SERVER = "requests to "


class Usage(NamedTuple):
    """What was used since the server was opened.

    Attributes:
        requests: answered.
        retries: sent again after a failure.
        tokens_in: read by the model, as the server counts.
        tokens_out: written by the model, as the server counts.
        unmetered: answers in which the server did not count tokens; with any, the tokens and the cost are too low.
        cost: money, by the prices of the configuration; what a server charges for failed requests is not in it.
        seconds: in which at least one caller waited for answers, each caller's added up.
        by_server: answered by each server, where there are several; else empty.
    """

    requests: int
    retries: int
    tokens_in: int
    tokens_out: int
    unmetered: int
    cost: float
    seconds: float
    by_server: Mapping[str, int] = MappingProxyType({})


class Meter:
    """Counts what requests on several threads use.

    Args:
        price_in: money per million tokens read.
        price_out: money per million tokens written.
        servers: whose answers are counted one by one.
    """

    def __init__(self, *, price_in: float, price_out: float, servers: Sequence[str] = ()) -> None:
        self._by_server = dict.fromkeys(servers, 0)
        self._prices = (price_in, price_out)
        self._lock = threading.Lock()
        self._requests = self._retries = self._tokens_in = self._tokens_out = self._unmetered = 0
        self._seconds = 0.0

    def answered(self, tokens_in: int | None, tokens_out: int | None, server: str = "") -> None:
        """Count an answer."""
        with self._lock:
            self._requests += 1
            if server in self._by_server:
                self._by_server[server] += 1
            self._tokens_in += tokens_in or 0
            self._tokens_out += tokens_out or 0
            self._unmetered += tokens_in is None or tokens_out is None

    def retried(self) -> None:
        """Count a request that is sent again."""
        with self._lock:
            self._retries += 1

    def waited(self, seconds: float) -> None:
        """Count a caller's time."""
        with self._lock:
            self._seconds += seconds

    def read(self) -> Usage:
        """Return what was used so far."""
        with self._lock:
            cost = (self._tokens_in * self._prices[0] + self._tokens_out * self._prices[1]) / 1e6
            return Usage(
                requests=self._requests,
                retries=self._retries,
                tokens_in=self._tokens_in,
                tokens_out=self._tokens_out,
                unmetered=self._unmetered,
                cost=cost,
                seconds=self._seconds,
                by_server=dict(self._by_server),
            )


def usage_of(asked: object) -> dict[str, float]:
    """Return the counts that a writer or labeller keeps, by name; none for a model in this process.

    Where several servers share the requests, each one's are among them (see `requests_by_server`).
    """
    counted = jsonable(getattr(asked, "usage", None)) or {}
    by_server = {_BY_SERVER + server: count for server, count in counted.get("by_server", {}).items()}
    return {name: value for name, value in counted.items() if type(value) in (int, float)} | by_server


def usage_since(asked: object, before: Mapping[str, float]) -> dict[str, float]:
    """Return what was counted since `usage_of` gave the counts before, to 9 decimals, beyond which there is noise."""
    return {name: round(value - before.get(name, 0), 9) for name, value in usage_of(asked).items()}


def requests_by_server(usage: Mapping[str, float]) -> dict[str, int]:
    """Return how many requests each server answered, of counts by name; none where there was one server."""
    return {name.removeprefix(_BY_SERVER): int(usage[name]) for name in usage if name.startswith(_BY_SERVER)}


def summed_usage(usages: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the sums of counts, by name."""
    names = dict.fromkeys(name for usage in usages for name in usage)
    return {name: sum(usage.get(name, 0) for usage in usages) for name in names}
