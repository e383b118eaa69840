"""How many lesions a run is planned for, and how its folds divide them. (io: counts a folder's)"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from furikaeri_common.errors import InputError
from furikaeri_common.planning import Amount, amount

if TYPE_CHECKING:
    from isic_lesion.data.dataset import Lesions
    from isic_lesion.recipe import FoldsPart, Recipe

__all__ = [
    "CONTEST",
    "PlannedSizes",
    "RowsOfRound",
    "checked_sizes",
    "even_rounds",
    "rounds_of",
    "scaled_sizes",
    "sizes_of_folder",
    "up_to",
]


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
        rows: lesions of the table; each has a picture where there are image models.
        patients: their patients.
        malignant: malignant lesions among them.
        past_pictures: of earlier contests, for the image models that learn from these too.
        test_rows: lesions that the run scores at its end; 0: none.
        rounds: as the folds of a folder really divide its rows; empty: evenly.
    """

    rows: int = 401_059
    patients: int = 1_042
    malignant: int = 393
    past_pictures: int = 0
    test_rows: int = 0
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
    rows, patients, malignant, past, test = (round(number * factor) for number in sizes[:5])
    return checked_sizes(PlannedSizes(rows, patients, malignant, past, test))


def checked_sizes(sizes: PlannedSizes) -> PlannedSizes:
    """Return sizes if lesions of both kinds can be divided among patients.

    Raises:
        InputError: if not.
    """
    if not 2 <= sizes.patients <= sizes.rows:
        raise InputError(f"expected from 2 patients to one for each of the {sizes.rows:,} rows, got {sizes.patients:,}")
    if not 2 <= sizes.malignant < sizes.rows:
        raise InputError(f"expected at least 2 malignant lesions among {sizes.rows:,} rows, got {sizes.malignant:,}")
    return sizes


def sizes_of_folder(folder: Path, recipe: Recipe, *, past_pictures: int = 0) -> PlannedSizes:
    """Return the sizes of a data folder, with its lesions dealt into folds as a run deals them.

    Args:
        folder: holds train-metadata.csv, and perhaps test-metadata.csv.
        recipe: of the run.
        past_pictures: of earlier contests.

    Raises:
        InputError: if a table cannot be read, or a lesion of a recipe with image models has no picture.
    """
    from isic_lesion.data.dataset import has_split, open_lesions
    from isic_lesion.folds.dealing import assign_hospital_folds, assign_patient_folds

    lesions, folds = open_lesions(folder), recipe.folds
    test = open_lesions(folder, "test") if has_split(folder, "test") else None
    if recipe.images:
        _check_pictures(recipe, lesions, test)
    rows = lesions.read(["isic_id", "patient_id", "target", "attribution"])
    assign = assign_hospital_folds if folds.scheme == "hospitals" else assign_patient_folds
    dealt = assign(rows, num_folds=folds.count, seed=folds.seed)
    target = rows["target"].to_numpy() == 1
    rounds = []
    for k in range(folds.count):
        train, held_out = dealt.split(rows["isic_id"], k)
        rounds.append(RowsOfRound(int(train.sum()), int(target[train].sum()), int(held_out.sum())))
    return PlannedSizes(
        rows=len(rows),
        patients=rows["patient_id"].n_unique(),
        malignant=int(target.sum()),
        past_pictures=past_pictures,
        test_rows=0 if test is None else len(test.read(["isic_id"])),
        rounds=tuple(rounds),
    )


def up_to(most: int, *, least: int) -> Amount:
    """Return a count of what may stop early: all of it is likely."""
    return amount(most, "counted") if least == most else amount(most, "estimated", low=least)


def _check_pictures(recipe: Recipe, lesions: Lesions, test: Lesions | None) -> None:
    """Refuse what a run refuses: image models without pictures, and lesions without one."""
    from furikaeri_common.local_processes import LocalProcesses
    from isic_lesion.image_models.rows import read_image_rows
    from isic_lesion.run_images import settled
    from isic_lesion.run_inputs import RunInputs

    plain = replace(recipe, features=replace(recipe.features, past=False))
    settled(RunInputs(data=lesions, recipe=plain, engine=LocalProcesses(0), test=test))
    for one in (lesions, *([] if test is None else [test])):
        assert one.images is not None
        read_image_rows(one.metadata, one.images, split=one.split)


def rounds_of(sizes: PlannedSizes, folds: FoldsPart) -> tuple[RowsOfRound, ...]:
    """Return what each round trains on and scores.

    Where hospitals are held out, a round goes without a group of them and without a fold of the others' patients; both
    are taken to be even, and patients to be of one hospital.

    Args:
        sizes: of the data.
        folds: of the recipe.
    """
    if sizes.rounds:
        return sizes.rounds
    rounds = even_rounds(sizes.rows, sizes.malignant, folds.count)
    if folds.scheme == "patients":
        return rounds
    rest = 1 - 1 / folds.count
    kept = [(round(rest * one.train), round(rest * one.malignant)) for one in rounds]
    return tuple(RowsOfRound(train, malignant, sizes.rows - train) for train, malignant in kept)


def even_rounds(rows: int, malignant: int, num_folds: int) -> tuple[RowsOfRound, ...]:
    """Return the rounds of folds that differ by no more than one row and one malignant lesion."""

    def share(number: int, fold: int) -> int:
        return number // num_folds + (fold < number % num_folds)

    held = [(share(rows, fold), share(malignant, fold)) for fold in range(num_folds)]
    return tuple(RowsOfRound(rows - one, malignant - ill, one) for one, ill in held)
