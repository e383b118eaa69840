"""The metric and its companions, against reference values, closed forms, scikit-learn and slow obvious versions."""

from __future__ import annotations

import doctest
import itertools
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from isic_lesion import auc, number_needed_to_treat, partial_auc, se_top_k
from isic_lesion.metrics import ordering as metrics

GBDT_FOLDS = (0.16132415030332778, 0.1635478552512124, 0.17584563167278894, 0.14345394165161734, 0.15062410797375386)
GBDT_POOLED = 0.15728814069104202
MLP_POOLED = 0.13040845071835797


class Case(NamedTuple):
    """A few lesions with many ties."""

    target: np.ndarray
    score: np.ndarray
    weights: np.ndarray


@st.composite
def cases(draw: st.DrawFn) -> Case:
    row = st.tuples(st.integers(0, 1), st.integers(-3, 3), st.integers(0, 3))
    rows = [(1, draw(st.integers(-3, 3)), 1), (0, draw(st.integers(-3, 3)), 2), *draw(st.lists(row, max_size=25))]
    target, score, weights = np.array(draw(st.permutations(rows))).T
    return Case(target, score, weights)


MIN_TPR = st.sampled_from([0.0, 0.25, 0.5, 0.8, 0.9])
SENSITIVITY = st.sampled_from([0.01, 0.25, 0.5, 0.8, 0.9, 1.0])


def roc_points(case: Case) -> list[tuple[Fraction, Fraction]]:
    """(TPR, FPR) at every threshold, from flagging nothing to flagging all."""
    positives = int(case.weights[case.target == 1].sum())
    negatives = int(case.weights[case.target == 0].sum())
    points = [(Fraction(0), Fraction(0))]
    for threshold in sorted(set(case.score.tolist()), reverse=True):
        flagged = case.weights * (case.score >= threshold)
        found, wrongly = int(flagged[case.target == 1].sum()), int(flagged[case.target == 0].sum())
        points.append((Fraction(found, positives), Fraction(wrongly, negatives)))
    return points


def exact_partial_auc(case: Case, min_tpr: float) -> Fraction:
    """Trapezium by trapezium along the curve, in exact fractions."""
    area, cut = Fraction(0), Fraction(min_tpr)
    for (tpr_0, fpr_0), (tpr_1, fpr_1) in itertools.pairwise(roc_points(case)):
        if tpr_1 <= cut or tpr_0 == tpr_1:
            continue
        start = max(tpr_0, cut)
        fpr_start = fpr_0 + (fpr_1 - fpr_0) * (start - tpr_0) / (tpr_1 - tpr_0)
        area += (tpr_1 - start) * (1 - (fpr_start + fpr_1) / 2)
    return area


def slow_number_needed(case: Case, sensitivity: float) -> Fraction:
    positives = int(case.weights[case.target == 1].sum())
    for threshold in sorted(set(case.score.tolist()), reverse=True):
        flagged = case.weights * (case.score >= threshold)
        found = int(flagged[case.target == 1].sum())
        if found / positives >= sensitivity:
            return Fraction(int(flagged.sum()), found)
    raise AssertionError("flagging every lesion finds all")


def slow_se_top_k(rows: Sequence[tuple[int, int, str]], k: int) -> Fraction:
    """The mean over every order that the rows may have before a stable sort by score."""
    shares = []
    for order in itertools.permutations(rows):
        found = 0
        for name in {patient for _, _, patient in order}:
            theirs = sorted((row for row in order if row[2] == name), key=lambda row: -row[1])
            found += sum(target for target, _, _ in theirs[:k])
        shares.append(Fraction(found, sum(target for target, _, _ in order)))
    return sum(shares, Fraction(0)) / len(shares)


def with_scikit_learn(target: np.ndarray, score: np.ndarray, weights: np.ndarray | None = None) -> float:
    area = roc_auc_score(1 - target, -score, max_fpr=0.2, sample_weight=weights)
    return float(0.02 + 0.36 * (area - 0.5))


def many(seed: int = 0, *, size: int = 2000, malignant: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    target = np.zeros(size, dtype=np.int64)
    target[rng.choice(size, malignant, replace=False)] = 1
    return target, rng.normal(size=size) + 1.5 * target


@pytest.fixture(scope="module")
def out_of_fold(real_data: Path) -> dict[str, list[pl.DataFrame]]:
    folder = real_data / "isic" / "oof"
    if not folder.is_dir():
        pytest.skip(f"no real out-of-fold scores: {folder} is not a folder")
    return {
        model: [pl.read_csv(folder / f"{model}_fold{fold}.csv.gz") for fold in range(1, 6)] for model in ("gbdt", "mlp")
    }


def test_real_scores_give_the_reference_values(out_of_fold) -> None:
    measured = [partial_auc(fold["labels"], fold["preds"]) for fold in out_of_fold["gbdt"]]
    assert measured == pytest.approx(GBDT_FOLDS, rel=0, abs=1e-12)
    for model, reference in (("gbdt", GBDT_POOLED), ("mlp", MLP_POOLED)):
        pooled = pl.concat(out_of_fold[model])
        assert len(pooled) == 401_059
        assert partial_auc(pooled["labels"], pooled["preds"]) == pytest.approx(reference, rel=0, abs=1e-12)


def test_real_scores_agree_with_scikit_learn(out_of_fold) -> None:
    for fold in (out_of_fold["gbdt"][0], out_of_fold["mlp"][0]):
        target, score = fold["labels"].to_numpy(), fold["preds"].to_numpy()
        assert partial_auc(target, score) == pytest.approx(with_scikit_learn(target, score), rel=0, abs=1e-12)
        assert auc(target, score) == pytest.approx(roc_auc_score(target, score), rel=0, abs=1e-12)


@pytest.mark.parametrize(
    ("target", "score", "expected"),
    [
        pytest.param([0, 0, 1, 1], [1, 2, 3, 4], 0.2, id="perfect"),
        pytest.param([0, 0, 1, 1], [5, 5, 5, 5], 0.02, id="all tied"),
        pytest.param([1, 1, 0, 0], [1, 2, 3, 4], 0.0, id="reversed"),
        pytest.param([1, 0], [-np.inf, np.inf], 0.0, id="infinities"),
        # One malignant lesion, tied with one of two benign: FPR falls on the line from (0, 0) to (1, 1/2).
        pytest.param([1, 0, 0], [2, 2, 1], 0.2 * (1 - 0.45), id="one tie"),
        # Five malignant: the last step, from TPR 0.8 to 1, passes half the benign.
        pytest.param([1, 1, 1, 1, 0, 1, 0], [7, 6, 5, 4, 3, 2, 1], 0.1, id="whole step"),
        # Three: the step from 2/3 to 1 is cut at 0.8.
        pytest.param([1, 1, 0, 1, 0, 0, 0], [7, 6, 5, 4, 3, 2, 1], 0.2 * 0.75, id="cut step"),
        # The last step, a tie of one and one, is cut: FPR goes from 0.3 at TPR 0.8 to 0.5 at 1.
        pytest.param([1, 1, 0, 0], [2, 1, 1, 0], 0.2 * (1 - 0.4), id="cut tie"),
    ],
)
def test_partial_auc_by_hand(target: list[int], score: list[float], expected: float) -> None:
    assert partial_auc(target, score) == pytest.approx(expected, rel=0, abs=1e-15)


@pytest.mark.parametrize("malignant", [5, 20, 400])
def test_random_scores_on_average(malignant: int) -> None:
    """Of P malignant lesions the i-th has i / (P + 1) of the benign before it on average; the last fifth is counted."""
    fifth = malignant // 5
    expected = fifth * (fifth + 1) / (2 * malignant * (malignant + 1))
    rng = np.random.default_rng(malignant)
    target = np.arange(4 * malignant) < malignant
    measured = [partial_auc(target, rng.random(len(target))) for _ in range(400)]
    error = np.std(measured) / np.sqrt(len(measured))
    assert error < expected / 10
    assert np.mean(measured) == pytest.approx(expected, abs=4 * error)
    assert expected == pytest.approx(0.02, abs=0.1 / malignant)


def test_auc_by_hand() -> None:
    assert auc([1, 0, 1, 0], [4, 3, 2, 1]) == pytest.approx(3 / 4)
    assert auc([1, 0, 0], [1, 1, 0]) == pytest.approx(3 / 4)
    assert auc([0, 1], [3, 3]) == 0.5


def test_number_needed_to_treat_by_hand() -> None:
    target = [1, 1, 1, 1, 0, 1, 0, 0]
    score = [9, 8, 7, 6, 5, 4, 4, 1]
    assert number_needed_to_treat(target, score, sensitivity=0.8) == 1.0
    assert number_needed_to_treat(target, score, sensitivity=0.9) == 7 / 5
    assert number_needed_to_treat(target, score, sensitivity=1) == 7 / 5
    assert number_needed_to_treat([1, 0, 0, 0], [2, 2, 2, 2], sensitivity=0.1) == 4


@pytest.mark.parametrize("count", [1, 3, 7, 10, 49, 393])
def test_sensitivity_reached_exactly_is_enough(count: int) -> None:
    target = np.append(np.ones(count), 0)
    score = -np.arange(count + 1.0)
    score[-1] = 1.5 - count  # between the last two malignant lesions, so only sensitivity 1 flags the benign one
    for weights in (None, np.full(count + 1, 0.1)):
        for found in range(1, count):
            assert number_needed_to_treat(target, score, sensitivity=found / count, weights=weights) == 1.0
        last = number_needed_to_treat(target, score, sensitivity=1, weights=weights)
        assert last == pytest.approx((count + 1) / count)


def test_se_top_k_by_hand() -> None:
    target = [1, 0, 0, 1, 1, 0]
    score = [0.1, 0.9, 0.8, 0.7, 0.2, 0.3]
    patient = ["a", "a", "a", "b", "b", "b"]
    assert [se_top_k(target, score, patient, k=k) for k in (1, 2, 3)] == [1 / 3, 1 / 3, 1]
    assert se_top_k(target, score, patient) == 1
    # Three lesions tie for the second place: each counts a third.
    assert se_top_k([1, 0, 0, 0], [1, 1, 1, 2], [7, 7, 7, 7], k=2) == pytest.approx(1 / 3)
    assert se_top_k([1, 1], [0, 0], ["a", "a"], k=1) == 0.5


def test_the_examples_of_the_docstrings() -> None:
    results = doctest.testmod(metrics)
    assert results.attempted >= 3
    assert results.failed == 0


@given(case=cases(), min_tpr=MIN_TPR)
def test_partial_auc_is_the_area_under_the_drawn_curve(case: Case, min_tpr: float) -> None:
    exact = float(exact_partial_auc(case, min_tpr))
    assert partial_auc(case.target, case.score, min_tpr=min_tpr, weights=case.weights) == pytest.approx(
        exact, abs=1e-14
    )


@given(case=cases())
def test_partial_auc_is_scikit_learns_standardised_area(case: Case) -> None:
    expected = with_scikit_learn(case.target, case.score, case.weights)
    assert partial_auc(case.target, case.score, weights=case.weights) == pytest.approx(expected, abs=1e-12)


@given(case=cases())
def test_auc_is_the_share_of_ordered_pairs(case: Case) -> None:
    malignant, benign = case.score[case.target == 1], case.score[case.target == 0]
    wins = np.sign(malignant[:, None] - benign[None, :])
    assert auc(case.target, case.score) == pytest.approx((wins.mean() + 1) / 2, abs=1e-14)


@given(case=cases(), sensitivity=SENSITIVITY)
def test_number_needed_tries_every_threshold(case: Case, sensitivity: float) -> None:
    measured = number_needed_to_treat(case.target, case.score, sensitivity=sensitivity, weights=case.weights)
    assert measured == pytest.approx(float(slow_number_needed(case, sensitivity)))


@given(
    rows=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2), st.sampled_from("ab")), max_size=4),
    k=st.integers(1, 4),
)
def test_se_top_k_is_the_mean_over_orders_of_the_tied(rows: list[tuple[int, int, str]], k: int) -> None:
    rows = [*rows, (1, 1, "a")]
    target, score, patient = zip(*rows, strict=True)
    assert se_top_k(target, score, patient, k=k) == pytest.approx(float(slow_se_top_k(rows, k)), abs=1e-14)


@given(case=cases(), min_tpr=MIN_TPR)
def test_only_the_order_of_the_scores_matters(case: Case, min_tpr: float) -> None:
    patient = np.arange(len(case.target)) % 3
    for transform in (lambda s: 2.5 * s - 4, np.exp, np.arctan, lambda s: s.astype(np.float32), lambda s: s**3):
        changed = transform(case.score)
        assert partial_auc(case.target, changed, min_tpr=min_tpr) == partial_auc(
            case.target, case.score, min_tpr=min_tpr
        )
        assert se_top_k(case.target, changed, patient, k=2) == se_top_k(case.target, case.score, patient, k=2)


@given(case=cases(), min_tpr=MIN_TPR, sensitivity=SENSITIVITY)
def test_weights_repeat_and_zero_masks(case: Case, min_tpr: float, sensitivity: float) -> None:
    target, score = np.repeat(case.target, case.weights), np.repeat(case.score, case.weights)
    repeated = partial_auc(target, score, min_tpr=min_tpr)
    scaled = case.weights * 0.3
    assert partial_auc(case.target, case.score, min_tpr=min_tpr, weights=scaled) == pytest.approx(repeated, abs=1e-13)
    needed = number_needed_to_treat(target, score, sensitivity=sensitivity)
    assert number_needed_to_treat(case.target, case.score, sensitivity=sensitivity, weights=scaled) == pytest.approx(
        needed
    )
    mask = case.weights > 0
    masked = partial_auc(case.target, case.score, min_tpr=min_tpr, weights=mask)
    subset = partial_auc(case.target[mask], case.score[mask], min_tpr=min_tpr)
    assert masked == pytest.approx(subset, abs=1e-14)


@given(case=cases(), seed=st.integers(0, 99))
def test_the_order_of_the_rows_is_nothing(case: Case, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(case.target))
    patient = np.arange(len(case.target)) % 4
    target, score = case.target[order], case.score[order]
    assert partial_auc(target, score) == partial_auc(case.target, case.score)
    assert se_top_k(target, score, patient[order], k=2) == pytest.approx(
        se_top_k(case.target, case.score, patient, k=2), abs=1e-14
    )


@given(case=cases(), min_tpr=MIN_TPR)
def test_reversing_the_scores_turns_the_curve_round(case: Case, min_tpr: float) -> None:
    """The area where TPR >= m is, on the reversed scores, 1 - m less the area where TPR <= 1 - m."""
    target, score = case.target, case.score
    assert auc(target, -score) == pytest.approx(1 - auc(target, score), abs=1e-14)
    upper = partial_auc(target, -score, min_tpr=1 - min_tpr) if min_tpr > 0 else 0.0
    low = auc(target, -score) - upper
    assert partial_auc(target, score, min_tpr=min_tpr) == pytest.approx(1 - min_tpr - low, abs=1e-14)


@given(case=cases(), min_tpr=MIN_TPR)
def test_ranges(case: Case, min_tpr: float) -> None:
    assert -1e-15 <= partial_auc(case.target, case.score, min_tpr=min_tpr) <= 1 - min_tpr + 1e-15
    assert 1 <= number_needed_to_treat(case.target, case.score, sensitivity=0.8) <= len(case.target)


def test_every_real_dtype() -> None:
    target, score = many()
    expected = with_scikit_learn(target, score)
    assert partial_auc(target, score) == pytest.approx(expected, abs=1e-12)
    ranks = score.argsort().argsort()
    for dtype in (np.int16, np.uint32, np.int64, np.float32, np.float64):
        assert partial_auc(target.astype(bool), ranks.astype(dtype)) == partial_auc(target, score)
    assert partial_auc(target.tolist(), score.tolist()) == partial_auc(target.astype(np.uint8), score)
    assert partial_auc(target, ranks + 2**62) == partial_auc(target, score)


def test_inputs_are_left_as_they_were() -> None:
    target, score = many()
    weights = np.linspace(0, 1, len(target))
    arrays = (target, score, weights)
    for array in arrays:
        array.flags.writeable = False
    copies = [array.copy() for array in arrays]
    partial_auc(target, score, weights=weights)
    number_needed_to_treat(target, score, sensitivity=0.9, weights=weights)
    se_top_k(target, score, np.arange(len(target)) % 7)
    for array, copy in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_patients_may_be_text_numbers_or_objects() -> None:
    target, score = many()
    numbers = np.arange(len(target)) % 30
    names = np.char.add("IP_", numbers.astype(str))
    expected = se_top_k(target, score, numbers, k=5)
    assert 0 < expected < 1
    for patient in (names, names.astype(object), names.tolist(), pl.Series(names), numbers.astype(np.uint8)):
        assert se_top_k(target, score, patient, k=5) == expected


@pytest.mark.parametrize(
    "measure", [partial_auc, auc, lambda *a, **k: number_needed_to_treat(*a, sensitivity=0.8, **k)]
)
@pytest.mark.parametrize(
    ("target", "score", "weights", "error", "message"),
    [
        (["0", "1"], [1, 2], None, TypeError, "expected target of a real dtype, got <U1"),
        ([0, 1], ["1", "2"], None, TypeError, "expected score of a real dtype, got <U1"),
        ([0, 1], [1j, 2], None, TypeError, "expected score of a real dtype, got complex128"),
        ([0, 1], [None, 2], None, TypeError, "expected score of a real dtype, got object"),
        ([0, 1], [1, 2], ["1", "1"], TypeError, "expected weights of a real dtype, got <U1"),
        ([[0, 1]], [1, 2], None, ValueError, r"expected target of shape \(N,\), got \(1, 2\)"),
        (1, 2, None, ValueError, r"expected target of shape \(N,\), got \(\)"),
        ([0, 1], [1, 2, 3], None, ValueError, r"expected score of target's shape \(2,\), got \(3,\)"),
        ([0, 1], [1, 2], [1], ValueError, r"expected weights of target's shape \(2,\), got \(1,\)"),
        ([0, 1, 2], [1, 2, 3], None, ValueError, "expected target of 0 and 1, got 2 at position 2"),
        ([0, 0.5], [1, 2], None, ValueError, "expected target of 0 and 1, got 0.5 at position 1"),
        ([np.nan, 1], [1, 2], None, ValueError, "expected target without NaN, got nan at position 0"),
        ([0, 1], [1, np.nan], None, ValueError, "expected score without NaN, got nan at position 1"),
        ([0, 1], [1, 2], [1, -1], ValueError, "expected finite weights of at least 0, got -1.0 at position 1"),
        ([0, 1], [1, 2], [np.inf, 1], ValueError, "expected finite weights of at least 0, got inf at position 0"),
        ([0, 1], [1, 2], [1, np.nan], ValueError, "expected weights without NaN, got nan at position 1"),
        ([0, 0], [1, 2], None, ValueError, r"expected at least one malignant lesion \(target 1\), got none"),
        ([1, 1], [1, 2], None, ValueError, r"expected at least one benign lesion \(target 0\), got none"),
        ([0, 1], [1, 2], [1, 0], ValueError, "expected at least one malignant lesion"),
        ([0, 1], [1, 2], [0, 1], ValueError, "expected at least one benign lesion"),
        ([], [], None, ValueError, "expected at least one malignant lesion"),
    ],
)
def test_unusable_lesions(measure, target, score, weights, error, message) -> None:
    with pytest.raises(error, match=message):
        measure(target, score, weights=weights)


@pytest.mark.parametrize("value", [-0.1, 1.0, 1.5, float("nan")])
def test_min_tpr_out_of_range(value: float) -> None:
    with pytest.raises(ValueError, match=r"expected min_tpr in \[0, 1\), got"):
        partial_auc([0, 1], [0, 1], min_tpr=value)


@pytest.mark.parametrize("value", [0.0, 1.1, float("nan")])
def test_sensitivity_out_of_range(value: float) -> None:
    with pytest.raises(ValueError, match=r"expected sensitivity in \(0, 1\], got"):
        number_needed_to_treat([0, 1], [0, 1], sensitivity=value)


@pytest.mark.parametrize(
    ("patient", "k", "error", "message"),
    [
        (["a", "b"], 0, ValueError, "expected k of at least 1, got 0"),
        (["a"], 1, ValueError, r"expected patient of target's shape \(2,\), got \(1,\)"),
        ([["a", "b"]], 1, ValueError, r"expected patient of shape \(N,\), got \(1, 2\)"),
        ([1.0, np.nan], 1, TypeError, "expected patient as text or whole numbers, got 1.0"),
        (["a", None], 1, TypeError, "expected patient as text or whole numbers, got None"),
    ],
)
def test_unusable_patients(patient, k, error, message) -> None:
    with pytest.raises(error, match=message):
        se_top_k([0, 1], [0, 1], patient, k=k)


def test_se_top_k_needs_a_malignant_lesion_and_no_benign_one() -> None:
    assert se_top_k([1], [0.5], ["a"]) == 1
    with pytest.raises(ValueError, match="expected at least one malignant lesion"):
        se_top_k([0], [0.5], ["a"])
    with pytest.raises(ValueError, match="expected score without NaN"):
        se_top_k([1], [np.nan], ["a"])


def test_a_weight_that_vanishes_in_rounding_changes_nothing() -> None:
    assert partial_auc([1, 1, 0], [0.9, 0.1, 0.5], weights=[1, 1e-20, 1]) == pytest.approx(0.2)
