"""A game with a person is a value: undo is exact, nothing it is told breaks it, and a seed repeats it."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twenty_questions import session as games
from twenty_questions.belief import Answer, Belief, posterior
from twenty_questions.guesser import GuesserConfig
from twenty_questions.questions import Question, answer_by_spelling
from twenty_questions.session import PERSON, Session, SessionConfig, Turn
from twenty_questions.table import AnswerTable, code_of, probability_of
from twenty_questions.table_index import index_of
from twenty_questions.transcripts import Round
from twenty_questions.words import Keyword

ANSWERS = get_args(Answer)
OPEN = ("asking", "guessing")


def play(table: AnswerTable, config: SessionConfig, replies: list[tuple[Answer, bool]]) -> Session:
    """Play with these replies, used again from the start when they run out, for at most 1,000 turns."""
    game = games.begin(table, config)
    while game.stage in OPEN and len(game.turns) < 1000:
        game = step(table, config, game, replies[len(game.turns) % len(replies)])
    return game


def step(table: AnswerTable, config: SessionConfig, game: Session, reply: tuple[Answer, bool]) -> Session:
    if game.stage == "asking":
        return games.answer(table, config, game, reply[0])
    return games.confirm(table, config, game, reply[1])


def honest(table: AnswerTable, row: int, game: Session) -> tuple[Answer, bool]:
    """Return what someone who thinks of the keyword in this row replies."""
    if game.question is None:
        return "no", game.guess == table.keywords[row].name
    spelled = answer_by_spelling(game.question, table.keywords[row].name)
    column = index_of(table).column_of_key.get(game.question.key)
    if spelled is None:
        assert column is not None
        spelled = bool(table.codes[row, column] > 127)
    return ("yes" if spelled else "no"), False


def assert_same(one: Session, other: Session) -> None:
    for name in ("stage", "turns", "top", "question", "expected_bits", "guess"):
        assert getattr(one, name) == getattr(other, name), name
    for mine, theirs in zip(one.state.belief, other.state.belief, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert one.state._replace(belief=None) == other.state._replace(belief=None)  # type: ignore[arg-type]


replies = st.lists(st.tuples(st.sampled_from(ANSWERS), st.just(False)), min_size=1, max_size=30)


@given(replies, st.integers(0, 3), st.sampled_from([0, 1, 2, 20]), st.booleans(), st.sampled_from([0.0, 0.5, 1.0]))
@settings(max_examples=40, deadline=None)
def test_any_answers_lead_to_an_end(toy_table, told, seed, turns, letters, confidence) -> None:
    config = SessionConfig(guesser=replace(PERSON, letters=letters), turns=turns, seed=seed, confidence=confidence)
    game = play(toy_table, config, told)
    assert game.stage in ("lost", "stuck")
    assert len(game.turns) == turns if game.stage == "lost" else not turns or len(game.turns) < turns
    guesses = [turn.guess for turn in game.turns if turn.guess]
    assert len(set(guesses)) == len(guesses)
    asked = [turn.question.key for turn in game.turns if turn.question]
    assert len(set(asked)) == len(asked)
    assert letters or all(turn.question.kind == "table" for turn in game.turns if turn.question)
    for turn in game.turns:
        assert 0 <= turn.bits < np.inf
        assert 0 <= turn.left_bits <= np.log2(60) + 1e-9
        assert all(0 < p <= 1 for _, p in turn.top)


@given(replies, st.integers(0, 5))
@settings(max_examples=25, deadline=None)
def test_undo_is_the_exact_inverse(toy_table, told, seed) -> None:
    config = SessionConfig(turns=0, seed=seed)
    game, history = games.begin(toy_table, config), []
    for reply in told:
        if game.stage not in OPEN:
            break
        history.append(game)
        game = step(toy_table, config, game, reply)
    for before in reversed(history):
        game = games.undo(game)
        assert game is before
    assert_same(game, games.begin(toy_table, config))
    assert games.undo(game) is game


def test_a_game_goes_on_after_undo_as_if_nothing_had_been(toy_table) -> None:
    config = SessionConfig(seed=4)
    straight = play(toy_table, config, [("yes", False), ("no", False)])
    game = games.begin(toy_table, config)
    while game.stage in OPEN:
        astray = step(toy_table, config, game, ("probably", False))
        game = step(toy_table, config, games.undo(astray), [("yes", False), ("no", False)][len(game.turns) % 2])
    assert_same(game, straight)


def test_undo_takes_a_verdict_back(toy_table) -> None:
    config = SessionConfig(confidence=0.0, turns=3)
    game = games.begin(toy_table, config)
    wrong = games.confirm(toy_table, config, game, False)
    assert wrong.guess != game.guess
    assert games.undo(wrong) is game
    found = games.confirm(toy_table, config, games.undo(wrong), True)
    assert (found.stage, found.guess) == ("found", game.guess)
    assert games.undo(found) is game


def test_the_seed_alone_decides(toy_table) -> None:
    firsts = set()
    for seed in range(12):
        config = SessionConfig(guesser=replace(PERSON, tie_bits=0.2), seed=seed)
        one, other = (play(toy_table, config, [("yes", False), ("no", False)]) for _ in range(2))
        assert_same(one, other)
        firsts.add(one.turns[0].question)
    assert len(firsts) > 1


@pytest.mark.parametrize("row", range(0, 60, 7))
def test_an_honest_person_is_read(toy_table, row) -> None:
    config = SessionConfig(turns=40)
    game = games.begin(toy_table, config)
    while game.stage in OPEN:
        game = step(toy_table, config, game, honest(toy_table, row, game))
    assert (game.stage, game.guess) == ("found", toy_table.keywords[row].name)


def test_bits_are_on_average_what_was_expected(toy_table) -> None:
    config = SessionConfig()
    game = play(toy_table, replace(config, turns=6), [("yes", False), ("no", False), ("no", False)]).before
    while game.stage == "guessing":
        game = game.before
    assert game.question is not None
    column = index_of(toy_table).column_of_key[game.question.key]
    noisy = PERSON.noise + (1 - 2 * PERSON.noise) * probability_of(toy_table.codes[:, column])
    p_yes = float(posterior(game.state.belief) @ noisy)
    told = {said: games.answer(toy_table, config, game, said).turns[-1].bits for said in ("yes", "no")}
    assert p_yes * told["yes"] + (1 - p_yes) * told["no"] == pytest.approx(game.expected_bits, abs=1e-6)
    assert games.answer(toy_table, config, game, "unknown").turns[-1].bits == 0


def test_a_wrong_guess_tells_what_ruling_it_out_tells(toy_table) -> None:
    config = SessionConfig(confidence=0.0)
    game = games.begin(toy_table, config)
    after = games.confirm(toy_table, config, game, False)
    assert after.turns[-1].bits == pytest.approx(-np.log2(1 - game.top[0][1]))
    right = games.confirm(toy_table, config, game, True)
    assert right.turns[-1].bits == pytest.approx(-np.log2(game.top[0][1]))
    assert right.turns[-1].left_bits == 0


def test_divergence_stays_finite_where_probabilities_vanish() -> None:
    log_p = np.array([0.0, -2000.0, -2001.0])
    before = Belief(log_p, np.zeros(3, dtype=bool))
    after = Belief(log_p, np.array([True, False, False]))
    assert games.divergence_bits(after, before) == pytest.approx((2000 - np.log1p(np.exp(-1))) / np.log(2), rel=1e-9)
    assert games.divergence_bits(before, before) == 0
    assert games.divergence_bits(before._replace(excluded=np.ones(3, dtype=bool)), after) == 0


def test_spelling_waits_until_it_is_late_or_needed(toy_table) -> None:
    told: list[tuple[Answer, bool]] = [("unknown", False)]
    patient = SessionConfig(turns=30, spelling_below=0.0)
    kinds = [turn.question.kind for turn in play(toy_table, patient, told).turns if turn.question]
    assert "letter" not in kinds[:14]
    assert "letter" in kinds[14:]
    eager = replace(patient, spelling_below=1.0)
    assert games.begin(toy_table, eager).question.kind == "letter"


def test_nothing_left_to_ask_ends_in_guesses_and_then_the_game() -> None:
    table = AnswerTable(
        (Keyword("cup"), Keyword("mug"), Keyword("jar")),
        (Question("glass", "Is it made of glass?"),),
        code_of([[0.1], [0.1], [0.9]]),
        np.array([0.6, 0.39, 0.01]),
    )
    config = SessionConfig(guesser=replace(PERSON, letters=False), turns=0, confidence=0.99, worth_guessing=0.5)
    game = games.answer(table, config, games.begin(table, config), "no")
    assert (game.stage, game.guess) == ("guessing", "cup")
    game = games.confirm(table, config, game, False)
    assert (game.stage, game.guess) == ("guessing", "mug")
    game = games.confirm(table, config, game, False)
    assert game.guess == "jar"
    game = games.confirm(table, config, game, False)
    assert (game.stage, game.top, game.turns[-1].top, game.turns[-1].left_bits) == ("stuck", (), (), 0.0)
    weak = replace(config, worth_guessing=0.7)
    assert games.answer(table, weak, games.begin(table, weak), "no").stage == "stuck"


def test_the_last_turn_is_a_guess(toy_table) -> None:
    config = SessionConfig(turns=3, confidence=1.0)
    game = play(toy_table, config, [("yes", False)])
    assert [turn.guess is None for turn in game.turns] == [True, True, False]
    assert game.stage == "lost"


def test_the_transcript_has_a_guess_in_the_round_before_it() -> None:
    def asked(text: str) -> Turn:
        return Turn(Question(text, text), "probably", None, None, 0.0, 0.0, ())

    def guessed(name: str) -> Turn:
        return Turn(None, None, name, False, 0.0, 0.0, ())

    turns = (guessed("a"), asked("q?"), guessed("b"), guessed("c"), asked("r?"), asked("s?"))
    game = Session("lost", None, turns, ())  # type: ignore[arg-type]
    assert games.transcript_of(game) == (
        Round(guess="a"),
        Round("q?", "probably", "b"),
        Round(guess="c"),
        Round("r?", "probably"),
        Round("s?", "probably"),
    )
    assert games.answers_given(game) == {"q?": "probably", "r?": "probably", "s?": "probably"}


def test_what_is_not_open_cannot_be_answered(toy_table) -> None:
    config = SessionConfig(confidence=0.0)
    guessing = games.begin(toy_table, config)
    asking = games.begin(toy_table, replace(config, confidence=1.0))
    with pytest.raises(ValueError, match="expected an open question, got a game that is guessing"):
        games.answer(toy_table, config, guessing, "yes")
    with pytest.raises(ValueError, match="expected an open guess, got a game that is asking"):
        games.confirm(toy_table, config, asking, True)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"turns": -1}, "turns and seed of at least 0"),
        ({"seed": -1}, "turns and seed of at least 0"),
        ({"confidence": 1.5}, r"confidence in \[0, 1\]"),
        ({"guesser": GuesserConfig()}, "without the handshake"),
    ],
)
def test_a_config_that_makes_no_sense_is_refused(wrong, message) -> None:
    with pytest.raises(ValueError, match=message):
        SessionConfig(**wrong)
