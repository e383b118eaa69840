"""What earlier contests add to this one: a patient's history beside each lesion, or whole rows below them.

Some patients of this contest were photographed for the contest of 2020 too. What was known of a patient when a lesion
was photographed is told by ages: past images at a lower age count alone. Ages come in steps of five years, so an image
at the same age may be a later one, of this very lesion, and nobody could have known its diagnosis.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from isic_lesion.folds.dealing import Folds

if TYPE_CHECKING:
    from polars import DataFrame

__all__ = ["HISTORY_COLUMNS", "THIS_CONTEST", "append_past", "extend_folds", "join_past", "past_folds", "with_owners"]

THIS_CONTEST = "ISIC 2024"
"""The `source` of this contest's own rows."""

HISTORY_COLUMNS = (
    "past_images",
    "past_lesions",
    "past_malignant",
    "past_melanomas",
    "past_indeterminate",
    "past_malignant_share",
    "past_first_age",
    "past_last_age",
    "past_years",
)
"""What `join_past` adds: counts of images and of lesions, of malignant images, melanomas and indeterminate ones among
them and the share of malignant ones; the patient's age at the first and last past image, and the years since the last.
"""


def join_past(rows: DataFrame, past: DataFrame) -> DataFrame:
    """Return the rows with their patient's history on their right; null where nothing of a patient is known.

    A past image counts for a lesion of its patient if the patient was then known to be younger. Images that are among
    the rows themselves are no past, and neither are those without a patient.

    Args:
        rows: isic_id, patient_id and age_approx, shape (N, any), in any order, which is kept.
        past: `Past.frame`.

    Returns:
        The rows and `HISTORY_COLUMNS`, Float64, shape (N, any + 9). A past lesion without a lesion_id is counted as
        one for each image.

    Raises:
        ValueError: if the rows have a history already.
    """
    import polars as pl

    if twice := [name for name in HISTORY_COLUMNS if name in rows.columns]:
        raise ValueError(f"expected rows without a history, got column {twice[0]!r}")
    moments = rows.select("patient_id", "age_approx").unique()
    images = past.join(rows.select("isic_id"), on="isic_id", how="anti").filter(pl.col("patient_id").is_not_null())
    known = images.select(
        "patient_id",
        "diagnosis",
        "iddx_1",
        "target",
        past_age=pl.col("age_approx"),
        lesion=pl.coalesce("lesion_id", "isic_id"),
    )
    history = (
        moments.join(known, on="patient_id")
        .filter(pl.col("past_age") < pl.col("age_approx"))
        .group_by("patient_id", "age_approx")
        .agg(
            past_images=pl.len(),
            past_lesions=pl.col("lesion").n_unique(),
            past_malignant=pl.col("target").cast(pl.Int64).sum(),
            past_melanomas=(pl.col("diagnosis") == "melanoma").sum(),
            past_indeterminate=(pl.col("iddx_1") == "Indeterminate").sum(),
            past_malignant_share=pl.col("target").mean(),
            past_first_age=pl.col("past_age").min(),
            past_last_age=pl.col("past_age").max(),
        )
        .with_columns(past_years=pl.col("age_approx") - pl.col("past_last_age"))
        .with_columns(pl.col(HISTORY_COLUMNS).cast(pl.Float64))
    )
    return rows.join(history, on=["patient_id", "age_approx"], how="left", nulls_equal=True, maintain_order="left")


def with_owners(past: DataFrame) -> DataFrame:
    """Return past rows with a patient in every one.

    An image without a patient belongs to the patient of another image of its lesion, else to a stand-in named after its
    lesion ("lesion HAM_0000118"), else to one named after itself ("image ISIC_0000000").

    Args:
        past: `Past.frame`, or any rows with isic_id, patient_id and lesion_id.
    """
    import polars as pl

    named = past.drop_nulls(["lesion_id", "patient_id"]).group_by("lesion_id")
    patients = named.agg(_of_lesion=pl.col("patient_id").min())
    stand_in = pl.coalesce(pl.format("lesion {}", "lesion_id"), pl.format("image {}", "isic_id"))
    joined = past.join(patients, on="lesion_id", how="left", maintain_order="left")
    return joined.with_columns(patient_id=pl.coalesce("patient_id", "_of_lesion", stand_in)).drop("_of_lesion")


def append_past(rows: DataFrame, past: DataFrame) -> DataFrame:
    """Return the rows with past ones below them, and a column `source` that tells them apart.

    Args:
        rows: this contest's, shape (N, any), columns as in `Past.frame` or fewer; isic_id is needed.
        past: `Past.frame`; images that are among the rows already are left out.

    Returns:
        The rows' columns and `source` (this contest's rows say "ISIC 2024"), this contest's rows first and as they
        were, past ones in their own order, each with a patient (see `with_owners`). Columns that the past has not are
        null there.
    """
    import polars as pl

    new = with_owners(past).join(rows.select("isic_id"), on="isic_id", how="anti", maintain_order="left")
    ours = rows if "source" in rows.columns else rows.with_columns(source=pl.lit(THIS_CONTEST))
    lacking = [pl.lit(None, dtype).alias(name) for name, dtype in ours.schema.items() if name not in new.columns]
    below = new.with_columns(*lacking).select(pl.col(name).cast(dtype) for name, dtype in ours.schema.items())
    return pl.concat([ours, below])


def past_folds(past: DataFrame, folds: Folds) -> DataFrame:
    """Return a fold for every past image that has none, such that no patient and no lesion is in two folds.

    A patient of this contest stays in that patient's fold. All others are dealt by a hash of the patient, else the
    lesion, else the image, and of the seed: more past files never move an image, unless they tell more of it.

    Args:
        past: `Past.frame`.
        folds: this contest's, which do not change.

    Returns:
        isic_id, patient_id, fold, hospital_fold as in `Folds.frame`, by isic_id; past images have no hospital, so
        no round holds them out for it.
    """
    import polars as pl

    new = with_owners(past).join(folds.frame.select("isic_id"), on="isic_id", how="anti")
    homes = folds.frame.drop_nulls("patient_id").unique("patient_id").select("patient_id", "fold")
    owners = new.select(pl.col("patient_id").unique()).join(homes, on="patient_id", how="left")
    dealt = pl.col("patient_id").map_elements(lambda name: _dealt(name, folds), return_dtype=pl.UInt8)
    return (
        new.select("isic_id", "patient_id")
        .join(owners.with_columns(fold=pl.coalesce("fold", dealt)), on="patient_id", how="left")
        .with_columns(hospital_fold=pl.lit(None, pl.UInt8))
        .sort("isic_id")
    )


def extend_folds(folds: Folds, past: DataFrame) -> Folds:
    """Return folds of this contest's rows, as they were, and of past ones (see `past_folds`)."""
    import polars as pl

    return Folds(
        frame=pl.concat([folds.frame, past_folds(past, folds)]),
        scheme=folds.scheme,
        num_folds=folds.num_folds,
        seed=folds.seed,
    )


def _dealt(name: str, folds: Folds) -> int:
    digest = hashlib.sha256(f"{folds.seed} {name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % folds.num_folds
