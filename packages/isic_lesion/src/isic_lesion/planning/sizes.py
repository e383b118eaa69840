"""How many lesions a run is planned for, and how its folds divide them. (io: counts a folder's)"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from furikaeri_common.errors import InputError

if TYPE_CHECKING:
    from isic_lesion.recipe import FoldsPart

__all__ = ["CONTEST", "PlannedSizes", "RowsOfRound", "checked_sizes", "even_rounds", "scaled_sizes", "sizes_of_folder"]


class RowsOfRound(NamedTuple):
    """What one round trains on and scores.

    Attributes:
        train: rows to train on.
        malignant: malignant ones among them.
        held_out: rows to score; 0 where all are trained on.
    """

    train: int
    malignant: int
    held_out: int


class PlannedSizes(NamedTuple):
    """What a run is planned for.

    Attributes:
        rows: lesions of the table.
        patients: their patients.
        malignant: malignant lesions among them.
        pictures: lesions with a picture, which image models learn from.
        past_pictures: of earlier contests, for the image models that learn from these too.
        rounds: as the folds of a folder really divide its rows; empty: evenly.
    """

    rows: int = 401_059
    patients: int = 1_042
    malignant: int = 393
    pictures: int = 401_059
    past_pictures: int = 0
    rounds: tuple[RowsOfRound, ...] = ()


CONTEST = PlannedSizes()
"""The contest's training data."""


def scaled_sizes(sizes: PlannedSizes, factor: float) -> PlannedSizes:
    """Return sizes so many times as large, as many lesions a patient.

    Raises:
        InputError: if the factor is not above 0, or nothing would be left.
    """
    if not 0 < factor <= 1e6:
        raise InputError(f"--scale {factor:g}: expected a factor above 0, at most 1,000,000")
    if factor == 1:
        return sizes
    rows, patients, malignant, pictures, past = (round(number * factor) for number in sizes[:5])
    return checked_sizes(PlannedSizes(rows, patients, malignant, pictures, past))


def checked_sizes(sizes: PlannedSizes) -> PlannedSizes:
    """Return sizes if lesions of both kinds can be divided among patients.

    Raises:
        InputError: if not.
    """
    if not 2 <= sizes.patients <= sizes.rows:
        raise InputError(f"expected from 2 patients to one for each of the {sizes.rows:,} rows, got {sizes.patients:,}")
    if not 2 <= sizes.malignant < sizes.rows:
        raise InputError(f"expected at least 2 malignant lesions among {sizes.rows:,} rows, got {sizes.malignant:,}")
    if not 0 <= sizes.pictures <= sizes.rows or sizes.past_pictures < 0:
        raise InputError(f"expected at most a picture for each of {sizes.rows:,} rows, got {sizes.pictures:,}")
    return sizes


def sizes_of_folder(folder: Path, folds: FoldsPart, *, past_pictures: int = 0) -> PlannedSizes:
    """Return the sizes of a data folder, with its lesions dealt into folds as a run deals them.

    Args:
        folder: holds train-metadata.csv.
        folds: the recipe's.
        past_pictures: of earlier contests.

    Raises:
        InputError: if the table cannot be read.
    """
    from isic_lesion.data.dataset import open_lesions
    from isic_lesion.data.images import open_images
    from isic_lesion.folds.dealing import assign_hospital_folds, assign_patient_folds

    lesions = open_lesions(folder)
    rows = lesions.read(["isic_id", "patient_id", "target", "attribution"])
    assign = assign_hospital_folds if folds.scheme == "hospitals" else assign_patient_folds
    dealt = assign(rows, num_folds=folds.count, seed=folds.seed)
    target = rows["target"].to_numpy() == 1
    rounds = []
    for k in range(folds.count):
        train, held_out = dealt.split(rows["isic_id"], k)
        rounds.append(RowsOfRound(int(train.sum()), int(target[train].sum()), int(held_out.sum())))
    pictures = 0
    if lesions.images is not None:
        with open_images(lesions.images) as images:
            pictures = min(len(images.isic_ids()), len(rows))
    patients = rows["patient_id"].n_unique()
    return PlannedSizes(len(rows), patients, int(target.sum()), pictures, past_pictures, tuple(rounds))


def even_rounds(rows: int, malignant: int, num_folds: int) -> tuple[RowsOfRound, ...]:
    """Return the rounds of folds that differ by no more than one row and one malignant lesion."""
    held, ill = ([len(part) for part in np.array_split(np.empty(number), num_folds)] for number in (rows, malignant))
    return tuple(RowsOfRound(rows - one, malignant - sick, one) for one, sick in zip(held, ill, strict=True))
