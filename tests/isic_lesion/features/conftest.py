"""Lesions of a few patients for tests of features."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from isic_lesion.data.schema import NUMERIC_COLUMNS
from isic_lesion.features.lesion import CATEGORIES

LOCATIONS = ("Head & Neck", "Left Arm - Lower", "Torso Front Top Half", "Unknown")


def make_rows(seed: int = 0, *, patients: int = 6, lesions: int = 120, missing: float = 0.05) -> pl.DataFrame:
    """Return lesions with ties, missing values and categories, patients of one lesion among them."""
    rng = np.random.default_rng(seed)

    def category(column: str, values: tuple[str, ...] = ()) -> pl.Series:
        drawn = rng.choice(values or CATEGORIES[column], lesions).tolist()
        gone = rng.random(lesions) < missing
        return pl.Series(column, [None if none else value for value, none in zip(drawn, gone, strict=True)], pl.String)

    def number(column: str) -> pl.Series:
        drawn = rng.gamma(3.0, 2.0, lesions)
        if column == "age_approx":
            drawn = rng.choice([40.0, 45.0, 50.0, 55.0], lesions)
        elif column == "tbp_lv_symm_2axis_angle":
            drawn = rng.choice([0.0, 5.0, 10.0], lesions)
        elif rng.random() < 0.3:
            drawn = drawn.round(1)
        gone = rng.random(lesions) < missing
        return pl.Series(column, [None if none else value for value, none in zip(drawn.tolist(), gone, strict=True)])

    whose = rng.integers(0, patients, lesions)
    if lesions > 1:
        whose[0], whose[1:] = patients, whose[1:] % patients
    return pl.DataFrame(
        [
            pl.Series("isic_id", [f"ISIC_{number:07d}" for number in rng.permutation(lesions)]),
            pl.Series("patient_id", [f"IP_{number:03d}" for number in whose]),
            *(number(column) for column in NUMERIC_COLUMNS),
            *(category(column) for column in CATEGORIES if column != "tbp_lv_location"),
            category("tbp_lv_location", LOCATIONS),
        ]
    )


@pytest.fixture(scope="session")
def some_rows() -> Callable[..., pl.DataFrame]:
    """Return `make_rows`."""
    return make_rows
