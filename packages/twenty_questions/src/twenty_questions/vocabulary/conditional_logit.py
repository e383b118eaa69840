"""A log-linear distribution over a vocabulary, fitted to words that were drawn from it.

    p_k = exp(x_k . b) / sum_j exp(x_j . b)

is the model by which people choose one of many things (McFadden 1974, "Conditional logit analysis of qualitative choice
behavior"). It is fitted by the largest penalised likelihood of the words that were seen,

    L(b) = sum_i w_i log p_(k_i) - (ridge / 2) |b|^2,

which is concave: the gradient is sum_i w_i x_(k_i) - W E_p[x] - ridge b, and minus the Hessian W Cov_p[x] + ridge I,
with W = sum_i w_i. Newton's method with step halving finds the one optimum in a few passes over the vocabulary. At it
the mean of every feature by the model, E_p[x], is that of the seen words less (ridge / W) b: a small penalty leaves the
model calibrated in every feature, on the words that it was fitted to.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["fit_conditional_logit", "log_softmax"]

_BLOCK = 65_536


def fit_conditional_logit(
    features: NDArray[np.float32],
    rows: NDArray[np.intp],
    weights: NDArray[np.float64],
    *,
    ridge: float,
    steps: int = 50,
) -> NDArray[np.float64]:
    """Return the coefficients of the largest penalised likelihood.

    Args:
        features: float32, shape (N, F), of every word, of about unit spread.
        rows: shape (n,), the words that were seen.
        weights: shape (n,), positive: how much each counts.
        ridge: penalty, > 0.
        steps: the most steps of Newton's method, at least 1.

    Returns:
        float64, shape (F,).

    Raises:
        ValueError: if shapes do not fit or a number is out of range.
    """
    if features.ndim != 2 or rows.shape != weights.shape or not rows.size:
        raise ValueError(f"expected (N, F) features, seen rows and a weight each, got {features.shape}, {rows.shape}")
    if not ridge > 0 or not (weights > 0).all():
        raise ValueError("expected ridge > 0 and weights > 0")
    total = float(weights.sum())
    seen = weights @ features[rows].astype(np.float64)

    def objective(b: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        log_p = log_softmax(_scores(features, b))
        return float(weights @ log_p[rows] - ridge / 2 * b @ b), log_p

    b = np.zeros(features.shape[1])
    value, log_p = objective(b)
    for _ in range(steps):
        mean, second = _moments(features, np.exp(log_p))
        gradient = seen - total * mean - ridge * b
        curvature = total * (second - np.outer(mean, mean)) + ridge * np.eye(len(b))
        step = np.linalg.solve(curvature, gradient)
        if gradient @ step < 1e-8 * total:
            break
        length = 1.0
        while length > 1e-6:
            tried, log_tried = objective(b + length * step)
            if tried >= value:
                break
            length /= 2
        else:
            break
        b, value, log_p = b + length * step, tried, log_tried
    return b


def log_softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log-probabilities in proportion to exp(scores); same shape (N,)."""
    shifted = scores - scores.max()
    return np.asarray(shifted - np.log(np.exp(shifted).sum()))


def _scores(features: NDArray[np.float32], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(features @ b.astype(np.float32), dtype=np.float64)


def _moments(features: NDArray[np.float32], p: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return E_p[x] and E_p[x x'], in blocks of rows so that no second copy of the features is made."""
    size = features.shape[1]
    mean, second = np.zeros(size), np.zeros((size, size))
    for first in range(0, len(features), _BLOCK):
        block = features[first : first + _BLOCK].astype(np.float64)
        weighted = block * p[first : first + _BLOCK, None]
        mean += weighted.sum(axis=0)
        second += weighted.T @ block
    return mean, second
