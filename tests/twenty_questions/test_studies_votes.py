"""Votes over many pairs, thresholds fitted on other keywords, and the choice of who votes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics

from twenty_questions.studies import combinations
from twenty_questions.studies.combinations import choose_combination
from twenty_questions.studies.thresholds import best_threshold, fit_thresholds, refit
from twenty_questions.studies.votes import Rule, decide, mean_probability, score_of
from twenty_questions.voting import vote_of

# Sixteenths, so that sums of them are exact and ties are real.
p_yes = st.one_of(st.just(float("nan")), st.integers(0, 16).map(lambda number: number / 16))
panels = st.integers(1, 5).flatmap(lambda models: arrays(np.float64, (models, 7), elements=p_yes))
rules = st.sampled_from(["majority", "mean"])
limits = st.sampled_from([0.0, 0.25, 0.5, 0.75])


@settings(deadline=None)
@given(panels, rules, limits)
def test_many_pairs_are_voted_on_as_one_by_one(panel: np.ndarray, rule: Rule, limit: float) -> None:
    one_by_one = [bool(vote_of(list(column), rule=rule, threshold=limit)) for column in panel.T]
    assert decide(panel, limit, rule).tolist() == one_by_one


@settings(deadline=None)
@given(panels, rules, st.randoms(use_true_random=False))
def test_the_order_of_voters_does_not_matter(panel: np.ndarray, rule: Rule, random) -> None:
    order = list(range(len(panel)))
    random.shuffle(order)
    np.testing.assert_array_equal(decide(panel, 0.5, rule), decide(panel[order], 0.5, rule))


@settings(deadline=None)
@given(panels, rules)
def test_yes_and_no_are_alike_but_for_ties(panel: np.ndarray, rule: Rule) -> None:
    said, opposite = decide(panel, 0.5, rule), decide(1 - panel, 0.5, rule)
    assert not (said & opposite).any()
    decided = np.nan_to_num(mean_probability(panel), nan=0.5) != 0.5
    if rule == "mean":
        assert (said ^ opposite)[decided].all()


@settings(deadline=None)
@given(panels, rules)
def test_one_who_abstains_changes_nothing(panel: np.ndarray, rule: Rule) -> None:
    silent = np.vstack([panel, np.full(panel.shape[1], np.nan)])
    np.testing.assert_array_equal(decide(panel, 0.5, rule), decide(silent, 0.5, rule))
    np.testing.assert_array_equal(mean_probability(panel), mean_probability(silent))


@settings(deadline=None)
@given(panels)
def test_a_voice_for_yes_never_turns_a_yes_into_a_no(panel: np.ndarray) -> None:
    louder = panel.copy()
    louder[0] = np.where(np.isnan(panel[0]), np.nan, 1.0)
    assert (decide(louder) >= decide(panel)).all()


def test_thresholds_of_their_own_decide_ties_by_how_far_each_is_past_its_own() -> None:
    panel = np.array([[0.4, 0.4], [0.6, 0.6]])
    assert decide(panel, [0.3, 0.65]).tolist() == [True, True]
    assert decide(panel, [0.35, 0.9]).tolist() == [False, False]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), p_yes), min_size=1, max_size=30),
    st.sampled_from(["accuracy", "balanced_accuracy"]),
)
def test_no_threshold_is_better_than_the_best(drawn, measure) -> None:
    answers, p = np.array([answer for answer, _ in drawn]), np.array([value for _, value in drawn])
    found = best_threshold(answers, p, measure)
    assert 0 <= found <= 1
    if measure == "balanced_accuracy" and (answers.all() or not answers.any()):
        assert found == 0.5
        return

    def worth(limit: float) -> float:
        right = (score_of(p) > limit) == answers
        return right.mean() if measure == "accuracy" else (right[answers].mean() + right[~answers].mean()) / 2

    assert worth(found) == pytest.approx(max(worth(number / 32) for number in range(33)))


def made_up(
    models: int, keywords: int = 40, each: int = 12, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return answers, P(yes) of models that know more and more and lean to either side, and folds by keyword."""
    rng = np.random.default_rng(seed)
    answers = rng.random(keywords * each) < 0.3
    skill = np.linspace(0.2, 1.2, models)[:, None]
    lean = rng.normal(size=(models, 1))
    p = 1 / (1 + np.exp(-(rng.normal(size=(models, len(answers))) + skill * (2 * answers - 1) + lean)))
    p[rng.random(p.shape) < 0.02] = np.nan
    return answers, p, np.repeat(np.arange(keywords) % 5, each)


def test_a_fold_is_decided_without_its_own_answers() -> None:
    answers, p, folds = made_up(3)
    told = refit(answers, p, folds)
    shuffled = answers.copy()
    shuffled[folds == 2] = ~shuffled[folds == 2]
    again = refit(shuffled, p, folds)
    np.testing.assert_array_equal(told.decisions[folds == 2], again.decisions[folds == 2])
    assert (told.decisions[folds != 2] != again.decisions[folds != 2]).any()
    assert told.thresholds == tuple(fit_thresholds(answers, p))


def test_fitted_thresholds_undo_a_lean() -> None:
    answers, p, folds = made_up(4, seed=3)
    leaning = p[-1:] * 0.3
    plain = metrics.balanced_accuracy_score(answers, decide(leaning))
    assert metrics.balanced_accuracy_score(answers, refit(answers, leaning, folds).decisions) > plain + 0.1


@pytest.mark.parametrize("rule", ["majority", "mean"])
@pytest.mark.parametrize("threshold", [0.5, None])
@pytest.mark.parametrize("measure", ["balanced_accuracy", "accuracy", "auc"])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_best_voters_are_those_of_trying_them_all(rule, threshold, measure, size, monkeypatch) -> None:
    answers, p, folds = made_up(5, seed=1)
    monkeypatch.setattr(combinations, "_CHUNK", 3 * size * len(answers))  # a few at a time

    def worth(members: tuple[int, ...], rows: np.ndarray) -> float:
        chosen = p[list(members)][:, rows]
        if measure == "auc":
            return float(metrics.roc_auc_score(answers[rows], score_of(mean_probability(chosen))))
        at = threshold if threshold is not None else fit_thresholds(answers[rows], chosen, rule, measure)
        score = metrics.accuracy_score if measure == "accuracy" else metrics.balanced_accuracy_score
        return float(score(answers[rows], decide(chosen, at, rule)))

    def best(rows: np.ndarray) -> tuple[int, ...]:
        return max(itertools.combinations(range(5), size), key=lambda members: worth(members, rows))

    everything = np.ones(len(answers), dtype=bool)
    found = choose_combination(answers, p, folds, size=size, rule=rule, measure=measure, threshold=threshold)
    assert found.members == best(everything)
    assert found.value == pytest.approx(worth(found.members, everything))
    assert found.by_fold == tuple(best(folds != fold) for fold in range(5))
    for fold, members in enumerate(found.by_fold):
        rows = folds == fold
        chosen = p[list(members)]
        at = threshold if threshold is not None else fit_thresholds(answers[~rows], chosen[:, ~rows], rule, measure)
        np.testing.assert_array_equal(found.decisions[rows], decide(chosen[:, rows], at, rule))
        np.testing.assert_array_equal(found.probabilities[rows], mean_probability(chosen[:, rows]))


def test_figures_of_the_held_out_do_not_flatter_coin_tossers() -> None:
    """Among many who toss coins the best on all pairs looks good; on other keywords the choice is worth nothing."""
    rng = np.random.default_rng(5)
    answers, folds = rng.random(600) < 0.5, np.repeat(np.arange(60) % 5, 10)
    found = choose_combination(answers, rng.random((14, 600)), folds, size=3)
    assert found.value > 0.54
    assert metrics.balanced_accuracy_score(answers, found.decisions) == pytest.approx(0.5, abs=0.04)
    assert found.tried == 364


@pytest.mark.parametrize(("models", "size", "words"), [(3, 4, "1 to 3 voters"), (3, 0, "voters"), (90, 3, "117,480")])
def test_choices_that_cannot_be_made_are_refused(models: int, size: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        choose_combination(np.array([True, False]), np.zeros((models, 2)), np.array([0, 1]), size=size)
