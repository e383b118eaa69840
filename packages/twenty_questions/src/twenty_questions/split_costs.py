"""What splits cost in rounds at the least, and the split after which that is least.

In a round a question is answered and then a word is guessed, so after r answers 2^r histories have guessed, and words
of probabilities p_(1) >= p_(2) >= ... take at least

    C = sum_i p_(i) floor(log2(i + 1))

rounds (see `evaluation.fewest_rounds`). Once a question has parted the words in two, the best of each side is guessed
in this round, the next two of it in the next, and so on: a side takes at least sum_i p_(i) (floor(log2 i) + 1), with i
the rank within the side. The sum over both sides is what a split costs at the least.

**With any subset, C is reached.** Put the word of rank i at node i + 1 of a binary heap: it lies at depth
floor(log2(i + 1)), and the root holds none. Ask, at each node, whether the keyword lies below its left child, and guess
the word of the child that the answer leads to. The word of rank i is then guessed in the round of its depth, whatever
the probabilities. Within a depth words may change places, so any subset does that holds half of each full depth, and
of the last one neither holds nor leaves more than half of its places. `soonest_list` takes one with at most half of the
words. So once at most 2 m words are left, questions "is it one of ..." over m words reach the limit.

**With boundaries of an order, C need not be reached.** Six words may lie in the order of their probabilities. Ranks 1
and 2 are parted by the boundary after the first word only, and then five words are on one side, of which three can be
guessed in two rounds. How much is lost depends on the list. For a million words with a heavy tail at random
alphabetical places, halving the mass loses 0.15 rounds in all. The boundary of least cost loses 0.12, if it is looked
for among up to 5,000 words, and 0.10 to 0.11 among up to 30,000 with a second look. Little of that is lost at the end:
0.004 rounds with fewer than 16 words left, 0.012 with fewer than 64, so exact play or lists could gain no more there.
To guess another word than the most probable, for the sake of the next split, gains less than 0.003.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["costs_of_boundaries", "soonest_boundary", "soonest_list"]

_CELLS = 1 << 18
_ALL_BOUNDARIES = 64


def costs_of_boundaries(
    mass: NDArray[np.float64], boundaries: NDArray[np.intp], *, rounds_left: int | None = None
) -> NDArray[np.float64]:
    """Return what splits cost at the least, in rounds times mass: the round of the question counts as 1.

    Args:
        mass: float64, shape (m,), positive, of words in their order; it need not sum to 1.
        boundaries: integers of shape (B,) in 0..m; a boundary b parts the first b words from the others.
        rounds_left: how many rounds are left, this one included. A word found in none of them counts as if found in
            round `rounds_left` + 2, since a hit in the last round is worth 1 and none -1. By default there is no end.

    Returns:
        float64, shape (B,).
    """
    descending = np.argsort(-mass, kind="stable")
    levels = _levels(mass.size, rounds_left)
    sorted_mass = mass[descending]
    ranks = np.arange(1, mass.size + 1, dtype=np.int32)
    costs = np.empty(len(boundaries))
    step = max(1, _CELLS // max(1, mass.size))
    for first in range(0, len(boundaries), step):
        before = descending < np.asarray(boundaries[first : first + step])[:, None]
        rank = np.cumsum(before, axis=1, dtype=np.int32)
        rank = np.where(before, rank, ranks - rank)
        costs[first : first + step] = levels[rank] @ sorted_mass
    return costs


def soonest_boundary(
    mass: NDArray[np.float64],
    *,
    num_boundaries: int = 33,
    span: float = 0.15,
    second_looks: int = 8,
    rounds_left: int | None = None,
) -> int:
    """Return the boundary after whose split the words can be found soonest, as far as it can be told cheaply.

    Boundaries are spread evenly over those with a share of the mass within `span` of a half, the best word apart; of up
    to 64 words all are tried. For the best few the cost is that after the next split: each side without its guess is
    split at its best.

    Args:
        mass: float64, shape (m,), m >= 2, positive, of words in their order; it need not sum to 1.
        num_boundaries: how many boundaries are tried, at least 1.
        span: how far from one half the share of the mass before a boundary may be, the best word apart, in [0, 1/2].
        second_looks: how many of them are looked at twice; 0 or 1 for none.
        rounds_left: see `costs_of_boundaries`.

    Returns:
        A boundary in 1..m-1; of equals the first of those nearest to half of the mass.
    """
    boundaries, apart = _candidates(mass, num_boundaries, span)
    if boundaries.size == 1:
        return int(boundaries[0])
    costs = costs_of_boundaries(mass, boundaries, rounds_left=rounds_left)
    total = float(mass.sum())
    if second_looks > 1 and mass.size > 3 and (rounds_left is None or rounds_left > 1):
        kept = _best_first(costs / total, apart)[:second_looks]
        boundaries, apart = boundaries[kept], apart[kept]
        later = None if rounds_left is None else rounds_left - 1
        costs = np.array(
            [
                total + sum(_after_guess(side, num_boundaries, span, later) for side in np.split(mass, [boundary]))
                for boundary in boundaries
            ]
        )
    return int(boundaries[_best_first(costs / total, apart)[0]])


def soonest_list(mass: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return a subset to ask for, "is the keyword one of ...", after which the words can be found at the limit.

    Ranks 1 and 2 are parted, of ranks 3 to 6 two are on either side, and so on (see above). Within these bounds the
    mass is halved as well as taking turns does.

    Args:
        mass: float64, shape (m,), positive, in any order; it need not sum to 1.

    Returns:
        bool, shape (m,): at most half of the words.
    """
    descending = np.argsort(-mass, kind="stable")
    turns = np.arange(mass.size)
    # Pairs of neighbouring ranks are parted, the better of the two first to one side and then to the other.
    inside = np.zeros(mass.size, dtype=np.bool_)
    inside[descending] = (turns % 2) ^ ((turns // 2) % 2) == (1 if mass.size % 4 == 1 else 0)
    return inside


def _best_first(costs: NDArray[np.float64], apart: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the order by cost, then by distance from half; what differs by rounding alone is equal."""
    return np.lexsort((np.round(apart, 10), np.round(costs, 10)))


def _after_guess(side: NDArray[np.float64], num_boundaries: int, span: float, rounds_left: int | None) -> float:
    """Return the least cost of a side's words without the best, over what the next split may be."""
    rest = np.delete(side, side.argmax())
    if rest.size < 2:
        return float(rest.sum()) * (1.0 if rounds_left != 0 else 2.0)
    boundaries, _ = _candidates(rest, num_boundaries, span)
    return float(costs_of_boundaries(rest, boundaries, rounds_left=rounds_left).min())


def _candidates(mass: NDArray[np.float64], number: int, span: float) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return boundaries worth a look, that nearest to half of the mass among them, and how far from half each is.

    The best word is guessed whichever side it falls to, so it is the mass of the others that should be about halved.
    """
    before = np.cumsum(mass)
    apart = np.abs(before[:-1] / before[-1] - 0.5)
    if mass.size <= _ALL_BOUNDARIES:
        return np.arange(1, mass.size), apart
    best = int(mass.argmax())
    others = before[:-1] - np.where(np.arange(mass.size - 1) >= best, mass[best], 0.0)
    others_apart = np.abs(others / (before[-1] - mass[best]) - 0.5)
    near = np.flatnonzero(others_apart <= max(span, float(others_apart.min())))
    spread = np.linspace(near[0], near[-1], number).astype(np.intp)
    taken = np.unique(np.append(spread, apart.argmin()))
    return taken + 1, apart[taken]


def _levels(count: int, rounds_left: int | None) -> NDArray[np.float64]:
    """Return the round in which each rank of a side, from 1, is guessed at the soonest; rank 0 is not used."""
    levels = np.frexp(np.arange(count + 1, dtype=np.float64))[1].astype(np.float64)
    if rounds_left is not None:
        levels[levels > rounds_left] = rounds_left + 2
    return levels
