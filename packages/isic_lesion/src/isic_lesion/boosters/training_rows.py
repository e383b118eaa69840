"""What a booster sees of its training rows: some of the negatives, noise on some features, the hospital blanked.

Everything random comes from a generator that is given, so a booster's rows are the same whenever it is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isic_lesion.boosters.config import BoosterConfig

__all__ = ["TrainingRows", "Validation", "add_noise", "generator_of", "sample_rows", "with_blanked_copies"]


class TrainingRows(NamedTuple):
    """Rows as they go into a booster.

    Attributes:
        features: float32, NaN where missing, shape (N, F).
        labels: 0 or 1; float32, shape (N,).
        weights: at least 0; float32, shape (N,).
    """

    features: NDArray[np.float32]
    labels: NDArray[np.float32]
    weights: NDArray[np.float32]


class Validation(NamedTuple):
    """Rows that tell when to stop: features (N, F), and targets 0 or 1 (N,), both present."""

    features: NDArray[np.float32]
    target: NDArray[Any]


def generator_of(seed: int, fold: int | None) -> np.random.Generator:
    """Return the generator of one booster: of a seed and a fold (None: of all rows)."""
    return np.random.default_rng([seed, 0 if fold is None else fold + 1])


def sample_rows(
    labels: NDArray[np.float32], config: BoosterConfig, generator: np.random.Generator
) -> NDArray[np.intp] | None:
    """Return which rows a booster trains on, ascending; a row that is repeated occurs several times.

    First the positives are repeated until there are `least_positive_ratio` of them per negative, each the same number
    of times but for a remainder that is drawn; then `negatives_per_positive` negatives are drawn for each of those.

    Args:
        labels: 0 or 1, shape (N,).
        config: of the model.
        generator: of the booster.

    Returns:
        Positions, shape (M,); None where every row is taken once.
    """
    if config.negatives_per_positive is None and config.least_positive_ratio is None:
        return None
    positives, negatives = np.flatnonzero(labels > 0.5), np.flatnonzero(labels <= 0.5)
    if not len(positives):
        return None
    wanted = len(positives)
    if config.least_positive_ratio is not None:
        wanted = max(wanted, round(config.least_positive_ratio * len(negatives)))
    whole, rest = divmod(wanted, len(positives))
    positives = np.concatenate([np.repeat(positives, whole), generator.choice(positives, rest, replace=False)])
    if config.negatives_per_positive is not None:
        kept = round(config.negatives_per_positive * len(positives))
        if kept < len(negatives):
            negatives = generator.choice(negatives, kept, replace=False)
    rows: NDArray[np.intp] = np.sort(np.concatenate([positives, negatives]))
    return rows


def add_noise(
    features: NDArray[np.float32], names: Sequence[str], config: BoosterConfig, generator: np.random.Generator
) -> NDArray[np.float32]:
    """Return features with Gaussian noise on the columns that `feature_noise` names; missing stays missing.

    The first pattern that fits a name counts. The array that is given is never changed.

    Args:
        features: shape (N, F).
        names: of the columns, length F.
        config: of the model.
        generator: of the booster.
    """
    deviations = {
        column: deviation
        for column, name in enumerate(names)
        if (deviation := next((sd for pattern, sd in config.feature_noise.items() if fnmatchcase(name, pattern)), 0.0))
    }
    if not deviations:
        return features
    noisy = features.copy()
    for column, deviation in deviations.items():
        noisy[:, column] += generator.normal(0, deviation, len(noisy)).astype(np.float32)
    return noisy


def with_blanked_copies(rows: TrainingRows, hospital_columns: NDArray[np.bool_]) -> TrainingRows:
    """Return every row twice, as it is and with the features of its hospital missing, each at half its weight.

    Args:
        rows: of shape (N, F).
        hospital_columns: which features are derived from the hospital, shape (F,).

    Returns:
        Rows of shape (2 N, F): all as they are, then all blanked.
    """
    blanked = rows.features.copy()
    blanked[:, hospital_columns] = np.nan
    return TrainingRows(
        np.concatenate([rows.features, blanked]),
        np.concatenate([rows.labels, rows.labels]),
        np.concatenate([rows.weights, rows.weights]) * np.float32(0.5),
    )
