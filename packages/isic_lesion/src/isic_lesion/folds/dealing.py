"""Which lesions are held out together: folds by patient, and by hospital.

A fold is a number from 0. In round k of a cross-validation the rows that are held out are, by scheme:

* "patients": those of the patients of fold k;
* "hospitals": those of the hospitals of group k, which the models of that round have never seen, and those of the
  patients of fold k of the other hospitals, which they have. The two can be scored together and apart.

Either way no patient has rows both in training and held out. A row without a patient is a patient of its own. The
assignment depends on the patients, their targets, the number of folds and the seed, never on the order of the rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.errors import InputError
from isic_lesion.folds.balance import balance_groups

if TYPE_CHECKING:
    from polars import DataFrame, Series

__all__ = ["Folds", "Scheme", "assign_hospital_folds", "assign_patient_folds"]

Scheme = Literal["patients", "hospitals"]

_MOST_FOLDS = 100


@dataclass(frozen=True, kw_only=True, eq=False)
class Folds:
    """Who is held out when; two are the same if their fingerprints are.

    Args:
        frame: isic_id (String, distinct), patient_id (String, null: a patient of its own), fold (UInt8), hospital_fold
            (UInt8, null where the hospital is not known, and everywhere in the scheme "patients"); any order of rows.
        scheme: what a round holds out, see the module.
        num_folds: how many rounds there are, at least 2.
        seed: what they were drawn with.
    """

    frame: DataFrame
    scheme: Scheme
    num_folds: int
    seed: int

    def __post_init__(self) -> None:
        import polars as pl

        expected = {"isic_id": pl.String, "patient_id": pl.String, "fold": pl.UInt8, "hospital_fold": pl.UInt8}
        if dict(self.frame.schema) != expected:
            raise ValueError(f"expected frame of {expected}, got {dict(self.frame.schema)}")
        if self.scheme not in ("patients", "hospitals"):
            raise ValueError(f"expected scheme 'patients' or 'hospitals', got {self.scheme!r}")
        if not 2 <= self.num_folds <= _MOST_FOLDS:
            raise ValueError(f"expected num_folds from 2 to {_MOST_FOLDS}, got {self.num_folds}")
        if self.frame["isic_id"].null_count() or self.frame["fold"].null_count():
            raise ValueError("expected an isic_id and a fold in every row")
        if self.frame["isic_id"].is_duplicated().any():
            raise ValueError("expected distinct isic_id")
        for column in ("fold", "hospital_fold"):
            highest = self.frame[column].max()
            if isinstance(highest, int) and highest >= self.num_folds:
                raise ValueError(f"expected {column} below {self.num_folds}, got {highest}")

    @cached_property
    def fingerprint(self) -> str:
        """The SHA-256 of the scheme and of every row's folds, whatever the order of the rows and the seed."""
        columns = [self.frame.sort("isic_id")[name].to_list() for name in self.frame.columns]
        digest = hashlib.sha256(f"{self.scheme} {self.num_folds}\n".encode())
        digest.update("\n".join(map(repr, zip(*columns, strict=True))).encode())
        return digest.hexdigest()

    def fold_of(self, isic_ids: Series) -> NDArray[np.uint8]:
        """Return each lesion's fold, as UInt8 of shape (N,).

        Raises:
            ValueError: if a lesion has no fold.
        """
        return self._rows_of(isic_ids)["fold"].to_numpy()

    def unseen(self, isic_ids: Series, k: int) -> NDArray[np.bool_]:
        """Return which lesions are of the hospitals that round k holds out, as bool of shape (N,)."""
        held_out: NDArray[np.bool_] = (self._rows_of(isic_ids)["hospital_fold"] == k).fill_null(value=False).to_numpy()
        return held_out

    def split(self, isic_ids: Series, k: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which lesions round k trains on and which it holds out.

        Args:
            isic_ids: lesions in any order; the masks are aligned with it. Lesions that are not in it hold back
                the rows of their patients all the same.
            k: the round, from 0 to `num_folds` - 1.

        Returns:
            (training, validation), bool of shape (N,), disjoint. In the scheme "hospitals" a row is in neither if it
            is not held out itself but another lesion of its patient is.

        Raises:
            ValueError: if k is no round or a lesion has no fold.
        """
        import polars as pl

        if not 0 <= k < self.num_folds:
            raise ValueError(f"expected k from 0 to {self.num_folds - 1}, got {k}")
        held_out = (pl.col("fold") == k) | (pl.col("hospital_fold") == k).fill_null(value=False)
        touched = self.frame.filter(held_out)["patient_id"].drop_nulls().unique()
        rows = self._rows_of(isic_ids).select(
            validation=held_out,
            training=~held_out & ~pl.col("patient_id").is_in(touched.implode()).fill_null(value=False),
        )
        return rows["training"].to_numpy(), rows["validation"].to_numpy()

    def splits(self, isic_ids: Series) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
        """Yield `split` of every round in turn."""
        return (self.split(isic_ids, k) for k in range(self.num_folds))

    def _rows_of(self, isic_ids: Series) -> DataFrame:
        asked = isic_ids.rename("isic_id").to_frame()
        rows = asked.join(self.frame, on="isic_id", how="left", maintain_order="left")
        if rows["fold"].null_count():
            lost = rows.filter(rows["fold"].is_null())["isic_id"]
            raise ValueError(
                f"expected lesions that have a fold, got {lost[0]!r} ({len(lost)} of {len(rows)} have none)"
            )
        return rows


def assign_patient_folds(metadata: DataFrame, *, num_folds: int = 5, seed: int = 42) -> Folds:
    """Deal patients into folds so that each has about the same share of the malignant lesions and of the benign.

    Where there are fewer patients with a malignant lesion than folds, some folds have none of them.

    Args:
        metadata: isic_id, patient_id and target (0 or 1), one row a lesion.
        num_folds: how many, from 2 to 100.
        seed: other seeds deal other folds, about equally well.

    Raises:
        ValueError: if num_folds is out of its range.
        InputError: if the target is missing, an id repeats, or there are fewer patients than folds.
    """
    return _assign(metadata, "patients", num_folds, seed)


def assign_hospital_folds(metadata: DataFrame, *, num_folds: int = 5, seed: int = 42) -> Folds:
    """Deal whole hospitals into as many groups as there are folds, beside the folds of `assign_patient_folds`.

    Groups are balanced as folds are, as far as whole hospitals can be. Where there are fewer hospitals than folds, each
    is a group and the later rounds hold out patients alone. Rows without a hospital are never held out for it.

    Args:
        metadata: isic_id, patient_id, target and attribution (the hospital), one row a lesion.
        num_folds: how many, from 2 to 100.
        seed: as in `assign_patient_folds`, with the same folds of patients.

    Raises:
        ValueError: if num_folds is out of its range.
        InputError: as `assign_patient_folds`, and if fewer than two hospitals are named.
    """
    return _assign(metadata, "hospitals", num_folds, seed)


def _assign(metadata: DataFrame, scheme: Scheme, num_folds: int, seed: int) -> Folds:
    import polars as pl

    if not 2 <= num_folds <= _MOST_FOLDS:
        raise ValueError(f"expected num_folds from 2 to {_MOST_FOLDS}, got {num_folds}")
    _check(metadata, scheme)
    # A lesion without a patient is told from a patient of that name by its own column.
    lesions = metadata.select(
        "isic_id",
        "patient_id",
        "target",
        alone=pl.when(pl.col("patient_id").is_null()).then("isic_id"),
        hospital=pl.col("attribution") if scheme == "hospitals" else pl.lit(None, pl.String),
    )
    owners = _dealt(lesions, ["patient_id", "alone"], num_folds, seed)
    if len(owners) < num_folds:
        raise InputError(f"{len(owners)} patients cannot fill {num_folds} folds", fix="Ask for fewer folds")
    hospitals = _dealt(lesions.drop_nulls("hospital"), ["hospital"], num_folds, seed)
    if scheme == "hospitals" and len(hospitals) < 2:
        named = f"only {hospitals['hospital'][0]!r}" if len(hospitals) else "no hospital"
        raise InputError(
            f"{named} is named in column attribution: none can be held out", fix="Use the scheme `patients`"
        )
    frame = lesions.join(owners, on=["patient_id", "alone"], how="left", nulls_equal=True, maintain_order="left").join(
        hospitals.rename({"fold": "hospital_fold"}), on="hospital", how="left", maintain_order="left"
    )
    columns = ("isic_id", "patient_id", "fold", "hospital_fold")
    return Folds(frame=frame.select(columns), scheme=scheme, num_folds=num_folds, seed=seed)


def _dealt(lesions: DataFrame, group: list[str], num_folds: int, seed: int) -> DataFrame:
    """Return the distinct groups in the order of their names, each with its fold."""
    import polars as pl

    malignant = pl.col("target").cast(pl.Int64)
    counts = lesions.group_by(group).agg(malignant=malignant.sum(), benign=(1 - malignant).sum()).sort(group)
    sizes = counts.select("malignant", "benign").to_numpy()
    return counts.select(group).with_columns(fold=pl.Series(balance_groups(sizes, num_folds, seed), dtype=pl.UInt8))


def _check(metadata: DataFrame, scheme: Scheme) -> None:
    needed = ["isic_id", "patient_id", "target", *(["attribution"] if scheme == "hospitals" else [])]
    for column in needed:
        if column not in metadata.columns:
            fix = "Folds are for training data" if column == "target" else ""
            raise InputError(f"the lesions have no column {column!r}", fix=fix)
    is_label = (metadata["target"] == 0) | (metadata["target"] == 1)
    lost = metadata.filter(~is_label.fill_null(value=False))
    if len(lost):
        value = lost["target"][0]
        got = "it is missing" if value is None else f"got {value}"
        raise InputError(f"{lost['isic_id'][0]}: expected target 0 or 1, {got} ({len(lost)} rows in all)")
    repeated = metadata["isic_id"].filter(metadata["isic_id"].is_duplicated() | metadata["isic_id"].is_null())
    if len(repeated):
        name = "an isic_id" if repeated[0] is None else repeated[0]
        raise InputError(f"{name} is {'missing' if repeated[0] is None else 'there more than once'}")
