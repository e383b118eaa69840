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
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Literal

from furikaeri_common.errors import FurikaeriError, InputError, WorkError
from furikaeri_common.models.config import ModelConfig

__all__ = [
    "LONGEST_PAUSE",
    "Blame",
    "BrokenReplyError",
    "LostRequestError",
    "UnlikeReplyError",
    "asked_pause",
    "blamed",
    "complaint",
    "explain",
    "names_part",
    "refused_as_wrong",
    "whether_again",
]

Blame = Literal["gone", "failing", "busy", "refusing", "unlike", "asked wrong"]
"""gone: nobody is there; failing: the server or the way to it; busy: it wants a pause; refusing: the key, the model or
the address; unlike: it gives something else than the others; asked wrong: the request itself."""

_NOT_CONNECTED = ("ConnectError", "ConnectTimeout")

_PLACE = "\0"

LONGEST_PAUSE = 300.0
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


class UnlikeReplyError(BrokenReplyError):
    """An answer of another kind than those of the servers that it shares requests with."""


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
        seconds = asked_pause(error)
        if seconds is None:
            return True
        return seconds if seconds <= LONGEST_PAUSE else False
    if isinstance(error, openai.APIConnectionError) and not isinstance(error, openai.APITimeoutError):
        return reached
    return isinstance(error, openai.APITimeoutError | BrokenReplyError)


def refused_as_wrong(error: BaseException | None) -> bool:
    """Return whether the server holds the request itself to be wrong (400, 422)."""
    return getattr(error, "status_code", None) in (400, 422)


def names_part(error: Any, part: str) -> bool:
    """Return whether a refusal names a part of the request, in quotes, as what it objects to or wants instead."""
    return error.param == part or re.search(rf"""["'`]{part}["'`]""", str(error)) is not None


def blamed(error: Exception) -> Blame:
    """Return what a failure says about the server."""
    import openai

    if isinstance(error, UnlikeReplyError):
        return "unlike"
    status = getattr(error, "status_code", None)
    if status in (401, 403, 404):
        return "refusing"
    if status == 429 or asked_pause(error) is not None:
        return "busy"
    if status is not None and status not in (408, 409) and status < 500:
        return "asked wrong"
    # A connection that breaks may have been idle for too long; one that is not made has nobody at its other end.
    if isinstance(error, openai.APIConnectionError) and type(error.__cause__).__name__ in _NOT_CONNECTED:
        return "gone"
    return "failing"


def asked_pause(error: Exception) -> float | None:
    """Return the seconds that a server asks to be left alone for; None if it does not."""
    response = getattr(error, "response", None)
    return None if response is None else _retry_after(response.headers.get("retry-after"))


def complaint(error: Exception) -> str:
    """Return what a server that fails does, to follow its address in a note."""
    import openai

    if isinstance(error, UnlikeReplyError):
        return "gives no log-probabilities, which the others do"
    if isinstance(error, openai.APIStatusError):
        return f"answers with {error.status_code} ({_said(error)})"
    if isinstance(error, openai.APITimeoutError):
        return "gives no answer in time"
    if isinstance(error, openai.APIConnectionError):
        return "does not answer"
    return "gives no answer that can be read"


def explain(
    failures: Mapping[str, Exception],
    config: ModelConfig,
    *,
    position: int,
    tries: int,
    reached: Collection[str],
    models: Callable[[str], Sequence[str] | None],
) -> FurikaeriError:
    """Return what to tell the user of a request's last failure, at each server that it was sent to.

    Args:
        failures: of the openai client, or `BrokenReplyError`, by the server's address; at least one.
        config: the model, and how it is asked.
        position: of the request, from 0.
        tries: how often it was sent to these servers.
        reached: those that have ever answered anything.
        models: asks a server for its models; None where it has no such list.
    """
    after = f" after {tries} tries" if tries > 1 else ""
    told: dict[tuple[bool, str, str], list[str]] = {}
    for place, error in failures.items():
        words = _words(error, config, after, place in reached, lambda place=place: models(place))  # type: ignore[misc]
        told.setdefault(words, []).append(place)
    # The user's own mistakes are told as such where there is nothing else.
    is_input = all(wrong for wrong, _, _ in told)
    message = "; ".join(text.replace(_PLACE, " and ".join(places)) for (_, text, _), places in told.items())
    fix = next((fix for wrong, _, fix in told if wrong == is_input and fix), "")
    return InputError(message, fix=fix) if is_input else LostRequestError(message, fix=fix, position=position)


def _words(
    error: Exception, config: ModelConfig, after: str, reached: bool, models: Callable[[], Sequence[str] | None]
) -> tuple[bool, str, str]:
    """Return whether the user has to mend something, what went wrong, with `_PLACE` for the server, and what to do."""
    import openai

    if isinstance(error, openai.APITimeoutError):
        message, fix = f"gave no answer within {config.timeout:g} s{after}", "Ask for less at once, or wait longer"
    elif isinstance(error, openai.APIConnectionError):
        cause = error.__cause__ or error
        if not reached:
            return True, f"no server answers at {_PLACE} ({cause})", "Start it, or correct the address"
        message = f"broke off the connection{after} ({cause})"
        fix = "See whether the server still runs, then run the same command again"
    elif isinstance(error, openai.APIStatusError):
        status, said = error.status_code, _said(error)
        if status in (401, 403):
            fix = f"Put a key it knows into the environment variable {config.api_key_variable}"
            return True, f"{_PLACE} refuses the key ({status}: {said})", fix
        if status == 404:
            return True, *_not_found(config.model, said, models())
        message, fix = f"answered {status}{after}: {said}", ""
        if status == 429:
            fix = "Ask for fewer requests a minute or fewer at once, or see whether the quota is spent"
        elif status >= 500:
            fix = "See the server's own log, then run the same command again"
    else:
        message = f"gave no answer that can be read{after}: {error}"
        fix = "See whether the address is that of an OpenAI-compatible server"
    return False, f"{_PLACE} {message}", fix


def _not_found(model: str, said: str, known: Sequence[str] | None) -> tuple[str, str]:
    if known is None:
        return f"{_PLACE} has no chat completions (404: {said})", "Most addresses end in /v1"
    if model in known or not known:
        return f"{_PLACE} cannot answer with {model!r} (404: {said})", ""
    listed = ", ".join(sorted(known)[:20]) + (f" and {len(known) - 20} more" if len(known) > 20 else "")
    return f"{_PLACE} has no model {model!r}", f"Choose among {listed}"


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
