"""How many rows a booster trains on: some models draw a few benign rows for each malignant one."""

from __future__ import annotations

from dataclasses import replace

from isic_lesion.boosters.config import BoosterConfig

__all__ = ["drawing_more", "positives_of", "sampled_rows"]

_INDETERMINATE = 114 / 393
"""Lesions that train as positive with soft labels, for each malignant one of the contest."""


def positives_of(config: BoosterConfig, malignant: int) -> int:
    """Return how many rows a booster takes for positive, where so many of its lesions are malignant."""
    return round(malignant * (1 + _INDETERMINATE * config.soft_labels))


def sampled_rows(config: BoosterConfig, rows: int, positive: int) -> int:
    """Return how many rows a booster trains on, among so many of which some are positive; see `sample_rows`."""
    wanted = positive
    if config.least_positive_ratio is not None:
        wanted = max(wanted, round(config.least_positive_ratio * (rows - positive)))
    negative = rows - positive
    if config.negatives_per_positive is not None:
        negative = min(negative, round(config.negatives_per_positive * wanted))
    return (wanted + negative) * _copies(config)


def drawing_more(config: BoosterConfig, rows: int, positive: int, wanted: int) -> BoosterConfig:
    """Return a model that trains on about so many rows of a small table, or on all where there are fewer.

    A small table has so few positives that boosters draw few rows of it. They are repeated till enough are drawn.

    Args:
        config: of the model.
        rows: of the table.
        positive: among them.
        wanted: rows to train on.
    """
    if config.negatives_per_positive is None or sampled_rows(config, rows, positive) >= wanted:
        return config
    repeated = min(rows, wanted / _copies(config)) / (1 + config.negatives_per_positive)
    ratio = min(1.0, repeated / (rows - positive))
    return replace(config, least_positive_ratio=max(ratio, config.least_positive_ratio or 0.0))


def _copies(config: BoosterConfig) -> int:
    return 2 if config.hospital_features == "blanked" else 1
