"""The guesser with one belief: every answer moves it, and every kind of question is weighed by the same measure.

There are no modes. Before the first answer the handshake is asked because it tells most about who answers; a partner
that says yes to it is bisected because an exact answer about the alphabet tells most about the keyword; one that then
contradicts itself is taken for a liar, and whatever still tells something from a liar is asked next.

State in, state out: `start`, then in each round `choose_question`, `observe`, `choose_guess`, and after a wrong guess
`exclude`; or `replay` for a whole history.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twenty_questions.belief import Answer, through_noise
from twenty_questions.endgame import reward_to_go
from twenty_questions.guesser import GuessInfo
from twenty_questions.guesser import recognise as recognise_known
from twenty_questions.information import binary_entropy, choose
from twenty_questions.joint import belief as beliefs
from twenty_questions.joint.belief import JointBelief
from twenty_questions.joint.candidates import (
    Candidate,
    alphabetical_candidates,
    letter_candidates,
    list_candidates,
    members_of_letter,
)
from twenty_questions.joint.config import JointConfig
from twenty_questions.joint.criterion import (
    Outlook,
    information,
    marginal_yes,
    outlook_of_handshake,
    outlook_of_spelling,
    outlook_of_table,
    prepare,
)
from twenty_questions.joint.partners import error_rates, handshake_yes
from twenty_questions.joint.spelled import holds
from twenty_questions.joint.universe import Universe, positions_matching
from twenty_questions.questions import HANDSHAKE, Question, alphabetical, names_listed, read_list
from twenty_questions.split_costs import soonest_boundary
from twenty_questions.table import AnswerTable, probability_of
from twenty_questions.table_index import index_of

__all__ = [
    "JointInfo",
    "JointState",
    "answers_to",
    "choose_guess",
    "choose_question",
    "exclude",
    "observe",
    "recognise",
    "replay",
    "start",
    "type_posterior",
]

_LIKELY = 4096
"""Questions about letters are ranked over so many of the most probable words."""

_EXACT_ERROR, _EXACT_SHARE = 0.01, 0.9
"""A partner of a type that errs no more than this on the order of words, and is as probable as that, is exact."""

_CONSISTENT = 0.1
"""Words whose answers an exact partner would have given less than this share as often as another's contradict one."""

_SPLIT_WORDS, _SECOND_LOOKS = 32_768, 4096
"""Splits for the least rounds are among so many words at most, and looked at twice among so few."""

_LISTED = 128
"""Lists are made of so many of them."""

_COLUMNS = 12
"""The end game weighs so many of the table's questions."""

Floats = NDArray[np.float64]


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


class JointInfo(NamedTuple):
    """Why a question was chosen; the first three are given that the secret is within reach (see `JointConfig`).

    Attributes:
        partner_bits: what its answer is expected to tell about the type of partner.
        keyword_bits: what it is expected to tell about the keyword, once the type is known.
        p_yes: how probable the answer "yes" is.
        entropy_bits: the uncertainty about the keyword before it is asked.
        reward: the reward to go, plus one, that the look-ahead promises (see `endgame`); None outside the end game.
    """

    partner_bits: float
    keyword_bits: float
    p_yes: float
    entropy_bits: float
    reward: float | None = None

    @property
    def information_bits(self) -> float:
        """What the answer is expected to tell in all."""
        return self.partner_bits + self.keyword_bits


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
    belief = _after(universe, state.belief, question, answer, config)
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
    """Return the question that tells most about partner and keyword together, and why.

    Args:
        universe: what can be guessed and asked.
        state: what is known.
        config: how to play.
        rng: breaks ties.
    """
    belief = state.belief
    type_mass = beliefs.type_posterior(belief)
    if not type_mass.sum() > 0:
        # Every word is ruled out: ask as if none were, for the sake of what a person may learn from it.
        belief = beliefs.start(universe.words.prior, config.population)
        type_mass = beliefs.type_posterior(belief)
    p = beliefs.word_posterior(belief)
    asked = {key for key, _ in state.asked}
    handshake = Candidate(HANDSHAKE, outlook_of_handshake(type_mass, handshake_yes(config.population)))
    partner_is_open = HANDSHAKE.key not in asked and _bits(type_mass, handshake.outlook) > config.tie_bits
    # As long as it is open who answers, what can still be found with each of them is no guide.
    if config.reach_bits is not None and not partner_is_open:
        belief = _within_reach(universe, belief, type_mass, state.rounds, config)
        type_mass = beliefs.type_posterior(belief)
    if config.opening == "handshake" and not state.rounds and HANDSHAKE.key not in asked:
        return HANDSHAKE, _info(type_mass, handshake.outlook, 0, p)

    likely = beliefs.likeliest(beliefs.word_posterior(belief), _LIKELY)
    few = likely[: config.endgame_words]
    ends = config.endgame_words > 1 and belief.weights[:, few].sum() >= 1 - config.endgame_miss
    if ends:
        # The rest of the game is about these words alone.
        belief = beliefs.only(belief, np.sort(few))
        type_mass = beliefs.type_posterior(belief)
        likely = beliefs.likeliest(beliefs.word_posterior(belief), _LIKELY)
    soonest = _soonest(universe, belief, type_mass, state, asked, config)
    if soonest is not None:
        return soonest.question, _info(type_mass, soonest.outlook, 0, p)
    candidates = _candidates(universe, belief, type_mass, likely, asked, config, several=bool(ends))
    if HANDSHAKE.key not in asked:
        candidates.append(handshake)
    columns, fresh = _columns(universe, belief, type_mass, asked, config)
    outlook = Outlook(
        np.concatenate([*(one.outlook.yes for one in candidates), columns.yes]),
        np.concatenate([*(one.outlook.noise for one in candidates), columns.noise]),
    )
    made_up = len(candidates)
    bits = information(type_mass, outlook).total
    bits[made_up:][~fresh] = -np.inf
    questions = [one.question for one in candidates]
    if not np.isfinite(bits).any():
        # A tiny list, of which everything was asked.
        return HANDSHAKE, _info(type_mass, handshake.outlook, 0, p)
    if not ends:
        best = choose(-bits, rng, tolerance=config.tie_bits)
        question = questions[best] if best < made_up else universe.table.questions[best - made_up]
        return question, _info(type_mass, outlook, best, p)

    told = np.argsort(-bits[made_up:], kind="stable")[:_COLUMNS]
    told = told[fresh[told]]
    places = [*range(made_up), *(made_up + told).tolist()]
    questions += [universe.table.questions[column] for column in told.tolist()]
    p_yes = np.stack([answers_to(universe, question, belief.support, config) for question in questions])
    left = max(config.rounds - state.rounds, 1)
    worth = reward_to_go(belief.weights, p_yes, left, config.endgame_depth)
    best = choose(-worth, rng)
    return questions[best], _info(type_mass, outlook, places[best], p)._replace(reward=float(worth[best]))


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


def recognise(table: AnswerTable, text: str) -> Question | None:
    """Return the question that the guesser words like this, or None; letter case and outer spaces do not matter."""
    return recognise_known(table, text) or read_list(text)


def answers_to(universe: Universe, question: Question, positions: NDArray[np.int32], config: JointConfig) -> Floats:
    """Return P(yes) for each type of partner and each word at these positions, shape (T, M)."""
    population = config.population
    if question.kind == "handshake":
        return np.repeat(handshake_yes(population)[:, None], positions.size, axis=1)
    words = universe.words.words
    if question.kind == "table":
        column = index_of(universe.table).column_of_key[question.key]
        rows = universe.row_of_word[positions]
        cells = probability_of(universe.table.codes[np.maximum(rows, 0), column])
        honest = np.where(rows >= 0, cells, marginal_yes(universe, config.shrink)[column])
    elif question.kind == "letter":
        honest = holds(question, universe.spelling, words, positions).astype(np.float64)
    elif question.kind == "list":
        honest = np.isin(positions, positions_matching(universe, names_listed(question))).astype(np.float64)
    else:
        honest = np.array([float(words[place].lower() < question.argument) for place in positions.tolist()])
    return through_noise(honest, error_rates(population, question.kind)[:, None])


def _soonest(
    universe: Universe,
    belief: JointBelief,
    type_mass: Floats,
    state: JointState,
    asked: Container[str],
    config: JointConfig,
) -> Candidate | None:
    """Return the split after which an exact partner's secret is found soonest; None for another partner or many words.

    A partner whose answers about order are next to certain is bisected for the least rounds, not for the most
    information: see `split_costs`.
    """
    errors = error_rates(config.population, "alphabetical")
    exact = errors <= _EXACT_ERROR
    if type_mass[exact].sum() < _EXACT_SHARE:
        return None
    mass = belief.weights[exact].sum(axis=0)
    likelihood = mass / universe.words.prior[belief.support]
    held = np.flatnonzero(likelihood > _CONSISTENT * likelihood.max())
    if not 2 <= held.size <= _SPLIT_WORDS:
        return None
    left = max(config.rounds - state.rounds, 1)
    looks = 8 if held.size <= _SECOND_LOOKS else 0
    place = int(held[soonest_boundary(mass[held], second_looks=looks, rounds_left=left)])
    word = universe.words.words[int(belief.support[place])].lower()
    question = alphabetical(word)
    if question.key in asked or '"' in word:
        return None
    inside = belief.weights[:, :place].sum(axis=1)
    return Candidate(question, outlook_of_spelling(type_mass, inside[None], errors))


def _candidates(
    universe: Universe,
    belief: JointBelief,
    type_mass: Floats,
    likely: NDArray[np.intp],
    asked: Container[str],
    config: JointConfig,
    *,
    several: bool,
) -> list[Candidate]:
    """Return the best questions of spelling: one of each kind, or several for the end game."""
    population = config.population
    found = alphabetical_candidates(
        universe, belief, type_mass, error_rates(population, "alphabetical"), asked, 8 if several else 1
    )
    if config.lists:
        errors = error_rates(population, "list")
        found += list_candidates(universe, belief, type_mass, likely[:_LISTED], errors, asked, several=several)
    if config.letters:
        errors = error_rates(population, "letter")
        found += letter_candidates(universe, belief, type_mass, likely, errors, asked, 4 if several else 1)
    return found


def _columns(
    universe: Universe, belief: JointBelief, type_mass: Floats, asked: Container[str], config: JointConfig
) -> tuple[Outlook, NDArray[np.bool_]]:
    """Return the outlook of the table's columns, and which of them may be asked, shape (Q,)."""
    errors = error_rates(config.population, "table")
    columns = outlook_of_table(universe, belief, type_mass, errors, shrink=config.shrink, kernel=config.kernel)
    was_asked = [question.key in asked for question in universe.table.questions]
    return columns, universe.askable & ~np.array(was_asked)


def _after(
    universe: Universe, belief: JointBelief, question: Question, answer: Answer, config: JointConfig
) -> JointBelief:
    """Return the belief after the answer to a question."""
    population = config.population
    if question.kind == "handshake":
        return beliefs.after_partner(belief, handshake_yes(population), answer, config.probably)
    errors = error_rates(population, question.kind)
    if question.kind == "alphabetical":
        before = _num_before(universe, belief, question.argument)
        return beliefs.after_boundary(belief, before, errors, answer, config.probably)
    if question.kind == "table":
        column = index_of(universe.table).column_of_key[question.key]
        places = beliefs.local(belief, universe.rowed)
        rows = universe.row_of_word[belief.support[places]]
        honest = probability_of(universe.table.codes[rows, column])
        rest = marginal_yes(universe, config.shrink)[column]
        p_yes = through_noise(honest, errors[:, None])
        return beliefs.after_rows(belief, places, p_yes, through_noise(rest, errors), answer, config.probably)
    if question.kind == "letter":
        members = members_of_letter(universe, belief, question)
    else:
        members = np.zeros(belief.support.size, dtype=np.bool_)
        members[beliefs.local(belief, positions_matching(universe, names_listed(question)))] = True
    return beliefs.after_members(belief, members, errors, answer, config.probably)


def _within_reach(
    universe: Universe, belief: JointBelief, type_mass: Floats, rounds: int, config: JointConfig
) -> JointBelief:
    """Return the belief given that the rest of the game can tell enough of the secret.

    An answer of a type that errs at a rate e tells at most 1 - h(e) bits, the capacity of the channel.
    """
    left = max(config.rounds - rounds, 1)
    by_kind = {
        kind: 1 - binary_entropy(error_rates(config.population, kind)) for kind in ("alphabetical", "letter", "table")
    }
    spelled = np.maximum(by_kind["alphabetical"], by_kind["letter"] if config.letters else 0.0)
    known = np.maximum(spelled, by_kind["table"])
    places = beliefs.local(belief, universe.rowed)
    slack = config.reach_bits or 0.0
    return beliefs.within_reach(belief, type_mass, places, left * spelled + slack, left * known + slack)


def _num_before(universe: Universe, belief: JointBelief, argument: str) -> int:
    """Return how many of the words held precede a text."""
    low, high = 0, belief.support.size
    while low < high:
        middle = (low + high) // 2
        if universe.words.words[int(belief.support[middle])].lower() < argument:
            low = middle + 1
        else:
            high = middle
    return low


def _bits(type_mass: Floats, outlook: Outlook) -> float:
    return float(information(type_mass, outlook).total[0])


def _info(type_mass: Floats, outlook: Outlook, place: int, p: Floats) -> JointInfo:
    of_one = information(type_mass, Outlook(outlook.yes[place : place + 1], outlook.noise[place : place + 1]))
    return JointInfo(float(of_one.partner[0]), float(of_one.keyword[0]), float(of_one.p_yes[0]), _entropy_bits(p))


def _entropy_bits(p: Floats) -> float:
    """Return `belief.entropy_bits` of a million probabilities, without a copy of those above 0."""
    logs = np.maximum(p, np.finfo(np.float64).tiny)
    np.log2(logs, out=logs)
    return max(0.0, -float(p @ logs))
