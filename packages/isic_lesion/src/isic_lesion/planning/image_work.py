"""How much an image model has to do: networks, steps and pictures, as its configuration and the folds say."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

import numpy as np

from isic_lesion.image_models.config import ImageConfig, Views
from isic_lesion.image_models.epochs import epoch_rows, num_steps, steps_of
from isic_lesion.image_models.records import Parts, image_parts
from isic_lesion.planning.sizes import PlannedSizes, RowsOfRound, even_rounds
from isic_lesion.recipe import Recipe
from isic_lesion.run_images import learns_from_past

__all__ = ["ImageWork", "NetworkWork", "image_work", "num_views", "parts_of_run"]

_VIEWS: Mapping[Views, int] = {"one": 1, "flips": 4, "dihedral": 8}


class NetworkWork(NamedTuple):
    """What one network of a model has to do.

    Attributes:
        fold: that is held out; None: none.
        seed: of the network.
        steps: of the optimiser in all epochs.
        images: training pictures of all steps.
        scored: held-out pictures that it scores, each in all its views; with early stopping once more every epoch.
    """

    fold: int | None
    seed: int
    steps: int
    images: int
    scored: int


class ImageWork(NamedTuple):
    """What an image model has to do.

    Attributes:
        networks: what each of them has to do.
        pictures: that it reads: this contest's, and past ones where it learns from these.
    """

    networks: tuple[NetworkWork, ...]
    pictures: int

    @property
    def steps(self) -> int:
        """Of all networks."""
        return sum(network.steps for network in self.networks)

    @property
    def images(self) -> int:
        """Training pictures of all networks."""
        return sum(network.images for network in self.networks)

    @property
    def scored(self) -> int:
        """Pictures that are scored, by all networks."""
        return sum(network.scored for network in self.networks)


def parts_of_run(recipe: Recipe) -> Parts:
    """Return which networks a run of a recipe trains."""
    return "folds" if recipe.inference.boosters == "folds" else "both"


def num_views(config: ImageConfig) -> int:
    """Return in how many views a picture is scored."""
    return _VIEWS[config.views]


def image_work(config: ImageConfig, sizes: PlannedSizes, num_folds: int, parts: Parts = "both") -> ImageWork:
    """Return what an image model has to do: what `train_image_models` would do with so many lesions.

    Past pictures are divided evenly among the folds, with this contest's share of malignant ones.

    Args:
        config: of the model.
        sizes: of the data; all pictures are taken to be sound.
        num_folds: of the recipe.
        parts: which networks the model gets.

    Raises:
        InputError: if there are too few lesions to train on.
    """
    past = sizes.past_pictures if learns_from_past(config) else 0
    malignant = round(sizes.malignant * sizes.pictures / sizes.rows)
    if sizes.rounds and sizes.pictures == sizes.rows:
        rounds = sizes.rounds
    else:
        rounds = even_rounds(sizes.pictures, malignant, num_folds)
    past_malignant = round(sizes.malignant / sizes.rows * past)
    beside = even_rounds(past, past_malignant, num_folds)
    joined = [
        RowsOfRound(*map(sum, zip(ours, theirs, strict=True))) for ours, theirs in zip(rounds, beside, strict=True)
    ]
    everything = RowsOfRound(sizes.pictures + past, malignant + past_malignant, 0)
    networks = []
    for part in image_parts(config, num_folds, parts):
        rows = everything if part.fold is None else joined[part.fold]
        steps, images = _epoch(config, rows.train, rows.malignant)
        looks = config.epochs if config.early_stopping is not None else 0
        networks.append(
            NetworkWork(
                part.fold, part.seed, steps * config.epochs, images * config.epochs, rows.held_out * (1 + looks)
            )
        )
    return ImageWork(tuple(networks), everything.train)


def _epoch(config: ImageConfig, rows: int, malignant: int) -> tuple[int, int]:
    """Return steps and pictures of an epoch, which are the same in every epoch."""
    return _cached_epoch(
        rows,
        malignant,
        config.negatives_per_positive,
        config.positive_repeats,
        config.batch,
        config.pieces,
    )


@cache
def _cached_epoch(
    rows: int, malignant: int, negatives: float | None, repeats: int, batch: int, pieces: int
) -> tuple[int, int]:
    config = ImageConfig(
        name="planned",
        backbone="planned",
        negatives_per_positive=negatives,
        positive_repeats=repeats,
        batch=batch,
        pieces=pieces,
    )
    target = np.zeros(rows, dtype=np.int8)
    target[:malignant] = 1
    shown = epoch_rows(target, config, 0, -1, 0)
    return num_steps(target, config), sum(map(len, steps_of(shown, batch, pieces)))
