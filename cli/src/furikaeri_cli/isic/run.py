"""`isic run`: the whole chain, from a raw folder to a submission."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from furikaeri_cli.isic.by_size import suiting
from furikaeri_cli.options import Json, Quiet, Runs, Workers
from furikaeri_cli.output import Output
from furikaeri_cli.stage_progress import STAGE_COLUMNS, StageTeller, stage_rows

if TYPE_CHECKING:
    from furikaeri_common.stages import StageRecord
    from furikaeri_common.tasks import Progress
    from isic_lesion.recipe import Recipe

__all__ = ["Given", "Ran", "run_cli", "run_recipe"]


class Given(NamedTuple):
    """Where a run's inputs lie.

    Attributes:
        data: a folder that holds train-metadata.csv.
        test: one that holds test-metadata.csv; None: none.
        image_scores: files of out-of-fold scores.
        test_image_scores: files of the same models' scores of the test lesions.
        past: files or folders of earlier contests.
        folds: folds made before; None: as the recipe says.
    """

    data: Path
    test: Path | None = None
    image_scores: tuple[Path, ...] = ()
    test_image_scores: tuple[Path, ...] = ()
    past: tuple[Path, ...] = ()
    folds: Path | None = None


class Ran(NamedTuple):
    """What a run made.

    Attributes:
        folder: the run's.
        stages: what each of them told, took and held.
        pauc: of the stack on held-out lesions.
        judged: "stack, nested" where weights were chosen on the other folds, else "stack".
        report: the page.
        submission: the scores of the test lesions; None without them.
    """

    folder: Path
    stages: tuple[StageRecord, ...]
    pauc: float
    judged: str
    report: Path
    submission: Path | None


def run_cli(
    data: Annotated[Path, typer.Option("--data", metavar="FOLDER", help="Holds train-metadata.csv.")] = Path("data"),
    recipe: Annotated[
        str | None,
        typer.Option(
            "--recipe",
            metavar="NAME|FILE",
            help="A recipe by name (see --recipes), or a TOML file; else the one that suits the number of lesions.",
        ),
    ] = None,
    test: Annotated[
        Path | None,
        typer.Option("--test", metavar="FOLDER", help="Holds test-metadata.csv; else the data folder, if it has one."),
    ] = None,
    image_scores: Annotated[
        list[Path] | None,
        typer.Option("--image-scores", metavar="FILE", help="Out-of-fold scores of image models; may be repeated."),
    ] = None,
    test_image_scores: Annotated[
        list[Path] | None,
        typer.Option("--test-image-scores", metavar="FILE", help="The same models' scores of the test lesions."),
    ] = None,
    past: Annotated[
        list[Path] | None, typer.Option("--past", metavar="PATH", help="Files of earlier contests; may be repeated.")
    ] = None,
    folds: Annotated[
        Path | None, typer.Option("--folds", metavar="FILE", help="Folds made before, as image models used them.")
    ] = None,
    recipes: Annotated[bool, typer.Option("--recipes", help="List the recipes that come by name, and stop.")] = False,
    device: Annotated[
        Literal["cpu", "gpu"] | None,
        typer.Option("--device", help="Where boosters are trained; else as the recipe says."),
    ] = None,
    runs: Runs = Path("runs"),
    workers: Workers = 1,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run the whole chain: check, folds, features, table models, stack, report, and a submission for test lesions.

    Everything goes into one folder below --runs. A run that was stopped, by whatever, goes on when the same command is
    given again, and ends with the same bytes. Figures are of lesions that the models had not seen. This is no medical
    device, and the contest's data as a whole are CC-BY-NC.

    Examples:
        isic run --data data
        isic run --data data --recipe original --past past --workers 2
        isic run --recipes
    """
    output = Output.choose(json=json, quiet=quiet)
    if recipes:
        _list_recipes(output)
        return
    from isic_lesion.data.dataset import has_split

    given = Given(
        data,
        test or (data if has_split(data, "test") else None),
        tuple(image_scores or ()),
        tuple(test_image_scores or ()),
        tuple(past or ()),
        folds,
    )
    from isic_lesion.recipe import read_recipe

    chosen = recipe or suiting(data, "recipe", output)
    ran = run_recipe(_on(device, read_recipe(chosen)), given, runs=runs, workers=workers, output=output)
    _print(output, ran)


def run_recipe(recipe: Recipe, given: Given, *, runs: Path, workers: int, output: Output) -> Ran:
    """Run a recipe, or go on with an earlier run of the same recipe on the same data that was stopped.

    Args:
        recipe: how.
        given: of what.
        runs: the folder that holds the runs.
        workers: processes that train boosters; 0: this one.
        output: who is told of progress.

    Raises:
        InputError: if something cannot be read, or does not fit the rest.
        WorkError: if a booster cannot be trained.
    """
    from furikaeri_cli.progress import showing_progress
    from furikaeri_common.documents import jsonable
    from furikaeri_common.local_processes import LocalProcesses
    from furikaeri_common.runs import find_unfinished, start_run
    from furikaeri_common.stages import run_stages
    from isic_lesion.data.dataset import open_lesions
    from isic_lesion.pipeline import stages_of
    from isic_lesion.run_inputs import RunInputs
    from isic_lesion.run_layout import RunLayout

    inputs = RunInputs(
        data=open_lesions(given.data),
        recipe=recipe,
        engine=LocalProcesses(workers),
        test=None if given.test is None else open_lesions(given.test, "test"),
        image_scores=given.image_scores,
        test_image_scores=given.test_image_scores,
        past=given.past,
        folds=given.folds,
    )
    config = {"recipe": jsonable(recipe)}
    data = inputs.fingerprints()
    unfinished = find_unfinished(runs, "isic run", config, seed=recipe.folds.seed, data=data)
    if unfinished is not None:
        output.note(f"Going on with {unfinished}")
    with start_run(runs, "isic run", config, seed=recipe.folds.seed, data=data, resume=unfinished) as run:
        teller = StageTeller(output)

        def on_progress(event: Progress) -> None:
            teller.on_part(event, lambda: showing_progress(output, "boosters", event.total))

        stages = stages_of(inputs, run.path, threads=_cores(), on_progress=on_progress)
        with teller.telling(len(stages)):
            records = run_stages(run.path, stages, on_start=teller.on_start, on_end=teller.on_end)
        for record in records:
            run.log({"seconds": record.seconds, "peak_bytes": record.peak, **record.facts}, stage=record.name)
    layout = RunLayout(run.path)
    told = {record.name: record.facts for record in records}["stack"]
    lines = told.get("pauc_known") or told["pauc_unknown"]
    judged = "stack, nested" if "stack, nested" in lines else "stack"
    return Ran(
        folder=run.path,
        stages=tuple(records),
        pauc=lines[judged],
        judged=judged,
        report=layout.report,
        submission=layout.submission if inputs.test is not None else None,
    )


def _cores() -> int:
    return min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def _on(device: Literal["cpu", "gpu"] | None, recipe: Recipe) -> Recipe:
    """Return the recipe with the boosters that can be trained there trained on a device."""
    if device is None:
        return recipe
    models = [
        dataclasses.replace(model, device=device) if model.library in ("xgboost", "lightgbm") else model
        for model in recipe.models
    ]
    return dataclasses.replace(recipe, models=tuple(models))


def _list_recipes(output: Output) -> None:
    from isic_lesion.recipe import RECIPES, read_recipe

    recipes = [read_recipe(name) for name in RECIPES]
    rows = [(recipe.name, recipe.features.set, len(recipe.models), recipe.about) for recipe in recipes]
    output.table(("recipe", "features", "models", "about"), rows, value=recipes)


def _print(output: Output, ran: Ran) -> None:
    output.table(STAGE_COLUMNS, stage_rows(ran.stages, _told), value=ran)
    chosen = {"stack, nested": ", weights chosen on the other folds"}.get(ran.judged, "")
    output.show(f"pAUC of the stack on lesions held out{chosen}: {ran.pauc:.5f}")
    output.note(
        "\n".join(
            [
                f"Made in {ran.folder}:",
                f"  {ran.report.name}  what came out, for whom, and which lesions to look at first",
                *([f"  {ran.submission.name}  scores of the test lesions"] if ran.submission else []),
                "This is no medical device. The contest's data as a whole are CC-BY-NC.",
            ]
        )
    )


def _told(record: StageRecord) -> str:
    facts = record.facts
    if record.name == "data":
        return f"{facts['rows']:,} lesions of {facts['patients']:,} patients, {facts['malignant']:,} malignant"
    if record.name == "folds":
        return f"{facts['folds']} by {facts['scheme']}"
    if record.name == "features":
        return f"{facts['features']:,} features"
    if record.name.startswith("model "):
        return "" if facts["pauc"] is None else f"pAUC {facts['pauc']:.5f}, AUC {facts['auc']:.5f}"
    if record.name == "stack":
        return ", ".join(f"{name} {weight:.2f}" for name, weight in facts["weights"]["known"].items())
    if record.name == "submission":
        return f"{facts['rows']:,} lesions, {facts['of_unknown_hospitals']:,} of hospitals not trained on"
    return ""
