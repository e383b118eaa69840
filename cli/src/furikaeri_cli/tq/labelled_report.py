"""What labelling a table came to: each model's labels, how they agree, the calibration, time and cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from furikaeri_cli.output import Output
from furikaeri_cli.tq.labelling_progress import duration
from furikaeri_common.models.usage import requests_by_server

if TYPE_CHECKING:
    from furikaeri_cli.tq.precompute_table import Labelled
    from twenty_questions.labelling.calibration_report import CalibrationReport

__all__ = ["calibration_lines", "print_labelled"]


def print_labelled(output: Output, labelled: Labelled) -> None:
    """Print the figures on stdout, and where things lie as notes."""
    made = labelled.made
    columns = ("model", "pairs", "yes", "mean P(yes)", "unlabelled")
    rows = [(one.model, one.labelled, f"{one.yes_share:.1%}", one.mean, one.unlabelled) for one in made.models]
    output.table(columns, rows, value=_plain(labelled))
    output.show("\n".join(_lines(labelled)))
    output.note(f"Written to {labelled.folder}; every model's own P(yes) is in {labelled.folder / 'shards'}")
    if labelled.other_recipes:
        others = "1 folder" if labelled.other_recipes == 1 else f"{labelled.other_recipes} folders"
        output.note(f"Beside them: {others} with shards of other models, prompts or lists")


def _lines(labelled: Labelled) -> list[str]:
    made, spent = labelled.made, labelled.spent
    lines = [
        f"{one.one} and {one.other}: agree on {one.agreement:.1%}, kappa {one.kappa:.3f}, correlation "
        f"{one.correlation:.3f}"
        for one in made.agreement
    ]
    if made.unlabelled:
        lines.append(f"pairs that no model labelled: {made.unlabelled:,}; the table holds them as not known")
    for name, report in made.calibrations.items():
        lines += calibration_lines(name, report)
    cost = f", cost {spent.usage['cost']:.4g}" if spent.usage.get("cost") else ""
    lines.append(
        f"{labelled.pairs:,} pairs labelled, {labelled.here:,} of them now; labelling took {duration(spent.seconds)} "
        f"in all{cost}"
    )
    if by_server := requests_by_server(spent.usage):
        lines.append("requests: " + ", ".join(f"{count:,} to {server}" for server, count in by_server.items()))
    return lines


def calibration_lines(name: str, report: CalibrationReport) -> list[str]:
    """Return what a calibration is and what it is worth, for a person."""
    kind, parameters = report.calibration
    told = ", ".join(f"{key} {value:.3f}" for key, value in parameters.items() if isinstance(value, float))
    if kind == "isotonic":
        told = f"{len(parameters['from_p'])} knots"
    lines = [
        f"calibration of {name}: {kind}{f' ({told})' if told else ''}",
        f"  fitted on {report.fitted_pairs:,} pairs of {report.fitted_keywords} keywords, reported on "
        f"{report.after.pairs:,} of {report.after.keywords} others",
    ]
    if report.cross_validated:
        losses = ", ".join(f"{one} {loss:.4f}" for one, loss in report.cross_validated.items())
        lines.append(f"  cross-validated log-loss: {losses}")
    for when, quality in (("before", report.before), ("after", report.after)):
        lines.append(
            f"  {when}: log-loss {quality.log_loss:.4f}, Brier {quality.brier:.4f}, ECE {quality.ece:.4f}, "
            f"balanced accuracy {quality.balanced_accuracy:.4f}"
        )
    return lines


def _plain(labelled: Labelled) -> dict[str, Any]:
    made = labelled.made
    return {
        "folder": str(labelled.folder),
        "keywords": len(made.table.keywords),
        "questions": len(made.table.questions),
        "pairs": labelled.pairs,
        "labelled_now": labelled.here,
        "seconds": labelled.seconds,
        "spent": labelled.spent,
        "models": made.models,
        "agreement": made.agreement,
        "unlabelled": made.unlabelled,
        "calibrations": made.calibrations,
        "other_recipes": labelled.other_recipes,
    }
