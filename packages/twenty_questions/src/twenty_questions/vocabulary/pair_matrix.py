"""The matrix of two-word names, modifiers x heads, and what fills its empty places: regression and factors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["BestPlaces", "PairMatrix", "Regression", "best_factors", "pair_matrix", "scaled_factors", "trait_columns"]

_BLOCK = 1024
_DAMPING = 20.0  # names that a word has before its productivity tells
_OVERSAMPLED, _PASSES = 10, 8
_MOST_SHARED = 0.7


class PairMatrix(NamedTuple):
    """Known names as a matrix: modifiers x heads, both in alphabetical order."""

    modifiers: tuple[str, ...]
    heads: tuple[str, ...]
    weights: csr_array


def pair_matrix(known: Mapping[str, float], more_modifiers: Sequence[str]) -> PairMatrix:
    """Return known names as a matrix.

    Args:
        known: names of two words, with their weights.
        more_modifiers: words that get a row though none of the names begins with them.
    """
    from scipy.sparse import csr_array

    pairs = [name.split(" ") for name in known]
    modifiers = sorted({modifier for modifier, _ in pairs}.union(more_modifiers))
    heads = sorted({head for _, head in pairs})
    row, column = ({word: place for place, word in enumerate(words)} for words in (modifiers, heads))
    places = ([row[modifier] for modifier, _ in pairs], [column[head] for _, head in pairs])
    weights = csr_array(
        (np.fromiter(known.values(), dtype=np.float32, count=len(known)), places), shape=(len(modifiers), len(heads))
    )
    return PairMatrix(tuple(modifiers), tuple(heads), weights)


class Regression(NamedTuple):
    """Every chosen column of a matrix, regressed on all its chosen columns.

    Attributes:
        given: shape (rows, chosen and traits): what the regression looks at.
        weights: float32, shape (chosen and traits, chosen).
        chosen: the columns that it is about.
        num_columns: of the whole matrix; the others score 0.
    """

    given: csr_array
    weights: NDArray[np.float32]
    chosen: NDArray[np.intp]
    num_columns: int

    @classmethod
    def of_heads(cls, matrix: PairMatrix, traits: csr_array | None, *, most: int, penalty: float) -> Regression:
        """Regress heads on heads and on the traits of modifiers, the `most` most productive heads."""
        return cls._fitted(matrix.weights, traits, most, penalty)

    @classmethod
    def of_modifiers(cls, matrix: PairMatrix, *, most: int, penalty: float) -> Regression:
        """Regress modifiers on modifiers, the `most` most productive ones."""
        return cls._fitted(matrix.weights.T.tocsr(), None, most, penalty)

    @classmethod
    def _fitted(cls, x: csr_array, traits: csr_array | None, most: int, penalty: float) -> Regression:
        from scipy.linalg import inv
        from scipy.sparse import hstack

        counts = np.diff(x.tocsc().indptr)
        chosen = np.argsort(-counts, kind="stable")[:most]
        chosen = np.sort(chosen[counts[chosen] >= min(2, counts.max())])
        given = x[:, chosen] if traits is None else hstack([x[:, chosen], traits], format="csr")
        gram = (given.T @ given).toarray().astype(np.float64)
        gram[np.diag_indices(len(gram))] += penalty
        inverse = inv(gram, overwrite_a=True, check_finite=False)
        weights = (-inverse / np.diag(inverse)).astype(np.float32)
        np.fill_diagonal(weights, 0.0)
        return cls(given.tocsr(), np.ascontiguousarray(weights[:, : len(chosen)]), chosen, x.shape[1])

    def rows(self, first: int, last: int) -> NDArray[np.float32]:
        """Return the scores of rows first..last-1 in all columns."""
        scores = np.zeros((last - first, self.num_columns), dtype=np.float32)
        scores[:, self.chosen] = self.given[first:last] @ self.weights
        return scores

    def at(self, columns: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the scores of single places, given in order of their columns."""
        found = np.zeros(len(rows), dtype=np.float32)
        for first in range(0, len(self.chosen), _BLOCK):
            several = self.chosen[first : first + _BLOCK]
            dense = self.given @ self.weights[:, first : first + _BLOCK]
            place = np.searchsorted(several, columns)
            ours = (place < len(several)) & (several[np.minimum(place, len(several) - 1)] == columns)
            found[ours] = dense[rows[ours], place[ours]]
        return found


def trait_columns(
    words: Sequence[str], traits: Mapping[str, Sequence[int]], *, least_words: int, weight: float
) -> csr_array | None:
    """Return which words have which trait, as columns of `weight`.

    Args:
        words: the rows.
        traits: of each word.
        least_words: how many words have to share a trait that counts.
        weight: the entries' value; 0: no traits.

    Returns:
        A column for each trait that enough words share and not most; None if there is none.
    """
    from scipy.sparse import csr_array

    of_word = [traits.get(word, ()) for word in words]
    flat = np.asarray([trait for several in of_word for trait in several], dtype=np.int64)
    _, columns, counts = np.unique(flat, return_inverse=True, return_counts=True)
    # What most words share, such as being an entity, tells nothing.
    wide = (counts >= least_words) & (counts < _MOST_SHARED * len(words))
    if not weight or not wide.any():
        return None
    row = np.repeat(np.arange(len(words)), [len(several) for several in of_word])
    number = np.cumsum(wide) - 1
    ours = wide[columns]
    values = np.full(int(ours.sum()), weight, dtype=np.float32)
    return csr_array((values, (row[ours], number[columns[ours]])), shape=(len(words), int(wide.sum())))


def scaled_factors(matrix: PairMatrix, rank: int) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return factors of the matrix scaled by productivity, and the same scaled back: (rows x rank, columns x rank)."""
    from scipy.sparse import diags_array

    x = matrix.weights.astype(np.float64)
    left_scale = 1 / np.sqrt(np.asarray(x.sum(axis=1)).ravel() + _DAMPING)
    right_scale = 1 / np.sqrt(np.asarray(x.sum(axis=0)).ravel() + _DAMPING)
    left, right = best_factors((diags_array(left_scale) @ x @ diags_array(right_scale)).tocsr(), rank)
    return [(left, right), (left / left_scale[:, None], right / right_scale[:, None])]


def best_factors(x: csr_array, rank: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the best factors (rows x rank, columns x rank) whose product is near x.

    By subspace iteration (Halko, Martinsson and Tropp 2011, "Finding structure with randomness", algorithm 4.4) from a
    fixed start, for Lanczos' method draws vectors of its own where singular values coincide.
    """
    rank = min(rank, *x.shape)
    start = np.random.default_rng(0).standard_normal((x.shape[1], min(rank + _OVERSAMPLED, *x.shape)))
    basis = np.linalg.qr(x @ start)[0]
    for _ in range(_PASSES):
        basis = np.linalg.qr(x @ np.linalg.qr(x.T @ basis)[0])[0]
    left, values, right = np.linalg.svd((x.T @ basis).T, full_matrices=False)
    return basis @ (left * values)[:, :rank], right[:rank].T


class BestPlaces:
    """The best places of a matrix that comes in blocks of rows; equals of the last one stay, all of them.

    Args:
        number: how many are kept, equals aside.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._least = np.float32(-np.inf)
        self._rows: list[NDArray[np.int64]] = []
        self._columns: list[NDArray[np.int64]] = []
        self._scores: list[NDArray[np.float32]] = []
        self._waiting = 0

    def add(self, first: int, scores: NDArray[np.float32]) -> None:
        """Take the rows from `first` on; -inf stands for places that are not asked for."""
        rows, columns = np.nonzero((scores >= self._least) & np.isfinite(scores))
        self._rows.append((rows + first).astype(np.int64))
        self._columns.append(columns.astype(np.int64))
        self._scores.append(scores[rows, columns])
        self._waiting += len(rows)
        if self._waiting > 3 * self._number:
            self._shrink()

    def found(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """Return rows, columns and scores, by row and then column."""
        self._shrink()
        order = np.lexsort((self._columns[0], self._rows[0]))
        return self._rows[0][order], self._columns[0][order], self._scores[0][order]

    def _shrink(self) -> None:
        rows, columns = np.concatenate(self._rows), np.concatenate(self._columns)
        scores = np.concatenate(self._scores)
        if len(scores) > self._number:
            self._least = np.partition(scores, len(scores) - self._number)[-self._number]
            kept = scores >= self._least
            rows, columns, scores = rows[kept], columns[kept], scores[kept]
        self._rows, self._columns, self._scores, self._waiting = [rows], [columns], [scores], len(scores)
