"""What a run is given: data, a recipe, and what else there may be. (io: fingerprints)"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from furikaeri_common.artifacts import fingerprint_of
from furikaeri_common.errors import InputError
from furikaeri_common.tasks import Engine
from isic_lesion.data.dataset import Lesions
from isic_lesion.features import CATALOGUE
from isic_lesion.image_models.config import ImageConfig
from isic_lesion.image_models.weight_files import find_weights
from isic_lesion.recipe import Recipe

__all__ = ["RunInputs"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RunInputs:
    """What a run is made of.

    Args:
        data: the training lesions.
        recipe: how.
        engine: who trains the boosters; it does not change what comes out.
        image_engine: who trains the networks; None: the same.
        test: the lesions to score at the end; None: none.
        image_scores: files of out-of-fold scores of image models.
        test_image_scores: the same models' scores of the test lesions.
        past: files or folders of earlier contests.
        folds: folds made before; None: as the recipe says.
        past_images: folders of earlier contests in this contest's layout, with pictures, for image models that learn
            from them.
        on_bad: whether damaged pictures are refused by their ids, or lesions go without image scores for them.
        readers: processes that decode pictures, for each network; 0: the one that computes. They do not change what
            comes out.

    Raises:
        InputError: if they do not fit each other.
    """

    data: Lesions
    recipe: Recipe
    engine: Engine
    image_engine: Engine | None = None
    test: Lesions | None = None
    image_scores: tuple[Path, ...] = ()
    test_image_scores: tuple[Path, ...] = ()
    past: tuple[Path, ...] = ()
    folds: Path | None = None
    past_images: tuple[Path, ...] = ()
    on_bad: Literal["refuse", "skip"] = "refuse"
    readers: int = 0

    def __post_init__(self) -> None:
        if self.test_image_scores and not self.image_scores:
            raise InputError(
                "image scores of the test lesions were given, and none of the training lesions",
                fix="Give the out-of-fold scores of the same models too",
            )
        if self.image_scores and self.test is not None and not self.test_image_scores:
            raise InputError(
                "image scores of the training lesions were given, and none of the test lesions",
                fix="Score the test lesions with the same image models",
            )
        if self.recipe.features.past and not self.past:
            raise InputError(
                f"the recipe {self.recipe.name} joins earlier contests, and none were given",
                fix="Give their files, or set features.past to false in a recipe of your own",
            )

    def fingerprints(self) -> dict[str, str]:
        """Return the SHA-256 of every file that the run is given, by what it is.

        Weights that image models begin with are among them where a recipe names a file, or a model in the hub's cache.

        Raises:
            InputError: if one cannot be read.
        """
        named: list[tuple[str, Path | None]] = [
            ("train", self.data.metadata),
            ("test", None if self.test is None else self.test.metadata),
            ("folds", self.folds),
            ("features", None if self.recipe.features.set in CATALOGUE else Path(self.recipe.features.set)),
        ]
        for name, paths in (
            ("image_scores", self.image_scores),
            ("test_image_scores", self.test_image_scores),
            ("past", self.past),
        ):
            named += [(f"{name}.{number}", path) for number, path in enumerate(paths)]
        if self.recipe.images:
            named += [
                ("train_images", self.data.images),
                ("test_images", None if self.test is None else self.test.images),
            ]
            named += [(f"past_images.{number}", path) for number, path in enumerate(self.past_images)]
            named += [(f"weights.{config.name}", _weights_of(config)) for config in self.recipe.images]
        return {name: fingerprint_of(path) for name, path in named if path is not None}


def _weights_of(config: ImageConfig) -> Path | None:
    """Return the file that a model's networks begin with, if it is named and here; that it is not is told elsewhere."""
    if config.weights in ("none", "hub"):
        return None
    with contextlib.suppress(InputError):
        return find_weights(config.weights, hub_id=None).path
    return None
