"""Bisection, against a game played out by hand for every word, and against the limit that nothing beats."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twenty_questions import bisection
from twenty_questions.bisection import Interval, word_list
from twenty_questions.evaluation import fewest_rounds
from twenty_questions.questions import answer_by_spelling
from twenty_questions.words import names_match

weights = st.lists(st.integers(1, 1000), min_size=1, max_size=40)


def rounds_to_find(words, secret: str, split=bisection.split) -> int:
    """Play the strategy out against a partner that keeps the protocol."""
    interval = bisection.start(words)
    for number in range(1, 1000):
        halves = split(words, interval)
        if halves:
            precedes = answer_by_spelling(halves.question, secret)
            interval = bisection.narrow(words, interval, halves.question.argument, precedes)
        guess = bisection.best_word(words, interval)
        if guess == secret:
            return number
        interval = bisection.exclude(words, interval, guess)
    raise AssertionError("not found")


def unlike_words(count: int) -> list[str]:
    """Return words in alphabetical order, none of which the game takes for another."""
    return [f"{number:04d}x" for number in range(count)]


def test_words_are_sorted_by_code_point_of_lower_case() -> None:
    words = word_list(["banana", "Apple", "éclair", "apple pie", "Zebra", "9-ball"], [1, 2, 3, 4, 5, 6])
    assert words.words == ("9-ball", "Apple", "apple pie", "banana", "Zebra", "éclair")
    np.testing.assert_allclose(words.prior, np.array([6, 2, 4, 1, 5, 3]) / 21)


def test_the_split_halves_the_mass() -> None:
    words = word_list(["a1", "b1", "c1", "d1"], [1, 1, 1, 5])
    halves = bisection.split(words, bisection.start(words))
    assert halves.question.argument == "d1"
    assert halves.p_yes == pytest.approx(3 / 8)
    assert halves.question.text == 'Does the keyword (in lowercase) precede "d1" in alphabetical order?'


def test_the_split_disregards_what_was_struck_out() -> None:
    words = word_list(["apple", "beech", "cedar", "dates"], [1, 5, 1, 1])
    interval = bisection.exclude(words, bisection.start(words), "beech")
    assert interval == Interval(0, 4, frozenset({1}))
    halves = bisection.split(words, interval)
    assert halves.p_yes in (pytest.approx(1 / 3), pytest.approx(2 / 3))
    assert bisection.best_word(words, interval) == "apple"
    assert bisection.num_left(words, interval) == 3


def test_the_word_of_a_question_is_lower_case() -> None:
    words = word_list(["Alps", "Zebra"])
    assert bisection.split(words, bisection.start(words)).question.argument == "zebra"


def test_a_guess_strikes_out_what_it_matches() -> None:
    words = word_list(["apple", "apples", "the apple!", "apple tree"])
    interval = bisection.exclude(words, bisection.start(words), "Apples")
    assert [words.words[position] for position in sorted(interval.excluded)] == ["apple", "apples", "the apple!"]
    assert bisection.best_word(words, interval) == "apple tree"
    assert bisection.split(words, interval) is None


@pytest.mark.parametrize(
    ("argument", "precedes", "left"),
    [
        ("b", True, "a"),
        ("b", False, "bcd"),
        ("bb", True, "ab"),
        ("bb", False, "cd"),
        ("zz", False, ""),
        ("0", True, ""),
        ("B", False, "abcd"),  # as given: upper case comes before lower case
        ("", True, ""),
    ],
)
def test_narrowing_takes_any_text(argument: str, precedes: bool, left: str) -> None:
    words = word_list("abcd")
    interval = bisection.narrow(words, bisection.start(words), argument, precedes)
    mass = bisection.remaining(words, interval)
    kept = [words.words[interval.low + offset] for offset in np.flatnonzero(mass)]
    assert kept == list(left)
    assert kept == [word for word in words.words if (word < argument) == precedes]


def test_contradictions_leave_nothing() -> None:
    words = word_list("abcd")
    interval = bisection.narrow(words, bisection.start(words), "b", True)
    interval = bisection.narrow(words, interval, "d", False)
    assert interval.high < interval.low
    assert bisection.remaining(words, interval).size == 0
    assert bisection.num_left(words, interval) == 0
    assert bisection.best_word(words, interval) is None
    assert bisection.split(words, interval) is None


@given(weights)
def test_expected_rounds_are_those_of_every_game_played_out(given_weights) -> None:
    words = word_list(unlike_words(len(given_weights)), given_weights)
    assert not any(names_match(a, b) for a in words.words for b in words.words if a != b)
    played = sum(p * rounds_to_find(words, word) for p, word in zip(words.prior, words.words, strict=True))
    # From the same numbers: between halves that tie, rounding decides, and the two must round alike.
    assert bisection.expected_rounds(words.prior) == pytest.approx(played)


@given(weights)
def test_expected_rounds_stay_above_the_limit(given_weights) -> None:
    for handshake in (False, True):
        limit = fewest_rounds(given_weights, handshake=handshake)
        assert bisection.expected_rounds(given_weights, handshake=handshake) >= limit - 1e-12


def test_expected_rounds_reach_the_limit_where_halves_are_exact() -> None:
    # 2 + 4 + 8 equal words: both sides of the first split hold 7, of the second 3, of the third 1.
    for depth in (1, 2, 3, 5):
        equal = np.ones(2 ** (depth + 1) - 2)
        assert bisection.expected_rounds(equal) == pytest.approx(fewest_rounds(equal))
    assert bisection.expected_rounds([1.0]) == 1
    assert bisection.expected_rounds([3.0, 1.0]) == 1
    # One word in the handshake's round, two in the next.
    assert bisection.expected_rounds([1.0, 2.0, 1.0], handshake=True) == pytest.approx(0.5 * 1 + 0.5 * 2)


def test_a_handshake_costs_about_a_round() -> None:
    prior = np.random.default_rng(0).exponential(size=500)
    cost = bisection.expected_rounds(prior, handshake=True) - bisection.expected_rounds(prior)
    assert 0.9 < cost < 1


@given(
    given_weights=st.lists(st.sampled_from([1, 2, 3, 50]), min_size=1, max_size=30),
    low=st.integers(0, 30),
    high=st.integers(0, 30),
    struck=st.sets(st.integers(0, 29), max_size=8),
)
def test_long_and_short_intervals_are_played_alike(given_weights, low: int, high: int, struck: set[int]) -> None:
    size = len(given_weights)
    words = word_list(unlike_words(size), given_weights)
    interval = Interval(min(low, size), min(high, size), frozenset(at for at in struck if at < size))
    mass = bisection.remaining(words, interval)
    assert bisection.num_left(words, interval) == np.count_nonzero(mass)
    best = bisection.best_word(words, interval)
    assert best == (words.words[interval.low + int(mass.argmax())] if mass.any() else None)
    if np.count_nonzero(mass) < 2:
        assert bisection.split(words, interval) is None
        assert bisection.soonest_split(words, interval) is None
        return
    by_sums, by_slice = bisection._split_long(words, interval), bisection.split(words, interval)
    assert by_sums.question == by_slice.question
    assert by_sums.p_yes == pytest.approx(by_slice.p_yes)
    shares = np.cumsum(mass)[:-1] / mass.sum()
    assert abs(by_slice.p_yes - 0.5) == pytest.approx(np.abs(shares - 0.5).min())


def test_a_long_list_is_played_as_its_slices_say() -> None:
    rng = np.random.default_rng(0)
    weights = rng.lognormal(0, 2, 200_000)
    words = word_list([f"{number:06d}x" for number in range(weights.size)], weights)
    interval = bisection.start(words)
    secret = words.words[137_731]
    for _ in range(6):
        mass = bisection.remaining(words, interval)
        halves = bisection.split(words, interval)
        assert abs(halves.p_yes - 0.5) < mass.max() / mass.sum()
        before = [word < halves.question.argument for word in words.words[interval.low : interval.high]]
        assert halves.p_yes == pytest.approx(mass[before].sum() / mass.sum())
        interval = bisection.narrow(words, interval, halves.question.argument, secret < halves.question.argument)
        guess = bisection.best_word(words, interval)
        mass = bisection.remaining(words, interval)
        assert guess == words.words[interval.low + int(mass.argmax())]
        interval = bisection.exclude(words, interval, guess)
        assert len(interval.excluded & set(range(interval.low, interval.high))) >= 1


def test_the_soonest_split_parts_what_is_guessed_next() -> None:
    # Only the first boundary lets both likely words be guessed in the first round.
    words = word_list(unlike_words(4), [4, 5, 6, 6])
    assert bisection.split(words, bisection.start(words)).question.argument == "0002x"
    words = word_list(unlike_words(6), [2, 9, 8, 1, 1, 1])
    assert bisection.soonest_split(words, bisection.start(words)).question.argument == "0002x"

    words = word_list(unlike_words(7), [3, 3, 1, 1, 1, 1, 2])
    played = {
        rule: sum(p * rounds_to_find(words, word, rule) for p, word in zip(words.prior, words.words, strict=True))
        for rule in (bisection.split, bisection.soonest_split)
    }
    assert played[bisection.soonest_split] <= played[bisection.split]


def test_the_soonest_split_loses_less_than_halving() -> None:
    rng = np.random.default_rng(1)
    lost = {bisection.split: 0.0, bisection.soonest_split: 0.0}
    for _ in range(3):
        words = word_list(unlike_words(150), rng.lognormal(0, 1.5, 150))
        limit = fewest_rounds(words.prior)
        for rule in lost:
            rounds = sum(
                p * rounds_to_find(words, word, rule) for p, word in zip(words.prior, words.words, strict=True)
            )
            assert rounds >= limit
            lost[rule] += (rounds - limit) / 3
    assert lost[bisection.soonest_split] < 0.8 * lost[bisection.split]


def test_long_intervals_are_halved_by_the_soonest_split_too() -> None:
    words = word_list(unlike_words(40), np.arange(1, 41))
    whole = bisection.start(words)
    assert bisection.soonest_split(words, whole, most_words=39) == bisection.split(words, whole)


@pytest.mark.parametrize(
    ("words", "given_weights", "message"),
    [
        (["a", "A"], None, "unique"),
        ([], None, "at least one word"),
        (["a"], [0], "positive"),
        (["a"], [np.nan], "positive"),
        (["a", "b"], [1], "2 weights"),
    ],
)
def test_bad_lists_are_named(words, given_weights, message: str) -> None:
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match=message):
        word_list(words, given_weights)


def test_bad_priors_are_named() -> None:
    for prior in ([], [1, 0], [1, np.inf]):
        with pytest.raises(ValueError, match="at least one word"):
            bisection.expected_rounds(prior)
