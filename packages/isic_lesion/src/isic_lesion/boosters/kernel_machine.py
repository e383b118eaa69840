"""Kernel logistic regression with a Laplacian kernel: few rows, many columns that add up.

The model. Columns are brought to one scale (`normal_scores`); the log-odds of a row u are

    f(u) = b + sum_i a_i k(u, v_i),    k(u, v) = exp(-g sum_j |u_j - v_j|),    g = gamma / (columns that vary)

with the training rows v_i, b the log-odds of the positives' share of the weights. It is the posterior mode of a
Gaussian process with prior mean b and covariance k / penalty behind a logistic likelihood, which is the minimum of

    penalty / 2 a'Ka - sum_i w_i (t_i log s(f_i) + (1 - t_i) log(1 - s(f_i))),    s(f) = 1 / (1 + exp(-f)).

The kernel is a product over columns of exp(-g |u_j - v_j|), each positive definite, so it is too; a row that is far off
in one column alone counts for less than in the Gaussian kernel, where that distance is squared (A. Rahimi and B. Recht,
"Random Features for Large-Scale Kernel Machines", NIPS 2007, have both; B. Schoelkopf and A. Smola, "Learning with
Kernels", 2002, section 4.2, on why the minimum is such a sum).

`kernel_logistic` finds the minimum. Memory grows with the square of the training rows, and time a little faster, so at
most `max_rows` are taken: all positives (at most half of the rows), and negatives drawn with the seed. Scores are
log-odds as trained, not calibrated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.errors import MissingExtraError
from furikaeri_common.tensors import pack_tensors, unpack_tensors
from isic_lesion.boosters.kernel_logistic import Numbers, fit_logistic
from isic_lesion.boosters.normal_scores import NormalScores, fit_normal_scores, normal_scores
from isic_lesion.boosters.training_rows import TrainingRows

__all__ = ["KERNEL_KIND", "KERNEL_PARAMS", "KernelMachine", "fit_kernel_machine"]

KERNEL_PARAMS: Mapping[str, float] = {
    "gamma": 1.0,
    "penalty": 0.1,
    "binary_scale": 2.0,
    "scale_pos_weight": 1.0,
    "max_rows": 4000,
}
"""Parameters and their defaults: the first two as above; the scale of columns of 0 and 1 beside a standard deviation of
1; what multiplies the weights of positives; and how many rows are learnt from. All above 0."""

KERNEL_KIND = "isic kernel machine"
"""What its file says it is."""

_FORMAT = 1
_BLOCK_VALUES = 1 << 22  # of the kernel, held at once
_SLOPE_ROWS = 500  # at which columns are judged
_DTYPES = {
    "rows": np.dtype(np.float32),
    "coefficients": np.dtype(np.float64),
    "quantiles": np.dtype(np.float64),
    "centre": np.dtype(np.float64),
    "scale": np.dtype(np.float64),
    "gain": np.dtype(np.float64),
}
_DIMENSIONS = {"rows": 2, "coefficients": 1, "quantiles": 2, "centre": 1, "scale": 1, "gain": 1}


@dataclass(frozen=True, slots=True, eq=False)
class KernelMachine:
    """A fitted model.

    Args:
        names: of the features, length F.
        rows: what was learnt from, on one scale; float32, shape (M, F).
        coefficients: `a`; float64, shape (M,).
        intercept: `b`.
        rate: `g`, above 0.
        scores: how columns are brought to one scale.
        gain: the share of each column in the mean absolute slopes of the log-odds at the training rows; float64, (F,).
        rounds: steps that were taken.
    """

    names: tuple[str, ...]
    rows: NDArray[np.float32]
    coefficients: Numbers
    intercept: float
    rate: float
    scores: NormalScores
    gain: Numbers
    rounds: int

    @property
    def splits(self) -> NDArray[np.int64]:
        """No column is split: zeros, shape (F,)."""
        return np.zeros(len(self.names), dtype=np.int64)

    def log_odds(self, features: NDArray[np.float32]) -> Numbers:
        """Return each row's log-odds; float64, shape (N,), the same bits whatever rows are beside it.

        Args:
            features: float32, NaN where missing, shape (N, F).
        """
        odds = np.empty(len(features))
        block = max(1, _BLOCK_VALUES // max(1, len(self.rows)))
        for begin in range(0, len(features), block):
            some = slice(begin, begin + block)
            kernel = _kernel(normal_scores(features[some], self.scores), self.rows, self.rate)
            kernel *= self.coefficients
            # Not a matrix product: its order of adding up would depend on how many rows there are.
            odds[some] = np.add.reduce(kernel, axis=1) + self.intercept
        return odds

    def to_bytes(self) -> bytes:
        """Return the model as a safetensors file."""
        told = {"intercept": self.intercept, "rate": self.rate, "rounds": self.rounds}
        return pack_tensors(
            {"kind": KERNEL_KIND, "format": _FORMAT, "names": list(self.names), **told},
            {"rows": self.rows, "coefficients": self.coefficients, "gain": self.gain, **self.scores._asdict()},
        )

    @classmethod
    def from_bytes(cls, content: bytes) -> KernelMachine:
        """Return the model that `to_bytes` wrote.

        Raises:
            ValueError: if it is damaged or something else.
        """
        document, arrays = unpack_tensors(content)
        if document.get("kind") != KERNEL_KIND or document.get("format") != _FORMAT:
            raise ValueError(f"expected {KERNEL_KIND} of format {_FORMAT}, got {str(document.get('kind'))[:40]!r}")
        names = document.get("names")
        if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
            raise ValueError("expected names of features")
        intercept, rate, rounds = (document.get(name) for name in ("intercept", "rate", "rounds"))
        if not isinstance(intercept, float) or not isinstance(rate, float) or not rate > 0 or type(rounds) is not int:
            raise ValueError("expected an intercept, a rate above 0 and rounds")
        _check(arrays, len(names))
        scores = NormalScores(*(arrays.pop(name) for name in NormalScores._fields))
        return cls(names=tuple(names), intercept=intercept, rate=rate, rounds=rounds, scores=scores, **arrays)


def fit_kernel_machine(
    rows: TrainingRows, names: tuple[str, ...], params: Mapping[str, Any], *, steps: int, seed: int
) -> KernelMachine:
    """Fit a model; the same arguments give the same model, to the bit.

    Args:
        rows: of shape (N, F), of both classes.
        names: of the features, length F.
        params: see `KERNEL_PARAMS`.
        steps: of Newton's method at most, at least 1; it converges in about ten.
        seed: of the draw of negatives, where there are more than `max_rows` rows.

    Raises:
        ValueError: if a parameter is out of its range, or a class has no weight.
        MissingExtraError: if SciPy is not installed.
    """
    _require_scipy()
    settings = {**KERNEL_PARAMS, **params}
    for name, value in settings.items():
        if (
            isinstance(value, bool | str)
            or not value > 0
            or (name == "max_rows" and (value != int(value) or value < 2))
        ):
            raise ValueError(f"expected params.{name} above 0{' and whole' * (name == 'max_rows')}, got {value!r}")
    chosen = _choose(rows.labels, int(settings["max_rows"]), seed)
    features, labels = rows.features[chosen], rows.labels[chosen].astype(np.float64)
    weights = rows.weights[chosen].astype(np.float64) * np.where(labels == 1, settings["scale_pos_weight"], 1.0)
    total, positive = weights.sum(), weights[labels == 1].sum()
    if not 0 < positive < total:
        raise ValueError("expected weights above 0 in both classes")
    scores = fit_normal_scores(features, binary_scale=float(settings["binary_scale"]))
    scaled = normal_scores(features, scores)
    rate = float(settings["gamma"]) / max(1, int(np.count_nonzero(scores.scale)))
    intercept = float(np.log(positive) - np.log(total - positive))
    found = fit_logistic(
        _kernel(scaled, scaled, rate),
        labels,
        weights,
        intercept=intercept,
        penalty=float(settings["penalty"]),
        steps=steps,
    )
    return KernelMachine(
        names=names,
        rows=scaled,
        coefficients=found.coefficients,
        intercept=intercept,
        rate=rate,
        scores=scores,
        gain=_gain(scaled, found.coefficients, rate),
        rounds=found.steps,
    )


def _kernel(rows: NDArray[np.float32], others: NDArray[np.float32], rate: float) -> Numbers:
    """Return exp(-rate |u - v|_1) of every row and every other; float64, shape (N, M)."""
    from scipy.spatial.distance import cdist

    distances: Numbers = cdist(rows.astype(np.float64), others.astype(np.float64), "cityblock")
    distances *= -rate
    return np.exp(distances, out=distances)


def _choose(labels: NDArray[np.float32], most: int, seed: int) -> NDArray[np.intp]:
    """Return which rows are learnt from, ascending: all, or positives and as many negatives as there is room for."""
    if len(labels) <= most:
        return np.arange(len(labels))
    generator = np.random.default_rng(seed)
    positives, negatives = np.flatnonzero(labels == 1), np.flatnonzero(labels != 1)
    kept = min(len(positives), max(most // 2, most - len(negatives)))
    parts = [
        generator.choice(of, number, replace=False) for of, number in ((positives, kept), (negatives, most - kept))
    ]
    return np.sort(np.concatenate(parts))


def _gain(rows: NDArray[np.float32], coefficients: Numbers, rate: float) -> Numbers:
    """Return each column's share in the mean of |df/du_j| = g |sum_i a_i k(u, v_i) sign(u_j - v_ij)| at some rows u."""
    at = rows[np.linspace(0, len(rows) - 1, min(len(rows), _SLOPE_ROWS)).astype(np.intp)]
    pull = _kernel(at, rows, rate) * coefficients
    slopes = np.zeros(rows.shape[1])
    for column in range(rows.shape[1]):
        ahead = np.sign(at[:, column, None] - rows[None, :, column])
        slopes[column] = np.abs(np.add.reduce(pull * ahead, axis=1)).mean()
    return slopes / slopes.sum() if slopes.sum() > 0 else slopes


def _check(arrays: Mapping[str, NDArray[Any]], width: int) -> None:
    if {name: array.dtype for name, array in arrays.items()} != _DTYPES:
        raise ValueError(f"expected the arrays {', '.join(_DTYPES)}")
    for name, dimensions in _DIMENSIONS.items():
        if arrays[name].ndim != dimensions:
            raise ValueError(f"expected {name} of {dimensions} dimensions, got {arrays[name].ndim}")
    shapes = {name: array.shape for name, array in arrays.items()}
    number, levels = len(arrays["coefficients"]), shapes["quantiles"][-1]
    expected = {"rows": (number, width), "coefficients": (number,), "quantiles": (width, levels)}
    expected |= dict.fromkeys(("centre", "scale", "gain"), (width,))
    if shapes != expected or number < 1 or levels < 2:
        raise ValueError(f"expected arrays of {width} features and equally many rows and coefficients")
    for name, array in arrays.items():
        if name != "quantiles" and not np.isfinite(array).all():
            raise ValueError(f"expected finite numbers in {name}")
    quantiles = arrays["quantiles"]
    taken = ~np.isnan(quantiles).all(axis=1)
    if not np.isfinite(quantiles[taken]).all() or (np.diff(quantiles[taken]) < 0).any():
        raise ValueError("expected ascending quantiles")


def _require_scipy() -> None:
    try:
        import scipy.spatial.distance  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("a kernel model", distribution="furikaeri-isic-lesion", extra="table") from error
