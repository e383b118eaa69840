"""Which lesions to look at first: each patient's highest, the worst misses, and the most suspicious benign ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from polars import DataFrame

__all__ = ["ListedLesion", "ListedPatient", "Lists", "listed", "make_lists", "ranked"]


class ListedLesion(NamedTuple):
    """A lesion on a list.

    Attributes:
        isic_id: of the lesion.
        patient: whose it is, if known.
        score: the headline model's.
        place: among all lesions, 1 the most suspicious; ties share the mean of their places.
        place_in_patient: the same among the patient's lesions.
        of_patient: how many lesions of the patient are scored.
        malignant: the truth, if known.
        diagnosis: the last part of the diagnosis, if known.
        hospital: if known.
        site: if known.
        size_mm: the longest diameter, if known.
    """

    isic_id: str
    patient: str | None
    score: float
    place: float
    place_in_patient: float
    of_patient: int
    malignant: bool | None
    diagnosis: str | None
    hospital: str | None
    site: str | None
    size_mm: float | None


class ListedPatient(NamedTuple):
    """A patient, their most suspicious lesions first.

    Attributes:
        patient: the name; None for a lesion without one.
        lesions: how many are scored.
        malignant: how many of them are malignant, if known.
        first: the highest scores.
    """

    patient: str | None
    lesions: int
    malignant: int | None
    first: tuple[ListedLesion, ...]


class Lists(NamedTuple):
    """What to look at first.

    Attributes:
        patients: those with the highest scores.
        num_patients: how many there are in all.
        misses: malignant lesions from the lowest score up; empty without truth.
        false_alarms: benign lesions from the highest score down; empty without truth.
    """

    patients: tuple[ListedPatient, ...]
    num_patients: int
    misses: tuple[ListedLesion, ...]
    false_alarms: tuple[ListedLesion, ...]


def make_lists(
    lesions: DataFrame,
    *,
    has_truth: bool,
    num_patients: int = 20,
    num_first: int = 15,
    num_misses: int = 24,
    num_false_alarms: int = 24,
) -> Lists:
    """Return the lists of one model.

    Args:
        lesions: one row a lesion: isic_id, score, owner, and what is known of the contest's columns.
        has_truth: whether `target` holds for all.
        num_patients: how many patients are listed.
        num_first: how many lesions of each.
        num_misses: how many malignant lesions.
        num_false_alarms: how many benign ones.
    """
    import polars as pl

    rows = ranked(lesions, has_truth=has_truth)
    owners = rows["owner"].unique(maintain_order=True)
    of_owners = rows.filter(pl.col("owner").is_in(owners.head(num_patients).implode()))
    patients = []
    for (_,), own in of_owners.group_by("owner", maintain_order=True):
        first = tuple(listed(row) for row in own.head(num_first).iter_rows(named=True))
        malignant = int(own["target"].sum()) if has_truth else None
        patients.append(ListedPatient(first[0].patient, len(own), malignant, first))
    ill, well = rows.filter(target=1), rows.filter(target=0)
    return Lists(
        patients=tuple(patients),
        num_patients=len(owners),
        misses=tuple(listed(row) for row in ill.reverse().head(num_misses).iter_rows(named=True)),
        false_alarms=tuple(listed(row) for row in well.head(num_false_alarms).iter_rows(named=True)),
    )


def ranked(lesions: DataFrame, *, has_truth: bool) -> DataFrame:
    """Return lesions with their places, the most suspicious first; arguments as `make_lists`."""
    import polars as pl

    rows = lesions.with_columns(
        place=pl.col("score").rank("average", descending=True),
        place_in_patient=pl.col("score").rank("average", descending=True).over("owner"),
        of_patient=pl.len().over("owner"),
    ).sort(["score", "isic_id"], descending=[True, False])
    return rows if has_truth else rows.with_columns(target=pl.lit(None, pl.Int8))


def listed(row: dict[str, Any]) -> ListedLesion:
    """Return a row of `ranked` as a list shows it."""
    parts = [part for part in (row.get("iddx_full") or row.get("iddx_1") or "").split("::") if part]
    return ListedLesion(
        isic_id=row["isic_id"],
        patient=row.get("patient_id"),
        score=row["score"],
        place=row["place"],
        place_in_patient=row["place_in_patient"],
        of_patient=row["of_patient"],
        malignant=None if row["target"] is None else row["target"] == 1,
        diagnosis=parts[-1] if parts else None,
        hospital=row.get("attribution"),
        site=row.get("anatom_site_general"),
        size_mm=row.get("clin_size_long_diam_mm"),
    )
