"""From labels in shards to a table: averaged, calibrated, spelled, and told where it comes from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from furikaeri_common.errors import InputError
from twenty_questions.labelling.calibration import apply_calibration, is_fitted_on
from twenty_questions.labelling.consensus import consensus
from twenty_questions.labelling.grid import PairGrid, asked_questions
from twenty_questions.labelling.labelled_table import ConsensusConfig, gold_cells, labelled_table, require_fitting
from twenty_questions.quality import Label
from twenty_questions.questions import HANDSHAKE, Question, alphabetical, letter
from twenty_questions.table import UNLABELLED, code_of, open_table, save_table
from twenty_questions.words import Keyword

KEYWORDS = tuple(Keyword(f"thing{number:02d}", ("first",) if number == 0 else ()) for number in range(40))
QUESTIONS = (
    letter("ends", "a"),
    *(Question(f"q{number}", f"Is it {number}?") for number in range(5)),
    alphabetical("thing20"),
    Question("again", "Is it 3?"),
)
GRID = PairGrid(keywords=tuple(keyword.name for keyword in KEYWORDS), questions=asked_questions(QUESTIONS), per_shard=7)
PRIOR = np.full(40, 1 / 40)
MODELS = [("a", {"weights": "x"}), ("b", {"weights": "y"})]


@pytest.fixture(scope="module")
def p_yes() -> np.ndarray:
    """Of two models: shape (2, 40, 5); some not answered by one, one by neither."""
    rng = np.random.default_rng(0)
    values = rng.random((2, 40, 5)).astype(np.float32)
    values[0, ::3, 1] = np.nan
    values[:, 5, 2] = np.nan
    return values


@pytest.fixture(scope="module")
def gold(p_yes: np.ndarray) -> list[Label]:
    """Answers that follow the mean of the models half-heartedly."""
    rng = np.random.default_rng(1)
    mean = consensus(p_yes)
    return [
        Label(keyword.name, text, bool(rng.random() < 0.5 + 0.5 * (mean[row, column] - 0.5)))
        for row, keyword in enumerate(KEYWORDS)
        for column, text in enumerate(GRID.questions)
        if not np.isnan(mean[row, column])
    ]


def made_of(p_yes: np.ndarray, **how):
    gold = how.pop("gold", ())
    return labelled_table(
        KEYWORDS,
        PRIOR,
        QUESTIONS,
        GRID,
        MODELS,
        lambda shard: p_yes[:, GRID.rows_of(shard)],
        config=ConsensusConfig(**how),
        gold=gold,
    )


def test_a_cell_is_the_mean_of_the_models_and_spelling_is_exact(p_yes: np.ndarray, tmp_path: Path) -> None:
    made = made_of(p_yes)
    expected = code_of(consensus(p_yes))
    assert [question.text for question in QUESTIONS[1:6]] == list(GRID.questions)
    np.testing.assert_array_equal(made.table.codes[:, 1:6], expected)
    np.testing.assert_array_equal(made.table.codes[:, 7], expected[:, 3])
    assert (made.table.codes[:, 0] == 0).all()
    assert made.table.codes[:, 6].tolist() == [254] * 20 + [0] * 20
    assert made.table.codes[5, 3] == UNLABELLED
    assert made.unlabelled == 1
    save_table(made.table, tmp_path / "table")
    opened = open_table(tmp_path / "table", verify=True)
    np.testing.assert_array_equal(opened.codes, made.table.codes)
    assert opened.provenance["models"][0]["identity"] == {"weights": "x"}
    assert opened.provenance["models"][0]["unlabelled"] == 15


@pytest.mark.parametrize("how", [{"average": "log-odds"}, {"weights": (1.0, 3.0)}])
def test_the_average_is_as_it_is_asked_for(p_yes: np.ndarray, how) -> None:
    made = made_of(p_yes, **how)
    np.testing.assert_array_equal(made.table.codes[:, 1:6], code_of(consensus(p_yes, **how)))
    assert made.table.provenance["average"] == how.get("average", "mean")


def test_the_average_is_calibrated_after_it_is_taken(p_yes: np.ndarray, gold: list[Label]) -> None:
    made = made_of(p_yes, gold=gold, calibration="shrink")
    report = made.calibrations["average"]
    assert report.calibration.kind == "shrink"
    expected = code_of(apply_calibration(report.calibration, consensus(p_yes)))
    np.testing.assert_array_equal(made.table.codes[:, 1:6], expected)
    assert report.fitted_pairs == sum(is_fitted_on(label.keyword) for label in gold)
    assert report.after.pairs == sum(not is_fitted_on(label.keyword) for label in gold)
    assert made.table.provenance["calibration"]["average"]["parameters"] == report.calibration.parameters


def test_each_model_can_be_calibrated_before_the_average_is_taken(p_yes: np.ndarray, gold: list[Label]) -> None:
    made = made_of(p_yes, gold=gold, calibration="platt", calibrated="models")
    assert set(made.calibrations) == {"a", "b"}
    mapped = [apply_calibration(made.calibrations[name].calibration, p) for name, p in zip("ab", p_yes, strict=True)]
    np.testing.assert_array_equal(made.table.codes[:, 1:6], code_of(consensus(mapped)))
    assert made.calibrations["a"].fitted_pairs < made.calibrations["b"].fitted_pairs  # a did not answer all


def test_gold_keywords_match_by_the_rule_of_the_game_and_count_once() -> None:
    labels = [
        Label("The First!", "Is it 1?", True),
        Label("thing00s", "Is it 1?", False),
        Label("thing01", "Is it 9?", True),
        Label("unknown", "Is it 1?", True),
        Label("thing01", "Is it 0?", False),
    ]
    assert gold_cells(KEYWORDS, GRID.questions, labels) == [(0, 1, labels[0]), (1, 0, labels[4])]


def test_what_could_not_become_a_table_is_refused_beforehand(gold: list[Label]) -> None:
    require_fitting(KEYWORDS, QUESTIONS, gold)
    require_fitting(KEYWORDS, QUESTIONS, [])
    with pytest.raises(InputError, match="'handshake'"):
        require_fitting(KEYWORDS, [*QUESTIONS, HANDSHAKE], [])
    with pytest.raises(InputError, match="'odd'"):
        require_fitting(KEYWORDS, [*QUESTIONS, Question("odd", "Odd?", "letter", "no colon")], [])
    with pytest.raises(InputError, match="shares no pair"):
        require_fitting(KEYWORDS, QUESTIONS, [Label("thing01", "Is it unknown?", True)])
    with pytest.raises(InputError, match="too small to calibrate with"):
        require_fitting(KEYWORDS, QUESTIONS, gold[:3])
