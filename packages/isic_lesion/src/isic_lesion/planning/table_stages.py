"""The stages of a plan that need no pictures, from what small runs took."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from furikaeri_common.planning import ANY, Amount, Pace, PlannedStage, amount, scaled, summed
from isic_lesion.boosters.config import BoosterConfig
from isic_lesion.planning.drawn_rows import positives_of, sampled_rows
from isic_lesion.planning.sizes import PlannedSizes, RowsOfRound, rounds_of, up_to
from isic_lesion.planning.table_samples import TableSample, kind_of
from isic_lesion.planning.task_memory import booster_memory
from isic_lesion.planning.timings import busy_of, quiet_ratio, sorted_line, straight_line
from isic_lesion.recipe import Recipe

__all__ = ["TablePlanning", "model_stages"]


class _ModelCosts(NamedTuple):
    """Seconds of a model in a small run: once, of a booster beside its rounds, and of a round on so many rows."""

    once: float
    booster: float
    round: float
    trained: int


class TablePlanning:
    """Tells what the samples of stages without pictures come to at the planned number of rows."""

    def __init__(self, samples: Sequence[TableSample], rows: int, processor: bool) -> None:
        self.samples, self.rows, self.processor = samples, rows, processor
        self.busy = busy_of(stage.timing for one in samples for stage in one.stages.values())

    def paces(self, name: str, rows: int | None = None) -> dict[str, Pace]:
        """Return the pace of a stage, for the planned rows or other ones; none where nothing was measured."""
        if not self.samples:
            return {}
        fixed, each = sorted_line(self._stage_seconds(name), rows or self.rows)
        return {ANY: Pace(each, opening=fixed)}

    def line(self, name: str, of: Callable[..., float]) -> Amount | None:
        """Return what grows in proportion to the rows, such as bytes."""
        points = [(one.rows, of(one.stages[name])) for one in self.samples]
        return straight_line(points, self.rows) if points else None

    def model_pace(self, config: BoosterConfig, folds: int, trained: Sequence[int]) -> Pace:
        """Return the pace of a model's boosters; its units are rounds, its tasks boosters.

        Args:
            config: of the model.
            folds: of the recipe.
            trained: rows that each of the boosters trains on.
        """
        costs = self._model_costs(config, folds)
        once, booster = (
            self._at([(one.rows, cost[place]) for one, cost in zip(self.samples, costs, strict=True)], self.rows)
            for place in (0, 1)
        )
        points = [(cost.trained, cost.round) for cost in costs]
        per_round = scaled(summed(self._at(points, rows) for rows in trained), 1 / len(trained))
        return Pace(per_round, booster, once)

    def _at(self, points: Sequence[tuple[int, float]], rows: int) -> Amount:
        fixed, each = sorted_line(points, rows)
        return summed((fixed, scaled(each, rows)))

    def _model_costs(self, config: BoosterConfig, folds: int) -> list[_ModelCosts]:
        """Divide what a model's stage took, with a booster of a round for each fold and of all rows, among its causes.

        A booster of all rows reads no more than one of a fold, which reads those it holds out too.
        """
        found = []
        for sample, (_, whole) in zip(self.samples, self._stage_seconds(f"model {config.name}"), strict=True):
            timed = sample.boosters[kind_of(config)]
            scale = sample.features[config.name] / timed.features
            ratio = scale * (1.0 if self.processor else quiet_ratio([timed.long], self.busy))
            booster = min(timed.single.processor * ratio, whole / (folds + 1))
            each = booster
            if timed.long.units > timed.short.units:
                more = max(0.0, timed.long.processor - timed.short.processor)
                each = more * ratio / (timed.long.units - timed.short.units)
            once = whole - (folds + 1) * booster
            found.append(_ModelCosts(once, max(0.0, booster - each), each, timed.trained))
        return found

    def _stage_seconds(self, name: str) -> list[tuple[int, float]]:
        # The processor's seconds tell the shape: other work disturbs them least.
        timings = [one.stages[name].timing for one in self.samples]
        ratio = 1.0 if self.processor else quiet_ratio(timings, self.busy)
        return [(one.rows, timing.processor * ratio) for one, timing in zip(self.samples, timings, strict=True)]


def model_stages(config: BoosterConfig, recipe: Recipe, sizes: PlannedSizes, told: TablePlanning) -> list[PlannedStage]:
    """Return the stage of a table model, or two where it stops early: boosters of all rows wait for those of the folds.

    Args:
        config: of the model.
        recipe: that it is of.
        sizes: of the data.
        told: what small runs took.
    """
    rounds, everything = rounds_of(sizes, recipe.folds), RowsOfRound(sizes.rows, sizes.malignant, 0)
    name, low, note = f"model {config.name}", config.rounds, ""
    groups = {name: (*rounds, everything)}
    if config.early_stopping_rounds is not None:
        groups = {name: rounds, f"{name}, all rows": (everything,)}
        low = min(config.rounds, config.early_stopping_rounds + 1)
        note = f"stops early, after {low} rounds at least; scoring what is held out after each of them is not measured"
    stages = []
    for stage, group in groups.items():
        boosters, is_first = len(group) * len(config.seeds), stage == name
        made = PlannedStage(
            name=stage,
            count=up_to(boosters * config.rounds, least=boosters * low),
            unit="rounds",
            tasks=boosters,
            note=note if is_first else "",
        )
        if told.samples:
            pace = told.model_pace(config, recipe.folds.count, [_trained(config, one) for one in group])
            made = replace(
                made,
                paces={ANY: pace if is_first else pace._replace(opening=amount(0, "counted"))},
                memory=_booster_memory(config, recipe, sizes, told),
                disk=_booster_disk(config, recipe, told, group),
            )
        stages.append(made)
    return stages


def _trained(config: BoosterConfig, one: RowsOfRound) -> int:
    return sampled_rows(config, one.train, positives_of(config, one.malignant))


def _booster_disk(config: BoosterConfig, recipe: Recipe, told: TablePlanning, group: Sequence[RowsOfRound]) -> Amount:
    """Return what some of a model's boosters leave: files of the model, which lie among the parts too, and scores."""
    seeds, boosters = len(config.seeds), len(group) * len(config.seeds)
    whole = told.line(f"model {config.name}", lambda stage: stage.disk)
    assert whole is not None
    beside = scaled(whole, boosters / (recipe.folds.count + 1))
    log_odds = amount(8 * seeds * sum(one.held_out for one in group), "counted")
    each = told.samples[-1].boosters[kind_of(config)].bytes_per_round
    more = amount(2 * boosters * (config.rounds - 1) * each, "measured")
    return summed((beside, log_odds, more._replace(low=0.6 * more.likely, high=1.6 * more.likely)))


def _booster_memory(config: BoosterConfig, recipe: Recipe, sizes: PlannedSizes, told: TablePlanning) -> Amount:
    """Return the memory of a booster's task: what the smaller run took, and what more rows take beside."""
    smaller = told.samples[0]

    def of(rows: int, malignant: int, positive: int, libraries: float) -> Amount:
        own = PlannedSizes(rows=rows, malignant=malignant) if rows < sizes.rows else sizes
        return booster_memory(
            config,
            rows=rows,
            positive=positive,
            features=smaller.features[config.name],
            held_out=max(one.held_out for one in rounds_of(own, recipe.folds)),
            noisy=bool(recipe.images) and recipe.features.image_scores,
            libraries=libraries,
        )

    positive = smaller.malignant + smaller.indeterminate * config.soft_labels
    of_smaller = of(smaller.rows, smaller.malignant, positive, 0.0).likely
    libraries = smaller.stages[f"model {config.name}"].memory - of_smaller
    planned = positives_of(config, sizes.malignant)
    return of(sizes.rows, sizes.malignant, planned, max(1e8, libraries))
