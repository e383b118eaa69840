"""`tq play --as guesser`: the machine thinks of something, and a person asks in their own words."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
from twenty_questions.rules import answer_by_rule

from furikaeri_cli.tq.dialogue import Dialogue
from twenty_questions.table import AnswerTable, probability_of
from twenty_questions.understanding import Index, Understood, understand
from twenty_questions.words import Keyword, find, matches

__all__ = ["Heard", "answer_what_they_ask", "hear"]

_GUESS = re.compile(
    r"\s*(?:my guess is|i guess|guess:?|i say)\s+(?:it is |it's )?(?:(?:an?|the) )?(?P<name>.+?)[\s.!?]*", re.I
)
_NAMED = re.compile(r"\s*is it(?: an?| the| some| your)? (?P<name>.+?)[\s.!?]*", re.I)
_GIVE_UP = frozenset({"give up", "i give up", "reveal", "tell me"})
_WORDS = ((0.9, "yes"), (0.6, "probably"), (0.4, "hard to say"), (0.1, "probably not"), (0.0, "no"))


class Heard(NamedTuple):
    """What the machine made of one line.

    Attributes:
        answer: its answer: yes, probably, hard to say, probably not, no; None if it cannot tell.
        by: who answered: the name of a rule, "table", or "" if nobody could.
        meaning: the table's question that the line was taken for, if it was.
        opposite: whether the line asks the opposite of that question; the answer is to the line.
        score: how alike line and question are.
    """

    answer: str | None
    by: str
    meaning: str = ""
    opposite: bool = False
    score: float = 0.0


def hear(text: str, row: int, table: AnswerTable, index: Index) -> Heard:
    """Answer a question about a keyword of the table: by the rules of spelling, else by the nearest question."""
    verdict = answer_by_rule(text, table.keywords[row].name)
    if verdict.answer is not None:
        return Heard("yes" if verdict.answer else "no", verdict.rule)
    meant: Understood | None = understand(index, text)
    if meant is None:
        return Heard(None, "")
    p_yes = float(probability_of(table.codes[row, meant.column]))
    p_said = 1 - p_yes if meant.opposite else p_yes
    answer = next(word for least, word in _WORDS if p_said >= least)
    return Heard(answer, "table", table.questions[meant.column].text, meant.opposite, meant.score)


def named_guess(text: str, table: AnswerTable) -> str | None:
    """Return the name that a line guesses: "guess kite", or "is it a kite?" when a kite is something it knows."""
    if said := _GUESS.fullmatch(text):
        return said["name"]
    if (asked := _NAMED.fullmatch(text)) and find(asked["name"], table.keywords):
        return asked["name"]
    return None


def answer_what_they_ask(dialogue: Dialogue, table: AnswerTable, index: Index, *, seed: int, turns: int) -> None:
    """Play one game in which the machine thinks of something.

    Args:
        dialogue: the other side.
        table: what the machine knows; the secret is drawn from its prior.
        index: how it understands questions.
        seed: of the draw.
        turns: questions and guesses together; 0: no end.

    Raises:
        Quit: if the other side stops.
    """
    row = int(np.random.default_rng(seed).choice(len(table.keywords), p=table.prior))
    secret = table.keywords[row]
    of = f" of {turns}" if turns else ""
    text = "I have thought of something. Ask me in your own words, or guess (`guess kite`); `give up` ends the game."
    dialogue.tell({"type": "start", "keywords": len(table.keywords)}, text)
    taken = 0
    while not turns or taken < turns:
        event = {"type": "your turn", "turn": taken + 1}
        reply = dialogue.ask(event, f"\n{taken + 1}{of}. Your question or guess?")
        line = reply.text("question", "guess").strip()
        if line.lower() in _GIVE_UP or reply.fields.get("give_up"):
            break
        guess = str(reply.fields["guess"]) if "guess" in reply.fields else named_guess(line, table)
        if guess is not None:
            taken += 1
            if matches(guess, secret):
                dialogue.tell({"type": "found", "name": secret.name, "turns": taken}, f"Yes! It is {secret.name}.")
                return
            dialogue.tell({"type": "wrong", "guess": guess}, f"  No, it is not {guess}.")
        elif line:
            heard = hear(line, row, table, index)
            taken += heard.answer is not None
            dialogue.tell({"type": "answer", **heard._asdict()}, _spoken(heard))
    dialogue.tell({"type": "reveal", "name": secret.name, "turns": taken}, _revealed(secret, taken))


def _spoken(heard: Heard) -> str:
    if heard.answer is None:
        return "  I cannot tell; ask it another way. (That did not cost you a turn.)"
    answer = heard.answer[0].upper() + heard.answer[1:]
    if heard.by != "table":
        return f"  {answer}. (a question of spelling: {heard.by})"
    asked = f"the opposite of “{heard.meaning}”" if heard.opposite else f"“{heard.meaning}”"
    return f"  {answer}. (understood as {asked})"


def _revealed(secret: Keyword, taken: int) -> str:
    also = f" (also: {', '.join(secret.alts)})" if secret.alts else ""
    return f"\nIt was: {secret.name}{also}. You used {taken} turns."
