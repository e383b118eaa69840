"""`isic score`: how good a submission is, given the truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from furikaeri_cli.options import Json, Quiet
from furikaeri_cli.output import Output

__all__ = ["Score", "score", "score_cli"]


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
    """

    partial_auc: float
    auc: float
    nnt80: float
    nnt90: float
    se_top_15: float | None
    lesions: int
    malignant: int


def score(solution: Path, submission: Path) -> Score:
    """Score a submission against the truth, joined on isic_id whatever the order of the rows.

    Args:
        solution: a CSV (or .csv.gz) with columns isic_id and target (0 or 1), and patient_id where it is known.
        submission: one with columns isic_id and target (any finite number; higher is more suspicious).

    Raises:
        InputError: if a file is no such CSV, or the two are not about the same lesions.
    """
    from isic_lesion import auc, number_needed_to_treat, partial_auc, se_top_k
    from isic_lesion.submission import read_submission

    target, submitted, patient = read_submission(submission, solution)
    return Score(
        partial_auc=partial_auc(target, submitted),
        auc=auc(target, submitted),
        nnt80=number_needed_to_treat(target, submitted, sensitivity=0.8),
        nnt90=number_needed_to_treat(target, submitted, sensitivity=0.9),
        se_top_15=None if patient is None else se_top_k(target, submitted, patient, k=15),
        lesions=len(target),
        malignant=int(target.sum()),
    )


def score_cli(
    solution: Annotated[
        Path, typer.Argument(metavar="SOLUTION", help="A CSV of the truth: isic_id, target, and patient_id if known.")
    ],
    submission: Annotated[Path, typer.Argument(metavar="SUBMISSION", help="A CSV of scores: isic_id, target.")],
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score a submission as the contest does: pAUC above 80 % TPR, from 0 to 0.2, chance 0.02.

    Beside it: AUC; how many lesions are flagged per malignant one found at 80 % and 90 % sensitivity (NNT); and, if
    the truth names patients, the share of malignant lesions among their patient's 15 highest scores.
    The contest's train-metadata.csv is a truth too. Rows may come in any order; .csv.gz is read as well.

    Examples:
        isic score solution.csv submission.csv
        isic score train-metadata.csv oof.csv.gz --json
    """
    output = Output.choose(json=json, quiet=quiet)
    scored = score(solution, submission)
    rows = [
        ("pAUC above 80 % TPR", f"{scored.partial_auc:.5f}"),
        ("AUC", f"{scored.auc:.5f}"),
        ("NNT at 80 % sensitivity", f"{scored.nnt80:.1f}"),
        ("NNT at 90 % sensitivity", f"{scored.nnt90:.1f}"),
        ("malignant in their patient's top 15", "" if scored.se_top_15 is None else f"{scored.se_top_15:.5f}"),
        ("malignant lesions", str(scored.malignant)),
        ("lesions", str(scored.lesions)),
    ]
    output.table(("measure", "value"), [row for row in rows if row[1]], value=scored)
    if scored.se_top_15 is None:
        output.note(f"{solution}: no column patient_id, so the top 15 of each patient are left out")
