"""Each question's own leaning, learned from gold answers and taken out of what a model says.

A model says yes to "Is it flexible?" too readily and to "Is it sharp?" too rarely, whatever the keyword. With answers
y about some keywords,

    logit P'(k, q) = a logit P(k, q) + c + u_q,    u_q ~ Normal(0, s^2),    a ~ Normal(1, 1),    c ~ Normal(0, 9)

is a logistic regression with one random intercept for each question. For given s it is fitted by its mode (Newton's
method; the function is concave); s^2 becomes the mean of u_q^2 + Var(u_q) under the normal approximation at the mode,
until it settles (penalised quasi-likelihood: Breslow & Clayton 1993). A question with few answers is drawn towards c.
One without any is not the usual question, u = 0; of it is said

    logit P'(k, q) = a' (logit P(k, q) - t)

with a' of a logistic regression without own intercepts, and t where the balanced accuracy of all pairs is best.

Both answers weigh alike in the fit, as if half of all answers were yes. P' = 1/2 is then where balanced accuracy is
best, not where yes becomes likelier; a calibration of the table (`calibration`) puts the true odds back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twenty_questions.labelling.yes_no import log_odds

__all__ = ["Leanings", "fit_leanings", "without_leanings"]

_STEPS = 50
_SETTLED = 1e-8
_SLOPE_PRECISION, _INTERCEPT_PRECISION = 1.0, 1 / 9
_LEAST_SPREAD = 1e-3


@dataclass(frozen=True, kw_only=True, slots=True)
class Leanings:
    """What was learned; JSON can hold it.

    Attributes:
        slope: a.
        intercept: c.
        spread: s, above 0.
        other_slope: a', for questions without gold answers.
        other_middle: t, the log-odds that become 0 there.
        questions: u_q by the question's text.
        keywords: the things whose gold answers taught this, where that is known: figures on them would be too good.
    """

    slope: float
    intercept: float
    spread: float
    other_slope: float
    other_middle: float
    questions: Mapping[str, float] = field(repr=False)
    keywords: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if not self.spread > 0:
            raise ValueError(f"expected spread > 0, got {self.spread}")


def fit_leanings(p_yes: ArrayLike, answers: ArrayLike, questions: Sequence[str]) -> Leanings:
    """Learn leanings from gold answers.

    Args:
        p_yes: what the model said, shape (n,), in [0, 1]; NaN does not count.
        answers: what is true, bool, shape (n,).
        questions: the text of each pair's question, n of them.

    Raises:
        ValueError: if the shapes differ, or one of the two answers does not occur.
    """
    said, yes = np.asarray(p_yes, dtype=np.float64), np.asarray(answers, dtype=bool)
    if said.shape != yes.shape or said.shape != (len(questions),):
        raise ValueError(
            f"expected as many P(yes) as answers and questions, got {said.shape}, {yes.shape}, {len(questions)}"
        )
    texts, of = np.unique(np.asarray(questions, dtype=object).astype(str), return_inverse=True)
    known = ~np.isnan(said)
    odds, yes, of = log_odds(said[known]), yes[known], of[known]
    if yes.all() or not yes.any():
        raise ValueError("expected both answers, got one alone")
    weight = np.where(yes, 0.5 / yes.mean(), 0.5 / (1 - yes.mean()))
    common, own, spread = np.array([1.0, 0.0]), np.zeros(len(texts)), 1.0
    for _ in range(_STEPS):
        common, own, variance = _mode(odds, yes, weight, of, common, own, spread)
        before, spread = spread, max(float(np.sqrt((own**2 + variance).mean())), _LEAST_SPREAD)
        if abs(spread - before) < 1e-4 * before:
            break
    alike = np.zeros_like(of)
    others, _, _ = _mode(odds, yes, weight, alike, np.array([1.0, 0.0]), np.zeros(1), _LEAST_SPREAD)
    return Leanings(
        slope=float(common[0]),
        intercept=float(common[1]),
        spread=spread,
        other_slope=float(others[0]),
        other_middle=_fairest(odds, yes),
        questions=dict(zip(texts.tolist(), own.tolist(), strict=True)),
    )


def without_leanings(leanings: Leanings, p_yes: ArrayLike, questions: Sequence[str]) -> NDArray[np.float64]:
    """Return P'(yes).

    Args:
        leanings: what was learned.
        p_yes: what the model said; the last axis is along the questions. NaN stays NaN.
        questions: their texts.
    """
    own = np.asarray([leanings.questions.get(question, 0.0) for question in questions])
    is_known = np.asarray([question in leanings.questions for question in questions], dtype=bool)
    slope = np.where(is_known, leanings.slope, leanings.other_slope)
    intercept = np.where(is_known, leanings.intercept + own, -leanings.other_slope * leanings.other_middle)
    return np.asarray(1 / (1 + np.exp(-(slope * log_odds(p_yes) + intercept))))


def _fairest(odds: NDArray[np.float64], yes: NDArray[np.bool_]) -> float:
    """Return the log-odds above which a yes makes the balanced accuracy best."""
    order = np.argsort(odds, kind="stable")
    values, is_yes = odds[order], yes[order]
    # With a cut behind place i: the yes beyond it and the no up to it are right.
    right = (is_yes.sum() - np.cumsum(is_yes)) / is_yes.sum() + np.cumsum(~is_yes) / (~is_yes).sum()
    cuts = np.flatnonzero(np.diff(values) > 0)
    if not len(cuts):
        return float(values[0])
    best = cuts[np.argmax(right[cuts])]
    return float((values[best] + values[best + 1]) / 2)


def _mode(
    odds: NDArray[np.float64],
    yes: NDArray[np.bool_],
    weight: NDArray[np.float64],
    of: NDArray[np.int64],
    common: NDArray[np.float64],
    own: NDArray[np.float64],
    spread: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the mode of (a, c) and u for a spread, and the variance of each u there.

    The Hessian is [[A, B], [B^T, D]] with D diagonal, so a step costs O(n + Q): S = A - B D^-1 B^T is two by two.
    """
    count = len(own)
    design = np.stack([odds, np.ones_like(odds)])
    precisions = np.array([_SLOPE_PRECISION, _INTERCEPT_PRECISION])
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-(common @ design + own[of])))
        residual, curvature = weight * (yes - p), weight * p * (1 - p)
        slope_common = design @ residual - precisions * (common - np.array([1.0, 0.0]))
        slope_own = np.bincount(of, residual, count) - own / spread**2
        inner = (design * curvature) @ design.T + np.diag(precisions)
        across = np.stack([np.bincount(of, row * curvature, count) for row in design])
        diagonal = np.bincount(of, curvature, count) + 1 / spread**2
        schur = inner - (across / diagonal) @ across.T
        step_common = np.linalg.solve(schur, slope_common - across @ (slope_own / diagonal))
        step_own = (slope_own - across.T @ step_common) / diagonal
        # Newton's step may overshoot where almost nothing is undecided; a shorter one does not.
        scale = min(1.0, 4.0 / max(float(np.abs(step_common).max()), float(np.abs(step_own).max()), 1e-12))
        common, own = common + scale * step_common, own + scale * step_own
        if max(np.abs(step_common).max(), np.abs(step_own).max()) < _SETTLED:
            break
    ratio = across / diagonal
    return common, own, 1 / diagonal + np.einsum("iq,ij,jq->q", ratio, np.linalg.inv(schur), ratio)
