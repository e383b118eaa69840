"""One request to a chat server, or to any of several, until it is answered or lost (io)."""

from __future__ import annotations

import itertools
import logging
import math
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from furikaeri_common.errors import FurikaeriError
from furikaeri_common.models.config import ModelConfig
from furikaeri_common.models.replies import Reply
from furikaeri_common.models.server_failures import (
    Blame,
    BrokenReplyError,
    UnlikeReplyError,
    blamed,
    explain,
    whether_again,
)
from furikaeri_common.models.server_pool import ServerPool
from furikaeri_common.models.server_state import Batch, Loan, Server
from furikaeri_common.models.usage import Meter

__all__ = ["ChatRequests"]

_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0
"""Seconds between two tries; doubled from try to try."""


class ChatRequests:
    """Sends requests from any thread; counts them, and sends again what may succeed yet, elsewhere if it can.

    A try is one server's answer, or a failure at each that can be asked. Only after that there is a wait.

    Args:
        config: the model, and how it is asked.
        pool: the servers.
        meter: counts.
    """

    def __init__(self, config: ModelConfig, *, pool: ServerPool, meter: Meter) -> None:
        # Retries are counted by the meter; without a handler the library that does them would write to stderr.
        logging.getLogger("stamina").addHandler(logging.NullHandler())
        self._config = config
        self._pool = pool
        self._meter = meter
        self._numbers = itertools.count()

    def ask(
        self,
        position: int,
        body: Mapping[str, Any],
        batch: Batch,
        stop: threading.Event,
        *,
        at: Server | None = None,
        attempts: int = 0,
    ) -> Reply:
        """Return the answer to a request.

        Args:
            position: of the request among those that belong together, for the error.
            body: of a chat completion.
            batch: the requests that belong together.
            stop: when set, nothing more is sent.
            at: the one server that may be asked; None: any.
            attempts: how often it is tried; 0: as the configuration says.

        Raises:
            InputError: if no server is there, knows no such model, or refuses the key.
            LostRequestError: if the request was refused or failed too often.
            StoppedError: if `stop` is set.
        """
        import openai
        import stamina

        def whether_to_try_again(error: Exception) -> bool | float:
            return whether_again(error, reached=self._pool.was_reached if at is None else at.client.reached)

        tries = stamina.retry_context(
            on=whether_to_try_again,
            attempts=attempts or self._config.attempts,
            timeout=None,
            wait_initial=_FIRST_WAIT,
            wait_max=_LONGEST_WAIT,
            wait_jitter=_FIRST_WAIT,
        )
        request = _Request(next(self._numbers), body, batch, at)
        try:
            for attempt in tries:
                with attempt:
                    request.failures.clear()
                    request.tries += 1
                    reply = self._try(request, stop)
        except (openai.OpenAIError, BrokenReplyError) as error:
            raise self.explained(request.failures, position=position, tries=request.tries) from error
        self._meter.answered(reply.tokens_in, reply.tokens_out, request.answered_by)
        return reply

    def explained(self, failures: Mapping[Server, Exception], *, position: int, tries: int = 1) -> FurikaeriError:
        """Return what to tell the user of a request that failed at some servers, `tries` times."""
        clients = {server.client.url: server.client for server in failures}
        return explain(
            {server.client.url: error for server, error in failures.items()},
            self._config,
            position=position,
            tries=tries,
            reached=[url for url, client in clients.items() if client.reached],
            models=lambda url: clients[url].models(),
        )

    def _try(self, request: _Request, stop: threading.Event) -> Reply:
        """Return the answer of the first server that gives one."""
        import openai

        while True:
            loan = self._lent(request, stop)
            if loan is None:
                # Of several failures the one with the most hope decides whether there is another try, and when.
                raise min(request.failures.values(), key=self._hopeless_for)
            server = loan.server
            try:
                server.client.wait(stop)
                if request.sent:
                    self._meter.retried()
                request.sent += 1
                began = time.monotonic()
                reply = server.client.send(request.body)
                if self._is_unproven(request, server) and reply.first_token is None:
                    raise UnlikeReplyError("there are no log-probabilities, which the other servers give")
            except (openai.OpenAIError, BrokenReplyError) as error:
                blame = blamed(error)
                if blame == "asked wrong" and self._is_unproven(request, server):
                    blame = "unlike"
                if self._is_final(blame, server):
                    self._pool.take_back(loan)
                    request.failures = {server: error}
                    raise
                request.failures[server] = error
                self._pool.failed(loan, error, blame, request.number)
            except BaseException:
                self._pool.take_back(loan)
                raise
            else:
                self._pool.answered(loan, time.monotonic() - began, is_alike=reply.first_token is not None)
                request.answered_by = server.client.url
                return reply

    def _lent(self, request: _Request, stop: threading.Event) -> Loan | None:
        if request.at is None:
            return self._pool.lend(request.batch, request.failures.keys(), stop)
        return None if request.failures else self._pool.lend_at(request.at, request.batch)

    def _hopeless_for(self, error: Exception) -> float:
        again = whether_again(error, reached=self._pool.was_reached)
        return {True: 0.0, False: math.inf}[again] if isinstance(again, bool) else again

    def _is_unproven(self, request: _Request, server: Server) -> bool:
        """Return whether a server has yet to show that it gives log-probabilities, which the others do."""
        wishes = "logprobs" in request.body
        return wishes and request.at is None and not self._pool.is_single and not server.is_alike

    def _is_final(self, blame: Blame, server: Server) -> bool:
        """Return whether a failure is not for other servers to mend: a wrong request, or a server given wrongly."""
        return blame == "asked wrong" or (blame == "refusing" and not server.answered and not server.told)


@dataclass(slots=True)
class _Request:
    """A request under way.

    Attributes:
        number: unlike any other's.
        body: of a chat completion.
        batch: the requests that belong together.
        at: the one server that may be asked; None: any.
        tries: begun.
        sent: how often.
        failures: of this try, by server.
        answered_by: the address of the server that answered.
    """

    number: int
    body: Mapping[str, Any]
    batch: Batch
    at: Server | None
    tries: int = 0
    sent: int = 0
    failures: dict[Server, Exception] = field(default_factory=dict)
    answered_by: str = ""
