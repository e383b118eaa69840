"""What a report is about: lesions, scores of models, and what is known of how they came to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from furikaeri_common.errors import InputError
from isic_lesion.stack.fitting import STACK_UNKNOWN

if TYPE_CHECKING:
    from polars import DataFrame

    from isic_lesion.folds.dealing import Folds

__all__ = ["UNSEEN", "ReportInputs", "Scored", "join_scores"]

UNSEEN = " (unseen hospital)"
"""What is added to a model's name for the scores of lesions whose hospital it had never seen."""

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
        folds: what the scores were made with; of the scheme "hospitals" they part the scores of lesions whose
            hospital a round had never seen, as a model of their own, from the others.
        images: an HDF5 file of crops.
        maps: the folder of an image model; where it looked is shown beside the crops.
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
    folds: Folds | None = None
    images: Path | None = None
    maps: Path | None = None
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
        pooled: for each model one row a lesion, sorted: isic_id, model, score (the mean over rounds), owner (a number
            for each patient) and the contest's columns that the metadata has.
        by_fold: the same with fold, one row for each score of a round; empty frames without rounds.
        models: their names, sorted.
        has_truth: whether malignant and benign lesions are among them.
        unscored: how many lesions of the metadata no model scored.
    """

    pooled: Mapping[str, DataFrame]
    by_fold: Mapping[str, DataFrame]
    models: tuple[str, ...]
    has_truth: bool
    unscored: int


def join_scores(inputs: ReportInputs) -> Scored:
    """Join scores and metadata.

    A lesion that several rounds held out has the mean of their scores. Where some targets are missing, there is no
    truth: figures over the others would be about a choice of lesions.

    Raises:
        InputError: if a scored lesion is not in the metadata, or there are no scores.
    """
    import polars as pl

    lesions = inputs.metadata.select("isic_id", *(name for name in _CONTEXT if name in inputs.metadata.columns))
    # A lesion without a patient is a patient of its own.
    patient = pl.coalesce("patient_id", "isic_id") if "patient_id" in lesions.columns else pl.col("isic_id")
    lesions = lesions.with_columns(owner=patient.rank("dense").cast(pl.Int64))
    scores = inputs.scores.select("isic_id", "fold", "model", "score")
    if scores.is_empty():
        raise InputError("there are no scores to report on")
    lost = scores.join(lesions, on="isic_id", how="anti", maintain_order="left")
    if len(lost):
        raise InputError(
            f"{lost['isic_id'][0]}, scored by {lost['model'][0]!r}, is not among the lesions"
            f" ({lost['isic_id'].n_unique()} are not)",
            fix="Give the folder that the scores were made of",
        )
    if inputs.folds is not None and inputs.folds.scheme == "hospitals":
        scores = _parted(scores, inputs.folds)
    pooled = scores.group_by("isic_id", "model").agg(pl.col("score").mean()).sort("isic_id", "model")
    joined = pooled.join(lesions, on="isic_id", how="left", maintain_order="left")
    rounds = scores.filter(pl.col("fold").is_not_null()).sort("fold", "isic_id", "model")
    rounds = rounds.join(lesions, on="isic_id", how="left", maintain_order="left")
    targets = joined["target"] if "target" in joined.columns else pl.Series([None])
    models = tuple(joined["model"].unique().sort())
    by_model, by_fold = (
        {str(name): rows for (name,), rows in frame.partition_by("model", as_dict=True).items()}
        for frame in (joined, rounds)
    )
    return Scored(
        pooled={name: by_model[name] for name in models},
        by_fold={name: by_fold.get(name, rounds.clear()) for name in models},
        models=models,
        has_truth=targets.null_count() == 0 and targets.n_unique() == 2,
        unscored=len(lesions) - joined["isic_id"].n_unique(),
    )


def _parted(scores: DataFrame, folds: Folds) -> DataFrame:
    """Return scores with another model's name where the round had never seen the lesion's hospital."""
    import polars as pl

    held_out = folds.frame.select("isic_id", "hospital_fold")
    unseen = (pl.col("fold") == pl.col("hospital_fold")).fill_null(value=False)
    named = pl.col("model") == STACK_UNKNOWN  # a stack says so itself
    joined = scores.join(held_out, on="isic_id", how="left", maintain_order="left")
    name = pl.when(unseen & ~named).then(pl.col("model") + UNSEEN).otherwise("model")
    return joined.with_columns(model=name).drop("hospital_fold")
