"""`isic plan`: what a whole run of a recipe will take, before it is begun."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from furikaeri_cli.options import Json, Quiet
from furikaeri_cli.output import Output
from furikaeri_cli.plan_bill import show_plan
from furikaeri_cli.plans import (
    Currency,
    Gpus,
    Kinds,
    Prices,
    Scale,
    Throughputs,
    named_kinds,
    read_prices,
    read_throughputs,
)
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
    past_pictures: Annotated[
        int, typer.Option("--past-pictures", min=0, help="Of earlier contests, for image models that learn from them.")
    ] = 0,
    scale: Scale = 1.0,
    kind: Kinds = None,
    throughput: Throughputs = None,
    price: Prices = None,
    currency: Currency = "$",
    gpus: Gpus = 1,
    readers: Annotated[
        int,
        typer.Option("--readers", min=0, help="Processes that decode pictures, for each network on a kind of GPU."),
    ] = 0,
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

    Stages are those of `isic run`. What needs no pictures is measured in two small runs here, and how fast pictures are
    read. Image models are measured here too, unless kinds of GPU are named: those have a throughput that you give
    (training pictures a second, reading included, of all models, a model or a backbone), or one that is reckoned from
    the operations of a picture. Nothing is kept.

    Examples:
        isic plan small
        isic plan pictures --data data --sample 30
        isic plan original --kind a100 --price a100=1.89 --gpus 8
        isic plan original --throughput a100=400 --throughput resnet18@a100=2000 --price a100=1.89 --scale 10
    """
    from isic_lesion.planning.image_paces import names_of
    from isic_lesion.recipe import read_recipe

    output = Output.choose(json=json, quiet=quiet)
    wanted = read_recipe(recipe)
    wanted = wanted if train_images else dataclasses.replace(wanted, images=())
    given = {"--rows": rows, "--patients": patients, "--malignant": malignant}
    sizes = _sizes(wanted, data, {name: number for name, number in given.items() if number is not None}, past_pictures)
    prices = read_prices(price)
    rates = read_throughputs(throughput, list(dict.fromkeys(name for one in wanted.images for name in names_of(one))))
    kinds = named_kinds(kind, rates, prices, is_measured=sample > 0) or (HERE,)
    plan = plan_recipe(
        wanted,
        sizes,
        scale=scale,
        kinds=kinds,
        rates=rates,
        prices=prices,
        currency=currency,
        gpus=gpus,
        readers=readers,
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
    readers: int = 0,
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
        readers: processes that decode pictures, for each network on a kind of GPU.
        sample: seconds for each image model; 0: nothing is measured.
        output: told what is measured.

    Raises:
        InputError: if there are too few lesions for the recipe.
        WorkError: if something cannot be measured.
    """
    from furikaeri_cli.isic.run import feature_threads
    from isic_lesion.planning.measuring import count_networks, measure_networks, measure_reading, measure_tables
    from isic_lesion.planning.run_plan import Findings, plan_run
    from isic_lesion.planning.sizes import scaled_sizes

    sizes = scaled_sizes(sizes, scale)
    findings = Findings(facts=count_networks(recipe), rates=rates or {})

    def planned(found: Findings) -> Plan:
        return plan_run(
            recipe, sizes, found, kinds=kinds, prices=prices, currency=currency, devices=gpus, readers=readers
        )

    first = planned(findings)  # what cannot be planned is refused before anything is measured
    if not sample:
        return first

    def tell(what: str) -> None:
        output.note(f"Measuring {what} ...")

    output.note("With thousands of features or large networks this takes some minutes; --sample 0 measures nothing.")

    with tempfile.TemporaryDirectory(prefix="isic-plan-") as folder:
        pictures, networks = measure_reading(recipe, Path(folder), on_start=tell), {}
        if HERE in kinds:
            networks = measure_networks(recipe, Path(folder), seconds=sample, on_start=tell)
        tables = measure_tables(recipe, sizes, Path(folder) / "runs", threads=feature_threads(), on_start=tell)
    return planned(dataclasses.replace(findings, networks=networks, pictures=pictures, tables=tables))


def _sizes(recipe: Recipe, data: Path | None, given: Mapping[str, int], past_pictures: int) -> PlannedSizes:
    from isic_lesion.planning.sizes import CONTEST, PlannedSizes, checked_sizes, sizes_of_folder

    if data is not None:
        if given:
            raise InputError(f"{next(iter(given))} beside --data, which tells it", fix="Give one of them")
        return sizes_of_folder(data, recipe, past_pictures=past_pictures)
    rows = given.get("--rows", CONTEST.rows)
    share = rows / CONTEST.rows
    patients = given.get("--patients", min(rows, max(2, round(CONTEST.patients * share))))
    malignant = given.get("--malignant", max(2, round(CONTEST.malignant * share)))
    return checked_sizes(PlannedSizes(rows, patients, malignant, past_pictures))
