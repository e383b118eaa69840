"""In which order to use models that do not all fit into memory, so that the least is loaded.

Every round uses each of N models once, in any order; a model must be loaded when it is used, what is loaded must fit
into the budget, and what was loaded stays until it is evicted.

*One round.* Let S be what is loaded when a round starts. A model of S can as well be used at once: it costs nothing,
and whatever happened to it later can happen to it still. A model outside S must be loaded in this round; to load
anything twice in a round, or ahead of its use, gains nothing over to load it when it is used. So with the models of S
first, a round costs exactly the loads of the models outside S, and no order costs less.

*What can be left.* The set T is loaded at the end if T fits, and every model outside both S and T fits beside what S
and T share: those go first, one after the other, then the models of T. Nothing else can be left without further loads.

*Many rounds.* So the least cost of r rounds from S is f_r(S) = cost(outside S) + min over T of f_{r-1}(T), f_0 = 0: a
shortest path over sets, which is solved here exactly. To keep more than T never costs more, so models are evicted only
where room is needed.

*Equal sizes.* If M of N models fit, a round starts with at most M, and with M it can leave M. From nothing loaded, R
rounds therefore load N + (R - 1) max(0, N - M) models at the least. For N = 3 and M = 1 the order found is that of
LLM 20 Questions' 11th place: G-L-M, M-G-L, L-M-G, two loads a round instead of three.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST_MODELS", "Plan", "PlannedRound", "Step", "least_loads", "plan"]

MOST_MODELS = 10
"""A plan weighs every pair of sets of models, 4 to the power of their number."""


class Step(NamedTuple):
    """The use of one model.

    Attributes:
        model: which.
        evicted: what goes first, to make room.
        is_load: whether it must be loaded.
    """

    model: int
    evicted: tuple[int, ...]
    is_load: bool


class PlannedRound(NamedTuple):
    """One round.

    Attributes:
        steps: each model's use, in order.
        kept: what must not be evicted in this round once it is loaded, for later rounds count on it.
        resident: what is loaded at the end.
    """

    steps: tuple[Step, ...]
    kept: frozenset[int]
    resident: frozenset[int]

    @property
    def order(self) -> tuple[int, ...]:
        """The models in the order of their use."""
        return tuple(step.model for step in self.steps)


class Plan(NamedTuple):
    """Rounds that cost as little as can be.

    Attributes:
        rounds: in order.
        loads: models loaded in all.
        cost: of these loads.
    """

    rounds: tuple[PlannedRound, ...]
    loads: int
    cost: float


def least_loads(models: int, fitting: int, rounds: int) -> int:
    """Return how many loads are needed from nothing loaded, for models of one size; see the module.

    Args:
        models: N, at least 1.
        fitting: how many fit at once, at least 1.
        rounds: at least 0.
    """
    if models < 1 or fitting < 1 or rounds < 0:
        raise ValueError(f"expected models >= 1, fitting >= 1 and rounds >= 0, got {models}, {fitting}, {rounds}")
    return models + (rounds - 1) * max(0, models - fitting) if rounds else 0


def plan(
    sizes: Sequence[int],
    budget: int,
    *,
    resident: Collection[int] = (),
    rounds: int = 20,
    costs: Sequence[float] | None = None,
) -> Plan:
    """Return the rounds that cost least; of equals, those whose orders rotate.

    Args:
        sizes: bytes of each model, at least 0; 1 to `MOST_MODELS` models.
        budget: bytes that fit.
        resident: the models that are loaded now; they must fit.
        rounds: how many are to come, at least 0.
        costs: of loading each model, at least 0, such as its bytes or seconds; by default 1 each.

    Raises:
        ValueError: if a model alone, or what is loaded now, exceeds the budget, or an argument is out of range.
    """
    count = len(sizes)
    if not 1 <= count <= MOST_MODELS:
        raise ValueError(f"expected 1 to {MOST_MODELS} models, got {count}")
    prices = [1.0] * count if costs is None else [float(cost) for cost in costs]
    if len(prices) != count or min(*sizes, *prices, rounds) < 0:
        raise ValueError("expected sizes, as many costs, and rounds, none of them negative")
    if max(sizes) > budget:
        raise ValueError(f"expected models of at most {budget} bytes, got one of {max(sizes)}")
    if not set(resident) <= set(range(count)) or sum(sizes[model] for model in set(resident)) > budget:
        raise ValueError(f"expected loaded models that are known and fit, got {sorted(resident)}")
    start = sum(1 << model for model in set(resident))
    return _plan(tuple(sizes), budget, start, rounds, tuple(prices))


@lru_cache(maxsize=256)
def _plan(sizes: tuple[int, ...], budget: int, start: int, rounds: int, prices: tuple[float, ...]) -> Plan:
    sets = np.arange(1 << len(sizes))
    missing = _totals(prices).astype(np.float64)[sets[::-1]]
    reachable = _reachable(sizes, budget)
    ahead = [np.zeros(len(sets))]
    for _ in range(rounds):
        ahead.append(missing + np.where(reachable, ahead[-1][None, :], np.inf).min(axis=1))
    planned, loaded, cost = [], start, 0.0
    for left in range(rounds - 1, -1, -1):
        future = np.where(reachable[loaded], ahead[left], np.inf)
        best = np.flatnonzero(future == future.min())
        best = best[missing[best] == missing[best].min()]
        # Of equals the one that comes before what is loaded, in a circle: so the orders rotate.
        kept = int(best[np.argmax((best - loaded) % len(sets))])
        cost += float(missing[loaded])
        steps, loaded = _steps(sizes, budget, loaded, kept)
        planned.append(PlannedRound(steps, frozenset(_members(kept)), frozenset(_members(loaded))))
    return Plan(tuple(planned), sum(step.is_load for done in planned for step in done.steps), cost)


def _reachable(sizes: tuple[int, ...], budget: int) -> NDArray[np.bool_]:
    """Return which sets (columns) can be left at the end of a round that starts with a set (rows)."""
    total = _totals(sizes)
    sets = np.arange(len(total))
    largest = np.zeros(len(sets), dtype=np.int64)
    for model, size in enumerate(sizes):
        largest = np.where(sets >> model & 1, np.maximum(largest, size), largest)
    first, last = sets[:, None], sets[None, :]
    passing = largest[~(first | last) & (len(sets) - 1)]
    reachable: NDArray[np.bool_] = (total[last] <= budget) & (passing + total[first & last] <= budget)
    return reachable


def _totals(values: tuple[int, ...] | tuple[float, ...]) -> NDArray[np.int64] | NDArray[np.float64]:
    """Return the sum over every set, which is written as a number with one bit a model."""
    sets = np.arange(1 << len(values))
    return sum((np.asarray(value) * (sets >> model & 1) for model, value in enumerate(values)), start=0 * sets)


def _steps(sizes: tuple[int, ...], budget: int, loaded: int, kept: int) -> tuple[tuple[Step, ...], int]:
    """Return the uses of one round, and what is loaded after it."""
    steps = [Step(model, (), False) for model in _members(loaded)]
    others = [model for model in range(len(sizes)) if not loaded >> model & 1]
    for model in sorted(others, key=lambda other: kept >> other & 1):
        evicted = []
        room = budget - sum(sizes[other] for other in _members(loaded)) - sizes[model]
        for other in sorted(_members(loaded & ~kept), key=lambda other: -sizes[other]):
            if room >= 0:
                break
            evicted.append(other)
            room += sizes[other]
            loaded &= ~(1 << other)
        loaded |= 1 << model
        steps.append(Step(model, tuple(evicted), True))
    return tuple(steps), loaded


def _members(chosen: int) -> list[int]:
    return [model for model in range(chosen.bit_length()) if chosen >> model & 1]
