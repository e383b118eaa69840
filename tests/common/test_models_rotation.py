"""The planned orders load the least that any order and any evictions can."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import cache

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from furikaeri_common.models.rotation import MOST_MODELS, Plan, least_loads, plan


def subsets(members: frozenset[int]) -> Iterator[frozenset[int]]:
    for size in range(len(members) + 1):
        yield from map(frozenset, itertools.combinations(members, size))


def least_by_trying(
    sizes: tuple[int, ...], budget: int, resident: frozenset[int], rounds: int, costs: tuple[float, ...]
) -> float:
    """The least cost over every order of every round, and every choice of what to evict before any use."""
    everything = frozenset(range(len(sizes)))

    @cache
    def least(loaded: frozenset[int], unused: frozenset[int], left: int) -> float:
        if not unused:
            return 0.0 if left == 1 else least(loaded, everything, left - 1)
        found = []
        for model in unused:
            for kept in subsets(loaded):
                after = kept | {model}
                if sum(sizes[other] for other in after) <= budget:
                    price = 0.0 if model in kept else costs[model]
                    found.append(price + least(after, unused - {model}, left))
        return min(found)

    return least(resident, everything, rounds) if rounds else 0.0


def check(
    planned: Plan, sizes: tuple[int, ...], budget: int, resident: frozenset[int], costs: tuple[float, ...]
) -> None:
    """Carry a plan out, and see that it does what it says."""
    loaded, loads, cost = set(resident), 0, 0.0
    for done in planned.rounds:
        assert sorted(done.order) == list(range(len(sizes)))
        used: set[int] = set()
        for step in done.steps:
            assert set(step.evicted) <= loaded & used - done.kept
            loaded -= set(step.evicted)
            assert step.is_load == (step.model not in loaded)
            loads += step.is_load
            cost += costs[step.model] * step.is_load
            loaded.add(step.model)
            used.add(step.model)
            assert sum(sizes[model] for model in loaded) <= budget
        assert loaded == done.resident
        assert done.kept <= loaded
    assert planned.loads == loads
    assert planned.cost == pytest.approx(cost)


@st.composite
def instances(draw: st.DrawFn) -> tuple[tuple[int, ...], int, frozenset[int], int, tuple[float, ...] | None]:
    count = draw(st.integers(1, 4))
    sizes = tuple(draw(st.lists(st.integers(0, 6), min_size=count, max_size=count)))
    budget = draw(st.integers(max(sizes), max(1, sum(sizes))))
    resident: frozenset[int] = frozenset()
    for model in draw(st.permutations(range(count))):
        if draw(st.booleans()) and sum(sizes[other] for other in resident) + sizes[model] <= budget:
            resident |= {model}
    costs = draw(st.none() | st.lists(st.integers(0, 5).map(float), min_size=count, max_size=count).map(tuple))
    return sizes, budget, resident, draw(st.integers(0, 4)), costs


@settings(max_examples=150, deadline=None)
@given(instances())
@example(((3, 2, 2), 4, frozenset(), 4, None))
@example(((5, 1, 1, 3), 6, frozenset({0}), 4, (9.0, 1.0, 1.0, 2.0)))
def test_no_order_and_no_eviction_costs_less(instance) -> None:
    sizes, budget, resident, rounds, costs = instance
    planned = plan(sizes, budget, resident=resident, rounds=rounds, costs=costs)
    prices = costs or (1.0,) * len(sizes)
    check(planned, sizes, budget, resident, prices)
    assert planned.cost == pytest.approx(least_by_trying(sizes, budget, resident, rounds, prices))


@pytest.mark.parametrize("models", range(1, 6))
@pytest.mark.parametrize("fitting", range(1, 6))
@pytest.mark.parametrize("rounds", [0, 1, 2, 7, 20])
def test_equal_sizes_load_what_the_formula_says(models: int, fitting: int, rounds: int) -> None:
    planned = plan([7] * models, 7 * fitting + 6, rounds=rounds)
    assert planned.loads == planned.cost == least_loads(models, fitting, rounds)


def test_the_original_rotation_comes_out() -> None:
    rounds = plan([1, 1, 1], 1, rounds=4).rounds
    assert ["".join("GLM"[model] for model in done.order) for done in rounds] == ["GLM", "MGL", "LMG", "GLM"]
    assert [sum(step.is_load for step in done.steps) for done in rounds] == [3, 2, 2, 2]


def test_costs_decide_what_stays() -> None:
    dear_first = plan([1, 1, 1], 2, rounds=20, costs=[10, 1, 1])
    assert all(0 in done.resident for done in dear_first.rounds)
    assert dear_first.cost == 12 + 19


def test_nothing_is_evicted_where_all_fits() -> None:
    planned = plan([3, 4, 5], 12, resident=[1], rounds=3)
    assert planned.loads == 2
    assert not any(step.evicted for done in planned.rounds for step in done.steps)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sizes": [], "budget": 1}, "1 to 10 models, got 0"),
        ({"sizes": [1] * (MOST_MODELS + 1), "budget": 1}, "got 11"),
        ({"sizes": [1, 5], "budget": 4}, "at most 4 bytes, got one of 5"),
        ({"sizes": [2, 2], "budget": 3, "resident": [0, 1]}, r"known and fit, got \[0, 1\]"),
        ({"sizes": [2, 2], "budget": 3, "resident": [2]}, r"got \[2\]"),
        ({"sizes": [2, 2], "budget": 3, "costs": [1]}, "as many costs"),
        ({"sizes": [2, -2], "budget": 3}, "none of them negative"),
        ({"sizes": [2], "budget": 3, "rounds": -1}, "none of them negative"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        plan(**arguments)


@pytest.mark.parametrize("arguments", [(0, 1, 1), (1, 0, 1), (1, 1, -1)])
def test_the_formula_knows_its_range(arguments) -> None:
    with pytest.raises(ValueError, match="expected models >= 1"):
        least_loads(*arguments)
