"""The information of all questions at once, against the textbook's loop, closed forms, and symmetries."""

from __future__ import annotations

import importlib.util
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from furikaeri_common.errors import MissingExtraError
from twenty_questions import _numba_kernel, belief, information
from twenty_questions.information import (
    binary_entropy,
    choose,
    expected_posterior_entropy,
    information_gain,
    textbook_posterior_entropy,
)
from twenty_questions.lookahead import entropy_left_after_guess
from twenty_questions.table import UNLABELLED, code_of, probability_of

KERNELS = [
    "numpy",
    pytest.param(
        "numba", marks=pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="the extra `fast`")
    ),
]
compiled = pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="the extra `fast`")


def random_case(num_keywords: int, num_questions: int, seed: int = 0, spread: float = 1.0):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 256, size=(num_keywords, num_questions), dtype=np.uint8)
    codes[:, ::3] = rng.choice(np.array([0, 1, 127, 253, 254, 255], dtype=np.uint8), size=codes[:, ::3].shape)
    p = rng.exponential(size=num_keywords) ** spread
    return codes, p / p.sum()


@st.composite
def cases(draw):
    """Draw a small table of codes, a posterior with zeros, and noise of either form."""
    num_keywords, num_questions = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    cells = st.one_of(st.integers(0, 255), st.sampled_from([0, 127, 254, 255]))
    row = st.lists(cells, min_size=num_questions, max_size=num_questions)
    codes = np.array(draw(st.lists(row, min_size=num_keywords, max_size=num_keywords)), dtype=np.uint8)
    weights = np.array(draw(st.lists(st.integers(0, 1000), min_size=num_keywords, max_size=num_keywords)), dtype=float)
    weights[draw(st.integers(0, num_keywords - 1))] += 1
    rates = st.floats(0, 0.5)
    noise = draw(st.one_of(rates, st.lists(rates, min_size=num_questions, max_size=num_questions).map(np.array)))
    return codes, weights / weights.sum(), noise


@pytest.mark.parametrize("kernel", KERNELS)
def test_golden(kernel) -> None:
    codes = np.array([[254, 0, 127, 255, 200], [0, 0, 10, 255, 100], [30, 254, 254, 60, 255]], dtype=np.uint8)
    posterior = np.array([0.5, 0.3, 0.2])
    left = expected_posterior_entropy(codes, posterior, noise=[0, 0, 0.05, 0.1, 0.25], kernel=kernel)
    golden = [0.60908947, 0.7816625178, 1.1756017672, 1.4642742245, 1.4620347809]
    np.testing.assert_allclose(left, golden, atol=1e-6)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("num_questions", [1, 2, 63, 64, 65, 130, 2113])
@pytest.mark.parametrize("noise", [0.0, 0.05, 0.5])
def test_it_is_the_textbooks(kernel, num_questions: int, noise: float) -> None:
    codes, posterior = random_case(37, num_questions, seed=num_questions)
    left = expected_posterior_entropy(codes, posterior, noise=noise, kernel=kernel)
    assert left.dtype == np.float64
    np.testing.assert_allclose(left, textbook_posterior_entropy(codes, posterior, noise=noise), atol=1e-6)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(
    "noise",
    [
        np.repeat([0.05, 0.25], [131, 69]),
        np.repeat([0.05, 0.25, 0.05], [64, 3, 133]),
        np.tile([0.0, 0.1], 100),
        np.linspace(0, 0.5, 200),
    ],
    ids=["two runs", "an island", "alternating", "all different"],
)
def test_noise_may_differ_by_question(kernel, noise) -> None:
    codes, posterior = random_case(50, 200)
    left = expected_posterior_entropy(codes, posterior, noise=noise, kernel=kernel)
    np.testing.assert_allclose(left, textbook_posterior_entropy(codes, posterior, noise=noise), atol=1e-6)


@pytest.mark.parametrize("kernel", KERNELS)
@settings(deadline=None)
@given(cases())
def test_any_case_is_the_textbooks(kernel, case) -> None:
    codes, posterior, noise = case
    left = expected_posterior_entropy(codes, posterior, noise=noise, kernel=kernel)
    np.testing.assert_allclose(left, textbook_posterior_entropy(codes, posterior, noise=noise), atol=1e-6)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("code", [0, 1, 60, 127, 254, 255])
@pytest.mark.parametrize("num_keywords", [3000, 35_000])
def test_rounding_cannot_pile_up(kernel, code: int, num_keywords: int) -> None:
    """Equal terms round alike, so their errors add; where everyone says no, h is steepest."""
    codes = np.full((num_keywords, 65), code, dtype=np.uint8)
    posterior = np.full(num_keywords, 1 / num_keywords)
    assert information_gain(codes, posterior, kernel=kernel).max() < 5e-7
    codes[0] = 254 - min(code, 254)
    expected = math.log2(num_keywords) - textbook_posterior_entropy(codes[:, :1], posterior)
    np.testing.assert_allclose(information_gain(codes, posterior, kernel=kernel), expected.repeat(65), atol=5e-7)


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_concentrated_posterior_gives_the_same_cheaper(kernel) -> None:
    codes, posterior = random_case(5000, 70, spread=40)
    held = information._rows_that_matter(posterior, information.NEGLIGIBLE_BITS, 0.0)
    assert held.size < 2500
    left = expected_posterior_entropy(codes, posterior, kernel=kernel)
    np.testing.assert_allclose(left, textbook_posterior_entropy(codes, posterior), atol=1e-6)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("bits", [1e-9, 1e-3, 0.5])
@pytest.mark.parametrize("noise", [0.0, 0.05, 0.5])
def test_what_is_passed_over_moves_no_score_too_far(kernel, bits: float, noise: float) -> None:
    """The worst case: what is left out is as different from the rest as can be."""
    codes = np.zeros((1001, 64), dtype=np.uint8)
    codes[1:, :32] = 254
    posterior = np.full(1001, bits / 10 / 1000)
    posterior[0] = 1 - posterior[1:].sum()
    exact = information_gain(codes, posterior, noise=noise, negligible_bits=0, kernel=kernel)
    near = information_gain(codes, posterior, noise=noise, negligible_bits=bits, kernel=kernel)
    assert information._rows_that_matter(posterior, bits, noise).size == 1
    assert near.max() < 1e-7
    assert exact.max() <= bits + 1e-7
    if not noise:
        assert exact.max() >= 0.5 * bits - 1e-7


@given(cases(), st.floats(0, 1))
def test_leaving_out_more_saves_rows_and_stays_within_the_bound(case, bits: float) -> None:
    codes, posterior, noise = case
    exact = information_gain(codes, posterior, noise=noise, negligible_bits=0)
    near = information_gain(codes, posterior, noise=noise, negligible_bits=bits)
    assert np.abs(near - exact).max() <= bits + 1e-6
    held = information._rows_that_matter(posterior, bits, 0.0)
    assert posterior.argmax() in held
    assert np.delete(posterior, held).sum() <= bits


@pytest.mark.parametrize("kernel", KERNELS)
@settings(deadline=None)
@given(case=cases(), data=st.data())
def test_symmetries(kernel, case, data) -> None:
    codes, posterior, noise = case
    told = information_gain(codes, posterior, noise=noise, kernel=kernel)
    bound = min(1, belief.entropy_bits(posterior))
    assert ((told >= 0) & (told <= bound)).all()
    rows = np.array(data.draw(st.permutations(range(codes.shape[0]))))
    np.testing.assert_allclose(
        information_gain(codes[rows], posterior[rows], noise=noise, kernel=kernel), told, 0, 1e-6
    )
    columns = np.array(data.draw(st.permutations(range(codes.shape[1]))))
    moved = noise[columns] if np.ndim(noise) else noise
    permuted = information_gain(np.ascontiguousarray(codes[:, columns]), posterior, noise=moved, kernel=kernel)
    np.testing.assert_allclose(permuted, told[columns], 0, 1e-6)
    # Asking the opposite tells as much; so does the same question of a keyword written twice.
    opposite = np.where(codes == UNLABELLED, codes, 254 - codes)
    np.testing.assert_allclose(information_gain(opposite, posterior, noise=noise, kernel=kernel), told, 0, 1e-6)
    doubled = information_gain(np.repeat(codes, 2, axis=0), np.repeat(posterior / 2, 2), noise=noise, kernel=kernel)
    np.testing.assert_allclose(np.minimum(doubled, bound), told, 0, 1e-6)


@pytest.mark.parametrize("kernel", KERNELS)
def test_closed_forms(kernel) -> None:
    num_questions = 70
    halves = np.repeat(np.array([[0], [254]], dtype=np.uint8), num_questions, axis=1)
    for noise in (0.0, 0.05, 0.3):
        heard = noise + (1 - 2 * noise) / 510
        told = information_gain(halves, np.array([0.5, 0.5]), noise=noise, kernel=kernel)
        np.testing.assert_allclose(told, 1 - binary_entropy(heard), atol=1e-6)
        tilted = information_gain(halves, np.array([0.9, 0.1]), noise=noise, kernel=kernel)
        mean = 0.9 * heard + 0.1 * (1 - heard)
        np.testing.assert_allclose(tilted, binary_entropy(mean) - binary_entropy(heard), atol=1e-6)


@pytest.mark.parametrize("kernel", KERNELS)
def test_what_says_nothing_tells_nothing(kernel) -> None:
    codes, posterior = random_case(300, 100)
    unlabelled = np.full_like(codes, UNLABELLED)
    assert information_gain(unlabelled, posterior, kernel=kernel).max() < 1e-7
    assert information_gain(codes, posterior, noise=0.5, kernel=kernel).max() < 1e-7
    certain = np.zeros(300)
    certain[17] = 1
    assert information_gain(codes, certain, kernel=kernel).max() == 0
    half = codes.copy()
    half[half == UNLABELLED] = 127
    np.testing.assert_array_equal(
        information_gain(half, posterior, kernel=kernel), information_gain(codes, posterior, kernel=kernel)
    )


@compiled
@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10**6), st.floats(0, 4), st.sampled_from([0.0, 0.05, 0.25]))
def test_the_kernels_choose_alike(seed: int, spread: float, noise: float) -> None:
    codes, posterior = random_case(40, 150, seed, spread)
    by_kernel = [
        expected_posterior_entropy(codes, posterior, noise=noise, kernel=kernel) for kernel in ("numpy", "numba")
    ]
    np.testing.assert_allclose(*by_kernel, atol=1e-6)
    chosen = [choose(scores, np.random.default_rng(seed), tolerance=0.01) for scores in by_kernel]
    assert chosen[0] == chosen[1]


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_run_and_number_of_threads_gives_the_same_bits(kernel) -> None:
    codes, posterior = random_case(9000, 200)
    noise = np.repeat([0.05, 0.25], [150, 50])
    first = information_gain(codes, posterior, noise=noise, kernel=kernel, threads=1)
    for threads in (1, 2, 3, 16, None):
        again = information_gain(codes, posterior, noise=noise, kernel=kernel, threads=threads)
        np.testing.assert_array_equal(again, first)


@compiled
def test_wide_look_ups_and_single_ones_agree() -> None:
    codes, p = random_case(130, 2300)
    entropies = binary_entropy(probability_of(np.arange(256))).astype(np.float32)[None]
    rows, classes = np.arange(130), np.zeros(2300, dtype=np.intp)
    single, wide = (_numba_kernel.numba_sums(codes, entropies, classes, wide=wide)(rows, p) for wide in (False, True))
    for sums, expected in zip(single, (p @ entropies[0][codes], p @ np.where(codes == 255, 127.0, codes)), strict=True):
        np.testing.assert_allclose(sums, expected, rtol=1e-6)
    np.testing.assert_allclose(wide[0], single[0], rtol=1e-6)
    np.testing.assert_allclose(wide[1], single[1], rtol=1e-9)


@compiled
def test_the_kernel_does_without_a_place_to_keep_its_machine_code(monkeypatch) -> None:
    import numba

    compile_now = numba.njit

    def nowhere_to_write(cache: bool = False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return compile_now(**options)

    monkeypatch.setattr(numba, "njit", nowhere_to_write)
    intrinsic = _numba_kernel._sum_64_columns
    kernel = _numba_kernel._compiled.__wrapped__()
    monkeypatch.setattr(_numba_kernel, "_sum_64_columns", intrinsic)
    assert kernel.py_func is _numba_kernel._add_sums


def test_read_only_and_strided_tables_are_read(tmp_path) -> None:
    codes, posterior = random_case(20, 200)
    expected = information_gain(codes, posterior)
    codes.tofile(tmp_path / "codes")
    mapped = np.memmap(tmp_path / "codes", dtype=np.uint8, mode="r", shape=codes.shape)
    np.testing.assert_array_equal(information_gain(mapped, posterior), expected)
    np.testing.assert_array_equal(information_gain(np.asfortranarray(codes), posterior), expected)
    if importlib.util.find_spec("numba"):
        compiled_once = information_gain(codes, posterior, kernel="numba")
        for same in (mapped, np.asfortranarray(codes)):
            np.testing.assert_array_equal(information_gain(same, posterior, kernel="numba"), compiled_once)


def test_auto_takes_the_compiled_kernel_for_large_tables_only(monkeypatch) -> None:
    made = []
    monkeypatch.setattr(
        _numba_kernel, "numba_sums", lambda *given: made.append("numba") or information.numpy_sums(*given, num_rows=8)
    )
    codes, posterior = random_case(8, 8)
    expected = information_gain(codes, posterior, kernel="numpy")
    np.testing.assert_array_equal(information_gain(codes, posterior), expected)
    assert made == []
    monkeypatch.setattr(information, "COMPILED_FROM", 64)
    np.testing.assert_array_equal(information_gain(codes, posterior), expected)
    assert made == (["numba"] if importlib.util.find_spec("numba") else [])


def test_without_numba(monkeypatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(information, "COMPILED_FROM", 0)
    codes, posterior = random_case(8, 8)
    np.testing.assert_array_equal(
        information_gain(codes, posterior), information_gain(codes, posterior, kernel="numpy")
    )
    with pytest.raises(MissingExtraError, match=r"furikaeri-twenty-questions\[fast\]"):
        information_gain(codes, posterior, kernel="numba")


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"codes": np.zeros((2, 3))}, TypeError, "uint8"),
        ({"codes": np.zeros(3, np.uint8)}, ValueError, r"codes \(K, Q\)"),
        ({"posterior": np.ones(3) / 3}, ValueError, r"codes \(K, Q\)"),
        ({"posterior": np.array([0.5, 0.4])}, ValueError, "sum to 1"),
        ({"posterior": np.array([1.5, -0.5])}, ValueError, "non-negative"),
        ({"noise": 0.6}, ValueError, r"\[0, 1/2\]"),
        ({"noise": -0.1}, ValueError, r"\[0, 1/2\]"),
        ({"noise": math.nan}, ValueError, r"\[0, 1/2\]"),
        ({"noise": np.zeros(2)}, ValueError, "one number or of shape"),
        ({"negligible_bits": -1.0}, ValueError, "negligible_bits"),
        ({"kernel": "fortran"}, ValueError, "auto, numpy, numba"),
    ],
)
def test_bad_input_is_named(changes, error, message: str) -> None:
    arguments = {"codes": np.zeros((2, 3), np.uint8), "posterior": np.array([0.5, 0.5])} | changes
    with pytest.raises(error, match=message):
        information_gain(arguments.pop("codes"), arguments.pop("posterior"), **arguments)


def test_no_question_tells_nothing() -> None:
    assert information_gain(np.zeros((2, 0), np.uint8), np.array([0.5, 0.5])).shape == (0,)


def test_binary_entropy() -> None:
    np.testing.assert_allclose(binary_entropy([0, 0.5, 1]), [0, 1, 0])
    assert binary_entropy(0.11) == pytest.approx(0.499916, abs=1e-6)


def test_choose_takes_the_smallest() -> None:
    rng = np.random.default_rng(0)
    assert choose(np.array([3.0, 1.0, 2.0, np.inf]), rng) == 1
    assert rng.random() == np.random.default_rng(0).random(), "no tie, so nothing is drawn"


def test_choose_breaks_near_ties_evenly_and_by_the_seed() -> None:
    scores = np.array([1.005, 1.0, 1.0100001, 1.02, np.inf])
    picks = [choose(scores, np.random.default_rng(seed), tolerance=0.01) for seed in range(400)]
    assert picks == [choose(scores, np.random.default_rng(seed), tolerance=0.01) for seed in range(400)]
    assert set(picks) == {0, 1}
    assert 150 < picks.count(0) < 250


def test_rounding_always_ties() -> None:
    scores = np.array([1.0, 1.0 - 5e-7, 1.1])
    assert {choose(scores, np.random.default_rng(seed)) for seed in range(20)} == {0, 1}


@pytest.mark.parametrize("scores", [[np.inf, np.inf], [np.nan, 1.0]])
def test_choose_needs_something_to_choose(scores) -> None:
    with pytest.raises(ValueError, match="finite score"):
        choose(np.array(scores), np.random.default_rng(0))


def test_choose_needs_a_tolerance() -> None:
    with pytest.raises(ValueError, match="tolerance"):
        choose(np.array([1.0]), np.random.default_rng(0), tolerance=-1)


@given(cases())
def test_what_a_guess_leaves_is_the_entropy_without_it(case) -> None:
    codes, posterior, noise = case
    p_yes = belief.through_noise(probability_of(codes), noise)
    expected = np.zeros(codes.shape[1])
    for question in range(codes.shape[1]):
        for likelihood in (p_yes[:, question], 1 - p_yes[:, question]):
            joint = posterior * likelihood
            missed = np.delete(joint, joint.argmax())
            if missed.sum() > 0:
                expected[question] += missed.sum() * belief.entropy_bits(missed / missed.sum())
    left = entropy_left_after_guess(codes, posterior, noise=noise)
    np.testing.assert_allclose(left, expected, atol=1e-9)
    assert (left <= textbook_posterior_entropy(codes, posterior, noise=noise) + 1e-9).all()


def test_a_guess_of_two_leaves_nothing() -> None:
    codes = code_of([[1.0, 0.5], [0.0, 0.5]])
    np.testing.assert_allclose(entropy_left_after_guess(codes, np.array([0.5, 0.5])), 0, atol=1e-12)


def test_what_a_guess_leaves_of_equals() -> None:
    # Of 2 n keywords in halves, each answer leaves n, and each guess n - 1 with chance 1 - 1/n.
    codes = np.repeat(np.array([[0], [254]], dtype=np.uint8), 8, axis=0)
    left = entropy_left_after_guess(codes, np.full(16, 1 / 16), noise=0.0)
    assert left[0] == pytest.approx(7 / 8 * math.log2(7), abs=0.05)
    nothing = entropy_left_after_guess(codes, np.full(16, 1 / 16), noise=0.5)
    assert nothing[0] == pytest.approx(15 / 16 * math.log2(15))
