"""The guesser with one belief: every answer moves it, and every kind of question is weighed by the same measure.

There are no modes. Early on the handshake is asked because it tells most about who answers; a partner that says yes to
it is bisected because an exact answer about the alphabet tells most about the keyword; one that then contradicts itself
is taken for a liar, and whatever still tells something from a liar is asked next.

State in, state out: `start`, then in each round `choose_question`, `observe`, `choose_guess`, and after a wrong guess
`exclude`; or `replay` for a whole history.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from twenty_questions.belief import Answer
from twenty_questions.guesser import GuessInfo, recognise
from twenty_questions.joint import answering
from twenty_questions.joint import belief as beliefs
from twenty_questions.joint.belief import JointBelief
from twenty_questions.joint.choosing import JointInfo, best_question
from twenty_questions.joint.config import JointConfig
from twenty_questions.joint.criterion import prepare
from twenty_questions.joint.partners import error_rates
from twenty_questions.joint.universe import Universe, positions_matching
from twenty_questions.questions import Question

__all__ = [
    "JointState",
    "choose_guess",
    "choose_question",
    "exclude",
    "observe",
    "replay",
    "start",
    "type_posterior",
]


class JointState(NamedTuple):
    """What the guesser knows.

    Attributes:
        belief: over types of partner and words.
        rounds: how many answers were observed.
        asked: key and answer of each recognised question, in order.
        guesses: wrong guesses, in order.
    """

    belief: JointBelief
    rounds: int = 0
    asked: tuple[tuple[str, Answer], ...] = ()
    guesses: tuple[str, ...] = ()


def start(universe: Universe, config: JointConfig) -> JointState:
    """Return the state before the first round."""
    prepare(universe.table, error_rates(config.population, "table"))
    return JointState(beliefs.start(universe.words.prior, config.population))


def observe(
    universe: Universe, state: JointState, question_text: str, answer: Answer, config: JointConfig
) -> JointState:
    """Return the state after an answer.

    The question is recognised by its wording. One that is not the guesser's own changes nothing but the round count.
    Nor does one that was answered before, other than by "unknown": a partner answers it the same way again.
    """
    question = recognise(universe.table, question_text)
    state = state._replace(rounds=state.rounds + 1)
    if question is None:
        return state
    known = any(key == question.key and before != "unknown" for key, before in state.asked)
    state = state._replace(asked=(*state.asked, (question.key, answer)))
    if known:
        return state
    belief = answering.after(universe, state.belief, question, answer, config)
    return state._replace(belief=beliefs.prune(belief, config.negligible))


def exclude(universe: Universe, state: JointState, guess: str) -> JointState:
    """Return the state after a wrong guess: whatever it would have matched by the game's rule is ruled out."""
    places = beliefs.local(state.belief, positions_matching(universe, [guess]))
    return state._replace(belief=beliefs.exclude(state.belief, places), guesses=(*state.guesses, guess))


def replay(universe: Universe, config: JointConfig, rounds: Iterable[tuple[str, Answer, str | None]]) -> JointState:
    """Return the state after a history of question, answer and wrong guess (None or empty: not guessed yet)."""
    state = start(universe, config)
    for question_text, answer, guess in rounds:
        state = observe(universe, state, question_text, answer, config)
        if guess:
            state = exclude(universe, state, guess)
    return state


def choose_question(
    universe: Universe, state: JointState, config: JointConfig, rng: np.random.Generator
) -> tuple[Question, JointInfo]:
    """Return the question that tells most about partner and keyword together, and why (see `choosing`).

    Args:
        universe: what can be guessed and asked.
        state: what is known.
        config: how to play.
        rng: breaks ties.
    """
    asked = {key for key, _ in state.asked}
    left = max(config.rounds - state.rounds, 1)
    return best_question(universe, state.belief, config, rng, asked=asked, rounds_left=left)


def choose_guess(universe: Universe, state: JointState, config: JointConfig) -> tuple[str, GuessInfo]:
    """Return the most probable guess that no wrong guess has ruled out, and the best few with their probabilities.

    If every word was ruled out, the guess is a text like none before it, with probability 0.
    """
    p = beliefs.word_posterior(state.belief)
    best = beliefs.likeliest(p, config.top)
    words = universe.words.words
    top = tuple((words[int(state.belief.support[place])], float(p[place])) for place in best.tolist() if p[place] > 0)
    top = top or ((f"something unknown {len(state.guesses) + 1}", 0.0),)
    return top[0][0], GuessInfo(top)


def type_posterior(state: JointState, config: JointConfig) -> dict[str, float]:
    """Return the probability of each type of partner, by its name; all 0 if every word is ruled out."""
    mass = beliefs.type_posterior(state.belief)
    return {partner.name: float(p) for (partner, _), p in zip(config.population, mass, strict=True)}
