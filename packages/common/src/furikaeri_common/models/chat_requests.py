"""One request to a chat server, until it is answered or lost (io)."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any

from furikaeri_common.models.config import ModelConfig
from furikaeri_common.models.rate_limits import RateLimit
from furikaeri_common.models.replies import Reply, read_reply
from furikaeri_common.models.server_failures import BrokenReplyError, explain, names_part, whether_again
from furikaeri_common.models.usage import Meter

__all__ = ["ChatClient", "StoppedError"]

_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0
"""Seconds between two tries; doubled from try to try."""

_LARGEST_BODY = 1 << 24

_OTHER_NAMES = {"max_tokens": "max_completion_tokens"}
"""OpenAI's own newer models insist on the second."""


class StoppedError(Exception):
    """Another request failed, or the caller was interrupted; nothing was sent."""


class ChatClient:
    """Sends requests from any thread; counts them, keeps to the rate limit, and sends again what may succeed yet.

    Args:
        config: the address, and how it is asked.
        key: for the server.
        limit: says when a request may go.
        meter: counts.
    """

    def __init__(self, config: ModelConfig, *, key: str, limit: RateLimit, meter: Meter) -> None:
        import openai

        # Retries are counted by the meter; without a handler the library that does them would write to stderr.
        logging.getLogger("stamina").addHandler(logging.NullHandler())
        self._config = config
        self._client = openai.OpenAI(base_url=config.base_url, api_key=key, timeout=config.timeout, max_retries=0)
        self._limit = limit
        self._meter = meter
        self._reached = False
        self._refused: set[str] = set()

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()

    def ask(self, position: int, body: Mapping[str, Any], stop: threading.Event) -> Reply:
        """Return the answer to a request.

        Args:
            position: of the request among those that belong together, for the error.
            body: of a chat completion.
            stop: when set, nothing more is sent.

        Raises:
            InputError: if the server is not there, knows no such model, or refuses the key.
            LostRequestError: if the request was refused or failed too often.
            StoppedError: if `stop` is set.
        """
        import openai
        import stamina

        attempts = stamina.retry_context(
            on=self._whether_again,
            attempts=self._config.attempts,
            timeout=None,
            wait_initial=_FIRST_WAIT,
            wait_max=_LONGEST_WAIT,
            wait_jitter=_FIRST_WAIT,
        )
        tries = 0
        try:
            for attempt in attempts:
                with attempt:
                    self._limit.wait()
                    if stop.is_set():
                        raise StoppedError
                    if tries:
                        self._meter.retried()
                    tries += 1
                    reply = self._send(body)
        except (openai.OpenAIError, BrokenReplyError) as error:
            raise explain(
                error, self._config, position=position, tries=tries, reached=self._reached, models=self._models
            ) from error
        self._meter.answered(reply.tokens_in, reply.tokens_out)
        return reply

    def _send(self, body: Mapping[str, Any]) -> Reply:
        """Send a request once; again at once in other words where the server names the part that it does not know."""
        import openai

        sent = self._as_known(body)
        try:
            return self._receive(sent)
        except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
            parts = {part for part in ("max_tokens", "seed") if part in sent}
            refused = {part for part in parts if names_part(error, _OTHER_NAMES.get(part, part))}
            if not refused:
                raise
            self._refused |= refused
            return self._receive(self._as_known(body))

    def _as_known(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return a request without the parts that the server refused, or with their other names."""
        refused = set(self._refused)
        known = {part: value for part, value in body.items() if part not in refused}
        return known | {_OTHER_NAMES[part]: body[part] for part in refused & _OTHER_NAMES.keys() & body.keys()}

    def _receive(self, body: Mapping[str, Any]) -> Reply:
        import openai

        ends = time.monotonic() + self._config.timeout
        received = bytearray()
        with self._client.chat.completions.with_streaming_response.create(**body) as response:
            self._reached = True
            try:
                for chunk in response.iter_bytes():
                    received += chunk
                    # The client's own timeout starts anew with every byte.
                    if time.monotonic() > ends:
                        raise openai.APITimeoutError(request=response.http_request)
                    if len(received) > _LARGEST_BODY:
                        raise BrokenReplyError(f"more than {_LARGEST_BODY >> 20} MiB came")
            except (openai.OpenAIError, BrokenReplyError):
                raise
            except Exception as error:
                if "timeout" in type(error).__name__.casefold():
                    raise openai.APITimeoutError(request=response.http_request) from error
                raise BrokenReplyError(f"it broke off ({type(error).__name__})") from error
        try:
            return read_reply(bytes(received))
        except ValueError as error:
            raise BrokenReplyError(str(error)) from error

    def _whether_again(self, error: Exception) -> bool | float:
        self._reached = self._reached or hasattr(error, "status_code")
        again = whether_again(error, reached=self._reached)
        if not isinstance(again, bool):
            self._limit.pause(again)
        return again

    def _models(self) -> list[str] | None:
        import openai

        try:
            return [str(model.id) for model in self._client.models.list().data]
        except (openai.OpenAIError, ValueError, AttributeError, TypeError):
            return None
