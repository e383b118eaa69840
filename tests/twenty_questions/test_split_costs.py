"""Costs of splits, against rounds counted rank by rank; lists that reach the limit, with every game played out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twenty_questions.evaluation import fewest_rounds
from twenty_questions.split_costs import costs_of_boundaries, soonest_boundary, soonest_list

masses = st.lists(st.floats(0.01, 1), min_size=2, max_size=40).map(np.array)


def cost_of_side(side: np.ndarray, rounds_left: int | None) -> float:
    cost = 0.0
    for rank, mass in enumerate(sorted(side, reverse=True), start=1):
        number = rank.bit_length()
        cost += mass * (number if rounds_left is None or number <= rounds_left else rounds_left + 2)
    return cost


@given(mass=masses, rounds_left=st.one_of(st.none(), st.integers(0, 4)))
def test_costs_are_those_counted_rank_by_rank(mass: np.ndarray, rounds_left: int | None) -> None:
    boundaries = np.arange(mass.size + 1)
    expected = [cost_of_side(mass[:b], rounds_left) + cost_of_side(mass[b:], rounds_left) for b in boundaries]
    np.testing.assert_allclose(costs_of_boundaries(mass, boundaries, rounds_left=rounds_left), expected)


def test_many_boundaries_of_many_words_are_taken_in_parts() -> None:
    mass = np.random.default_rng(0).lognormal(0, 1, 20_000)
    boundaries = np.arange(5_000, 15_000, 400)
    costs = costs_of_boundaries(mass, boundaries)
    assert costs[7] == pytest.approx(costs_of_boundaries(mass, boundaries[7:8])[0])
    assert costs[20] == pytest.approx(cost_of_side(mass[:13_000], None) + cost_of_side(mass[13_000:], None))


@given(masses)
def test_no_split_costs_less_than_the_limit(mass: np.ndarray) -> None:
    costs = costs_of_boundaries(mass, np.arange(mass.size + 1))
    assert costs.min() >= fewest_rounds(mass) * mass.sum() - 1e-9


@given(mass=masses, rounds_left=st.one_of(st.none(), st.integers(1, 4)))
def test_the_soonest_boundary_costs_least_of_all(mass: np.ndarray, rounds_left: int | None) -> None:
    costs = costs_of_boundaries(mass, np.arange(1, mass.size), rounds_left=rounds_left)
    chosen = soonest_boundary(mass, second_looks=0, rounds_left=rounds_left)
    assert costs[chosen - 1] == pytest.approx(costs.min())


@given(mass=masses, rounds_left=st.one_of(st.none(), st.integers(1, 4)))
def test_second_looks_find_the_split_that_is_best_after_two_rounds(mass: np.ndarray, rounds_left: int | None) -> None:
    def two_rounds(boundary: int) -> float:
        total = float(mass.sum())
        for side in (mass[:boundary], mass[boundary:]):
            rest = np.delete(side, side.argmax())
            later = None if rounds_left is None else rounds_left - 1
            total += costs_of_boundaries(rest, np.arange(max(1, rest.size)), rounds_left=later).min()
        return total

    values = [two_rounds(boundary) for boundary in range(1, mass.size)]
    chosen = soonest_boundary(mass, second_looks=mass.size, rounds_left=rounds_left)
    if mass.size > 3 and rounds_left != 1:
        assert values[chosen - 1] == pytest.approx(min(values))
    assert 1 <= chosen < mass.size


def test_a_word_of_nearly_all_mass_does_not_keep_the_others_from_being_parted() -> None:
    # Half of the mass lies beside the first word; a hit there aside, 100 words would be left in one piece.
    mass = np.concatenate(([0.95], np.full(100, 0.05 / 100)))
    assert 30 < soonest_boundary(mass) < 72
    assert 30 < soonest_boundary(mass[::-1].copy()) < 72


def test_the_end_of_the_game_moves_the_split() -> None:
    # In the last round one word a side can be found: the best of each, wherever half of the mass is.
    mass = np.array([3.0, 5.0, 1.0, 1.0, 1.0, 1.0])
    assert soonest_boundary(mass, rounds_left=1) == 1
    six_in_order = np.array([6.0, 5.0, 4.0, 3.0, 2.0, 1.0])
    assert soonest_boundary(six_in_order, rounds_left=1) == 1
    assert soonest_boundary(six_in_order) > 1


def test_an_order_may_keep_boundaries_from_the_limit() -> None:
    six_in_order = np.array([6.0, 5.0, 4.0, 3.0, 2.0, 1.0])
    costs = costs_of_boundaries(six_in_order, np.arange(1, 6))
    assert costs.min() > fewest_rounds(six_in_order) * 21 + 0.5


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=40).map(np.array))
def test_lists_reach_the_limit(mass: np.ndarray) -> None:
    found = np.zeros(mass.size, dtype=int)

    def play(left: np.ndarray, number: int) -> None:
        inside = soonest_list(mass[left])
        assert np.count_nonzero(inside) <= left.size / 2
        for side in (left[inside], left[~inside]):
            if side.size:
                best = side[mass[side].argmax()]
                found[best] = number
                play(side[side != best], number + 1) if side.size > 1 else None

    play(np.arange(mass.size), 1)
    assert mass @ found == pytest.approx(fewest_rounds(mass) * mass.sum())
