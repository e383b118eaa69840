"""`isic plan`: what a whole run of a recipe will take, before it is begun."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from furikaeri_cli.options import Json, Quiet
from furikaeri_cli.output import Output
from furikaeri_cli.plan_bill import show_plan
from furikaeri_cli.plans import Currency, Gpus, Prices, Scale, Throughputs, read_prices, read_throughputs
from furikaeri_common.errors import InputError
from furikaeri_common.planning import HERE

if TYPE_CHECKING:
    from furikaeri_common.planning import Plan
    from isic_lesion.planning.sizes import PlannedSizes
    from isic_lesion.recipe import Recipe

__all__ = ["plan_cli", "plan_recipe"]


def plan_cli(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="By name (see `isic run --recipes`), or a file.")],
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="FOLDER", help="Plan for its lesions, patients and folds as they are."),
    ] = None,
    rows: Annotated[int | None, typer.Option("--rows", min=1, help="Lesions; else the contest's 401,059.")] = None,
    patients: Annotated[int | None, typer.Option("--patients", min=1, help="Else the contest's share: 1,042.")] = None,
    malignant: Annotated[int | None, typer.Option("--malignant", min=1, help="Else the contest's share: 393.")] = None,
    pictures: Annotated[int | None, typer.Option("--pictures", min=0, help="Else one of each lesion.")] = None,
    past_pictures: Annotated[
        int, typer.Option("--past-pictures", min=0, help="Of earlier contests, for image models that learn from them.")
    ] = 0,
    scale: Scale = 1.0,
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", metavar="KIND", help="A kind of GPU to plan for, such as a100; may be repeated."),
    ] = None,
    throughput: Throughputs = None,
    price: Prices = None,
    currency: Currency = "$",
    gpus: Gpus = 1,
    sample: Annotated[
        float,
        typer.Option(
            "--sample",
            metavar="SECONDS",
            min=0.0,
            max=3600.0,
            help="How long each image model is measured here, beside small runs of the rest; 0: nothing is measured.",
        ),
    ] = 10.0,
    train_images: Annotated[
        bool, typer.Option("--train-images/--no-images", help="With the recipe's image models, or without.")
    ] = True,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Tell what a run of a recipe takes: pictures, hours, memory of a task, disk, and money.

    Stages are those of `isic run`. What needs no pictures is measured in two small runs here. Image models are measured
    here too, unless kinds of GPU are named: those have a throughput that you give (training pictures a second, of all
    models, a model or a backbone), or one that is reckoned from the operations of a picture. Nothing is kept.

    Examples:
        isic plan small
        isic plan pictures --data data --sample 30
        isic plan original --kind a100 --price a100=1.89 --gpus 8
        isic plan original --throughput a100=400 --throughput resnet18@a100=2000 --price a100=1.89 --scale 10
    """
    from isic_lesion.recipe import read_recipe

    output = Output.choose(json=json, quiet=quiet)
    wanted = read_recipe(recipe)
    wanted = wanted if train_images else dataclasses.replace(wanted, images=())
    given = {"--rows": rows, "--patients": patients, "--malignant": malignant, "--pictures": pictures}
    sizes = _sizes(wanted, data, {name: number for name, number in given.items() if number is not None}, past_pictures)
    prices = read_prices(price)
    names = [name for one in wanted.images for name in (one.name, one.backbone, one.backbone.partition(".")[0])]
    rates = read_throughputs(throughput, list(dict.fromkeys(names)))
    kinds = _kinds([*(kind or ()), *(one for _, one in rates), *prices], {one for _, one in rates}, sample)
    plan = plan_recipe(
        wanted,
        sizes,
        scale=scale,
        kinds=kinds,
        rates=rates,
        prices=prices,
        currency=currency,
        gpus=gpus,
        sample=sample,
        output=output,
    )
    show_plan(output, plan)


def plan_recipe(
    recipe: Recipe,
    sizes: PlannedSizes,
    *,
    scale: float = 1.0,
    kinds: tuple[str, ...] = (HERE,),
    rates: Mapping[tuple[str, str], float] | None = None,
    prices: Mapping[str, float] | None = None,
    currency: str = "$",
    gpus: int = 1,
    sample: float = 10.0,
    output: Output,
) -> Plan:
    """Measure what is asked for, and return the plan.

    Args:
        recipe: of the run.
        sizes: of its data.
        scale: by what they are multiplied.
        kinds: of device; image models are measured where this machine is among them.
        rates: training pictures a second: (model, backbone or "", kind) -> rate.
        prices: money an hour of a device, by kind.
        currency: of all money.
        gpus: devices at once.
        sample: seconds for each image model; 0: nothing is measured.
        output: told what is measured.

    Raises:
        InputError: if recipe and sizes do not fit each other.
        WorkError: if something cannot be measured.
    """
    from isic_lesion.planning.measuring import count_networks, measure_networks, measure_tables
    from isic_lesion.planning.run_plan import Findings, plan_run
    from isic_lesion.planning.sizes import scaled_sizes

    sizes = scaled_sizes(sizes, scale)
    if recipe.images and not sizes.pictures:
        raise InputError(
            f"the recipe {recipe.name} trains {len(recipe.images)} image models, and there are no pictures",
            fix="Say how many with --pictures, or plan without them: --no-images",
        )
    findings = Findings(facts=count_networks(recipe), rates=rates or {})

    def planned(found: Findings) -> Plan:
        return plan_run(recipe, sizes, found, kinds=kinds, prices=prices, currency=currency, devices=gpus)

    first = planned(findings)  # what cannot be planned is refused before anything is measured
    if not sample:
        return first

    def tell(what: str) -> None:
        output.note(f"Measuring {what} ...")

    with tempfile.TemporaryDirectory(prefix="isic-plan-") as folder:
        networks = {}
        if HERE in kinds:
            networks = measure_networks(recipe, Path(folder), seconds=sample, on_start=tell)
        tables = measure_tables(recipe, sizes, Path(folder) / "runs", threads=_cores(), on_start=tell)
    return planned(dataclasses.replace(findings, networks=networks, tables=tables))


def _sizes(recipe: Recipe, data: Path | None, given: Mapping[str, int], past_pictures: int) -> PlannedSizes:
    from isic_lesion.planning.sizes import CONTEST, PlannedSizes, checked_sizes, sizes_of_folder

    if data is not None:
        if given:
            raise InputError(f"{next(iter(given))} beside --data, which tells it", fix="Give one of them")
        return sizes_of_folder(data, recipe.folds, past_pictures=past_pictures)
    rows = given.get("--rows", CONTEST.rows)
    share = rows / CONTEST.rows
    patients = given.get("--patients", min(rows, max(2, round(CONTEST.patients * share))))
    malignant = given.get("--malignant", max(2, round(CONTEST.malignant * share)))
    return checked_sizes(PlannedSizes(rows, patients, malignant, given.get("--pictures", rows), past_pictures))


def _kinds(named: Collection[str], rated: Collection[str], sample: float) -> tuple[str, ...]:
    from furikaeri_common.gpu_kinds import GPU_KINDS

    for kind in named:
        if kind == HERE and not sample and kind not in rated:
            raise InputError(f"nothing is measured {HERE} with --sample 0", fix="Leave --sample out, or name a GPU")
        if kind != HERE and kind not in GPU_KINDS and kind not in rated:
            raise InputError(
                f"no GPU of the kind {kind!r} is known",
                fix=f"Choose among {', '.join(GPU_KINDS)}, or say what it does: --throughput {kind}=RATE",
            )
    return tuple(dict.fromkeys(named)) or (HERE,)


def _cores() -> int:
    """Return the threads with which `isic run` computes features."""
    with contextlib.suppress(AttributeError):
        return min(8, len(os.sched_getaffinity(0)))
    return min(8, os.cpu_count() or 1)
