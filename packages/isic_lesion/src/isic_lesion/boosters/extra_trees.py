"""Extremely randomised trees: fitted by scikit-learn, kept as plain arrays, scored by numpy.

Each of T trees is grown on all rows (P. Geurts, D. Ernst and L. Wehenkel, "Extremely randomized trees", Machine
Learning 63, 2006): at a node some features are drawn, for each a threshold is drawn uniformly between its least and
greatest value there, and the best of these splits is taken. A row's probability is the mean of its leaves' shares of
positives. On few rows the mean over random thresholds is smoother than what boosters learn, and errs elsewhere.

A missing value counts as `missing` of its column: the column's least training value less its range, so that about half
of the thresholds drawn where it is present tell missing from known. What is beyond +-1e30 counts as that.

All nodes lie in one run of arrays, tree after tree. A leaf is its own left and right child, so that all rows of a block
go down together until none moves. Probabilities are those of scikit-learn's `predict_proba`, but added up in the order
of the trees, so that neither threads nor the rows beside it change a row's bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.errors import MissingExtraError
from furikaeri_common.tensors import pack_tensors, unpack_tensors
from isic_lesion.boosters.training_rows import TrainingRows

__all__ = ["EXTRA_TREES_KIND", "ExtraTrees", "fit_extra_trees"]

EXTRA_TREES_KIND = "isic extra trees"
"""What its file says it is."""

_FORMAT = 1
_LARGEST = np.float32(1e30)
_MARGIN = 1e-6  # keeps log-odds finite where all leaves are pure
_BLOCK = 1 << 13  # rows that go down a tree together
_DTYPES = {
    "starts": np.dtype(np.int64),
    "left": np.dtype(np.int32),
    "right": np.dtype(np.int32),
    "feature": np.dtype(np.int32),
    "threshold": np.dtype(np.float64),
    "value": np.dtype(np.float64),
    "missing": np.dtype(np.float32),
    "gain": np.dtype(np.float64),
}


@dataclass(frozen=True, slots=True, eq=False)
class ExtraTrees:
    """Trees as arrays.

    Args:
        names: of the features, length F.
        starts: the first node of each tree, its root; int64, shape (T,).
        left: the node for values of at most the threshold; a leaf's is itself; int32, shape (nodes,).
        right: the node for greater values; the same.
        feature: which one is compared, 0 at a leaf; int32, shape (nodes,).
        threshold: float64, shape (nodes,); 0 at a leaf.
        value: a leaf's weighted share of positives, in [0, 1]; float64, shape (nodes,); 0 at other nodes.
        missing: what a missing value counts as; float32, shape (F,).
        gain: the share of all decrease in impurity that each feature brought; float64, shape (F,).
    """

    names: tuple[str, ...]
    starts: NDArray[np.int64]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float64]
    value: NDArray[np.float64]
    missing: NDArray[np.float32]
    gain: NDArray[np.float64]

    @property
    def rounds(self) -> int:
        """How many trees there are."""
        return len(self.starts)

    @property
    def splits(self) -> NDArray[np.int64]:
        """How many nodes split on each feature; int64, shape (F,)."""
        inner = self.left != np.arange(len(self.left))
        return np.bincount(self.feature[inner], minlength=len(self.names)).astype(np.int64)

    def probability(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return each row's mean share of positives, in [0, 1]; float64, shape (N,).

        Args:
            features: float32, NaN where missing, shape (N, F).
        """
        total = np.zeros(len(features))
        for begin in range(0, len(features), _BLOCK):
            rows = slice(begin, begin + _BLOCK)
            total[rows] = self._sum(_filled(features[rows], self.missing))
        return total / len(self.starts)

    def log_odds(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the log-odds of `probability`, which is first kept 1e-6 away from 0 and 1; shape (N,)."""
        share = np.clip(self.probability(features), _MARGIN, 1 - _MARGIN)
        return np.asarray(np.log(share) - np.log1p(-share))

    def _sum(self, filled: NDArray[np.float32]) -> NDArray[np.float64]:
        values, first = filled.ravel(), np.arange(len(filled)) * filled.shape[1]
        total = np.zeros(len(filled))
        for begin, end in zip(self.starts, np.append(self.starts[1:], len(self.left)), strict=True):
            feature, threshold = self.feature[begin:end].astype(np.intp), self.threshold[begin:end]
            children = np.stack([self.left[begin:end], self.right[begin:end]], axis=1).astype(np.intp).ravel() - begin
            reached = np.empty(len(filled), dtype=np.intp)
            moving, place, node = np.arange(len(filled)), first, np.zeros(len(filled), dtype=np.intp)
            while len(moving):
                goes_right = values.take(place + feature.take(node)) > threshold.take(node)
                below = children.take(2 * node + goes_right)
                reached[moving] = below
                still = np.flatnonzero(below != node)
                moving, place, node = moving.take(still), place.take(still), below.take(still)
            total += self.value[begin:end].take(reached)
        return total

    def to_bytes(self) -> bytes:
        """Return the trees as a safetensors file."""
        return pack_tensors(
            {"kind": EXTRA_TREES_KIND, "format": _FORMAT, "names": list(self.names)},
            {name: getattr(self, name) for name in _DTYPES},
        )

    @classmethod
    def from_bytes(cls, content: bytes) -> ExtraTrees:
        """Return the trees that `to_bytes` wrote, whole: no way down leaves its tree or goes round.

        Raises:
            ValueError: if they are damaged or something else.
        """
        document, arrays = unpack_tensors(content)
        if document.get("kind") != EXTRA_TREES_KIND or document.get("format") != _FORMAT:
            raise ValueError(f"expected {EXTRA_TREES_KIND} of format {_FORMAT}, got {str(document.get('kind'))[:40]!r}")
        names = document.get("names")
        if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
            raise ValueError("expected names of features")
        if {name: array.dtype for name, array in arrays.items()} != _DTYPES or any(
            array.ndim != 1 for array in arrays.values()
        ):
            raise ValueError(f"expected the arrays {', '.join(_DTYPES)}")
        trees = cls(names=tuple(names), **arrays)
        _check(trees)
        return trees


def fit_extra_trees(
    rows: TrainingRows,
    names: tuple[str, ...],
    params: Mapping[str, Any],
    *,
    trees: int,
    seed: int,
    threads: int = 1,
) -> ExtraTrees:
    """Grow trees; the same arguments give the same trees, whatever the threads.

    Args:
        rows: of shape (N, F), of both classes.
        names: of the features, length F.
        params: scikit-learn's by their names, and `scale_pos_weight`, which multiplies the weights of positives.
        trees: how many, at least 1.
        seed: of all that is drawn.
        threads: that grow them.

    Raises:
        ValueError: if scikit-learn refuses a parameter's value.
        MissingExtraError: if it is not installed.
    """
    try:
        from sklearn.ensemble import ExtraTreesClassifier
    except ImportError as error:
        raise MissingExtraError("extra-trees", distribution="furikaeri-isic-lesion", extra="table") from error
    settings = dict(params)
    weights = rows.weights.astype(np.float64)
    weights[rows.labels == 1] *= float(settings.pop("scale_pos_weight", 1.0))
    missing = _missing_values(rows.features)
    filled = _filled(rows.features, missing)
    forest = ExtraTreesClassifier(n_estimators=trees, random_state=seed, n_jobs=threads, **settings)
    forest.fit(filled, rows.labels.astype(np.int8), sample_weight=weights)
    grown = [estimator.tree_ for estimator in forest.estimators_]
    counts = [tree.node_count for tree in grown]
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)
    first = np.repeat(starts, counts)
    own = np.arange(len(first))
    left, right = (np.concatenate([getattr(tree, f"children_{side}") for tree in grown]) for side in ("left", "right"))
    leaf = left < 0
    shares = np.concatenate([tree.value[:, 0, 1] / tree.value[:, 0].sum(axis=1) for tree in grown])
    return ExtraTrees(
        names=names,
        starts=starts,
        left=np.where(leaf, own, left + first).astype(np.int32),
        right=np.where(leaf, own, right + first).astype(np.int32),
        feature=np.where(leaf, 0, np.concatenate([tree.feature for tree in grown])).astype(np.int32),
        threshold=np.where(leaf, 0.0, np.concatenate([tree.threshold for tree in grown])),
        value=np.where(leaf, shares, 0.0),
        missing=missing,
        gain=_gains([tree.compute_feature_importances() for tree in grown]),
    )


def _gains(of_trees: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return each column's share of the impurity that all trees take away; 0 everywhere where none takes any."""
    total = np.sum(of_trees, axis=0, dtype=np.float64)
    whole = total.sum()
    return np.asarray(total / whole if whole > 0 else np.zeros_like(total))


def _missing_values(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return each column's least value less its range (less 1 if it is constant); 0 for a column without a value."""
    missing = np.zeros(features.shape[1], dtype=np.float32)
    for column, values in enumerate(features.T):
        known = np.clip(values[~np.isnan(values)], -_LARGEST, _LARGEST).astype(np.float64)
        if len(known):
            least, span = known.min(), np.ptp(known)
            missing[column] = np.clip(least - (span if span > 0 else 1.0), -_LARGEST, _LARGEST)
    return missing


def _filled(features: NDArray[np.float32], missing: NDArray[np.float32]) -> NDArray[np.float32]:
    filled = np.clip(features, -_LARGEST, _LARGEST)
    return np.ascontiguousarray(np.where(np.isnan(filled), missing, filled))


def _check(trees: ExtraTrees) -> None:
    nodes, width = len(trees.left), len(trees.names)
    for name in ("right", "feature", "threshold", "value"):
        if len(getattr(trees, name)) != nodes:
            raise ValueError(f"expected {name} of {nodes} nodes")
    for name in ("missing", "gain"):
        if len(getattr(trees, name)) != width or not np.isfinite(getattr(trees, name)).all():
            raise ValueError(f"expected {name} of {width} features")
    starts = trees.starts
    if not len(starts) or starts[0] != 0 or (np.diff(starts) <= 0).any() or starts[-1] >= nodes:
        raise ValueError("expected the first nodes of the trees, ascending from 0")
    own = np.arange(nodes)
    end = np.repeat(np.append(starts[1:], nodes), np.diff(np.append(starts, nodes)))
    leaf = (trees.left == own) & (trees.right == own)
    inside = [(child > own) & (child < end) for child in (trees.left, trees.right)]
    if not (leaf | (inside[0] & inside[1])).all():
        raise ValueError("expected every node's children below it in its tree")
    children = np.concatenate([trees.left[~leaf], trees.right[~leaf]])
    if not np.array_equal(np.sort(children), np.delete(own, starts)):
        raise ValueError("expected every node but the first of a tree to be the child of one")
    if (trees.feature < 0).any() or (trees.feature >= width).any():
        raise ValueError("a node compares a feature that is not there")
    if not np.isfinite(trees.threshold).all() or not ((trees.value >= 0) & (trees.value <= 1)).all():
        raise ValueError("expected finite thresholds and shares from 0 to 1")
