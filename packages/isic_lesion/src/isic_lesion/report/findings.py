"""What a report says in numbers: every model as a whole, group by group, fold by fold, and as probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from furikaeri_common.errors import InputError
from isic_lesion.metrics.bootstrap import Interval, enough_patients, partial_aucs_of_resamples, percentile_interval
from isic_lesion.metrics.by_group import age_band_expr, metrics_by, metrics_by_each, within_top_k_expr
from isic_lesion.metrics.ordering import auc, number_needed_to_treat, partial_auc
from isic_lesion.report.calibrated import Calibrated, calibrate
from isic_lesion.report.inputs import ReportInputs, Scored, join_scores

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from polars import DataFrame

__all__ = ["GROUPINGS", "Findings", "GroupRow", "ModelFindings", "find"]

GROUPINGS = {
    "fold": "Fold",
    "attribution": "Hospital",
    "anatom_site_general": "Body site",
    "sex": "Sex",
    "age_band": "Age",
    "tbp_tile_type": "Tile type",
}
"""Column -> heading of the tables by group."""


class GroupRow(NamedTuple):
    """One model on one group of lesions; a measure is None where the group lacks a class."""

    group: str | None
    lesions: int
    malignant: int
    patients: int
    partial_auc: float | None
    low: float | None
    high: float | None
    auc: float | None
    nnt80: float | None
    nnt90: float | None
    se_top_15: float | None


class ModelFindings(NamedTuple):
    """One model as a whole.

    Attributes:
        name: of the model.
        lesions: how many it scored.
        partial_auc: pooled over folds, with its interval.
        auc: the same.
        difference: its partial AUC less the headline model's, on the lesions that both score and over the same
            resamples; None for the headline model.
        nnt80: lesions flagged per malignant one found where 80 % of the malignant are found.
        nnt90: the same at 90 %.
        se_top_15: share of malignant lesions among their patient's 15 highest scores.
        groups: column of GROUPINGS -> its rows; intervals for the headline model alone.
    """

    name: str
    lesions: int
    partial_auc: Interval
    auc: Interval
    difference: Interval | None
    nnt80: float
    nnt90: float
    se_top_15: float
    groups: Mapping[str, tuple[GroupRow, ...]]


class Findings(NamedTuple):
    """Everything that the page says in numbers.

    Attributes:
        scored: scores beside the lesions.
        headline: the model that lists and tables are about.
        chosen: why: "named", "only", "stack", "best", or "first" where truth is unknown.
        models: the headline first, then by falling partial AUC; empty without truth.
        calibration: of the headline model; None without truth.
        lesions: how many are scored.
        malignant: how many of them are malignant; None without truth.
        patients: of how many patients they are.
        licences: licence -> lesions, the commonest first.
    """

    scored: Scored
    headline: str
    chosen: str
    models: tuple[ModelFindings, ...]
    calibration: Calibrated | None
    lesions: int
    malignant: int | None
    patients: int
    licences: Mapping[str, int]


def find(inputs: ReportInputs) -> Findings:
    """Return what a report says in numbers.

    Raises:
        InputError: if scores and metadata do not belong together, or the headline model has no scores.
    """
    scored = join_scores(inputs)
    headline, chosen = _headline(scored, inputs.headline)
    one = scored.pooled[headline]
    # A headline model that only scored one class has no figures, whatever others have.
    has_truth = scored.has_truth and one["target"].n_unique() == 2
    licences = one["copyright_license"].fill_null("not stated") if "copyright_license" in one.columns else None
    counts = {} if licences is None else dict(licences.value_counts().sort(["count", "copyright_license"]).rows())
    return Findings(
        scored=scored,
        headline=headline,
        chosen=chosen,
        models=_models(scored, headline, inputs) if has_truth else (),
        calibration=calibrate(one, scored.by_fold[headline]) if has_truth else None,
        lesions=len(one),
        malignant=int(one["target"].sum()) if has_truth else None,
        patients=one["owner"].n_unique(),
        licences=dict(reversed(counts.items())),
    )


def _headline(scored: Scored, named: str | None) -> tuple[str, str]:
    if named is not None:
        if named not in scored.models:
            raise InputError(f"no scores of a model {named!r}", fix=f"There are: {', '.join(scored.models)}")
        return named, "named"
    if len(scored.models) == 1:
        return scored.models[0], "only"
    if "stack" in scored.models:
        return "stack", "stack"
    if not scored.has_truth:
        return scored.models[0], "first"
    both = {name: rows for name in scored.models if (rows := scored.pooled[name])["target"].n_unique() == 2}
    areas = {name: partial_auc(*_target_and_score(rows)) for name, rows in both.items()}
    # Models of fewer lesions have another task: the first choice is among those of the most.
    most = max(len(rows) for rows in both.values())
    return max((name for name in areas if len(both[name]) == most), key=lambda name: areas[name]), "best"


def _models(scored: Scored, headline: str, inputs: ReportInputs) -> tuple[ModelFindings, ...]:
    """Measure every model; resamples are the same for all, so that differences are paired."""
    import polars as pl

    resampled = {name: _resamples(scored.pooled[name], inputs.num_resamples, inputs.seed) for name in scored.models}
    found = []
    for name in scored.models:
        rows = scored.pooled[name]
        target, score = _target_and_score(rows)
        if target.all() or not target.any():
            continue
        difference = None if name == headline else _difference(scored, name, headline, resampled, inputs)
        found.append(
            ModelFindings(
                name=name,
                lesions=len(rows),
                partial_auc=percentile_interval(partial_auc(target, score), resampled[name][0]),
                auc=percentile_interval(auc(target, score), resampled[name][1]),
                difference=difference,
                nnt80=number_needed_to_treat(target, score, sensitivity=0.8),
                nnt90=number_needed_to_treat(target, score, sensitivity=0.9),
                se_top_15=rows.select(within_top_k_expr("score", "owner").filter(pl.col("target") == 1).mean()).item(),
                groups=_groups(scored, name, inputs.num_resamples if name == headline else 0, inputs.seed),
            )
        )
    return tuple(sorted(found, key=lambda model: (model.name != headline, -model.partial_auc.value, model.name)))


def _difference(
    scored: Scored,
    name: str,
    headline: str,
    resampled: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]],
    inputs: ReportInputs,
) -> Interval | None:
    """Return by how much a model is better than the headline one on the lesions that both score; None without any."""
    ours, theirs = scored.pooled[name], scored.pooled[headline]
    first, second = resampled[name][0], resampled[headline][0]
    if not ours["isic_id"].equals(theirs["isic_id"]):
        ours = ours.join(theirs, on="isic_id", how="semi", maintain_order="left")
        theirs = theirs.join(ours, on="isic_id", how="semi", maintain_order="left")
        if ours["target"].n_unique() < 2:
            return None
        first, second = (_resamples(rows, inputs.num_resamples, inputs.seed, whole=False)[0] for rows in (ours, theirs))
    value = partial_auc(*_target_and_score(ours)) - partial_auc(*_target_and_score(theirs))
    return percentile_interval(value, first - second)


def _groups(scored: Scored, model: str, num_resamples: int, seed: int) -> dict[str, tuple[GroupRow, ...]]:
    import polars as pl

    pooled = scored.pooled[model]
    if "age_approx" in pooled.columns:
        pooled = pooled.with_columns(age_band_expr())
    rounds, owner = scored.by_fold[model], "owner"
    columns = [column for column in GROUPINGS if column != "fold" and column in pooled.columns]
    pooled = pooled.with_columns(pl.col(columns).cast(pl.String))
    tables = {} if rounds.is_empty() else {"fold": (rounds, metrics_by(rounds, "fold", patient=owner))}
    tables |= {name: (pooled, table) for name, table in metrics_by_each(pooled, columns, patient=owner).items()}
    return {
        column: tuple(_group_row(row, lesions, column, num_resamples, seed) for row in table.iter_rows(named=True))
        for column, (lesions, table) in tables.items()
    }


def _group_row(row: Mapping[str, object], lesions: DataFrame, column: str, num_resamples: int, seed: int) -> GroupRow:
    import polars as pl

    low = high = None
    if num_resamples and row["partial_auc"] is not None:
        members = lesions.filter(pl.col(column).eq_missing(pl.lit(row[column])))
        resampled, _ = _resamples(members, num_resamples, seed, whole=False)
        interval = percentile_interval(float(row["partial_auc"]), resampled)  # type: ignore[arg-type]
        low, high = (None if np.isnan(end) else end for end in (interval.low, interval.high))
    group = None if row[column] is None else str(row[column])
    return GroupRow(group=group, low=low, high=high, **{k: v for k, v in row.items() if k != column})  # type: ignore[arg-type]


def _resamples(
    rows: DataFrame, num_resamples: int, seed: int, *, whole: bool = True
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return partial AUC and, if `whole`, AUC of each resample; NaN, which gives no interval, where there are none."""
    target, score = _target_and_score(rows)
    owner = rows["owner"].to_numpy()
    if not num_resamples or target.all() or not enough_patients(target, owner):
        return np.full(num_resamples or 1, np.nan), np.full(num_resamples or 1, np.nan)
    areas = partial_aucs_of_resamples(
        target, score, owner, seed=seed, min_tprs=(0.8, 0.0) if whole else (0.8,), num_resamples=num_resamples
    )
    return areas[0], areas[-1]


def _target_and_score(rows: DataFrame) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    return rows["target"].to_numpy(), rows["score"].to_numpy()
