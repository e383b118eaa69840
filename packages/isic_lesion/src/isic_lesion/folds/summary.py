"""What each round of a cross-validation trains on and holds out, in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from furikaeri_common.errors import InputError
from isic_lesion.folds.dealing import Folds

if TYPE_CHECKING:
    from polars import DataFrame

__all__ = ["Round", "summarise_folds"]


class Round(NamedTuple):
    """One round of a cross-validation.

    Attributes:
        fold: its number, from 0.
        training: rows that are trained on.
        held_out: rows that are held out.
        malignant: how many of those are malignant.
        patients: whose lesions are held out; a lesion without a patient counts for one.
        patients_with_malignant: how many of them have a malignant lesion.
        hospitals: of how many hospitals the rows held out are; None where the table names none.
        unseen_hospitals: the hospitals none of whose rows is trained on, by name.
        unseen: rows held out that are of these.
        unseen_malignant: how many of those are malignant.
    """

    fold: int
    training: int
    held_out: int
    malignant: int
    patients: int
    patients_with_malignant: int
    hospitals: int | None
    unseen_hospitals: tuple[str, ...]
    unseen: int
    unseen_malignant: int


def summarise_folds(folds: Folds, metadata: DataFrame) -> list[Round]:
    """Return the rounds in order.

    Args:
        folds: who is held out when.
        metadata: isic_id, patient_id, target and, if known, attribution; lesions that have no fold are refused.

    Raises:
        InputError: if the lesions of the two are not the same; it names the first.
    """
    import polars as pl

    for lost, message in (
        (metadata.join(folds.frame, on="isic_id", how="anti"), "the folds lack"),
        (folds.frame.join(metadata, on="isic_id", how="anti"), "the data lack"),
    ):
        if len(lost):
            raise InputError(
                f"{message} {lost['isic_id'][0]} ({len(lost)} lesions in all)", fix="Make the folds of these data"
            )
    named = "attribution" in metadata.columns
    rows = metadata.select(
        "isic_id",
        pl.coalesce("patient_id", "isic_id").alias("patient"),
        pl.col("target") == 1,
        hospital="attribution" if named else pl.lit(None, pl.String),
    )
    rounds = []
    for k, (training, held_out) in enumerate(folds.splits(rows["isic_id"])):
        shown = rows.filter(pl.Series(held_out))
        unseen = rows.filter(pl.Series(folds.unseen(rows["isic_id"], k)))
        rounds.append(
            Round(
                fold=k,
                training=int(training.sum()),
                held_out=len(shown),
                malignant=int(shown["target"].sum()),
                patients=shown["patient"].n_unique(),
                patients_with_malignant=shown.filter("target")["patient"].n_unique(),
                hospitals=shown["hospital"].drop_nulls().n_unique() if named else None,
                unseen_hospitals=tuple(unseen["hospital"].drop_nulls().unique().sort()),
                unseen=len(unseen),
                unseen_malignant=int(unseen["target"].sum()),
            )
        )
    return rounds
