"""What can go wrong with a request to a chat server: what is sent again and when, and what the user is told.

Sent again: 429 (after the server's own Retry-After where it gives one), 408, 409 and 5xx, a timeout, a connection that
breaks, a body that is no answer. Not sent again: anything else a server refuses, a server that was never reached at
all, and one that asks to be left alone for long.
"""

from __future__ import annotations

import email.utils
import math
import re
import time
from collections.abc import Callable, Sequence
from typing import Any

from furikaeri_common.errors import FurikaeriError, InputError, WorkError
from furikaeri_common.models.config import ModelConfig

__all__ = ["BrokenReplyError", "LostRequestError", "explain", "names_part", "refused_as_wrong", "whether_again"]

_LONGEST_PAUSE = 300.0
"""Seconds: a server that asks to be left alone for longer has a quota that is spent, which waiting does not mend."""

_LONGEST_QUOTE = 200


class LostRequestError(WorkError):
    """A request of several that could not be answered.

    Attributes:
        position: which one, from 0.
    """

    def __init__(self, message: str, *, fix: str = "", position: int) -> None:
        super().__init__(message, fix=fix)
        self.position = position


class BrokenReplyError(Exception):
    """A body that is no answer."""


def whether_again(error: Exception, *, reached: bool) -> bool | float:
    """Return whether to send a request again; a number: yes, after so many seconds.

    Args:
        error: how it failed.
        reached: whether the server has ever answered anything.
    """
    import openai

    if isinstance(error, openai.APIStatusError):
        if error.status_code not in (408, 409, 429) and error.status_code < 500:
            return False
        seconds = _retry_after(error.response.headers.get("retry-after"))
        if seconds is None:
            return True
        return seconds if seconds <= _LONGEST_PAUSE else False
    if isinstance(error, openai.APIConnectionError) and not isinstance(error, openai.APITimeoutError):
        return reached
    return isinstance(error, openai.APITimeoutError | BrokenReplyError)


def refused_as_wrong(error: BaseException | None) -> bool:
    """Return whether the server holds the request itself to be wrong (400, 422)."""
    return getattr(error, "status_code", None) in (400, 422)


def names_part(error: Any, part: str) -> bool:
    """Return whether a refusal names a part of the request, in quotes, as what it objects to or wants instead."""
    return error.param == part or re.search(rf"""["'`]{part}["'`]""", str(error)) is not None


def explain(
    error: Exception,
    config: ModelConfig,
    *,
    position: int,
    tries: int,
    reached: bool,
    models: Callable[[], Sequence[str] | None],
) -> FurikaeriError:
    """Return what to tell the user of a request's last failure.

    Args:
        error: of the openai client, or `BrokenReplyError`.
        config: of the server.
        position: of the request, from 0.
        tries: how often it was sent.
        reached: whether the server has ever answered anything.
        models: asks the server for its models; None where it has no such list.
    """
    import openai

    place = config.base_url
    after = f" after {tries} tries" if tries > 1 else ""
    if isinstance(error, openai.APITimeoutError):
        message, fix = f"gave no answer within {config.timeout:g} s{after}", "Ask for less at once, or wait longer"
    elif isinstance(error, openai.APIConnectionError):
        cause = error.__cause__ or error
        if not reached:
            return InputError(f"no server answers at {place} ({cause})", fix="Start it, or correct the address")
        message = f"broke off the connection{after} ({cause})"
        fix = "See whether the server still runs, then run the same command again"
    elif isinstance(error, openai.APIStatusError):
        status, said = error.status_code, _said(error)
        if status in (401, 403):
            fix = f"Put a key it knows into the environment variable {config.api_key_variable}"
            return InputError(f"{place} refuses the key ({status}: {said})", fix=fix)
        if status == 404:
            return _not_found(config, said, models())
        message, fix = f"answered {status}{after}: {said}", ""
        if status == 429:
            fix = "Ask for fewer requests a minute or fewer at once, or see whether the quota is spent"
        elif status >= 500:
            fix = "See the server's own log, then run the same command again"
    else:
        message = f"gave no answer that can be read{after}: {error}"
        fix = "See whether the address is that of an OpenAI-compatible server"
    return LostRequestError(f"{place} {message}", fix=fix, position=position)


def _not_found(config: ModelConfig, said: str, known: Sequence[str] | None) -> InputError:
    place, model = config.base_url, config.model
    if known is None:
        return InputError(f"{place} has no chat completions (404: {said})", fix="Most addresses end in /v1")
    if model in known or not known:
        return InputError(f"{place} cannot answer with {model!r} (404: {said})")
    listed = ", ".join(sorted(known)[:20]) + (f" and {len(known) - 20} more" if len(known) > 20 else "")
    return InputError(f"{place} has no model {model!r}", fix=f"Choose among {listed}")


def _said(error: Any) -> str:
    """Return a refusal's own words, short and on one line."""
    body = error.body
    detail = (
        next((body[part] for part in ("message", "detail", "error") if body.get(part)), None)
        if isinstance(body, dict)
        else body
    )
    line = " ".join(str(detail or error.message).split())
    return line if len(line) <= _LONGEST_QUOTE else line[:_LONGEST_QUOTE] + "..."


def _retry_after(header: str | None) -> float | None:
    """Return the seconds of a Retry-After header: a number, or a date; None for neither."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(header).timestamp() - time.time()
        except ValueError:
            return None
    return None if math.isnan(seconds) else max(seconds, 0.0)
