"""`tq precompute plan`: what a recipe will take, before it is run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from furikaeri_cli.options import BaseUrl, Json, Models, Quiet
from furikaeri_cli.output import Output
from furikaeri_cli.plans import (
    Currency,
    Gpus,
    Kinds,
    Prices,
    SampleSeconds,
    Scale,
    Throughputs,
    named_kinds,
    read_prices,
    read_throughputs,
    show_plan,
)
from furikaeri_common.errors import InputError
from furikaeri_common.planning import HERE

if TYPE_CHECKING:
    from furikaeri_common.planning import Plan
    from twenty_questions.labelling.labeller import Labeller, LabellerConfig
    from twenty_questions.precompute.planning.recipe_plan import PlanOptions
    from twenty_questions.precompute.recipe import PrecomputeRecipe

__all__ = ["plan_cli", "planned"]

_USUAL = ("t4", "a100")
"""The kinds that are planned for where nothing is measured here and none is named."""


def plan_cli(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="A recipe by name (tq precompute all --recipes), or a TOML file.")
    ],
    model: Models = None,
    base_url: BaseUrl = None,
    sample: SampleSeconds = 60.0,
    kind: Kinds = None,
    throughput: Throughputs = None,
    price: Prices = None,
    currency: Currency = "$",
    gpus: Gpus = 1,
    scale: Scale = 1.0,
    ask_servers: Annotated[
        bool, typer.Option("--ask-servers", help="Measure models behind servers, too, which may cost money.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Tell what `tq precompute all` takes for a recipe: work, time, memory, disk and money, stage by stage.

    Models on this machine are measured on it for --sample seconds in all. A GPU of a kind goes at the --throughput that
    is given for it (pairs a second), or is reckoned from its peak; --kind, --throughput and --price name kinds. Nothing
    is kept of the sample, and servers are not asked unless --ask-servers is given. --scale multiplies the keywords.

    Examples:
        tq precompute plan laptop
        tq precompute plan laptop --model smollm2-135m-instruct-q4_1.gguf --sample 20
        tq precompute plan original --kind l4 --kind a100
        tq precompute plan original --price a100=1.89 --gpus 8
        tq precompute plan original --throughput a100=450 --throughput google/gemma-2-9b-it@a100=300 --scale 10
    """
    output = Output.choose(json=json, quiet=quiet)
    from twenty_questions.precompute.planning.recipe_plan import SERVER, PlanOptions, is_tried, models_of
    from twenty_questions.precompute.recipe import read_precompute_recipe, with_models

    if base_url and not model:
        raise InputError("--base-url says where --model is, and no --model is named", fix="Name one, or leave it out")
    if not 0 < scale <= 1e9:
        raise InputError(f"--scale {scale:g}: expected a factor above 0", fix="Leave it out for the recipe's own size")
    chosen = with_models(read_precompute_recipe(recipe), tuple(model or ()), tuple(base_url or ()))
    prices, rates = read_prices(price), read_throughputs(throughput, models_of(chosen))
    tried = any(is_tried(one, seconds=sample, asks_servers=False) for one in chosen.models)
    # Where servers label, what is done here needs no GPU.
    measures = tried or all(one.base_url for one in chosen.models)
    named = named_kinds(
        kind, {key: rate for key, rate in rates.items() if key[1] != SERVER}, prices, is_measured=measures
    )
    kinds = tuple(dict.fromkeys([HERE, *named])) if measures else named
    options = PlanOptions(
        kinds=kinds or _USUAL,
        rates=rates,
        prices=prices,
        currency=currency,
        devices=gpus,
        scale=scale,
        seconds=sample,
        asks_servers=ask_servers,
    )
    from twenty_questions.labelling.opening import open_labeller

    plan = planned(chosen, options, output=output, open_model=lambda one: open_labeller(one, on_note=output.note))
    if not kinds:
        note = f"kinds: {' and '.join(_USUAL)}, for no model is measured here and no kind is named; choose with --kind"
        plan = dataclasses.replace(plan, notes=(*plan.notes, note))
    show_plan(output, plan)


def planned(
    recipe: PrecomputeRecipe,
    options: PlanOptions,
    *,
    output: Output,
    open_model: Callable[[LabellerConfig], Labeller],
) -> Plan:
    """Return a recipe's plan, and say on the way what is measured.

    Args:
        recipe: what would be made.
        options: what is planned for.
        output: who is told of progress.
        open_model: opens a labeller.

    Raises:
        InputError: if something cannot be read, or a model is damaged or cannot be asked.
    """
    from twenty_questions.precompute.planning.recipe_plan import plan_recipe

    return plan_recipe(recipe, options, open_model=open_model, on_step=output.note)
