"""The sums behind the information of every question, in numpy alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["Sums", "SumsOfRows", "numpy_sums"]

Sums = tuple[NDArray[np.float64], NDArray[np.float64]]
"""For every question: sum_k p_k h(f_kq) and sum_k p_k c_kq, each float64 of shape (Q,)."""

SumsOfRows = Callable[[NDArray[np.intp], NDArray[np.float64]], Sums]
"""Rows of a table and the probability of each, to their sums. It owns its scratch space: one for each thread."""

_ROWS = 128
_ROWS_IN_FLOAT32 = 16
_UNLABELLED = np.uint8(255)
_UNLABELLED_LESS_HALF = np.uint8(255 - 127)


def numpy_sums(
    codes: NDArray[np.uint8], entropies: NDArray[np.float32], classes: NDArray[np.intp], *, num_rows: int
) -> SumsOfRows:
    """Return the numpy kernel over one table.

    It widens 128 rows at a time, in space that stays in the processor's cache and is not asked for anew. Looking up is
    what costs: under a single noise, two neighbouring codes are looked up at once, as one 16-bit number.

    Args:
        codes: uint8, shape (K, Q); 255 counts as 127.
        entropies: float32, shape (T, 256), h of each code under each noise.
        classes: shape (Q,), the row of `entropies` that holds for each column.
        num_rows: how many rows will be asked for at most; decides whether pairs are worth their table.
    """
    num_columns = codes.shape[1]
    in_pairs = len(entropies) == 1 and num_rows * num_columns > 16 * 2**16
    table = _pair_table(entropies[0]) if in_pairs else entropies.ravel()
    height = min(_ROWS, num_rows + -num_rows % _ROWS_IN_FLOAT32)
    block = np.zeros((height, num_columns + num_columns % 2), dtype=np.uint8)
    shift = np.empty((height, num_columns), dtype=np.uint8)
    index = np.empty((height, block.shape[1] // 2 if in_pairs else num_columns), dtype=np.intp)
    found = np.zeros(index.shape, dtype=table.dtype)
    float_weights = np.empty(height, dtype=np.float32)
    counts = np.empty((height, num_columns))
    first_entries = 256 * classes

    def sums(rows: NDArray[np.intp], p: NDArray[np.float64]) -> Sums:
        entropy_sums, code_sums = np.zeros(num_columns), np.zeros(num_columns)
        for start in range(0, rows.size, height):
            taken, weights = rows[start : start + height], p[start : start + height]
            n = taken.size
            here = block[:n, :num_columns]
            here[...] = codes[taken]
            if in_pairs:
                np.copyto(index[:n], block[:n].view(np.uint16))
            else:
                np.copyto(index[:n], here)
                index[:n] += first_entries
            np.take(table, index[:n], out=found[:n], mode="clip")
            float_weights[:n], float_weights[n:] = weights, 0.0
            groups = found.view(np.float32).reshape(-1, _ROWS_IN_FLOAT32, block.shape[1] if in_pairs else num_columns)
            partial = np.matmul(float_weights.reshape(-1, 1, _ROWS_IN_FLOAT32), groups)
            entropy_sums += partial.sum(axis=(0, 1), dtype=np.float64)[:num_columns]
            np.equal(here, _UNLABELLED, out=shift[:n].view(np.bool_))
            np.multiply(shift[:n], _UNLABELLED_LESS_HALF, out=shift[:n])
            np.subtract(here, shift[:n], out=counts[:n])
            code_sums += weights @ counts[:n]
        return entropy_sums, code_sums

    return sums


def _pair_table(entropy: NDArray[np.float32]) -> NDArray[np.complex64]:
    """Return h of the two codes in each 16-bit number, in the order of their bytes, as one item of 8 bytes."""
    first, second = np.arange(2**16, dtype=np.uint16).view(np.uint8).reshape(-1, 2).T
    return np.stack([entropy[first], entropy[second]], axis=1).view(np.complex64).ravel()
