"""One P(yes) out of several models'."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twenty_questions.labelling.yes_no import log_odds

__all__ = ["AVERAGES", "SUREST", "Average", "consensus"]

Average = Literal["mean", "log-odds"]
"""The mean of the probabilities, as the original solution took it, or of their log-odds."""

AVERAGES: tuple[Average, ...] = get_args(Average)

SUREST = 0.5 / 255
"""As near to 0 and 1 as a table's cell comes; log-odds are of probabilities that are moved no nearer."""


def consensus(
    p_yes: ArrayLike, *, weights: Sequence[float] | None = None, average: Average = "mean"
) -> NDArray[np.float64]:
    """Return the average of the models that labelled a pair.

    The mean of log-odds is a product of experts: a model that is sure counts for more than one that wavers.

    Args:
        p_yes: of each model, in [0, 1], NaN where it said neither yes nor no; shape (M, ...).
        weights: of the models, at least 0, one of them above 0; None: alike.
        average: what is averaged.

    Returns:
        Shape (...); NaN where no model with weight labelled the pair.

    Raises:
        ValueError: if a number is out of its range, or shapes differ.

    >>> consensus([[0.2, np.nan], [0.4, 0.9]]).round(6).tolist()
    [0.3, 0.9]
    """
    given = np.asarray(p_yes, dtype=np.float64)
    if average not in AVERAGES:
        raise ValueError(f"expected an average among {', '.join(AVERAGES)}, got {average!r}")
    if not given.ndim or not len(given):
        raise ValueError(f"expected P(yes) of at least one model, got shape {given.shape}")
    if ((given < 0) | (given > 1)).any():
        raise ValueError("expected P(yes) in [0, 1] or NaN")
    share = np.ones(len(given)) if weights is None else np.asarray(weights, dtype=np.float64)
    if share.shape != (len(given),) or not np.isfinite(share).all() or (share < 0).any() or not share.sum() > 0:
        raise ValueError(f"expected {len(given)} weights of at least 0, one of them above 0, got {share.tolist()}")
    there = ~np.isnan(given)
    values = log_odds(given, least=SUREST) if average == "log-odds" else given
    mass = share.reshape(-1, *[1] * (given.ndim - 1)) * there
    total = mass.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (mass * np.where(there, values, 0.0)).sum(axis=0) / total
    return np.asarray(1 / (1 + np.exp(-mean)) if average == "log-odds" else np.clip(mean, 0.0, 1.0))
