"""Epochs: which rows, in which order, cut into which steps, by closed forms and properties."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from furikaeri_common.errors import InputError
from isic_lesion.image_models.config import ImageConfig
from isic_lesion.image_models.epochs import epoch_rows, num_steps, pieces_of, steps_of


def config(**changes: Any) -> ImageConfig:
    return ImageConfig(name="a", backbone="test_resnet", **changes)


def targets(positives: int, negatives: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).permutation(np.repeat([1, 0], [positives, negatives])).astype(np.int8)


@settings(max_examples=200, deadline=None)
@given(
    positives=st.integers(1, 20),
    negatives=st.integers(1, 200),
    ratio=st.none() | st.floats(0.01, 40),
    repeats=st.integers(1, 3),
    bagging=st.booleans(),
    place=st.tuples(st.integers(0, 2**31 - 1), st.integers(-1, 9), st.integers(0, 99)),
)
def test_an_epoch_holds_what_its_config_says(
    positives: int, negatives: int, ratio: float | None, repeats: int, bagging: bool, place: tuple[int, int, int]
) -> None:
    target = targets(positives, negatives)
    how = config(negatives_per_positive=ratio, positive_repeats=repeats, bagging=bagging)
    rows = epoch_rows(target, how, *place)
    assert rows.dtype == np.int64
    malignant, benign = rows[target[rows] == 1], rows[target[rows] == 0]
    expected = negatives if ratio is None else min(negatives, max(1, int(np.floor(ratio * positives + 0.5))))
    assert len(benign) == len(set(benign)) == expected
    assert len(malignant) == positives * repeats
    if not bagging:
        assert (np.bincount(malignant, minlength=len(target))[target == 1] == repeats).all()
    assert (np.bincount(malignant)[np.unique(malignant)] % repeats == 0).all()
    assert (rows == epoch_rows(target, how, *place)).all()


def test_epochs_seeds_and_folds_draw_anew_and_nothing_depends_on_what_was_drawn_before() -> None:
    target, how = targets(30, 3000), config()
    places = [(seed, fold, epoch) for seed in (0, 1) for fold in (-1, 0, 1) for epoch in range(3)]
    drawn = {place: epoch_rows(target, how, *place) for place in places}
    chosen = [frozenset(rows[target[rows] == 0]) for rows in drawn.values()]
    assert len(set(chosen)) == len(places)
    shared = [len(one & other) for k, one in enumerate(chosen) for other in chosen[:k]]
    assert max(shared) <= 5  # of 30, by chance 0.3
    np.random.seed(7)  # noqa: NPY002
    for place in reversed(places):
        assert (epoch_rows(target, how, *place) == drawn[place]).all()
    assert len({tuple(rows[target[rows] == 1]) for rows in drawn.values()}) == len(places)  # their order too


def test_all_benign_rows_come_equally_often_in_the_long_run() -> None:
    target = targets(10, 100)
    seen = sum(np.bincount(epoch_rows(target, config(), 3, 0, epoch), minlength=110) for epoch in range(2000))
    assert (seen[target == 1] == 2000).all()
    # Each count is binomial, n = 2000 and p = 0.1: 200 with a standard deviation of 13.4.
    assert abs(seen[target == 0] - 200).max() < 5 * 13.4


def test_the_order_is_a_random_one() -> None:
    target = targets(50, 50)
    firsts = [target[epoch_rows(target, config(), 0, 0, epoch)][:50].sum() for epoch in range(400)]
    # Hypergeometric: mean 25, standard deviation 2.51 for one, 0.126 for the mean.
    assert abs(np.mean(firsts) - 25) < 5 * 0.126
    assert abs(np.std(firsts) - 2.51) < 0.5


def test_bagging_leaves_out_about_a_third() -> None:
    target = targets(100, 100)
    held = [
        len(set(np.flatnonzero(target)) & set(epoch_rows(target, config(bagging=True), 0, 0, e))) for e in range(200)
    ]
    assert abs(np.mean(held) - 100 * (1 - 0.99**100)) < 1  # 63.4
    assert len(set(held)) > 3


def test_rows_of_other_folds_change_nothing() -> None:
    rng = np.random.default_rng(0)
    target, fold_of = targets(40, 800), rng.integers(0, 5, 840)
    ids = rng.permutation(840)
    whole = {f: ids[fold_of != f][epoch_rows(target[fold_of != f], config(), 1, f, 2)] for f in range(5)}
    for held_out in range(5):
        kept = fold_of != held_out  # a table from which the held-out rows were taken away
        alone = epoch_rows(target[kept], config(), 1, held_out, 2)
        assert (ids[kept][alone] == whole[held_out]).all()


@settings(max_examples=300, deadline=None)
@given(num=st.integers(0, 300), batch=st.integers(1, 40), pieces=st.integers(1, 6))
def test_steps_go_through_all_rows_but_too_short_a_rest(num: int, batch: int, pieces: int) -> None:
    rows = np.random.default_rng(num).permutation(num).astype(np.int64)
    steps = steps_of(rows, batch, pieces)
    joined = np.concatenate([np.empty(0, np.int64), *steps])
    assert (joined == rows[: len(joined)]).all()
    assert all(len(step) == batch for step in steps[:-1])
    rest = num % batch
    assert num - len(joined) == (rest if rest < 2 * pieces else 0)


@settings(max_examples=100, deadline=None)
@given(num=st.integers(0, 60), pieces=st.integers(1, 20))
def test_pieces_share_a_step_evenly(num: int, pieces: int) -> None:
    rows = np.arange(num, dtype=np.int64)
    cut = pieces_of(rows, pieces)
    assert len(cut) == pieces
    assert (np.concatenate(cut) == rows).all()
    assert [len(piece) for piece in cut] == [num // pieces + (k < num % pieces) for k in range(pieces)]


@pytest.mark.parametrize("changes", [{}, {"bagging": True}, {"negatives_per_positive": None}, {"positive_repeats": 3}])
@pytest.mark.parametrize(("batch", "pieces"), [(16, 1), (7, 2), (64, 4), (1, 1)])
def test_every_epoch_has_as_many_steps_as_foretold(changes: dict[str, Any], batch: int, pieces: int) -> None:
    target, how = targets(13, 90), config(batch=batch, pieces=pieces, **changes)
    for epoch in range(3):
        assert len(steps_of(epoch_rows(target, how, 0, 0, epoch), batch, pieces)) == num_steps(target, how)


def test_rows_of_one_kind_are_refused() -> None:
    for target, kind in ((np.zeros(5, np.int8), "malignant"), (np.ones(5, np.int8), "benign")):
        for how in (config(), config(negatives_per_positive=None)):
            with pytest.raises(InputError, match=f"no {kind} lesion among the 5 to train on"):
                epoch_rows(target, how, 0, 0, 0)
            with pytest.raises(InputError, match=f"no {kind} lesion among the 5 to train on"):
                num_steps(target, how)
    with pytest.raises(ValueError, match="expected targets 0 and 1, got -1"):
        epoch_rows(np.array([0, 1, -1], np.int8), config(), 0, 0, 0)


def test_too_few_rows_for_a_step_are_refused() -> None:
    with pytest.raises(InputError, match="an epoch has 4 rows, too few for a step in 4 pieces"):
        num_steps(targets(2, 9), config(batch=16, pieces=4))
    assert num_steps(targets(2, 9), config(batch=16, pieces=2)) == 1
