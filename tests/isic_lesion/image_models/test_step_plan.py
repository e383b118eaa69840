"""Steps known in advance: the same wherever one starts, shared out without gap or overlap."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from furikaeri_common.errors import InputError
from isic_lesion.image_models.config import ImageConfig
from isic_lesion.image_models.step_plan import draws_of, piece_seed, plan_of, steps_from

TARGET = (np.arange(60) % 5 == 0).astype(np.int8)
TRAIN = np.arange(100, 160)[::-1].astype(np.int64)


def plan(*, seed: int = 1, fold: int | None = 0, **options):
    defaults = {"batch": 7, "pieces": 3, "epochs": 3, "negatives_per_positive": 2.0}
    config = ImageConfig(name="t", backbone="b", **{**defaults, **options})
    return plan_of(TRAIN, TARGET, config, seed=seed, fold=fold)


def test_every_step_has_its_number_its_epochs_rows_and_as_many_pieces() -> None:
    steps = list(steps_from(plan(), 0))
    # 12 positives and 24 negatives: 36 rows are five steps of 7, and one row that is left out.
    assert [step.number for step in steps] == list(range(15))
    assert [step.epoch for step in steps] == [0] * 5 + [1] * 5 + [2] * 5
    assert [step.ends_epoch for step in steps] == [False, False, False, False, True] * 3
    assert all([len(piece) for piece in step.pieces] == [3, 2, 2] for step in steps)
    assert all(np.array_equal(np.concatenate(step.pieces), step.rows) for step in steps)
    assert all(set(step.rows) <= set(TRAIN) for step in steps)


@given(st.integers(0, 15))
def test_the_steps_from_a_number_on_are_the_last_of_all(start: int) -> None:
    whole, rest = list(steps_from(plan(), 0)), list(steps_from(plan(), start))
    assert [step.number for step in rest] == list(range(start, 15))
    for one, other in zip(whole[start:], rest, strict=True):
        assert (one.epoch, one.first, one.ends_epoch) == (other.epoch, other.first, other.ends_epoch)
        assert np.array_equal(one.rows, other.rows)
    assert list(draws_of(plan(), start)) == list(draws_of(plan(), 0))[3 * start :]


@given(st.integers(1, 3), st.integers(0, 14))
def test_processes_share_the_pieces_of_every_step(count: int, start: int) -> None:
    alone = list(draws_of(plan(), start))
    shares = [iter(list(draws_of(plan(), start, rank=rank, count=count))) for rank in range(count)]
    together = [next(shares[piece % count]) for _ in range(start, 15) for piece in range(3)]
    assert together == alone
    assert all(not list(share) for share in shares)


def test_no_two_pictures_of_a_training_nor_of_another_one_are_augmented_alike() -> None:
    plans = [plan(), plan(seed=2), plan(fold=1), plan(fold=None)]
    seeds = [draw.seed for one in plans for draws in draws_of(one, 0) for draw in draws]
    assert len(set(seeds)) == len(seeds) == 4 * 15 * 7
    steps = [(one, step) for one in plans for step in islice(steps_from(one, 0), 4)]
    assert len({piece_seed(one, step, piece) for one, step in steps for piece in range(3)}) == 4 * 4 * 3


@pytest.mark.parametrize("value", [0, 1])
def test_rows_of_one_kind_alone_are_refused(value: int) -> None:
    config = ImageConfig(name="t", backbone="b")
    with pytest.raises(InputError, match=f"no {'benign' if value else 'malignant'} lesion"):
        plan_of(TRAIN, np.full(60, value, np.int8), config, seed=0, fold=0)
