"""`tq precompute all`: a whole recipe, from words to an answer table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from furikaeri_cli.engines import Address, EngineName, EngineWorkers, TaskGpus, TaskMemory, engine_for
from furikaeri_cli.options import BaseUrl, Json, Models, Quiet, Runs
from furikaeri_cli.output import Output
from furikaeri_cli.stage_progress import STAGE_COLUMNS, StageTeller, stage_rows
from furikaeri_cli.tq.labelling_workers import other_processes
from furikaeri_common.errors import InputError

if TYPE_CHECKING:
    from furikaeri_common.stages import StageRecord
    from furikaeri_common.tasks import Engine, Progress
    from twenty_questions.labelling.label_progress import LabelProgress
    from twenty_questions.labelling.labeller import Labeller, LabellerConfig
    from twenty_questions.precompute.recipe import PrecomputeRecipe

__all__ = ["Precomputed", "all_cli", "precompute"]

_COMMAND = "tq precompute all"


class Precomputed(NamedTuple):
    """What a recipe made.

    Attributes:
        folder: the run's.
        table: the answer table's.
        stages: what each of them told, took and held.
    """

    folder: Path
    table: Path
    stages: tuple[StageRecord, ...]


def all_cli(
    recipe: Annotated[
        str, typer.Option("--recipe", metavar="NAME|FILE", help="A recipe by name (see --recipes), or a TOML file.")
    ] = "laptop",
    model: Models = None,
    base_url: BaseUrl = None,
    recipes: Annotated[bool, typer.Option("--recipes", help="List the recipes that come by name, and stop.")] = False,
    runs: Runs = Path("runs"),
    engine: EngineName = "local",
    address: Address = "",
    workers: EngineWorkers = None,
    task_gpus: TaskGpus = None,
    task_memory: TaskMemory = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run a recipe: keywords, questions, ranking, and the answer table, in one folder below --runs.

    With --model other models take the place of the recipe's: the first writes, all of them label. A run that was
    stopped, by whatever, goes on when the same command is given again.

    Examples:
        tq precompute all --recipe laptop
        tq precompute all --recipe laptop --model smollm2-135m-instruct-q4_1.gguf
        tq precompute all --recipe mine.toml --model llama --base-url http://localhost:8000/v1
        tq precompute all --recipe mine.toml --engine ray --address 10.0.0.1:6379 --task-gpus 1
        tq precompute all --recipes
    """
    output = Output.choose(json=json, quiet=quiet)
    from twenty_questions.precompute.recipe import RECIPES, read_precompute_recipe, with_models

    if recipes:
        held = [read_precompute_recipe(name) for name in RECIPES]
        rows = [(one.name, ", ".join(model.model for model in one.models), one.about) for one in held]
        output.table(("recipe", "models", "about"), rows, value=held)
        return
    if base_url and not model:
        raise InputError("--base-url says where --model is, and no --model is named", fix="Name one, or leave it out")
    from twenty_questions.labelling.opening import open_labeller

    chosen = with_models(read_precompute_recipe(recipe), tuple(model or ()), tuple(base_url or ()))
    models = (*chosen.models, *chosen.keywords.llm, *chosen.questions.llm)
    made = precompute(
        chosen,
        runs=runs,
        output=output,
        open_model=lambda config: open_labeller(config, on_note=output.note),
        engine=other_processes(
            engine_for(
                engine,
                address,
                workers,
                task_gpus,
                task_memory,
                output=output,
                own=0,
                devices=[one.device for one in models if not one.base_url],
            )
        ),
    )
    _print(output, made)


def precompute(
    recipe: PrecomputeRecipe,
    *,
    runs: Path,
    output: Output,
    open_model: Callable[[LabellerConfig], Labeller],
    engine: Engine | None = None,
) -> Precomputed:
    """Run a recipe, or go on with the earlier run of the same recipe on the same files: nothing is labelled twice.

    What it has of servers may differ, but for whether there is one; the run's metrics tell which were asked.

    Args:
        recipe: what is made.
        runs: the folder that holds the runs.
        output: who is told of progress.
        open_model: opens a labeller.
        engine: whose workers write and label, each with the model; None: this process.

    Raises:
        InputError: if something cannot be read, or there is no such model.
        WorkError: if a model cannot be asked.
    """
    from furikaeri_cli.progress import showing_progress
    from furikaeri_cli.tq.labelling_progress import showing_labels
    from furikaeri_common.models.config import how_reached
    from furikaeri_common.runs import find_earlier, start_run
    from furikaeri_common.stages import run_stages
    from twenty_questions.precompute.chain import Layout, Listener, data_of, decisive, stages_of

    config, data = {"recipe": decisive(recipe)}, data_of(recipe)
    teller = StageTeller(output)

    def on_requests(event: Progress) -> None:
        teller.on_part(event, lambda: showing_progress(output, "requests", event.total))
        if event.done == event.total:
            teller.close_part()

    def on_labels(step: LabelProgress) -> None:
        teller.on_part(step, lambda: showing_labels(output, step.total))

    listener = Listener(requests=on_requests, labels=on_labels)
    # What cannot be had is told before there is a run.
    stages_of(recipe, runs, open_model=open_model, engine=engine)
    earlier = find_earlier(runs, _COMMAND, config, seed=recipe.seed, data=data)
    if earlier is not None:
        output.note(f"Going on with {earlier}")
    with start_run(runs, _COMMAND, config, seed=recipe.seed, data=data, resume=earlier) as run:
        for model in (*recipe.keywords.llm, *recipe.questions.llm, *recipe.models):
            if model.base_url:
                run.log(how_reached(model), model=model.model)
        stages = stages_of(recipe, run.path, open_model=open_model, engine=engine, listener=listener)
        with teller.telling(len(stages)):
            records = run_stages(run.path, stages, on_start=teller.on_start, on_end=teller.on_end)
        for record in records:
            run.log({"seconds": record.seconds, "peak_bytes": record.peak, **record.facts}, stage=record.name)
    return Precomputed(run.path, Layout(run.path).table, tuple(records))


def _print(output: Output, made: Precomputed) -> None:
    output.table(STAGE_COLUMNS, stage_rows(made.stages, _told), value=made)
    output.show(f"Play with it: tq play --table {made.table}")
    output.note(f"Made in {made.folder}")


def _told(record: StageRecord) -> str:
    facts = record.facts
    match record.name:
        case "keywords":
            return f"{facts['keywords']:,} keywords, prior max/min {facts['prior_ratio']:.4g}"
        case "questions":
            found = f"{facts['meaning']:,} questions of meaning out of {facts['given']:,}"
            return f"{found} ({facts['written']:,} written by models), {facts['letters']} of spelling"
        case "ranking":
            chosen = f"{facts['meaning']:,} questions of meaning kept"
            return chosen + (f", ranked by {facts['pairs']:,} pairs" if facts["pairs"] else "")
        case _:
            return f"{facts['keywords']:,} x {facts['questions']:,}, {facts['pairs']:,} pairs labelled"
