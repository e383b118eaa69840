"""The gallery: each patient's most suspicious lesions side by side, and an ordinary one of theirs to compare with.

A malignant lesion is often the one that looks unlike its owner's others, the "ugly duckling" (Grob and Bonerandi 1998,
"The 'ugly duckling' sign: identification of the common characteristics of nevi in an individual as a basis for melanoma
screening"). So a row shows what one patient's lesions have in common, and which of them stand out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from isic_lesion.report.lists import ListedLesion, listed, ranked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from polars import DataFrame

__all__ = ["GalleryPatient", "make_gallery", "shown_lesions"]

_FEWEST = 2  # lesions of a patient that can be compared


class GalleryPatient(NamedTuple):
    """A patient's row.

    Attributes:
        patient: the name; None for a lesion without one.
        lesions: how many are scored.
        malignant: how many of them are malignant, if known.
        first: the most suspicious ones.
        median: the one in the middle of the patient's order; None where it is among the first.
    """

    patient: str | None
    lesions: int
    malignant: int | None
    first: tuple[ListedLesion, ...]
    median: ListedLesion | None


def make_gallery(
    lesions: DataFrame, *, has_truth: bool, num_patients: int = 10, num_first: int = 7
) -> tuple[GalleryPatient, ...]:
    """Return the rows of the patients with the highest scores; a patient of one lesion has none.

    Args:
        lesions: as `lists.make_lists` takes them.
        has_truth: whether `target` holds for all.
        num_patients: how many rows.
        num_first: how many lesions of each, beside the one in the middle.
    """
    import polars as pl

    rows = ranked(lesions, has_truth=has_truth)
    several = rows.filter(pl.col("of_patient") >= _FEWEST)
    owners = several["owner"].unique(maintain_order=True).head(num_patients)
    patients = []
    for (_,), own in several.filter(pl.col("owner").is_in(owners.implode())).group_by("owner", maintain_order=True):
        first = tuple(listed(row) for row in own.head(num_first).iter_rows(named=True))
        middle = len(own) // 2
        patients.append(
            GalleryPatient(
                patient=first[0].patient,
                lesions=len(own),
                malignant=int(own["target"].sum()) if has_truth else None,
                first=first,
                median=listed(own.row(middle, named=True)) if middle >= num_first else None,
            )
        )
    return tuple(patients)


def shown_lesions(patients: tuple[GalleryPatient, ...]) -> Iterator[str]:
    """Yield the isic_id of every lesion of a gallery."""
    for patient in patients:
        yield from (lesion.isic_id for lesion in patient.first)
        if patient.median is not None:
            yield patient.median.isic_id
