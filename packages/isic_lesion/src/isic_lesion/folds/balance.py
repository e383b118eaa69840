"""Dealing groups of rows into parts that are alike.

Let s_g be the shares of group g in each class: its rows of class c over all rows of class c. A part has the
sums x_f over its groups; all parts are alike when each x_fc = 1 / K. What is made small is

    J = sum over f, c of (x_fc - 1 / K)^2,

in which every class weighs the same however rare it is, and which vanishes exactly when each part has the same
proportions and the same size. Adding g to part f changes J by 2 s_g.x_f + |s_g|^2 - (2 / K) sum s_g, of which only the
first term depends on f: so the large groups go first, each to the part whose inner product with it is least. Then
single moves and exchanges of two groups follow while any of them lowers J: a move from a to b changes it by
2 s.(x_b - x_a) + 2 |s|^2, an exchange by the same with s = s_g - s_h. Of a few such searches the best is taken.

The first step is that of scikit-learn's StratifiedGroupKFold, whose measure is the mean over classes of the standard
deviation of x_fc over f; the second is ours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["balance_groups", "imbalance"]

_LEAST_GAIN = 1e-10  # of J: parts that differ by 1e-5 of a class are alike
_MOST_EXCHANGES = 2_000  # groups: beyond that many, the smallest of them even out what is left
_MOST_STEPS = 2_000
_STARTS = 8  # each ends in an optimum of its own; the best is taken


def balance_groups(counts: NDArray[np.integer], num_parts: int, seed: int) -> NDArray[np.uint8]:
    """Return the part of each group, such that classes are spread evenly; no part is empty that need not be.

    Groups of similar size (within a factor of two) are dealt in random order, so that other seeds give other parts.

    Args:
        counts: rows of each group in each class, at least one row a group; shape (groups, classes).
        num_parts: how many parts there are, from 1 to 256.
        seed: of the order.

    Returns:
        Numbers from 0 to `num_parts` - 1, shape (groups,).
    """
    counts = np.asarray(counts, dtype=np.float64)
    totals = counts.sum(axis=0)
    shares = counts[:, totals > 0] / totals[totals > 0]
    band = np.floor(np.log2((shares**2).sum(axis=1)) / 2)
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(_STARTS if len(counts) <= _MOST_EXCHANGES else 1):
        order = rng.permutation(len(counts))
        part = _dealt(shares, order[np.argsort(-band[order], kind="stable")], num_parts)
        found.append(_refined(shares, part, num_parts))
    return min(found, key=lambda part: (_held(shares, part, num_parts) ** 2).sum()).astype(np.uint8)


def imbalance(counts: NDArray[np.integer], part: NDArray[np.integer], num_parts: int) -> NDArray[np.float64]:
    """Return, for each class, the standard deviation over parts of their share of it; shape (classes,).

    A class without rows has none. The mean over classes is what scikit-learn's StratifiedGroupKFold makes small.
    """
    counts = np.asarray(counts, dtype=np.float64)
    shares = counts / np.maximum(counts.sum(axis=0), 1)
    deviation: NDArray[np.float64] = _held(shares, part, num_parts).std(axis=0)
    return deviation


def _held(shares: NDArray[np.float64], part: NDArray[np.integer], num_parts: int) -> NDArray[np.float64]:
    """Return the shares of each part, shape (parts, classes)."""
    held = np.zeros((num_parts, shares.shape[1]))
    np.add.at(held, part, shares)
    return held


def _dealt(shares: NDArray[np.float64], order: NDArray[np.intp], num_parts: int) -> NDArray[np.intp]:
    """Deal groups in turn to the part of least inner product; among equals to the least filled."""
    part = np.zeros(len(shares), dtype=np.intp)
    rows = shares.tolist()
    held = [[0.0] * shares.shape[1] for _ in range(num_parts)]
    numbers = [0] * num_parts
    for group in order.tolist():
        row = rows[group]
        chosen = min(
            range(num_parts),
            key=lambda f: (sum(s * x for s, x in zip(row, held[f], strict=True)), sum(held[f]), numbers[f]),
        )
        held[chosen] = [s + x for s, x in zip(row, held[chosen], strict=True)]
        numbers[chosen] += 1
        part[group] = chosen
    return part


def _refined(shares: NDArray[np.float64], part: NDArray[np.intp], num_parts: int) -> NDArray[np.intp]:
    """Move or exchange groups, the best step first, while that lowers J."""
    part = part.copy()
    for _ in range(_MOST_STEPS):
        held = _held(shares, part, num_parts)
        changes = _best_move(shares, part, held)
        if not changes and len(shares) <= _MOST_EXCHANGES:
            changes = _best_exchange(shares, part, held)
        if not changes:
            break
        for group, to in changes:
            part[group] = to
    return part


def _best_move(shares: NDArray[np.float64], part: NDArray[np.intp], held: NDArray[np.float64]) -> list[tuple[int, int]]:
    reach = shares @ held.T
    here = reach[np.arange(len(shares)), part]
    change = 2 * (reach - (here - (shares**2).sum(axis=1))[:, None])
    change[np.arange(len(shares)), part] = 0
    if not change.size or change.min() > -_LEAST_GAIN:
        return []
    group, to = np.unravel_index(change.argmin(), change.shape)
    return [(int(group), int(to))]


def _best_exchange(
    shares: NDArray[np.float64], part: NDArray[np.intp], held: NDArray[np.float64]
) -> list[tuple[int, int]]:
    # With d = s_g - s_h, a = part of g, b = part of h: 2 d.(x_b - x_a) + 2 |d|^2, spelled out in inner products.
    reach = (shares @ held.T)[:, part]  # (g, h): s_g . x_part(h)
    here = np.diagonal(reach)
    squares = (shares**2).sum(axis=1)
    apart = squares[:, None] + squares[None, :] - 2 * (shares @ shares.T)
    change = 2 * (reach + reach.T - here[:, None] - here[None, :] + apart)
    change[part[:, None] == part[None, :]] = 0
    if not change.size or change.min() > -_LEAST_GAIN:
        return []
    first, second = np.unravel_index(change.argmin(), change.shape)
    return [(int(first), int(part[second])), (int(second), int(part[first]))]
