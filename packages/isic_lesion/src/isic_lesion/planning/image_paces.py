"""How long a picture of an image model takes, on this machine and on kinds of GPU, and what comes beside the pictures.

A network's own process reads the pictures that it is shown, in turn with its steps; with `readers` other processes do,
meanwhile. So on a kind of GPU a picture takes what was reckoned for that and its reading, as this machine reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from furikaeri_common.gpu_kinds import GPU_KINDS, reckoned_seconds
from furikaeri_common.planning import HERE, Amount, amount, given_rate, pace_of_rate, scaled, summed
from isic_lesion.image_models.config import ImageConfig
from isic_lesion.planning.image_work import num_views
from isic_lesion.planning.network_facts import NetworkFacts
from isic_lesion.planning.network_samples import NetworkSample
from isic_lesion.planning.picture_samples import PictureSample
from isic_lesion.planning.sizes import PlannedSizes
from isic_lesion.planning.timings import Timing, busy_of, quiet_ratio, quiet_seconds, seconds_of
from isic_lesion.recipe import Recipe

__all__ = [
    "ImagePlanning",
    "building_seconds",
    "is_reckoned",
    "names_of",
    "opening_seconds",
    "paces_of",
    "reading_seconds",
    "writing_seconds",
]

_STEP = 3
"""How many times a training step computes what scoring computes: the gradients cost twice the way forwards."""

_OPENING = Amount(15.0, 5.0, 60.0, "estimated")  # seconds of a process that reads torch and finds its GPU
_BUILDING = Amount(3.0, 1.0, 15.0, "estimated")  # seconds of a network before its first step
_LOOK = Amount(4e-4, 2e-4, 2e-3, "estimated")  # seconds of a picture that is only tried
_READ = Amount(1.2e-3, 5e-4, 4e-3, "estimated")  # seconds of a picture that is read and augmented
_PLAIN = Amount(6e-4, 3e-4, 2e-3, "estimated")  # seconds of a picture that is only read
_WRITE = Amount(1 / 5e8, 1 / 2e9, 1 / 1.5e8, "estimated")  # seconds of a byte that is written and flushed


@dataclass(frozen=True, kw_only=True, slots=True)
class ImagePlanning:
    """What the stages of image models are planned from; see `run_plan.Findings`.

    Attributes:
        recipe, sizes, kinds, readers, processor: of the plan.
        facts, samples, pictures, rates: what was counted, measured and given.
    """

    recipe: Recipe
    sizes: PlannedSizes
    facts: Mapping[str, NetworkFacts]
    samples: Mapping[str, NetworkSample]
    pictures: Mapping[str, PictureSample]
    rates: Mapping[tuple[str, str], float]
    kinds: tuple[str, ...]
    readers: int
    processor: bool


def names_of(config: ImageConfig) -> tuple[str, ...]:
    """Return what a throughput can be given for, the closest first: the model, its weights, its backbone."""
    return config.name, config.backbone, config.backbone.partition(".")[0]


def paces_of(planning: ImagePlanning, config: ImageConfig) -> dict[str, tuple[Amount, Amount]]:
    """Return by kind the seconds of a training picture, and of a scored one in all its views, where they are known."""
    found = {}
    facts, sample, views = planning.facts[config.name], planning.samples.get(config.name), num_views(config)
    for kind in planning.kinds:
        given = given_rate(planning.rates, names_of(config), kind)
        if given is not None:
            each = pace_of_rate(given, "given").per_unit
            scored = each.likely * views / _STEP
            found[kind] = each, amount(scored, "estimated", low=0.6 * scored, high=1.7 * scored)
        elif kind == HERE and sample is not None:
            found[kind] = _measured(config, sample, planning.processor)
        elif kind in GPU_KINDS:
            gpu, (_, read, plain) = GPU_KINDS[kind], reading_seconds(planning, config)
            # What a step remembers is written and read twice, in 16 bits.
            step = reckoned_seconds(gpu, flops=_STEP * facts.flops, read=2 * facts.remembered)
            shown = reckoned_seconds(gpu, flops=views * facts.flops, read=views * facts.remembered)
            found[kind] = _fed(step, read, planning.readers), _fed(shown, plain, planning.readers)
    return found


def is_reckoned(planning: ImagePlanning, kind: str) -> bool:
    """Return whether the pace of a model on a kind of GPU is reckoned, not given."""
    images = planning.recipe.images
    return kind in GPU_KINDS and any(given_rate(planning.rates, names_of(one), kind) is None for one in images)


def reading_seconds(planning: ImagePlanning, config: ImageConfig) -> tuple[Amount, Amount, Amount]:
    """Return the seconds of a picture that is tried, read for training, and read to be scored."""
    sample = planning.pictures.get(config.name)
    if sample is None:
        return _LOOK, _READ, _PLAIN
    looked, read, plain = (_of(one, busy_of(sample), planning.processor) for one in sample)
    return looked, read, plain


def writing_seconds(planning: ImagePlanning, config: ImageConfig) -> Amount:
    """Return the seconds of a byte that is written as checkpoints are."""
    sample = planning.samples.get(config.name)
    return _WRITE if sample is None else _of(sample.written, _busy(sample), planning.processor)


def opening_seconds(planning: ImagePlanning, config: ImageConfig) -> Amount:
    """Return the seconds of a process until it has read torch."""
    sample = planning.samples.get(config.name)
    return _OPENING if sample is None else _of(sample.opening, _busy(sample), planning.processor)


def building_seconds(planning: ImagePlanning, config: ImageConfig) -> Amount:
    """Return the seconds of a network before its first step."""
    sample = planning.samples.get(config.name)
    return _BUILDING if sample is None else _of(sample.building, _busy(sample), planning.processor)


def _fed(computed: Amount, read: Amount, readers: int) -> Amount:
    """Return the seconds of a picture that is read and computed with: in turn, or by readers meanwhile."""
    if not readers:
        return summed((computed, read))._replace(basis="estimated")  # that machine's processor is not this one
    likely, low, high = map(max, computed[:3], scaled(read, 1 / readers)[:3])
    return Amount(likely, low, high, "estimated")


def _measured(config: ImageConfig, sample: NetworkSample, processor: bool) -> tuple[Amount, Amount]:
    largest = max(one.units for one in sample.scored)
    return (
        _ranged(sample.steps, config.batch, sample, processor),
        _ranged(sample.scored, largest, sample, processor),
    )


def _ranged(timings: Sequence[Timing], units: float, sample: NetworkSample, processor: bool) -> Amount:
    """Return the seconds of one of so many units in one go, with the range of the largest size timed."""
    on_processor = sample.device == "cpu"
    computed = processor or on_processor
    likely = seconds_of(timings, units, processor=computed) / units
    if on_processor and not processor:
        likely *= quiet_ratio(timings, busy_of(sample.steps))
    largest = max(one.units for one in timings)
    of = sorted(one.processor if computed else one.seconds for one in timings if one.units == largest)
    middle = of[len(of) // 2]
    low, high = (of[0] / middle, of[-1] / middle) if middle > 0 else (1.0, 1.0)
    return amount(likely, "measured", low=likely * low, high=likely * high)


def _busy(sample: NetworkSample) -> float:
    return busy_of(sample.steps) if sample.device == "cpu" else 1.0


def _of(one: Timing, busy: float, processor: bool) -> Amount:
    likely = (one.processor if processor else quiet_seconds(one, busy)) / one.units
    return amount(likely, "measured", low=0.8 * likely, high=1.25 * likely)
