"""`isic report`: what scores are worth, for whom, and which lesions to look at first, as one page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer

from furikaeri_cli.options import Json, Quiet, Seed
from furikaeri_cli.output import Output
from furikaeri_common.errors import InputError

if TYPE_CHECKING:
    from isic_lesion.report import Findings
    from isic_lesion.report.sources import Sources

__all__ = ["ReportMade", "make_report", "report_cli"]


class ReportMade(NamedTuple):
    """What the page says, in short.

    Attributes:
        path: the page.
        size: in bytes.
        headline: the model that lists and tables are about.
        lesions: how many are scored.
        malignant: how many of them are malignant; None where truth is unknown.
        patients: of how many patients they are.
        models: the figures of each model, the headline's first; see `isic_lesion.report.findings.ModelFindings`.
        calibration: the headline model's; None where truth is unknown.
    """

    path: Path
    size: int
    headline: str
    lesions: int
    malignant: int | None
    patients: int
    models: tuple[Any, ...]
    calibration: Any


def make_report(
    sources: Sources,
    out: Path,
    *,
    headline: str | None = None,
    title: str = "Skin lesion triage",
    resamples: int = 1000,
    seed: int = 0,
    crops: bool = True,
) -> ReportMade:
    """Write a report.

    Args:
        sources: what it is about.
        out: the page; replaced if it is there.
        headline: the model that lists and tables are about; None: the stack, or else the best.
        title: of the page.
        resamples: of patients, for intervals; 0: none.
        seed: of these.
        crops: whether pictures are shown where there are images.

    Raises:
        InputError: if a file cannot be read or the files do not belong together.
        MissingExtraError: if the extra `report` is not installed.
    """
    from isic_lesion.report import write_report
    from isic_lesion.report.sources import read_inputs

    if out.is_dir():
        raise InputError(f"{out}: is a folder", fix="Name a file, such as report.html")
    inputs = read_inputs(sources, headline=headline, title=title, num_resamples=resamples, seed=seed, with_images=crops)
    found: Findings = write_report(inputs, out)
    return ReportMade(
        path=out,
        size=out.stat().st_size,
        headline=found.headline,
        lesions=found.lesions,
        malignant=found.malignant,
        patients=found.patients,
        models=found.models,
        calibration=found.calibration,
    )


def report_cli(
    data: Annotated[
        Path | None, typer.Option("--data", metavar="FOLDER", help="The folder of lesions, and images if any.")
    ] = None,
    scores: Annotated[
        list[Path] | None, typer.Option("--scores", metavar="FILE", help="Scores of models; may be given repeatedly.")
    ] = None,
    folds: Annotated[
        Path | None, typer.Option("--folds", metavar="FILE", help="The folds that the scores were made with.")
    ] = None,
    stack: Annotated[
        Path | None, typer.Option("--stack", metavar="PATH", help="The folder of a stack, or its weights.")
    ] = None,
    importances: Annotated[
        list[Path] | None, typer.Option("--importances", metavar="FILE", help="Importances of features, as Parquet.")
    ] = None,
    run: Annotated[
        Path | None, typer.Option("--run", metavar="DIR", help="A run of `isic run`: everything is taken from there.")
    ] = None,
    maps: Annotated[
        Path | None,
        typer.Option("--maps", metavar="DIR", help="An image model: where it looked; else a run's first, with --data."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The page.")] = Path("report.html"),
    model: Annotated[
        str | None, typer.Option("--model", help="The model that lists and tables are about; else the stack or best.")
    ] = None,
    split: Annotated[
        Literal["train", "test"], typer.Option("--split", help="Which table of the folder was scored.")
    ] = "train",
    title: Annotated[str, typer.Option("--title", help="The page's title.")] = "Skin lesion triage",
    crops: Annotated[bool, typer.Option("--crops/--no-crops", help="Show pictures of lesions.")] = True,
    resamples: Annotated[
        int, typer.Option("--resamples", min=0, help="Resamples of patients for intervals; 0: no intervals.")
    ] = 1000,
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write what scores are worth as one HTML page, which needs no other file and no network.

    It holds every model with 95 % intervals over patients; tables by fold, hospital, body site, sex, age and tile
    type; ROC, NNT and reliability curves; the worst misses, the most suspicious benign lesions and each patient's
    lesions to look at first, with their crops; and a gallery of patients, where the lesion that is unlike its owner's
    others stands out, with maps of where an image model looked. Without truth it holds gallery and lists. Scores are
    those of `isic run`, or a CSV with isic_id, fold (may be empty) and score. With `--run` and `--data`, only images
    come from the folder.

    Examples:
        isic report --data data --scores scores/gbdt.parquet --scores scores/image.parquet
        isic report --data data --scores oof.csv --out oof.html --no-crops --json
        isic report --data data --scores models/small-lite0/oof.parquet --maps models/small-lite0
        isic report --run runs/first --data data --out report.html
    """
    import dataclasses

    from isic_lesion.image_models.rows import open_image_folder
    from isic_lesion.report.sources import Sources, sources_of_run, stack_file, stacked_scores

    output = Output.choose(json=json, quiet=quiet)
    if run is not None:
        sources = sources_of_run(run, data=data)
        if scores or folds or stack or importances:
            raise InputError(
                "with --run, scores, folds, stack and importances come from the run", fix="Leave --run or those out"
            )
    else:
        if data is None or not scores:
            raise InputError("a report needs --data and --scores, or --run", fix="Give the folder and what scored it")
        weights = None if stack is None else stack_file(stack)
        if stack is not None and weights is None:
            raise InputError(f"{stack}: holds no stack", fix="Make it with `isic stack`")
        sources = Sources(
            data=data,
            scores=(*scores, *stacked_scores(stack, scores)),
            folds=folds,
            stack=weights,
            importances=tuple(importances or ()),
            split=split,
        )
    if maps is not None:
        if not crops or data is None:
            raise InputError("--maps are laid over pictures", fix="Give --data, and leave --no-crops out")
        open_image_folder(data, split)
        sources = dataclasses.replace(sources, maps=maps)
    made = make_report(sources, out, headline=model, title=title, resamples=resamples, seed=seed, crops=crops)
    rows = [
        (
            one.name,
            f"{one.partial_auc.value:.4f}",
            f"{one.partial_auc.low:.4f}-{one.partial_auc.high:.4f}" if resamples else "",
            f"{one.auc.value:.4f}",
            f"{one.nnt80:.1f}",
            f"{one.nnt90:.1f}",
            f"{one.se_top_15:.1%}",
        )
        for one in made.models
    ]
    if not made.models and not output.is_json:
        output.note("truth is not known of every lesion, or is one class: the page holds the lists without any figures")
        rows = [(made.headline, "", "", "", "", "", "")]
    output.table(("model", "pAUC", "95 %", "AUC", "NNT80", "NNT90", "top 15"), rows, value=made)
    output.note(f"{made.path}: {made.lesions} lesions, {made.size / 1e6:.1f} MB. This is no medical device.")
