"""The stages of image models in a plan: their counts, and paces here and on kinds of GPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from furikaeri_common.gpu_kinds import GPU_KINDS, SHARE, reckoned_seconds
from furikaeri_common.planning import HERE, Amount, Pace, PlannedStage, amount, pace_of_rate, scaled, summed
from isic_lesion.image_models.config import ImageConfig
from isic_lesion.planning.image_work import ImageWork, image_work, num_views, parts_of_run
from isic_lesion.planning.network_facts import NetworkFacts, checkpoint_bytes, gpu_memory, network_bytes
from isic_lesion.planning.network_samples import NetworkSample
from isic_lesion.planning.sizes import PlannedSizes
from isic_lesion.planning.task_memory import network_memory
from isic_lesion.planning.timings import Timing, busy_of, quiet_ratio, quiet_seconds, seconds_of
from isic_lesion.recipe import Recipe

__all__ = ["ImagePlanning", "image_notes", "image_stages", "opening_seconds", "rate_given", "training_seconds"]

_STEP = 3
"""How many times a training step computes what scoring computes: the gradients cost twice the way forwards."""

_OPENING = Amount(15.0, 5.0, 60.0, "estimated")  # seconds of a process that reads torch and finds its GPU
_BUILDING = Amount(3.0, 1.0, 15.0, "estimated")  # seconds of a network before its first step
_LOOK = Amount(4e-4, 2e-4, 2e-3, "estimated")  # seconds of a picture that is only tried
_WRITE = Amount(1 / 5e8, 1 / 2e9, 1 / 1.5e8, "estimated")  # seconds of a byte that is written and flushed


@dataclass(frozen=True, kw_only=True, slots=True)
class ImagePlanning:
    """What the stages of image models are planned from; see `run_plan.Findings`.

    Attributes:
        recipe, sizes, kinds, processor: of the plan.
        facts, samples, rates: what was counted, measured and given.
    """

    recipe: Recipe
    sizes: PlannedSizes
    facts: Mapping[str, NetworkFacts]
    samples: Mapping[str, NetworkSample]
    rates: Mapping[tuple[str, str], float]
    kinds: tuple[str, ...]
    processor: bool


def rate_given(rates: Mapping[tuple[str, str], float], config: ImageConfig, kind: str) -> float | None:
    """Return the training pictures a second that were given: for the model, else its backbone, else all."""
    names = (config.name, config.backbone, config.backbone.partition(".")[0], "")
    return next((rates[name, kind] for name in names if (name, kind) in rates), None)


def image_stages(planning: ImagePlanning) -> list[PlannedStage]:
    """Return two stages for each image model: its training, and the scoring of what its folds hold out.

    The pictures of a set are all tried before its first model is trained.
    """
    stages, tried = [], set[int]()
    for config in planning.recipe.images:
        work = image_work(config, planning.sizes, planning.recipe.folds.count, parts_of_run(planning.recipe))
        looked = 0 if work.pictures in tried else work.pictures
        stages += _stages_of(planning, config, work, looked)
        tried.add(work.pictures)
    return stages


def _stages_of(planning: ImagePlanning, config: ImageConfig, work: ImageWork, looked: int) -> list[PlannedStage]:
    facts, sample = planning.facts[config.name], planning.samples.get(config.name)
    training: dict[str, Pace] = {}
    scoring: dict[str, Pace] = {}
    for kind in planning.kinds:
        paces = _paces(planning, config, facts, sample, kind)
        if paces is None:
            continue
        each, scored = paces
        writing, opening, building, look = _beside(planning, sample)
        # A checkpoint every so many steps, and the network itself, which is written, read again and digested.
        kept = checkpoint_bytes(facts, config) * (work.steps / len(work.networks) // config.checkpoint_steps)
        beside = summed((building, scaled(writing, kept + 3 * network_bytes(facts))))
        training[kind] = Pace(each, beside, summed((opening, scaled(look, looked))))
        scoring[kind] = Pace(scored)
    memory = _memory(planning, config, facts, sample)
    networks = len(work.networks)
    in_rounds = [network for network in work.networks if network.scored]
    note = f"{networks} networks of {config.epochs} epochs, {work.steps:,} steps in all"
    if config.early_stopping is not None:
        note += "; it stops early, so fewer epochs may do"
    if sample is not None and sample.note:
        note += f"; {sample.note}"
    stages = [
        PlannedStage(
            name=f"image {config.name}",
            count=amount(work.images, "counted"),
            unit="images",
            tasks=networks,
            paces=training,
            memory=memory,
            disk=amount(networks * network_bytes(facts), "counted"),
            note=note,
        )
    ]
    if in_rounds:
        views = num_views(config)
        stages.append(
            PlannedStage(
                name=f"held out {config.name}",
                count=amount(work.scored, "counted"),
                unit="images" if views == 1 else f"images x {views}",
                tasks=len(in_rounds),
                paces=scoring,
                memory=memory,
            )
        )
    return stages


def _paces(
    planning: ImagePlanning, config: ImageConfig, facts: NetworkFacts, sample: NetworkSample | None, kind: str
) -> tuple[Amount, Amount] | None:
    """Return the seconds of a training picture, and of a scored one in all its views; None where nothing is known."""
    views = num_views(config)
    given = rate_given(planning.rates, config, kind)
    if given is not None:
        each = pace_of_rate(given, "given").per_unit
        scored = each.likely * views / _STEP
        return each, amount(scored, "estimated", low=0.6 * scored, high=1.7 * scored)
    if kind == HERE:
        return None if sample is None else _measured(config, sample, planning.processor)
    if kind not in GPU_KINDS:
        return None
    gpu = GPU_KINDS[kind]
    # What a step remembers is written and read twice, in 16 bits.
    return (
        reckoned_seconds(gpu, flops=_STEP * facts.flops, read=2 * facts.remembered),
        reckoned_seconds(gpu, flops=views * facts.flops, read=views * facts.remembered),
    )


def _measured(config: ImageConfig, sample: NetworkSample, processor: bool) -> tuple[Amount, Amount]:
    largest = max(one.units for one in sample.scored)
    return (
        _ranged(sample.steps, config.batch, sample, processor),
        _ranged(sample.scored, largest, sample, processor),
    )


def _ranged(timings: Sequence[Timing], units: float, sample: NetworkSample, processor: bool) -> Amount:
    """Return the seconds of one of so many units in one go, with the range of the largest size timed; 5 % at least."""
    on_processor = sample.device == "cpu"
    computed = processor or on_processor
    likely = seconds_of(timings, units, processor=computed) / units
    if on_processor and not processor:
        likely *= quiet_ratio(timings, busy_of(sample.steps))
    largest = max(one.units for one in timings)
    of = sorted(one.processor if computed else one.seconds for one in timings if one.units == largest)
    middle = of[len(of) // 2]
    low, high = (of[0] / middle, of[-1] / middle) if middle > 0 else (1.0, 1.0)
    return amount(likely, "measured", low=likely * min(0.95, low), high=likely * max(1.05, high))


def opening_seconds(sample: NetworkSample | None, processor: bool) -> Amount:
    """Return the seconds of a process until it has read torch; estimated where nothing was measured."""
    return _OPENING if sample is None else _of(sample.opening, sample, processor)


def training_seconds(config: ImageConfig, sample: NetworkSample, processor: bool) -> tuple[float, float]:
    """Return the seconds of a training picture, and of building a network."""
    each = _measured(config, sample, processor)[0].likely
    return each, _of(sample.building, sample, processor).likely


def _beside(planning: ImagePlanning, sample: NetworkSample | None) -> tuple[Amount, Amount, Amount, Amount]:
    """Return the seconds of a written byte, of opening a process, of building a network, and of trying a picture."""
    opening = opening_seconds(sample, planning.processor)
    if sample is None:
        return _WRITE, opening, _BUILDING, _LOOK
    writing, building, look = (
        _of(one, sample, planning.processor) for one in (sample.written, sample.building, sample.looked)
    )
    return writing, opening, building, look


def _of(one: Timing, sample: NetworkSample, processor: bool) -> Amount:
    busy = busy_of(sample.steps) if sample.device == "cpu" else 1.0
    likely = (one.processor if processor else quiet_seconds(one, busy)) / one.units
    return amount(likely, "measured", low=0.8 * likely, high=1.25 * likely)


def _memory(planning: ImagePlanning, config: ImageConfig, facts: NetworkFacts, sample: NetworkSample | None) -> Amount:
    """Return the memory of one network: of this machine where that is planned for, else of a GPU."""
    if HERE not in planning.kinds:
        return gpu_memory(facts, config)
    if sample is not None and sample.batch == config.batch:
        # A checkpoint is put together beside the rest; the sample wrote none of that size.
        likely = max(float(sample.memory), network_memory(facts, config, idle=sample.idle).likely)
        return amount(likely, "measured", low=0.9 * likely, high=1.15 * likely)
    return network_memory(facts, config, idle=None if sample is None else sample.idle)


def image_notes(
    recipe: Recipe, facts: Mapping[str, NetworkFacts], samples: Mapping[str, NetworkSample], kinds: Sequence[str]
) -> list[str]:
    """Return what is worth knowing of the image models: how GPUs were reckoned, what fits them, who feeds them."""
    gpus = [kind for kind in kinds if kind != HERE]
    if not recipe.images or not gpus:
        return []
    notes = []
    if known := [kind for kind in gpus if kind in GPU_KINDS]:
        least, likely, most = (f"{100 * share:.0f}" for share in SHARE)
        notes.append(
            f"{', '.join(known)}: where no throughput was given, reckoned from the operations of a picture at {likely} "
            f"% of the peak ({least} to {most} %); a scored view costs a third of a training step."
        )
    for kind in known:
        short = []
        for config in recipe.images:
            needed = gpu_memory(facts[config.name], config)
            if needed.likely > GPU_KINDS[kind].memory:
                short.append(f"{config.name} ({needed.likely / 1e9:.0f} GB)")
        if short:
            notes.append(
                f"{kind}: {', '.join(short)} may not fit its {GPU_KINDS[kind].memory / 1e9:.0f} GB: cut steps "
                "into more pieces."
            )
    if samples:
        read = max(one.read.processor / one.read.units for one in samples.values())
        notes.append(
            f"A process here reads and augments {1 / read:,.0f} pictures a second; a GPU that trains on more of them "
            "waits, unless several read (--readers)."
        )
    return notes
