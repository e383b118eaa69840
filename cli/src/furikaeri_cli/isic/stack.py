"""`isic stack`: one score out of many models', with weights chosen on what they had not seen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from furikaeri_cli.options import Json, Quiet, Seed
from furikaeri_cli.output import Output

if TYPE_CHECKING:
    from isic_lesion.score_tables import Coverage
    from isic_lesion.stack.values import Blend, Stack, StackConfig

__all__ = ["Stacked", "make_stack", "stack_cli"]

STACK_FILE, SCORES_FILE, SUBMISSION_FILE = "stack.json", "scores.parquet", "submission.csv"


class Stacked(NamedTuple):
    """What came of it.

    Attributes:
        out: the folder that holds `STACK_FILE`, `SCORES_FILE` and, if there are `test_lesions`, `SUBMISSION_FILE`.
        stack: the weights and how good they are.
        coverage: what each model has scored.
        lesions: how many lesions the folds have.
        test_lesions: how many lesions without a fold were scored; 0 if none had a score.
        unknown_lesions: how many of them are of hospitals that the training data lack; None if the data do not say.
    """

    out: Path
    stack: Stack
    coverage: list[Coverage]
    lesions: int
    test_lesions: int
    unknown_lesions: int | None


def make_stack(folds: Path, data: Path, scores: Sequence[Path], out: Path, config: StackConfig) -> Stacked:
    """Choose the weights of a stack on out-of-fold scores, and write it with its own out-of-fold scores.

    Scores without a fold are of a test set: they are stacked into a submission. Whether its lesions are of hospitals
    that are in the training data is read from test-metadata.csv; where there is none, they are taken to be.

    Args:
        folds: what the scores were made with.
        data: a folder that holds train-metadata.csv.
        scores: files of scores, Parquet or CSV, or folders of Parquet files.
        out: a folder; made if it is missing. The same arguments write the same bytes.
        config: how the stack is made.

    Raises:
        InputError: if something cannot be read, or does not fit the rest.
    """
    from isic_lesion.data.dataset import has_split, open_lesions
    from isic_lesion.folds.files import check_patients, read_folds
    from isic_lesion.scores import average_members, coverage_of, read_many_scores, write_scores
    from isic_lesion.stack.files import write_stack
    from isic_lesion.stack.fitting import fit_stack, stack_held_out, submission_of
    from isic_lesion.submission import write_submission

    dealt = read_folds(folds)
    of_models = average_members(read_many_scores(scores, dealt))
    metadata = open_lesions(data).read(["isic_id", "patient_id", "target", "attribution"])
    check_patients(dealt, metadata, folds)
    stack = fit_stack(of_models, metadata, dealt, config)
    test = of_models.filter(of_models["fold"].is_null())
    unknown = None
    if len(test):
        table = open_lesions(data, "test").read(["isic_id", "attribution"]) if has_split(data, "test") else None
        submission, unknown = submission_of(stack, test, table, set(metadata["attribution"].drop_nulls()))
        write_submission(submission, out / SUBMISSION_FILE)
    write_scores(out / SCORES_FILE, stack_held_out(stack, of_models, dealt), dealt)
    write_stack(stack, out / STACK_FILE)
    coverage = coverage_of(of_models.filter(of_models["fold"].is_not_null()), dealt)
    return Stacked(out, stack, coverage, len(dealt.frame), len(submission) if len(test) else 0, unknown)


def stack_cli(
    more: Annotated[
        list[Path] | None, typer.Argument(metavar="SCORES", help="More files of scores (a shell's *.parquet).")
    ] = None,
    folds: Annotated[Path, typer.Option("--folds", metavar="FILE", help="The folds, from `isic folds`.")] = Path(
        "folds.parquet"
    ),
    data: Annotated[Path, typer.Option("--data", metavar="FOLDER", help="Holds train-metadata.csv.")] = Path("data"),
    scores: Annotated[
        list[Path] | None,
        typer.Option("--scores", metavar="FILE", help="Out-of-fold scores: Parquet, CSV, or a folder of Parquet."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the stack goes.")] = Path("stack"),
    known: Annotated[
        list[str] | None, typer.Option("--known", metavar="MODEL", help="Models for known hospitals; * and ? match.")
    ] = None,
    unknown: Annotated[
        list[str] | None, typer.Option("--unknown", metavar="MODEL", help="Models for unknown hospitals.")
    ] = None,
    weights: Annotated[
        Literal["chosen", "equal"],
        typer.Option("--weights", help="Chosen by pAUC; or equal, better for some hundred lesions."),
    ] = "chosen",
    objective: Annotated[
        Literal["pooled", "mean"],
        typer.Option("--objective", help="pAUC of all rows together, or its mean over folds."),
    ] = "pooled",
    rank_within: Annotated[
        Literal["all", "fold"], typer.Option("--rank-within", help="What scores are ranked with.")
    ] = "all",
    trials: Annotated[int, typer.Option("--trials", min=1, help="Weights that are tried for each choice.")] = 200,
    least_weight: Annotated[
        float, typer.Option("--least-weight", min=0.0, max=0.99, help="Smaller weights become 0.")
    ] = 0.02,
    nested: Annotated[bool, typer.Option("--nested/--no-nested", help="Judge the choice of weights too.")] = True,
    seed: Seed = 42,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Stack models: the weighted mean of their ranks, weights chosen on out-of-fold scores by pAUC above 80 % TPR.

    A file of scores has the columns isic_id, fold, model and score; in a CSV the model may be left out (the file's name
    is taken). `model#member` names a seed or another fit of a model: members are averaged first. Scores must have been
    made with the folds given. Lesions of unknown hospitals have weights of their own.

    "stack" is judged on the lesions its weights were chosen on; "stack, nested" is the honest figure: each fold with
    weights that were chosen on the others. DIR gets stack.json and scores.parquet, the stack's out-of-fold scores.

    Examples:
        isic stack --folds folds.parquet --data data --scores oof --out stack
        isic stack --data data --scores gbdt.csv --scores image.parquet --unknown "image*" --trials 400 --json
    """
    from isic_lesion.stack.values import StackConfig

    output = Output.choose(json=json, quiet=quiet)
    config = StackConfig(
        known_models=tuple(known or ()),
        unknown_models=tuple(unknown or ()),
        weights=weights,
        objective=objective,
        rank_within=rank_within,
        trials=trials,
        least_weight=least_weight,
        nested=nested,
        seed=seed,
    )
    made = make_stack(folds, data, [*(scores or ()), *(more or ())], out, config)
    rows = [
        (which, line.name, _figure(line.weight, 3), *map(_figure, (of.pooled, of.mean, of.spread)))
        for which, blend in _blends(made.stack)
        for line in blend.lines
        for of in (line.estimate,)
    ]
    columns = ("hospitals", "scores", "weight", "pooled pAUC", "mean of folds", "sd of folds")
    output.table(columns, rows, value=_document(made))
    _tell(output, made)


def _blends(stack: Stack) -> list[tuple[str, Blend]]:
    if stack.known is not None and stack.known == stack.unknown:
        return [("all", stack.known)]
    return [(which, blend) for which, blend in (("known", stack.known), ("unknown", stack.unknown)) if blend]


def _figure(value: float | None, digits: int = 5) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _document(made: Stacked) -> dict[str, object]:
    """Return what `--json` prints: the weights and the table, without the distributions of stack.json."""
    return {
        "out": made.out,
        "folds": made.stack.folds,
        "scheme": made.stack.scheme,
        "config": made.stack.config,
        "weights_known": made.stack.weights_known,
        "weights_unknown": made.stack.weights_unknown,
        "blends": {
            which: {
                "lesions": blend.lesions,
                "malignant": blend.malignant,
                "left_out": blend.left_out,
                "fold_weights": [dict(zip(blend.models, weights, strict=True)) for weights in blend.fold_weights],
                "lines": [
                    {
                        "scores": line.name,
                        "weight": line.weight,
                        "pooled": line.estimate.pooled,
                        "mean": line.estimate.mean,
                        "spread": line.estimate.spread,
                        "per_fold": line.estimate.per_fold,
                    }
                    for line in blend.lines
                ],
            }
            for which, blend in _blends(made.stack)
        },
        "coverage": made.coverage,
        "test_lesions": made.test_lesions,
        "unknown_lesions": made.unknown_lesions,
    }


def _tell(output: Output, made: Stacked) -> None:
    blind = [
        name for name in (made.stack.unknown.models if made.stack.unknown else ()) if name.endswith("-no-hospital")
    ]
    if blind and not made.stack.config.unknown_models:
        output.note(
            "lesions of unknown hospitals are scored by all models, also by those that look at the hospital; "
            "--unknown '*-no-hospital' leaves these out"
        )
    from isic_lesion.stack.fitting import EQUAL, NESTED

    for of in made.coverage:
        if of.missing:
            output.warn(f"{of.model}: {of.missing} of {made.lesions} lesions have no score")
    for which, blend in _blends(made.stack):
        hospitals = "" if which == "all" else f" of {which} hospitals"
        left_out = f"; {blend.left_out} that some model has not scored are left out" if blend.left_out else ""
        output.note(
            f"weights{hospitals} were chosen on {blend.lesions} lesions ({blend.malignant} malignant){left_out}"
        )
        nested, alone = blend.estimate_of(NESTED), blend.estimate_of(EQUAL)
        best = max((line for line in blend.lines if line.weight is not None), key=lambda line: line.estimate.pooled)
        if (
            sum(weight > 0 for weight in blend.weights) > 1
            and nested
            and alone
            and nested.pooled <= max(alone.pooled, best.estimate.pooled)
        ):
            better = best.name if best.estimate.pooled > alone.pooled else EQUAL
            output.note(f"where they were not chosen, the weights{hospitals} do no better than {better}")
    if made.stack.scheme == "patients":
        output.note(
            "these folds hold out no hospital, so how good scores of unknown ones are is not known; "
            "see isic folds --scheme hospitals"
        )
    elif made.stack.unknown is None:
        output.warn("no score is of a held-out hospital: the stack has no weights for unknown hospitals")
    if made.test_lesions and made.unknown_lesions is None:
        output.warn("there is no test-metadata.csv: all hospitals of the test set are taken to be known")
    if made.test_lesions:
        of_unknown = f", {made.unknown_lesions} of unknown hospitals" if made.unknown_lesions else ""
        output.note(f"{SUBMISSION_FILE} has {made.test_lesions} lesions{of_unknown}")
    if not made.test_lesions and (made.out / SUBMISSION_FILE).exists():
        output.warn(f"{made.out / SUBMISSION_FILE} is not of this stack: no score without a fold was given")
    output.note(f"Kept in {made.out}. For research: no medical device; the contest's data are CC BY-NC as a whole")
