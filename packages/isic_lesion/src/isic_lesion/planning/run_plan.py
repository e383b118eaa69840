"""The plan of a whole run: the stages of `isic run` with their counts, paces, memory and disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from furikaeri_common.planning import HERE, Amount, Pace, Plan, PlannedStage, amount, memory_note, scaled, summed
from isic_lesion.planning.image_paces import ImagePlanning, building_seconds, opening_seconds, paces_of
from isic_lesion.planning.image_stages import host_memory, image_notes, image_stages, scoring_stages
from isic_lesion.planning.network_facts import NetworkFacts
from isic_lesion.planning.network_samples import NetworkSample
from isic_lesion.planning.picture_samples import PictureSample
from isic_lesion.planning.sizes import PlannedSizes
from isic_lesion.planning.table_samples import TableSample
from isic_lesion.planning.table_stages import TablePlanning, model_stages
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
        pictures: samples of how fast their pictures are read, likewise.
        tables: small runs of two sizes; empty where nothing was measured.
        rates: training pictures a second that were given: (model or backbone, "" for all; kind of device) -> rate.
    """

    facts: Mapping[str, NetworkFacts] = field(default_factory=dict)
    networks: Mapping[str, NetworkSample] = field(default_factory=dict)
    pictures: Mapping[str, PictureSample] = field(default_factory=dict)
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
    readers: int = 0,
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
        readers: processes that read pictures for each network on a kind of GPU; 0: its own.
        processor: tell the processor's seconds of what was measured, not the clock's.

    Raises:
        InputError: if there are too few lesions to train an image model on.
    """
    told = TablePlanning(findings.tables, sizes.rows, processor)
    image = ImagePlanning(
        recipe=recipe,
        sizes=sizes,
        facts=findings.facts,
        samples=findings.networks,
        pictures=findings.pictures,
        rates=findings.rates,
        kinds=tuple(kinds),
        readers=readers,
        processor=processor,
    )
    boosters = [stage for config in recipe.models for stage in model_stages(config, recipe, sizes, told)]
    stages = (
        _with_torch(_plain("data", sizes, told), image),
        _plain("folds", sizes, told),
        *image_stages(image),
        _plain("features", sizes, told),
        *boosters,
        _plain("stack", sizes, told),
        _with_maps(_plain("report", sizes, told), image),
        *scoring_stages(image),
        *_submission(sizes, told),
    )
    what = f"{recipe.name}: {sizes.rows:,} lesions of {sizes.patients:,} patients, {sizes.malignant:,} malignant"
    if recipe.images:
        what += f", {sizes.rows + sizes.past_pictures:,} pictures"
    return Plan(
        what=what,
        stages=stages,
        kinds=tuple(kinds),
        prices=prices or {},
        currency=currency,
        devices=devices,
        notes=(
            *image_notes(image),
            *_notes(recipe, sizes, findings),
            *_task_notes(recipe, findings, boosters, kinds),
        ),
    )


def _plain(name: str, sizes: PlannedSizes, told: TablePlanning) -> PlannedStage:
    """Return a stage that goes through the table."""
    return PlannedStage(
        name=name,
        count=amount(sizes.rows, "counted"),
        unit="rows",
        paces=told.paces(name),
        memory=told.line(name, lambda stage: stage.memory),
        disk=told.line(name, lambda stage: stage.disk),
    )


def _submission(sizes: PlannedSizes, told: TablePlanning) -> list[PlannedStage]:
    """Return the stage that scores the test lesions, if there are any; it is taken to cost what their features do."""
    if not sizes.test_rows:
        return []
    paces = {
        kind: Pace(*(Amount(one.likely, 0.5 * one.low, 3 * one.high, "estimated") for one in pace))
        for kind, pace in told.paces("features", sizes.test_rows).items()
    }
    return [PlannedStage(name="submission", count=amount(sizes.test_rows, "counted"), unit="rows", paces=paces)]


def _with_torch(data: PlannedStage, image: ImagePlanning) -> PlannedStage:
    """Return the first stage with what reading torch takes, where there are backbones that it looks for."""
    if not image.recipe.images:
        return data
    return _opened(data, opening_seconds(image, image.recipe.images[0]))


def _with_maps(report: PlannedStage, image: ImagePlanning) -> PlannedStage:
    """Return the report's stage with the maps of where the first image model looked, which its small run goes without.

    A map goes through the network as a training picture does. On a GPU it is taken to be no dearer.
    """
    if not image.recipe.images:
        return report
    config = image.recipe.images[0]
    if config.name not in image.samples:
        return _opened(report, _MAPS)
    networks = image.recipe.folds.count * len(config.seeds)
    building = scaled(building_seconds(image, config), networks).likely
    likely = _MAPPED * paces_of(image, config)[HERE][0].likely + building
    return _opened(report, amount(likely, "measured", low=0.5 * likely, high=1.5 * likely))


def _opened(stage: PlannedStage, seconds: Amount) -> PlannedStage:
    paces = {kind: pace._replace(opening=summed((pace.opening, seconds))) for kind, pace in stage.paces.items()}
    return replace(stage, paces=paces)


def _task_notes(
    recipe: Recipe, findings: Findings, boosters: Sequence[PlannedStage], kinds: Sequence[str]
) -> tuple[str, ...]:
    """Return what to set aside for a task on a cluster; of networks where they are planned for this machine."""
    networks = [
        host_memory(config, findings.facts[config.name], findings.networks.get(config.name))
        for config in (recipe.images if HERE in kinds else ())
    ]
    held = {"boosters": [stage.memory for stage in boosters if stage.memory is not None], "networks": networks}
    return memory_note({what: max(some, key=lambda one: one.high) for what, some in held.items() if some})


def _notes(recipe: Recipe, sizes: PlannedSizes, findings: Findings) -> list[str]:
    notes = []
    if findings.tables:
        small = " and ".join(f"{one.rows:,}" for one in findings.tables)
        notes.append(
            f"Stages without pictures: from whole small runs of {small} made-up rows on the processors here, by "
            "a + b N log2 N; they are told and priced alike whatever the GPU."
        )
    else:
        notes.append("Stages without pictures were not measured, so only their counts are told; see --sample.")
    if recipe.features.past:
        notes.append("Reading earlier contests and the features that come of them are not planned.")
    if not sizes.test_rows:
        notes.append("No test lesions are planned for; a run scores them where --data holds some.")
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
