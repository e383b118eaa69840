"""How large a made-up table is, and the numbers of its ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["BENIGN", "INDETERMINATE", "MALIGNANT", "Sizes", "draw_numbers", "stream_of"]

BENIGN, MALIGNANT, INDETERMINATE = 0, 1, 2

_IDS = 10_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """How large a made-up table is.

    Args:
        rows: lesions, at least 1.
        patients: patients, 1 to `rows`.
        malignant: malignant lesions, 0 to `rows`.
        seed: of everything random.
        split: "train", or "test" for other patients of the same seed.
        unseen_hospitals: whether some patients are of the two hospitals that no training table knows.
    """

    rows: int
    patients: int
    malignant: int
    seed: int
    split: Literal["train", "test"] = "train"
    unseen_hospitals: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.patients <= self.rows:
            raise ValueError(f"expected 1 <= patients <= rows, got {self.patients} and {self.rows}")
        if not 0 <= self.malignant <= self.rows:
            raise ValueError(f"expected 0 <= malignant <= rows, got {self.malignant} and {self.rows}")
        if self.seed < 0:
            raise ValueError(f"expected seed >= 0, got {self.seed}")
        if self.rows > _IDS // 2:
            raise ValueError(f"expected at most {_IDS // 2} rows, got {self.rows}")


def stream_of(sizes: Sizes, *place: int) -> np.random.Generator:
    """Return the random numbers of one place in a made-up table, apart from those of all other places."""
    key = (0 if sizes.split == "train" else 1, *place)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(sizes.seed, spawn_key=key)))


def draw_numbers(sizes: Sizes, count: int, *, place: int) -> NDArray[np.int64]:
    """Return ascending distinct numbers below 10,000,000: even ones in train, odd ones in test, so none is in both.

    Args:
        sizes: of the table.
        count: how many.
        place: of their random numbers.
    """
    half = np.sort(stream_of(sizes, place).choice(_IDS // 2, size=count, replace=False, shuffle=False))
    return np.asarray(2 * half + (0 if sizes.split == "train" else 1), dtype=np.int64)
