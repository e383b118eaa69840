"""Extremely randomised trees: scikit-learn's own probabilities from plain arrays, in any company, whole or refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as of_numpy
from sklearn.ensemble import ExtraTreesClassifier

from furikaeri_common.tensors import pack_tensors, unpack_tensors
from isic_lesion.boosters import extra_trees
from isic_lesion.boosters.extra_trees import ExtraTrees, fit_extra_trees
from isic_lesion.boosters.training_rows import TrainingRows
from isic_lesion.metrics.ordering import auc

NAMES = ("a", "b", "größe", "d")


@pytest.fixture(scope="module")
def rows() -> TrainingRows:
    """Three hundred rows with ties and holes, whose first columns tell the label."""
    rng = np.random.default_rng(3)
    features = np.round(rng.normal(size=(300, 4)), 1).astype(np.float32)
    features[:, 3] = rng.integers(0, 2, 300)
    labels = (features[:, 0] + features[:, 1] + rng.normal(size=300) > 1).astype(np.float32)
    features[rng.random(features.shape) < 0.1] = np.nan
    return TrainingRows(features, labels, np.where(rng.random(300) < 0.2, 0.5, 1).astype(np.float32))


def grown(rows: TrainingRows, *, trees: int = 20, seed: int = 1, threads: int = 1, **params: Any) -> ExtraTrees:
    return fit_extra_trees(rows, NAMES, params, trees=trees, seed=seed, threads=threads)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"max_features": 0.6, "min_samples_leaf": 3},
        {"max_depth": 4, "criterion": "entropy", "max_features": "log2"},
        {"max_leaf_nodes": 9, "min_samples_split": 5},
        {"bootstrap": True, "max_samples": 0.7, "min_impurity_decrease": 0.001},
    ],
)
def test_probabilities_are_scikit_learns(rows: TrainingRows, params: dict[str, Any]) -> None:
    model = grown(rows, **params)
    filled = np.where(np.isnan(rows.features), model.missing, rows.features)
    theirs = ExtraTreesClassifier(20, random_state=1, **params).fit(filled, rows.labels, rows.weights)
    rng = np.random.default_rng(0)
    new = rng.normal(size=(500, 4)).astype(np.float32)
    for seen in (filled, new):
        np.testing.assert_allclose(model.probability(seen), theirs.predict_proba(seen)[:, 1], rtol=0, atol=1e-12)
    np.testing.assert_allclose(model.gain, theirs.feature_importances_, rtol=0, atol=1e-12)
    assert model.rounds == 20
    assert model.splits.sum() == sum(one.tree_.node_count - one.tree_.n_leaves for one in theirs.estimators_)


def test_positives_may_weigh_more(rows: TrainingRows) -> None:
    heavier = rows._replace(weights=rows.weights * np.where(rows.labels == 1, 4, 1).astype(np.float32))
    one, other = grown(rows, scale_pos_weight=4.0, max_depth=3), grown(heavier, max_depth=3)
    assert np.array_equal(one.probability(rows.features), other.probability(rows.features))
    assert one.probability(rows.features).mean() > grown(rows, max_depth=3).probability(rows.features).mean() + 0.1


def test_same_seed_same_bytes_whatever_the_threads(rows: TrainingRows) -> None:
    first = grown(rows).to_bytes()
    assert first == grown(rows).to_bytes() == grown(rows, threads=2).to_bytes()
    assert first != grown(rows, seed=2).to_bytes()


def test_comes_back_from_its_bytes(rows: TrainingRows) -> None:
    model = grown(rows, max_features=1.0)
    again = ExtraTrees.from_bytes(model.to_bytes())
    assert again.names == NAMES
    assert again.to_bytes() == model.to_bytes()
    assert np.array_equal(again.log_odds(rows.features), model.log_odds(rows.features))
    assert auc(rows.labels, grown(rows, min_samples_leaf=5).log_odds(rows.features)) > 0.8


def test_a_row_scores_alike_in_any_company(rows: TrainingRows, monkeypatch: pytest.MonkeyPatch) -> None:
    model = grown(rows, max_features=0.5, min_samples_leaf=2)
    whole = model.log_odds(rows.features)
    assert np.array_equal(np.concatenate([model.log_odds(rows.features[k : k + 1]) for k in range(300)]), whole)
    monkeypatch.setattr(extra_trees, "_BLOCK", 7)
    assert np.array_equal(model.log_odds(rows.features), whole)
    assert model.log_odds(rows.features[:0]).shape == (0,)


def test_log_odds_are_finite_and_those_of_the_probability(rows: TrainingRows) -> None:
    model = grown(rows)
    share, odds = model.probability(rows.features), model.log_odds(rows.features)
    assert np.isfinite(odds).all()
    inside = (share > 0) & (share < 1)
    np.testing.assert_allclose(1 / (1 + np.exp(-odds[inside])), share[inside], rtol=1e-12)
    assert odds[share == 0].max(initial=-99) == pytest.approx(np.log(1e-6), abs=1e-5)


def one_row_at_a_time(model: ExtraTrees, row: np.ndarray) -> float:
    """Walk down every tree the slow and obvious way."""
    total = 0.0
    for root in model.starts.tolist():
        node = root
        while model.left[node] != node:
            value = row[model.feature[node]]
            value = model.missing[model.feature[node]] if np.isnan(value) else value
            node = int(model.left[node] if float(value) <= model.threshold[node] else model.right[node])
        total += float(model.value[node])
    return total / len(model.starts)


@settings(max_examples=40, deadline=None)
@given(
    features=of_numpy.arrays(
        np.float32, (12, 4), elements=st.sampled_from([np.nan, -1.0, 0.0, 0.0, 1.0, 2.5, np.inf, -np.inf, 3e38])
    ),
    labels=st.lists(st.booleans(), min_size=12, max_size=12).filter(lambda some: 0 < sum(some) < 12),
)
def test_holes_ties_and_the_endless_go_down_as_said(features: np.ndarray, labels: list[bool]) -> None:
    rows = TrainingRows(features, np.asarray(labels, np.float32), np.ones(12, np.float32))
    model = fit_extra_trees(rows, NAMES, {"max_features": 1.0}, trees=3, seed=0)
    found = model.probability(features)
    clipped = np.clip(features, -1e30, 1e30)
    assert np.array_equal(found, [one_row_at_a_time(model, row) for row in clipped])
    known = np.isfinite(features)
    lowest = np.min(np.where(known, features, np.float32(3e38)), axis=0)
    assert (model.missing[known.any(axis=0)] < lowest[known.any(axis=0)]).all()
    assert (model.missing[np.isnan(features).all(axis=0)] == 0).all()


def test_missing_can_be_told_from_known() -> None:
    features = np.linspace(5, 6, 200, dtype=np.float32)[:, None]
    labels = np.zeros(200, np.float32)
    features[::2], labels[::2] = np.nan, 1
    model = fit_extra_trees(TrainingRows(features, labels, np.ones_like(labels)), ("a",), {}, trees=30, seed=0)
    assert model.missing.tolist() == pytest.approx([5 + 1 / 199 - (1 - 1 / 199)], abs=1e-5)
    assert np.array_equal(model.probability(features), labels)


def test_a_value_scikit_learn_refuses_is_told(rows: TrainingRows) -> None:
    with pytest.raises(ValueError, match="max_features"):
        grown(rows, max_features=7.5)


@pytest.mark.parametrize("cut", [0, 1, 9, 200, -8])
def test_bytes_cut_short_are_refused(rows: TrainingRows, cut: int) -> None:
    with pytest.raises(ValueError, match="no whole safetensors file"):
        ExtraTrees.from_bytes(grown(rows, trees=2).to_bytes()[:cut])


@pytest.mark.parametrize(
    ("name", "place", "value", "message"),
    [
        ("left", 0, 0, "children below it"),
        ("left", 0, 10**6, "children below it"),
        ("right", 0, -1, "children below it"),
        ("left", 0, 5, "child of one"),
        ("feature", 0, 4, "feature that is not there"),
        ("feature", 0, -1, "feature that is not there"),
        ("threshold", 0, np.nan, "finite thresholds"),
        ("value", 0, 1.5, "shares from 0 to 1"),
        ("starts", 0, 1, "first nodes"),
        ("starts", 1, 0, "first nodes"),
        ("starts", 1, 10**9, "first nodes"),
        ("missing", 1, np.inf, "missing of 4 features"),
    ],
)
def test_arrays_that_were_tampered_with_are_refused(
    rows: TrainingRows, name: str, place: int, value: float, message: str
) -> None:
    document, arrays = unpack_tensors(grown(rows, trees=2).to_bytes())
    arrays[name] = arrays[name].copy()
    arrays[name][place] = value
    with pytest.raises(ValueError, match=message):
        ExtraTrees.from_bytes(pack_tensors(document, arrays))


def test_other_documents_are_refused(rows: TrainingRows) -> None:
    document, arrays = unpack_tensors(grown(rows, trees=2).to_bytes())
    for wrong, message in (
        ({"kind": "isic kernel machine"}, "expected isic extra trees"),
        ({"format": 2}, "of format 1"),
        ({"names": "abcd"}, "names of features"),
        ({"names": []}, "names of features"),
        ({"names": ["a"]}, "missing of 1 features"),
    ):
        with pytest.raises(ValueError, match=message):
            ExtraTrees.from_bytes(pack_tensors({**document, **wrong}, arrays))
    for wrong in (
        {"left": arrays["left"].astype(np.int64)},
        {"value": arrays["value"][:, None]},
        {"more": arrays["left"]},
    ):
        with pytest.raises(ValueError, match="expected the arrays"):
            ExtraTrees.from_bytes(pack_tensors(document, {**arrays, **wrong}))
    with pytest.raises(ValueError, match="expected value of"):
        ExtraTrees.from_bytes(pack_tensors(document, {**arrays, "value": arrays["value"][:-1]}))
