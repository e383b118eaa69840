"""Rows of a made-up table, with the contest's columns, names and texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from isic_lesion.data.schema import frame_schema
from isic_lesion.synthetic.body import location_simple, site_of
from isic_lesion.synthetic.lesions import measure
from isic_lesion.synthetic.parameters import published
from isic_lesion.synthetic.patients import UNSEEN_HOSPITALS
from isic_lesion.synthetic.plan import Plan, plan
from isic_lesion.synthetic.sizes import MALIGNANT, Sizes, stream_of

if TYPE_CHECKING:
    from polars import DataFrame, Series

__all__ = ["lesion_rows"]

ROWS_PER_BLOCK = 1024
"""Random numbers are drawn block by block, so that rows are the same however many are made at a time."""

_INVASIVE = "Melanoma Invasive"
_THICKNESS = (0.2, 0.3, 0.3, 0.3, 0.4, 0.4, 0.5, 0.5, 0.6, 0.6, 0.7, 0.8, 0.9, 1.0, 1.3, 1.7, 2.5, 5.0)
_MITOSES = ("0/mm^2", "<1/mm^2", "1/mm^2", "2/mm^2", "3/mm^2", "4/mm^2", ">4/mm^2")
_MITOSES_SHARES = (0.43, 0.31, 0.06, 0.06, 0.03, 0.03, 0.08)


def lesion_rows(sizes: Sizes, first: int, last: int) -> DataFrame:
    """Return rows [first, last) of a made-up table, by ascending isic_id.

    Args:
        sizes: of the whole table.
        first: the first row, a multiple of 1,024.
        last: one past the last, at most `sizes.rows`.

    Returns:
        The split's columns in the contest's order, typed as a loaded table is.

    Raises:
        ValueError: if the rows are not of the table, or do not begin where a block of random numbers does.
    """
    import polars as pl

    if first % ROWS_PER_BLOCK or not 0 <= first < last <= sizes.rows:
        raise ValueError(
            f"expected rows that begin at a multiple of {ROWS_PER_BLOCK} within {sizes.rows}, got [{first}, {last})"
        )
    blocks = [
        _block(plan(sizes), sizes, start, min(start + ROWS_PER_BLOCK, last))
        for start in range(first, last, ROWS_PER_BLOCK)
    ]
    return pl.concat(blocks)


def _block(table: Plan, sizes: Sizes, first: int, last: int) -> DataFrame:
    import polars as pl

    generator = stream_of(sizes, 10, first // ROWS_PER_BLOCK)
    rows = slice(first, last)
    patient = table.lesions.patient[rows]
    measured = measure(table, rows, generator)
    people, facts = table.patients, published()
    names = [place.name for place in facts.locations]
    hospitals = [one.name for one in facts.hospitals] + [name for name, _, _ in UNSEEN_HOSPITALS]
    licences = [one.licence for one in facts.hospitals] + ["CC-BY"] * len(UNSEEN_HOSPITALS)
    location = _texts(names, measured.pop("location").astype(np.int64))
    age = np.minimum(people.age[patient] + 5 * measured.pop("visit"), 85)
    white = (generator.random(len(patient)) < people.white[patient]).astype(np.int64)
    frame = pl.DataFrame(
        {
            "isic_id": [f"ISIC_{number:07d}" for number in table.lesions.number[rows].tolist()],
            "target": (table.lesions.kind[rows] == MALIGNANT).astype(np.int8),
            "patient_id": [f"IP_{number:07d}" for number in people.number[patient].tolist()],
            "age_approx": pl.Series(age).fill_nan(None),
            "sex": _texts(["female", "male", None], people.sex[patient]),
            "tbp_lv_location": location,
            "tbp_lv_location_simple": [location_simple(name) for name in location if name is not None],
            "anatom_site_general": [site_of(location_simple(name)) for name in location if name is not None],
            "image_type": ["TBP tile: close-up"] * len(patient),
            "tbp_tile_type": _texts(["3D: XP", "3D: white"], white),
            "attribution": _texts(hospitals, people.hospital[patient]),
            "copyright_license": _texts(licences, people.hospital[patient]),
            **_printed(measured, people.exact[patient]),
        }
    )
    if sizes.split == "train":
        frame = frame.with_columns(**_diagnosis(table, rows, generator))
    schema = frame_schema(sizes.split)
    return frame.select(schema.names()).cast(schema)


def _diagnosis(table: Plan, rows: slice, generator: np.random.Generator) -> dict[str, Series]:
    import polars as pl

    names = list(published().diagnoses)
    diagnosis = _texts(names, table.lesions.diagnosis[rows])
    levels = [(name or "").split("::") for name in diagnosis]
    invasive = np.array([_INVASIVE in level for level in levels])
    thick = np.array(_THICKNESS)[generator.integers(0, len(_THICKNESS), len(levels))]
    mitoses = generator.choice(len(_MITOSES), len(levels), p=_MITOSES_SHARES)
    counted = invasive & (generator.random(len(levels)) < 0.85)
    lesion_ids = table.lesions.lesion_id[rows].tolist()
    texts = {
        f"iddx_{level}": pl.Series(
            [parts[level - 1] if len(parts) >= level else None for parts in levels], dtype=pl.String
        )
        for level in range(1, 6)
    }
    return {
        "lesion_id": pl.Series([f"IL_{number:07d}" if number >= 0 else None for number in lesion_ids], dtype=pl.String),
        "iddx_full": pl.Series(diagnosis, dtype=pl.String),
        **texts,
        "mel_mitotic_index": pl.Series(
            [_MITOSES[place] if there else None for place, there in zip(mitoses.tolist(), counted, strict=True)],
            dtype=pl.String,
        ),
        "mel_thick_mm": pl.Series(
            [value if there else None for value, there in zip(thick.tolist(), invasive, strict=True)], dtype=pl.Float64
        ),
    }


def _texts(names: list[str] | list[str | None], places: NDArray[np.int64]) -> list[str | None]:
    return [names[place] for place in places.tolist()]


def _printed(measured: dict[str, NDArray[np.float64]], exact: NDArray[np.bool_]) -> dict[str, NDArray[np.float64]]:
    """Return numbers with as many digits as they are printed with: 15 for some patients, 7 for the others."""
    digits = np.where(exact, 15, 7)
    return {
        name: values if name == "clin_size_long_diam_mm" else _rounded(values, digits)
        for name, values in measured.items()
    }


def _rounded(values: NDArray[np.float64], digits: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return values with so many significant decimal digits."""
    with np.errstate(divide="ignore"):
        exponent = np.where(values == 0, 0, np.floor(np.log10(np.abs(values))))
    places = digits - 1 - exponent
    scale = 10.0 ** np.clip(np.abs(places), 0, 300)
    return np.where(places >= 0, np.round(values * scale) / scale, np.round(values / scale) * scale)
