"""What the heads are trained to tell, and by how much they miss it.

A label that is not known is NaN and counts for nothing. A head's loss is a sum over rows divided by a total that is
given from outside: the weight of the whole step's known rows. So the losses of a step's pieces add up to the step's,
wherever the pieces are computed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isic_lesion.image_models.heads import CATEGORIES, KINDS, TARGET, Head, heads_of
from isic_lesion.labels import soft_labels

if TYPE_CHECKING:
    from polars import DataFrame

    from isic_lesion.image_models.config import ImageConfig
    from isic_lesion.image_models.rows import ImageRows

__all__ = ["Scale", "Truths", "losses", "total_loss", "totals_of", "truths_of", "untaught"]

_COLUMNS = {
    "site": "anatom_site_general",
    "location": "tbp_lv_location_simple",
    "hospital": "attribution",
    "diagnosis": "iddx_1",
}


class Scale(NamedTuple):
    """How a number is made one of mean 0 and standard deviation 1.

    Attributes:
        mean: of the training rows whose number is known.
        sd: above 0.
    """

    mean: float
    sd: float


class Truths(NamedTuple):
    """What there is to tell of every row, column by column in the order of the heads.

    Attributes:
        labels: 0 or 1 (binary), standardised (number), or the class's index (category); NaN where it is not known.
            float32, shape (N, H).
        weights: how much the row counts in the head's loss; 0 where the label is not known. float32, shape (N, H).
        scales: name of a head that tells a number -> what made its labels of the numbers.
    """

    labels: NDArray[np.float32]
    weights: NDArray[np.float32]
    scales: Mapping[str, Scale]


def truths_of(rows: ImageRows, heads: Sequence[Head], train_rows: NDArray[np.int64], *, soft: bool = False) -> Truths:
    """Return the labels of all rows.

    lesion_id: whether the lesion has one, known for rows of this contest alone. past: whether the row is of a past
    contest. age: in years. size: the logarithm of the longest diameter in mm. sex: male. tile: in white light rather
    than in cross-polarised. The others as in the metadata.

    Args:
        rows: N lesions.
        heads: H of them, such as `heads_of(config)`.
        train_rows: indices of the rows that numbers are scaled by.
        soft: whether indeterminate lesions are labelled 1 with weight 0.5, as `ImageConfig.soft_labels` says.

    Raises:
        InputError: if a target is neither 0 nor 1.
    """
    labels = np.empty((len(rows.frame), len(heads)), dtype=np.float32)
    weights = np.ones_like(labels)
    scales: dict[str, Scale] = {}
    for place, head in enumerate(heads):
        if head.name == TARGET:
            labels[:, place], weights[:, place] = _target(rows.frame, soft=soft)
        else:
            known = _auxiliary(rows.frame, head.name)
            if head.kind == "number":
                scales[head.name] = scale = _scale_of(known[train_rows])
                known = (known - scale.mean) / scale.sd
            labels[:, place] = known
    weights[np.isnan(labels)] = 0
    return Truths(labels, weights, scales)


def _target(frame: DataFrame, *, soft: bool) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    label, weight = np.full(len(frame), np.nan, np.float32), np.zeros(len(frame), np.float32)
    is_known = frame["target"].is_not_null()
    chosen = soft_labels(frame.filter(is_known), plain=not soft)
    places = is_known.to_numpy()
    label[places], weight[places] = chosen
    return label, weight


def _auxiliary(frame: DataFrame, name: str) -> NDArray[np.float64]:
    """Return an auxiliary head's labels, numbers as they are; NaN where unknown."""
    import polars as pl

    this = ~pl.col("is_past")
    if name in _COLUMNS:
        codes = {category: float(code) for code, category in enumerate(CATEGORIES[name])}
        label = pl.col(_COLUMNS[name]).replace_strict(codes, default=None, return_dtype=pl.Float64)
    elif name == "lesion_id":
        # A table without the column says nothing of any lesion.
        label = pl.when(this & pl.col("lesion_id").is_not_null().any()).then(pl.col("lesion_id").is_not_null())
    elif name == "past":
        label = pl.col("is_past")
    elif name == "age":
        label = pl.col("age_approx")
    elif name == "size":
        label = pl.when(pl.col("clin_size_long_diam_mm") > 0).then(pl.col("clin_size_long_diam_mm").log())
    elif name == "sex":
        label = pl.col("sex").replace_strict({"female": 0.0, "male": 1.0}, default=None, return_dtype=pl.Float64)
    else:
        tiles = {"3D: XP": 0.0, "3D: white": 1.0}
        label = pl.col("tbp_tile_type").replace_strict(tiles, default=None, return_dtype=pl.Float64)
    column = frame.select(label.cast(pl.Float64).alias(name)).to_series()
    return np.asarray(column.fill_null(float("nan")).to_numpy(), dtype=np.float64)


def _scale_of(numbers: NDArray[np.float64]) -> Scale:
    known = numbers[~np.isnan(numbers)]
    if len(known) == 0:
        return Scale(0.0, 1.0)
    sd = float(known.std())
    return Scale(float(known.mean()), sd if sd > 0 else 1.0)


def totals_of(truths: Truths, step_rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return each head's weight of known rows among those of a whole step; float32, shape (H,)."""
    totals: NDArray[np.float32] = truths.weights[step_rows].sum(axis=0, dtype=np.float64).astype(np.float32)
    return totals


def untaught(rows: ImageRows, config: ImageConfig) -> tuple[str, ...]:
    """Return the heads beside the target's that no row tells anything of: they would learn nothing, without a word."""
    heads = heads_of(config)
    totals = totals_of(truths_of(rows, heads, np.arange(len(rows.frame))), np.arange(len(rows.frame)))
    return tuple(head.name for head, total in zip(heads, totals, strict=True) if total == 0)


def losses(outputs: Mapping[str, Any], labels: Any, weights: Any, totals: Any) -> dict[str, Any]:
    """Return each head's loss over the rows of a piece.

    Binary cross-entropy with logits, smooth L1 of standardised numbers, or cross-entropy of classes; weighted, summed,
    and divided by the head's total. A head whose total is 0 has the loss 0.

    Args:
        outputs: what a network returns: head -> float32 tensor (B, width), in the order of the columns below.
        labels: of the piece's rows, from `Truths.labels`; float32 tensor (B, H).
        weights: from `Truths.weights`; float32 tensor (B, H).
        totals: of the whole step, from `totals_of`; float32 tensor (H,).

    Returns:
        Name of a head -> a scalar tensor, in the same order. The losses of all pieces of a step add up to those of
        the step as one piece.

    Raises:
        ValueError: if there are not as many columns as heads.
    """
    import torch

    if not labels.shape[1] == weights.shape[1] == len(totals) == len(outputs):
        raise ValueError(
            f"expected {len(outputs)} columns, got {labels.shape[1]}, {weights.shape[1]} and {len(totals)}"
        )
    found = {}
    for place, (name, output) in enumerate(outputs.items()):
        is_known = weights[:, place] > 0
        label = torch.where(is_known, labels[:, place], 0)
        each = torch.where(is_known, weights[:, place] * _loss_of(name, output, label), 0)
        found[name] = each.sum() / torch.where(totals[place] > 0, totals[place], 1)
    return found


def _loss_of(name: str, output: Any, label: Any) -> Any:
    """Return a head's loss of every row; float32 tensor (B,)."""
    from torch.nn import functional

    kind = KINDS[name]
    if kind == "category":
        return functional.cross_entropy(output, label.long(), reduction="none")
    if kind == "number":
        return functional.smooth_l1_loss(output[:, 0], label, reduction="none")
    return functional.binary_cross_entropy_with_logits(output[:, 0], label, reduction="none")


def total_loss(parts: Mapping[str, Any], heads: Sequence[Head]) -> Any:
    """Return the loss that is minimised: the heads' losses, weighted by the heads' weights and added up."""
    import torch

    return torch.stack([parts[head.name] * head.weight for head in heads]).sum()
