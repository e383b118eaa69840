"""The kernel model: the minimum it promises, closed forms, any company, whole or refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as of_numpy
from scipy.optimize import brentq, minimize
from sklearn.metrics.pairwise import laplacian_kernel
from sklearn.preprocessing import QuantileTransformer

from furikaeri_common.tensors import pack_tensors, unpack_tensors
from isic_lesion.boosters import kernel_machine
from isic_lesion.boosters.kernel_machine import KernelMachine, fit_kernel_machine
from isic_lesion.boosters.normal_scores import fit_normal_scores, normal_scores
from isic_lesion.boosters.training_rows import TrainingRows
from isic_lesion.metrics.ordering import auc

NAMES = ("a", "b", "größe", "d")


@pytest.fixture(scope="module")
def rows() -> TrainingRows:
    """A hundred and fifty rows with ties and holes, whose first columns tell the label; the last is of 0 and 1."""
    rng = np.random.default_rng(3)
    features = np.round(np.exp(rng.normal(size=(150, 4))), 1).astype(np.float32)
    features[:, 3] = rng.integers(0, 2, 150)
    labels = (features[:, 0] + features[:, 1] + rng.normal(size=150) > 3.5).astype(np.float32)
    features[rng.random(features.shape) < 0.1] = np.nan
    return TrainingRows(features, labels, np.where(rng.random(150) < 0.2, 0.5, 1).astype(np.float32))


def fitted(rows: TrainingRows, *, steps: int = 30, seed: int = 1, **params: Any) -> KernelMachine:
    return fit_kernel_machine(rows, NAMES, params, steps=steps, seed=seed)


def test_two_points_have_their_closed_form() -> None:
    """One column -1 and 1 after scaling, one label each: f = +-h with penalty h = (1 - k) s(-h), k = exp(-2 gamma)."""
    features = np.asarray([[3.0], [7.0]], np.float32)
    for gamma, penalty in ((1.0, 0.1), (0.3, 2.0)):
        model = fit_kernel_machine(
            TrainingRows(features, np.asarray([0, 1], np.float32), np.ones(2, np.float32)),
            ("a",),
            {"gamma": gamma, "penalty": penalty},
            steps=60,
            seed=0,
        )
        k = np.exp(-2 * gamma)
        raised = brentq(lambda h, k=k, penalty=penalty: penalty * h - (1 - k) / (1 + np.exp(h)), 0, 100, xtol=1e-14)
        np.testing.assert_allclose(model.rows, [[-1], [1]], rtol=1e-6)
        assert model.intercept == 0
        np.testing.assert_allclose(model.log_odds(features), [-raised, raised], rtol=1e-6)
        # Halfway there is nothing to tell the two apart.
        assert model.log_odds(np.asarray([[5.0]], np.float32))[0] == pytest.approx(0, abs=1e-9)


def test_no_other_coefficients_are_better(rows: TrainingRows) -> None:
    few = TrainingRows(*(part[:30] for part in rows))
    model = fitted(few, penalty=0.3, scale_pos_weight=2.0)
    kernel = laplacian_kernel(model.rows.astype(float), gamma=1 / 4)
    weights = few.weights * np.where(few.labels == 1, 2, 1)
    signs = 2 * few.labels - 1

    def loss(coefficients: np.ndarray) -> float:
        raised = kernel @ coefficients
        misfit = np.logaddexp(0, -signs * (raised + model.intercept))
        return float(0.15 * coefficients @ raised + weights @ misfit)

    assert model.intercept == pytest.approx(np.log(weights[few.labels == 1].sum() / weights[few.labels == 0].sum()))
    best = minimize(loss, np.zeros(30), method="BFGS", options={"gtol": 1e-7})
    assert loss(model.coefficients) <= best.fun + 1e-6
    np.testing.assert_allclose(model.log_odds(few.features), kernel @ best.x + model.intercept, atol=2e-3)
    # At the minimum a coefficient is its row's pull: penalty a = w (t - p).
    share = 1 / (1 + np.exp(-model.log_odds(few.features)))
    np.testing.assert_allclose(0.3 * model.coefficients, weights * (few.labels - share), atol=1e-4)


def test_learns_and_counts_weights(rows: TrainingRows) -> None:
    model = fitted(rows)
    assert auc(rows.labels, model.log_odds(rows.features)) > 0.9
    assert 2 <= model.rounds < 15
    assert model.gain.sum() == pytest.approx(1)
    assert set(np.argsort(model.gain)[-2:]) == {0, 1}
    assert model.splits.tolist() == [0, 0, 0, 0]
    doubtful = rows._replace(weights=np.where(rows.labels == 1, 0.05, 1).astype(np.float32))
    assert fitted(doubtful).log_odds(rows.features).mean() < model.log_odds(rows.features).mean() - 0.5
    heavier = rows._replace(weights=rows.weights * np.where(rows.labels == 1, 4, 1).astype(np.float32))
    np.testing.assert_allclose(
        fitted(rows, scale_pos_weight=4).log_odds(rows.features), fitted(heavier).log_odds(rows.features)
    )


def test_repeated_rows_and_rows_of_no_weight_are_no_trouble(rows: TrainingRows) -> None:
    above = np.where(np.isnan(rows.features), np.nan, rows.features > 1).astype(np.float32)  # ties all over
    once = rows._replace(features=above)
    twice = TrainingRows(*(np.concatenate([part, part]) for part in once))
    odds = fitted(once, penalty=0.01).log_odds(above)
    halved = twice._replace(weights=twice.weights / 2)
    np.testing.assert_allclose(fitted(halved, penalty=0.01).log_odds(above), odds, atol=2e-3)
    silent = twice._replace(weights=np.concatenate([once.weights, np.zeros_like(once.weights)]))
    np.testing.assert_allclose(fitted(silent, penalty=0.01).log_odds(above), odds, atol=2e-3)
    one_step = fitted(rows, steps=1)
    assert one_step.rounds == 1
    assert np.isfinite(one_step.log_odds(rows.features)).all()


def test_no_more_rows_than_allowed(rows: TrainingRows) -> None:
    rows = rows._replace(weights=np.ones_like(rows.weights))
    positives = int(rows.labels.sum())
    model = fitted(rows, max_rows=100)
    assert len(model.rows) == 100
    kept = min(positives, max(50, 100 - (150 - positives)))
    assert model.intercept == pytest.approx(np.log(kept / (100 - kept)))
    assert model.to_bytes() == fitted(rows, max_rows=100).to_bytes()
    assert model.to_bytes() != fitted(rows, max_rows=100, seed=2).to_bytes()
    assert len(fitted(rows, max_rows=6).rows) == 6  # half of them positive
    assert fitted(rows).to_bytes() == fitted(rows, seed=2).to_bytes()  # nothing is drawn


def test_comes_back_from_its_bytes_and_scores_alike_in_any_company(
    rows: TrainingRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = fitted(rows)
    again = KernelMachine.from_bytes(model.to_bytes())
    assert (again.names, again.rounds) == (NAMES, model.rounds)
    assert again.to_bytes() == model.to_bytes() == fitted(rows).to_bytes()
    whole = model.log_odds(rows.features)
    assert np.array_equal(again.log_odds(rows.features), whole)
    assert np.array_equal(np.concatenate([model.log_odds(rows.features[k : k + 1]) for k in range(150)]), whole)
    monkeypatch.setattr(kernel_machine, "_BLOCK_VALUES", 1000)
    assert np.array_equal(model.log_odds(np.asfortranarray(rows.features)), whole)
    assert model.log_odds(rows.features[:0]).shape == (0,)


def test_far_from_all_rows_there_is_only_the_intercept(rows: TrainingRows) -> None:
    features = np.where(np.isnan(rows.features), 0, rows.features)
    model = fitted(rows._replace(features=features), gamma=200.0)
    between = features[:1] + np.float32(0.05)
    assert model.log_odds(between)[0] == pytest.approx(model.intercept, abs=1.0)
    empty = np.full((1, 4), np.nan, np.float32)
    assert np.isfinite(model.log_odds(empty)).all()


@settings(max_examples=40, deadline=None)
@given(
    features=of_numpy.arrays(
        np.float32, (12, 4), elements=st.sampled_from([np.nan, -1.0, 0.0, 0.0, 1.0, 2.5, np.inf, -np.inf, 3e38])
    ),
    labels=st.lists(st.booleans(), min_size=12, max_size=12).filter(lambda some: 0 < sum(some) < 12),
)
def test_holes_ties_and_the_endless_leave_finite_scores(features: np.ndarray, labels: list[bool]) -> None:
    rows = TrainingRows(features, np.asarray(labels, np.float32), np.ones(12, np.float32))
    model = fitted(rows)
    odds = model.log_odds(features)
    assert np.isfinite(odds).all()
    assert np.isfinite(model.rows).all()
    order = np.random.default_rng(0).permutation(12)
    np.testing.assert_allclose(
        fitted(TrainingRows(*(part[order] for part in rows))).log_odds(features), odds, atol=1e-3
    )
    # What holds the labels best on average is never less likely than the prior alone.
    signs = 2 * np.asarray(labels) - 1
    assert np.logaddexp(0, -signs * odds).sum() <= np.logaddexp(0, -signs * model.intercept).sum() + 1e-9


@settings(max_examples=60, deadline=None)
@given(
    values=of_numpy.arrays(
        np.float32,
        st.integers(2, 40),
        elements=st.one_of(st.just(np.nan), st.floats(-100, 100, width=32), st.sampled_from([0.0, 1.0, 7.0])),
    )
)
def test_normal_scores_keep_the_order_and_the_scale(values: np.ndarray) -> None:
    fit = fit_normal_scores(values[:, None], binary_scale=2.0)
    scores = normal_scores(values[:, None], fit)[:, 0]
    known = ~np.isnan(values)
    assert (scores[~known] == 0).all()
    if len(np.unique(values[known])) < 2:
        assert (scores == 0).all()
        return
    order = np.argsort(values[known])
    assert (np.diff(scores[known][order]) >= -1e-6).all()
    assert scores[known].mean() == pytest.approx(0, abs=1e-4)
    if np.isin(values[known], (0, 1)).all():
        assert np.ptp(scores[known]) == pytest.approx(2)
    else:
        assert scores[known].std() == pytest.approx(1, abs=1e-4)


def test_normal_scores_are_scikit_learns_before_scaling() -> None:
    rng = np.random.default_rng(0)
    values = np.round(np.exp(rng.normal(size=(400, 1))), 1).astype(np.float32)
    theirs = QuantileTransformer(n_quantiles=101, subsample=None, output_distribution="normal").fit(
        values.astype(np.float64)
    )
    new = np.round(np.exp(rng.normal(size=(300, 1))), 2).astype(np.float32)
    inside = ((new > values.min()) & (new < values.max()))[:, 0]
    fit = fit_normal_scores(values, binary_scale=2.0)
    expected = theirs.transform(new[inside].astype(np.float64))
    np.testing.assert_allclose(normal_scores(new[inside], fit) / fit.scale + fit.centre, expected, atol=2e-2)
    order = np.argsort(expected[:, 0])
    np.testing.assert_allclose(np.median(normal_scores(new[inside], fit)[order]), 0, atol=0.2)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"gamma": 0}, "params.gamma above 0, got 0"),
        ({"penalty": -1.0}, "params.penalty above 0"),
        ({"max_rows": 1}, "params.max_rows above 0 and whole"),
        ({"max_rows": 10.5}, "params.max_rows"),
        ({"gamma": "scale"}, "params.gamma above 0, got 'scale'"),
        ({"binary_scale": True}, "params.binary_scale"),
    ],
)
def test_parameters_out_of_range_are_refused(rows: TrainingRows, params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fitted(rows, **params)


def test_a_class_without_weight_is_refused(rows: TrainingRows) -> None:
    with pytest.raises(ValueError, match="weights above 0 in both classes"):
        fitted(rows._replace(weights=rows.labels))


@pytest.mark.parametrize("cut", [0, 1, 9, 200, -8])
def test_bytes_cut_short_are_refused(rows: TrainingRows, cut: int) -> None:
    with pytest.raises(ValueError, match="no whole safetensors file"):
        KernelMachine.from_bytes(fitted(rows).to_bytes()[:cut])


def test_what_was_tampered_with_is_refused(rows: TrainingRows) -> None:
    document, arrays = unpack_tensors(fitted(rows).to_bytes())
    for wrong, message in (
        ({"kind": "isic extra trees"}, "expected isic kernel machine"),
        ({"format": 0}, "of format 1"),
        ({"names": ["a", "b", "c"]}, "arrays of 3 features"),
        ({"names": None}, "names of features"),
        ({"rate": -1.0}, "a rate above 0"),
        ({"rate": "x"}, "a rate above 0"),
        ({"rounds": None}, "rounds"),
    ):
        with pytest.raises(ValueError, match=message):
            KernelMachine.from_bytes(pack_tensors({**document, **wrong}, arrays))
    descending = arrays["quantiles"][:, ::-1]
    holed = np.where(arrays["quantiles"] == np.nanmax(arrays["quantiles"]), np.nan, arrays["quantiles"])
    for changed, message in (
        ({"coefficients": arrays["coefficients"][:-1]}, "equally many rows"),
        ({"coefficients": arrays["coefficients"] * np.inf}, "finite numbers in coefficients"),
        ({"rows": arrays["rows"].astype(np.float64)}, "expected the arrays"),
        ({"more": arrays["rows"]}, "expected the arrays"),
        ({"quantiles": descending}, "ascending quantiles"),
        ({"quantiles": holed}, "ascending quantiles"),
    ):
        with pytest.raises(ValueError, match=message):
            KernelMachine.from_bytes(pack_tensors(document, {**arrays, **changed}))
