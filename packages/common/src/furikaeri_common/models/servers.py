"""Language models behind a server that speaks OpenAI's protocol: vLLM, llama.cpp, Ollama, Gemini's endpoint (io).

What a server does not promise: the same bits twice. It batches requests as they come, may serve other weights or
another version tomorrow under the same name, and may leave a seed out of account (all but texts at temperature 0 then
differ from call to call); one with a single model may answer under any name. So what a server said is to be kept, not
asked for again.
"""

from __future__ import annotations

import importlib.util
import os
import threading
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from furikaeri_common.errors import InputError, MissingExtraError
from furikaeri_common.models.chat_requests import ChatClient
from furikaeri_common.models.config import Conversation, ModelConfig
from furikaeri_common.models.rate_limits import RateLimit
from furikaeri_common.models.replies import Reply
from furikaeri_common.models.server_failures import LostRequestError, refused_as_wrong
from furikaeri_common.models.side_by_side import run_side_by_side
from furikaeri_common.models.usage import Meter, Usage

__all__ = ["ChatServer", "LostRequestError", "open_server"]

_ALTERNATIVES = (20, 5)
"""Likeliest tokens that are asked for: the protocol's most, then what stricter servers allow."""


def open_server(config: ModelConfig) -> ChatServer:
    """Return the server of a configuration; nothing is sent yet.

    Raises:
        MissingExtraError: without the openai client.
        InputError: if the address or the key cannot be one.
        ValueError: if the configuration has no `base_url`.
    """
    if not config.base_url:
        raise ValueError("expected a base_url, got none")
    try:
        address = urlsplit(config.base_url)
        right = address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
    except ValueError:
        right = False
    if not right:
        raise InputError(
            f"{config.base_url!r} is not a server's address", fix="Give one such as http://localhost:8000/v1"
        )
    if any(importlib.util.find_spec(package) is None for package in ("openai", "stamina")):
        raise MissingExtraError("a model behind a server", distribution="furikaeri-common", extra="server")
    # A local server asks for no key, but the client does.
    key = os.environ.get(config.api_key_variable, "").strip() or "none"
    if not (key.isascii() and key.isprintable()):
        raise InputError(f"the key in {config.api_key_variable} is not printable ASCII", fix="Set it again")
    return ChatServer(config, key=key)


class ChatServer:
    """A model behind a server, as a `Writer` and as a source of first tokens.

    It may be used from several threads. Close it, or use it in a `with` statement, to let its connections go.

    Args:
        config: the model, the address, and how it is asked.
        key: for the server.
        limit: when the next request may go; by default as the configuration says.
    """

    def __init__(self, config: ModelConfig, *, key: str, limit: RateLimit | None = None) -> None:
        self._config = config
        self._meter = Meter(price_in=config.price_in, price_out=config.price_out)
        self._client = ChatClient(
            config,
            key=key,
            limit=RateLimit(config.requests_per_minute) if limit is None else limit,
            meter=self._meter,
        )
        self._deciding = threading.Lock()
        self._alternatives: int | None = None

    def __enter__(self) -> ChatServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the connections go; nothing can be asked after it."""
        self._client.close()

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

        Some servers refuse to (400), some leave the wish out of account.

        Raises:
            InputError: if the server is not there, knows no such model, or refuses the key.
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
        for alternatives in _ALTERNATIVES:
            try:
                (reply,) = self._ask([self._first_token(conversation, alternatives)])
            except LostRequestError as error:
                if not refused_as_wrong(error.__cause__):
                    raise
            else:
                return alternatives if reply.first_token is not None else 0
        # Was it the wish that was refused, or the conversation? Asked as answers are drawn: some models that reason
        # refuse to write a single token, or at another temperature.
        self._ask([self._body(conversation, 16, 1.0)])
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
            return run_side_by_side(
                lambda position, stop: self._client.ask(position, bodies[position], stop),
                len(bodies),
                concurrency=self._config.concurrency,
            )
        finally:
            self._meter.waited(time.monotonic() - began)
