"""Whether a stranger's booster is whole: every tree's nodes refer to nodes, leaves and features that exist.

The libraries trust their files. LightGBM ends the process on a damaged number, and both would read memory that is not
theirs where a node names a child or feature that is not there. Only trees of numeric splits with one value a leaf pass,
the kind that `boosters` trains.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["check_lightgbm", "check_xgboost"]

_TREE = re.compile(r"Tree=(\d+)\n")
_PER_SPLIT = ("split_gain", "threshold", "internal_value", "internal_weight")
_PER_LEAF = ("leaf_value", "leaf_weight")
_COUNTS = ("internal_count", "leaf_count")
_XGBOOST_ARRAYS = {
    **dict.fromkeys(("left_children", "right_children", "parents", "split_indices"), "i"),
    **dict.fromkeys(("base_weights", "loss_changes", "split_conditions", "sum_hessian"), "f"),
    **dict.fromkeys(("default_left", "split_type"), "iu"),
}
_SCORE = re.compile(r"\[?-?\d+(\.\d+)?(E[-+]?\d+)?\]?")
_LARGEST_DECISION = 15  # bit 0: categorical, bit 1: missing goes left, bits 2 and 3: what is missing


def check_lightgbm(text: str) -> None:
    """Check the text of a LightGBM model.

    Raises:
        ValueError: if it is not whole; it says where.
    """
    head, _, rest = text.partition("\nTree=0\n")
    if not head.startswith("tree\n") or not rest:
        raise ValueError("it does not begin as a model with trees")
    header = _entries(head.split("\n")[1:])
    if header.get("num_class") != "1" or header.get("num_tree_per_iteration") != "1":
        raise ValueError("expected a model of one class")
    if not re.fullmatch(r"binary( [a-z_]+:[0-9.]+)*", header.get("objective", "")):
        raise ValueError("expected a model of a binary target")
    names, sizes = header.get("feature_names", "").split(), _whole(header, "tree_sizes")
    width = int(_whole(header, "max_feature_idx", 1)[0]) + 1
    if not len(names) == len(header.get("feature_infos", "").split()) == width:
        raise ValueError(f"expected {width} feature_names and feature_infos")
    body, _, _ = ("Tree=0\n" + rest).partition("end of trees\n")
    content, begin = body.encode(), 0
    for number, size in enumerate(sizes.tolist()):
        tree = content[begin : begin + size].decode(errors="replace") if size > 0 else ""
        begin += size
        matched = _TREE.match(tree)
        if matched is None or matched[1] != str(number):
            raise ValueError(f"expected tree {number} at its place")
        try:
            _check_lightgbm_tree(_entries(tree.split("\n")), width)
        except ValueError as error:
            raise ValueError(f"tree {number}: {error}") from error
    if begin != len(content) or "end of trees\n" not in rest:
        raise ValueError("expected nothing but its trees, then their end")


def _check_lightgbm_tree(tree: Mapping[str, str], width: int) -> None:
    leaves = int(_whole(tree, "num_leaves", 1)[0])
    if leaves < 1 or tree.get("num_cat") != "0" or tree.get("is_linear", "0") != "0":
        raise ValueError("expected numeric splits and one value a leaf")
    _numbers(tree, "shrinkage", 1)
    if leaves == 1:
        _numbers(tree, "leaf_value", 1)
        return
    splits = leaves - 1
    for name in _PER_SPLIT:
        _numbers(tree, name, splits)
    for name in _PER_LEAF:
        _numbers(tree, name, leaves)
    for name, length in zip(_COUNTS, (splits, leaves), strict=True):
        _whole(tree, name, length)
    decisions = _whole(tree, "decision_type", splits)
    if (decisions < 0).any() or (decisions > _LARGEST_DECISION).any() or (decisions & 1).any():
        raise ValueError("expected numeric splits in decision_type")
    features = _whole(tree, "split_feature", splits)
    if (features < 0).any() or (features >= width).any():
        raise ValueError("split_feature names a feature that is not there")
    children = np.concatenate([_whole(tree, "left_child", splits), _whole(tree, "right_child", splits)])
    # A split has a number above its parent's, so that there is no way round; ~leaf stands for a leaf.
    expected = np.concatenate([np.arange(1, splits), ~np.arange(leaves)])
    above = (children < 0) | (children > np.tile(np.arange(splits), 2))
    if not above.all() or not np.array_equal(np.sort(children), np.sort(expected)):
        raise ValueError("expected every split and leaf to be the child of one split above it")


def check_xgboost(document: Any) -> None:
    """Check the document of an XGBoost model, as `ubjson.read_ubjson` returns it.

    Raises:
        ValueError: if it is not whole; it says where.
    """
    try:
        learner = document["learner"]
        model, booster = learner["learner_model_param"], learner["gradient_booster"]["model"]
        width = int(model["num_feature"])
        if learner["objective"]["name"] != "binary:logistic" or learner["gradient_booster"]["name"] != "gbtree":
            raise ValueError("expected a model of trees for a binary target")
        if int(model["num_class"]) not in (0, 1) or int(model["num_target"]) != 1:
            raise ValueError("expected a model of one class")
        names, kinds = learner["feature_names"], learner["feature_types"]
        if len(names) != width or not all(isinstance(name, str) for name in names) or len(kinds) not in (0, width):
            raise ValueError(f"expected names of {width} features")
        if not _SCORE.fullmatch(model["base_score"]):
            raise ValueError(f"expected one base_score, got {model['base_score']!r}")
        _check_forest(booster, learner["gradient_booster"])
        for number, tree in enumerate(booster["trees"]):
            try:
                _check_xgboost_tree(tree, width)
            except ValueError as error:
                raise ValueError(f"tree {number}: {error}") from error
    except (KeyError, TypeError, IndexError, AttributeError, OverflowError) as error:
        raise ValueError(f"expected a model's document ({type(error).__name__}: {error})") from error


def _check_forest(booster: Mapping[str, Any], gradient: Mapping[str, Any]) -> None:
    trees, ends = booster["trees"], list(booster["iteration_indptr"])
    if int(booster["gbtree_model_param"]["num_trees"]) != len(trees) or len(booster["tree_info"]) != len(trees):
        raise ValueError(f"expected num_trees and tree_info of {len(trees)} trees")
    if any(group != 0 for group in booster["tree_info"]):
        raise ValueError("expected a model of one class")
    if not ends or ends[0] != 0 or ends[-1] != len(trees) or ends != sorted(ends):
        raise ValueError(f"expected iteration_indptr from 0 to {len(trees)}")
    categories = booster.get("cats", {})
    if any(len(part) for part in categories.values()) or not set(gradient) <= {"model", "name", "cats"}:
        raise ValueError("expected a model without categories")


def _check_xgboost_tree(tree: Mapping[str, Any], width: int) -> None:
    told = {name: int(tree["tree_param"][name]) for name in ("num_nodes", "num_feature", "size_leaf_vector")}
    nodes = told["num_nodes"]
    for name, kind in _XGBOOST_ARRAYS.items():
        if not isinstance(tree[name], np.ndarray) or tree[name].dtype.kind not in kind or len(tree[name]) != nodes:
            raise ValueError(f"expected {nodes} numbers in {name}")
    categories = any(len(part) for name, part in tree.items() if name.startswith("categories"))
    if nodes < 1 or told["size_leaf_vector"] not in (0, 1) or tree["split_type"].any() or categories:
        raise ValueError("expected numeric splits and one value a leaf")
    if told["num_feature"] != width:
        raise ValueError(f"expected {width} features, got {told['num_feature']}")
    left, right, features = tree["left_children"], tree["right_children"], tree["split_indices"]
    inner = left != -1
    if not np.array_equal(inner, right != -1):
        raise ValueError("a node has one child")
    if (features[inner] < 0).any() or (features[inner] >= width).any():
        raise ValueError("a node splits on a feature that is not there")
    # A node may have no parent where pruning left it behind, but no more than one, and no way leads round.
    children, above = np.concatenate([left[inner], right[inner]]), np.tile(np.flatnonzero(inner), 2)
    if (children <= above).any() or (children >= nodes).any():
        raise ValueError("a node's child is not below it")
    if len(np.unique(children)) < len(children) or (tree["parents"][children] != above).any():
        raise ValueError("a node's child has another parent")


def _entries(lines: list[str]) -> dict[str, str]:
    return {name: value for name, mark, value in (line.partition("=") for line in lines) if mark}


def _whole(entries: Mapping[str, str], name: str, length: int | None = None) -> NDArray[np.int64]:
    words = _words(entries, name, length)
    if not all(re.fullmatch(r"-?\d{1,10}", word) for word in words):
        raise ValueError(f"expected whole numbers in {name}")
    return np.asarray([int(word) for word in words], dtype=np.int64)


def _numbers(entries: Mapping[str, str], name: str, length: int) -> None:
    try:
        values = np.asarray([float(word) for word in _words(entries, name, length)])
    except ValueError:
        raise ValueError(f"expected {length} numbers in {name}") from None
    if np.isnan(values).any():
        raise ValueError(f"expected numbers in {name}, got NaN")


def _words(entries: Mapping[str, str], name: str, length: int | None) -> list[str]:
    words = entries.get(name, "").split(" ") if entries.get(name) else []
    if length is not None and len(words) != length:
        raise ValueError(f"expected {length} numbers in {name}, got {len(words)}")
    return words
