"""Answerers on a gold set: figures by hand and against scikit-learn, and what models said kept for later."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics

from furikaeri_common.errors import WorkError
from twenty_questions.quality import Label
from twenty_questions.studies.answerers import StudyConfig, study_answerers
from twenty_questions.studies.gold_pairs import GoldPairs, deal_folds, gold_pairs, sample_keywords, spelled
from twenty_questions.studies.learned_leanings import leanings_of
from twenty_questions.studies.predictions import PairProgress, label_pairs, write_predictions
from twenty_questions.studies.votes import decide, mean_probability, score_of

NAMES = [f"{letter}{number}" for letter in "abcd" for number in range(10)]


def gold(keywords: Sequence[str] = NAMES, questions: int = 12, seed: int = 0) -> GoldPairs:
    """Return labels of about nine in ten of the pairs."""
    rng = np.random.default_rng(seed)
    return gold_pairs(
        Label(keyword, f"Is it {number}?", bool(rng.random() < 0.3))
        for keyword in keywords
        for number in range(questions)
        if rng.random() < 0.9
    )


def said_of(pairs: GoldPairs, skill: float, lean: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    logit = rng.normal(size=pairs.size) + skill * (2 * pairs.answers - 1) + lean
    p = 1 / (1 + np.exp(-logit))
    p[rng.random(pairs.size) < 0.03] = np.nan
    return p.astype(np.float32)


def test_labels_become_arrays() -> None:
    pairs = gold_pairs([Label("b", "Q1?", True), Label("a", "Q2?", False), Label("b", "Q2?", True)] * 2)
    assert pairs.texts() == [("b", "Q1?"), ("b", "Q2?"), ("a", "Q2?")]
    assert pairs.answers.tolist() == [True, True, False]
    with pytest.raises(ValueError, match="one answer about 'b' to 'Q1\\?'"):
        gold_pairs([Label("b", "Q1?", True), Label("b", "Q1?", False)])
    with pytest.raises(ValueError, match="at least one label"):
        gold_pairs([])


def test_a_sample_holds_whole_keywords_and_folds_are_even() -> None:
    labels = [Label(name, question, True) for name in NAMES for question in ("Q1?", "Q2?")]
    sample = sample_keywords(labels, 7, seed=1)
    assert sample == [label for label in labels if label.keyword in {one.keyword for one in sample}]
    assert len(sample) == 14
    assert sample_keywords(labels, 99, seed=1) == labels
    folds = deal_folds(23, 5, seed=0)
    assert sorted(np.bincount(folds)) == [4, 4, 5, 5, 5]
    with pytest.raises(ValueError, match="2 to 23 folds"):
        deal_folds(23, 24, seed=0)


def test_figures_are_those_of_the_votes() -> None:
    pairs = gold()
    models = {
        "weak": said_of(pairs, 0.3, 0.8, 1),
        "fair": said_of(pairs, 0.7, -0.8, 2),
        "good": said_of(pairs, 1.2, 0, 3),
    }
    study = study_answerers(pairs, models, StudyConfig(choose=2, draws=200))
    said = ["weak", "fair", "good", "vote (majority)"]
    learned = [f"{name} + leanings" for name in said]
    assert [one.name for one in study.answerers] == [*said, "vote (mean)", *learned]
    panel = np.array(list(models.values()))
    expected = [decide(model[None]) for model in panel] + [decide(panel), decide(panel, rule="mean")]
    scores = [*map(score_of, panel), *[score_of(mean_probability(panel))] * 2]
    for one, decisions, p in zip(study.answerers[:5], expected, scores, strict=True):
        assert one.accuracy.value == pytest.approx(metrics.accuracy_score(pairs.answers, decisions))
        assert one.balanced_accuracy.value == pytest.approx(metrics.balanced_accuracy_score(pairs.answers, decisions))
        assert one.auc.value == pytest.approx(metrics.roc_auc_score(pairs.answers, p))
        assert one.balanced_accuracy.value == pytest.approx((one.yes_recall + one.no_recall) / 2)
        for estimate in (one.accuracy, one.balanced_accuracy, one.auc, one.fitted_balanced_accuracy):
            assert estimate.low < estimate.value < estimate.high
    assert study.answerers[0].neither == pytest.approx(float(np.isnan(models["weak"]).mean()))
    assert study.answerers[1].fitted_balanced_accuracy.value > study.answerers[1].balanced_accuracy.value
    assert study.chosen is not None
    assert "good" in study.chosen.members
    assert study.chosen.tried == 3


def test_each_question_has_its_figures() -> None:
    pairs = gold()
    study = study_answerers(pairs, {"one": said_of(pairs, 1, 0, 1)}, StudyConfig(draws=50))
    assert [one.question for one in study.by_question] == list(pairs.questions)
    assert sum(one.pairs for one in study.by_question) == pairs.size
    rows = pairs.question_of == 3
    p = said_of(pairs, 1, 0, 1)[rows].astype(float)
    figures = study.by_question[3]
    assert figures.auc == pytest.approx(metrics.roc_auc_score(pairs.answers[rows], score_of(p)))
    assert figures.accuracy == pytest.approx(metrics.accuracy_score(pairs.answers[rows], score_of(p) > 0.5))
    assert figures.yes_share == pytest.approx(pairs.answers[rows].mean())


def test_one_sided_questions_have_no_balanced_figures() -> None:
    labels = [Label(name, "Is it real?", True) for name in NAMES] + [
        Label(name, "Is it a?", name < "b") for name in NAMES
    ]
    pairs = gold_pairs(labels)
    study = study_answerers(pairs, {"one": said_of(pairs, 1, 0, 1)}, StudyConfig(draws=50))
    one_sided, other = study.by_question
    assert math.isnan(one_sided.balanced_accuracy)
    assert math.isnan(one_sided.auc)
    assert 0 < one_sided.accuracy < 1
    assert 0 < other.balanced_accuracy < 1


def test_disagreements_and_sure_mistakes_are_listed_the_worst_first() -> None:
    labels = [
        Label(name, "Q?", answer)
        for name, answer in zip("abcdef", [True, True, False, False, True, False], strict=True)
    ]
    pairs = gold_pairs(labels)
    one = np.array([0.02, 0.8, 0.97, 0.1, 0.6, np.nan])
    other = np.array([0.04, 0.9, 0.99, 0.8, 0.7, 0.4])
    study = study_answerers(pairs, {"one": one, "other": other}, StudyConfig(folds=2, draws=20))
    assert [(told.keyword, told.answer, told.said) for told in study.disagreements] == [
        ("c", False, True),
        ("a", True, False),
        ("d", False, False),
    ]
    assert study.disagreements[2].by_model == pytest.approx((0.1, 0.8))
    assert study.agreeing == pytest.approx(5 / 6)


def test_ten_thousand_pairs_take_seconds() -> None:
    pairs = gold([f"k{number}" for number in range(150)], questions=78)
    assert pairs.size > 10_400
    models = {name: said_of(pairs, 0.5, 0, seed) for seed, name in enumerate("abc")}
    begin = time.process_time()
    study_answerers(pairs, models, StudyConfig(choose=3))
    assert time.process_time() - begin < 8


@pytest.mark.parametrize("models", [{}, {"one": np.zeros(3)}])
def test_predictions_that_do_not_fit_are_refused(models: dict[str, np.ndarray]) -> None:
    with pytest.raises(ValueError, match=r"expected P\(yes\) of shape"):
        study_answerers(gold(), models, StudyConfig())


class Counting:
    """A labeller that says the same of the same pair, counts what it is asked, and may break."""

    name = "a/model: counting"

    def __init__(self, salt: str = "", break_at: int = -1) -> None:
        self.identity = {"salt": salt}
        self.salt, self.break_at = salt, break_at
        self.asked: list[tuple[str, tuple[str, ...]]] = []

    def label(self, keywords: Sequence[str], questions: Sequence[str]) -> np.ndarray:
        if len(self.asked) == self.break_at:
            raise KeyboardInterrupt
        (keyword,) = keywords
        self.asked.append((keyword, tuple(questions)))
        told = [(hash_of(keyword + question + self.salt) % 1000) / 999 for question in questions]
        return np.array([told], dtype=np.float32)


def hash_of(text: str) -> int:
    return sum(place * ord(letter) for place, letter in enumerate(text, start=17))


def test_what_was_labelled_is_not_labelled_again_after_a_kill(tmp_path: Path) -> None:
    pairs = gold()
    whole = label_pairs(Counting(), pairs, tmp_path / "whole")
    assert whole.labelled == pairs.size
    with pytest.raises(KeyboardInterrupt):
        label_pairs(Counting(break_at=13), pairs, tmp_path / "cut")
    rest = Counting()
    seen: list[PairProgress] = []
    again = label_pairs(rest, pairs, tmp_path / "cut", on_progress=seen.append)
    assert len(rest.asked) == len(pairs.keywords) - 13
    assert again.probabilities.tobytes() == whole.probabilities.tobytes()
    assert (seen[0].labelled, seen[-1].done, seen[-1].labelled) == (0, pairs.size, again.labelled)
    assert math.isnan(seen[0].rate)
    assert seen[-1].rate > 0


def test_a_sample_serves_the_whole_and_another_model_does_not(tmp_path: Path) -> None:
    labels = [Label(*text, True) for text in gold().texts()]
    pairs, sample = gold_pairs(labels), gold_pairs(sample_keywords(labels, 9, seed=0))
    label_pairs(Counting(), sample, tmp_path)
    more, other = Counting(), Counting(salt="!")
    label_pairs(more, pairs, tmp_path)
    assert len(more.asked) == len(NAMES) - 9
    label_pairs(other, pairs, tmp_path)
    assert len(other.asked) == len(NAMES)


@pytest.mark.parametrize("content", [b"", b"PAR1 but no more", "cut"])
def test_a_damaged_file_is_labelled_again(tmp_path: Path, content: bytes | str) -> None:
    pairs = gold()
    whole = label_pairs(Counting(), pairs, tmp_path)
    damaged = sorted(tmp_path.rglob("*.parquet"))[5]
    damaged.write_bytes(damaged.read_bytes()[:-40] if isinstance(content, str) else content)
    mended = Counting()
    assert label_pairs(mended, pairs, tmp_path).probabilities.tobytes() == whole.probabilities.tobytes()
    assert len(mended.asked) == 1


def test_what_rules_answer_is_not_asked(tmp_path: Path) -> None:
    starts = 'Does the keyword start with the letter "k"?'
    pairs = gold_pairs(Label(name, question, True) for name in ("kite", "lamp") for question in (starts, "Is it big?"))
    given = spelled(pairs)
    assert given[[0, 2]].tolist() == [1, 0]
    assert np.isnan(given[[1, 3]]).all()
    labeller = Counting()
    told = label_pairs(labeller, pairs, tmp_path, given=given)
    assert labeller.asked == [("kite", ("Is it big?",)), ("lamp", ("Is it big?",))]
    assert told.probabilities[[0, 2]].tolist() == [1, 0]
    assert told.labelled == 2


def test_a_model_that_gives_no_probabilities_is_named(tmp_path: Path) -> None:
    broken = Counting()
    broken.label = lambda keywords, questions: np.full((1, len(questions)), 1.5)  # type: ignore[method-assign]
    with pytest.raises(WorkError, match="counting: expected"):
        label_pairs(broken, gold(), tmp_path)
    assert not list(tmp_path.rglob("*.parquet"))


def test_predictions_are_kept_beside_the_answers(tmp_path: Path) -> None:
    import polars as pl

    pairs = gold()
    p = said_of(pairs, 1, 0, 1)
    write_predictions(tmp_path / "predictions.parquet", pairs, {"one": p})
    frame = pl.read_parquet(tmp_path / "predictions.parquet")
    assert frame.columns == ["keyword", "question", "answer", "p_yes: one"]
    assert frame["answer"].to_list() == pairs.answers.tolist()
    assert frame["p_yes: one"].to_numpy().tobytes() == p.tobytes()


def test_leanings_are_learned_on_other_keywords_than_those_they_are_judged_on() -> None:
    pairs = gold()
    leaning = np.where(pairs.question_of % 2 == 0, 2.0, -2.0)
    rng = np.random.default_rng(4)
    odds = np.where(pairs.answers, 1.0, -1.0) + rng.normal(0, 0.7, pairs.size) + leaning
    study = study_answerers(pairs, {"leaning": 1 / (1 + np.exp(-odds))}, StudyConfig(draws=20))
    before, after = study.answerers
    assert after.name == "leaning + leanings"
    assert after.auc.value > before.auc.value + 0.1
    # Noise by keyword can be learned by nobody: a study of it must not look better than chance.
    noise = study_answerers(pairs, {"noise": rng.random(pairs.size)}, StudyConfig(draws=20)).answerers[1]
    shuffled = pairs._replace(answers=rng.permutation(pairs.answers))
    chance = study_answerers(shuffled, {"noise": rng.random(pairs.size)}, StudyConfig(draws=20)).answerers[1]
    assert noise.fitted_balanced_accuracy.value < after.balanced_accuracy.value
    assert abs(chance.auc.value - 0.5) < 0.1


def test_what_rules_answer_teaches_no_leanings_and_has_none_taken_out() -> None:
    pairs = gold()
    said = said_of(pairs, 0.7, -0.8, 2)
    by_rule = pairs.question_of < 4
    with_rules = np.where(by_rule, pairs.answers, said)
    study = study_answerers(pairs, {"one": with_rules}, StudyConfig(draws=20), by_rule=by_rule)
    labels = [Label(*pair, bool(answer)) for pair, answer in zip(pairs.texts(), pairs.answers, strict=True)]
    asked = gold_pairs([label for label, ruled in zip(labels, by_rule, strict=True) if not ruled])
    alone = study_answerers(asked, {"one": said[~by_rule]}, StudyConfig(draws=20))
    right_alone = alone.answerers[1].accuracy.value * asked.size
    assert study.answerers[1].name == "one + leanings"
    assert study.answerers[1].accuracy.value * pairs.size == pytest.approx(right_alone + by_rule.sum())
    assert leanings_of(pairs, with_rules, ~by_rule) == leanings_of(pairs, said, ~by_rule)
    assert set(leanings_of(pairs, with_rules, ~by_rule).questions) == set(pairs.questions[4:])
