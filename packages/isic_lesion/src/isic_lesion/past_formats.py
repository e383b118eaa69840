"""The files of earlier contests: what tells them apart, and how each is read into the same columns.

Every contest wrote its truth in its own way. A file is known by its header, for names change on the way from a
download page to a folder. Each format becomes the same columns: isic_id, the diagnosis as the contest wrote it, iddx_1
(what the diagnosis amounts to), and whatever it says of patient, lesion, age, sex and site.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from isic_lesion.past_words import CODES, KINDS

if TYPE_CHECKING:
    from polars import DataFrame, Expr

__all__ = [
    "FORMATS",
    "PRECEDENCE",
    "TIDY_COLUMNS",
    "UNFIT",
    "PastFormat",
    "image_name",
    "recognise",
]

PRECEDENCE = ("ISIC 2020", "ISIC 2019", "HAM10000", "ISIC 2018", "ISIC 2017", "ISIC 2016")
"""Whose word counts where several contests speak of the same image: the later one's, for it knew the earlier."""

TIDY_COLUMNS = ("isic_id", "patient_id", "lesion_id", "age", "sex", "site", "diagnosis", "iddx_1")
"""What every format becomes, all text."""

UNFIT = "?"
"""The iddx_1 of a row whose truth is none: no code is set, or several are, or the target is neither 0 nor 1."""

_DOWNSAMPLED = "_downsampled"
_SHORT_2018 = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
_SHORT_2019 = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC")
_ISBI_ID = re.compile(r"ISIC_[0-9]{7}")


class PastFormat(NamedTuple):
    """One kind of file of an earlier contest.

    Attributes:
        contest: one of `PRECEDENCE`.
        what: "truth" (says what each lesion is), or what else it tells.
        header: the columns that tell it from all others.
        tidy: cells as text -> `TIDY_COLUMNS`, row by row.
    """

    contest: str
    what: str
    header: tuple[str, ...]
    tidy: Callable[[DataFrame], DataFrame]


def image_name(column: str) -> Expr:
    """Return the isic_id that a column of image names means: 2019 lists some images that were made smaller."""
    import polars as pl

    return pl.col(column).str.strip_chars().str.strip_suffix(_DOWNSAMPLED).alias("isic_id")


def recognise(header: Sequence[str]) -> PastFormat | None:
    """Return the format of a file with this header, None for a stranger; the 2016 files have no header line.

    >>> recognise(["image", "age_approx", "anatom_site_general", "lesion_id", "sex"]).contest
    'ISIC 2019'
    >>> recognise(["ISIC_0000000", "benign"]).contest
    'ISIC 2016'
    """
    if len(header) == 2 and _ISBI_ID.fullmatch(header[0]) and header[1] in ("benign", "malignant", "0.0", "1.0"):
        return _2016
    names = {name.strip() for name in header}
    return next((known for known in FORMATS if known.header and names.issuperset(known.header)), None)


def _pick(frame: DataFrame, image: str, **columns: Expr | str | None) -> DataFrame:
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


def _kind_of(diagnosis: Expr) -> Expr:
    import polars as pl

    return diagnosis.replace_strict(KINDS, default=UNFIT, return_dtype=pl.String)


def _is_one(cell: Expr) -> Expr:
    """Return true for 1, false for 0, null for anything else, however the number is written."""
    import polars as pl

    number = cell.str.strip_chars().cast(pl.Float64, strict=False)
    return pl.when(number == 1).then(statement=True).when(number == 0).then(statement=False)


def _one_hot(frame: DataFrame, image: str, codes: dict[str, str], none: str | None = None) -> DataFrame:
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
    tidy = _pick(frame, image, diagnosis=diagnosis)
    kind = _kind_of(pl.col("diagnosis"))
    return tidy.with_columns(iddx_1=pl.when(pl.col("diagnosis").is_null()).then(pl.lit(UNFIT)).otherwise(kind))


def _read_2016(frame: DataFrame) -> DataFrame:
    import polars as pl

    image, label = frame.columns
    names = {"benign": "benign", "malignant": "melanoma", "0": "benign", "0.0": "benign", "1": "melanoma"}
    diagnosis = pl.col(label).str.strip_chars().replace_strict({**names, "1.0": "melanoma"}, default=None)
    tidy = _pick(frame, image, diagnosis=diagnosis)
    return tidy.with_columns(iddx_1=_kind_of(pl.col("diagnosis")))


def _read_2017(frame: DataFrame) -> DataFrame:
    codes = {"melanoma": "melanoma", "seborrheic_keratosis": "seborrheic keratosis"}
    return _one_hot(frame, "image_id", codes, none="nevus")


def _read_2020(frame: DataFrame) -> DataFrame:
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
    return _pick(
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


def _read_ham10000(frame: DataFrame) -> DataFrame:
    import polars as pl

    diagnosis = pl.col("dx").str.strip_chars().str.to_uppercase().replace_strict(CODES, default=None)
    tidy = _pick(
        frame, "image_id", lesion_id="lesion_id", age="age", sex="sex", site="localization", diagnosis=diagnosis
    )
    return tidy.with_columns(iddx_1=_kind_of(pl.col("diagnosis")))


def _named(codes: Sequence[str]) -> dict[str, str]:
    return {code: CODES[code] for code in codes}


_2016 = PastFormat("ISIC 2016", "truth", (), _read_2016)

FORMATS = (
    _2016,
    PastFormat("ISIC 2017", "truth", ("image_id", "melanoma", "seborrheic_keratosis"), _read_2017),
    PastFormat(
        "ISIC 2017",
        "age and sex",
        ("image_id", "age_approximate", "sex"),
        lambda frame: _pick(frame, "image_id", age="age_approximate", sex="sex"),
    ),
    PastFormat(
        "ISIC 2018",
        "truth",
        ("image", *_SHORT_2018),
        lambda frame: _one_hot(frame, "image", _named(_SHORT_2018)),
    ),
    PastFormat(
        "ISIC 2018",
        "lesions",
        ("image", "lesion_id", "diagnosis_confirm_type"),
        lambda frame: _pick(frame, "image", lesion_id="lesion_id"),
    ),
    PastFormat(
        "ISIC 2019",
        "truth",
        ("image", *_SHORT_2019),
        lambda frame: _one_hot(frame, "image", _named((*_SHORT_2019, "UNK"))),
    ),
    PastFormat(
        "ISIC 2019",
        "age, sex, site and lesions",
        ("image", "age_approx", "anatom_site_general", "sex"),
        lambda frame: _pick(
            frame, "image", lesion_id="lesion_id", age="age_approx", sex="sex", site="anatom_site_general"
        ),
    ),
    PastFormat(
        "ISIC 2020",
        "truth",
        ("image_name", "patient_id", "anatom_site_general_challenge", "diagnosis", "target"),
        _read_2020,
    ),
    PastFormat("HAM10000", "truth", ("lesion_id", "image_id", "dx", "age", "sex", "localization"), _read_ham10000),
)
"""Every kind of file that is known."""
