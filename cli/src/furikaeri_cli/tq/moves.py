"""What a person does in a turn when they guess: a question, a guess, a hint, or giving up."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from furikaeri_cli.tq.dialogue import Misread, Reply
from twenty_questions.table import AnswerTable
from twenty_questions.table_index import index_of, positions_matching
from twenty_questions.understanding import Index, understand

__all__ = ["Move", "named_guess", "read_move"]

_GUESS = re.compile(r"(?:my guess is|i guess|guess:?|i say)\s+(?:it is |it[’']s )?(?:(?:an?|the) )?(?P<name>.+)", re.I)
_NAMED = re.compile(r"(?:(?:is it|it is|it[’']s) )?(?:(?:an?|the|some|your) )?(?P<name>.+)", re.I)
_HINT = frozenset({"hint", "a hint", "give me a hint"})
_GIVE_UP = frozenset({"give up", "i give up", "reveal", "tell me"})


class Move(NamedTuple):
    """What a person does in a turn: asks or guesses `text`, wants a hint, or gives up."""

    kind: Literal["ask", "guess", "hint", "give up"]
    text: str = ""


def read_move(reply: Reply, table: AnswerTable, index: Index) -> Move:
    """Return what a reply does.

    Raises:
        Misread: if it is empty.
    """
    line = " ".join(reply.text("guess", "question").split())
    if reply.wants("give_up", _GIVE_UP):
        return Move("give up")
    if reply.wants("hint", _HINT):
        return Move("hint")
    if not any(character.isalnum() for character in line):
        raise Misread("ask a question, guess, or say `hint`, `give up` or `quit`")
    if reply.fields.get("guess") is not None:
        return Move("guess", line)
    guess = named_guess(line, table, index)
    return Move("ask", line) if guess is None else Move("guess", guess)


def named_guess(text: str, table: AnswerTable, index: Index) -> str | None:
    """Return the name that a line guesses, None if it asks a question.

    "Guess kite" always guesses. "Is it a kite?" and "kite" guess if the table knows a kite; but a wording of one of its
    questions stays a question, as "is it a tool?" even where a tool is something it knows.
    """
    line = text.strip(" \t.!?")
    if said := _GUESS.fullmatch(line):
        return said["name"]
    asked = _NAMED.fullmatch(line)
    if asked is None or not positions_matching(index_of(table), asked["name"]):
        return None
    meant = understand(index, text)
    return None if meant is not None and meant.score > 0.999 else asked["name"]
