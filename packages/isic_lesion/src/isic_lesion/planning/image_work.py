"""How much an image model has to do: networks, steps and pictures, as its configuration and the folds say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from isic_lesion.image_models.config import ImageConfig, Views
from isic_lesion.image_models.epochs import epoch_size
from isic_lesion.image_models.records import Parts, image_parts
from isic_lesion.planning.sizes import PlannedSizes, RowsOfRound, even_rounds, rounds_of
from isic_lesion.recipe import FoldsPart, Recipe
from isic_lesion.run_images import learns_from_past

__all__ = ["ImageWork", "NetworkWork", "image_work", "least_epochs", "num_views", "parts_of_run"]

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


def least_epochs(config: ImageConfig) -> int:
    """Return how many epochs a network is trained for at least: early stopping looks on for its patience."""
    return config.epochs if config.early_stopping is None else min(config.epochs, config.early_stopping + 1)


def image_work(config: ImageConfig, sizes: PlannedSizes, folds: FoldsPart, parts: Parts = "both") -> ImageWork:
    """Return what an image model has to do: what `train_image_models` would do with so many lesions.

    Past pictures are divided evenly among the folds of patients, with this contest's share of malignant ones.

    Args:
        config: of the model.
        sizes: of the data; all pictures are taken to be sound.
        folds: of the recipe.
        parts: which networks the model gets.

    Raises:
        InputError: if there are too few lesions to train on.
    """
    past = sizes.past_pictures if learns_from_past(config) else 0
    past_malignant = round(sizes.malignant / sizes.rows * past)
    rounds, beside = rounds_of(sizes, folds), even_rounds(past, past_malignant, folds.count)
    joined = [
        RowsOfRound(*map(sum, zip(ours, theirs, strict=True))) for ours, theirs in zip(rounds, beside, strict=True)
    ]
    everything = RowsOfRound(sizes.rows + past, sizes.malignant + past_malignant, 0)
    looks = config.epochs if config.early_stopping is not None else 0
    networks = []
    for part in image_parts(config, folds.count, parts):
        rows = everything if part.fold is None else joined[part.fold]
        steps, images = epoch_size(rows.malignant, rows.train - rows.malignant, config)
        networks.append(
            NetworkWork(
                part.fold, part.seed, steps * config.epochs, images * config.epochs, rows.held_out * (1 + looks)
            )
        )
    return ImageWork(tuple(networks), everything.train)
