"""Simulated games: what partners say, that parts make the whole, and the figures over games."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twenty_questions import simulated_partners as partners
from twenty_questions import simulation
from twenty_questions.guesser import GuesserConfig
from twenty_questions.questions import HANDSHAKE, Question, alphabetical, letter
from twenty_questions.simulation import Outcome, summarise, wilson_interval
from twenty_questions.strategies import table_strategy
from twenty_questions.table import AnswerTable, code_of
from twenty_questions.words import Keyword, normalise


def binary_table(bits: int) -> AnswerTable:
    """Return 2^bits things, and one question for each bit of their numbers."""
    number = 2**bits
    digits = (np.arange(number)[:, None] >> np.arange(bits)) & 1
    return AnswerTable(
        keywords=tuple(Keyword(f"{'abcdefghijklmnopqrstuvwxyz'[row % 26]}{row}") for row in range(number)),
        questions=tuple(Question(f"bit{bit}", f"Is bit {bit} set?") for bit in range(bits)),
        codes=code_of(np.where(digits == 1, 0.99, 0.01)),
        prior=np.full(number, 1 / number),
    )


TABLE = binary_table(6)
CONFIG = GuesserConfig(handshake=False, noise=0.0, letter_noise=0.0, letters=False)
PLAYED = table_strategy(TABLE, CONFIG)


def test_without_noise_every_secret_is_found_as_soon_as_halving_allows() -> None:
    outcome = simulation.simulate(PLAYED, partners.table_partner(TABLE), TABLE.keywords, seed=0)
    assert (outcome.found_in > 0).all()
    assert outcome.found_in.max() <= 6
    assert all(len(set(asked)) == len(asked) for asked in outcome.questions)


def test_parts_give_what_the_whole_gives() -> None:
    partner = partners.flipping(partners.table_partner(TABLE), 0.2)
    whole = simulation.simulate(PLAYED, partner, TABLE.keywords, seed=3, rounds=8)
    first = simulation.simulate(PLAYED, partner, TABLE.keywords[:10], seed=3, rounds=8)
    rest = simulation.simulate(PLAYED, partner, TABLE.keywords[10:], seed=3, first=10, rounds=8)
    np.testing.assert_array_equal(np.concatenate([first.found_in, rest.found_in]), whole.found_in)
    assert first.questions + rest.questions == whole.questions


def test_the_seed_decides_the_noise() -> None:
    partner = partners.flipping(partners.table_partner(TABLE), 0.3)
    runs = [simulation.simulate(PLAYED, partner, TABLE.keywords, seed=seed, rounds=7) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(runs[0].found_in, runs[1].found_in)
    assert (runs[0].found_in != runs[2].found_in).any()


def test_partners_say_what_they_should() -> None:
    rng = np.random.default_rng(0)
    table_partner, alpha = partners.table_partner(TABLE), partners.alpha_partner(TABLE)
    thing = TABLE.keywords[5]
    assert [table_partner(thing, question, rng) for question in TABLE.questions[:3]] == ["yes", "no", "yes"]
    assert (table_partner(thing, HANDSHAKE, rng), alpha(thing, HANDSHAKE, rng)) == ("no", "yes")
    assert table_partner(thing, alphabetical("g"), rng) == "yes"
    assert table_partner(thing, letter("starts", "g"), rng) == "no"
    labelled = partners.labelled_partner({(normalise("the F5"), "Is bit 0 set?"): False})
    assert labelled(thing, TABLE.questions[0], rng) == "no"
    assert labelled(thing, TABLE.questions[1], rng) == "unknown"


def test_an_uncertain_cell_is_answered_by_a_fair_draw() -> None:
    table = AnswerTable((Keyword("one"),), (Question("q", "Q?"),), code_of([[0.5]]), np.ones(1))
    rng = np.random.default_rng(0)
    answers = [partners.table_partner(table)(table.keywords[0], table.questions[0], rng) for _ in range(2000)]
    assert answers.count("yes") == pytest.approx(1000, abs=120)


@pytest.mark.parametrize(("rate", "expected"), [(0.0, 0), (1.0, 1000), (0.25, 250)])
def test_flipping_flips_at_its_rate(rate: float, expected: int) -> None:
    rng = np.random.default_rng(1)
    partner = partners.flipping(lambda keyword, question, rng: "yes", rate)
    said = [partner(TABLE.keywords[0], TABLE.questions[0], rng) for _ in range(1000)]
    assert said.count("no") == pytest.approx(expected, abs=60 if 0 < rate < 1 else 0)
    with pytest.raises(ValueError, match="flip rate"):
        partners.flipping(partner, 1.5)


def test_figures_by_hand() -> None:
    outcome = Outcome(np.array([1, 3, 0, 20]), ())
    figures = summarise(outcome)
    assert figures.find_rate == 0.75
    assert figures.mean_rounds == 8
    assert figures.mean_reward == (20 + 18 - 1 + 1) / 4
    assert figures.found_by_round[[0, 1, 2, 18, 19]].tolist() == [0.25, 0.25, 0.5, 0.5, 0.75]
    weighted = summarise(outcome, weights=np.array([2.0, 0, 0, 2]))
    assert (weighted.find_rate, weighted.mean_rounds, weighted.mean_reward) == (1.0, 10.5, 10.5)


@given(st.lists(st.integers(0, 20), min_size=1, max_size=40))
def test_a_game_counted_twice_is_a_game_of_double_weight(rounds: list[int]) -> None:
    once = summarise(Outcome(np.array(rounds), ()), weights=np.array([2.0] + [1.0] * (len(rounds) - 1)))
    twice = summarise(Outcome(np.array([rounds[0], *rounds]), ()))
    assert once.find_rate == pytest.approx(twice.find_rate)
    assert once.mean_reward == pytest.approx(twice.mean_reward)
    np.testing.assert_allclose(once.found_by_round, twice.found_by_round)


@pytest.mark.parametrize("weights", [np.array([1.0]), np.array([-1.0, 2.0]), np.array([0.0, 0.0])])
def test_weights_that_do_not_fit_are_refused(weights: np.ndarray) -> None:
    with pytest.raises(ValueError, match="weight"):
        summarise(Outcome(np.array([1, 2]), ()), weights=weights)


def test_wilson_interval_at_known_points() -> None:
    low, high = wilson_interval(0.5, 100)
    assert (low, high) == pytest.approx((0.4038, 0.5962), abs=1e-4)
    assert wilson_interval(1.0, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert wilson_interval(0.0, 10)[0] == 0.0
