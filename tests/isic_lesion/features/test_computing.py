"""Features have the same bits whatever the order of rows, the threads and the company they are computed in."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from furikaeri_common.errors import InputError
from isic_lesion.features import CATALOGUE, Feature, FeatureSet, compute, fit_population, full

Z = Feature(name="z", kind="group", formulas=("A",), group=("patient_id",), statistic="z")
HOSPITAL = Feature(name="h", kind="group", formulas=("A",), group=("attribution",), statistic="rank")


def bits(frame: pl.DataFrame, ids: pl.Series) -> bytes:
    """Return all values in the order of the ids."""
    return frame.with_columns(ids.alias("isic_id")).sort("isic_id").drop("isic_id").to_numpy().tobytes()


@pytest.mark.parametrize("name", [name for name in CATALOGUE if name != "original-file-order"])
def test_order_of_rows_and_threads_change_no_bit(some_rows, name: str) -> None:
    rows, chosen = some_rows(1), CATALOGUE[name]()
    here = compute(rows, chosen, fit_population(rows, chosen))
    assert here.columns == list(chosen.names)
    assert set(here.dtypes) == {pl.Float32}
    other = rows.sample(fraction=1, shuffle=True, seed=3)
    there = compute(other, chosen, fit_population(other, chosen), threads=3)
    assert bits(here, rows["isic_id"]) == bits(there, other["isic_id"])
    assert not np.isinf(here.to_numpy()).any()


def test_company_changes_no_bit(some_rows) -> None:
    rows, chosen = some_rows(2), full()
    population = fit_population(rows, chosen)
    whole = compute(rows, chosen, population)
    part = chosen.select(chosen.names[7::61])
    assert compute(rows, part, population).equals(whole.select(part.names), null_equal=True)
    assert compute(rows, part, fit_population(rows, part)).equals(whole.select(part.names), null_equal=True)


def test_a_patient_is_seen_alone(some_rows) -> None:
    rows, chosen = some_rows(3), full()
    population = fit_population(rows, chosen)
    one = rows["patient_id"] == "IP_002"
    whole = compute(rows, chosen, population).filter(one)
    assert bits(compute(rows.filter(one), chosen, population), rows["isic_id"].filter(one)) == bits(
        whole, rows["isic_id"].filter(one)
    )


def test_no_rows_and_one_row(some_rows) -> None:
    rows, chosen = some_rows(4), full()
    population = fit_population(rows, chosen)
    assert compute(rows.head(0), chosen, population).shape == (0, len(chosen))
    assert compute(rows.head(1), chosen, population).shape == (1, len(chosen))
    nobody = fit_population(rows.head(0), chosen)
    assert compute(rows, chosen.select(["hospital.z.tbp_lv_A"]), nobody)["hospital.z.tbp_lv_A"].is_nan().all()


def test_what_cannot_be_computed(some_rows) -> None:
    rows = some_rows(5)
    only = FeatureSet(name="only", features=(Z, HOSPITAL))
    with pytest.raises(InputError, match="feature 'h' needs a population"):
        compute(rows, only)
    other = FeatureSet(name="o", features=(Feature(name="h", kind="group", group=("attribution",), statistic="count"),))
    with pytest.raises(InputError, match="not fitted for the feature 'h'"):
        compute(rows, only, fit_population(rows, other))
    with pytest.raises(InputError, match="no column 'tbp_lv_A', which the feature 'z'"):
        compute(rows.drop("tbp_lv_A"), only)
    with pytest.raises(InputError, match="no column 'patient_id'"):
        compute(rows.drop("patient_id"), only)
    with pytest.raises(InputError, match="isic_id of more than one row"):
        compute(pl.concat([rows, rows.head(1)]), only.select(["z"]))
    with pytest.raises(InputError, match="row 0 has no isic_id"):
        compute(rows.with_columns(isic_id=pl.lit(None, pl.String)), only.select(["z"]))
    with pytest.raises(InputError, match="'tbp_lv_A' holds String"):
        compute(rows.with_columns(tbp_lv_A=pl.lit("x")), only.select(["z"]))
