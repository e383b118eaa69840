"""What a benchmark measured, in a form that can be laid beside other benchmarks and other days (io).

    tell_figures([Figure("choosing a question", 41.0, "ms", alternative=3200.0, against="textbook loop")])

A benchmark prints what it likes, and tells its figures besides. `furikaeri bench` names a file in `FURIKAERI_FIGURES`
for them; without it nothing is written.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from furikaeri_common.artifacts import read_json, write_json
from furikaeri_common.errors import InputError

__all__ = ["FIGURES_VARIABLE", "Figure", "figures_from", "read_figures", "tell_figures"]

FIGURES_VARIABLE = "FURIKAERI_FIGURES"


class Figure(NamedTuple):
    """One measured figure.

    Args:
        what: what was measured, with its size; unique within a benchmark.
        ours: its value.
        unit: of the values, such as "ms" or "MiB"; "" for a plain number.
        alternative: the value of what ours is compared with, measured in the same run; None without one.
        against: what that is.
        limit: what the value must keep to; None without one.
        better: whether less or more is better.
        exact: whether it is the same in every run on one machine, as counts and seeded games are: no change of it is
            noise.
    """

    what: str
    ours: float
    unit: str
    alternative: float | None = None
    against: str = ""
    limit: float | None = None
    better: Literal["less", "more"] = "less"
    exact: bool = False

    @property
    def ratio(self) -> float | None:
        """How many times better ours is than the alternative, above 1 where it is; None unless both are above 0."""
        if self.alternative is None or self.ours <= 0 or self.alternative <= 0:
            return None
        return self.alternative / self.ours if self.better == "less" else self.ours / self.alternative

    @property
    def is_kept(self) -> bool | None:
        """Whether the limit is kept; None without one."""
        if self.limit is None:
            return None
        return self.ours <= self.limit if self.better == "less" else self.ours >= self.limit


def tell_figures(figures: Sequence[Figure]) -> None:
    """Write figures to the file that `FURIKAERI_FIGURES` names, in place of earlier ones; nothing where it names none.

    Raises:
        ValueError: if two figures say what they are in the same words, or a value is not a finite number.
    """
    names = [figure.what for figure in figures]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"expected figures of distinct things, got {name!r} twice")
    plain = [_plain(figure) for figure in figures]
    file = os.environ.get(FIGURES_VARIABLE, "")
    if file:
        write_json(Path(file), [figure._asdict() for figure in plain])


def _plain(figure: Figure) -> Figure:
    """Return a figure with Python's own numbers, for numpy's are none that JSON knows."""
    ours, alternative, limit = (
        None if value is None else float(value) for value in (figure.ours, figure.alternative, figure.limit)
    )
    for value in (ours, alternative, limit):
        if value is not None and not math.isfinite(value):
            raise ValueError(f"expected finite numbers for {figure.what!r}, got {value}")
    assert ours is not None
    return figure._replace(ours=ours, alternative=alternative, limit=limit, exact=bool(figure.exact))


def read_figures(file: Path) -> list[Figure]:
    """Read what `tell_figures` wrote.

    Raises:
        InputError: if there is no such file, or it holds something else.
    """
    return figures_from(read_json(file), file)


def figures_from(rows: object, file: Path) -> list[Figure]:
    """Return figures out of a JSON document; `file` is named if they are none.

    Raises:
        InputError: if it is something else.
    """
    if not isinstance(rows, list):
        raise InputError(f"{file}: holds no figures (expected a list, got {type(rows).__name__})")
    return [_figure(row, file) for row in rows]


def _figure(row: Any, file: Path) -> Figure:
    try:
        figure = Figure(**row)
    except TypeError as error:
        raise InputError(f"{file}: holds no figures ({error})") from error
    numbers = (figure.ours, *(value for value in (figure.alternative, figure.limit) if value is not None))
    texts = (figure.what, figure.unit, figure.against)
    if (
        not all(isinstance(value, int | float) and not isinstance(value, bool) for value in numbers)
        or not all(isinstance(text, str) for text in texts)
        or figure.better not in ("less", "more")
    ):
        raise InputError(f"{file}: holds a figure that is none ({row})")
    return figure
