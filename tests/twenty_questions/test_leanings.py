"""Leanings: found where they are put in, drawn in where little is known, and of use on other keywords."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize

from furikaeri_common.errors import InputError
from twenty_questions.labelling.leaning_files import corrected, read_leanings, write_leanings
from twenty_questions.labelling.leanings import Leanings, fit_leanings, without_leanings
from twenty_questions.labelling.yes_no import log_odds


def drawn(pairs: int, questions: int, *, slope: float, spread: float, seed: int) -> tuple[Any, Any, list[str], Any]:
    """What a model says, what is true, the questions, and their leanings, by the model's own formula."""
    rng = np.random.default_rng(seed)
    own = rng.normal(0, spread, questions)
    of = rng.integers(questions, size=pairs)
    odds = rng.normal(0, 1.5, pairs)
    truth = rng.random(pairs) < 1 / (1 + np.exp(-(slope * odds + own[of])))
    return 1 / (1 + np.exp(-odds)), truth, [f"q{number}?" for number in of], own


def test_what_was_put_in_is_found() -> None:
    p_yes, truth, questions, own = drawn(40_000, 20, slope=2.0, spread=1.2, seed=3)
    found = fit_leanings(p_yes, truth, questions)
    assert found.slope == pytest.approx(2.0, abs=0.1)
    assert found.spread == pytest.approx(1.2, abs=0.4)
    estimated = [found.questions[f"q{number}?"] for number in range(20)]
    np.testing.assert_allclose(np.subtract(estimated, np.mean(estimated)), own - own.mean(), atol=0.25)


def test_the_mode_is_the_one_that_a_general_optimiser_finds() -> None:
    p_yes, truth, questions, _ = drawn(300, 6, slope=1.5, spread=1.0, seed=5)
    found = fit_leanings(p_yes, truth, questions)
    texts = sorted(set(questions))
    of = np.asarray([texts.index(question) for question in questions])
    weight = np.where(truth, 0.5 / truth.mean(), 0.5 / (1 - truth.mean()))

    def loss(theta: NDArray[np.float64]) -> float:
        odds = theta[0] * log_odds(p_yes) + theta[1] + theta[2:][of]
        fit = (weight * np.logaddexp(0, np.where(truth, -odds, odds))).sum()
        return float(
            fit + (theta[0] - 1) ** 2 / 2 + theta[1] ** 2 / 18 + (theta[2:] ** 2).sum() / (2 * found.spread**2)
        )

    best = minimize(loss, np.zeros(2 + len(texts)), method="BFGS", options={"gtol": 1e-8}).x
    own = [found.questions[text] for text in texts]
    # The spread that is told is one step past the one that the mode was found for, once it has settled.
    np.testing.assert_allclose([found.slope, found.intercept, *own], best, atol=5e-3)


def test_corrected_answers_rank_better_on_other_keywords() -> None:
    p_yes, truth, questions, _ = drawn(4000, 40, slope=1.0, spread=2.0, seed=7)
    learned = fit_leanings(p_yes[:2000], truth[:2000], questions[:2000])
    after = without_leanings(learned, p_yes[2000:], questions[2000:])
    right_before = ((p_yes[2000:] > 0.5) == truth[2000:]).mean()
    right_after = ((after > 0.5) == truth[2000:]).mean()
    assert right_after > right_before + 0.05


def test_a_question_with_one_answer_is_trusted_less_than_one_with_many() -> None:
    p_yes, truth, questions, _ = drawn(2000, 10, slope=1.0, spread=1.0, seed=9)
    rare = fit_leanings([*p_yes, 0.5], [*truth, True], [*questions, "rare?"])
    often = fit_leanings([*p_yes, *[0.5] * 50], [*truth, *[True] * 50], [*questions, *["rare?"] * 50])
    assert 0 < rare.questions["rare?"] < often.questions["rare?"]


def test_an_unknown_question_has_a_map_of_its_own() -> None:
    learned = Leanings(
        slope=1.0, intercept=0.0, spread=2.0, other_slope=0.5, other_middle=1.0, questions={"known?": 0.0}
    )
    known, unknown = without_leanings(learned, [0.9, 0.9], ["known?", "new?"])
    assert known == pytest.approx(0.9)
    assert log_odds(unknown) == pytest.approx(0.5 * (log_odds(0.9) - 1))
    assert np.isnan(without_leanings(learned, [np.nan], ["known?"]))
    table = without_leanings(learned, [[0.1, 0.9], [0.5, 0.5]], ["known?", "new?"])
    assert table.shape == (2, 2)


def test_unknown_questions_are_cut_where_the_balanced_accuracy_is_best() -> None:
    p_yes, truth, questions, _ = drawn(3000, 30, slope=1.0, spread=1.0, seed=11)
    learned = fit_leanings(p_yes, truth, questions)
    said = without_leanings(learned, p_yes, ["new?"] * len(p_yes))

    def balanced(cut: float) -> float:
        return float(((p_yes > cut)[truth].mean() + (p_yes <= cut)[~truth].mean()) / 2)

    found = ((said > 0.5)[truth].mean() + (said <= 0.5)[~truth].mean()) / 2
    assert found == pytest.approx(max(balanced(cut) for cut in p_yes), abs=1e-9)


def test_what_cannot_teach_is_refused() -> None:
    with pytest.raises(ValueError, match="both answers"):
        fit_leanings([0.1, 0.2], [True, True], ["a", "b"])
    with pytest.raises(ValueError, match="as many"):
        fit_leanings([0.1], [True, False], ["a", "b"])
    with pytest.raises(ValueError, match="spread > 0"):
        Leanings(slope=1.0, intercept=0.0, spread=0.0, other_slope=1.0, other_middle=0.0, questions={})


def test_separated_answers_have_a_finite_fit() -> None:
    found = fit_leanings([0.999999] * 20 + [1e-6] * 20, [True] * 20 + [False] * 20, ["a?", "b?"] * 20)
    assert np.isfinite([found.slope, found.intercept, found.spread, *found.questions.values()]).all()


class Sayer:
    """Says what it was told to."""

    name = "sayer"
    usage = "42 tokens"

    def __init__(self, **identity: Any) -> None:
        self.identity: Mapping[str, Any] = {"weights": "w", "device": "cpu", **identity}

    def label(self, keywords: Sequence[str], questions: Sequence[str]) -> NDArray[np.float32]:
        return np.full((len(keywords), len(questions)), 0.9, dtype=np.float32)


def test_a_file_corrects_the_model_that_it_was_learned_for(tmp_path: Path) -> None:
    learned = Leanings(slope=2.0, intercept=-1.0, spread=1.0, other_slope=1.0, other_middle=0.0, questions={"a?": -3.0})
    file = tmp_path / "leanings.json"
    write_leanings(file, {"sayer": (Sayer().identity, learned)})
    assert read_leanings(file)["sayer"][1] == learned
    labeller = corrected(Sayer(device="cuda"), file)
    expected = without_leanings(learned, [[0.9]], ["a?"])
    np.testing.assert_allclose(labeller.label(["x"], ["a?"]), expected, rtol=1e-5)
    assert labeller.identity != Sayer().identity
    assert (labeller.name, labeller.usage) == ("sayer", "42 tokens")
    with pytest.raises(InputError, match="asked otherwise \\(weights\\)"):
        corrected(Sayer(weights="other"), file)
    write_leanings(file, {"org/sayer": (Sayer().identity, learned)})  # the same weights under another name
    np.testing.assert_allclose(corrected(Sayer(), file).label(["x"], ["a?"]), expected, rtol=1e-5)
    write_leanings(file, {"somebody": (Sayer(weights="other").identity, learned)})
    with pytest.raises(InputError, match="holds no leanings of sayer, but of somebody"):
        corrected(Sayer(), file)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_text("{}")
    with pytest.raises(InputError, match="holds no leanings"):
        read_leanings(file)
    with pytest.raises(InputError, match="holds no leanings"):
        write_leanings(file, {})
    file.write_text('{"format": "furikaeri leanings 1", "models": {"a": {"slope": 1.0}}}')
    with pytest.raises(InputError, match=r"a\.intercept is missing"):
        read_leanings(file)
