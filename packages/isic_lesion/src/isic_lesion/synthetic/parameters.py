"""What is published about the contest's 401,059 training rows, and nothing else (io: reads `published.json`).

The file beside this module holds summary statistics alone (counts, quantiles, rank correlations), each with its source.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["CLASSES", "Class", "Hospital", "HospitalClass", "Location", "Published", "published"]

Class = Literal["benign", "malignant"]
CLASSES: tuple[Class, Class] = ("benign", "malignant")


@dataclass(frozen=True, kw_only=True, slots=True)
class HospitalClass:
    """One class of lesions in one hospital.

    Attributes:
        rows: how many lesions the figures rest on.
        white_tiles: how many of them are tiles "3D: white".
        male: how many are of men.
        female: how many are of women.
        sex_missing: how many name no sex.
        patients: how many patients they belong to.
        means: column -> mean and standard deviation.
    """

    rows: int
    white_tiles: int
    male: int
    female: int
    sex_missing: int
    patients: int
    means: Mapping[str, tuple[float, float]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Hospital:
    """A hospital: its share of the full table, its licence, and its lesions by class."""

    name: str
    rows: int
    licence: str
    benign: HospitalClass
    malignant: HospitalClass


@dataclass(frozen=True, kw_only=True, slots=True)
class Location:
    """A place on the body: lesions there by class, and the 5 %, 50 % and 95 % quantiles of x, y, z in mm."""

    name: str
    benign: int
    malignant: int
    x: tuple[float, float, float]
    y: tuple[float, float, float]
    z: tuple[float, float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """All of it.

    Attributes:
        sources: part -> where it comes from.
        full: numeric column -> count, mean, std, min, 25%, 50%, 75%, max over the full table.
        classes: numeric column -> class -> n, mean, std, min, p01 ... p99, max, frac_zero.
        columns: the numeric columns in the order of the correlations, K of them.
        spearman: class -> rank correlations; float64, shape (K, K).
        hospitals: the seven hospitals, largest first.
        locations: the places on the body.
        diagnoses: iddx_full -> rows.
        missing: column -> share of missing cells.
        patients: counts about patients.
    """

    sources: Mapping[str, str]
    full: Mapping[str, Mapping[str, float]]
    classes: Mapping[str, Mapping[Class, Mapping[str, float]]]
    columns: tuple[str, ...]
    spearman: Mapping[Class, NDArray[np.float64]]
    hospitals: tuple[Hospital, ...]
    locations: tuple[Location, ...]
    diagnoses: Mapping[str, int]
    missing: Mapping[str, float]
    patients: Mapping[str, float]


@lru_cache(maxsize=1)
def published() -> Published:
    """Return the published statistics."""
    text = files("isic_lesion.synthetic").joinpath("published.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return Published(
        sources=document["sources"],
        full=document["full"],
        classes=document["classes"],
        columns=tuple(document["columns"]),
        spearman={name: _symmetric(document["spearman"][name]) for name in CLASSES},
        hospitals=tuple(
            Hospital(
                name=name,
                rows=entry["rows"],
                licence=entry["licence"],
                benign=_hospital_class(entry["benign"]),
                malignant=_hospital_class(entry["malignant"]),
            )
            for name, entry in document["hospitals"].items()
        ),
        locations=tuple(
            Location(
                name=name,
                benign=entry["benign"],
                malignant=entry["malignant"],
                x=tuple(entry["x"]),
                y=tuple(entry["y"]),
                z=tuple(entry["z"]),
            )
            for name, entry in document["locations"].items()
        ),
        diagnoses=document["diagnoses"],
        missing=document["missing"],
        patients=document["patients"],
    )


def _hospital_class(entry: Mapping[str, Any]) -> HospitalClass:
    means = {name: (float(mean), float(sd)) for name, (mean, sd) in entry["means"].items()}
    return HospitalClass(**{**entry, "means": means})


def _symmetric(lower: list[list[float]]) -> NDArray[np.float64]:
    """Return the whole matrix of the rows of its lower triangle."""
    matrix = np.zeros((len(lower), len(lower)))
    for row, values in enumerate(lower):
        matrix[row, : row + 1] = values
        matrix[: row + 1, row] = values
    return matrix
