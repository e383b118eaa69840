"""Scores of yes and no against scikit-learn's, and intervals against what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics

from twenty_questions.studies.intervals import cluster_draws, mean_estimate, percentile_estimate
from twenty_questions.studies.yes_no_scores import (
    accuracy_of,
    auc,
    auc_of,
    balanced_accuracy_of,
    brier_score,
    counts_by_group,
    log_loss,
    wins_by_group,
)

pairs = st.lists(st.tuples(st.booleans(), st.integers(0, 6), st.integers(0, 3)), min_size=2, max_size=60)


def both_answers(drawn: list[tuple[bool, int, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return answers, scores with many ties, and groups; one yes and one no at least."""
    answers = np.array([answer for answer, _, _ in drawn])
    answers[:2] = True, False
    return answers, np.array([score / 6 for _, score, _ in drawn]), np.array([group for _, _, group in drawn])


@settings(deadline=None)
@given(pairs)
def test_scores_are_those_of_scikit_learn(drawn: list[tuple[bool, int, int]]) -> None:
    answers, scores, _ = both_answers(drawn)
    said = scores > 0.5
    counts = counts_by_group(answers, said, np.zeros(len(answers), dtype=np.int64), 1)[0]
    assert accuracy_of(counts) == pytest.approx(metrics.accuracy_score(answers, said))
    assert balanced_accuracy_of(counts) == pytest.approx(metrics.balanced_accuracy_score(answers, said))
    assert auc(answers, scores) == pytest.approx(metrics.roc_auc_score(answers, scores))
    assert brier_score(answers, scores) == pytest.approx(metrics.brier_score_loss(answers, scores))
    bounded = np.clip(scores, 0.5 / 255, 1 - 0.5 / 255)
    assert log_loss(answers, scores) == pytest.approx(metrics.log_loss(answers, bounded))


@settings(deadline=None)
@given(pairs, st.lists(st.integers(0, 3), min_size=4, max_size=4))
def test_the_auc_of_drawn_groups_is_that_of_their_pairs_repeated(
    drawn: list[tuple[bool, int, int]], times: list[int]
) -> None:
    answers, scores, groups = both_answers(drawn)
    repeated = np.repeat(np.arange(len(answers)), np.array(times)[groups])
    (area,) = auc_of(wins_by_group(answers, scores, groups, 4), np.array([times], dtype=np.float64))
    if answers[repeated].all() or not answers[repeated].any():
        assert np.isnan(area)
    else:
        assert area == pytest.approx(metrics.roc_auc_score(answers[repeated], scores[repeated]))


def test_counts_stand_for_each_group_and_each_set_of_decisions() -> None:
    answers = np.array([True, True, False, False, True])
    groups = np.array([0, 0, 0, 1, 1])
    counts = counts_by_group(answers, np.array([[True, False, True, False, True], [False] * 5]), groups, 3)
    assert counts[0].tolist() == [[1, 1, 0, 1], [1, 0, 1, 0], [0, 0, 0, 0]]
    assert counts[1].tolist() == [[0, 2, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    assert np.isnan(balanced_accuracy_of(counts[0, 2]))
    assert balanced_accuracy_of(counts[0]).tolist()[:2] == [0.25, 1.0]


def test_what_is_undefined_is_nan_and_abstentions_read_as_a_half() -> None:
    one_sided = np.array([True, True])
    assert np.isnan(auc(one_sided, np.array([0.1, 0.9])))
    assert brier_score(one_sided, [np.nan, 1.0]) == 0.125
    assert log_loss(one_sided, [np.nan, np.nan]) == pytest.approx(np.log(2))
    assert log_loss(one_sided, [0.0, 0.0]) == pytest.approx(np.log(510))


def test_draws_of_clusters_are_with_replacement_and_seeded() -> None:
    drawn = cluster_draws(7, 400, seed=3)
    assert (drawn.sum(axis=1) == 7).all()
    assert drawn.max() >= 2
    np.testing.assert_array_equal(drawn, cluster_draws(7, 400, seed=3))
    assert (drawn != cluster_draws(7, 400, seed=4)).any()
    np.testing.assert_allclose(drawn.mean(axis=0), 1, atol=0.25)
    with pytest.raises(ValueError, match="at least 1 cluster"):
        cluster_draws(0, 10, seed=0)


def test_the_interval_by_keyword_covers_where_one_by_pair_does_not() -> None:
    """Pairs of a keyword are right or wrong together: accuracy varies by keyword as a Beta(4, 1), whose mean is 0.8."""
    rng = np.random.default_rng(0)
    keywords, pairs_each, trials = 60, 30, 150
    covered = naive_covered = 0
    for trial in range(trials):
        right = rng.binomial(pairs_each, rng.beta(4, 1, size=keywords))
        weights = cluster_draws(keywords, 200, seed=trial)
        found = percentile_estimate(right.sum() / (keywords * pairs_each), weights @ right / (keywords * pairs_each))
        covered += found.low <= 0.8 <= found.high
        low, high = stats.binomtest(int(right.sum()), keywords * pairs_each).proportion_ci()
        naive_covered += low <= 0.8 <= high
    assert covered / trials == pytest.approx(0.94, abs=0.05)
    assert naive_covered / trials < 0.75


def test_undefined_draws_do_not_count() -> None:
    assert percentile_estimate(0.5, [np.nan, 0.4, 0.6])[1:] == pytest.approx((0.405, 0.595))
    assert np.isnan(percentile_estimate(0.5, [np.nan])[1:]).all()
    assert np.isnan(percentile_estimate(float("nan"), [0.5])).all()


@pytest.mark.parametrize("count", [3, 4, 8, 30, 500])
def test_the_interval_of_a_mean_is_student_s(count: int) -> None:
    values = np.random.default_rng(count).normal(size=count)
    found = mean_estimate(values)
    half = stats.t.ppf(0.975, count - 1) * stats.sem(values)
    assert found.value == pytest.approx(values.mean())
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.01)


def test_one_value_has_no_interval_and_none_has_no_mean() -> None:
    assert mean_estimate([3.0]).value == 3.0
    assert np.isnan(mean_estimate([3.0])[1:]).all()
    assert np.isnan(mean_estimate([])).all()
