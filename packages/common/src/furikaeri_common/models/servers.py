"""Language models behind a server that speaks OpenAI's protocol: vLLM, llama.cpp, Ollama, Gemini's endpoint (io).

What a server does not promise: the same bits twice. It batches requests as they come, may serve other weights or
another version tomorrow under the same name, and may leave a seed out of account (all but texts at temperature 0 then
differ from call to call); one with a single model may answer under any name. So what a server said is to be kept, not
asked for again.

Several servers that have the same model share the requests (see `server_pool`): each takes as many as it is quick, and
where one dies, the others answer what it had. What holds for the bits of one server holds for those of several.
"""

from __future__ import annotations

import importlib.util
import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from furikaeri_common.errors import FurikaeriError, InputError, MissingExtraError
from furikaeri_common.models.chat_client import ChatClient
from furikaeri_common.models.chat_requests import ChatRequests
from furikaeri_common.models.config import Conversation, ModelConfig
from furikaeri_common.models.rate_limits import RateLimit
from furikaeri_common.models.replies import Reply
from furikaeri_common.models.server_failures import LostRequestError, blamed, refused_as_wrong
from furikaeri_common.models.server_pool import ServerPool
from furikaeri_common.models.server_state import Batch, Server
from furikaeri_common.models.side_by_side import run_side_by_side
from furikaeri_common.models.usage import Meter, Usage

__all__ = ["ChatServer", "LostRequestError", "open_server"]

_ALTERNATIVES = (20, 5)
"""Likeliest tokens that are asked for: the protocol's most, then what stricter servers allow."""

_OF_THE_USER = ("refusing", "asked wrong")
"""What is wrong with what was given, and not with a server."""


def open_server(config: ModelConfig, *, on_note: Callable[[str], None] | None = None) -> ChatServer:
    """Return the server of a configuration, or several as one; nothing is sent yet.

    Args:
        config: the model, where it is, and how it is asked.
        on_note: told when one of several servers is set aside, and when it is back; from any thread.

    Raises:
        MissingExtraError: without the openai client.
        InputError: if an address or the key cannot be one.
        ValueError: if the configuration has no `base_url`.
    """
    if not config.addresses:
        raise ValueError("expected a base_url, got none")
    for address in config.addresses:
        _require_address(address)
    if any(importlib.util.find_spec(package) is None for package in ("openai", "stamina")):
        raise MissingExtraError("a model behind a server", distribution="furikaeri-common", extra="server")
    # A local server asks for no key, but the client does.
    key = os.environ.get(config.api_key_variable, "").strip() or "none"
    if not (key.isascii() and key.isprintable()):
        raise InputError(f"the key in {config.api_key_variable} is not printable ASCII", fix="Set it again")
    return ChatServer(config, key=key, on_note=on_note)


def _require_address(text: str) -> None:
    try:
        address = urlsplit(text)
        right = address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
    except ValueError:
        right = False
    if not right:
        raise InputError(f"{text!r} is not a server's address", fix="Give one such as http://localhost:8000/v1")


class ChatServer:
    """A model behind a server, or behind several, as a `Writer` and as a source of first tokens.

    It may be used from several threads. Close it, or use it in a `with` statement, to let its connections go.

    Args:
        config: the model, the addresses, and how it is asked.
        key: for the servers.
        limit: when the next request may go; by default each server has its own, as the configuration says.
        on_note: told when one of several servers is set aside, and when it is back; from any thread.
    """

    def __init__(
        self,
        config: ModelConfig,
        *,
        key: str,
        limit: RateLimit | None = None,
        on_note: Callable[[str], None] | None = None,
    ) -> None:
        self._config = config
        urls = config.addresses
        clients = [
            ChatClient(url, key=key, timeout=config.timeout, limit=limit or RateLimit(config.requests_per_minute))
            for url in urls
        ]
        self._pool = ServerPool(clients, capacity=config.concurrency, on_note=on_note)
        counted = urls if len(urls) > 1 else ()
        self._meter = Meter(price_in=config.price_in, price_out=config.price_out, servers=counted)
        self._requests = ChatRequests(config, pool=self._pool, meter=self._meter)
        self._deciding = threading.Lock()
        self._alternatives: int | None = None

    def __enter__(self) -> ChatServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the connections go; nothing can be asked after it."""
        self._pool.close()

    @property
    def name(self) -> str:
        """The model's name, as the server knows it."""
        return self._config.model

    @property
    def identity(self) -> dict[str, Any]:
        """The model's name and that a server runs it; not where, for a server may move. See the module on bits."""
        return {"kind": "server", "model": self._config.model}

    @property
    def usage(self) -> Usage:
        """What was used so far."""
        return self._meter.read()

    def write(
        self, conversations: Sequence[Conversation], *, seeds: Sequence[int], max_tokens: int, temperature: float
    ) -> list[str]:
        """Return the next turn of each conversation, as `Writer` has it; "" where the model said nothing.

        Raises:
            InputError: if the server is not there, knows no such model, or refuses the key.
            LostRequestError: if a request was refused or failed too often.
        """
        replies = self.reply(conversations, seeds=seeds, max_tokens=max_tokens, temperature=temperature)
        return [reply.text for reply in replies]

    def reply(
        self, conversations: Sequence[Conversation], *, seeds: Sequence[int], max_tokens: int, temperature: float
    ) -> list[Reply]:
        """Return what `write` does, with what else the server says about each text; raises the same."""
        if len(seeds) != len(conversations):
            raise ValueError(f"expected a seed for each of {len(conversations)} conversations, got {len(seeds)}")
        bodies = [
            self._body(conversation, max_tokens, temperature) | {"seed": seed}
            for conversation, seed in zip(conversations, seeds, strict=True)
        ]
        return self._ask(bodies)

    def gives_probabilities(self, conversation: Conversation) -> bool:
        """Return whether the server names the likeliest first tokens; the first call asks it, with this conversation.

        Some servers refuse to (400), some leave the wish out of account. Of several, each that is there is asked.

        Raises:
            InputError: if no server is there, one knows no such model or refuses the key, or some name the likeliest
                tokens and some do not.
            LostRequestError: if the request failed too often, or is refused also without the wish.
        """
        return self._decided(conversation) > 0

    def next_tokens(self, conversations: Sequence[Conversation]) -> list[dict[str, float] | None]:
        """Return the likeliest first tokens of each conversation's next turn: text -> natural log of the probability.

        Up to 20 (5 where the server allows no more); None where the server gives none, or no number that can be one.

        Raises:
            InputError: if the server is not there, knows no such model, or refuses the key.
            LostRequestError: if a request was refused or failed too often.
        """
        alternatives = self._decided(conversations[0]) if conversations else 0
        if not alternatives:
            return [None] * len(conversations)
        replies = self._ask([self._first_token(conversation, alternatives) for conversation in conversations])
        return [reply.first_token or None for reply in replies]

    def _decided(self, conversation: Conversation) -> int:
        with self._deciding:
            if self._alternatives is None:
                self._alternatives = self._decide(conversation)
            return self._alternatives

    def _decide(self, conversation: Conversation) -> int:
        """Return how many of the likeliest tokens to ask for: as many as each server gives; 0 for none."""
        # Where one server hangs, the others need not wait for it; where all fail, there is nothing better to do.
        found = {} if self._pool.is_single else self._found(conversation, attempts=1)
        given = {server: one for server, one in found.items() if isinstance(one, int)}
        if not given:
            found = self._found(conversation, attempts=self._config.attempts)
            given = {server: one for server, one in found.items() if isinstance(one, int)}
        if not given:
            failures = {server: one for server, one in found.items() if isinstance(one, Exception)}
            raise self._requests.explained(failures, position=0) from next(iter(failures.values()))
        with_some = [server.client.url for server in given if given[server]]
        without = [server.client.url for server in given if not given[server]]
        if with_some and without:
            raise InputError(
                f"{' and '.join(without)} gives no log-probabilities, {' and '.join(with_some)} does: what they say "
                "could not be compared",
                fix="Start all servers alike, or give those that are",
            )
        for server in given:
            server.is_alike = True
        return min(given.values())

    def _found(self, conversation: Conversation, *, attempts: int) -> dict[Server, int | Exception]:
        """Return what `_found_at` finds at each server."""
        servers = self._pool.servers
        found = run_side_by_side(
            lambda number, stop: self._found_at(servers[number], conversation, stop, attempts),
            len(servers),
            concurrency=len(servers),
        )
        return dict(zip(servers, found, strict=True))

    def _found_at(
        self, server: Server, conversation: Conversation, stop: threading.Event, attempts: int
    ) -> int | Exception:
        """Return how many of the likeliest tokens a server gives; or why it failed, where others may yet do."""
        batch = Batch(1)
        for alternatives in _ALTERNATIVES:
            try:
                wish = self._first_token(conversation, alternatives)
                reply = self._requests.ask(0, wish, batch, stop, at=server, attempts=attempts)
            except FurikaeriError as error:
                cause = error.__cause__
                if refused_as_wrong(cause):
                    continue
                if self._pool.is_single or not isinstance(cause, Exception) or blamed(cause) in _OF_THE_USER:
                    raise
                self._pool.set_aside(server, cause)
                return cause
            else:
                return alternatives if reply.first_token is not None else 0
        # Was it the wish that was refused, or the conversation? Asked as answers are drawn: some models that reason
        # refuse to write a single token, or at another temperature.
        self._requests.ask(0, self._body(conversation, 16, 1.0), batch, stop, at=server, attempts=attempts)
        return 0

    def _first_token(self, conversation: Conversation, alternatives: int) -> dict[str, Any]:
        return self._body(conversation, 1, 0.0) | {"logprobs": True, "top_logprobs": alternatives}

    def _body(self, conversation: Conversation, max_tokens: int, temperature: float) -> dict[str, Any]:
        # Half of a surrogate pair, which JSON files can hold, cannot be sent.
        messages = [
            {part: text.encode("utf-8", "replace").decode() for part, text in message.items()}
            for message in conversation
        ]
        return {
            "model": self._config.model,
            "messages": messages,
            "max_tokens": max_tokens,
            "temperature": temperature,
        }

    def _ask(self, bodies: Sequence[dict[str, Any]]) -> list[Reply]:
        began = time.monotonic()
        try:
            with self._pool.expecting(len(bodies)) as batch:
                return run_side_by_side(
                    lambda position, stop: self._requests.ask(position, bodies[position], batch, stop),
                    len(bodies),
                    concurrency=self._config.concurrency * len(self._pool.servers),
                )
        finally:
            self._meter.waited(time.monotonic() - began)
