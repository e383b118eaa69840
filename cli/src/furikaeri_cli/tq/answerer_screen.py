"""What `tq evaluate answerer` shows: the answerers, the worst questions, and the pairs in dispute."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from furikaeri_cli.output import Output
from furikaeri_cli.tq.asking import usage_line
from twenty_questions.studies.answerer_figures import AnswererStudy, ChosenVoters
from twenty_questions.studies.intervals import Estimate
from twenty_questions.studies.votes import Rule

__all__ = ["Evaluated", "Pace", "document_of", "show_evaluated"]


class Pace(NamedTuple):
    """How fast a model labelled.

    Attributes:
        name: the model's.
        labelled: pairs that this run labelled; the others were stored.
        seconds: how long that took.
        pairs_per_second: NaN where all were stored.
        usage: what a server counted: requests, tokens, cost; empty for a model in this process.
    """

    name: str
    labelled: int
    seconds: float
    pairs_per_second: float
    usage: Mapping[str, float] = MappingProxyType({})


class Evaluated(NamedTuple):
    """What came of it.

    Attributes:
        study: the figures.
        by_rule: how many pairs the rules of spelling answered, the same for every model.
        paces: of each model.
        run: the folder.
    """

    study: AnswererStudy
    by_rule: int
    paces: tuple[Pace, ...]
    run: Path


def document_of(done: Evaluated, disagreements: int = 0) -> dict[str, Any]:
    """Return the results as JSON has them, with some of the disagreements."""
    document = done.study._asdict()
    document["disagreements"] = done.study.disagreements[:disagreements]
    return {
        **document,
        "disagreeing_or_surely_wrong": len(done.study.disagreements),
        "by_rule": done.by_rule,
        "paces": done.paces,
        "run": str(done.run),
    }


def _percent(estimate: Estimate) -> str:
    if math.isnan(estimate.value):
        return ""
    interval = "" if math.isnan(estimate.low) else f" ({100 * estimate.low:.1f}-{100 * estimate.high:.1f})"
    return f"{100 * estimate.value:.1f}{interval}"


def _share(value: float) -> str:
    return "" if math.isnan(value) else f"{100 * value:.1f}"


def _limits(thresholds: Sequence[float]) -> str:
    return ", ".join(f"{limit:.2f}" for limit in thresholds)


def show_evaluated(output: Output, done: Evaluated, rule: Rule, questions: int, disagreements: int) -> None:
    """Show what was measured: as JSON one document, else tables on stdout and the rest as notes.

    Args:
        output: the command's voice.
        done: what was measured.
        rule: whose vote the questions and disagreements are about.
        questions: how many of the worst to show.
        disagreements: how many pairs in dispute to show.
    """
    study = done.study
    columns = ("answerer", "accuracy", "balanced (95 %)", "AUC (95 %)", "fitted (95 %)")
    rows = [
        (
            one.name,
            _share(one.accuracy.value),
            _percent(one.balanced_accuracy),
            _percent(one.auc),
            _percent(one.fitted_balanced_accuracy),
        )
        for one in study.answerers
    ]
    output.note(_about(done))
    output.table(columns, rows, value=document_of(done, disagreements))
    if output.is_json:
        return
    if study.chosen:
        output.show("\n".join(["", *_chosen_lines(study.chosen)]))
    judged = done.paces[0].name if len(done.paces) == 1 else f"vote ({rule})"
    if questions:
        _print_questions(output, study, judged, questions)
    if disagreements and study.disagreements:
        _print_disagreements(output, study, disagreements)
    _note_the_rest(output, done)


def _chosen_lines(chosen: ChosenVoters) -> list[str]:
    lines = [
        f"Best of {chosen.tried:,} votes: {' + '.join(chosen.members)} (threshold {_limits(chosen.thresholds)}). "
        f"Chosen and judged on different keywords: balanced accuracy {_percent(chosen.balanced_accuracy)}, "
        f"AUC {_percent(chosen.auc)}; {_percent(chosen.gain)} points above a single model chosen in the same way."
    ]
    others = {members for members in chosen.by_fold if members != chosen.members}
    if others:
        lines.append(f"Some folds would choose {'; '.join(' + '.join(members) for members in sorted(others))}.")
    return lines


def _about(done: Evaluated) -> str:
    study = done.study
    by_rule = f"; {done.by_rule:,} pairs are answered by rule" if done.by_rule else ""
    return (
        f"{study.pairs:,} pairs of {study.keywords:,} keywords and {study.questions:,} questions, "
        f"{study.yes_share:.1%} yes{by_rule}. In %:"
    )


def _print_questions(output: Output, study: AnswererStudy, judged: str, count: int) -> None:
    figures = [one for one in study.by_question if one.answerer == judged]
    if not figures:
        return
    figures.sort(key=lambda one: one.accuracy if math.isnan(one.balanced_accuracy) else one.balanced_accuracy)
    output.show("")
    output.table(
        ("worst questions", "pairs", "yes", "said yes", "accuracy", "balanced", "AUC"),
        [
            (
                one.question,
                one.pairs,
                *map(_share, (one.yes_share, one.said_yes, one.accuracy, one.balanced_accuracy, one.auc)),
            )
            for one in figures[:count]
        ],
    )


def _print_disagreements(output: Output, study: AnswererStudy, count: int) -> None:
    words = {True: "yes", False: "no"}
    output.show("")
    output.table(
        ("keyword", "question", "gold", "said", "P(yes)"),
        [
            (
                one.keyword,
                one.question,
                words[one.answer],
                words[one.said],
                " ".join("-" if math.isnan(p) else f"{p:.2f}" for p in one.by_model),
            )
            for one in study.disagreements[:count]
        ],
    )


def _note_the_rest(output: Output, done: Evaluated) -> None:
    study = done.study
    for one in study.answerers:
        neither = f", {one.neither:.1%} neither yes nor no" if one.neither else ""
        output.note(
            f"{one.name}: recall of yes {one.yes_recall:.1%}, of no {one.no_recall:.1%}; log-loss {one.log_loss:.3f}; "
            f"threshold {_limits(one.threshold)}, fitted {_limits(one.fitted_threshold)}{neither}"
        )
    if len(done.paces) > 1:
        output.note(f"All models agree on {study.agreeing:.1%} of the pairs.")
    for pace in done.paces:
        said = f"{pace.pairs_per_second:.1f} pairs/s" if pace.labelled else "all from earlier runs"
        output.note(f"{pace.name}: {said}{f'; {usage_line(pace.usage)}' if pace.usage else ''}")
    output.note(f"Kept in {done.run}")
