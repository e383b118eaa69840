"""The contest's metrics group by group: hospital, body site, fold, age band, as polars expressions.

A metric that a group cannot have (it lacks malignant or benign lesions) is null there, never an error, for most groups
of a rare disease are such. The values are those of `metrics`, to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from polars import DataFrame, Expr

__all__ = [
    "age_band_expr",
    "auc_expr",
    "metrics_by",
    "metrics_by_each",
    "number_needed_to_treat_expr",
    "partial_auc_expr",
    "within_top_k_expr",
]

_ROUNDING = 1e-12


def partial_auc_expr(target: str, score: str, *, min_tpr: float = 0.8) -> Expr:
    """Return an expression for `partial_auc` of a whole frame, or of each group in `group_by(...).agg(...)`.

    Nothing is sorted by hand: among P malignant lesions the one that ranks j-th from the top covers the TPR from
    (j - 1) / P to j / P, and the benign lesions below it and at it are its rank among all less its rank among the
    malignant.

    Args:
        target: a column of 1 for malignant and 0 for benign, without nulls.
        score: a column of numbers without nulls or NaN; higher is more suspicious.
        min_tpr: where the area begins, in [0, 1).

    Returns:
        One Float64 a group, in [0, 1 - min_tpr]; null where a class is missing.

    Raises:
        ValueError: if min_tpr is out of its range.
    """
    import polars as pl

    if not 0 <= min_tpr < 1:
        raise ValueError(f"expected min_tpr in [0, 1), got {min_tpr}")
    value, malignant = pl.col(score), pl.col(target) == 1
    ill = value.filter(malignant)
    num_ill = malignant.sum().cast(pl.Float64)
    num_well = pl.len().cast(pl.Float64) - num_ill
    lowest, highest = _rank(ill, "min"), _rank(ill, "max")
    below = (_rank(value, "min").filter(malignant) - lowest) / num_well
    tied = (_rank(value, "max").filter(malignant) - highest) / num_well - below
    tpr_before, num_tied = (num_ill - highest) / num_ill, highest - lowest + 1
    end = (num_ill - _rank(ill, "ordinal") + 1) / num_ill
    start = pl.max_horizontal(end - 1 / num_ill, pl.lit(min_tpr))
    passed = ((start + end) / 2 - tpr_before) * num_ill / num_tied
    area = ((end - start).clip(lower_bound=0) * (below + tied * (1 - passed))).sum()
    return pl.when((num_ill > 0) & (num_well > 0)).then(area).alias("partial_auc")


def auc_expr(target: str, score: str) -> Expr:
    """Return an expression for `auc`, as `partial_auc_expr` does for `partial_auc`; in [0, 1]."""
    return partial_auc_expr(target, score, min_tpr=0.0).alias("auc")


def number_needed_to_treat_expr(target: str, score: str, *, sensitivity: float) -> Expr:
    """Return an expression for `number_needed_to_treat`; null where a class is missing.

    Args:
        target: as in `partial_auc_expr`.
        score: as in `partial_auc_expr`.
        sensitivity: the share of malignant lesions to find, in (0, 1].

    Raises:
        ValueError: if sensitivity is out of its range.
    """
    import polars as pl

    if not 0 < sensitivity <= 1:
        raise ValueError(f"expected sensitivity in (0, 1], got {sensitivity}")
    value, malignant = pl.col(score), pl.col(target) == 1
    num_ill = malignant.sum()
    needed = (num_ill * (sensitivity * (1 - _ROUNDING))).ceil().cast(pl.UInt32).clip(lower_bound=1)
    # Of P scores in ascending order, the one that `needed` of them reach is at P - needed; none where P is 0.
    threshold = value.filter(malignant).sort().slice(num_ill - needed, 1).min()
    flagged = (value >= threshold).sum()
    found = (malignant & (value >= threshold)).sum()
    return pl.when((num_ill > 0) & (num_ill < pl.len())).then(flagged / found).alias("number_needed_to_treat")


def within_top_k_expr(score: str, patient: str, *, k: int = 15) -> Expr:
    """Return an expression for the share of each lesion that is among its patient's `k` highest scores, in [0, 1].

    It is 1 or 0 but for scores tied across the k-th place. The mean over malignant lesions is `se_top_k`; because it is
    taken per row, a group that parts patients (a body site, say) still sees their places among all their lesions.

    Args:
        score: a column of numbers without nulls or NaN.
        patient: the column that says whose lesion it is.
        k: how many lesions of each patient are looked at, at least 1.

    Raises:
        ValueError: if k is out of its range.
    """
    import polars as pl

    if k < 1:
        raise ValueError(f"expected k of at least 1, got {k}")
    value = pl.col(score)
    highest = _rank(value, "max").over(patient)
    above, tied = pl.len().over(patient) - highest, highest - _rank(value, "min").over(patient) + 1
    return ((k - above) / tied).clip(0, 1).alias(f"within_top_{k}")


def age_band_expr(age: str = "age_approx", *, years: int = 20) -> Expr:
    """Return an expression for bands of ages, such as "40-59"; null where the age is missing.

    Args:
        age: a column of ages in years, as numbers or text; what is no number is missing.
        years: the width of a band, at least 1.

    Raises:
        ValueError: if years is out of its range.
    """
    import polars as pl

    if years < 1:
        raise ValueError(f"expected years of at least 1, got {years}")
    first = (pl.col(age).cast(pl.Float64, strict=False) // years * years).cast(pl.Int64)
    return pl.format("{}-{}", first, first + years - 1).alias("age_band")


def metrics_by(
    frame: DataFrame, group: str, *, target: str = "target", score: str = "score", patient: str | None = "patient_id"
) -> DataFrame:
    """Return how well scores put malignant lesions first, for each value of a column.

    Args:
        frame: lesions with truth and score, shape (N, ...).
        group: the column to group by; null is a group of its own.
        target: the column of 1 for malignant and 0 for benign.
        score: the column of scores, higher is more suspicious, finite or infinite.
        patient: the column that says whose lesion it is; None leaves out what needs it.

    Returns:
        One row for each group, in the order of its values, null last: `group`, lesions, malignant, patients,
        partial_auc, auc, nnt80, nnt90, se_top_15 (Float64, null where undefined). `patients` and `se_top_15` are left
        out without a patient column. se_top_15 looks at the 15 highest of all of a patient's lesions in the frame.

    Raises:
        ValueError: if a column is missing, a target is neither 0 nor 1, or a score is null or NaN.
    """
    return metrics_by_each(frame, [group], target=target, score=score, patient=patient)[group]


def metrics_by_each(
    frame: DataFrame,
    groups: Sequence[str],
    *,
    target: str = "target",
    score: str = "score",
    patient: str | None = "patient_id",
) -> dict[str, DataFrame]:
    """Return `metrics_by` for each of several columns; what does not depend on the column is done once."""
    import polars as pl

    for column in (*groups, target, score, *([] if patient is None else [patient])):
        if column not in frame.columns:
            raise ValueError(f"expected a column {column!r}, got {', '.join(map(repr, frame.columns))}")
    _check_values(frame, target, score)
    rows = frame.select(pl.col(target).alias("target"), pl.col(score).alias("score"))
    if patient is not None:
        rows = rows.with_columns(frame[patient].alias("patient"))
        rows = rows.with_columns(within_top_k_expr("score", "patient", k=15))
    tables = {}
    for group in groups:
        table = rows.with_columns(frame[group].alias("group")).group_by("group").agg(_measures(patient is not None))
        tables[group] = table.sort("group", nulls_last=True).rename({"group": group})
    return tables


def _measures(with_patients: bool) -> list[Expr]:
    import polars as pl

    malignant = pl.col("target") == 1
    measures = [
        pl.len().cast(pl.Int64).alias("lesions"),
        malignant.sum().cast(pl.Int64).alias("malignant"),
        partial_auc_expr("target", "score"),
        auc_expr("target", "score"),
        number_needed_to_treat_expr("target", "score", sensitivity=0.8).alias("nnt80"),
        number_needed_to_treat_expr("target", "score", sensitivity=0.9).alias("nnt90"),
    ]
    if with_patients:
        measures.insert(2, pl.col("patient").n_unique().cast(pl.Int64).alias("patients"))
        measures.append(pl.col("within_top_15").filter(malignant).mean().alias("se_top_15"))
    return measures


def _rank(value: Expr, method: str) -> Expr:
    import polars as pl

    return value.rank(method).cast(pl.Float64)  # type: ignore[arg-type]


def _check_values(frame: DataFrame, target: str, score: str) -> None:
    """Refuse what the expressions would quietly count wrongly."""
    import polars as pl

    wrong_target = ~pl.col(target).is_in([0, 1]).fill_null(value=False)
    value = pl.col(score).cast(pl.Float64)
    wrong_score = value.is_null() | value.is_nan().fill_null(value=True)
    for column, wrong, expected in ((target, wrong_target, "0 or 1"), (score, wrong_score, "a number")):
        place = frame.select(wrong.arg_true().first()).item()
        if place is not None:
            raise ValueError(f"expected {expected} in {column}, got {frame[column][place]!r} in row {place}")
