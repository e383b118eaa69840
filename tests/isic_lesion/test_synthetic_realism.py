"""Telling made-up lesions from real ones, tried where the answer is known."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from isic_lesion.synthetic.metadata import lesion_rows
from isic_lesion.synthetic.realism import compare_columns, draw_like, tell_apart, transfer
from isic_lesion.synthetic.sizes import Sizes


@pytest.fixture(scope="module")
def made() -> pl.DataFrame:
    """A pool of made-up lesions."""
    return lesion_rows(Sizes(rows=12_288, patients=5_000, malignant=3_600, seed=21), 0, 12_288)


@pytest.fixture(scope="module")
def others() -> pl.DataFrame:
    """As many real rows are at hand, but made up with another seed."""
    return lesion_rows(Sizes(rows=800, patients=350, malignant=240, seed=22), 0, 800)


def test_equal_tables_have_no_gaps(others: pl.DataFrame) -> None:
    gaps = compare_columns(others, others)
    assert max(gaps.distances.values()) == 0
    assert max(gaps.quantiles.values()) == 0
    assert max(map(abs, gaps.correlations.values())) == 0


def test_a_shifted_column_is_named(others: pl.DataFrame) -> None:
    shifted = others.with_columns(pl.col("tbp_lv_stdL") + 100)
    gaps = compare_columns(others, shifted)
    assert gaps.distances["tbp_lv_stdL"] == 1
    assert gaps.distances["tbp_lv_L"] == 0
    benign = pl.col("target") == 0
    told = tell_apart(others.filter(benign), shifted.filter(benign).with_columns("M" + pl.col("patient_id")))
    assert told.auc > 0.99
    assert next(iter(told.importances)) == "tbp_lv_stdL"
    assert len(told.folds) == 5


def test_draws_have_the_hospitals_and_classes_of_the_real_rows(others: pl.DataFrame, made: pl.DataFrame) -> None:
    drawn = draw_like(others, made, seed=1)
    for frame in (drawn, draw_like(others, made, seed=1)):
        counts = frame["target", "attribution"].group_by(pl.all()).len().sort(pl.all())
        assert counts.equals(others["target", "attribution"].group_by(pl.all()).len().sort(pl.all()))
    assert drawn.equals(draw_like(others, made, seed=1))
    with pytest.raises(ValueError, match="expected at least"):
        draw_like(made, others)


def test_made_up_lesions_are_not_told_from_made_up_ones(others: pl.DataFrame, made: pl.DataFrame) -> None:
    benign = pl.col("target") == 0
    told = tell_apart(others.filter(benign), draw_like(others, made).filter(benign))
    assert 0.4 < told.auc < 0.6
    assert transfer(others, made) > 0.1


def test_made_up_lesions_resemble_real_ones(real_data: Path, made: pl.DataFrame) -> None:
    from isic_lesion.data.dataset import open_lesions

    real = open_lesions(real_data / "isic").read()
    drawn = draw_like(real, made)
    for target in (0, 1):
        theirs, ours = (frame.filter(pl.col("target") == target) for frame in (real, drawn))
        assert tell_apart(theirs, ours).auc < 0.68
        assert max(compare_columns(theirs, ours).distances.values()) < 0.16
    assert transfer(real, made) > 0.14
