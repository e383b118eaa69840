"""One chat server and what one request to it comes to (io)."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from furikaeri_common.models.rate_limits import RateLimit
from furikaeri_common.models.replies import Reply, read_reply
from furikaeri_common.models.server_failures import BrokenReplyError, names_part

__all__ = ["ChatClient", "StoppedError"]

_LARGEST_BODY = 1 << 24

_SIGN_OF_LIFE = 5.0
"""Seconds in which a server that is back says so."""

_OTHER_NAMES = {"max_tokens": "max_completion_tokens"}
"""OpenAI's own newer models insist on the second."""


class StoppedError(Exception):
    """Another request failed, or the caller was interrupted; nothing was sent."""


class ChatClient:
    """Sends requests to one server, from any thread, when the rate limit lets them through.

    Args:
        url: of the server.
        key: for it.
        timeout: seconds until a request counts as lost.
        limit: says when a request may go.

    Attributes:
        url: of the server.
        limit: says when a request may go.
        reached: whether the server has ever answered anything.
    """

    def __init__(self, url: str, *, key: str, timeout: float, limit: RateLimit) -> None:
        import openai

        self.url = url
        self.limit = limit
        self.reached = False
        self._timeout = timeout
        self._client = openai.OpenAI(base_url=url, api_key=key, timeout=timeout, max_retries=0)
        self._refused: set[str] = set()

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()

    def wait(self, stop: threading.Event) -> None:
        """Return when a request may go.

        Raises:
            StoppedError: if `stop` is set by then.
        """
        self.limit.wait()
        if stop.is_set():
            raise StoppedError

    def send(self, body: Mapping[str, Any]) -> Reply:
        """Send a request once; again at once in other words where the server names the part that it does not know.

        Raises:
            openai.OpenAIError: if it is refused or lost.
            BrokenReplyError: if what comes is no answer.
        """
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

        ends = time.monotonic() + self._timeout
        received = bytearray()
        try:
            with self._client.chat.completions.with_streaming_response.create(**body) as response:
                self.reached = True
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
        except openai.APIStatusError:
            self.reached = True
            raise
        try:
            return read_reply(bytes(received))
        except ValueError as error:
            raise BrokenReplyError(str(error)) from error

    def is_there(self) -> bool:
        """Return whether the server answers anything, be it a refusal, but a failure of its own."""
        import openai

        try:
            self._client.with_options(timeout=_SIGN_OF_LIFE).models.list()
        except openai.APIStatusError as error:
            return error.status_code < 500
        except (openai.APIConnectionError, RuntimeError):
            return False  # RuntimeError: the connections were let go meanwhile
        except (openai.OpenAIError, ValueError, AttributeError, TypeError):
            return True  # no list of models, but an answer
        return True

    def models(self) -> list[str] | None:
        """Return the models that the server has; None where it does not say."""
        import openai

        try:
            return [str(model.id) for model in self._client.models.list().data]
        except (openai.OpenAIError, ValueError, AttributeError, TypeError):
            return None
