"""What a chat server's answer says: its text, its first token's alternatives, its tokens; or that it is nonsense."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["Reply", "read_reply"]

_SHOWN = 80
"""Characters of a wrong answer that an error quotes."""


class Reply(NamedTuple):
    """One answer.

    Attributes:
        text: what the model said; "" where it said nothing (it was cut off while it reasoned, or a filter took it).
        cut: whether the limit of tokens ended it.
        first_token: text -> natural log of its probability, of the likeliest first tokens; None where the server gave
            none, empty where it gave no number that can be one.
        tokens_in: tokens read; None where the server does not say.
        tokens_out: tokens written; None where the server does not say.
    """

    text: str
    cut: bool
    first_token: dict[str, float] | None
    tokens_in: int | None
    tokens_out: int | None


def read_reply(body: bytes) -> Reply:
    """Read the body of a chat completion.

    Args:
        body: JSON as OpenAI's protocol has it; of several choices the first counts.

    Raises:
        ValueError: if it is anything else.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"expected JSON, got {_quoted(body.decode(errors='replace'))}") from error
    choices = document.get("choices") if isinstance(document, Mapping) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], Mapping):
        raise ValueError(f"expected an answer with a choice, got {_quoted(json.dumps(document, ensure_ascii=False))}")
    choice = choices[0]
    message = choice.get("message")
    text = message.get("content") if isinstance(message, Mapping) else None
    ended = choice.get("finish_reason")
    # Nothing said is an answer only where the server says why it ended.
    if not isinstance(text, str) and not (text is None and isinstance(message, Mapping) and isinstance(ended, str)):
        raise ValueError(f"expected a choice with a text, got {_quoted(json.dumps(choice, ensure_ascii=False))}")
    usage = document.get("usage")
    counts = usage if isinstance(usage, Mapping) else {}
    return Reply(
        text=text or "",
        cut=ended == "length",
        first_token=_first_token(choice.get("logprobs")),
        tokens_in=_count(counts.get("prompt_tokens")),
        tokens_out=_count(counts.get("completion_tokens")),
    )


def _first_token(given: Any) -> dict[str, float] | None:
    content = given.get("content") if isinstance(given, Mapping) else None
    if not isinstance(content, list) or not content or not isinstance(content[0], Mapping):
        return None
    first = content[0]
    top = first.get("top_logprobs")
    alternatives = top if isinstance(top, list) and top else [first]
    found: dict[str, float] = {}
    for alternative in alternatives:
        if not isinstance(alternative, Mapping):
            continue
        text, value = alternative.get("token"), alternative.get("logprob")
        if (
            isinstance(text, str)
            and isinstance(value, int | float)
            and not isinstance(value, bool)
            and value < math.inf
        ):
            # Tokens of one text (a byte and its letter) are one to a reader.
            found[text] = _sum_of_logs(found[text], value) if text in found else float(value)
    return found


def _sum_of_logs(one: float, other: float) -> float:
    high, low = max(one, other), min(one, other)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _quoted(text: str) -> str:
    line = " ".join(text.split())
    return repr(line if len(line) <= _SHOWN else line[:_SHOWN] + "...")
