"""Merging by the game's matching, and priors with a limit."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twenty_questions.sources.keyword_lists import KeywordList, keyword_list
from twenty_questions.sources.merging import cut_off, groups_of, merge_lists, merge_samples, without_words
from twenty_questions.sources.priors import cap_ratio, prior_of_counts
from twenty_questions.words import Keyword, names_match, normalise

# Few letters and many endings, so that names often match, and matching often fails to be transitive.
NAMES = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["car", "cars", "Car", "the", "ab", "be an"]),
        st.sampled_from(["", "s", "es", "ses", "!", " e"]),
    ),
)
SAMPLES = st.lists(st.lists(NAMES, max_size=6), min_size=1, max_size=12).filter(lambda samples: any(samples))
WEIGHTS = st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=30)


def plain_groups(names: list[str], weights: list[float]) -> list[list[int]]:
    """The same by comparing everything with everything."""
    groups: list[list[int]] = []
    for position in sorted(range(len(names)), key=lambda position: (-weights[position], position)):
        for group in groups:
            if names_match(names[position], names[group[0]]):
                group.append(position)
                break
        else:
            groups.append([position])
    return groups


@settings(deadline=None)
@given(st.lists(st.tuples(NAMES, st.integers(1, 5)), max_size=25))
def test_groups_are_those_of_the_slow_way(pairs: list[tuple[str, int]]) -> None:
    names, weights = [name for name, _ in pairs], [float(weight) for _, weight in pairs]
    groups = groups_of(names, weights)
    assert groups == plain_groups(names, weights)
    assert sorted(itertools.chain(*groups)) == list(range(len(names)))
    heads = [names[group[0]] for group in groups]
    assert not any(names_match(one, other) for one, other in itertools.combinations(heads, 2))


def test_matching_in_a_chain_makes_no_one_group_of_it() -> None:
    chain = ["cars", "car", "carses"]
    assert names_match(chain[0], chain[1])
    assert names_match(chain[0], chain[2])
    assert not names_match(chain[1], chain[2])
    assert groups_of(chain, [3, 2, 1]) == [[0, 1, 2]]
    assert groups_of(chain, [2, 3, 1]) == [[1, 0], [2]]
    with pytest.raises(ValueError, match="a weight for each of 3 names, got 2"):
        groups_of(chain, [1, 2])


@settings(deadline=None)
@given(SAMPLES)
def test_a_count_is_the_number_of_samples_that_named_the_keyword(samples: list[list[str]]) -> None:
    merged = merge_samples(samples, source="llm")
    named = {name for sample in samples for name in sample}
    assert sum(merged.counts) <= sum(len({normalise(name) for name in sample}) for sample in samples)
    for keyword, count, sources in zip(merged.keywords, merged.counts, merged.sources, strict=True):
        matching = sum(any(names_match(name, keyword.name) for name in sample) for sample in samples)
        exact = sum(any(normalise(name) == normalise(keyword.name) for name in sample) for sample in samples)
        assert exact <= count <= matching
        assert keyword.name in named
        assert sources == ("llm",)
    assert all(any(names_match(name, keyword.name) for keyword in merged.keywords) for name in named)
    assert list(merged.counts) == sorted(merged.counts, reverse=True)
    np.testing.assert_allclose(merged.prior, merged.counts / merged.counts.sum(), rtol=1e-12)


def test_the_commonest_spelling_becomes_the_name() -> None:
    merged = merge_samples([["Ice-cream", "dog"], ["ice cream"], ["ice cream", "ice cream", "Dogs"], ["dogs"]])
    assert [(keyword.name, count) for keyword, count in zip(merged.keywords, merged.counts.tolist(), strict=True)] == [
        ("ice cream", 3),
        ("Dogs", 3),
    ]
    with pytest.raises(ValueError, match="at least one keyword"):
        merge_samples([[], []])


def some_lists() -> tuple[KeywordList, KeywordList]:
    one = keyword_list([Keyword("couch", ("sofa",)), Keyword("cup")], [3, 1], sources="a")
    other = keyword_list([Keyword("cups", ("mug", "Cup!")), Keyword("sofa")], [1, 4], sources="b")
    return one, other


def test_lists_are_mixed_by_weight() -> None:
    merged = merge_lists(some_lists(), [3, 1])
    assert merged.keywords == (Keyword("couch", ("sofa",)), Keyword("cup", ("mug",)), Keyword("sofa"))
    np.testing.assert_allclose(merged.prior, [0.75 * 0.75, 0.75 * 0.25 + 0.25 * 0.2, 0.25 * 0.8])
    assert merged.counts.tolist() == [3, 2, 4]
    assert merged.sources == (("a",), ("a", "b"), ("b",))


@pytest.mark.parametrize("weights", [[1], [1, 0], [1, float("nan")], [1, -1], [1, 2, 3]])
def test_weights_that_do_not_fit_are_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="a weight above 0 for each"):
        merge_lists(some_lists(), weights)
    with pytest.raises(ValueError, match="at least one list"):
        merge_lists([])


def test_a_cut_off_keeps_the_proportions_of_the_rest() -> None:
    whole = keyword_list([Keyword("a"), Keyword("b"), Keyword("c")], [5, 1, 3], [0.5, 0.3, 0.2])
    kept = cut_off(whole, 3)
    assert [keyword.name for keyword in kept.keywords] == ["a", "c"]
    np.testing.assert_allclose(kept.prior, [5 / 7, 2 / 7])
    assert cut_off(whole, 1) is whole
    with pytest.raises(ValueError, match="a count of at least 6, got none"):
        cut_off(whole, 6)


def test_words_are_left_out_by_the_games_matching() -> None:
    one, _ = some_lists()
    kept = without_words(one, [Keyword("settee", ("the couches",)), Keyword("sofa")])
    assert [keyword.name for keyword in kept.keywords] == ["cup"]
    with pytest.raises(ValueError, match="got none"):
        without_words(one, [Keyword("couch"), Keyword("CUPS")])


@settings(deadline=None)
@given(st.lists(st.integers(0, 1000), min_size=1, max_size=20), st.floats(0.01, 100))
def test_smoothing_draws_the_prior_towards_uniform(counts: list[int], smoothing: float) -> None:
    prior = prior_of_counts(counts, smoothing=smoothing)
    assert prior.sum() == pytest.approx(1)
    assert prior.max() / prior.min() == pytest.approx((max(counts) + smoothing) / (min(counts) + smoothing))
    more = prior_of_counts(counts, smoothing=2 * smoothing)
    assert more.max() <= prior.max() + 1e-12


@pytest.mark.parametrize(
    ("counts", "smoothing"), [([0, 1], 0), ([], 1), ([-1], 2), ([[1]], 0), ([1], -1), ([1], math.nan)]
)
def test_counts_that_make_no_prior_are_refused(counts: list, smoothing: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        prior_of_counts(counts, smoothing=smoothing)


@settings(deadline=None)
@given(WEIGHTS, st.floats(1, 1000))
def test_a_capped_prior_keeps_order_sum_and_limit(weights: list[float], ratio: float) -> None:
    p = np.asarray(weights) / np.sum(weights)
    q = cap_ratio(weights, ratio)
    assert q.sum() == pytest.approx(1, abs=1e-12)
    assert q.max() <= ratio * q.min() * (1 + 1e-9)
    order = np.argsort(p, kind="stable")
    assert (np.diff(q[order]) >= 0).all()
    inside = (q > q.min() * (1 + 1e-9)) & (q < q.max() * (1 - 1e-9))
    np.testing.assert_allclose(q[inside], p[inside], rtol=1e-9)
    if p.max() <= ratio * p.min():
        np.testing.assert_array_equal(q, p)
    else:
        assert q.max() == pytest.approx(ratio * q.min())
    np.testing.assert_allclose(cap_ratio(q, ratio), q, rtol=1e-9)


@settings(deadline=None)
@given(WEIGHTS, st.floats(1, 50), st.integers(0, 2**32 - 1))
def test_no_other_prior_within_the_ratio_loses_fewer_bits(weights: list[float], ratio: float, seed: int) -> None:
    p = np.asarray(weights) / np.sum(weights)
    best = float(p @ np.log(cap_ratio(weights, ratio)))
    rng = np.random.default_rng(seed)
    near = cap_ratio(weights, ratio)
    for scale in (1.0, 0.1, 0.001):
        other = np.exp(np.log(near) + scale * rng.normal(size=p.size))
        other = np.clip(other, other.max() / ratio, None)  # back within the ratio, by another way
        other /= other.sum()
        assert p @ np.log(other) <= best + 1e-9


def test_a_ratio_of_one_is_the_uniform_prior_and_none_is_none() -> None:
    p = np.array([0.7, 0.2, 0.09, 0.01])
    np.testing.assert_allclose(cap_ratio(p, 1), 0.25)
    np.testing.assert_array_equal(cap_ratio(p, math.inf), p)
    # By hand for a ratio of 10: the first is the ceiling 10a, the last the floor a, and the others stay.
    np.testing.assert_allclose(cap_ratio(p, 10), [7.1 / 11, 0.2, 0.09, 0.71 / 11])
    for bad in ([], [1, 0], [1, math.nan], [[1.0]]):
        with pytest.raises(ValueError, match="positive numbers"):
            cap_ratio(bad, 10)
    for ratio in (0.5, math.nan):
        with pytest.raises(ValueError, match="a ratio of at least 1"):
            cap_ratio(p, ratio)
