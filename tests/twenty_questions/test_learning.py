"""Lessons move cells as a Beta prior says, and new things take after those that answer alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from furikaeri_common.errors import InputError
from twenty_questions.learning import Lesson, learn, likeness, surprises, telling_questions
from twenty_questions.memory import add_lesson, read_lessons, write_lessons
from twenty_questions.questions import Question, letter
from twenty_questions.table import AnswerTable, code_of, probability_of
from twenty_questions.words import Keyword, find


@pytest.fixture(scope="module")
def table() -> AnswerTable:
    names = ("dog", "cat", "hammer", "saw")
    cells = [
        [0.95, 0.05, 0.95, 0.0],
        [0.95, 0.05, 0.05, 0.0],
        [0.05, 0.95, 0.05, 0.0],
        [0.05, 0.95, 0.05, 1.0],
    ]
    questions = (
        Question("alive", "Is it alive?"),
        Question("tool", "Is it a tool?"),
        Question("barks", "Does it bark?"),
        letter("starts", "s"),
    )
    return AnswerTable(tuple(map(Keyword, names)), questions, code_of(cells), np.full(4, 0.25))


def test_an_answer_moves_a_cell_as_a_beta_prior_does(table: AnswerTable) -> None:
    learned = learn(
        table, [Lesson("dog", answers={"barks": "no"}), Lesson("Dogs", answers={"barks": "no"})], strength=3
    )
    before = probability_of(table.codes)[0, 2]
    np.testing.assert_allclose(probability_of(learned.codes)[0, 2], 3 * before / (3 + 2), atol=1 / 500)
    np.testing.assert_array_equal(np.delete(learned.codes, 2, axis=1), np.delete(table.codes, 2, axis=1))
    np.testing.assert_allclose(learned.prior, np.array([3, 1, 1, 1]) / 6)


def test_what_was_not_taught_stays_bit_for_bit(table: AnswerTable) -> None:
    learned = learn(table, [Lesson("dog", answers={"barks": "unknown", "no such question": "yes"})])
    np.testing.assert_array_equal(learned.codes, table.codes)
    assert learn(table, []) is table


def test_a_new_thing_takes_after_what_answers_alike(table: AnswerTable) -> None:
    learned = learn(table, [Lesson("stone axe", ("axe",), {"alive": "no", "barks": "no"})])
    assert learned.keywords[-1] == Keyword("stone axe", ("axe",))
    alive, tool, barks, starts_s = probability_of(learned.codes)[-1]
    assert alive < 0.1
    assert barks < 0.1
    assert tool > 0.8
    assert starts_s == probability_of(254)


def test_a_thing_taught_twice_has_one_row(table: AnswerTable) -> None:
    learned = learn(table, [Lesson("fox", answers={"alive": "yes"}), Lesson("the foxes", answers={"barks": "yes"})])
    assert len(learned.keywords) == 5
    assert learned.prior[-1] == pytest.approx(2 / 6)


def test_answers_outweigh_what_a_new_thing_was_predicted_to_be(table: AnswerTable) -> None:
    learned = learn(table, [Lesson("robot dog", answers={"alive": "no", "tool": "no", "barks": "yes"})])
    assert (probability_of(learned.codes)[-1, :3] > 0.5).tolist() == [False, False, True]
    assert (probability_of(learned.codes)[-1, :3] > 0.25).tolist() == [False, False, True]


def test_names_lead_to_the_thing_that_has_them(table: AnswerTable) -> None:
    taught = [
        Lesson("hound", ("dog", "mutt"), {"barks": "no"}),
        Lesson("mutts", (), {"barks": "no"}),
        Lesson("fox", ("red fox",), {"alive": "yes"}),
        Lesson("The Red Fox", ("cat",), {"barks": "no"}),
    ]
    learned = learn(table, taught)
    assert [keyword.name for keyword in learned.keywords] == ["dog", "cat", "hammer", "saw", "fox"]
    assert learned.keywords[0].alts == ("hound", "mutt")
    assert learned.keywords[4].alts == ("red fox",)
    assert find("cat", learned.keywords) == [1]
    np.testing.assert_allclose(learned.prior, np.array([3, 1, 1, 1, 2]) / 8)


def test_spelling_is_not_learned(table: AnswerTable) -> None:
    learned = learn(table, [Lesson("dog", answers={"starts:s": "yes"}), Lesson("Ox", answers={"starts:s": "yes"})])
    np.testing.assert_array_equal(learned.codes[:4], table.codes)
    assert learned.codes[4, 3] == 0


lessons_of = st.builds(
    Lesson,
    st.sampled_from(["dog", "saw", "fox", "foxes", "owl"]),
    st.just(()),
    st.dictionaries(st.sampled_from(["alive", "tool", "barks"]), st.sampled_from(["yes", "no", "probably", "unknown"])),
)


@given(st.lists(lessons_of, max_size=8), st.randoms())
def test_the_order_of_lessons_does_not_matter(table: AnswerTable, lessons: list[Lesson], random) -> None:
    shuffled = random.sample(lessons, len(lessons))
    one, other = learn(table, lessons), learn(table, shuffled)
    for row, keyword in enumerate(one.keywords):
        (same,) = find(keyword.name, other.keywords)
        np.testing.assert_array_equal(one.codes[row, :3], other.codes[same, :3])
        assert one.prior[row] == pytest.approx(other.prior[same])


@pytest.mark.parametrize("strengths", [{"strength": 0.0}, {"prediction_strength": -1.0}])
def test_learning_needs_strength(table: AnswerTable, strengths: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected positive strengths"):
        learn(table, [], **strengths)


def test_likeness_is_a_posterior(table: AnswerTable) -> None:
    p = probability_of(table.codes)[:, [0, 2]]
    heard = 0.1 + 0.8 * p
    expected = heard[:, 0] * (1 - heard[:, 1])
    np.testing.assert_allclose(likeness(table, [(0, "yes"), (2, "no")], 0.1), expected / expected.sum())
    np.testing.assert_allclose(likeness(table, [], 0.1), table.prior)


@given(
    st.lists(st.tuples(st.sampled_from(["dog", "saw", "fox"]), st.sampled_from(["yes", "no", "probably"])), max_size=30)
)
def test_learning_keeps_a_table_a_table(lessons: list[tuple[str, str]]) -> None:
    base = AnswerTable(
        (Keyword("dog"), Keyword("saw")), (Question("a", "A?"),), code_of([[0.9], [0.1]]), np.full(2, 0.5)
    )
    learned = learn(base, [Lesson(name, answers={"a": answer}) for name, answer in lessons])
    assert learned.prior.sum() == pytest.approx(1)
    assert (learned.codes < 255).all()


def test_the_questions_that_tell_most_come_first(table: AnswerTable) -> None:
    keys = [table.questions[column].key for column in telling_questions(table, {}, 5)]
    assert keys[-1] == "barks"
    assert set(keys) == {"alive", "tool", "barks"}
    after = [table.questions[column].key for column in telling_questions(table, {"alive": "yes", "tool": "no"}, 5)]
    assert after == ["barks"]


def test_surprises_are_in_bits(table: AnswerTable) -> None:
    found = surprises(table, 0, {"alive": "no", "tool": "probably", "barks": "yes", "starts:s": "unknown"})
    assert {column for column, _ in found} == {0, 1}
    assert dict(found)[0] == pytest.approx(-np.log2(1 - probability_of(table.codes[0, 0])))


def test_lessons_survive_the_file(tmp_path: Path) -> None:
    lessons = [Lesson("fox", ("red fox",), {"alive": "yes", "tool": "probably not"}), Lesson("café", (), {})]
    write_lessons(tmp_path / "lessons.jsonl", lessons)
    assert read_lessons(tmp_path / "lessons.jsonl") == lessons
    assert read_lessons(tmp_path / "none.jsonl") == []


def test_lessons_are_added_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "lessons.jsonl"
    add_lesson(path, Lesson("fox"))
    add_lesson(path, Lesson("owl", answers={"alive": "yes"}))
    assert read_lessons(path) == [Lesson("fox"), Lesson("owl", answers={"alive": "yes"})]
    path.write_text(path.read_text(encoding="utf-8") + "{", encoding="utf-8")
    with pytest.raises(InputError, match="line 3: not JSON"):
        add_lesson(path, Lesson("elk"))
    assert len(path.read_text(encoding="utf-8").splitlines()) == 3


@pytest.mark.parametrize(
    "line", ['{"name": ""}', '{"alts": []}', '{"name": "fox", "answers": {"alive": "maybe"}}', "fox"]
)
def test_a_line_that_is_no_lesson_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "lessons.jsonl"
    path.write_text('{"name": "dog", "answers": {}}\n' + line + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"lessons\.jsonl, (row|line) 2"):
        read_lessons(path)
