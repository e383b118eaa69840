"""How good a submission is for each hospital, body site, sex, age band or tile type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isic_lesion.metrics.by_group import age_band_expr, metrics_by

if TYPE_CHECKING:
    from polars import DataFrame

    from isic_lesion.submission import ScoredLesions

__all__ = ["score_groups"]


def score_groups(lesions: ScoredLesions, column: str) -> DataFrame:
    """Return the measures of each group of a submission's lesions.

    Args:
        lesions: with truth, score, and the column among their groups.
        column: one of `submission.GROUP_COLUMNS`; ages become bands of 20 years.

    Returns:
        As `metrics_by`, the first column named `group`.

    Raises:
        ValueError: if the truth says nothing of the column.
    """
    import polars as pl

    if column not in lesions.groups.columns:
        raise ValueError(f"expected one of {lesions.groups.columns}, got {column!r}")
    of = age_band_expr(column) if column == "age_approx" else pl.col(column)
    frame = lesions.groups.select(of.alias("group")).with_columns(
        pl.Series("target", lesions.target), pl.Series("score", lesions.score)
    )
    if lesions.patient is None:
        return metrics_by(frame, "group", patient=None)
    return metrics_by(frame.with_columns(pl.Series("patient_id", lesions.patient.tolist())), "group")
