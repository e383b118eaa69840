"""Progress: sums of an epoch, the best one, when to stop, and the same again from JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isic_lesion.image_models.config import ImageConfig
from isic_lesion.image_models.optimisation import Rates
from isic_lesion.image_models.progress import Progress, add_epoch, add_step, has_risen, is_over, progress_from


def after(paucs, steps: int = 1) -> Progress:
    progress = Progress()
    for pauc in paucs:
        for _ in range(steps):
            progress = add_step(progress, loss=1.0, losses={"target": 1.0}, images=4, seconds=0.5)
        progress = add_epoch(progress, Rates(0.1, 0.2), pauc)
    return progress


def test_an_epochs_losses_are_means_over_its_pictures() -> None:
    progress = Progress()
    for loss, images in ((1.0, 4), (2.0, 4), (5.0, 2)):
        losses = {"target": loss, "age": loss / 2}
        progress = add_step(progress, loss=loss, losses=losses, images=images, seconds=0.25, damaged=[7, 3])
    progress = add_epoch(progress, Rates(0.1, 0.2))
    (record,) = progress.history
    assert record.loss == pytest.approx(2.2)
    assert record.losses == pytest.approx({"target": 2.2, "age": 1.1})
    assert (record.epoch, record.images, record.seconds, record.images_per_second) == (1, 10, 0.75, 10 / 0.75)
    assert (record.lr_head, record.lr_backbone, record.held_out_pauc) == (0.1, 0.2, None)
    assert (progress.step, progress.images, progress.loss, progress.damaged) == (3, 0, 0.0, (3, 7))


def test_the_first_epoch_of_the_highest_pauc_is_the_best() -> None:
    assert after([0.1, 0.15, 0.15, 0.12]).best_epoch == 2
    assert after([None, None]).best_epoch == 2
    assert Progress().best_epoch == 0
    assert [has_risen(after(paucs)) for paucs in ([0.1], [0.1, 0.1], [0.1, 0.2], [])] == [True, False, True, False]


@pytest.mark.parametrize(
    ("paucs", "patience", "over"),
    [
        ([0.1, 0.2], 1, False),
        ([0.2, 0.2], 1, True),
        ([0.2, 0.1], 2, False),
        ([0.2, 0.1, 0.1], 2, True),
        ([0.2, 0.1, 0.3], 2, False),
        ([], 1, False),
        ([None, None, None], None, False),
    ],
)
def test_training_stops_when_the_pauc_has_not_risen_for_so_many_epochs(paucs, patience, over) -> None:
    config = ImageConfig(name="t", backbone="b", early_stopping=patience)
    assert is_over(after(paucs), config, 100) is over
    assert is_over(after([0.1], steps=100), config, 100)


@given(
    st.lists(st.one_of(st.none(), st.floats(0, 0.2)), max_size=4),
    st.lists(st.tuples(st.floats(0, 10), st.integers(1, 64), st.sets(st.integers(0, 9))), max_size=3),
)
def test_a_checkpoint_gives_back_an_equal_progress(paucs, steps) -> None:
    progress = after(paucs)
    for loss, images, damaged in steps:
        progress = add_step(
            progress, loss=loss, losses={"target": loss}, images=images, seconds=0.1, damaged=sorted(damaged)
        )
    assert progress_from(json.loads(json.dumps(progress.to_json()))) == progress
