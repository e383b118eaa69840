"""The belief, against products of probabilities and against its own promises over thousands of answers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twenty_questions import belief
from twenty_questions.belief import Answer, Belief

ANSWERS: tuple[Answer, ...] = ("yes", "probably", "unknown", "probably not", "no")
probabilities = st.floats(0.001, 0.999)
priors = st.lists(st.floats(1e-6, 1.0), min_size=2, max_size=12)


@st.composite
def histories(draw, max_rounds: int = 8):
    """Draw a prior and the answers to some questions: a vector of P(yes) and an answer each."""
    prior = draw(priors)
    vectors = st.lists(probabilities, min_size=len(prior), max_size=len(prior)).map(np.array)
    return prior, draw(st.lists(st.tuples(vectors, st.sampled_from(ANSWERS)), max_size=max_rounds))


def after(prior, rounds) -> Belief:
    held = belief.start(prior)
    for p_yes, answer in rounds:
        held = belief.update(held, p_yes, answer)
    return held


def product_of_probabilities(prior, rounds) -> np.ndarray:
    """Return Bayes' rule as it stands in the textbook, which underflows when the history is long."""
    p = np.array(prior, dtype=np.float64)
    for p_yes, answer in rounds:
        weight = {"yes": 1.0, "no": 1.0, "unknown": 0.0}.get(answer, belief.PROBABLY)
        p *= (p_yes if answer in ("yes", "probably") else 1 - p_yes) ** weight
    return p / p.sum()


def test_one_answer() -> None:
    held = belief.update(belief.start([0.5, 0.3, 0.2]), np.array([0.9, 0.5, 0.1]), "yes")
    np.testing.assert_allclose(belief.posterior(held), np.array([45, 15, 2]) / 62, rtol=1e-14)
    held = belief.update(held, np.array([0.9, 0.5, 0.1]), "no")
    np.testing.assert_allclose(belief.posterior(held), np.array([45, 75, 18]) / 138, rtol=1e-14)


def test_a_prior_need_not_be_normalised() -> None:
    np.testing.assert_allclose(belief.posterior(belief.start([2, 1, 1])), [0.5, 0.25, 0.25], rtol=1e-15)


def test_two_probablies_count_as_one_yes() -> None:
    p_yes = np.array([0.8, 0.4, 0.1])
    once = belief.update(belief.start([1, 1, 2]), p_yes, "yes")
    twice = after([1, 1, 2], [(p_yes, "probably")] * 2)
    np.testing.assert_allclose(twice.log_posterior, once.log_posterior, atol=1e-14)
    fully = belief.update(belief.start([1, 1, 2]), p_yes, "probably not", probably=1.0)
    np.testing.assert_array_equal(
        fully.log_posterior, belief.update(belief.start([1, 1, 2]), p_yes, "no").log_posterior
    )


def test_unknown_changes_nothing() -> None:
    held = belief.start([1, 2, 3])
    assert belief.update(held, np.array([0.1, 0.5, 0.9]), "unknown") is held


@given(histories())
def test_it_is_bayes_rule(history) -> None:
    prior, rounds = history
    np.testing.assert_allclose(belief.posterior(after(prior, rounds)), product_of_probabilities(prior, rounds), 1e-9)


@given(histories(), st.randoms(use_true_random=False))
def test_the_order_of_answers_does_not_matter(history, random) -> None:
    prior, rounds = history
    shuffled = random.sample(rounds, len(rounds))
    np.testing.assert_allclose(after(prior, shuffled).log_posterior, after(prior, rounds).log_posterior, atol=1e-9)


@given(histories())
def test_one_by_one_is_all_at_once(history) -> None:
    prior, rounds = history
    exponents = {"yes": (1, 0), "probably": (0.5, 0), "unknown": (0, 0), "probably not": (0, 0.5), "no": (0, 1)}
    joint = np.log(np.array(prior))
    for p_yes, answer in rounds:
        joint += exponents[answer][0] * np.log(p_yes) + exponents[answer][1] * np.log1p(-p_yes)
    joint -= np.logaddexp.reduce(joint)
    np.testing.assert_allclose(after(prior, rounds).log_posterior, joint, atol=1e-9)


@given(histories(), st.data())
def test_the_order_of_keywords_does_not_matter(history, data) -> None:
    prior, rounds = history
    order = np.array(data.draw(st.permutations(range(len(prior)))))
    permuted = after(np.array(prior)[order], [(p_yes[order], answer) for p_yes, answer in rounds])
    np.testing.assert_allclose(permuted.log_posterior, after(prior, rounds).log_posterior[order], atol=1e-12)


@given(histories(), st.data())
def test_the_posterior_sums_to_one_and_spares_the_excluded(history, data) -> None:
    prior, rounds = history
    held = after(prior, rounds)
    struck = data.draw(st.lists(st.integers(0, len(prior) - 1)))
    p = belief.posterior(belief.exclude(held, struck))
    assert p.sum() == pytest.approx(1, abs=1e-12)
    if len(set(struck)) < len(prior):
        assert (p[struck] == 0).all()
        kept = [position for position in range(len(prior)) if position not in struck]
        whole = belief.posterior(held)[kept]
        np.testing.assert_allclose(p[kept], whole / whole.sum(), rtol=1e-9)
    else:
        np.testing.assert_array_equal(p, belief.posterior(held))


def test_thousands_of_contradictions_stay_exact() -> None:
    rng = np.random.default_rng(7)
    p_yes = rng.uniform(0.002, 0.998, size=(50, 400))
    held = belief.start(rng.uniform(0.1, 1, size=400))
    before = held.log_posterior
    for number in range(10_000):
        held = belief.update(held, p_yes[number % 50], "yes" if number // 50 % 2 else "no")
    assert np.isfinite(held.log_posterior).all()
    p = belief.posterior(held)
    assert p.sum() == pytest.approx(1, abs=1e-12)
    # Each question was answered 100 times with yes and 100 times with no.
    expected = before + 100 * (np.log(p_yes) + np.log1p(-p_yes)).sum(axis=0)
    expected -= np.logaddexp.reduce(expected)
    np.testing.assert_allclose(held.log_posterior, expected, rtol=1e-10, atol=1e-6)


def test_a_keyword_comes_back_from_next_to_nothing() -> None:
    p_yes = np.array([0.998, 0.002])
    held = after([1, 1], [(p_yes, "no")] * 3000)
    np.testing.assert_array_equal(belief.posterior(held), [0, 1])
    back = after([1, 1], [(p_yes, "no")] * 3000 + [(p_yes, "yes")] * 3000)
    np.testing.assert_allclose(belief.posterior(back), [0.5, 0.5], atol=1e-8)


def test_excluding_the_keyword_that_holds_all_leaves_the_rest_exact() -> None:
    held = after([1, 1, 3], [(np.array([0.998, 0.002, 0.002]), "yes")] * 2000)
    assert belief.posterior(held)[1] == 0
    np.testing.assert_allclose(belief.posterior(belief.exclude(held, [0])), [0, 0.25, 0.75], rtol=1e-9)


def test_excluding_keeps_the_evidence() -> None:
    held = belief.update(belief.start([1, 1, 2]), np.array([0.2, 0.3, 0.4]), "no")
    struck = belief.exclude(belief.exclude(held, [1]), [1, 2])
    assert struck.excluded.tolist() == [False, True, True]
    assert not held.excluded.any()
    np.testing.assert_array_equal(struck.log_posterior, held.log_posterior)


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.5])
def test_noise_pulls_towards_a_half(noise: float) -> None:
    p_yes = np.array([0.0, 0.25, 0.5, 1.0])
    np.testing.assert_allclose(belief.through_noise(p_yes, noise), p_yes * (1 - noise) + (1 - p_yes) * noise)


def test_entropy() -> None:
    assert belief.entropy_bits([1, 0, 0]) == 0
    assert belief.entropy_bits(np.full(8, 1 / 8)) == pytest.approx(3)
    assert belief.entropy_bits([0.9, 0.1]) == pytest.approx(-0.9 * math.log2(0.9) - 0.1 * math.log2(0.1))


@pytest.mark.parametrize(
    ("p_yes", "answer", "message"),
    [
        ([0.5, 0.5], "maybe", "among yes, probably"),
        ([0.5, 1.0], "yes", "strictly between"),
        ([0.0, 0.5], "no", "strictly between"),
        ([0.5, math.nan], "no", "strictly between"),
        ([0.5], "no", "shape"),
    ],
)
def test_bad_answers_are_named(p_yes, answer, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        belief.update(belief.start([1, 1]), np.array(p_yes), answer)


@pytest.mark.parametrize("prior", [[], [1, 0], [1, -1], [1, math.inf], [math.nan], [[1, 1]]])
def test_bad_priors_are_named(prior) -> None:
    with pytest.raises(ValueError, match="expected a prior"):
        belief.start(prior)


def test_bad_numbers_are_named() -> None:
    held = belief.start([1, 1])
    with pytest.raises(ValueError, match="exponent"):
        belief.update(held, np.array([0.5, 0.5]), "yes", probably=1.5)
    for position in (-1, 2):
        with pytest.raises(ValueError, match="positions"):
            belief.exclude(held, [position])
