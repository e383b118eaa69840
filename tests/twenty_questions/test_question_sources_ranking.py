"""Ranking: against the exact information of all answers together, and what repeats, noise and budgets do."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twenty_questions.belief import entropy_bits, through_noise
from twenty_questions.information import information_gain
from twenty_questions.question_sources.ranking import rank_questions, shared_share
from twenty_questions.table import builtin_table, code_of, probability_of


def exact_bits(codes: np.ndarray, prior: np.ndarray, chosen: Sequence[int], noise: float = 0.0) -> float:
    """I(K; A_S) by the definition: a posterior for each of the 2^|S| vectors of answers."""
    left = 0.0
    p_yes = through_noise(probability_of(codes[:, list(chosen)]), noise)
    for answers in itertools.product((False, True), repeat=len(chosen)):
        joint = prior * np.where(answers, p_yes, 1 - p_yes).prod(axis=1)
        left += joint.sum() * entropy_bits(joint / joint.sum())
    return entropy_bits(prior) - left


def exact_greedy(codes: np.ndarray, prior: np.ndarray, budget: int) -> list[int]:
    chosen: list[int] = []
    while len(chosen) < budget:
        others = [column for column in range(codes.shape[1]) if column not in chosen]
        chosen.append(max(others, key=lambda column: exact_bits(codes, prior, [*chosen, column])))
    return chosen


def small(seed: int, num_keywords: int = 9, num_questions: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    codes = code_of(rng.beta(0.4, 0.4, size=(num_keywords, num_questions)))
    prior = rng.exponential(size=num_keywords) + 0.05
    return codes, prior / prior.sum()


@pytest.mark.parametrize("seed", range(4))
def test_bits_are_those_of_the_exact_joint(seed: int) -> None:
    codes, prior = small(seed)
    ranking = rank_questions(codes, prior, budget=5, seed=seed, histories=8000, same_share=1.0)
    chosen = [step.column for step in ranking.steps]
    for number, step in enumerate(ranking.steps, start=1):
        exact = exact_bits(codes, prior, chosen[:number])
        before = exact_bits(codes, prior, chosen[: number - 1]) if number > 1 else 0.0
        assert step.bits == pytest.approx(exact, abs=max(1e-6, 5 * step.error))
        assert step.gain == pytest.approx(exact - before, abs=0.03)
    assert ranking.entropy == entropy_bits(prior)


@pytest.mark.parametrize("seed", range(4))
def test_the_choice_is_as_good_as_exact_greedy(seed: int) -> None:
    codes, prior = small(seed)
    ranking = rank_questions(codes, prior, budget=4, seed=1, histories=8000, same_share=1.0)
    found = exact_bits(codes, prior, [step.column for step in ranking.steps])
    assert found == pytest.approx(exact_bits(codes, prior, exact_greedy(codes, prior, 4)), abs=0.02)
    best = max(exact_bits(codes, prior, some) for some in itertools.combinations(range(6), 4))
    assert found >= (1 - 1 / np.e) * best


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 0.4))
def test_the_first_gain_is_the_expected_information(seed: int, noise: float) -> None:
    codes, prior = small(seed, 12, 5)
    (step,) = rank_questions(codes, prior, budget=1, seed=seed, noise=noise, histories=4, same_share=1.0).steps
    gains = information_gain(codes, prior, noise=noise)
    assert step.gain == pytest.approx(gains.max(), abs=1e-5)
    assert gains[step.column] == pytest.approx(gains.max(), abs=1e-5)


def test_noise_may_differ_by_question() -> None:
    codes = code_of(np.array([[1.0, 1.0], [0.0, 0.0], [1.0, 1.0], [0.0, 0.0]]))
    prior = np.full(4, 0.25)
    for rates, first in (([0.2, 0.1], 1), ([0.1, 0.2], 0)):
        (step,) = rank_questions(codes, prior, budget=1, seed=0, noise=rates, histories=8).steps
        assert step.column == first
        assert step.gain == pytest.approx(1 - 0.469, abs=0.01)


@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize("opposite", [False, True])
def test_a_question_in_other_words_adds_nothing(noise: float, opposite: bool) -> None:
    rng = np.random.default_rng(5)
    p_yes = rng.choice([0.03, 0.97], size=(64, 8))
    prior = np.full(64, 1 / 64)
    again = np.clip(p_yes + rng.normal(0, 0.01, p_yes.shape), 0, 1)
    codes = code_of(np.hstack([p_yes, 1 - again if opposite else again]))
    ranking = rank_questions(codes, prior, budget=16, seed=0, noise=noise, histories=512)
    assert sorted(step.column % 8 for step in ranking.steps) == list(range(8))
    assert {(one % 8, other % 8) for one, other in ranking.repeats.items()} == {(column, column) for column in range(8)}


def test_exact_duplicates_are_worth_nothing_even_without_that_rule() -> None:
    rng = np.random.default_rng(6)
    half = code_of(rng.choice([0.0, 1.0], size=(64, 3)))
    codes = np.hstack([half, half])
    ranking = rank_questions(
        codes, np.full(64, 1 / 64), budget=6, seed=0, histories=2000, same_share=1.0, columns=[0, 1, 2]
    )
    assert len(ranking.steps) == 3
    loose = rank_questions(np.hstack([half, half ^ 1]), np.full(64, 1 / 64), budget=6, seed=0, histories=2000)
    assert sum(step.gain for step in loose.steps) == pytest.approx(sum(step.gain for step in ranking.steps), abs=0.1)


def test_shared_share_is_the_mutual_information_of_the_likeliest_answers() -> None:
    rng = np.random.default_rng(2)
    codes = rng.integers(0, 256, size=(40, 6), dtype=np.uint8)
    codes[:, 1] = 254 - np.minimum(codes[:, 0], 254)
    codes[:, 2] = 0
    prior = rng.dirichlet(np.ones(40))
    shares = shared_share(codes, prior, 0)
    yes = probability_of(codes) > 0.5

    def entropy(*columns: int) -> float:
        masses: dict[tuple[bool, ...], float] = {}
        for row, mass in zip(yes[:, list(columns)].tolist(), prior, strict=True):
            masses[tuple(row)] = masses.get(tuple(row), 0.0) + mass
        return entropy_bits(list(masses.values()))

    for column in (3, 4, 5):
        shared = entropy(0) + entropy(column) - entropy(0, column)
        assert shares[column] == pytest.approx(shared / max(entropy(0), entropy(column)), abs=1e-9)
    assert shares[0] == pytest.approx(1)
    assert shares[2] == 0


def test_gains_fall_and_bits_stay_below_what_there_is() -> None:
    table = builtin_table()
    ranking = rank_questions(np.asarray(table.codes[::8]), prior_of(table.prior[::8]), budget=25, seed=0, histories=128)
    gains = [step.gain for step in ranking.steps]
    assert all(later <= earlier + 0.05 for earlier, later in itertools.pairwise(gains))
    bits = [step.bits for step in ranking.steps]
    assert all(earlier <= later + 0.1 for earlier, later in itertools.pairwise(bits))
    assert 0.9 * ranking.entropy < bits[-1] <= ranking.entropy


def prior_of(weights: np.ndarray) -> np.ndarray:
    return np.asarray(weights / weights.sum())


def test_a_seed_gives_the_same_ranking_and_another_may_not() -> None:
    codes, prior = small(1, 60, 20)
    first, again, other = (rank_questions(codes, prior, budget=12, seed=seed, histories=16) for seed in (3, 3, 4))
    assert first == again
    assert first.steps != other.steps


def test_it_stops_where_little_is_added_and_tells_each_step() -> None:
    codes, prior = small(1, 60, 20)
    told: list[object] = []
    whole = rank_questions(codes, prior, budget=20, seed=0, histories=64, on_step=told.append)
    assert told == whole.steps
    assert len(whole.steps) == 20
    some = rank_questions(codes, prior, budget=20, seed=0, histories=64, least_gain=0.3)
    assert some.steps == whole.steps[: len(some.steps)]
    assert 0 < len(some.steps) < 20
    assert whole.steps[len(some.steps)].gain < 0.3


def test_only_the_columns_that_may_be_are_chosen() -> None:
    codes, prior = small(1, 60, 20)
    ranking = rank_questions(codes, prior, budget=9, seed=0, histories=16, columns=[17, 4, 9], same_share=1.0)
    assert sorted(step.column for step in ranking.steps) == [4, 9, 17]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"budget": 0}, "budget >= 1"),
        ({"histories": 1}, "histories >= 2"),
        ({"noise": 0.5}, "noise in"),
        ({"noise": [0.1, 0.1]}, "one number or of shape"),
        ({"least_gain": -1}, "least_gain"),
        ({"same_share": 0}, "same_share"),
        ({"prior": np.ones(3)}, "expected codes"),
    ],
)
def test_numbers_out_of_range_are_refused(arguments: dict[str, object], words: str) -> None:
    codes, prior = small(0)
    given_ones: dict[str, object] = {"prior": prior, "budget": 1, "seed": 0, **arguments}
    with pytest.raises(ValueError, match=words):
        rank_questions(codes, **given_ones)  # type: ignore[arg-type]
