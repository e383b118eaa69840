"""Weights of models: the best that a fine grid finds, the same every time, and no worse than what is simple."""

from __future__ import annotations

import builtins
import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from furikaeri_common.errors import MissingExtraError
from isic_lesion.metrics.ordering import partial_auc
from isic_lesion.stack.blending import _area, choose_weights
from isic_lesion.stack.ranks import rank_shares


def models(seed: int, num: int = 3, rows: int = 2000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return shares of models of different worth whose errors are partly shared, the classes, and folds."""
    rng = np.random.default_rng(seed)
    malignant = rng.random(rows) < 0.1
    common = rng.normal(size=rows)
    worth = np.linspace(0.3, 1.6, num)[:, None]
    scores = worth * malignant + 0.6 * common + rng.normal(size=(num, rows)) * rng.uniform(0.5, 1, (num, 1))
    return np.array([rank_shares(model) for model in scores]), malignant, rng.integers(0, 5, rows)


def simplex(num: int, steps: int) -> Iterator[np.ndarray]:
    for parts in itertools.product(range(steps + 1), repeat=num):
        if sum(parts) == steps:
            yield np.array(parts) / steps


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 40), st.booleans())
def test_the_quick_area_is_the_metric(seed: int, malignant: int, benign: int, tied: bool) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=malignant + benign)
    scores = scores.round(0 if tied else 9)
    target = np.arange(malignant + benign) < malignant
    assert _area(scores[target], scores[~target]) == pytest.approx(partial_auc(target, scores), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("objective", ["pooled", "mean"])
def test_as_good_as_a_fine_grid(seed: int, objective: str) -> None:
    shares, malignant, fold = models(seed)

    def judge(weights: np.ndarray) -> float:
        if objective == "pooled":
            return partial_auc(malignant, weights @ shares)
        return float(np.mean([partial_auc(malignant[fold == k], weights @ shares[:, fold == k]) for k in range(5)]))

    found = choose_weights(shares, malignant, fold, objective=objective, least_weight=0.0)
    assert judge(found) >= max(judge(weights) for weights in simplex(3, 20)) - 1e-4


def test_never_worse_than_the_models_or_their_mean() -> None:
    for seed in range(4):
        shares, malignant, fold = models(seed, num=6)
        weights = choose_weights(shares, malignant, fold, trials=30, least_weight=0.0)
        found = partial_auc(malignant, weights @ shares)
        assert found >= max(partial_auc(malignant, values) for values in [*shares, shares.mean(axis=0)]) - 1e-12


def test_the_same_every_time_and_small_weights_are_none() -> None:
    shares, malignant, fold = models(7, num=5)
    first, second = (choose_weights(shares, malignant, fold, seed=3) for _ in range(2))
    assert (first == second).all()
    assert first.sum() == pytest.approx(1)
    assert ((first == 0) | (first >= 0.02)).all()
    assert np.count_nonzero(choose_weights(shares, malignant, fold, least_weight=0.99)) == 1


def test_one_model_one_trial() -> None:
    shares, malignant, fold = models(0)
    assert choose_weights(shares[:1], malignant, fold).tolist() == [1.0]
    assert choose_weights(shares, malignant, fold, trials=1).tolist() == pytest.approx([1 / 3] * 3)


def test_folds_that_lack_a_class_do_not_count_for_the_mean() -> None:
    shares, malignant, fold = models(1)
    fold = np.where(malignant & (fold == 4), 3, fold)
    choose_weights(shares, malignant, fold, objective="mean", trials=10)
    with pytest.raises(ValueError, match="got one class"):
        choose_weights(shares, malignant, malignant.astype(int), objective="mean")
    with pytest.raises(ValueError, match="got one class"):
        choose_weights(shares, np.zeros_like(malignant), fold)


def test_arguments_out_of_range() -> None:
    shares, malignant, fold = models(0, rows=50)
    with pytest.raises(ValueError, match=r"expected shares \(models, N\)"):
        choose_weights(shares[:, 1:], malignant, fold)
    with pytest.raises(ValueError, match=r"expected shares \(models, N\)"):
        choose_weights(shares[:0], malignant, fold)
    with pytest.raises(ValueError, match="trials"):
        choose_weights(shares, malignant, fold, trials=0)
    with pytest.raises(ValueError, match="least_weight"):
        choose_weights(shares, malignant, fold, least_weight=1.0)


def test_without_optuna_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    known = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name == "optuna":
            raise ImportError(name)
        return known(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"furikaeri-isic-lesion\[table\]"):
        choose_weights(*models(0))


def test_optuna_stays_as_it_was() -> None:
    import optuna

    before = optuna.logging.get_verbosity()
    choose_weights(*models(0), trials=5)
    assert optuna.logging.get_verbosity() == before
