"""A game on paper, round by round, as a table's belief would have followed it.

The questions may be anybody's: what the table words otherwise is heard as `hearing` hears it, and what it cannot make
sense of moves nothing. The belief here is the table's alone. It does not know who played, only that a partner who says
yes to the handshake answers questions of spelling exactly.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from twenty_questions import belief as beliefs
from twenty_questions.belief import Answer, Belief, entropy_bits, posterior, through_noise
from twenty_questions.guesser import GuesserConfig, recognise
from twenty_questions.hearing import Heard, How, hear
from twenty_questions.session import divergence_bits
from twenty_questions.table import AnswerTable
from twenty_questions.table_index import index_of, positions_matching
from twenty_questions.transcripts import Game
from twenty_questions.understanding import Index
from twenty_questions.words import names_match

__all__ = ["Seen", "follow"]

EXACT_NOISE = 0.001
"""How often a partner of the protocol is believed to get a question of spelling wrong."""


class Seen(NamedTuple):
    """One round as the belief saw it.

    Attributes:
        question: what was asked; None if the game ended before.
        answer: what was said; None likewise.
        guess: what was guessed after it; None if nothing was.
        how: how the question was understood, "handshake", or None if it was not.
        understood: the question of the table, or the rule of spelling, that it was taken for; "" if it was not.
        opposite: whether it asks the opposite of that question.
        bits: how much the answer told, KL(after || before); 0 where it moved nothing.
        left_bits: the entropy that is left after it.
        top: the most probable keywords after it, with probabilities.
        probability: of the secret after it; None if the secret is unknown or not in the table.
        rank: its place among all keywords, from 1; None likewise.
    """

    question: str | None
    answer: str | None
    guess: str | None
    how: How | Literal["handshake"] | None
    understood: str
    opposite: bool
    bits: float
    left_bits: float
    top: tuple[tuple[str, float], ...]
    probability: float | None
    rank: int | None


def follow(
    table: AnswerTable,
    wordings: Index,
    game: Game,
    *,
    noise: float = GuesserConfig().noise,
    letter_noise: float = GuesserConfig().letter_noise,
    top: int = 3,
) -> tuple[Seen, ...]:
    """Return the rounds of a game as a table's belief follows them.

    Args:
        table: what is believed from.
        wordings: how questions in other words are understood.
        game: whose; wrong guesses are ruled out, the right one is not.
        noise: how often an answer differs from the table's, in [0, 1/2].
        letter_noise: the same for questions of spelling, unless the partner said yes to the handshake.
        top: how many of the best guesses are reported, at least 1.

    Raises:
        ValueError: if a number is out of range.
    """
    if not (0 <= noise <= 0.5 and 0 <= letter_noise <= 0.5 and top >= 1):
        raise ValueError(f"expected noise in [0, 1/2] and top of at least 1, got {noise}, {letter_noise} and {top}")
    secret = _row(table, game.keyword)
    belief, exact = beliefs.start(table.prior), False
    rounds: list[Seen] = []
    for number, said in enumerate(game.rounds, start=1):
        before, heard = belief, None
        shakes_hands = said.question is not None and _is_handshake(table, said.question)
        if shakes_hands:
            exact = exact or said.answer == "yes"
        elif said.question:
            heard = hear(table, wordings, said.question)
        answer = _answer(said.answer)
        if heard is not None and answer is not None:
            rate = noise if heard.about_meaning else EXACT_NOISE if exact else letter_noise
            belief = beliefs.update(belief, through_noise(heard.p_yes, rate), answer)
        p = posterior(belief)
        rounds.append(
            Seen(
                said.question,
                said.answer,
                said.guess,
                "handshake" if shakes_hands else heard.how if heard else None,
                _name(heard),
                heard.opposite if heard else False,
                divergence_bits(belief, before),
                entropy_bits(p),
                _top(table, belief, top),
                None if secret is None else float(p[secret]),
                None if secret is None else int((p > p[secret]).sum()) + 1,
            )
        )
        if said.guess and not _is_right(game, said.guess, last=number == len(game.rounds)):
            belief = _without(table, belief, said.guess, secret)
    return tuple(rounds)


def _row(table: AnswerTable, keyword: str) -> int | None:
    rows = positions_matching(index_of(table), keyword) if keyword else []
    return next((row for row in rows if table.keywords[row].name.lower() == keyword.lower()), rows[0] if rows else None)


def _is_handshake(table: AnswerTable, question: str) -> bool:
    found = recognise(table, question)
    return found is not None and found.kind == "handshake"


def _answer(text: str | None) -> Answer | None:
    """Return an answer that the belief knows; "maybe" and "none", which end a match, are not."""
    return next((answer for answer in get_args(Answer) if answer == text), None)


def _name(heard: Heard | None) -> str:
    if heard is None:
        return ""
    return heard.question.text if heard.question else heard.rule


def _is_right(game: Game, guess: str, *, last: bool) -> bool:
    """Whether a guess was right: it names the keyword, or the keyword is not told and the last guess was rewarded."""
    if game.keyword:
        return names_match(guess, game.keyword)
    return last and game.reward is not None and game.reward > 0


def _without(table: AnswerTable, belief: Belief, guess: str, secret: int | None) -> Belief:
    """Rule a wrong guess out; not the secret, though, which another name of it may have won with."""
    rows = [row for row in positions_matching(index_of(table), guess) if row != secret]
    return beliefs.exclude(belief, rows)


def _top(table: AnswerTable, belief: Belief, number: int) -> tuple[tuple[str, float], ...]:
    p: NDArray[np.float64] = np.where(belief.excluded, 0.0, posterior(belief))
    best = np.argsort(-p, kind="stable")[:number].tolist()
    return tuple((table.keywords[row].name, float(p[row])) for row in best if p[row] > 0)
