"""Alphabetical strategies, against each game played by hand and against the limit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twenty_questions import bisection
from twenty_questions.alphabetical_players import (
    find_soonest,
    guess_the_split_word,
    halve_and_guess_best,
    public_agent_alpha,
    rounds_of_secrets,
)
from twenty_questions.evaluation import fewest_rounds

weights = st.lists(st.integers(1, 1000), min_size=1, max_size=40)
players = [halve_and_guess_best, guess_the_split_word, public_agent_alpha, find_soonest]


def unlike_words(weights: list[int]) -> bisection.WordList:
    """Return words that the game does not take for each other."""
    return bisection.word_list([f"{number:04d}x" for number in range(len(weights))], weights)


def by_bisection(
    words: bisection.WordList, secret: int, handshake: bool, rule: Callable[..., bisection.Split | None]
) -> int:
    """Play one game with `bisection`."""
    interval = bisection.start(words)
    for number in range(1, 1000):
        question = rule(words, interval) if number > 1 or not handshake else None
        if question:
            precedes = words.words[secret] < question.question.argument
            interval = bisection.narrow(words, interval, question.question.argument, precedes)
        guess = bisection.best_word(words, interval)
        if guess == words.words[secret]:
            return number
        interval = bisection.exclude(words, interval, guess)
    raise AssertionError("not found")


@given(weights=weights, handshake=st.booleans())
def test_halving_is_what_bisection_plays(weights: list[int], handshake: bool) -> None:
    words = unlike_words(weights)
    expected = [by_bisection(words, secret, handshake, bisection.split) for secret in range(len(weights))]
    assert halve_and_guess_best(words.prior, handshake=handshake).tolist() == expected


@settings(max_examples=25)
@given(weights=st.lists(st.integers(1, 1000), min_size=1, max_size=25), handshake=st.booleans())
def test_the_soonest_is_what_bisection_plays(weights: list[int], handshake: bool) -> None:
    words = unlike_words(weights)
    expected = [by_bisection(words, secret, handshake, bisection.soonest_split) for secret in range(len(weights))]
    assert find_soonest(words.prior, handshake=handshake).tolist() == expected
    some = [secret for secret in range(len(weights)) if secret % 3 == 1] * 2
    assert find_soonest(words.prior, some, handshake=handshake).tolist() == [expected[secret] for secret in some]


@given(weights=weights, handshake=st.booleans())
def test_the_split_word_is_guessed_and_then_asked_about(weights: list[int], handshake: bool) -> None:
    before = np.concatenate(([0], np.cumsum(weights)))

    def median(low: int, high: int) -> int:
        return next(
            word for word in range(low, high) if 2 * (before[word + 1] - before[low]) >= before[high] - before[low]
        )

    for secret, found in enumerate(guess_the_split_word(weights, handshake=handshake)):
        low, high, asked = 0, len(weights), None if handshake else median(0, len(weights))
        number = 1
        while True:
            if asked is not None and secret < asked:
                high = asked
            elif asked is not None:
                low = asked + (number > 1)
            guess = median(low, high)
            if guess == secret:
                break
            asked, number = guess, number + 1
        assert found == number


@given(num_words=st.integers(1, 60), handshake=st.booleans())
def test_the_public_agent_guesses_the_middle_of_its_range(num_words: int, handshake: bool) -> None:
    found = public_agent_alpha(np.ones(num_words), handshake=handshake)
    for secret in range(num_words):
        low, high, number = 0, num_words, 1
        while True:
            if number > 1 or not handshake:
                middle = (low + high) // 2
                low, high = (low, middle) if secret < middle else (middle, high)
            if (low + high) // 2 == secret:
                break
            number += 1
        assert found[secret] == number


@pytest.mark.parametrize("play", players)
@given(weights=weights, handshake=st.booleans())
def test_every_word_is_found_and_none_beats_the_limit(play, weights: list[int], handshake: bool) -> None:
    found = play(np.array(weights, dtype=float), handshake=handshake)
    assert found.shape == (len(weights),)
    # A round guesses once for each history of answers.
    histories = np.arange(1, found.max() + 1) - handshake
    assert (np.bincount(found)[1:] <= 2**histories).all()
    assert np.dot(weights, found) / sum(weights) >= fewest_rounds(weights, handshake=handshake) - 1e-9


def test_the_mass_of_a_tree_of_full_levels_is_found_at_the_limit() -> None:
    equal = np.ones(2**12 - 1)
    for play in (halve_and_guess_best, guess_the_split_word, find_soonest):
        assert play(equal).mean() == pytest.approx(fewest_rounds(equal, handshake=True))


def test_ours_loses_least_and_a_prior_helps() -> None:
    rng = np.random.default_rng(3)
    prior = rng.lognormal(0, 2, 3_000)
    prior /= prior.sum()
    lost = [float(prior @ play(prior)) - fewest_rounds(prior, handshake=True) for play in reversed(players)]
    ours, public, split_word, halving = lost
    assert ours < 0.9 * halving < halving < split_word < public


def test_a_game_with_an_end_is_played_for_its_reward() -> None:
    rng = np.random.default_rng(5)

    def reward(found: np.ndarray) -> float:
        return float(prior @ np.where(found <= 6, 7 - found, -1))

    gained = 0.0
    for _ in range(4):
        prior = rng.lognormal(0, 1.5, 400)
        prior /= prior.sum()
        gained += reward(find_soonest(prior, rounds=6)) - reward(find_soonest(prior))
    assert gained > 0


def test_secrets_are_looked_up_as_the_game_takes_them() -> None:
    words = bisection.word_list(["apple", "apples", "Bear", "chairs"])
    found = np.array([4, 2, 7, 9])
    rounds = rounds_of_secrets(found, bisection.forms_of(words), ["apple", "APPLES", "bears", "the chair", "dog"])
    assert rounds.tolist() == [4, 2, 7, 9, 0]


def test_bad_priors_are_named() -> None:
    for play in (halve_and_guess_best, guess_the_split_word, find_soonest):
        for prior in ([], [1, 0], [1, np.inf], [[1]]):
            with pytest.raises(ValueError, match="at least one word"):
                play(prior)
