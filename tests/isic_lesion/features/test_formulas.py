"""Formulas are arithmetic of columns, guarded, and nothing else."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from isic_lesion.data.schema import HOSPITALS, NUMERIC_COLUMNS
from isic_lesion.features import FeatureSet, compute
from isic_lesion.features.formulas import canonical_formula, columns_of, evaluate, short_formula
from isic_lesion.features.lesion import CATEGORIES, FORMULAS, columns, interactions, one_hot, one_hots

SLOWLY = {
    "axis_ratio": lambda r: r["minorAxisMM"] / r["size"],
    "area_per_perimeter2": lambda r: r["areaMM2"] / r["perimeterMM"] ** 2,
    "hue_contrast": lambda r: abs(r["H"] - r["Hext"]),
    "color_difference": lambda r: math.hypot(r["deltaA"], r["deltaB"], r["deltaL"]),
    "distance": lambda r: math.hypot(r["x"], r["y"], r["z"]),
    "symmetry_border_balance": lambda r: 1 / (1 / r["symm_2axis"] + 1 / r["norm_border"]),
    "irregularity": lambda r: (r["norm_border"] + r["norm_color"] + r["eccentricity"]) / 3,
    "log_area": lambda r: math.log(r["areaMM2"] + 1),
    "color_contrast_rms": lambda r: math.sqrt((r["deltaA"] ** 2 + r["deltaB"] ** 2 + r["deltaL"] ** 2) / 3),
    "body_angle": lambda r: math.atan2(r["y"], r["x"]),
    "roundness": lambda r: r["perimeterMM"] / (2 * math.pi * math.sqrt(r["areaMM2"] / math.pi)),
    "age_area_symmetry": lambda r: r["age"] * r["areaMM2"] * r["symm_2axis"],
    "size_age_norm": lambda r: math.hypot(r["size"], r["age"]),
}


def test_by_hand(some_rows) -> None:
    rows = some_rows(0, missing=0.0)
    found = compute(rows, FeatureSet(name="x", features=interactions()))
    for at in range(20):
        row = {name.removeprefix("tbp_lv_"): rows[name][at] for name in NUMERIC_COLUMNS}
        row |= {"size": row["clin_size_long_diam_mm"], "age": row["age_approx"]}
        for name, formula in SLOWLY.items():
            assert found[name][at] == pytest.approx(formula(row), rel=1e-4), name


def test_every_formula_reads_columns_that_a_test_set_has() -> None:
    for formula in FORMULAS.values():
        assert columns_of(formula) <= set(NUMERIC_COLUMNS)
        assert canonical_formula(short_formula(formula)) == canonical_formula(formula)
        assert columns_of(formula) <= set(NUMERIC_COLUMNS)
    assert len({canonical_formula(formula) for formula in FORMULAS.values()}) == len(FORMULAS)


def numbers(name: str) -> np.ndarray:
    return {"a": np.array([1.0, np.nan, -4.0]), "b": np.array([0.0, 1.0, -2.0])}[name]


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("a / b", [1e6, math.nan, 2.0]),
        ("sqrt(a)", [1.0, math.nan, math.nan]),
        ("-a + 2", [1.0, math.nan, 6.0]),
        ("abs(a) * (b - 1)", [-1.0, math.nan, -12.0]),
        ("log1p(b)", [0.0, math.log(2), math.nan]),
        ("logit(b)", [math.log(1e-6 / (1 - 1e-6)), -math.log(1e-6), math.log(1e-6)]),
        ("a * 1e14" + " * 1e14" * 30, [math.nan] * 3),
    ],
)
def test_values(formula: str, expected: list[float]) -> None:
    assert evaluate(formula, numbers).tolist() == pytest.approx(expected, rel=1e-4, nan_ok=True)


def test_division_keeps_the_side_of_a_small_divisor() -> None:
    found = evaluate("a / b", {"a": np.ones(3), "b": np.array([-1e-9, 0.0, 1e-9])}.__getitem__)
    assert np.sign(found).tolist() == [-1.0, 1.0, 1.0]
    assert np.abs(found).max() <= 1e6


@pytest.mark.parametrize(
    "formula",
    [
        "",
        "a +",
        "__import__('os')",
        "a.b",
        "a[0]",
        "a ** 2",
        "sqrt(a, b)",
        "sqrt",
        "a if b else a",
        "lambda: a",
        "'text'",
        "a < b",
        "True",
        "sqrt(a=1)",
        "1e400",
        "[a]",
        "a; b",
        "f(a)",
        "1j * a",
    ],
)
def test_nothing_else_is_a_formula(formula: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        canonical_formula(formula)


def test_one_hot_columns(some_rows) -> None:
    rows = some_rows(3)
    chosen = FeatureSet(name="x", features=one_hots())
    found = compute(rows, chosen)
    for column, categories in CATEGORIES.items():
        names = [one_hot(column, category).name for category in categories]
        block = found.select(names).to_numpy()
        known = rows[column].is_not_null().to_numpy()
        assert np.isnan(block[~known]).all()
        assert (block[known].sum(axis=1) == 1).all()
        assert [categories[at] for at in block[known].argmax(axis=1)] == rows[column].drop_nulls().to_list()
    unseen = compute(
        rows.with_columns(attribution=pl.lit("Elsewhere")), FeatureSet(name="h", features=one_hots("attribution"))
    )
    assert unseen.to_numpy().sum() == 0
    assert len(one_hots("attribution")) == len(HOSPITALS)


def test_columns_are_themselves(some_rows) -> None:
    rows = some_rows(4)
    found = compute(rows, FeatureSet(name="x", features=columns()))
    assert found.equals(rows.select(NUMERIC_COLUMNS).fill_null(np.nan).cast(pl.Float32), null_equal=True)
