"""How long table models are told to take: what they cost once, for a booster and for a round."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from furikaeri_common.planning import HERE, PlannedStage, wall_seconds
from isic_lesion.boosters.config import BoosterConfig
from isic_lesion.boosters.training_rows import generator_of, sample_rows
from isic_lesion.planning.drawn_rows import drawing_more, positives_of, sampled_rows
from isic_lesion.planning.run_plan import Findings, plan_run
from isic_lesion.planning.sizes import CONTEST, PlannedSizes
from isic_lesion.planning.table_samples import BoosterSample, StageSample, TableSample, kind_of
from isic_lesion.planning.task_memory import binning_bytes, booster_memory
from isic_lesion.planning.timings import Timing
from isic_lesion.recipe import Recipe, read_recipe

DRAWING = next(one for one in read_recipe("small").models if one.negatives_per_positive == 100)
ONCE, BESIDE, ROUND = 2.0, 0.3, 1e-8  # seconds of a stage, of a booster, and of a round for N log2 N rows


def with_models(*models: BoosterConfig) -> Recipe:
    return replace(read_recipe("small"), models=models)


def small_run(recipe: Recipe, rows: int, malignant: int) -> TableSample:
    """A small run whose costs are known; boosters were timed on all of its rows."""
    (config,) = recipe.models
    positive, parts = malignant + 5 * config.soft_labels, recipe.folds.count + 1

    def booster(rounds: int, trained: int) -> Timing:
        seconds = BESIDE + rounds * ROUND * trained * math.log2(trained)
        return Timing(rounds, seconds, seconds)

    single = booster(1, sampled_rows(config, rows, positive))
    whole = ONCE + parts * single.seconds
    timed = BoosterSample(50, rows, single, booster(1, rows), booster(11, rows), 10)
    one = StageSample(Timing(rows, whole, whole), 10**9, 1000)
    names = ("data", "folds", "features", "stack", "report", f"model {config.name}")
    return TableSample(rows, malignant, 5, {config.name: 50}, dict.fromkeys(names, one), {kind_of(config): timed})


def planned(config: BoosterConfig, sizes: PlannedSizes = CONTEST) -> dict[str, PlannedStage]:
    recipe = with_models(config)
    tables = [small_run(recipe, rows, malignant) for rows, malignant in ((4_000, 10), (16_000, 16))]
    return {stage.name: stage for stage in plan_run(recipe, sizes, Findings(tables=tables)).stages}


def seconds_of(stage: PlannedStage, devices: int = 1) -> float:
    wall = wall_seconds(stage, HERE, devices)
    assert wall is not None
    return wall.likely


def test_rounds_cost_what_the_rows_that_are_drawn_cost() -> None:
    # 393 malignant lesions and 114 indeterminate ones train, with 100 benign ones each.
    assert positives_of(DRAWING, 393) == 507
    assert sampled_rows(DRAWING, CONTEST.rows, 507) == 507 * 101
    stage = planned(DRAWING)[f"model {DRAWING.name}"]
    trained = [
        sampled_rows(DRAWING, 320_847, positives_of(DRAWING, malignant)) for malignant in (315, 315, 314, 314, 314)
    ]
    rounds = sum(DRAWING.rounds * ROUND * rows * math.log2(rows) for rows in (*trained, 507 * 101))
    assert seconds_of(stage) == pytest.approx(ONCE + 6 * BESIDE + rounds, rel=0.02)
    # Where all rows are drawn, rounds cost as of all rows.
    every = planned(replace(DRAWING, negatives_per_positive=None))[f"model {DRAWING.name}"]
    assert every.paces["any"].per_unit.likely > 5 * stage.paces["any"].per_unit.likely


@given(
    st.integers(100, 3_000),
    st.integers(2, 30),
    st.sampled_from([1.0, 10.0, 100.0]),
    st.integers(50, 10_000),
    st.sampled_from(["with", "blanked"]),
)
def test_a_small_table_is_drawn_from_as_the_planned_one_is(
    rows: int, positive: int, negatives: float, wanted: int, hospital
) -> None:
    config = BoosterConfig(
        name="x", library="xgboost", rounds=1, negatives_per_positive=negatives, hospital_features=hospital
    )
    larger = drawing_more(config, rows, positive, wanted)
    labels = np.zeros(rows, dtype=np.float32)
    labels[:positive] = 1
    drawn = sample_rows(labels, larger, generator_of(0, None))
    assert drawn is not None
    copies = 2 if hospital == "blanked" else 1
    assert sampled_rows(larger, rows, positive) == copies * len(drawn)
    least = sampled_rows(config, rows, positive)
    asked = max(least, min(wanted, copies * rows))
    assert copies * len(drawn) == pytest.approx(asked, abs=2 * copies * (1 + negatives))


def test_what_a_stage_costs_once_is_not_multiplied_by_its_seeds() -> None:
    config = replace(DRAWING, negatives_per_positive=None, rounds=1)
    one, three = (planned(replace(config, seeds=seeds)) for seeds in ((1,), (1, 2, 3)))
    alone, together = (seconds_of(stages[f"model {config.name}"]) for stages in (one, three))
    assert together - ONCE == pytest.approx(3 * (alone - ONCE), rel=1e-3)
    # Not a booster's first round is counted twice either.
    size = (5 * 0.8 + 1) * CONTEST.rows * math.log2(CONTEST.rows)
    assert alone == pytest.approx(ONCE + 6 * BESIDE + ROUND * size, rel=0.02)


def test_boosters_of_all_rows_wait_for_those_that_stop_early() -> None:
    config = replace(DRAWING, negatives_per_positive=None, rounds=100, early_stopping_rounds=9)
    plain, stages = planned(replace(config, early_stopping_rounds=None)), planned(config)
    name = f"model {config.name}"
    folds, on_all = stages[name], stages[f"{name}, all rows"]
    assert (folds.tasks, on_all.tasks) == (5, 1)
    assert (folds.count.low, folds.count.likely, folds.count.basis) == (5 * 10, 500, "estimated")
    assert plain[name].count == (600, 600, 600, "counted")
    assert seconds_of(folds) + seconds_of(on_all) == pytest.approx(seconds_of(plain[name]), rel=1e-6)
    # Six devices would train all six at once, were there no second wave.
    assert seconds_of(folds, 6) + seconds_of(on_all, 6) > 1.7 * seconds_of(plain[name], 6)
    assert folds.disk is not None
    assert on_all.disk is not None
    assert plain[name].disk is not None
    assert folds.disk.likely + on_all.disk.likely == pytest.approx(plain[name].disk.likely)


def test_where_hospitals_are_held_out_boosters_train_on_less() -> None:
    config = replace(DRAWING, negatives_per_positive=None)
    recipe = with_models(config)
    recipe = replace(recipe, folds=replace(recipe.folds, scheme="hospitals"))
    tables = [small_run(recipe, rows, malignant) for rows, malignant in ((4_000, 10), (16_000, 16))]
    plan = plan_run(recipe, CONTEST, Findings(tables=tables))
    (stage,) = (one for one in plan.stages if one.name == f"model {config.name}")
    size = sum(count * rows * math.log2(rows) for count, rows in ((5, 256_678), (1, CONTEST.rows)))
    assert stage.paces["any"].per_unit.likely == pytest.approx(ROUND * size / 6, rel=1e-3)


@pytest.mark.parametrize(
    ("library", "bins", "rows", "seen"),
    [
        # Peaks beside the matrix and a byte a value, in kB a feature, as seen with XGBoost 3 and LightGBM 4.
        ("xgboost", 64, 16_000, 191),
        ("xgboost", 256, 48_000, 704),
        ("xgboost", 64, 400_000, 506),
        ("xgboost", 256, 400_000, 1_925),
        ("lightgbm", 256, 48_000, 651),
        ("lightgbm", 64, 200_000, 2_755),
        ("lightgbm", 256, 400_000, 2_778),
    ],
)
def test_bins_are_found_in_the_memory_that_was_seen(library, bins: int, rows: int, seen: float) -> None:
    config = BoosterConfig(name="x", library=library, rounds=1, params={"max_bin": bins})
    assert binning_bytes(config, rows) / 1e3 == pytest.approx(seen, rel=0.25)
    more = booster_memory(config, rows=rows, positive=9, features=100, held_out=9, noisy=False, libraries=0).likely
    assert more >= 100 * (5 * rows + binning_bytes(config, rows))
