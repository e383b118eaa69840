"""Lesions in one canonical order, and the groups they form.

Every sum below runs over rows sorted by patient_id and isic_id, so features have the same bits whatever the order in
which rows come. Numbers are float64 until a feature is finished.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.errors import InputError
from isic_lesion.features.formulas import evaluate

if TYPE_CHECKING:
    from polars import DataFrame

__all__ = ["Categories", "Groups", "Rows", "canonical_rows", "groups_of_codes"]

Kept = TypeVar("Kept")


class Groups(NamedTuple):
    """Which rows belong together.

    Attributes:
        code: the group of each row, from 0; -1 where the row has none, for a category is missing; intp, shape (N,).
        order: the rows that have a group, by group and then in canonical order; intp, shape (M,).
        starts: where each group begins in `order`; intp, shape (G,).
        sizes: how many rows it has, at least 1; intp, shape (G,).
        in_order: whether `order` is simply 0, 1, ..., N - 1.
    """

    code: NDArray[np.intp]
    order: NDArray[np.intp]
    starts: NDArray[np.intp]
    sizes: NDArray[np.intp]
    in_order: bool


class Categories(NamedTuple):
    """The distinct values of some columns, and which of them each row has.

    Attributes:
        keys: one tuple of texts a group, sorted; length G.
        code: as in `Groups`.
    """

    keys: list[tuple[str, ...]]
    code: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Rows:
    """Lesions in canonical order; what is asked of them is kept, so that many features share it.

    Args:
        frame: the rows, sorted.
        place: where each given row is among the sorted ones; intp, shape (N,).
    """

    frame: DataFrame
    place: NDArray[np.intp]
    _numbers: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    _categories: dict[tuple[str, ...], Categories] = field(default_factory=dict)
    _groups: dict[tuple[str, ...], Groups] = field(default_factory=dict)
    _kept: dict[object, object] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def __len__(self) -> int:
        return len(self.place)

    def numbers(self, column: str) -> NDArray[np.float64]:
        """Return a numeric column, NaN where missing; shape (N,).

        Raises:
            InputError: if the column holds no numbers.
        """
        import polars as pl

        with self._lock:
            if column not in self._numbers:
                series = self.frame[column]
                if not series.dtype.is_numeric() and series.dtype not in (pl.Boolean, pl.Null):
                    raise InputError(f"column {column!r} holds {series.dtype}, not numbers")
                self._numbers[column] = series.cast(pl.Float64).fill_null(float("nan")).to_numpy()
            return self._numbers[column]

    def values(self, formula: str) -> NDArray[np.float64]:
        """Return a formula's values, finite or NaN; shape (N,)."""
        return evaluate(formula, self.numbers)

    def categories(self, columns: Sequence[str]) -> Categories:
        """Return the distinct values of category columns, and each row's."""
        import polars as pl

        key = tuple(columns)
        with self._lock:
            if key not in self._categories:
                texts = self.frame.select(pl.col(list(key)).cast(pl.String))
                distinct = texts.drop_nulls().unique().sort(list(key)).with_row_index("code")
                code = texts.join(distinct, on=list(key), how="left", maintain_order="left")["code"]
                self._categories[key] = Categories(
                    distinct.drop("code").rows(), code.cast(pl.Int64).fill_null(-1).to_numpy().astype(np.intp)
                )
            return self._categories[key]

    def groups(self, columns: Sequence[str]) -> Groups:
        """Return the groups that category columns make."""
        key = tuple(columns)
        with self._lock:
            if key not in self._groups:
                categories = self.categories(key)
                self._groups[key] = groups_of_codes(categories.code, len(categories.keys))
            return self._groups[key]

    def once(self, make: Callable[[Rows], Kept]) -> Kept:
        """Return `make(self)`, made on the first call; `make` must be a function of the rows alone."""
        with self._lock:
            if make not in self._kept:
                self._kept[make] = make(self)
            return cast("Kept", self._kept[make])

    def among(self, mask: NDArray[np.bool_]) -> Rows:
        """Return some of the rows, still in canonical order.

        Args:
            mask: which, in the order of the given rows; shape (N,).
        """
        import polars as pl

        if mask.all():
            return self
        chosen = np.empty(len(self), dtype=bool)
        chosen[self.place] = mask
        place = np.cumsum(chosen) - 1
        return Rows(self.frame.filter(pl.Series(chosen)), place[self.place[mask]])

    def as_given(self, values: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return values of the sorted rows as float32, in the order of the given rows; shape (N,).

        What is too large for float32 is NaN, for boosters refuse infinities.
        """
        with np.errstate(over="ignore"):
            placed = values.astype(np.float32)[self.place]
        too_large = np.isinf(placed)
        if too_large.any():
            placed[too_large] = np.nan
        return placed


def canonical_rows(frame: DataFrame, columns: Sequence[str] = ()) -> Rows:
    """Sort lesions by patient_id and isic_id.

    Args:
        frame: one row a lesion, with isic_id, distinct and never null; patient_id, where it has one, may be null.
        columns: what must be there beside isic_id.

    Raises:
        InputError: if a column is missing, or an isic_id is missing or repeated.
    """
    import polars as pl

    for column in ("isic_id", *columns):
        if column not in frame.columns:
            raise InputError(f"the rows have no column {column!r}", fix="Add it, or choose features without it")
    ids = frame["isic_id"]
    if ids.null_count():
        raise InputError(f"row {int(ids.is_null().arg_true()[0])} has no isic_id")
    if ids.n_unique() < len(ids):
        raise InputError(f"{ids.filter(ids.is_duplicated())[0]} is the isic_id of more than one row")
    keys = [name for name in ("patient_id", "isic_id") if name in frame.columns]
    texts = frame.select(pl.col(keys).cast(pl.String)).with_row_index("place")
    order = texts.sort(keys)["place"]
    place = np.empty(len(frame), dtype=np.intp)
    place[order.to_numpy()] = np.arange(len(frame))
    return Rows(frame.select(list(dict.fromkeys(("isic_id", *columns))))[order], place)


def groups_of_codes(code: NDArray[np.intp], number: int) -> Groups:
    """Return the groups that codes from 0 to `number` - 1 make; -1 belongs to none."""
    order = np.argsort(code, kind="stable")
    order = order[np.count_nonzero(code < 0) :]
    sizes = np.bincount(code[order], minlength=number).astype(np.intp)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.intp) if number else np.zeros(0, np.intp)
    in_order = len(order) == len(code) and bool(np.all(order[1:] > order[:-1]))
    return Groups(code, order, starts, sizes, in_order)
