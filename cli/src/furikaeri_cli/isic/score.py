"""`isic score`: how good a submission is, given the truth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from furikaeri_cli.options import Json, Quiet
from furikaeri_cli.output import Output
from furikaeri_common.errors import InputError

if TYPE_CHECKING:
    from isic_lesion.submission import ScoredLesions

__all__ = ["GROUPINGS", "Calibration", "Score", "score", "score_cli"]

GROUPINGS = {
    "hospital": "attribution",
    "site": "anatom_site_general",
    "sex": "sex",
    "age": "age_approx",
    "tile": "tbp_tile_type",
}
"""What lesions can be grouped by, and the column of the truth that says so."""

_USUAL = ("hospital", "site")


class Calibration(NamedTuple):
    """How far scores in [0, 1] can be read as chances of being malignant (see `isic_lesion.metrics.calibration`).

    Attributes:
        brier: the Brier score.
        log_loss: in nats; None (infinite) where a lesion was called certain and was not.
        expected_calibration_error: over ten bins of equal count.
        observed_to_expected: malignant lesions seen over those that the scores sum to; None where they sum to 0.
        slope: of the log-odds, 1 when calibrated; None where a threshold parts the classes.
        intercept: of the log-odds, 0 when calibrated; as `slope`.
    """

    brier: float
    log_loss: float | None
    expected_calibration_error: float
    observed_to_expected: float | None
    slope: float | None
    intercept: float | None


class Score(NamedTuple):
    """How good a submission is.

    Attributes:
        partial_auc: the contest's metric, in [0, 0.2].
        auc: area under the whole ROC curve, in [0, 1].
        nnt80: lesions flagged per malignant one found where 80 % of the malignant are found.
        nnt90: the same at 90 %.
        se_top_15: share of malignant lesions among their patient's 15 highest scores; None without patients.
        lesions: how many were scored.
        malignant: how many of them are malignant.
        calibration: of scores that all lie in [0, 1]; None for others.
        groups: for each grouping, a row for each group with the same measures, None where it lacks a class.
    """

    partial_auc: float
    auc: float
    nnt80: float
    nnt90: float
    se_top_15: float | None
    lesions: int
    malignant: int
    calibration: Calibration | None
    groups: dict[str, list[dict[str, Any]]]


def score(solution: Path, submission: Path, *, by: Sequence[str] | None = None) -> Score:
    """Score a submission against the truth, joined on isic_id whatever the order of the rows.

    Args:
        solution: a CSV (or .csv.gz) with columns isic_id and target (0 or 1), and patient_id where it is known.
        submission: one with columns isic_id and target (any finite number; higher is more suspicious).
        by: groupings to report as well; None: by hospital and site where the truth holds those.

    Raises:
        InputError: if a file is no such CSV, the two are not about the same lesions, or the truth lacks a grouping.
    """
    from isic_lesion import auc, number_needed_to_treat, partial_auc, se_top_k
    from isic_lesion.submission import read_submission
    from isic_lesion.submission_groups import score_groups

    for name in by or ():
        if name not in GROUPINGS:
            raise InputError(f"lesions are not grouped by {name!r}", fix=f"Choose among: {', '.join(GROUPINGS)}")
    rows = read_submission(submission, solution)
    target, submitted, patient, groups = rows
    for name in by or ():
        if GROUPINGS[name] not in groups.columns:
            raise InputError(f"{solution}: no column {GROUPINGS[name]!r}, which --by {name} needs")
    wanted = by if by is not None else [name for name in _USUAL if GROUPINGS[name] in groups.columns]
    return Score(
        partial_auc=partial_auc(target, submitted),
        auc=auc(target, submitted),
        nnt80=number_needed_to_treat(target, submitted, sensitivity=0.8),
        nnt90=number_needed_to_treat(target, submitted, sensitivity=0.9),
        se_top_15=None if patient is None else se_top_k(target, submitted, patient, k=15),
        lesions=len(target),
        malignant=int(target.sum()),
        calibration=_calibration(rows) if submitted.min() >= 0 and submitted.max() <= 1 else None,
        groups={name: score_groups(rows, GROUPINGS[name]).to_dicts() for name in dict.fromkeys(wanted)},
    )


def _calibration(rows: ScoredLesions) -> Calibration:
    import math

    from isic_lesion.report.calibrated import calibration_row

    found = calibration_row(rows.target, rows.score)
    return Calibration(
        brier=found.brier.score,
        log_loss=found.log_loss if math.isfinite(found.log_loss) else None,
        expected_calibration_error=found.expected_calibration_error,
        observed_to_expected=found.observed_to_expected if math.isfinite(found.observed_to_expected) else None,
        slope=found.line.slope if found.line else None,
        intercept=found.line.intercept if found.line else None,
    )


def score_cli(
    solution: Annotated[
        Path, typer.Argument(metavar="SOLUTION", help="A CSV of the truth: isic_id, target, and patient_id if known.")
    ],
    submission: Annotated[Path, typer.Argument(metavar="SUBMISSION", help="A CSV of scores: isic_id, target.")],
    by: Annotated[
        list[str] | None,
        typer.Option("--by", help=f"Score groups: {', '.join(GROUPINGS)}. May be repeated."),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score a submission as the contest does: pAUC above 80 % TPR, from 0 to 0.2, chance 0.02.

    Beside it: AUC; how many lesions are flagged per malignant one found at 80 % and 90 % sensitivity (NNT); and, if
    the truth names patients, the share of malignant lesions among their patient's 15 highest scores.
    Scores from 0 to 1 are also judged as probabilities: Brier score, log loss, calibration error, and slope of the
    log-odds (1 when calibrated); ranks are none. Hospitals and body sites are scored one by one if the truth names
    them, or what `--by` names; a group without malignant or without benign lesions has no figures.
    The contest's train-metadata.csv is a truth too. Rows may come in any order; .csv.gz is read as well.

    Examples:
        isic score solution.csv submission.csv
        isic score train-metadata.csv oof.csv.gz --json
        isic score train-metadata.csv oof.csv --by hospital --by sex --by age
    """
    output = Output.choose(json=json, quiet=quiet)
    scored = score(solution, submission, by=by)
    rows = [
        ("pAUC above 80 % TPR", f"{scored.partial_auc:.5f}"),
        ("AUC", f"{scored.auc:.5f}"),
        ("NNT at 80 % sensitivity", f"{scored.nnt80:.1f}"),
        ("NNT at 90 % sensitivity", f"{scored.nnt90:.1f}"),
        ("malignant in their patient's top 15", "" if scored.se_top_15 is None else f"{scored.se_top_15:.5f}"),
        ("malignant lesions", str(scored.malignant)),
        ("lesions", str(scored.lesions)),
    ]
    if scored.calibration is not None:
        judged = scored.calibration
        rows += [
            ("Brier score", f"{judged.brier:.6f}"),
            ("log loss", "infinite" if judged.log_loss is None else f"{judged.log_loss:.6f}"),
            ("expected calibration error", f"{judged.expected_calibration_error:.6f}"),
            (
                "observed over expected",
                "" if judged.observed_to_expected is None else f"{judged.observed_to_expected:.3f}",
            ),
            ("slope of the log-odds", "" if judged.slope is None else f"{judged.slope:.3f}"),
            ("intercept of the log-odds", "" if judged.intercept is None else f"{judged.intercept:.3f}"),
        ]
    output.table(("measure", "value"), [row for row in rows if row[1]], value=scored)
    if scored.groups and output.mode == "human":
        output.show("")
        output.table(_GROUP_HEADINGS, [_group_row(name, row) for name, group in scored.groups.items() for row in group])
    if scored.se_top_15 is None:
        output.note(f"{solution}: no column patient_id, so the top 15 of each patient are left out")


_GROUP_HEADINGS = ("by", "group", "lesions", "malignant", "pAUC", "AUC", "NNT80", "NNT90", "top 15")


def _group_row(name: str, row: dict[str, Any]) -> tuple[object, ...]:
    digits = (("partial_auc", 5), ("auc", 5), ("nnt80", 1), ("nnt90", 1), ("se_top_15", 5))
    measures = ("" if row.get(key) is None else f"{row[key]:.{places}f}" for key, places in digits)
    group = "not known" if row["group"] is None else row["group"]
    return (name, group, row["lesions"], row["malignant"], *measures)
