"""The stages of a plan that need no pictures, from what small runs took."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from furikaeri_common.planning import ANY, Amount, Pace, PlannedStage, amount, scaled, summed
from isic_lesion.boosters.config import BoosterConfig
from isic_lesion.planning.sizes import PlannedSizes
from isic_lesion.planning.table_samples import BoosterSample, TableSample, kind_of
from isic_lesion.planning.task_memory import booster_memory
from isic_lesion.planning.timings import Timing, busy_of, quiet_ratio, sorted_line, straight_line
from isic_lesion.recipe import Recipe
from isic_lesion.table_models.training import num_parts

__all__ = ["TablePlanning", "model_stage", "past_scale"]

_INDETERMINATE = 114 / 393
"""Lesions that train as positive with soft labels, for each malignant one of the contest."""


class TablePlanning:
    """Tells what the samples of stages without pictures come to at the planned number of rows."""

    def __init__(self, recipe: Recipe, samples: Sequence[TableSample], rows: int, processor: bool) -> None:
        self.samples, self.rows, self.processor = samples, rows, processor
        self.busy = busy_of(stage.timing for one in samples for stage in one.stages.values())
        self._names = {kind_of(config): config.name for config in reversed(recipe.models)}

    def paces(self, name: str, factor: float = 1.0) -> dict[str, Pace]:
        """Return the pace of a stage; none where nothing was measured."""
        if not self.samples:
            return {}
        # The processor's seconds tell the shape: other work disturbs them least.
        ours = [one.stages[name].timing for one in self.samples]
        ratio = 1.0 if self.processor else quiet_ratio(ours, self.busy)
        points = [(one.rows, timing.processor * ratio) for one, timing in zip(self.samples, ours, strict=True)]
        fixed, each = sorted_line(points, self.rows)
        return {ANY: Pace(scaled(each, factor), opening=fixed)}

    def line(self, name: str, of: Callable[..., float], factor: float = 1.0) -> Amount | None:
        """Return what grows in proportion to the rows, such as bytes."""
        points = [(one.rows, of(one.stages[name])) for one in self.samples]
        return scaled(straight_line(points, self.rows), factor) if points else None

    def per_round(self, config: BoosterConfig) -> Amount | None:
        """Return the seconds of one more round of one booster on all rows."""
        points, scale = [], 1.0
        for sample in self.samples:
            name, found = self._boosters_like(sample, config)
            if len(found) < 2:
                return None
            one, many = found
            longer = Timing(many.rounds, many.seconds, many.processor)
            ratio = 1.0 if self.processor else quiet_ratio([longer], self.busy)
            of = max(0.0, many.processor - one.processor) * ratio
            points.append((sample.rows, of / (many.rounds - one.rounds)))
            scale = sample.features[config.name] / sample.features[name]
        fixed, each = sorted_line(points, self.rows)
        return scaled(summed((fixed, scaled(each, self.rows))), scale)

    def bytes_per_round(self, config: BoosterConfig) -> Amount:
        """Return the bytes that one more round adds to a booster's file."""
        last = self.samples[-1]
        _, found = self._boosters_like(last, config)
        if len(found) < 2:
            return amount(0, "measured")
        one, many = found
        each = max(0, many.disk - one.disk) / (many.rounds - one.rounds)
        return amount(each, "measured", low=0.6 * each, high=1.6 * each)

    def _boosters_like(self, sample: TableSample, config: BoosterConfig) -> tuple[str, tuple[BoosterSample, ...]]:
        """Return the boosters that were timed of a model's kind, and the name of the model that they were of."""
        name = self._names[kind_of(config)]
        return name, sample.boosters[name]


def past_scale(recipe: Recipe, samples: Sequence[TableSample]) -> float:
    """Return how many times more features there are with past contests, which the samples go without."""
    if not (recipe.features.past and samples):
        return 1.0
    from isic_lesion.features import past_features

    most = max(samples[0].features.values())
    return (most + len(past_features().features)) / most


def model_stage(
    config: BoosterConfig, recipe: Recipe, sizes: PlannedSizes, told: TablePlanning, scale: float
) -> PlannedStage:
    """Return the stage of a table model.

    Args:
        config: of the model.
        recipe: that it is of.
        sizes: of the data.
        told: what small runs took.
        scale: of `past_scale`.
    """
    name = f"model {config.name}"
    boosters, seeds = num_parts(config, recipe.folds.count), len(config.seeds)
    count = amount(boosters * config.rounds, "counted")
    if not told.samples:
        return PlannedStage(name=name, count=count, unit="rounds", tasks=boosters)
    whole = told.paces(name, scale)[ANY]
    per_task = scaled(summed((whole.opening, scaled(whole.per_unit, sizes.rows))), seeds / boosters)
    each = told.per_round(config) or amount(0, "measured")
    # Boosters of rounds train on their share of the rows, the last one on all.
    folds = recipe.folds.count
    per_unit = scaled(each, scale * folds / (folds + 1))
    beside = told.line(name, lambda stage: stage.disk, seeds)
    memory = _booster_memory(config, recipe, sizes, told, scale)
    assert beside is not None
    scores = amount(8 * sizes.rows * seeds, "counted")  # log-odds of held-out rows, among the parts
    disk = summed((beside, scores, scaled(told.bytes_per_round(config), 2 * boosters * (config.rounds - 1))))
    note = "stops early, so fewer rounds may do" if config.early_stopping_rounds is not None else ""
    return PlannedStage(
        name=name,
        count=count,
        unit="rounds",
        tasks=boosters,
        paces={ANY: Pace(per_unit, per_task)},
        memory=memory,
        disk=disk,
        note=note,
    )


def _booster_memory(
    config: BoosterConfig, recipe: Recipe, sizes: PlannedSizes, told: TablePlanning, scale: float
) -> Amount:
    """Return the memory of a booster's task: what the smaller run took, and what more rows take beside."""
    smaller = told.samples[0]
    positive = sizes.malignant * (1 + _INDETERMINATE * config.soft_labels)

    def of(rows: int, libraries: float) -> Amount:
        return booster_memory(
            config,
            rows=rows,
            positive=round(positive * rows / sizes.rows),
            features=round(smaller.features[config.name] * scale),
            held_out=-(-rows // recipe.folds.count),
            noisy=bool(recipe.images) and recipe.features.image_scores,
            libraries=libraries,
        )

    libraries = smaller.stages[f"model {config.name}"].memory - of(smaller.rows, 0.0).likely
    return of(sizes.rows, max(1e8, libraries))
