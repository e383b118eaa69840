"""The end game, against brute force over every question, answer and guess of small instances."""

from __future__ import annotations

import time
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twenty_questions.endgame import reward_limit, reward_to_go, solve
from twenty_questions.evaluation import fewest_rounds


@st.composite
def instances(draw: st.DrawFn, noise: bool = True) -> tuple[np.ndarray, np.ndarray, int]:
    """Return weights (T, M), p_yes (Q, T, M) and the rounds left."""
    num_types = draw(st.integers(1, 2))
    num_words = draw(st.integers(1, 5))
    num_questions = draw(st.integers(1, 4))
    parts = draw(st.lists(st.integers(0, 20), min_size=num_types * num_words, max_size=num_types * num_words))
    weights = np.array(parts, dtype=float).reshape(num_types, num_words)
    weights /= max(1.0, weights.sum()) * draw(st.sampled_from([1.0, 2.0]))
    chances = st.sampled_from([0.0, 0.05, 0.2, 0.5, 0.7, 0.9, 1.0] if noise else [0.0, 1.0])
    size = num_questions * num_types * num_words
    p_yes = np.array(draw(st.lists(chances, min_size=size, max_size=size))).reshape(num_questions, *weights.shape)
    return weights, p_yes, draw(st.integers(1, 3))


def brute(weights: np.ndarray, p_yes: np.ndarray, rounds: int, best_guess: bool, first: int | None = None) -> float:
    """Return the value of the best play by trying everything; or with the most probable word as each guess.

    With `first` it is the best that begins with that question.
    """
    num_types, num_words = weights.shape

    def by_word(history: tuple[tuple[int, bool], ...], word: int) -> float:
        total = 0.0
        for kind in range(num_types):
            chance = weights[kind, word]
            for question, answer in history:
                chance *= p_yes[question, kind, word] if answer else 1 - p_yes[question, kind, word]
            total += chance
        return total

    @cache
    def play(history: tuple[tuple[int, bool], ...], struck: frozenset[int], left: int) -> float:
        if left == 0:
            return 0.0
        asked = {question for question, _ in history}
        fresh = [question for question in range(len(p_yes)) if question not in asked]
        if first is not None and not history:
            fresh = [first]
        if not fresh:
            return after(history, struck, left)
        return max(
            sum(after((*history, (question, answer)), struck, left) for answer in (True, False)) for question in fresh
        )

    def after(history: tuple[tuple[int, bool], ...], struck: frozenset[int], left: int) -> float:
        words = [word for word in range(num_words) if word not in struck]
        held = {word: by_word(history, word) for word in words}
        if not best_guess:
            words = sorted(words, key=lambda word: -held[word])[:1]
        return max((held[word] * (left + 1) + play(history, struck | {word}, left - 1) for word in words), default=0.0)

    return play((), frozenset(), rounds)


@settings(max_examples=60)
@given(instances())
def test_the_solution_is_that_of_brute_force(instance) -> None:
    weights, p_yes, rounds = instance
    solution = solve(weights, p_yes, rounds)
    assert solution.value == pytest.approx(brute(weights, p_yes, rounds, best_guess=True))
    if weights.any():
        begun = brute(weights, p_yes, rounds, best_guess=True, first=solution.question)
        assert begun == pytest.approx(solution.value)


@settings(max_examples=60)
@given(instances(noise=False))
def test_noiseless_positions_are_shared_without_a_difference(instance) -> None:
    weights, p_yes, rounds = instance
    assert solve(weights, p_yes, rounds).value == pytest.approx(brute(weights, p_yes, rounds, best_guess=True))


@settings(max_examples=60)
@given(instance=instances(), seed=st.integers(0, 1000))
def test_at_full_depth_questions_are_worth_what_brute_force_says(instance, seed: int) -> None:
    weights, p_yes, rounds = instance
    # Weights that do not tie, so that there is one most probable word.
    weights = np.random.default_rng(seed).dirichlet(np.ones(weights.size)).reshape(weights.shape)
    values = reward_to_go(weights, p_yes, rounds, depth=rounds, beam=None)
    expected = [brute(weights, p_yes, rounds, best_guess=False, first=question) for question in range(len(p_yes))]
    assert values.max() == pytest.approx(max(expected))
    looked_at = values > values.max() - 1e-9
    np.testing.assert_allclose(values[looked_at], np.array(expected)[looked_at])
    assert (values >= np.array(expected) - 1e-9).all()


@settings(max_examples=100)
@given(instances())
def test_values_fall_with_depth_to_at_most_the_solution_and_from_the_limit(instance) -> None:
    weights, p_yes, rounds = instance
    limit = reward_limit(weights, p_yes, rounds)
    by_depth = [reward_to_go(weights, p_yes, rounds, depth, beam=None) for depth in range(1, rounds + 2)]
    for shallow, deep in pairwise(by_depth):
        assert (deep <= shallow + 1e-9).all()
    assert by_depth[0].max() <= limit + 1e-9
    np.testing.assert_array_equal(by_depth[-1], by_depth[-2])
    assert by_depth[-1].max() <= solve(weights, p_yes, rounds).value + 1e-9
    assert solve(weights, p_yes, rounds).value <= limit + 1e-9


def test_without_noise_the_limit_is_that_of_fewest_rounds() -> None:
    prior = np.random.default_rng(0).dirichlet(np.ones(14))
    p_yes = np.zeros((1, 1, 14))
    # All 14 words can be found in three rounds, and a hit in round r of 3 is worth 5 - r.
    assert reward_limit(prior[None], p_yes, 3) == pytest.approx(5 - fewest_rounds(prior))


def test_answers_that_say_nothing_leave_one_guess_a_round() -> None:
    weights = np.array([[0.4, 0.3, 0.2, 0.1]])
    p_yes = np.full((3, 1, 4), 0.5)
    alone = 0.4 * 4 + 0.3 * 3 + 0.2 * 2
    assert reward_limit(weights, p_yes, 3) == pytest.approx(alone)
    assert solve(weights, p_yes, 3).value == pytest.approx(alone)
    np.testing.assert_allclose(reward_to_go(weights, p_yes, 3, depth=1), alone)


def test_with_every_subset_to_ask_for_the_limit_is_reached() -> None:
    prior = np.random.default_rng(1).dirichlet(np.ones(6))[None]
    subsets = np.array([[(number >> word) & 1 for word in range(6)] for number in range(1, 32)], dtype=float)[:, None]
    assert solve(prior, subsets, 4).value == pytest.approx(6 - fewest_rounds(prior[0]))


def test_late_in_the_game_the_question_that_wins_soonest_is_asked() -> None:
    # One question halves the words by count, the other parts the two likeliest: in the last round only that counts.
    weights = np.array([[0.35, 0.35, 0.06, 0.06, 0.06, 0.06, 0.06]])
    halves = [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    parts = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    p_yes = np.array([halves, parts])[:, None]
    values = reward_to_go(weights, p_yes, 1, depth=1)
    assert values.tolist() == pytest.approx([2 * (0.35 + 0.06), 2 * 0.7])
    assert solve(weights, p_yes, 1).question == 1


def test_types_that_disagree_on_the_answer_share_the_guess() -> None:
    # Half of the partners lie: "yes" then means either word, and the guess cannot follow the answer.
    weights = np.array([[0.25, 0.25], [0.25, 0.25]])
    p_yes = np.array([[[1.0, 0.0], [0.0, 1.0]]])
    assert reward_to_go(weights, p_yes, 1, depth=1)[0] == pytest.approx(2 * 0.5)
    assert solve(weights, p_yes, 2).value == pytest.approx(0.5 * 3 + 0.5 * 2)


def test_a_question_is_not_asked_twice() -> None:
    # A noisy question would be worth asking again; its answer would be the same.
    weights = np.array([[0.3, 0.25, 0.25, 0.2]])
    p_yes = np.array([[[0.8, 0.2, 0.8, 0.2]]])
    assert solve(weights, p_yes, 3).value == pytest.approx(brute(weights, p_yes, 3, best_guess=True))
    once = reward_to_go(weights, p_yes, 3, depth=3)[0]
    twice = reward_to_go(weights, np.repeat(p_yes, 3, axis=0), 3, depth=3).max()
    assert twice > once + 0.01


def test_a_beam_keeps_the_best_and_prefers_none_of_the_rest() -> None:
    rng = np.random.default_rng(4)
    weights = rng.dirichlet(np.ones(40)).reshape(2, 20)
    p_yes = rng.choice([0.05, 0.3, 0.9], size=(12, 2, 20))
    everything = reward_to_go(weights, p_yes, 5, depth=2, beam=None)
    narrow = reward_to_go(weights, p_yes, 5, depth=2, beam=3)
    looked_at = np.argsort(-reward_to_go(weights, p_yes, 5, depth=1), kind="stable")[:3]
    # Those that the bound passed over were not looked at further, so only the best is compared.
    best = looked_at[everything[looked_at].argmax()]
    assert narrow.argmax() == best
    assert narrow[best] == pytest.approx(everything[best])
    assert narrow.max() <= everything.max() + 1e-9


def test_a_position_of_common_size_is_looked_at_fast() -> None:
    rng = np.random.default_rng(5)
    weights = rng.dirichlet(np.full(64, 0.5), size=3) / 3
    p_yes = np.clip(rng.beta(0.4, 0.4, size=(48, 3, 64)), 0.02, 0.98)
    for depth, allowed in ((1, 0.05), (2, 0.2)):
        best = np.inf
        for _ in range(5):
            started = time.perf_counter()
            values = reward_to_go(weights, p_yes, 8, depth)
            best = min(best, time.perf_counter() - started)
        assert values.shape == (48,)
        assert best < allowed


@pytest.mark.parametrize(
    ("weights", "p_yes", "rounds", "message"),
    [
        (np.ones((1, 2)) / 2, np.ones((3, 1, 3)), 1, r"got \(1, 2\) and \(3, 1, 3\)"),
        (np.ones((1, 2)) / 2, np.ones((0, 1, 2)), 1, "expected weights"),
        (np.ones(2) / 2, np.ones((3, 2)), 1, "expected weights"),
        (np.ones((1, 2)), np.ones((3, 1, 2)), 1, "at most 1"),
        (np.array([[-0.1, 0.5]]), np.ones((3, 1, 2)), 1, "at least 0"),
        (np.ones((1, 2)) / 2, np.full((3, 1, 2), 1.1), 1, r"p_yes in \[0, 1\]"),
        (np.ones((1, 2)) / 2, np.ones((3, 1, 2)), 0, "at least 1 round"),
    ],
)
def test_bad_input_is_named(weights, p_yes, rounds: int, message: str) -> None:
    for call in (lambda: reward_to_go(weights, p_yes, rounds, 1), lambda: solve(weights, p_yes, rounds)):
        with pytest.raises(ValueError, match=message):
            call()


def test_depth_and_beam_are_at_least_one() -> None:
    for depth, beam in ((0, 8), (1, 0)):
        with pytest.raises(ValueError, match="depth and a beam"):
            reward_to_go(np.ones((1, 2)) / 2, np.ones((3, 1, 2)), 1, depth, beam=beam)
