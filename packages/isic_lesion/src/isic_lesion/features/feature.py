"""What a feature is, as a value: it can be read, compared, hashed, written as JSON and selected from.

Kinds of features, and what a row's value is:

- `lesion`: a formula over the row's own columns; a bare column is the shortest formula.
- `one_hot`: 1 where the columns of `group` hold the categories of `category`, 0 where not, NaN where one is missing.
- `any_of`: 1 where the one column of `group` holds any of the categories of `category`, 0 where not, NaN where missing.
- `group`: a statistic of a formula within the row's group, the rows that share the values of the `group` columns.
- `history`: the same patient and body location at earlier ages.
- `outlier`: how isolated the lesion is among its patient's.
- `file_order`: the previous row in the file of the same patient and location: as the original had it, and the one kind
  that depends on the order of rows.

Where the columns of a group include patient_id, a row is seen beside the patient's own rows, in training as at
inference. Where they do not, the group crosses patients and its statistics are fitted on training rows (`population`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from isic_lesion.features.clusters import CLUSTER_FORMULAS
from isic_lesion.features.formulas import canonical_formula, columns_of, short_formula

__all__ = ["CLUSTER", "STATISTICS", "Feature", "Kind"]

Kind = Literal["lesion", "one_hot", "any_of", "group", "history", "outlier", "file_order"]

CLUSTER = "cluster"
"""In a group's columns: the k-means cluster of lesions that look alike, fitted with the population."""

STATISTICS: Mapping[str, tuple[str, ...]] = {
    "lesion": ("",),
    "one_hot": ("",),
    "any_of": ("",),
    "group": ("z", "difference", "ratio", "rank", "mean", "sd", "min", "max", "sum", "count"),
    "history": ("previous", "change", "change_per_year", "number", "years"),
    "outlier": ("local_outlier_factor",),
    "file_order": ("previous", "change"),
}
"""The statistics of each kind."""

_WITHOUT_FORMULA = {("group", "count"), ("history", "number"), ("history", "years"), ("one_hot", ""), ("any_of", "")}
_HISTORY_COLUMNS = ("patient_id", "tbp_lv_location")
_WORDS = {
    "z": "z-score",
    "difference": "difference from the mean",
    "ratio": "ratio to the mean",
    "rank": "rank",
    "count": "number of lesions",
    "sd": "standard deviation",
    "change_per_year": "change per year",
}
_NAME = re.compile(r"[^\s\[\]<>{}\",:]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Feature:
    """One column of a feature matrix.

    Args:
        name: unique in its set; without spaces, brackets, quotes, commas and colons, which boosters refuse.
        kind: what it is (see the module).
        formulas: of the row's own columns; one, several for an outlier score, or none where nothing is measured.
        group: the category columns of a group, or of a one-hot category; of kind any_of it is one.
        category: the categories of `group` that are 1; only of kinds one_hot and any_of.
        statistic: one of `STATISTICS[kind]`.
        neighbours: of the local outlier factor, at least 1.

    Raises:
        ValueError: if they do not make a feature.
    """

    name: str
    kind: Kind
    formulas: tuple[str, ...] = ()
    group: tuple[str, ...] = ()
    category: tuple[str, ...] = ()
    statistic: str = ""
    neighbours: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise ValueError(f"expected a name without spaces, brackets, quotes, commas and colons, got {self.name!r}")
        if self.kind not in get_args(Kind):
            raise ValueError(f"{self.name}: expected a kind among {', '.join(get_args(Kind))}, got {self.kind!r}")
        if self.statistic not in STATISTICS[self.kind]:
            known = ", ".join(filter(None, STATISTICS[self.kind])) or "none"
            raise ValueError(f"{self.name}: expected a statistic among {known}, got {self.statistic!r}")
        try:
            object.__setattr__(self, "formulas", tuple(canonical_formula(formula) for formula in self.formulas))
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None
        self._check_parts()

    def _check_parts(self) -> None:
        measured = (self.kind, self.statistic) not in _WITHOUT_FORMULA
        many = self.kind == "outlier"
        if len(self.formulas) < 1 if many else len(self.formulas) != int(measured):
            expected = "at least one formula" if many else "one formula" if measured else "no formula"
            raise ValueError(f"{self.name}: expected {expected}, got {len(self.formulas)}")
        grouped = self.kind in ("group", "one_hot", "any_of")
        if bool(self.group) != grouped or len(set(self.group)) != len(self.group):
            raise ValueError(f"{self.name}: expected distinct group columns of kind group or one_hot, got {self.group}")
        if self.kind == "any_of":
            if len(self.group) != 1 or not self.category or len(set(self.category)) != len(self.category):
                raise ValueError(f"{self.name}: expected one column and its categories, each once, got {self.category}")
        elif (len(self.category) if self.kind != "one_hot" else len(self.category) - len(self.group)) != 0:
            raise ValueError(f"{self.name}: expected a category for each of {self.group}, got {self.category}")
        if CLUSTER in self.group and (self.kind != "group" or len(self.group) > 1):
            raise ValueError(f"{self.name}: expected {CLUSTER!r} alone, in a group, got {self.group}")
        if (self.neighbours < 1) if self.kind == "outlier" else self.neighbours:
            raise ValueError(f"{self.name}: expected neighbours >= 1 of an outlier score alone, got {self.neighbours}")

    @property
    def parameters(self) -> dict[str, Any]:
        """What makes it up beside name and kind, without what is empty; as JSON has it."""
        parts: dict[str, Any] = {
            "formulas": list(self.formulas),
            "group": list(self.group),
            "category": list(self.category),
            "statistic": self.statistic,
            "neighbours": self.neighbours,
        }
        return {name: part for name, part in parts.items() if part}

    @property
    def columns(self) -> frozenset[str]:
        """The raw columns that it depends on, those of its groups among them."""
        columns = frozenset[str]().union(*(columns_of(formula) for formula in self.formulas))
        columns |= {column for column in self.group if column != CLUSTER}
        if CLUSTER in self.group:
            columns = columns.union(*(columns_of(formula) for formula in CLUSTER_FORMULAS))
        if self.kind == "history":
            columns |= {*_HISTORY_COLUMNS, "age_approx"}
        if self.kind == "file_order":
            columns |= {*_HISTORY_COLUMNS}
        return columns | {"patient_id"} if self.kind == "outlier" else columns

    @property
    def crosses_patients(self) -> bool:
        """Whether its value needs a fitted population."""
        return self.kind == "group" and "patient_id" not in self.group

    @property
    def description(self) -> str:
        """What it is, in a line for people, such as `z-score of minorAxisMM / size within patient_id`."""
        of = short_formula(self.formulas[0]) if self.formulas else ""
        statistic = _WORDS.get(self.statistic, self.statistic)
        match self.kind:
            case "lesion":
                return of
            case "one_hot":
                return " and ".join(f"{at} is {what}" for at, what in zip(self.group, self.category, strict=True))
            case "any_of":
                return f"{self.group[0]} is any of {', '.join(self.category)}"
            case "group":
                return f"{statistic}{f' of {of}' if of else ''} within {' x '.join(self.group)}"
            case "history":
                what = {"number": "number of earlier lesions", "years": "years since the last earlier lesion"}
                return f"{what.get(self.statistic) or f'{statistic} of {of}'}, same patient and location, by age"
            case "outlier":
                return f"local outlier factor within the patient, {len(self.formulas)} measures"
            case _:
                return f"{statistic} of {of}, same patient and location, by the order of the file"

    def as_document(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {"name": self.name, "kind": self.kind, **self.parameters}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Feature:
        """Return the feature that a JSON object describes.

        Raises:
            ValueError: if it describes none; the message names the feature.
        """
        name = document.get("name") if isinstance(document, Mapping) else None
        if not isinstance(name, str):
            raise ValueError(f"expected an object with a name, got {str(document)[:80]}")
        unknown = set(document) - set(cls.__dataclass_fields__)
        if unknown:
            raise ValueError(f"{name}: no feature has a {min(unknown)!r}")
        parts = dict(document)
        for part in ("formulas", "group", "category"):
            texts = parts.get(part, [])
            if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
                raise ValueError(f"{name}: expected a list of texts in {part!r}, got {texts!r}")
            parts[part] = tuple(texts)
        if type(parts.get("neighbours", 0)) is not int:
            raise ValueError(f"{name}: expected a whole number of neighbours, got {parts['neighbours']!r}")
        return cls(**parts)
