"""Scoring many lesions: in chunks of rows, and by whether the hospital was seen in training."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from polars import Series

__all__ = ["CHUNK_ROWS", "blank_unknown", "known_hospitals", "predict_in_chunks", "route"]

CHUNK_ROWS = 50_000


def predict_in_chunks(
    predict: Callable[[NDArray[np.float32]], NDArray[np.float64]],
    read: Callable[[slice], NDArray[np.float32]],
    num_rows: int,
    *,
    chunk_rows: int = CHUNK_ROWS,
    on_chunk: Callable[[int], None] | None = None,
) -> NDArray[np.float64]:
    """Score rows chunk by chunk; no more than one chunk's features are in memory, and the scores' eight bytes a row.

    A table model's score of a row does not depend on the rows around it, so the scores are those of one pass, to the
    bit, whatever the chunk.

    Args:
        predict: float32 features of shape (n, F) -> scores of shape (n,), such as `TableModel.predict`.
        read: the features of consecutive rows, such as `lambda rows: table.matrix(rows=np.arange(...)[rows])`.
        num_rows: N.
        chunk_rows: rows at once, at least 1.
        on_chunk: told how many rows are done, after each chunk.

    Returns:
        float64, shape (N,).

    Raises:
        ValueError: if a number is out of its range, or `predict` does not return one score a row.
    """
    if num_rows < 0 or chunk_rows < 1:
        raise ValueError(f"expected num_rows >= 0 and chunk_rows >= 1, got {num_rows} and {chunk_rows}")
    scores = np.empty(num_rows)
    for begin in range(0, num_rows, chunk_rows):
        rows = slice(begin, min(begin + chunk_rows, num_rows))
        scored = predict(read(rows))
        if scored.shape != (rows.stop - begin,):
            raise ValueError(f"expected {rows.stop - begin} scores of rows from {begin}, got {scored.shape}")
        scores[rows] = scored
        if on_chunk is not None:
            on_chunk(rows.stop)
    return scores


def known_hospitals(attribution: Series, hospitals: Collection[str | None]) -> NDArray[np.bool_]:
    """Return which lesions are of hospitals seen in training; a lesion without a hospital is not.

    Args:
        attribution: the hospital of each lesion, String, length N.
        hospitals: those seen in training.

    Returns:
        bool, shape (N,).
    """
    seen = {hospital for hospital in hospitals if hospital is not None}
    return np.fromiter((hospital in seen for hospital in attribution), dtype=np.bool_, count=len(attribution))


def blank_unknown(
    features: NDArray[np.float32], known: NDArray[np.bool_], hospital_columns: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Return features with those derived from the hospital missing where it was not seen in training.

    Args:
        features: shape (N, F); not changed.
        known: whether the hospital was seen, shape (N,).
        hospital_columns: which features are derived from it, shape (F,).
    """
    if known.all() or not hospital_columns.any():
        return features
    blanked = features.copy()
    blanked[np.ix_(~known, hospital_columns)] = np.nan
    return blanked


def route(
    known: NDArray[np.bool_], with_hospital: NDArray[np.float64], without_hospital: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return, for each lesion, the score of the model that suits its hospital.

    Args:
        known: whether the hospital was seen in training, shape (N,).
        with_hospital: scores of a model that looks at the hospital, shape (N,); may be NaN where not known.
        without_hospital: scores of its variant that does not, shape (N,); may be NaN where known.

    Raises:
        TypeError: if `known` is not bool.
        ValueError: if shapes differ, or a score that is taken is NaN.
    """
    if known.dtype != np.bool_:
        raise TypeError(f"expected known of dtype bool, got {known.dtype}")
    if not known.shape == with_hospital.shape == without_hospital.shape:
        raise ValueError(
            f"expected scores of known's shape {known.shape}, got {with_hospital.shape} and {without_hospital.shape}"
        )
    taken = np.where(known, with_hospital, without_hospital)
    if np.isnan(taken).any():
        raise ValueError(f"expected scores without NaN, got one at position {int(np.isnan(taken).argmax())}")
    return taken
