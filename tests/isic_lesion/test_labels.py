"""Soft labels: the target decides, an indeterminate diagnosis counts by half."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from furikaeri_common.errors import InputError
from isic_lesion.labels import soft_labels

LESIONS = pl.DataFrame(
    {
        "isic_id": list("abcdef"),
        "target": pl.Series([1, 0, 0, 0, 1, 1], dtype=pl.Int8),
        "iddx_1": ["Malignant", "Benign", "Indeterminate", None, "Indeterminate", None],
    }
)


def test_labels_by_hand() -> None:
    label, weight = soft_labels(LESIONS)
    assert (label.dtype, weight.dtype) == (np.float32, np.float32)
    assert label.tolist() == [1, 0, 1, 0, 1, 1]
    assert weight.tolist() == [1, 1, 0.5, 1, 1, 1]
    assert soft_labels(LESIONS, indeterminate_weight=0.25).weight[2] == 0.25


def test_plain_labels_need_no_diagnosis() -> None:
    for lesions in (LESIONS, LESIONS.drop("iddx_1")):
        label, weight = soft_labels(lesions, plain=True)
        assert label.tolist() == [1, 0, 0, 0, 1, 1]
        assert weight.tolist() == [1] * 6


def test_labels_can_be_changed_without_changing_the_table() -> None:
    label, _ = soft_labels(LESIONS)
    label[:] = 7
    assert LESIONS["target"].to_list() == [1, 0, 0, 0, 1, 1]


def test_no_rows() -> None:
    assert [len(part) for part in soft_labels(LESIONS[:0])] == [0, 0]


def test_what_has_no_labels_is_told() -> None:
    for lesions, message in (
        (LESIONS.drop("target"), "no column 'target'. Labels are for training data"),
        (LESIONS.drop("iddx_1"), "no column 'iddx_1'. Train on plain labels"),
        (LESIONS.with_columns(target=pl.lit(None, pl.Int8)), "a: expected target 0 or 1, it is missing"),
        (LESIONS.with_columns(target=pl.col("target") * 2), r"a: expected target 0 or 1, got 2 \(3 rows in all\)"),
    ):
        with pytest.raises(InputError, match=message):
            soft_labels(lesions)
    for wrong in (0, 1.5, float("nan")):
        with pytest.raises(ValueError, match="indeterminate_weight"):
            soft_labels(LESIONS, indeterminate_weight=wrong)
