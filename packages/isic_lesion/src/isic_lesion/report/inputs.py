"""What a report is about: lesions, scores of models, and what is known of how they came to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from furikaeri_common.errors import InputError

if TYPE_CHECKING:
    from polars import DataFrame

__all__ = ["ReportInputs", "Scored", "join_scores"]

_CONTEXT = (
    "patient_id",
    "target",
    "attribution",
    "anatom_site_general",
    "sex",
    "age_approx",
    "tbp_tile_type",
    "copyright_license",
    "clin_size_long_diam_mm",
    "iddx_1",
    "iddx_full",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportInputs:
    """Everything that a report can show; all but the first two may be missing.

    Args:
        metadata: one row a lesion with isic_id and any of the contest's columns; other rows than the scored ones may
            be among them.
        scores: isic_id, fold (null: nobody trained on it), model, score (finite).
        headline: the model that lists and tables are about; None: one named "stack", else that of the largest pAUC.
        stack: which weight each model has in the stack, per kind of hospital, such as {"known": {"xgb": 0.7}}.
        importances: feature, importance (at least 0), model.
        images: an HDF5 file of crops.
        title: of the page.
        about: label -> text, shown at its end: folders, seeds, versions.
        num_resamples: of patients, for intervals; 0 leaves intervals out.
        seed: of the resampling.
    """

    metadata: DataFrame
    scores: DataFrame
    headline: str | None = None
    stack: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    importances: DataFrame | None = None
    images: Path | None = None
    title: str = "Skin lesion triage"
    about: Mapping[str, str] = field(default_factory=dict)
    num_resamples: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        for name, frame, columns in (
            ("metadata", self.metadata, ("isic_id",)),
            ("scores", self.scores, ("isic_id", "fold", "model", "score")),
            ("importances", self.importances, ("feature", "importance", "model")),
        ):
            for column in columns:
                if frame is not None and column not in frame.columns:
                    raise ValueError(f"expected a column {column!r} in {name}, got {frame.columns}")
        if self.num_resamples < 0:
            raise ValueError(f"expected num_resamples of at least 0, got {self.num_resamples}")


class Scored(NamedTuple):
    """Scores beside what is known of the lesions.

    Attributes:
        pooled: one row for each lesion and model, sorted by both: isic_id, model, score (the mean over rounds), owner
            (a number for each patient) and the contest's columns that the metadata has.
        by_fold: the same with fold, one row for each score of a round; empty without rounds.
        models: their names, sorted.
        has_truth: whether malignant and benign lesions are among them.
        unscored: how many lesions of the metadata no model scored.
    """

    pooled: DataFrame
    by_fold: DataFrame
    models: tuple[str, ...]
    has_truth: bool
    unscored: int


def join_scores(inputs: ReportInputs) -> Scored:
    """Join scores and metadata.

    A lesion that several rounds held out has the mean of their scores. Where some targets are missing, there is no
    truth: figures over the others would be about a choice of lesions.

    Raises:
        InputError: if a scored lesion is not in the metadata, there are no scores, or the models do not score the same
            lesions, so that they cannot be compared.
    """
    import polars as pl

    lesions = inputs.metadata.select("isic_id", *(name for name in _CONTEXT if name in inputs.metadata.columns))
    # A lesion without a patient is a patient of its own.
    patient = pl.coalesce("patient_id", "isic_id") if "patient_id" in lesions.columns else pl.col("isic_id")
    lesions = lesions.with_columns(owner=patient.rank("dense").cast(pl.Int64))
    scores = inputs.scores
    if scores.is_empty():
        raise InputError("there are no scores to report on")
    lost = scores.join(lesions, on="isic_id", how="anti", maintain_order="left")
    if len(lost):
        raise InputError(
            f"{lost['isic_id'][0]}, scored by {lost['model'][0]!r}, is not among the lesions"
            f" ({lost['isic_id'].n_unique()} are not)",
            fix="Give the folder that the scores were made of",
        )
    scores = scores.select("isic_id", "fold", "model", "score")
    pooled = scores.group_by("isic_id", "model").agg(pl.col("score").mean()).sort("isic_id", "model")
    models = tuple(pooled["model"].unique().sort())
    counted = pooled.group_by("isic_id").agg(pl.len(), pl.col("model")).filter(pl.col("len") < len(models))
    if len(counted):
        row = counted.sort("isic_id").row(0, named=True)
        lacking = next(model for model in models if model not in row["model"])
        raise InputError(
            f"{lacking!r} has no score of {row['isic_id']}, but {row['model'][0]!r} has ({len(counted)} such lesions)",
            fix="Report on models of the same lesions",
        )
    joined = pooled.join(lesions, on="isic_id", how="left", maintain_order="left")
    rounds = scores.filter(pl.col("fold").is_not_null()).sort("fold", "isic_id", "model")
    targets = joined["target"] if "target" in joined.columns else pl.Series([None])
    return Scored(
        pooled=joined,
        by_fold=rounds.join(lesions, on="isic_id", how="left", maintain_order="left"),
        models=models,
        has_truth=targets.null_count() == 0 and targets.n_unique() == 2,
        unscored=len(lesions) - joined["isic_id"].n_unique(),
    )
