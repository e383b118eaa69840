"""The belief about the secret: a posterior over keywords, and the keywords that a wrong guess has ruled out.

The two are kept apart. Answers may lie, so evidence only ever moves probability; a wrong guess is certain, so it
strikes a keyword out. The evidence under it is kept all the same, so undoing a guess restores the belief exactly.

The posterior lives in log space and is renormalised at every answer. Thousands of contradictory answers therefore leave
finite log-probabilities, and their differences stay exact, where a product of probabilities would have become 0 / 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "PROBABLY",
    "Answer",
    "Belief",
    "entropy_bits",
    "exclude",
    "posterior",
    "start",
    "through_noise",
    "update",
]

Answer = Literal["yes", "probably", "unknown", "probably not", "no"]

PROBABLY = 0.5
"""What "probably" counts for, as a share of "yes": the exponent w in likelihood ** w.

Raising a likelihood to w is the update under which w observations of weight 1/w each add up to one full one (the
generalised Bayesian update of Bissiri, Holmes and Walker, JRSS-B 2016), so two "probably" count as one "yes", an
"unknown" (w = 0) counts as nothing, and the order of answers never matters. One half is a choice, not a fit.
"""


class Belief(NamedTuple):
    """What is known about the secret.

    Attributes:
        log_posterior: float64, shape (K,), natural logarithms of probabilities that sum to 1; knows the answers only.
        excluded: bool, shape (K,), the keywords that wrong guesses have ruled out.
    """

    log_posterior: NDArray[np.float64]
    excluded: NDArray[np.bool_]


def start(prior: ArrayLike) -> Belief:
    """Return the belief before any answer.

    Args:
        prior: shape (K,), positive weights; they need not sum to 1.

    Raises:
        ValueError: if a weight is not a positive, finite number.
    """
    weights = np.asarray(prior, dtype=np.float64)
    if weights.ndim != 1 or not weights.size:
        raise ValueError(f"expected a prior of shape (K,) with K >= 1, got shape {weights.shape}")
    if not (np.isfinite(weights).all() and (weights > 0).all()):
        raise ValueError("expected a prior of positive, finite numbers")
    return Belief(_normalised(np.log(weights)), np.zeros(weights.shape, dtype=np.bool_))


def through_noise(p_yes: ArrayLike, noise: ArrayLike) -> NDArray[np.float64]:
    """Return the probability of hearing "yes" from a partner who flips an answer with rate `noise`.

    Args:
        p_yes: P(yes) of an honest answer, in [0, 1].
        noise: flip rate in [0, 1/2]; broadcasts against `p_yes`. At 1/2 the answer says nothing.
    """
    rate = np.asarray(noise, dtype=np.float64)
    return np.asarray(rate + (1 - 2 * rate) * np.asarray(p_yes, dtype=np.float64))


def update(belief: Belief, p_yes: NDArray[np.float64], answer: Answer, *, probably: float = PROBABLY) -> Belief:
    """Return the belief after an answer.

    Args:
        belief: the belief before it.
        p_yes: shape (K,), P(yes | keyword) strictly between 0 and 1, the partner's noise included. Certainty is
            refused: one mistaken answer would strike a keyword out for good, and two could strike out all of them.
        answer: "yes" and "no" count in full, "unknown" not at all.
        probably: exponent of the likelihood for "probably" and "probably not", in [0, 1].

    Raises:
        ValueError: if the answer is none of the five, or a number lies outside its range.
    """
    if answer not in get_args(Answer):
        raise ValueError(f"expected an answer among {', '.join(get_args(Answer))}, got {answer!r}")
    if not 0 <= probably <= 1:
        raise ValueError(f"expected an exponent in [0, 1], got {probably}")
    p_yes = np.asarray(p_yes, dtype=np.float64)
    if p_yes.shape != belief.log_posterior.shape:
        raise ValueError(f"expected p_yes of shape {belief.log_posterior.shape}, got {p_yes.shape}")
    if not ((p_yes > 0) & (p_yes < 1)).all():
        raise ValueError("expected p_yes strictly between 0 and 1")
    if answer == "unknown":
        return belief
    log_likelihood = np.log(p_yes) if answer in ("yes", "probably") else np.log1p(-p_yes)
    weight = probably if answer.startswith("probably") else 1.0
    return belief._replace(log_posterior=_normalised(belief.log_posterior + weight * log_likelihood))


def exclude(belief: Belief, positions: Sequence[int]) -> Belief:
    """Return the belief with the keywords at these positions ruled out by a wrong guess.

    Raises:
        ValueError: if a position is outside the keywords.
    """
    size = belief.excluded.size
    if not all(0 <= position < size for position in positions):
        raise ValueError(f"expected positions in 0..{size - 1}, got {list(positions)}")
    excluded = belief.excluded.copy()
    excluded[list(positions)] = True
    return belief._replace(excluded=excluded)


def posterior(belief: Belief) -> NDArray[np.float64]:
    """Return the probability of each keyword, shape (K,), which sums to 1.

    Excluded keywords have probability 0, and the rest is renormalised in log space, so that it stays exact even when
    the excluded ones held all but 1e-300 of the mass. If every keyword is excluded the exclusions are set aside: the
    posterior by the answers alone is returned.
    """
    log_p = belief.log_posterior
    if belief.excluded.any() and not belief.excluded.all():
        log_p = np.where(belief.excluded, -np.inf, log_p)
    p = np.exp(log_p - log_p.max())
    return np.asarray(p / p.sum())


def entropy_bits(p: ArrayLike) -> float:
    """Return the entropy of a distribution in bits; 0 log 0 counts as 0.

    Args:
        p: probabilities of any shape, which sum to 1.
    """
    mass = np.asarray(p, dtype=np.float64)
    mass = mass[mass > 0]
    return max(0.0, float(-(mass * np.log2(mass)).sum()))


def _normalised(log_p: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = log_p - log_p.max()
    return np.asarray(shifted - np.log(np.exp(shifted).sum()))
