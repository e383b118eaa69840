"""The columns of the contest's tables: names in order, kinds, ranges and categories.

A training table has 55 columns, a test table the 44 of them that are known before a diagnosis. Nothing is inferred
from a file: in the full training table whole columns are empty but for a few texts deep in the file, ages are written
`NA`, and numbers come as `1`, `0.5` and `8.05E-13` alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from polars import DataType, Schema

__all__ = [
    "COLUMNS",
    "HOSPITALS",
    "NUMERIC_COLUMNS",
    "TRAIN_ONLY",
    "Column",
    "Kind",
    "Split",
    "column",
    "columns_of",
    "frame_schema",
]

Split = Literal["train", "test"]
Kind = Literal["id", "target", "number", "category", "text"]

HOSPITALS = (
    "ACEMID MIA",
    "Department of Dermatology, Hospital Clínic de Barcelona",
    "Department of Dermatology, University of Athens, Andreas Syggros Hospital of Skin and Venereal Diseases, "
    "Alexander Stratigos, Konstantinos Liopyris",
    "Frazer Institute, The University of Queensland, Dermatology Research Centre",
    "Memorial Sloan Kettering Cancer Center",
    "University Hospital of Basel",
    "ViDIR Group, Department of Dermatology, Medical University of Vienna",
)
"""The seven hospitals of the training table, in alphabetical order; a test table may name others."""

_SIDES = ("Left", "Right")
_SIMPLE = (
    "Head & Neck",
    *(f"{side} {limb}" for side in _SIDES for limb in ("Arm", "Leg")),
    "Torso Back",
    "Torso Front",
)
_FINE = (
    *(f"{side} {limb} - {part}" for side in _SIDES for limb in ("Arm", "Leg") for part in ("Lower", "Upper")),
    *(f"Torso Back {third} Third" for third in ("Bottom", "Middle", "Top")),
    *(f"Torso Front {half} Half" for half in ("Bottom", "Top")),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One column of the tables.

    Args:
        name: as in the header.
        kind: "id" and "text" are free text, "category" is text among `categories`, "target" is 0 or 1.
        required: whether every row of the contest has a value here.
        categories: the values of the training table; empty where the column is no category.
        closed: whether another category is an error: models know these alone, so another would pass for a missing one.
        minimum: the least possible number; -inf where nothing is impossible.
        maximum: the largest possible number.
        open_ends: whether the `minimum`, and the `maximum`, are themselves impossible.
        seen: the least and the largest number of the full training table; None for what is no number.
    """

    name: str
    kind: Kind
    required: bool = True
    categories: tuple[str, ...] = ()
    closed: bool = False
    minimum: float = float("-inf")
    maximum: float = float("inf")
    open_ends: tuple[bool, bool] = (False, False)
    seen: tuple[float, float] | None = None


def _number(
    name: str,
    seen: tuple[float, float],
    minimum: float = float("-inf"),
    maximum: float = float("inf"),
    *,
    above: bool = False,
    below: bool = False,
    required: bool = True,
) -> Column:
    return Column(
        name=name,
        kind="number",
        required=required,
        minimum=minimum,
        maximum=maximum,
        open_ends=(above, below),
        seen=seen,
    )


def _category(name: str, *categories: str, closed: bool = False, required: bool = True) -> Column:
    return Column(name=name, kind="category", categories=categories, closed=closed, required=required)


def _text(name: str, *, required: bool = False) -> Column:
    return Column(name=name, kind="text", required=required)


COLUMNS = (
    Column(name="isic_id", kind="id"),
    Column(name="target", kind="target"),
    Column(name="patient_id", kind="id"),
    _number("age_approx", (5, 85), 0, 120, required=False),  # years, in steps of five
    _category("sex", "female", "male", closed=True, required=False),
    _category(
        "anatom_site_general",
        "anterior torso",
        "head/neck",
        "lower extremity",
        "posterior torso",
        "upper extremity",
        closed=True,
        required=False,
    ),
    _number("clin_size_long_diam_mm", (1, 28.4), 0, above=True),
    _category("image_type", "TBP tile: close-up"),
    _category("tbp_tile_type", "3D: XP", "3D: white", closed=True),
    # CIELAB inside the lesion and in the skin around it (ext): a*, b*, chroma, hue in degrees, lightness.
    _number("tbp_lv_A", (-2.487115, 48.18961), -128, 128),
    _number("tbp_lv_Aext", (-9.080269, 37.02168), -128, 128),
    _number("tbp_lv_B", (-0.730989, 54.3069), -128, 128),
    _number("tbp_lv_Bext", (9.237066, 48.3727), -128, 128),
    _number("tbp_lv_C", (3.054228, 58.76517), 0, 182),
    _number("tbp_lv_Cext", (11.84652, 54.30529), 0, 182),
    _number("tbp_lv_H", (-1.574164, 105.875784), -180, 180),
    _number("tbp_lv_Hext", (28.43649, 130.9833), -180, 180),
    _number("tbp_lv_L", (4.223007, 87.548888), 0, 100),
    _number("tbp_lv_Lext", (17.70226, 98.588250), 0, 100),
    _number("tbp_lv_areaMM2", (0.431601, 334.1527), 0, above=True),
    _number("tbp_lv_area_perim_ratio", (10.761634, 87.20534), 0, above=True),
    _number("tbp_lv_color_std_mean", (0, 9.952932), 0),
    _number("tbp_lv_deltaA", (-13.81985, 32.13759), -256, 256),
    _number("tbp_lv_deltaB", (-18.088106, 12.64393), -256, 256),
    _number("tbp_lv_deltaL", (-38.75614, -1.590631), -100, 100),
    _number("tbp_lv_deltaLB", (2.952675, 39.19772), 0),
    _number("tbp_lv_deltaLBnorm", (3.001138, 30.487456), 0),
    _number("tbp_lv_eccentricity", (0.027667, 0.97496), 0, 1, below=True),
    _category(
        "tbp_lv_location",
        *sorted((*_SIMPLE, *_FINE)),
        "Unknown",
    ),
    _category("tbp_lv_location_simple", *_SIMPLE, "Unknown"),
    _number("tbp_lv_minorAxisMM", (0.273973, 18.3879), 0, above=True),
    _number("tbp_lv_nevi_confidence", (0, 100), 0, 100),
    _number("tbp_lv_norm_border", (0.589426, 10), 0, 10),
    _number("tbp_lv_norm_color", (0, 10), 0, 10),
    _number("tbp_lv_perimeterMM", (2.579237, 102.4939), 0, above=True),
    _number("tbp_lv_radial_color_std_max", (0, 11.49114), 0),
    _number("tbp_lv_stdL", (0.26816, 17.56365), 0),
    _number("tbp_lv_stdLExt", (0.636247, 25.534791), 0),
    _number("tbp_lv_symm_2axis", (0.052034, 0.977055), 0, 1),
    _number("tbp_lv_symm_2axis_angle", (0, 175), 0, 180, below=True),  # degrees, in steps of five
    # Millimetres on a standing body: x to its left, y up, z forward.
    _number("tbp_lv_x", (-624.870728, 614.4717)),
    _number("tbp_lv_y", (-1052.134, 1887.766846)),
    _number("tbp_lv_z", (-291.890442, 319.407)),
    _category("attribution", *HOSPITALS),
    _category("copyright_license", "CC-0", "CC-BY", "CC-BY-NC"),
    Column(name="lesion_id", kind="id", required=False),
    _text("iddx_full", required=True),
    _category("iddx_1", "Benign", "Indeterminate", "Malignant", closed=True),
    _text("iddx_2"),
    _text("iddx_3"),
    _text("iddx_4"),
    _text("iddx_5"),
    _text("mel_mitotic_index"),  # such as `<1/mm^2`
    _number("mel_thick_mm", (0.2, 5), 0, required=False),
    _number("tbp_lv_dnn_lesion_confidence", (0, 100), 0, 100),
)
"""The 55 columns of a training table, in the contest's order."""

_BY_NAME = {known.name: known for known in COLUMNS}

TRAIN_ONLY = (
    "target",
    "lesion_id",
    "iddx_full",
    "iddx_1",
    "iddx_2",
    "iddx_3",
    "iddx_4",
    "iddx_5",
    "mel_mitotic_index",
    "mel_thick_mm",
    "tbp_lv_dnn_lesion_confidence",
)
"""The eleven columns that a test table lacks."""

NUMERIC_COLUMNS = tuple(known.name for known in COLUMNS if known.kind == "number" and known.name not in TRAIN_ONLY)
"""The 34 numeric columns that every table has, in order."""


def column(name: str) -> Column:
    """Return the column of that name.

    Raises:
        KeyError: if the tables have no such column.

    >>> column("sex").categories
    ('female', 'male')
    """
    return _BY_NAME[name]


def columns_of(split: Split) -> tuple[Column, ...]:
    """Return the columns of a table, in the contest's order: 55 for "train", 44 for "test".

    Raises:
        ValueError: if the split is neither.
    """
    if split not in ("train", "test"):
        raise ValueError(f"expected split 'train' or 'test', got {split!r}")
    return tuple(known for known in COLUMNS if split == "train" or known.name not in TRAIN_ONLY)


def frame_schema(split: Split) -> Schema:
    """Return names and types of a loaded table: text as String, numbers as Float64, the target as Int8.

    Raises:
        ValueError: if the split is neither "train" nor "test".
    """
    import polars as pl

    dtypes: dict[Kind, DataType] = {"number": pl.Float64(), "target": pl.Int8()}
    return pl.Schema({known.name: dtypes.get(known.kind, pl.String()) for known in columns_of(split)})
