"""Two guessers on the same games: figures by hand, and where there are none."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twenty_questions.studies.beside_specialists import beside


def rounds(*found_in: int) -> np.ndarray:
    return np.array(found_in, dtype=np.int64)


def test_figures_by_hand() -> None:
    figures = beside(rounds(3, 0, 5, 8, 0), rounds(2, 4, 5, 0, 0), rounds=20, seed=0)
    assert figures.games == 5
    assert figures.extra_rounds.value == pytest.approx((3 + 5 + 8) / 3 - (2 + 4 + 5) / 3)
    assert figures.extra_rounds_both.value == pytest.approx(((3 - 2) + (5 - 5)) / 2)
    assert figures.find_ratio.value == pytest.approx(1)
    assert figures.rewards.value == pytest.approx(((18 - 19) + (-1 - 17) + 0 + (13 + 1) + 0) / 5)


def test_the_reward_counts_the_rounds_of_the_game() -> None:
    assert beside(rounds(2), rounds(0), rounds=6, seed=0).rewards.value == (6 + 1 - 2) + 1


@given(st.lists(st.integers(0, 20), min_size=1, max_size=30).filter(any))
def test_the_same_games_cost_nothing(found_in: list[int]) -> None:
    figures = beside(rounds(*found_in), rounds(*found_in), rounds=20, seed=1)
    for cost in (figures.extra_rounds, figures.extra_rounds_both, figures.rewards):
        assert cost.value == 0
        assert cost.low == cost.high == 0 or math.isnan(cost.low)
    assert figures.find_ratio.value == 1


def test_where_nothing_is_found_there_are_no_rounds_to_compare() -> None:
    nothing, all_found = rounds(0, 0, 0), rounds(4, 5, 6)
    figures = beside(nothing, all_found, rounds=20, seed=0)
    assert math.isnan(figures.extra_rounds.value)
    assert math.isnan(figures.extra_rounds_both.value)
    assert figures.find_ratio.value == 0
    assert figures.rewards.value == pytest.approx(-1 - 16)
    figures = beside(all_found, nothing, rounds=20, seed=0)
    assert math.isnan(figures.find_ratio.value)
    figures = beside(rounds(3, 0), rounds(0, 3), rounds=20, seed=0)
    assert figures.extra_rounds.value == 0
    assert math.isnan(figures.extra_rounds_both.value)


def test_intervals_are_of_paired_games() -> None:
    """A cost that is the same in every game has no spread, however the games themselves differ."""
    chance = np.random.default_rng(3)
    theirs = chance.integers(1, 18, size=300)
    figures = beside(theirs + 2, theirs, rounds=20, seed=4)
    for cost, expected in ((figures.extra_rounds, 2), (figures.extra_rounds_both, 2), (figures.rewards, -2)):
        assert (cost.value, cost.low, cost.high) == pytest.approx((expected,) * 3)
    noisy = beside(theirs + chance.integers(0, 3, size=300), theirs, rounds=20, seed=4)
    assert noisy.rewards.low < noisy.rewards.value < noisy.rewards.high
    assert noisy.rewards.value == pytest.approx(-1, abs=0.2)
    # The normal interval of the mean of a difference of variance 2/3.
    assert noisy.rewards.high - noisy.rewards.low == pytest.approx(2 * 1.96 * math.sqrt(2 / 3 / 300), rel=0.2)


def test_the_seed_decides_the_intervals() -> None:
    ours, theirs = np.random.default_rng(5).integers(0, 20, size=(2, 80))
    first, same, other = (beside(ours, theirs, rounds=20, seed=seed) for seed in (1, 1, 2))
    assert first == same
    assert first.rewards != other.rewards
    assert first.rewards.value == other.rewards.value


@pytest.mark.parametrize(("ours", "theirs"), [((), ()), ((1, 2), (1,))])
def test_other_games_are_refused(ours: tuple[int, ...], theirs: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected the same games, at least one"):
        beside(rounds(*ours), rounds(*theirs), rounds=20, seed=0)
