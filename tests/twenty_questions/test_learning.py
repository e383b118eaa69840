"""Lessons move cells as a Beta prior says, and new things take after those that answer alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from furikaeri_common.errors import InputError
from twenty_questions.learning import Lesson, learn, surprises, telling_questions
from twenty_questions.memory import read_lessons, write_lessons
from twenty_questions.questions import Question, letter
from twenty_questions.table import AnswerTable, code_of, probability_of
from twenty_questions.words import Keyword


@pytest.fixture
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
    once = 3 * before / 4
    np.testing.assert_allclose(probability_of(learned.codes)[0, 2], 3 * once / 4, atol=1 / 500)
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
    assert [column for column, _ in found] == [0, 1]
    assert found[0][1] == pytest.approx(-np.log2(1 - probability_of(table.codes[0, 0])))


def test_lessons_survive_the_file(tmp_path: Path) -> None:
    lessons = [Lesson("fox", ("red fox",), {"alive": "yes", "tool": "probably not"}), Lesson("café", (), {})]
    write_lessons(tmp_path / "lessons.jsonl", lessons)
    assert read_lessons(tmp_path / "lessons.jsonl") == lessons
    assert read_lessons(tmp_path / "none.jsonl") == []


@pytest.mark.parametrize(
    "line", ['{"name": ""}', '{"alts": []}', '{"name": "fox", "answers": {"alive": "maybe"}}', "fox"]
)
def test_a_line_that_is_no_lesson_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "lessons.jsonl"
    path.write_text('{"name": "dog", "answers": {}}\n' + line + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"lessons\.jsonl, (row|line) 2"):
        read_lessons(path)
