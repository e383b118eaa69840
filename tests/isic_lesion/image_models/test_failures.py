"""Messages of trainings that cannot go on: whose, where, which pictures, and what to try."""

from __future__ import annotations

import math

from isic_lesion.image_models.config import ImageConfig
from isic_lesion.image_models.failures import name_of_fit, not_finite, out_of_memory

CONFIG = ImageConfig(name="lite0", backbone="b", lr_head=0.01, lr_backbone=0.002, clip=None, precision="float32")


def test_a_network_is_named_by_its_round_and_seed() -> None:
    assert name_of_fit(CONFIG, 0, 7) == "lite0, fold 0, seed 7"
    assert name_of_fit(CONFIG, None, 7) == "lite0, all rows, seed 7"


def test_each_picture_is_named_once_and_only_what_helps_is_said_to_try() -> None:
    error = not_finite(
        "lite0, all rows, seed 7", CONFIG, step=3, epoch=1, losses={"target": 0.3, "age": math.inf},
        isic_ids=["ISIC_1", "ISIC_2", "ISIC_1"],
    )  # fmt: skip
    assert str(error) == (
        "lite0, all rows, seed 7: the loss of age is infinite in step 3 (epoch 1), whose pictures are ISIC_1, ISIC_2. "
        "Lower lr_backbone (now 0.002) or lr_head (0.01), or clip the gradient"
    )
    assert error.exit_code == 1


def test_a_gradient_that_is_none_is_told_from_a_loss() -> None:
    error = not_finite("x", CONFIG, step=1, epoch=1, losses={"target": 0.3}, isic_ids=[f"I{k}" for k in range(20)])
    assert "x: the gradient is not a number in step 1 (epoch 1)" in str(error)
    assert "I0, I1, I2, I3, I4, I5, I6, I7 and 12 more" in str(error)


def test_too_little_memory_names_batch_size_and_pieces() -> None:
    error = out_of_memory("x", CONFIG, "cuda:0")
    assert str(error) == (
        "x: the memory of cuda:0 does not suffice for steps of 16 pictures in one piece. "
        "Raise pieces (now 1), lower batch, or choose a smaller size or backbone"
    )
