"""What models are trained to predict: the target, or a soft label that counts the doubtful half.

The contest's target is 1 for malignant lesions alone. The few whose diagnosis is indeterminate look more like those
than like the rest; as positives of half weight they teach what is suspicious. Scores are measured on the target all
the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.errors import InputError

if TYPE_CHECKING:
    from polars import DataFrame

__all__ = ["SoftLabels", "soft_labels"]

_INDETERMINATE = "Indeterminate"


class SoftLabels(NamedTuple):
    """What to train on, in the order of the rows.

    Attributes:
        label: 1 for suspicious, 0 for benign; float32, shape (N,).
        weight: how much the row counts, above 0; float32, shape (N,).
    """

    label: NDArray[np.float32]
    weight: NDArray[np.float32]


def soft_labels(metadata: DataFrame, *, plain: bool = False, indeterminate_weight: float = 0.5) -> SoftLabels:
    """Return 1 for malignant lesions, 1 of lesser weight for indeterminate ones, 0 for benign ones.

    The target decides first: a malignant lesion has weight 1 whatever its diagnosis says.

    Args:
        metadata: target (0 or 1) and, unless `plain`, iddx_1 (the coarsest diagnosis, may be null), one row a lesion.
        plain: take the target as it is, every row of weight 1.
        indeterminate_weight: in (0, 1].

    Raises:
        ValueError: if the weight is out of its range.
        InputError: if a column is missing or a target is not 0 or 1.
    """
    import polars as pl

    if not 0 < indeterminate_weight <= 1:
        raise ValueError(f"expected indeterminate_weight in (0, 1], got {indeterminate_weight}")
    for column, fix in (("target", "Labels are for training data"), ("iddx_1", "Train on plain labels")):
        if column not in metadata.columns and not (plain and column == "iddx_1"):
            raise InputError(f"the lesions have no column {column!r}", fix=fix)
    target = metadata["target"]
    wrong = metadata.filter(~((target == 0) | (target == 1)).fill_null(value=False))
    if len(wrong):
        name = wrong["isic_id"][0] if "isic_id" in wrong.columns else "a lesion"
        got = "it is missing" if wrong["target"][0] is None else f"got {wrong['target'][0]}"
        raise InputError(f"{name}: expected target 0 or 1, {got} ({len(wrong)} rows in all)")
    label = target.cast(pl.Float32).to_numpy().copy()
    weight = np.ones_like(label)
    if not plain:
        doubtful = (metadata["iddx_1"] == _INDETERMINATE).fill_null(value=False).to_numpy() & (label == 0)
        label[doubtful] = 1
        weight[doubtful] = indeterminate_weight
    return SoftLabels(label, weight)
