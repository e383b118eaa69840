"""A conversation as the one text that a model was trained to continue.

The same conversation gives the same text on any day: a template that tells the date is told a fixed one. A turn cannot
end itself or open another: the model's control tokens in what a turn says are broken by a space.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from typing import Any

from furikaeri_common.errors import InputError
from furikaeri_common.models.config import Conversation, Message

__all__ = ["PLAIN_STOPS", "break_tokens", "control_tokens", "fold_system", "has_template", "render"]

PLAIN_STOPS = ("\nsystem:", "\nuser:", "\nassistant:")
"""What ends an answer of a model without a chat template; no turn of the plain form holds one."""

_TODAY = datetime.date(2024, 7, 26)  # what the templates of Llama 3.1 say where nobody tells them the date
_DATE_CALL = re.compile(r"""\bstrftime_now\(\s*(["'])(.*?)\1\s*\)""")


def has_template(tokenizer: Any) -> bool:
    """Return whether the tokenizer knows the form in which its model was trained to talk."""
    return bool(getattr(tokenizer, "chat_template", None))


def render(tokenizer: Any, conversation: Conversation, *, open_turn: bool) -> str:
    """Return a conversation as text, to be tokenised with `add_special_tokens=False`.

    A template that refuses a system's turn, or silently drops it, gets it in front of the first user's turn. A model
    without a template gets lines of the form "role: content", further lines of a content indented.

    Args:
        tokenizer: of transformers.
        conversation: at least one turn.
        open_turn: whether the text ends where the model's answer begins, or with the last turn.

    Raises:
        ValueError: if the conversation is empty, or a turn has another role than system, user and assistant.
        InputError: if the template cannot take the conversation.
    """
    for turn in conversation:
        if turn["role"] not in ("system", "user", "assistant"):
            raise ValueError(f"expected the role system, user or assistant, got {turn['role']!r}")
    if not conversation:
        raise ValueError("expected a conversation of at least one turn, got none")
    template = str(tokenizer.get_chat_template()) if has_template(tokenizer) else ""
    control = control_tokens(tokenizer)
    turns = [{"role": turn["role"], "content": break_tokens(turn["content"], control)} for turn in conversation]
    if not template:
        return _plain(tokenizer, turns, open_turn=open_turn)
    template = _DATE_CALL.sub(lambda call: repr(_TODAY.strftime(call[2])), template)
    system = [turn["content"].strip() for turn in turns if turn["role"] == "system"]
    if system:
        try:
            text = _apply(tokenizer, turns, template, open_turn=open_turn)
        except InputError:
            text = ""
        if text and all(said in text for said in system):
            return text
        turns = fold_system(turns)
    return _apply(tokenizer, turns, template, open_turn=open_turn)


def fold_system(conversation: Conversation) -> list[dict[str, str]]:
    """Return the conversation without system turns: what they say stands in front of the first user's turn."""
    said = [turn["content"] for turn in conversation if turn["role"] == "system" and turn["content"]]
    others = [dict(turn) for turn in conversation if turn["role"] != "system"]
    first = next((turn for turn in others if turn["role"] == "user"), None)
    if first is None:
        return [{"role": "user", "content": "\n\n".join(said)}, *others] if said else others
    first["content"] = "\n\n".join([*said, first["content"]])
    return others


def _apply(tokenizer: Any, turns: list[dict[str, str]], template: str, *, open_turn: bool) -> str:
    try:
        # Models that can think first are told to answer at once; other templates do not look at these names.
        text = tokenizer.apply_chat_template(
            turns,
            chat_template=template,
            tokenize=False,
            add_generation_prompt=open_turn,
            date_string=_TODAY.strftime("%d %b %Y"),
            enable_thinking=False,
            thinking=False,
        )
    except Exception as error:  # a template is foreign code: it may fail in any way
        name = getattr(tokenizer, "name_or_path", "") or "the model"
        raise InputError(
            f"{name}: its chat template cannot take this conversation ({str(error).partition(chr(10))[0]})",
            fix="Use another model, or mend the chat template beside its tokenizer",
        ) from error
    return str(text)


def control_tokens(tokenizer: Any) -> list[str]:
    """Return the tokens that steer: special ones, and added ones that the template itself writes."""
    template = str(tokenizer.get_chat_template()) if has_template(tokenizer) else ""
    added = (str(token) for token in tokenizer.added_tokens_decoder.values() if token.special or str(token) in template)
    return [token for token in dict.fromkeys([*tokenizer.all_special_tokens, *added]) if token.strip()]


def break_tokens(text: str, control: Sequence[str]) -> str:
    """Return a text in which a space breaks every one of these tokens, so that it is only spelled."""
    for token in control:
        if token in text:
            text = text.replace(token, f"{token[0]} {token[1:]}")
    return text


def _plain(tokenizer: Any, turns: list[dict[str, str]], *, open_turn: bool) -> str:
    lines = [_plain_turn(turn) for turn in turns]
    if open_turn:
        lines.append("assistant:")
    begin = tokenizer.bos_token_id
    ids = tokenizer("a")["input_ids"]
    start = str(tokenizer.bos_token) if begin is not None and ids and ids[0] == begin else ""
    return start + "\n".join(lines)


def _plain_turn(turn: Message) -> str:
    content = "\n  ".join(turn["content"].splitlines())
    return f"{turn['role']}: {content}"
