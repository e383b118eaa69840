"""Averages of several models, and how far the models agree, against slow and obvious versions."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import pearsonr
from sklearn.metrics import cohen_kappa_score

from twenty_questions.labelling.agreement import add_block, empty_tally, model_figures, pair_figures
from twenty_questions.labelling.consensus import SUREST, consensus

P_YES = st.one_of(st.floats(0, 1), st.just(math.nan))
MODELS = arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 5)), elements=P_YES)


def by_hand(p_yes, weights, average: str) -> float:
    there = [(p, weight) for p, weight in zip(p_yes, weights, strict=True) if not math.isnan(p) and weight > 0]
    if not there:
        return math.nan
    total = sum(weight for _, weight in there)
    if average == "mean":
        return sum(p * weight for p, weight in there) / total
    kept = [(min(max(p, SUREST), 1 - SUREST), weight) for p, weight in there]
    odds = sum(math.log(p / (1 - p)) * weight for p, weight in kept) / total
    return 1 / (1 + math.exp(-odds))


@given(MODELS, st.data(), st.sampled_from(["mean", "log-odds"]))
def test_the_average_is_that_of_the_models_that_answered(p_yes, data, average) -> None:
    weights = data.draw(st.lists(st.sampled_from([0.0, 0.5, 1.0, 3.0]), min_size=len(p_yes), max_size=len(p_yes)))
    if not any(weights):
        weights[0] = 1.0
    found = consensus(p_yes, weights=weights, average=average)
    expected = [by_hand(column, weights, average) for column in p_yes.T]
    np.testing.assert_allclose(found, expected, atol=1e-12)


@given(MODELS, st.sampled_from(["mean", "log-odds"]))
def test_the_average_lies_between_the_models_and_swaps_with_the_answer(p_yes, average) -> None:
    found = consensus(p_yes, average=average)
    there = ~np.isnan(found)
    kept = np.clip(p_yes, SUREST, 1 - SUREST) if average == "log-odds" else p_yes
    some = kept[:, there]
    assert (found[there] >= np.nanmin(some, axis=0) - 1e-12).all() if some.size else True
    assert (found[there] <= np.nanmax(some, axis=0) + 1e-12).all() if some.size else True
    np.testing.assert_allclose(consensus(1 - p_yes, average=average), 1 - found, atol=1e-9)


def test_the_shape_is_that_of_one_model() -> None:
    assert consensus(np.full((3, 4, 5), 0.25)).shape == (4, 5)
    np.testing.assert_allclose(consensus(np.full((3, 4, 5), 0.25), average="log-odds"), 0.25)


@pytest.mark.parametrize(
    ("p_yes", "how", "told"),
    [
        ([[0.5], [1.5]], {}, r"in \[0, 1\]"),
        ([[0.5]], {"weights": [1.0, 1.0]}, "1 weights"),
        ([[0.5]], {"weights": [0.0]}, "one of them above 0"),
        ([[0.5]], {"weights": [-1.0]}, "at least 0"),
        ([[0.5]], {"average": "median"}, "mean, log-odds"),
        ([], {}, "at least one model"),
    ],
)
def test_what_cannot_be_averaged_is_refused(p_yes, how, told) -> None:
    with pytest.raises(ValueError, match=told):
        consensus(p_yes, **how)


@given(st.integers(0, 2**31), st.integers(1, 4))
def test_agreement_counted_block_by_block_is_that_of_the_whole(seed: int, blocks: int) -> None:
    rng = np.random.default_rng(seed)
    p_yes = rng.random((3, 8, 6)).astype(np.float32)
    p_yes[rng.random(p_yes.shape) < 0.2] = np.nan
    tally = empty_tally(3)
    for part in np.array_split(np.arange(8), blocks):
        tally = add_block(tally, p_yes[:, part])
    names = ["a", "b", "c"]
    for name, figures, p in zip(names, model_figures(tally, names), p_yes, strict=True):
        there = p[np.isfinite(p)]
        assert (figures.model, figures.labelled, figures.unlabelled) == (name, len(there), 48 - len(there))
        assert figures.yes_share == pytest.approx((there > 0.5).mean())
        assert figures.mean == pytest.approx(there.mean(), rel=1e-5)
    for figures, (one, other) in zip(pair_figures(tally, names), itertools.combinations(p_yes, 2), strict=True):
        both = np.isfinite(one) & np.isfinite(other)
        says, says_other = one[both] > 0.5, other[both] > 0.5
        assert figures.agreement == pytest.approx((says == says_other).mean())
        assert figures.kappa == pytest.approx(cohen_kappa_score(says, says_other), abs=1e-9)
        assert figures.correlation == pytest.approx(pearsonr(one[both], other[both])[0], abs=1e-5)


def test_agreement_that_is_not_defined_is_told_so() -> None:
    constant = np.stack([np.full((2, 2), 0.2), np.full((2, 2), 0.3)]).astype(np.float32)
    (figures,) = pair_figures(add_block(empty_tally(2), constant), ["a", "b"])
    assert figures.agreement == 1
    assert math.isnan(figures.kappa)
    assert math.isnan(figures.correlation)
    apart = np.asarray([[[0.2, np.nan]], [[np.nan, 0.2]]], dtype=np.float32)
    tally = add_block(empty_tally(2), apart)
    (figures,) = pair_figures(tally, ["a", "b"])
    assert all(math.isnan(value) for value in figures[2:])
    assert [figure.unlabelled for figure in model_figures(tally, ["a", "b"])] == [1, 1]
    assert math.isnan(model_figures(empty_tally(1), ["a"])[0].yes_share)
