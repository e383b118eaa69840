"""The guesser: a history of questions and answers to the next question, and to the next guess.

It opens as the contest's original did: the first round asks the handshake. A partner who says yes keeps the protocol of
alphabetical questions, and the guesser bisects a word list; any other partner is asked from the answer table, always
the question with the least expected posterior entropy. Alphabetical answers also count as evidence in the table, at the
noise of spelling questions: when bisection runs out of words, because the list lacks the secret or the partner lied,
play goes on from the table with those answers discounted.

State in, state out: `start`, then in each round `choose_question`, `observe`, `choose_guess`, and after a wrong guess
`exclude`; or `replay` for a whole history.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from twenty_questions import belief as beliefs
from twenty_questions import bisection
from twenty_questions.belief import Answer, Belief, entropy_bits, through_noise
from twenty_questions.bisection import Interval, WordList
from twenty_questions.information import NEGLIGIBLE_BITS, Kernel, binary_entropy, choose, information_gain
from twenty_questions.lookahead import entropy_left_after_guess
from twenty_questions.questions import HANDSHAKE, Question
from twenty_questions.spelling_questions import halving_question, honest_answers, letter_questions
from twenty_questions.spelling_questions import recognise as recognise_spelling
from twenty_questions.table import AnswerTable, probability_of
from twenty_questions.table_index import index_of, positions_matching

__all__ = [
    "GuessInfo",
    "GuesserConfig",
    "GuesserState",
    "Mode",
    "QuestionInfo",
    "choose_guess",
    "choose_question",
    "exclude",
    "observe",
    "recognise",
    "replay",
    "start",
]

Mode: TypeAlias = Literal["opening", "table", "bisection"]

_SPELLED_KEYWORDS = 256
"""Spelling questions are made up for so many of the most probable keywords."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GuesserConfig:
    """How the guesser plays.

    Attributes:
        handshake: whether the first round asks about the partner instead of the keyword.
        noise: how often a partner's answer differs from the table's, in [0, 1/2].
        letter_noise: the same for letter and alphabetical questions, which language models often get wrong.
        letters: whether spelling questions are asked outside bisection.
        letters_from: the first round, counted from 1, in which they are.
        probably: what "probably" counts for, as a share of "yes" (see `belief.PROBABLY`).
        tie_bits: questions within so many bits of the best are equals, and the generator picks one.
        endgame_words: once the keywords left are as good as so many (2 to the entropy), the guess that follows an
            answer is counted too (see `lookahead`); 1 leaves it to the questions alone.
        endgame_bits: the end game chooses among the questions within so many bits of the best.
        top: how many of the best guesses are reported.
        kernel: what computes the information (see `information.expected_posterior_entropy`).
    """

    handshake: bool = True
    noise: float = 0.05
    letter_noise: float = 0.25
    letters: bool = True
    letters_from: int = 1
    probably: float = beliefs.PROBABLY
    tie_bits: float = 0.01
    endgame_words: int = 1
    endgame_bits: float = 0.1
    top: int = 5
    kernel: Kernel = "auto"

    def __post_init__(self) -> None:
        for name, highest in (("noise", 0.5), ("letter_noise", 0.5), ("probably", 1.0)):
            if not 0 <= getattr(self, name) <= highest:
                raise ValueError(f"expected {name} in [0, {highest:g}], got {getattr(self, name)}")
        for name, least in (
            ("tie_bits", 0),
            ("endgame_bits", 0),
            ("letters_from", 1),
            ("endgame_words", 1),
            ("top", 1),
        ):
            if not getattr(self, name) >= least:
                raise ValueError(f"expected {name} of at least {least}, got {getattr(self, name)}")


class GuesserState(NamedTuple):
    """What the guesser knows.

    Attributes:
        belief: over the table's keywords.
        mode: "opening" before the handshake is answered; what questions come from after it.
        rounds: how many answers were observed.
        asked: key and answer of each recognised question, in order.
        guesses: wrong guesses, in order.
        words: the list for bisection, if one was given or is in use.
        interval: what bisection knows, once the partner has accepted the handshake.
    """

    belief: Belief
    mode: Mode
    rounds: int = 0
    asked: tuple[tuple[str, Answer], ...] = ()
    guesses: tuple[str, ...] = ()
    words: WordList | None = None
    interval: Interval | None = None


class QuestionInfo(NamedTuple):
    """Why a question was chosen.

    Attributes:
        information_bits: what its answer is expected to tell about the keyword.
        p_yes: how probable the answer "yes" is.
        entropy_bits: the uncertainty about the keyword before it is asked.
    """

    information_bits: float
    p_yes: float
    entropy_bits: float


class GuessInfo(NamedTuple):
    """The most probable guesses with their probabilities, the best first."""

    top: tuple[tuple[str, float], ...]


def start(table: AnswerTable, config: GuesserConfig, words: WordList | None = None) -> GuesserState:
    """Return the state before the first round.

    Args:
        table: what is asked from when the partner declines the handshake.
        config: how to play.
        words: the list to bisect when the partner accepts it; by default the table's own keywords.
    """
    return GuesserState(beliefs.start(table.prior), "opening" if config.handshake else "table", words=words)


def observe(
    table: AnswerTable, state: GuesserState, question_text: str, answer: Answer, config: GuesserConfig
) -> GuesserState:
    """Return the state after an answer.

    The question is recognised by its wording; one that is not the guesser's own changes nothing but the round count.
    """
    question = recognise(table, question_text)
    state = state._replace(rounds=state.rounds + 1)
    if question is None:
        return state
    state = state._replace(asked=(*state.asked, (question.key, answer)))
    if question.kind == "handshake":
        return _accept_handshake(table, state) if answer in ("yes", "probably") else state._replace(mode="table")
    p_yes = _p_yes(table, question, config)
    state = state._replace(belief=beliefs.update(state.belief, p_yes, answer, probably=config.probably))
    if state.mode == "opening":
        state = state._replace(mode="table")
    if question.kind == "alphabetical" and state.words and state.interval:
        if answer == "unknown":
            return state._replace(mode="table")
        precedes = answer in ("yes", "probably")
        interval = bisection.narrow(state.words, state.interval, question.argument, precedes)
        return _leave_if_empty(state._replace(interval=interval))
    return state


def exclude(table: AnswerTable, state: GuesserState, guess: str) -> GuesserState:
    """Return the state after a wrong guess: whatever it would have matched by the game's rule is ruled out."""
    positions = positions_matching(index_of(table), guess)
    state = state._replace(belief=beliefs.exclude(state.belief, positions), guesses=(*state.guesses, guess))
    if state.words and state.interval:
        state = _leave_if_empty(state._replace(interval=bisection.exclude(state.words, state.interval, guess)))
    return state


def replay(
    table: AnswerTable,
    config: GuesserConfig,
    rounds: Iterable[tuple[str, Answer, str | None]],
    words: WordList | None = None,
) -> GuesserState:
    """Return the state after a history of question, answer and wrong guess (None or empty: not guessed yet)."""
    state = start(table, config, words)
    for question_text, answer, guess in rounds:
        state = observe(table, state, question_text, answer, config)
        if guess:
            state = exclude(table, state, guess)
    return state


def choose_question(
    table: AnswerTable, state: GuesserState, config: GuesserConfig, rng: np.random.Generator
) -> tuple[Question, QuestionInfo]:
    """Return the question to ask next, and why.

    A question is not repeated while the table holds another. After that, the most informative of two kinds is asked:
    one that was answered without certainty, or a spelling question made up for the keywords that are left.
    """
    posterior = beliefs.posterior(state.belief)
    if state.mode == "opening":
        return HANDSHAKE, QuestionInfo(0.0, 0.5, entropy_bits(posterior))
    if state.mode == "bisection" and state.words and state.interval:
        halves = bisection.split(state.words, state.interval)
        if halves:
            mass = bisection.remaining(state.words, state.interval)
            information = float(binary_entropy(halves.p_yes))
            return halves.question, QuestionInfo(information, halves.p_yes, entropy_bits(mass / mass.sum()))
    return _choose_from_table(table, state, config, posterior, rng)


def choose_guess(table: AnswerTable, state: GuesserState, config: GuesserConfig) -> tuple[str, GuessInfo]:
    """Return the most probable guess that no wrong guess has ruled out, and the best few with their probabilities.

    If every keyword was ruled out, the guess is a text like none before it, with probability 0.
    """
    names: Sequence[str]
    if state.mode == "bisection" and state.words and state.interval:
        mass = bisection.remaining(state.words, state.interval)
        posterior, names = mass / mass.sum(), state.words.words[state.interval.low :]
    else:
        posterior = np.where(state.belief.excluded, 0.0, beliefs.posterior(state.belief))
        names = index_of(table).names
    best = _largest(posterior, config.top)
    top = tuple((names[position], float(posterior[position])) for position in best if posterior[position] > 0)
    top = top or ((f"something unknown {len(state.guesses) + 1}", 0.0),)
    return top[0][0], GuessInfo(top)


def recognise(table: AnswerTable, text: str) -> Question | None:
    """Return the question that the guesser words like this, or None; letter case and outer spaces do not matter."""
    text = text.strip()
    if text.casefold() == HANDSHAKE.text.casefold():
        return HANDSHAKE
    column = index_of(table).column_of_text.get(text.casefold())
    return recognise_spelling(text) if column is None else table.questions[column]


def _largest(values: NDArray[np.float64], count: int) -> NDArray[np.intp]:
    """Return the positions of the largest values, the largest first and the first of equals first."""
    if values.size <= count:
        return np.argsort(-values, kind="stable")
    least = np.partition(values, -count)[-count]
    near = np.flatnonzero(values >= least)
    return near[np.argsort(-values[near], kind="stable")][:count]


def _accept_handshake(table: AnswerTable, state: GuesserState) -> GuesserState:
    words = state.words or _words_of(table)
    interval = bisection.start(words)
    for guess in state.guesses:
        interval = bisection.exclude(words, interval, guess)
    return _leave_if_empty(state._replace(mode="bisection", words=words, interval=interval))


def _leave_if_empty(state: GuesserState) -> GuesserState:
    assert state.words is not None
    assert state.interval is not None
    if state.mode == "bisection" and not bisection.num_left(state.words, state.interval):
        return state._replace(mode="table")
    return state


def _words_of(table: AnswerTable) -> WordList:
    """Return the table's keywords as a word list; names that differ only in case become one."""
    weights: dict[str, float] = {}
    for keyword, prior in zip(table.keywords, table.prior, strict=True):
        weights[keyword.name.lower()] = weights.get(keyword.name.lower(), 0.0) + float(prior)
    return bisection.word_list(weights, list(weights.values()))


def _p_yes(table: AnswerTable, question: Question, config: GuesserConfig) -> NDArray[np.float64]:
    """Return P(yes) for each keyword, shape (K,), noise included."""
    index = index_of(table)
    column = index.column_of_key.get(question.key)
    honest = honest_answers(question, index.names) if column is None else probability_of(table.codes[:, column])
    return through_noise(honest, config.noise if question.kind == "table" else config.letter_noise)


def _choose_from_table(
    table: AnswerTable,
    state: GuesserState,
    config: GuesserConfig,
    posterior: NDArray[np.float64],
    rng: np.random.Generator,
) -> tuple[Question, QuestionInfo]:
    index = index_of(table)
    allowed = index.askable if _may_spell(state, config) else index.askable & index.is_table
    fresh = allowed.copy()
    fresh[[index.column_of_key[key] for key, _ in state.asked if key in index.column_of_key]] = False
    if not fresh.any():
        return _ask_beyond_table(table, state, config, posterior, rng)

    noise = np.where(index.is_table, config.noise, config.letter_noise)
    negligible = max(NEGLIGIBLE_BITS, config.tie_bits / 10)
    information = information_gain(
        table.codes, posterior, noise=noise, negligible_bits=negligible, kernel=config.kernel
    )
    scores = np.where(fresh, -information, np.inf)
    if entropy_bits(posterior) <= np.log2(config.endgame_words):
        near = np.flatnonzero(scores <= scores.min() + config.endgame_bits)
        left = entropy_left_after_guess(table.codes[:, near], posterior, noise=noise[near])
        position = int(near[choose(left, rng)])
    else:
        position = choose(scores, rng, tolerance=config.tie_bits)
    question = table.questions[position]
    return question, _info(posterior, _p_yes(table, question, config))


def _ask_beyond_table(
    table: AnswerTable,
    state: GuesserState,
    config: GuesserConfig,
    posterior: NDArray[np.float64],
    rng: np.random.Generator,
) -> tuple[Question, QuestionInfo]:
    """Choose when every question was asked: again what was left uncertain, or a spelling question made up now."""
    index = index_of(table)
    answers = dict(state.asked)
    likely = _largest(posterior, _SPELLED_KEYWORDS)
    names, p = [index.names[row] for row in likely], posterior[likely] / posterior[likely].sum()
    made_up = [halving_question(names, p), *(letter_questions().values() if _may_spell(state, config) else ())]
    uncertain = [table.questions[column] for column in np.flatnonzero(index.askable)]
    candidates = [question for question in uncertain if answers.get(question.key, "yes") not in ("yes", "no")]
    candidates += [question for question in made_up if question.key not in answers]
    candidates = candidates or made_up
    infos = []
    for question in candidates:
        column = index.column_of_key.get(question.key)
        honest = honest_answers(question, names) if column is None else probability_of(table.codes[likely, column])
        infos.append(_info(p, through_noise(honest, config.noise if question.kind == "table" else config.letter_noise)))
    position = choose(-np.array([info.information_bits for info in infos]), rng, tolerance=config.tie_bits)
    return candidates[position], infos[position]


def _may_spell(state: GuesserState, config: GuesserConfig) -> bool:
    return config.letters and state.rounds + 1 >= config.letters_from


def _info(posterior: NDArray[np.float64], p_yes: NDArray[np.float64]) -> QuestionInfo:
    mean = float(posterior @ p_yes)
    information = float(binary_entropy(mean) - posterior @ binary_entropy(p_yes))
    return QuestionInfo(max(0.0, information), mean, entropy_bits(posterior))
