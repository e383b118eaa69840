"""Games say which questions to doubt and which cells to move, as the exact posterior does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from scipy.special import betaln, roots_jacobi

from twenty_questions.belief import Answer
from twenty_questions.learning import Lesson, learn
from twenty_questions.questions import Question, letter
from twenty_questions.reliability import Heard, cell_strength, heard_in, question_errors, relearn
from twenty_questions.table import UNLABELLED, AnswerTable, code_of, probability_of
from twenty_questions.words import Keyword

NOISE = 0.1
PRIOR_ANSWERS = 6.0
NAMES = tuple(f"thing {letter * 3}" for letter in "abcdefghijklmnopqrst")
KEYS = ("alive", "tool", "barks", "round", "starts:t")
QUESTIONS = (*(Question(key, f"Is it {key}?") for key in KEYS[:4]), letter("starts", "t"))


@pytest.fixture(scope="module")
def table() -> AnswerTable:
    rng = np.random.default_rng(0)
    codes = code_of(rng.choice([0.03, 0.97, 0.5, 0.998], size=(len(NAMES), len(KEYS))))
    codes[0, 3] = codes[1, 3] = UNLABELLED
    return AnswerTable(tuple(map(Keyword, NAMES)), QUESTIONS, codes, np.full(len(NAMES), 1 / len(NAMES)))


def answers_of(table: AnswerTable, row: int, keys: tuple[str, ...], *, opposite: bool = False) -> dict[str, Answer]:
    columns = [KEYS.index(key) for key in keys]
    says_yes = (probability_of(table.codes[row, columns]) > 0.5) != opposite
    return {key: "yes" if yes else "no" for key, yes in zip(keys, says_yes, strict=True)}


def evidence(cells: list[tuple[float, float, float]], strength: float, noise: float, power: int = 0) -> float:
    """E[r^power prod_k L_k(r)] by adaptive integration; the prior's pole is integrated as a weight of its own."""
    a, b = PRIOR_ANSWERS * noise, PRIOR_ANSWERS * (1 - noise)

    def rest(r: float) -> float:
        total = 0.0
        for p, yes, no in cells:
            m = r + (1 - 2 * r) * p
            total += betaln(strength * m + yes, strength * (1 - m) + no) - betaln(strength * m, strength * (1 - m))
        return float(np.exp(total)) * r**power

    value, _ = integrate.quad(rest, 0, 1, weight="alg", wvar=(a - 1, b - 1), epsabs=1e-14, epsrel=1e-10)
    return float(value / np.exp(betaln(a, b)))


def heard_about(cells: list[tuple[int, float, float]]) -> Heard:
    """What was heard about cells of the first question, (code, yes, no) each."""
    codes, yes, no = np.array(cells, dtype=np.float64).T
    return Heard(np.zeros(len(cells), dtype=np.intp), codes.astype(np.uint8), yes, no, np.ones(len(cells)))


halves = st.integers(0, 8).map(lambda number: number / 2)
some_cells = st.lists(st.tuples(st.integers(0, 254), halves, halves), min_size=1, max_size=6)


@given(some_cells, st.floats(0.1, 50), st.floats(0.02, 0.45))
@settings(max_examples=30, deadline=None)
def test_a_question_errs_as_often_as_the_exact_posterior_says(
    cells: list[tuple[int, float, float]], strength: float, noise: float
) -> None:
    exact = [(float(probability_of(code)), yes, no) for code, yes, no in cells]
    expected = evidence(exact, strength, noise, 1) / evidence(exact, strength, noise)
    found = question_errors(heard_about(cells), 2, strength=strength, noise=noise)
    np.testing.assert_allclose(found, [expected, noise], rtol=1e-5, atol=1e-9)


def test_the_strength_is_the_most_probable_one() -> None:
    grid = 3.0 * 2.0 ** (np.arange(-10, 11) / 2)
    for cells in ([(7, 3.0, 0.0), (247, 0.0, 4.0), (7, 0.0, 3.0)], [(7, 1.0, 2.0), (247, 2.0, 2.0), (127, 2.5, 2.0)]):
        exact = [(float(probability_of(code)), yes, no) for code, yes, no in cells]
        scores = [np.log(evidence(exact, s, NOISE)) + stats.norm.logpdf(np.log(s), np.log(3.0)) for s in grid]
        found = cell_strength(heard_about(cells), noise=NOISE)
        assert found == pytest.approx(grid[int(np.argmax(scores))])
        assert 0.1 < found < 96


def test_cells_that_are_wrong_are_weak_and_noisy_answers_make_them_strong() -> None:
    rng = np.random.default_rng(1)
    wrong = rng.random(200) < 0.1
    always = [(7, 6.0 * flag, 6.0 * (not flag)) for flag in wrong]
    noisy = [(7, float(yes), 6.0 - yes) for yes in rng.binomial(6, 0.13, size=200)]
    assert cell_strength(heard_about(always), noise=NOISE) < 0.5
    assert cell_strength(heard_about(noisy), noise=NOISE) > 20


@pytest.mark.parametrize("games", [90, 3000])
def test_the_error_of_a_question_that_many_games_asked_is_how_often_it_erred(games: int) -> None:
    """With sure cells told once each, m is r or 1 - r, and the posterior that of a Beta prior and a coin."""
    cells = [(0, 1.0, 0.0)] * (games // 3) + [(0, 0.0, 1.0)] * (games - games // 3)
    p = float(probability_of(0))
    seen = (1 / 3 - p) / (1 - 2 * p)
    found = question_errors(heard_about(cells), 1, noise=NOISE)[0]
    assert found == pytest.approx((PRIOR_ANSWERS * NOISE + games * seen) / (PRIOR_ANSWERS + games), abs=3e-4)


def test_games_about_one_thing_doubt_a_question_less_than_games_about_many(table: AnswerTable) -> None:
    column = KEYS.index("barks")
    rows = np.flatnonzero(np.abs(probability_of(table.codes[:, column]) - 0.5) > 0.4)[:6]
    many = [Lesson(NAMES[row], answers=answers_of(table, row, ("barks",), opposite=True)) for row in rows]
    one = [many[0]] * len(many)
    errors = [question_errors(heard_in(table, lessons), len(KEYS), noise=NOISE)[column] for lessons in (one, many)]
    first = question_errors(heard_in(table, one[:1]), len(KEYS), noise=NOISE)[column]
    assert NOISE < first < errors[0] < errors[1] - 0.2


def test_a_question_answered_always_against_the_table_is_turned_round() -> None:
    names = [f"thing {number}" for number in range(200)]
    codes = np.where(np.random.default_rng(2).random((200, 2)) < 0.5, 7, 247).astype(np.uint8)
    table = AnswerTable(tuple(map(Keyword, names)), QUESTIONS[:2], codes, np.full(200, 1 / 200))
    lessons = [
        Lesson(names[row], answers={"tool": "no" if codes[row, 1] == 247 else "yes", "alive": "unknown"})
        for row in range(190)
    ]
    after = probability_of(relearn(table, lessons, noise=NOISE).codes)
    np.testing.assert_allclose(after[190:, 1], 1 - probability_of(codes[190:, 1]), atol=0.06)
    np.testing.assert_allclose(after[:190, 1], 1 - probability_of(codes[:190, 1]), atol=0.06)
    np.testing.assert_array_equal(after[:, 0], probability_of(codes[:, 0]))


def test_a_question_that_was_always_right_stays_bit_for_bit(table: AnswerTable) -> None:
    lessons = [Lesson(NAMES[row], answers=answers_of(table, row, ("tool",))) for row in range(15)]
    after = relearn(table, lessons, noise=NOISE)
    np.testing.assert_array_equal(after.codes[15:], table.codes[15:])
    told = probability_of(after.codes)[:15, 1], probability_of(table.codes)[:15, 1]
    sure = np.abs(told[1] - 0.5) > 0.4
    np.testing.assert_allclose(told[0][sure], told[1][sure], atol=0.04)
    assert ((told[0] > 0.5) == (told[1] > 0.5))[sure].all()


def test_what_was_not_taught_keeps_its_bits(table: AnswerTable) -> None:
    lessons = [Lesson(NAMES[2], answers=answers_of(table, 2, ("tool", "barks"), opposite=True))]
    after = relearn(table, lessons, noise=NOISE)
    np.testing.assert_array_equal(after.codes[:, [0, 3, 4]], table.codes[:, [0, 3, 4]])
    assert (after.codes[:, 1] != table.codes[:, 1]).any()
    unlabelled = [Lesson(NAMES[row], answers={"round": "yes"}) for row in range(2, 20)]
    after = relearn(table, unlabelled, noise=NOISE)
    assert (after.codes[:2, 3] == UNLABELLED).all()
    assert (after.codes[2:, 3] != table.codes[2:, 3]).any()


def test_without_lessons_about_meaning_the_table_is_what_learn_makes_of_it(table: AnswerTable) -> None:
    assert relearn(table, []) is table
    said = [Lesson(NAMES[0], answers={"starts:t": "no", "no such question": "yes", "tool": "unknown"})]
    np.testing.assert_array_equal(relearn(table, said).codes, table.codes)
    assert heard_in(table, said).columns.size == 0
    assert cell_strength(heard_in(table, said)) == pytest.approx(3.0)
    new = relearn(table, [Lesson("moon", ("luna",), {"alive": "no", "tool": "no"})], noise=NOISE)
    assert new.keywords[-1] == Keyword("moon", ("luna",))
    np.testing.assert_array_equal(new.codes[:-1], table.codes)


def test_a_taught_cell_is_the_posterior_mean_without_the_noise(table: AnswerTable) -> None:
    column = KEYS.index("alive")
    row = int(np.flatnonzero(table.codes[:, column] == code_of(0.03))[0])
    lessons = [Lesson(NAMES[row], answers={"alive": answer}) for answer in ("yes", "yes", "probably")]
    heard = heard_in(table, lessons)
    strength = cell_strength(heard, noise=NOISE)
    p = float(probability_of(table.codes[row, column]))
    cells = [(p, 2.5, 0.0)]
    r = evidence(cells, strength, NOISE, 1) / evidence(cells, strength, NOISE)
    theta = (strength * (r + (1 - 2 * r) * p) + 2.5) / (strength + 2.5)
    after = float(probability_of(relearn(table, lessons, noise=NOISE).codes[row, column]))
    assert NOISE + (1 - 2 * NOISE) * after == pytest.approx(min(theta, 1 - NOISE), abs=1 / 200)


any_answer = st.sampled_from(["yes", "probably", "unknown", "probably not", "no"])
any_lesson = st.builds(
    lambda name, answers: Lesson(name, (), answers),
    st.sampled_from((*NAMES[:6], "moon")),
    st.dictionaries(st.sampled_from(KEYS[:4]), any_answer, max_size=4),
)


@given(st.lists(any_lesson, min_size=1, max_size=8), st.randoms(use_true_random=False), st.floats(0, 0.4))
@settings(max_examples=15, deadline=None)
def test_the_order_of_lessons_does_not_matter(table: AnswerTable, lessons: list[Lesson], rng, noise: float) -> None:
    shuffled = rng.sample(lessons, len(lessons))
    one, other = relearn(table, lessons, noise=noise), relearn(table, shuffled, noise=noise)
    assert one.keywords == other.keywords
    np.testing.assert_array_equal(one.codes[: len(NAMES)], other.codes[: len(NAMES)])
    np.testing.assert_allclose(one.prior, other.prior)
    # A new thing's row takes after likely things, reckoned in floats in the order of the answers.
    assert np.abs(one.codes[len(NAMES) :].astype(int) - other.codes[len(NAMES) :]).max(initial=0) <= 1


@given(st.lists(any_lesson, min_size=1, max_size=8))
@settings(max_examples=15, deadline=None)
def test_turning_answers_and_table_round_turns_the_outcome_round(table: AnswerTable, lessons: list[Lesson]) -> None:
    opposite = {"yes": "no", "no": "yes", "probably": "probably not", "probably not": "probably", "unknown": "unknown"}
    turned = [Lesson(one.name, (), {key: opposite[said] for key, said in one.answers.items()}) for one in lessons]
    codes = np.where(table.codes == UNLABELLED, UNLABELLED, 254 - table.codes).astype(np.uint8)
    mirror = AnswerTable(table.keywords, table.questions, codes, table.prior)
    first, second = heard_in(table, lessons), heard_in(mirror, turned)
    np.testing.assert_allclose(
        question_errors(first, 5, noise=NOISE), question_errors(second, 5, noise=NOISE), rtol=1e-9
    )
    assert cell_strength(first, noise=NOISE) == cell_strength(second, noise=NOISE)


def test_a_noise_that_leaves_nothing_to_learn_is_refused(table: AnswerTable) -> None:
    for noise in (0.5, -0.1):
        with pytest.raises(ValueError, match=r"expected a noise in \[0, 1/2\)"):
            relearn(table, [], noise=noise)
        with pytest.raises(ValueError, match=r"expected a noise in \[0, 1/2\)"):
            learn(table, [], noise=noise)


def test_rates_are_those_of_gauss_jacobi_quadrature() -> None:
    from twenty_questions import reliability

    for noise in (0.0, 0.05, 0.1, 1 / 3, 0.4, 0.49):
        rates, shares = reliability._prior(noise)
        a = PRIOR_ANSWERS * max(noise, 1e-3)
        nodes, weights = roots_jacobi(rates.size, PRIOR_ANSWERS - a - 1, a - 1)
        np.testing.assert_allclose(rates, (nodes + 1) / 2, atol=1e-12)
        np.testing.assert_allclose(shares, weights / weights.sum(), atol=1e-8)
