"""Ranks as shares, and places in a reference set: monotone, without new ties, equal to the obvious."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import rankdata

from isic_lesion.stack.ranks import Reference, place, rank_shares, reference_of

NUMBERS = st.floats(-1e6, 1e6) | st.integers(-3, 3).map(float)


@settings(deadline=None)
@given(arrays(float, st.integers(0, 40), elements=NUMBERS))
def test_shares_are_mean_ranks_over_their_number(scores: np.ndarray) -> None:
    assert rank_shares(scores) == pytest.approx(rankdata(scores) / max(len(scores), 1))


@settings(deadline=None)
@given(arrays(float, 30, elements=NUMBERS | st.just(np.nan)), arrays(int, 30, elements=st.integers(0, 3)))
def test_groups_and_missing_scores(scores: np.ndarray, groups: np.ndarray) -> None:
    shares = rank_shares(scores, groups)
    assert (np.isnan(shares) == np.isnan(scores)).all()
    for group in range(4):
        members = (groups == group) & ~np.isnan(scores)
        assert shares[members] == pytest.approx(rankdata(scores[members]) / max(members.sum(), 1))


@settings(deadline=None)
@given(arrays(float, st.integers(1, 60), elements=NUMBERS))
def test_a_reference_places_its_own_scores_at_their_ranks(scores: np.ndarray) -> None:
    places = place(reference_of(scores), scores)
    assert places == pytest.approx(rank_shares(scores) - 0.5 / len(scores))


@settings(deadline=None)
@given(arrays(float, st.integers(1, 30), elements=NUMBERS), arrays(float, 30, elements=st.floats(-1e9, 1e9)))
def test_a_higher_score_never_has_a_lower_place(reference: np.ndarray, scores: np.ndarray) -> None:
    scores = np.sort(scores)
    places = place(reference_of(reference), scores)
    assert ((places > 0) & (places < 1)).all()
    assert (np.diff(places) >= 0).all()


def test_beyond_the_ends_there_are_no_ties() -> None:
    for inside in ([0.2, 0.4, 0.9], [0.5], [0.0]):
        reference = reference_of(inside)
        far = np.concatenate([-np.logspace(6, -6, 50), inside, 1 + np.logspace(-6, 6, 50)])
        assert (np.diff(place(reference, far)) > 0).all()
    assert np.isnan(place(reference, [np.nan, 1.0])).tolist() == [True, False]


def test_a_large_reference_is_thinned_but_true_at_both_ends() -> None:
    scores = np.random.default_rng(0).beta(0.1, 8, 200_000)
    reference = reference_of(scores)
    assert len(reference.scores) <= 1000
    places, exact = place(reference, scores), rank_shares(scores) - 0.5 / len(scores)
    assert np.abs(np.log(places / (1 - places)) - np.log(exact / (1 - exact))).max() < 0.05
    assert (np.diff(places[np.argsort(scores)]) >= 0).all()


def test_what_is_no_reference() -> None:
    for scores, shares in (((), ()), ((1.0,), (0.1, 0.2)), ((2.0, 1.0), (0.1, 0.2)), ((1.0, 2.0), (0.2, 0.2))):
        with pytest.raises(ValueError, match="expected"):
            Reference(scores=scores, shares=shares)
    for shares in ((0.0, 0.5), (0.5, 1.0), (0.5, float("nan"))):
        with pytest.raises(ValueError, match="expected"):
            Reference(scores=(1.0, 2.0), shares=shares)
    for wrong in ([], [1.0, float("nan")], [float("inf")], [[1.0]]):
        with pytest.raises(ValueError, match="at least one score, all finite"):
            reference_of(wrong)


def test_shapes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match=r"shape \(N,\)"):
        rank_shares([[1.0]])
    with pytest.raises(ValueError, match=r"groups of shape \(2,\)"):
        rank_shares([1.0, 2.0], [1])
