"""When the machine thinks of something, what it says rules things out for certain, and never the secret."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twenty_questions import thinking
from twenty_questions.hearing import hear
from twenty_questions.table import AnswerTable, probability_of
from twenty_questions.transcripts import Round
from twenty_questions.understanding import Wording, index_wordings


@pytest.fixture(scope="module")
def wordings(toy_table: AnswerTable):
    return index_wordings(Wording(column, question.text) for column, question in enumerate(toy_table.questions))


def test_answers_by_probability() -> None:
    p = np.array([1.0, 0.9, 0.89, 0.6, 0.59, 0.4, 0.39, 0.1, 0.09, 0.0])
    assert thinking.spoken_answers(p) == (
        ["yes"] * 2 + ["probably"] * 2 + ["unknown"] * 2 + ["probably not"] * 2 + ["no"] * 2
    )


def test_the_secret_is_drawn_from_the_prior(toy_table) -> None:
    rows = [thinking.begin(toy_table, np.random.default_rng(seed)).row for seed in range(3000)]
    share = np.bincount(rows, minlength=60) / len(rows)
    assert np.abs(share - toy_table.prior).max() < 4 * np.sqrt(toy_table.prior.max() / len(rows))


def test_a_question_tells_the_share_of_mass_that_still_fits(toy_table, wordings) -> None:
    game = thinking.begin(toy_table, np.random.default_rng(1))
    heard = hear(toy_table, wordings, "Is it a kind of tool?")
    after, said, told = thinking.answer(toy_table, game, "Is it a kind of tool?", heard)
    tools = probability_of(toy_table.codes[:, 2]) > 0.5
    fits = tools if tools[game.row] else ~tools
    np.testing.assert_array_equal(after.fits, fits)
    assert said == ("yes" if tools[game.row] else "no")
    assert told.left == fits.sum()
    assert told.bits == pytest.approx(-np.log2(toy_table.prior[fits].sum()))
    assert after.rounds == (Round("Is it a kind of tool?", said),)
    assert after.told == {"tool"}


@given(st.integers(0, 200), st.lists(st.integers(0, 25), max_size=12))
@settings(max_examples=40, deadline=None)
def test_the_secret_always_fits(toy_table, wordings, seed, columns) -> None:
    game = thinking.begin(toy_table, np.random.default_rng(seed))
    for column in columns:
        text = toy_table.questions[column].text
        after, _, told = thinking.answer(toy_table, game, text, hear(toy_table, wordings, text))
        assert after.fits[game.row]
        assert not (after.fits & ~game.fits).any()
        assert 0 <= told.bits < np.inf
        game = after


def test_guesses(toy_table) -> None:
    game = thinking.begin(toy_table, np.random.default_rng(2))._replace(row=1)
    assert thinking.guess(toy_table, game, "unheard-of thing") is None
    wrong, told = thinking.guess(toy_table, game, "the Horses")
    assert (wrong.found, wrong.turns, wrong.rounds) == (False, 1, (Round(guess="the Horses"),))
    assert told.left == 59
    assert not wrong.fits[0]
    right, told = thinking.guess(toy_table, wrong, "River Otter")
    assert (right.found, right.turns, told.left) == (True, 2, 1)
    assert right.rounds == (Round(guess="the Horses"), Round(guess="River Otter"))


def test_hints_are_true_telling_and_not_repeated(toy_table) -> None:
    game = thinking.begin(toy_table, np.random.default_rng(3))
    given, bits = [], []
    while (next_one := thinking.hint(toy_table, game)) is not None:
        game, question, told = next_one
        given.append(question.key)
        bits.append(told.bits)
        assert game.fits[game.row]
    sure = probability_of(toy_table.codes) >= 0.9
    true = {
        question.key: -np.log2(toy_table.prior @ sure[:, column])
        for column, question in enumerate(toy_table.questions)
        if question.kind == "table" and sure[game.row, column]
    }
    assert sorted(given) == sorted(true)
    assert game.turns == len(given)
    assert bits[0] == pytest.approx(max(true.values()))
