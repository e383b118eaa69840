"""How the files of earlier contests are read, each into the same columns of text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from isic_lesion.past.words import CODES, KINDS

if TYPE_CHECKING:
    from polars import DataFrame, Expr

__all__ = [
    "IMAGE_ENDING",
    "TIDY_COLUMNS",
    "UNFIT",
    "image_name",
    "pick",
    "picking",
    "read_2016",
    "read_2017",
    "read_2020",
    "read_ham10000",
    "read_one_hot",
]

TIDY_COLUMNS = ("isic_id", "patient_id", "lesion_id", "age", "sex", "site", "diagnosis", "iddx_1")
"""What every format becomes, all text."""

UNFIT = "?"
"""The iddx_1 of a row whose truth is none: no code is set, or several are, or the target is neither 0 nor 1."""

IMAGE_ENDING = r"(?i)(_downsampled)?(\.(jpe?g|png))?$"
"""What may follow an isic_id in the name of its image."""


def image_name(column: str) -> Expr:
    """Return the isic_id that a column of image names means: 2019 lists some images that were made smaller.

    Copies that go round write `.jpg` after the names.
    """
    import polars as pl

    return pl.col(column).str.strip_chars().str.replace(IMAGE_ENDING, "").alias("isic_id")


def pick(frame: DataFrame, image: str, **columns: Expr | str | None) -> DataFrame:
    """Select the tidy columns; those that the file has not are null."""
    import polars as pl

    chosen = {
        name: pl.col(value) if isinstance(value, str) and value in frame.columns else value
        for name, value in columns.items()
    }
    exprs = [image_name(image)]
    for name in TIDY_COLUMNS[1:]:
        value = chosen.get(name)
        exprs.append((value if isinstance(value, pl.Expr) else pl.lit(None, pl.String)).cast(pl.String).alias(name))
    return frame.select(exprs)


def picking(image: str, **columns: str) -> Callable[[DataFrame], DataFrame]:
    """Return a function that picks these columns: `picking("image", age="age_approx")`."""
    return lambda frame: pick(frame, image, **columns)


def _kind_of(diagnosis: Expr) -> Expr:
    import polars as pl

    return diagnosis.replace_strict(KINDS, default=UNFIT, return_dtype=pl.String)


def _is_one(cell: Expr) -> Expr:
    """Return true for 1, false for 0, null for anything else, however the number is written."""
    import polars as pl

    number = cell.str.strip_chars().cast(pl.Float64, strict=False)
    return pl.when(number == 1).then(statement=True).when(number == 0).then(statement=False)


def read_one_hot(frame: DataFrame, image: str, codes: Mapping[str, str], none: str | None = None) -> DataFrame:
    """Read a truth with a column of 0 and 1 for each diagnosis; `none`: what it means that every column is 0."""
    import polars as pl

    held = {code: name for code, name in codes.items() if code in frame.columns}
    ones = [_is_one(pl.col(code)) for code in held]
    # Exactly one is set, and every cell can be read.
    count = pl.sum_horizontal(one.cast(pl.Int8) for one in ones)
    whole = pl.all_horizontal(one.is_not_null() for one in ones)
    name = pl.coalesce(pl.when(one).then(pl.lit(name)) for one, name in zip(ones, held.values(), strict=True))
    diagnosis: Expr = pl.when(whole & (count == 1)).then(name)
    if none is not None:
        diagnosis = pl.when(whole & (count == 0)).then(pl.lit(none)).otherwise(diagnosis)
    tidy = pick(frame, image, diagnosis=diagnosis)
    kind = _kind_of(pl.col("diagnosis"))
    return tidy.with_columns(iddx_1=pl.when(pl.col("diagnosis").is_null()).then(pl.lit(UNFIT)).otherwise(kind))


def read_2016(frame: DataFrame) -> DataFrame:
    """Read the truth of 2016: an image and benign or malignant, in the test set 0 or 1; all malignant are melanomas."""
    import polars as pl

    image, label = frame.columns
    names = {"benign": "benign", "malignant": "melanoma", "0": "benign", "0.0": "benign", "1": "melanoma"}
    diagnosis = pl.col(label).str.strip_chars().replace_strict({**names, "1.0": "melanoma"}, default=None)
    tidy = pick(frame, image, diagnosis=diagnosis)
    return tidy.with_columns(iddx_1=_kind_of(pl.col("diagnosis")))


def read_2017(frame: DataFrame) -> DataFrame:
    """Read the truth of 2017: a melanoma, a seborrheic keratosis, or else a nevus."""
    codes = {"melanoma": "melanoma", "seborrheic_keratosis": "seborrheic keratosis"}
    return read_one_hot(frame, "image_id", codes, none="nevus")


def read_2020(frame: DataFrame) -> DataFrame:
    """Read the truth of 2020, where most benign diagnoses are unknown, so the target decides."""
    import polars as pl

    malignant = _is_one(pl.col("target"))
    kind = (
        pl.when(malignant)
        .then(pl.lit("Malignant"))
        .when(~malignant & (_kind_of(pl.col("diagnosis")) == "Indeterminate"))
        .then(pl.lit("Indeterminate"))
        .when(~malignant)
        .then(pl.lit("Benign"))
        .otherwise(pl.lit(UNFIT))
    )
    return pick(
        frame,
        "image_name",
        patient_id="patient_id",
        lesion_id="lesion_id",
        age="age_approx",
        sex="sex",
        site="anatom_site_general_challenge",
        diagnosis="diagnosis",
        iddx_1=kind,
    )


def read_ham10000(frame: DataFrame) -> DataFrame:
    """Read the metadata of HAM10000."""
    import polars as pl

    diagnosis = pl.col("dx").str.strip_chars().str.to_uppercase().replace_strict(CODES, default=None)
    tidy = pick(
        frame, "image_id", lesion_id="lesion_id", age="age", sex="sex", site="localization", diagnosis=diagnosis
    )
    return tidy.with_columns(iddx_1=_kind_of(pl.col("diagnosis")))
