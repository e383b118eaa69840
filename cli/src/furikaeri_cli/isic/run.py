"""`isic run`: the whole chain, from a raw folder to a submission."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from furikaeri_cli.engines import Address, EngineName, EngineWorkers, TaskGpus, TaskMemory
from furikaeri_cli.isic.by_size import suiting
from furikaeri_cli.isic.run_texts import list_recipes, told_of_stage
from furikaeri_cli.isic.trainings import EngineOptions
from furikaeri_cli.options import Json, Quiet, Runs
from furikaeri_cli.output import Output
from furikaeri_cli.stage_progress import STAGE_COLUMNS, StageTeller, stage_rows

if TYPE_CHECKING:
    from furikaeri_common.stages import StageRecord
    from furikaeri_common.tasks import Progress
    from isic_lesion.image_models.training_progress import TrainingProgress
    from isic_lesion.recipe import Recipe

__all__ = ["Given", "Ran", "feature_threads", "run_cli", "run_recipe"]


class Given(NamedTuple):
    """Where a run's inputs lie.

    Attributes:
        data: a folder that holds train-metadata.csv.
        test: one that holds test-metadata.csv; None: none.
        image_scores: files of out-of-fold scores.
        test_image_scores: files of the same models' scores of the test lesions.
        past: files or folders of earlier contests.
        folds: folds made before; None: as the recipe says.
        past_images: folders of earlier contests with pictures, in this contest's layout.
    """

    data: Path
    test: Path | None = None
    image_scores: tuple[Path, ...] = ()
    test_image_scores: tuple[Path, ...] = ()
    past: tuple[Path, ...] = ()
    folds: Path | None = None
    past_images: tuple[Path, ...] = ()


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
        typer.Option(
            "--image-scores",
            metavar="FILE",
            help="Out-of-fold scores of image models, which are then not trained; may be repeated.",
        ),
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
    past_images: Annotated[
        list[Path] | None,
        typer.Option(
            "--past-images",
            metavar="FOLDER",
            help="An earlier contest's table and pictures, laid out as this one's; may be repeated.",
        ),
    ] = None,
    train_images: Annotated[
        bool, typer.Option("--train-images/--no-images", help="Train the recipe's image models, or leave them out.")
    ] = True,
    on_bad: Annotated[
        Literal["refuse", "skip"],
        typer.Option("--on-bad", help="Damaged pictures: stop and name them, or go without their image scores."),
    ] = "refuse",
    readers: Annotated[
        int, typer.Option("--readers", min=0, help="Processes that decode pictures, for each network in training.")
    ] = 0,
    recipes: Annotated[bool, typer.Option("--recipes", help="List the recipes that come by name, and stop.")] = False,
    device: Annotated[
        Literal["cpu", "gpu"] | None,
        typer.Option("--device", help="Where models are trained; else as the recipe says."),
    ] = None,
    runs: Runs = Path("runs"),
    engine: EngineName = "local",
    address: Address = "",
    workers: EngineWorkers = None,
    task_gpus: TaskGpus = None,
    task_memory: TaskMemory = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run the whole chain: check, folds, image models, features, table models, stack, report, and a submission.

    A recipe with image models needs the pictures beside the tables, and in the hub's cache the weights that its
    networks begin with. Everything goes into one folder below --runs. A run that was stopped, by whatever, goes on when
    the same command is given again, and ends with the same bytes on a processor. With --engine ray a cluster trains
    networks and boosters; the rest is done here. Figures are of lesions that the models had not seen. This is no
    medical device, and the contest's data as a whole are CC-BY-NC.

    Examples:
        isic run --data data
        isic run --data data --recipe pictures --readers 2
        isic run --data data --recipe original --past past --past-images isic-2020 --workers 2
        isic run --data data --recipe original --past past --no-images
        isic run --recipes
    """
    output = Output.choose(json=json, quiet=quiet)
    if recipes:
        list_recipes(output)
        return
    from isic_lesion.data.dataset import has_split

    given = Given(
        data,
        test or (data if has_split(data, "test") else None),
        tuple(image_scores or ()),
        tuple(test_image_scores or ()),
        tuple(past or ()),
        folds,
        tuple(past_images or ()),
    )
    from isic_lesion.recipe import read_recipe

    wanted = _on(device, read_recipe(recipe or suiting(data, "recipe", output)))
    ran = run_recipe(
        wanted if train_images else dataclasses.replace(wanted, images=()),
        given,
        runs=runs,
        where=EngineOptions(engine, address, workers, task_gpus, task_memory),
        on_bad=on_bad,
        readers=readers,
        output=output,
    )
    _print(output, ran)


def run_recipe(
    recipe: Recipe,
    given: Given,
    *,
    runs: Path,
    workers: int | None = None,
    where: EngineOptions | None = None,
    on_bad: Literal["refuse", "skip"] = "refuse",
    readers: int = 0,
    output: Output,
) -> Ran:
    """Run a recipe, or go on with an earlier run of the same recipe on the same data that was stopped.

    Args:
        recipe: how.
        given: of what.
        runs: the folder that holds the runs.
        workers: processes of this machine that train networks and boosters; 0: this one; None: as `where` says.
        where: networks and boosters are trained; None: here.
        on_bad: damaged pictures stop the run, or their lesions go without image scores.
        readers: processes that decode pictures, for each network in training; 0: the one that trains.
        output: who is told of progress.

    Raises:
        InputError: if something cannot be read, or does not fit the rest.
        WorkError: if a network or a booster cannot be trained.
    """
    from furikaeri_cli.isic.picture_progress import showing_pictures
    from furikaeri_cli.isic.training_progress import showing_training
    from furikaeri_cli.progress import showing_progress
    from furikaeri_common.errors import InputError
    from furikaeri_common.runs import find_unfinished, start_run
    from furikaeri_common.stages import run_stages
    from isic_lesion.data.dataset import open_lesions
    from isic_lesion.pipeline import stages_of
    from isic_lesion.recipe import document_of
    from isic_lesion.run_images import learns_from_past, settled
    from isic_lesion.run_inputs import RunInputs
    from isic_lesion.run_layout import RunLayout

    if os.environ.get("WORLD_SIZE", "1") not in ("", "1"):
        raise InputError(
            "isic run was started by torchrun, whose processes would each make a run of their own",
            fix="Train networks with torchrun and `isic train-image`, and give their scores with --image-scores",
        )
    where = where or EngineOptions(workers=workers)
    asked = RunInputs(
        data=open_lesions(given.data),
        recipe=recipe,
        engine=where.engine(output, devices=["cuda" if one.device == "gpu" else "cpu" for one in recipe.models]),
        image_engine=where.engine(output, devices=[one.device for one in recipe.images]),
        test=None if given.test is None else open_lesions(given.test, "test"),
        image_scores=given.image_scores,
        test_image_scores=given.test_image_scores,
        past=given.past,
        folds=given.folds,
        past_images=given.past_images,
        on_bad=on_bad,
        readers=readers,
    )
    inputs = settled(asked)
    recipe = inputs.recipe
    if (alone := [model.name for model in recipe.images if learns_from_past(model)]) and not given.past_images:
        output.note(f"{', '.join(alone)}: no --past-images, so they learn from this contest's pictures alone")
    config = {"recipe": document_of(recipe), **({} if on_bad == "refuse" else {"on_bad": on_bad})}
    data = inputs.fingerprints()
    unfinished = find_unfinished(runs, "isic run", config, seed=recipe.folds.seed, data=data)
    if unfinished is not None:
        output.note(f"Going on with {unfinished}")
    with start_run(runs, "isic run", config, seed=recipe.folds.seed, data=data, resume=unfinished) as run:
        teller = StageTeller(output)

        def on_progress(event: Progress) -> None:
            teller.on_part(event, lambda: showing_progress(output, "boosters", event.total))

        def on_training(event: TrainingProgress) -> None:
            teller.on_part(event, lambda: showing_training(output, event.total))

        def on_pictures(model: str, done: int, total: int) -> None:
            teller.on_part((done, total), lambda: _of_pairs(showing_pictures(output, model)))

        stages = stages_of(
            inputs,
            run.path,
            threads=feature_threads(),
            on_progress=on_progress,
            on_training=on_training,
            on_pictures=on_pictures,
        )
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


@contextlib.contextmanager
def _of_pairs(
    showing: AbstractContextManager[Callable[[int, int], None]],
) -> Iterator[Callable[[tuple[int, int]], None]]:
    with showing as tell:
        yield lambda pair: tell(*pair)


def feature_threads() -> int:
    """Return how many threads compute features, as many as there are cores up to 8."""
    return min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def _on(device: Literal["cpu", "gpu"] | None, recipe: Recipe) -> Recipe:
    """Return the recipe with the models that can be trained there trained on a device."""
    if device is None:
        return recipe
    models = [
        dataclasses.replace(model, device=device) if model.library in ("xgboost", "lightgbm") else model
        for model in recipe.models
    ]
    images = [dataclasses.replace(one, device="cuda" if device == "gpu" else device) for one in recipe.images]
    return dataclasses.replace(recipe, models=tuple(models), images=tuple(images))


def _print(output: Output, ran: Ran) -> None:
    output.table(STAGE_COLUMNS, stage_rows(ran.stages, told_of_stage), value=ran)
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
