"""Limits, against counting, and against the best strategies found by trying all of them."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twenty_questions.evaluation import fewest_rounds, find_rate_limit

weights = st.lists(st.floats(0.01, 1), min_size=1, max_size=70)


@given(weights, st.booleans())
def test_fewest_rounds_is_the_formula(prior, handshake: bool) -> None:
    ranked = sorted(np.array(prior) / sum(prior), reverse=True)
    rounds = [math.floor(math.log2(i)) + 1 if handshake else math.floor(math.log2(i + 1)) for i in range(1, 71)]
    expected = sum(p * number for p, number in zip(ranked, rounds, strict=False))
    assert fewest_rounds(prior, handshake=handshake) == pytest.approx(expected)


def test_fewest_rounds_at_powers_of_two() -> None:
    # 2 words in round 1, 4 in round 2, 8 in round 3, ...
    assert fewest_rounds(np.ones(2)) == 1
    assert fewest_rounds(np.ones(6)) == pytest.approx((2 * 1 + 4 * 2) / 6)
    assert fewest_rounds(np.ones(2**17 - 2)) == pytest.approx(sum(r * 2**r for r in range(1, 17)) / (2**17 - 2))
    assert fewest_rounds(np.ones(7), handshake=True) == pytest.approx((1 * 1 + 2 * 2 + 4 * 3) / 7)
    assert fewest_rounds([5]) == fewest_rounds([5], handshake=True) == 1


def test_without_noise_the_limit_counts_words() -> None:
    prior = np.ones(100)
    assert [find_rate_limit(prior, rounds) for rounds in range(7)] == pytest.approx([0, 0.02, 0.06, 0.14, 0.3, 0.62, 1])
    with_handshake = [find_rate_limit(prior, rounds, handshake=True) for rounds in range(8)]
    assert with_handshake == pytest.approx([0, 0.01, 0.03, 0.07, 0.15, 0.31, 0.63, 1])
    assert find_rate_limit([0.5, 0.3, 0.1, 0.1], 1) == pytest.approx(0.8)


def best_find_rate(prior, rounds: int, noise: float) -> float:
    """Try every question and guess in every state: the exact optimum, for tiny problems."""

    def best(joint, left: int) -> float:
        if left == 0:
            return 0.0
        values = []
        for subset in itertools.product((False, True), repeat=len(joint)):
            value = 0.0
            for answer in (False, True):
                after = [p * (1 - noise if said == answer else noise) for p, said in zip(joint, subset, strict=True)]
                value += max(
                    after[guess] + best([p if k != guess else 0.0 for k, p in enumerate(after)], left - 1)
                    for guess in range(len(joint))
                )
            values.append(value)
        return max(values)

    return best(list(prior), rounds)


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.3, 0.5])
@pytest.mark.parametrize("prior", [(0.25, 0.25, 0.25, 0.25), (0.55, 0.25, 0.15, 0.05)])
@pytest.mark.parametrize("rounds", [1, 2])
def test_no_strategy_beats_the_limit(prior, rounds: int, noise: float) -> None:
    best, limit = best_find_rate(prior, rounds, noise), find_rate_limit(prior, rounds, noise)
    assert best <= limit + 1e-12
    if rounds == 1 and noise in (0.0, 0.5):
        assert best == pytest.approx(limit)


@given(weights, st.integers(0, 12), st.floats(0, 0.5), st.booleans())
def test_noise_and_handshakes_do_not_help(prior, rounds: int, noise: float, handshake: bool) -> None:
    limit = find_rate_limit(prior, rounds, noise, handshake=handshake)
    assert 0 <= limit <= find_rate_limit(prior, rounds, handshake=handshake) + 1e-12
    assert limit <= find_rate_limit(prior, rounds, noise) + 1e-12
    assert limit <= find_rate_limit(prior, rounds + 1, noise, handshake=handshake) + 1e-9


def test_answers_that_say_nothing_leave_one_guess_a_round() -> None:
    # Every pattern of flips is as likely, so each history guesses r words of K.
    assert find_rate_limit(np.ones(100), 10, 0.5) == pytest.approx(0.1)


def test_the_noisy_limit_by_hand() -> None:
    # 2 rounds: 8 pairs of word and pattern, of probabilities 0.81, 0.09, 0.09, 0.01; 8 equal words take one each.
    assert find_rate_limit(np.ones(8), 2, 0.1) == pytest.approx(min(6 / 8, 0.81))
    assert find_rate_limit(np.ones(16), 2, 0.1) == pytest.approx(min(6 / 16, 0.81 / 2))
    assert find_rate_limit(np.ones(5), 2, 0.1) == pytest.approx((5 * 0.81 + 3 * 0.09) / 5)


def test_twenty_rounds_with_noise() -> None:
    limits = [find_rate_limit(np.ones(2300), 20, noise) for noise in (0, 0.05, 0.1, 0.2)]
    np.testing.assert_allclose(limits, [1, 0.997849, 0.962842, 0.662548], atol=1e-6)


@pytest.mark.parametrize("prior", [[], [-1, 2], [0, 0], [np.nan], [[1]]])
def test_bad_priors_are_named(prior) -> None:
    with pytest.raises(ValueError, match="expected weights"):
        fewest_rounds(prior)


def test_bad_numbers_are_named() -> None:
    with pytest.raises(ValueError, match="rounds"):
        find_rate_limit([1], -1)
    with pytest.raises(ValueError, match="noise"):
        find_rate_limit([1], 3, 0.6)
