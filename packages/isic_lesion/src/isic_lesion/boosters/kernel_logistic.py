"""Penalised logistic regression in the space of a kernel: coefficients of the training rows.

With a kernel matrix K, labels t in {0, 1}, weights w and an intercept b, the minimum over a of

    penalty / 2 a'Ka - sum_i w_i (t_i log s(f_i) + (1 - t_i) log(1 - s(f_i))),

with f = b + K a and s(f) = 1 / (1 + exp(-f)), is found by Newton's method (C. E. Rasmussen and C. K. I. Williams,
"Gaussian Processes for Machine Learning", 2006, section 3.4, there with weights 1): with p = s(f), W = w p (1 - p) and
g = w (t - p) - penalty a, a step adds (penalty + W K)^-1 g to a, which by the matrix inversion lemma is

    (g - W^1/2 B^-1 W^1/2 K g / penalty) / penalty,    B = I + W^1/2 K W^1/2 / penalty.

B has eigenvalues of at least 1, whatever ties the rows have, so conjugate gradients (M. Hestenes and E. Stiefel,
"Methods of conjugate gradients for solving linear systems", 1952) solve for it; a step that makes the sum worse is
halved. There is no factor of a matrix and no matrix product of BLAS, whose last bits depend on its number of threads:
all sums here are added up in one order.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Logistic", "Numbers", "fit_logistic"]

Numbers: TypeAlias = NDArray[np.float64]

_TOLERANCE = 1e-10  # of the sum, relative: then no step is worth taking
_ACCURACY = 1e-7  # of each step, relative; what is left of the pull goes into the next
_MOST_ITERATIONS = 1000
_HALVINGS = 20


class Logistic(NamedTuple):
    """What was found.

    Attributes:
        coefficients: `a`; shape (N,).
        steps: that were taken.
    """

    coefficients: Numbers
    steps: int


def fit_logistic(
    kernel: Numbers, labels: Numbers, weights: Numbers, *, intercept: float, penalty: float, steps: int
) -> Logistic:
    """Return the coefficients at the minimum; the same bits whatever the threads.

    Args:
        kernel: of every row and every row, symmetric and positive semidefinite; shape (N, N).
        labels: 0 or 1, shape (N,).
        weights: at least 0, shape (N,).
        intercept: `b`.
        penalty: above 0.
        steps: of Newton's method at most, at least 1.
    """
    signs = 2 * labels - 1

    def loss(coefficients: Numbers, raised: Numbers) -> float:
        misfit = np.logaddexp(0, -signs * (raised + intercept))
        return float(penalty / 2 * _sum(coefficients * raised) + _sum(weights * misfit))

    coefficients = np.zeros(len(labels))
    raised = np.zeros(len(labels))  # K a: what the rows add to the intercept
    best = loss(coefficients, raised)
    for step in range(1, steps + 1):
        share = 1 / (1 + np.exp(-np.clip(raised + intercept, -500, 500)))
        root = np.sqrt(weights * share * (1 - share))
        pull = weights * (labels - share) - penalty * coefficients
        solved = _conjugate_gradients(kernel, root, penalty, root * _times(kernel, pull) / penalty)
        change = (pull - root * solved) / penalty
        moved = _times(kernel, change)
        for _ in range(_HALVINGS):
            value = loss(coefficients + change, raised + moved)
            if value <= best:
                break
            change, moved = change / 2, moved / 2
        else:
            return Logistic(coefficients, step)
        coefficients, raised = coefficients + change, raised + moved
        gained, best = best - value, value
        if gained <= _TOLERANCE * abs(best):
            return Logistic(coefficients, step)
    return Logistic(coefficients, steps)


def _conjugate_gradients(kernel: Numbers, root: Numbers, penalty: float, right: Numbers) -> Numbers:
    """Return B^-1 `right`, scaled by the diagonal of B where the kernel's is 1."""
    diagonal = 1 + root * root / penalty
    found, left = np.zeros_like(right), right.copy()
    scaled = left / diagonal
    direction, size = scaled, _sum(left * scaled)
    enough = size * _ACCURACY**2
    for _ in range(_MOST_ITERATIONS):
        if size <= enough:
            break
        image = direction + root * _times(kernel, root * direction) / penalty
        length = size / _sum(direction * image)
        found, left = found + length * direction, left - length * image
        scaled = left / diagonal
        before, size = size, _sum(left * scaled)
        direction = scaled + size / before * direction
    return found


def _times(matrix: Numbers, vector: Numbers) -> Numbers:
    """Return the product, row by row in one order, which a product of BLAS does not promise."""
    product: Numbers = np.einsum("ij,j->i", matrix, vector, optimize=False)
    return product


def _sum(values: Numbers) -> float:
    return float(np.add.reduce(values))
