"""How much each model counts: weights that put malignant lesions first.

The weights lie on a simplex (at least 0, sum 1), and the area they are judged by is a step function of them: it has no
gradient. Half of the trials are Optuna's: equal weights, each model alone, then what its multivariate TPE sampler
proposes for u in [0, 1]^M, with weights u / sum u. The other half are a pattern search from the best of these: one
weight at a time goes up or down by a step, the rest gives way in proportion, and the step is halved when nothing is
better. The first half guards against a local optimum, the second finds the optimum's top.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.errors import MissingExtraError

if TYPE_CHECKING:
    from optuna.trial import Trial

__all__ = ["Objective", "choose_weights", "weighted_sum"]

Objective = Literal["pooled", "mean"]

_MIN_TPR = 0.8
_FIRST_STEP, _LAST_STEP = 0.1, 0.004


def weighted_sum(weights: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weighted sum of the rows of a table, added up model by model.

    A matrix product adds the last columns in another order than the rest, so lesions alike would differ in the last
    bit, and a tie would be broken by where they stand.

    Args:
        weights: shape (M,).
        shares: shape (M, N).

    Returns:
        Shape (N,).
    """
    total = np.zeros(shares.shape[1])
    for weight, row in zip(weights.tolist(), shares, strict=True):
        if weight:
            total += weight * row
    return total


def choose_weights(
    shares: NDArray[np.float64],
    malignant: NDArray[np.bool_],
    fold: NDArray[np.integer],
    *,
    objective: Objective = "pooled",
    trials: int = 200,
    least_weight: float = 0.02,
    seed: int = 42,
) -> NDArray[np.float64]:
    """Return the weights whose weighted mean of scores has the largest partial AUC above 80 % TPR that was found.

    The same arguments give the same weights.

    Args:
        shares: scores of each model on one scale, such as `ranks.rank_shares`; finite; shape (models, N).
        malignant: shape (N,); both classes are needed.
        fold: the round of each row, shape (N,).
        objective: "pooled": the area of all rows together; "mean": its mean over the folds that have both classes.
        trials: how many weights are tried at most, at least 1.
        least_weight: smaller ones become 0 in the end, in [0, 1); the largest always stays.
        seed: of the search.

    Returns:
        At least 0, summing to 1; shape (models,).

    Raises:
        ValueError: if an argument is out of its range, or a class is missing wherever the area is asked for.
        MissingExtraError: if Optuna is not installed and there are several models.
    """
    if shares.ndim != 2 or not len(shares) or shares.shape[1:] != malignant.shape or malignant.shape != fold.shape:
        got = f"{shares.shape}, {malignant.shape}, {fold.shape}"
        raise ValueError(f"expected shares (models, N), malignant (N,) and fold (N,), got {got}")
    if trials < 1 or not 0 <= least_weight < 1:
        raise ValueError(f"expected trials >= 1 and least_weight in [0, 1), got {trials} and {least_weight}")
    parts = [np.ones_like(malignant)] if objective == "pooled" else [fold == k for k in np.unique(fold)]
    judged = [rows for rows in parts if malignant[rows].any() and not malignant[rows].all()]
    if not judged:
        raise ValueError("expected malignant and benign lesions to weigh the models by, got one class")
    if len(shares) == 1:
        return np.ones(1)
    search = _Search([(shares[:, rows & malignant], shares[:, rows & ~malignant]) for rows in judged], trials)
    _propose(search, trials // 2, seed)
    _climb(search)
    best = search.best
    best[best < min(least_weight, best.max())] = 0
    weights: NDArray[np.float64] = best / best.sum()
    return weights


class _Search:
    """The best weights so far, and how many more may be tried."""

    def __init__(self, parts: list[tuple[NDArray[np.float64], NDArray[np.float64]]], trials: int) -> None:
        self.parts = parts
        self.left = trials
        self.num_models = len(parts[0][0])
        self.best = np.full(self.num_models, 1 / self.num_models)
        self.value = -np.inf

    def judge(self, weights: NDArray[np.float64]) -> float:
        """Return the area of weights; remember them if they are better than all before."""
        self.left -= 1
        value = sum(
            _area(weighted_sum(weights, malignant), weighted_sum(weights, benign)) for malignant, benign in self.parts
        ) / len(self.parts)
        if value > self.value:
            self.best, self.value = weights.copy(), value
        return value


def _propose(search: _Search, trials: int, seed: int) -> None:
    """Try equal weights, each model alone, and what the sampler proposes from what came of those."""
    try:
        import optuna
    except ImportError as error:
        raise MissingExtraError("stacking", distribution="furikaeri-isic-lesion", extra="table") from error

    names = [f"u{number}" for number in range(search.num_models)]

    def judge(trial: Trial) -> float:
        raw = np.array([trial.suggest_float(name, 0.0, 1.0) for name in names])
        return search.judge(raw / raw.sum() if raw.sum() > 0 else np.full(len(raw), 1 / len(raw)))

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the multivariate sampler is experimental, in some versions
            study = optuna.create_study(
                direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed, multivariate=True)
            )
            study.enqueue_trial(dict.fromkeys(names, 1.0))
            for name in names:
                study.enqueue_trial({**dict.fromkeys(names, 0.0), name: 1.0})
            study.optimize(judge, n_trials=max(1, min(search.left, max(trials, len(names) + 1))))
    finally:
        optuna.logging.set_verbosity(verbosity)


def _climb(search: _Search) -> None:
    """Change one weight at a time for the better, with ever smaller steps."""
    step = _FIRST_STEP
    while step >= _LAST_STEP and search.left > 0:
        before = search.value
        for model in range(search.num_models):
            for change in (step, -step):
                weights = search.best.copy()
                weights[model] = max(0.0, weights[model] + change)
                total = weights.sum()
                if search.left <= 0 or total <= 0 or np.allclose(weights / total, search.best, rtol=0, atol=1e-12):
                    continue
                reached = search.value
                if search.judge(weights / total) > reached:
                    break
        if search.value == before:
            step /= 2


def _area(malignant: NDArray[np.float64], benign: NDArray[np.float64]) -> float:
    """Return `metrics.partial_auc` of scores split by class; quicker where it is asked hundreds of times."""
    levels, mass = np.unique(malignant, return_counts=True)
    reached = mass[::-1].cumsum()[::-1]
    after, before = reached / len(malignant), (reached - mass) / len(malignant)
    counted = after > np.maximum(before, _MIN_TPR)
    levels, before, after = levels[counted], before[counted], after[counted]
    ordered = np.sort(benign)
    below, up_to = ordered.searchsorted(levels, "left"), ordered.searchsorted(levels, "right")
    start = np.maximum(before, _MIN_TPR)
    passed = ((start + after) / 2 - before) / (after - before)
    return float(np.sum((after - start) * (below + (up_to - below) * (1 - passed)))) / len(benign)
