"""What a plan counts: epochs, rounds of folds, and the sizes of small runs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from furikaeri_common.errors import InputError
from isic_lesion.folds.dealing import assign_hospital_folds
from isic_lesion.image_models.config import ImageConfig
from isic_lesion.image_models.epochs import epoch_rows, epoch_size, num_steps, steps_of
from isic_lesion.image_models.presets import IMAGE_PRESETS
from isic_lesion.planning.image_work import image_work
from isic_lesion.planning.measuring import sampled_sizes
from isic_lesion.planning.sizes import CONTEST, PlannedSizes, RowsOfRound, even_rounds, rounds_of
from isic_lesion.recipe import FoldsPart, read_recipe


@given(
    st.integers(1, 30),
    st.integers(1, 200),
    st.sampled_from([None, 0.01, 1.0, 5.5]),
    st.integers(1, 3),
    st.integers(1, 40),
    st.integers(1, 4),
)
def test_an_epoch_is_as_large_as_its_steps(
    malignant: int, benign: int, negatives: float | None, repeats: int, batch: int, pieces: int
) -> None:
    config = ImageConfig(
        name="x",
        backbone="y",
        negatives_per_positive=negatives,
        positive_repeats=repeats,
        batch=max(batch, pieces),
        pieces=pieces,
    )
    target = np.repeat(np.asarray([1, 0], dtype=np.int8), [malignant, benign])
    steps = steps_of(epoch_rows(target, config, 0, -1, 0), config.batch, pieces)
    if not steps:
        with pytest.raises(InputError, match="too few"):
            epoch_size(malignant, benign, config)
        return
    assert epoch_size(malignant, benign, config) == (len(steps), sum(map(len, steps)))
    assert num_steps(target, config) == len(steps)


def test_a_thousand_contests_are_counted_without_a_row_in_memory() -> None:
    sizes = PlannedSizes(401_059_000, 1_042_000, 393_000)
    work = image_work(IMAGE_PRESETS["original-resnet18"], sizes, FoldsPart())
    assert work.images == pytest.approx(5 * 5 * sizes.rows, rel=1e-6)


@given(st.integers(0, 10**6), st.integers(0, 1000), st.integers(2, 100))
def test_folds_are_as_even_as_arrays_that_are_split(rows: int, malignant: int, folds: int) -> None:
    held = [len(part) for part in np.array_split(np.empty(rows, dtype=np.int8), folds)]
    assert [one.held_out for one in even_rounds(rows, malignant, folds)] == held


def test_rounds_without_whole_hospitals_train_on_less_and_hold_out_more() -> None:
    folds = FoldsPart(scheme="hospitals", count=5)
    patients = 1_000
    frame = pl.DataFrame(
        {
            "isic_id": [f"ISIC_{row:07}" for row in range(10 * patients)],
            "patient_id": [f"IP_{row // 10:07}" for row in range(10 * patients)],
            "target": [int(row % 70 == 0) for row in range(10 * patients)],
            "attribution": [f"hospital {row // 10 % 10}" for row in range(10 * patients)],
        }
    )
    dealt = assign_hospital_folds(frame, num_folds=5, seed=42)
    told = rounds_of(PlannedSizes(len(frame), patients, frame["target"].sum()), folds)
    for fold, one in enumerate(told):
        train, held_out = dealt.split(frame["isic_id"], fold)
        assert one.train == pytest.approx(train.sum(), rel=0.05)
        assert one.held_out == pytest.approx(held_out.sum(), rel=0.05)
        assert one.malignant == pytest.approx(frame["target"].to_numpy()[train].sum(), rel=0.2)
    config = ImageConfig(name="x", backbone="y")
    # Each of five rounds holds out a fifth and a fifth of the rest.
    assert image_work(config, CONTEST, folds).scored == pytest.approx(5 * 0.36 * CONTEST.rows, rel=1e-4)
    assert image_work(config, CONTEST, FoldsPart()).scored == CONTEST.rows


def test_the_folds_of_a_folder_count_as_they_are() -> None:
    rounds = (RowsOfRound(10, 2, 30), RowsOfRound(20, 3, 20))
    assert rounds_of(PlannedSizes(40, 4, 5, rounds=rounds), FoldsPart(count=2)) == rounds


def test_small_runs_have_the_planned_shares_and_malignant_lesions_for_every_fold() -> None:
    recipe = read_recipe("small")
    small, large = sampled_sizes(recipe, CONTEST)
    assert (small.rows, large.rows) == (4_000, 16_000)
    assert large.patients == round(1_042 * 16_000 / 401_059)
    assert large.malignant == round(393 * 16_000 / 401_059)
    assert small.malignant == 2 * recipe.folds.count  # by its share there would be 4
    many = [one.rows for one in sampled_sizes(read_recipe("original"), CONTEST)]
    assert many == [2_000, 8_000]  # of thousands of features


def test_a_small_planned_run_is_tried_at_its_own_size() -> None:
    sizes = PlannedSizes(3_000, 90, 60)
    assert sampled_sizes(read_recipe("small"), sizes) == [(3_000, 90, 60)]


def test_what_stops_early_may_end_after_its_patience() -> None:
    config = ImageConfig(name="x", backbone="y", epochs=7)
    folds = FoldsPart()
    looking = image_work(replace(config, early_stopping=2), CONTEST, folds)
    assert looking.images == image_work(config, CONTEST, folds).images
