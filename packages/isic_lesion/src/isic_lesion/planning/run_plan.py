"""The plan of a whole run: the stages of `isic run` with their counts, paces, memory and disk."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from furikaeri_common.planning import HERE, Plan, PlannedStage, amount, summed
from isic_lesion.planning.image_stages import (
    ImagePlanning,
    image_notes,
    image_stages,
    opening_seconds,
    training_seconds,
)
from isic_lesion.planning.network_facts import NetworkFacts
from isic_lesion.planning.network_samples import NetworkSample
from isic_lesion.planning.sizes import PlannedSizes
from isic_lesion.planning.table_samples import TableSample
from isic_lesion.planning.table_stages import TablePlanning, model_stage, past_scale
from isic_lesion.planning.timings import BUSY, busy_of
from isic_lesion.recipe import Recipe

__all__ = ["Findings", "plan_run"]


_MAPPED = 80  # lesions of a report's gallery: of 10 patients the first 7 and one of the middle
_MAPS = amount(10.0, "estimated", low=2.0, high=60.0)  # seconds of their maps


@dataclass(frozen=True, kw_only=True, slots=True)
class Findings:
    """What a plan rests on.

    Attributes:
        facts: of each image model, by name.
        networks: samples of image models, by name; empty where nothing was measured.
        tables: small runs of two sizes; empty where nothing was measured.
        rates: training pictures a second that were given: (model or backbone, "" for all; kind of device) -> rate.
    """

    facts: Mapping[str, NetworkFacts] = field(default_factory=dict)
    networks: Mapping[str, NetworkSample] = field(default_factory=dict)
    tables: Sequence[TableSample] = ()
    rates: Mapping[tuple[str, str], float] = field(default_factory=dict)


def plan_run(
    recipe: Recipe,
    sizes: PlannedSizes,
    findings: Findings,
    *,
    kinds: Sequence[str] = (HERE,),
    prices: Mapping[str, float] | None = None,
    currency: str = "$",
    devices: int = 1,
    processor: bool = False,
) -> Plan:
    """Return what a run of a recipe takes.

    Args:
        recipe: of the run.
        sizes: of its data.
        findings: what was counted, measured and given.
        kinds: of device to plan for.
        prices: money an hour of each.
        currency: of the money.
        devices: at once.
        processor: tell the processor's seconds of what was measured, not the clock's.

    Raises:
        InputError: if there are too few lesions to train an image model on.
    """
    scale = past_scale(recipe, findings.tables)
    rows = amount(sizes.rows, "counted")
    told = TablePlanning(recipe, findings.tables, sizes.rows, processor)

    def plain(name: str, factor: float = 1.0) -> PlannedStage:
        return PlannedStage(
            name=name,
            count=rows,
            unit="rows",
            paces=told.paces(name, factor),
            memory=told.line(name, lambda stage: stage.memory),
            disk=told.line(name, lambda stage: stage.disk, factor),
        )

    images = image_stages(
        ImagePlanning(
            recipe=recipe,
            sizes=sizes,
            facts=findings.facts,
            samples=findings.networks,
            rates=findings.rates,
            kinds=tuple(kinds),
            processor=processor,
        )
    )
    boosters = tuple(model_stage(config, recipe, sizes, told, scale) for config in recipe.models)
    stages = (
        _with_torch(plain("data"), recipe, findings, processor),
        plain("folds"),
        *images,
        plain("features", scale),
        *boosters,
        plain("stack"),
        _with_maps(plain("report"), recipe, findings, processor),
    )
    notes = (
        *image_notes(recipe, findings.facts, findings.networks, kinds),
        *_notes(recipe, findings),
        *_task_notes(stages, kinds),
    )
    what = f"{recipe.name}: {sizes.rows:,} lesions of {sizes.patients:,} patients, {sizes.malignant:,} malignant"
    if recipe.images:
        what += f", {sizes.pictures + sizes.past_pictures:,} pictures"
    return Plan(
        what=what,
        stages=stages,
        kinds=tuple(kinds),
        prices=prices or {},
        currency=currency,
        devices=devices,
        notes=notes,
    )


def _with_torch(data: PlannedStage, recipe: Recipe, findings: Findings, processor: bool) -> PlannedStage:
    """Return the first stage with what reading torch takes, where there are backbones that it looks for."""
    if not recipe.images:
        return data
    sample = next(iter(findings.networks.values()), None)
    opening = opening_seconds(sample, processor)
    paces = {kind: pace._replace(opening=summed((pace.opening, opening))) for kind, pace in data.paces.items()}
    return replace(data, paces=paces)


def _with_maps(report: PlannedStage, recipe: Recipe, findings: Findings, processor: bool) -> PlannedStage:
    """Return the report's stage with the maps of where the first image model looked, which its small run goes without.

    A map goes through the network as a training picture does. On a GPU it is taken to be no dearer.
    """
    if not recipe.images:
        return report
    sample = findings.networks.get(recipe.images[0].name)
    drawing = _MAPS
    if sample is not None:
        each, building = training_seconds(recipe.images[0], sample, processor)
        likely = _MAPPED * each + recipe.folds.count * len(recipe.images[0].seeds) * building
        drawing = amount(likely, "measured", low=0.5 * likely, high=1.5 * likely)
    paces = {kind: pace._replace(opening=summed((pace.opening, drawing))) for kind, pace in report.paces.items()}
    return replace(report, paces=paces)


def _task_notes(stages: Sequence[PlannedStage], kinds: Sequence[str]) -> list[str]:
    """Return what to set aside for a task on a cluster; of networks where they are planned for this machine."""
    found = []
    for prefix, tasks in (("model ", "boosters"), ("image ", "networks")):
        most = max((one.memory.high for one in stages if one.name.startswith(prefix) and one.memory), default=0.0)
        if most and (prefix == "model " or HERE in kinds):
            found.append(f"{math.ceil(most / 2**30 * 2) / 2:g} for {tasks}")
    return [f"Set aside for a task of a cluster, in GiB (--task-memory): {', '.join(found)}."] if found else []


def _notes(recipe: Recipe, findings: Findings) -> list[str]:
    notes = []
    if findings.tables:
        sizes = " and ".join(f"{one.rows:,}" for one in findings.tables)
        notes.append(f"Stages without pictures: from whole small runs of {sizes} made-up rows here, by a + b N log2 N.")
    else:
        notes.append("Stages without pictures were not measured, so only their counts are told; see --sample.")
    if any(config.device == "gpu" for config in recipe.models):
        notes.append("Table models were measured on the device that the recipe names.")
    laps = [step for one in findings.networks.values() if one.device == "cpu" for step in one.steps]
    laps += [stage.timing for one in findings.tables for stage in one.stages.values()]
    if (busy := busy_of(laps)) > BUSY:
        notes.append(
            f"Other work held this processor while it was measured: by the clock all took {busy:.1f} times as long as "
            "it computed. Times are told as of a quiet machine; measure on one to be surer."
        )
    return notes
