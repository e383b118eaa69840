"""Servers that share requests: who has how many, who is set aside, and who is back.

A server is set aside when nobody answers at its address, when `_FAILURES` different requests failed there with no
success between, when it refuses the key or the model though it took them before, and when it gives something else than
the others. A thread then looks now and then, with growing pauses, whether it says anything again; if so it gets
one request at a time until one succeeds. A server that is alone is never set aside.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

from furikaeri_common.models.chat_client import ChatClient, StoppedError
from furikaeri_common.models.server_choice import Load, choose_server
from furikaeri_common.models.server_failures import LONGEST_PAUSE, Blame, asked_pause, complaint
from furikaeri_common.models.server_state import FIRST_PAUSE, Batch, Loan, Server

__all__ = ["ServerPool"]

_FAILURES = 3

_RAREST_LOOK = 60.0
"""Most seconds between two looks at a server that is set aside; doubled from look to look, until a request succeeds."""

_POLL_SECONDS = 0.25


class ServerPool:
    """Lends places at servers to requests, from any thread.

    Args:
        clients: one a server, at least one.
        capacity: places at each, at least 1.
        on_note: told when a server is set aside and when it is back.
    """

    def __init__(
        self, clients: Sequence[ChatClient], *, capacity: int, on_note: Callable[[str], None] | None = None
    ) -> None:
        self.servers = tuple(Server(client) for client in clients)
        self._capacity = capacity
        self._tell = on_note
        self._batches: list[Batch] = []
        self._changed = threading.Condition()
        self._closed = threading.Event()

    @property
    def is_single(self) -> bool:
        """Whether there is one server, with none to take its place."""
        return len(self.servers) == 1

    @property
    def was_reached(self) -> bool:
        """Whether one of them has ever answered anything."""
        return any(server.client.reached for server in self.servers)

    def close(self) -> None:
        """Let all connections go, and look at no server any more."""
        self._closed.set()
        for server in self.servers:
            server.client.close()

    @contextmanager
    def expecting(self, count: int) -> Iterator[Batch]:
        """Count requests as waiting, while the block lasts, until they have a place."""
        batch = Batch(count)
        with self._changed:
            self._batches.append(batch)
        try:
            yield batch
        finally:
            with self._changed:
                self._batches.remove(batch)
                self._changed.notify_all()

    def lend(self, batch: Batch, without: Collection[Server], stop: threading.Event) -> Loan | None:
        """Return a place for a request, when there is one; None if it has been to all servers that are to be used.

        Args:
            batch: whose request it is.
            without: servers that the request has been to.
            stop: when set, nothing more is lent.

        Raises:
            StoppedError: if `stop` is set.
        """
        skipped = {number for number, server in enumerate(self.servers) if server in without}
        with self._changed:
            while True:
                if stop.is_set():
                    raise StoppedError
                waiting = max(1, sum(one.waiting for one in self._batches))
                chosen = choose_server(self._loads(time.monotonic()), waiting=waiting, without=skipped)
                if chosen == "none":
                    return None
                if chosen != "wait":
                    return self._lent(self.servers[chosen], batch)
                self._changed.wait(_POLL_SECONDS)

    def lend_at(self, server: Server, batch: Batch) -> Loan:
        """Return a place at a certain server, at once, however many there are taken."""
        with self._changed:
            return self._lent(server, batch)

    def _lent(self, server: Server, batch: Batch) -> Loan:
        batch.waiting -= 1
        loan = Loan(server, batch, time.monotonic(), len(server.in_flight) + 1, server.outages)
        server.in_flight.append(loan.began)
        return loan

    def answered(self, loan: Loan, seconds: float, *, is_alike: bool) -> None:
        """Take a place back whose request was answered, after so many seconds, as the others answer such or not."""
        server, note = loan.server, ""
        with self._changed:
            load = (loan.load + len(server.in_flight)) / 2
            server.in_flight.remove(loan.began)
            server.answered = True
            if loan.outages == server.outages:
                server.learn(seconds, load)
                server.failed.clear()
                server.is_alike = server.is_alike or is_alike
                note = f"{server.client.url} answers again, and is used" if server.told else ""
                server.standing, server.pause, server.told = "up", FIRST_PAUSE, ""
            self._changed.notify_all()
        self._say(note)

    def take_back(self, loan: Loan) -> None:
        """Take a place back from a request that is given up, or says nothing about the server."""
        with self._changed:
            loan.server.in_flight.remove(loan.began)
            self._changed.notify_all()

    def failed(self, loan: Loan, error: Exception, blame: Blame, request: int) -> None:
        """Take a place back whose request failed.

        Args:
            loan: the place.
            error: how.
            blame: what that says about the server.
            request: its number, the same whenever it is sent.
        """
        server, pause = loan.server, asked_pause(error)
        if pause is not None and pause <= LONGEST_PAUSE:
            server.client.limit.pause(pause)
        rest = FIRST_PAUSE if pause is None else pause
        with self._changed:
            server.in_flight.remove(loan.began)
            loan.batch.waiting += 1
            if blame == "busy":
                server.rests_until = max(server.rests_until, time.monotonic() + rest)
            note = self._blame(server, error, blame, request) if loan.outages == server.outages else ""
            self._changed.notify_all()
        self._say(note)

    def _blame(self, server: Server, error: Exception, blame: Blame, request: int) -> str:
        """Set a server aside if a failure says so, and return what there is to say."""
        if blame == "failing":
            server.failed.add(request)
        is_hopeless = len(server.failed) >= _FAILURES or server.standing == "trial"
        if blame in ("gone", "refusing", "unlike") or (blame == "failing" and is_hopeless):
            return self._set_aside(server, error)
        return ""

    def set_aside(self, server: Server, error: Exception) -> None:
        """Use a server that failed no longer, until it is back."""
        with self._changed:
            note = self._set_aside(server, error)
            self._changed.notify_all()
        self._say(note)

    def _set_aside(self, server: Server, error: Exception) -> str:
        """Set a server aside and return what there is to say."""
        if self.is_single:
            return ""
        server.outages += server.standing != "down"
        server.standing, server.is_alike, server.latency = "down", False, 0.0
        server.failed.clear()
        if not server.is_watched:
            server.is_watched = True
            threading.Thread(target=self._watch, args=(server,), daemon=True, name="server watch").start()
        why = complaint(error)
        if server.told == why:
            return ""
        server.told = why
        left = any(one.standing != "down" for one in self.servers)
        return f"{server.client.url} {why}; " + ("its requests go to the others" if left else "no server is left")

    def _say(self, note: str) -> None:
        # What fails when the connections are let go tells nothing of the server.
        if note and self._tell is not None and not self._closed.is_set():
            self._tell(note)

    def _watch(self, server: Server) -> None:
        """Look at a server until it says something, or a request found it well."""
        is_over = False
        while not is_over:
            is_over = self._closed.wait(server.pause)
            is_there = not is_over and server.client.is_there()
            with self._changed:
                server.pause = min(2 * server.pause, _RAREST_LOOK)
                if is_there and server.standing == "down":
                    server.standing = "trial"
                    self._changed.notify_all()
                is_over = is_over or server.standing != "down"
                server.is_watched = not is_over

    def _loads(self, now: float) -> list[Load]:
        return [server.load_at(now, self._capacity, is_single=self.is_single) for server in self.servers]
