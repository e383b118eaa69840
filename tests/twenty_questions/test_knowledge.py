"""The knowledge files: what an entry means, and what every fault is called."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from furikaeri_common.errors import InputError
from twenty_questions.builtin import build, knowledge
from twenty_questions.builtin.knowledge import NO, UNCERTAIN, YES
from twenty_questions.table import probability_of

QUESTIONS = """\
# comment
[is]
alive       Is it a living thing?
animal      Is it an animal? => alive !made
made        Is it man-made?
edible      Is it something people eat or drink?
[size scale 0..5]
small       Is it small? <=1
big         Is it big? >=4
[fame scale 1..5]
[food if edible]
sweet       Does it taste sweet?
salty       Does it taste salty?
"""

HAMMER = "hammer; claw hammer\n  is made | size 3 | fame 5\n"
PIE = "apple pie\n  is made edible | size 2-4 | fame 2\n  food sweet ~salty\n"


def write(folder: Path, things: str, questions: str = QUESTIONS) -> Path:
    (folder / "things").mkdir(parents=True, exist_ok=True)
    (folder / "questions.txt").write_text(questions, encoding="utf-8")
    (folder / "things" / "some.txt").write_text(things, encoding="utf-8")
    return folder


def answers(known: knowledge.Knowledge, name: str) -> dict[str, int]:
    row = next(row for row, thing in enumerate(known.things) if thing.keyword.name == name)
    return {question.key: int(value) for question, value in zip(known.questions, known.answers[row], strict=True)}


def test_an_entry_states_yes_uncertain_and_no(tmp_path: Path) -> None:
    known = knowledge.read_knowledge(write(tmp_path, HAMMER + PIE))
    assert answers(known, "hammer") == {
        "alive": NO, "animal": NO, "made": YES, "edible": NO, "small": NO, "big": NO, "sweet": NO, "salty": NO,
    }  # fmt: skip
    assert answers(known, "apple pie") == {
        "alive": NO, "animal": NO, "made": YES, "edible": YES, "small": NO, "big": UNCERTAIN, "sweet": YES,
        "salty": UNCERTAIN,
    }  # fmt: skip
    assert known.things[0].keyword.alts == ("claw hammer",)
    assert known.fame.tolist() == [5, 2]


def test_what_a_closed_group_answers_is_not_counted_as_stated(tmp_path: Path) -> None:
    known = knowledge.read_knowledge(write(tmp_path, HAMMER + PIE))
    keys = [question.key for question in known.questions]
    assert not known.stated[0, [keys.index("sweet"), keys.index("salty")]].any()
    assert known.stated[0, : keys.index("sweet")].all()
    assert known.stated[1].all()


def test_implications_complete_what_is_written(tmp_path: Path) -> None:
    known = knowledge.read_knowledge(write(tmp_path, "dog\n  is animal | size 3 | fame 5\n"))
    assert answers(known, "dog")["alive"] == YES
    uncertain = knowledge.read_knowledge(write(tmp_path, "coral\n  is ~animal | size 3 | fame 5\n"))
    assert answers(uncertain, "coral")["alive"] == UNCERTAIN


def test_a_scale_that_does_not_apply_answers_no(tmp_path: Path) -> None:
    known = knowledge.read_knowledge(write(tmp_path, "anger\n  is - | size - | fame 1\n"))
    assert answers(known, "anger")["small"] == answers(known, "anger")["big"] == NO


@pytest.mark.parametrize(
    ("things", "words"),
    [
        ("  is made\n", "before the first thing"),
        ("hammer\n  is made | size 3\n", "expected one level for fame"),
        ("hammer\n  size 3 | fame 5\n", "nothing is said of is"),
        ("pie\n  is edible | size 3 | fame 5\n", "nothing is said of food"),
        ("hammer\n  is mad | size 3 | fame 5\n", "'mad' is no question of is"),
        ("hammer\n  is made | is made | size 3 | fame 5\n", "'is' is stated twice"),
        ("hammer\n  is made | size 9 | fame 5\n", "expected a level or range in 0..5, got '9'"),
        ("hammer\n  is made | size 4-2 | fame 5\n", "expected a level or range"),
        ("hammer\n  is made | size big | fame 5\n", "expected a level or range"),
        ("hammer\n  is animal made | size 3 | fame 5\n", "animal and made contradict each other"),
        ("hammer\n  is | size 3 | fame 5\n", "'is' states nothing"),
        ("hammer\n  colour red | is made | size 3 | fame 5\n", "no group is called colour"),
        ("hammer;;\n  is made | size 3 | fame 5\n", "an empty name"),
        (HAMMER + "the Hammers\n  is made | size 3 | fame 5\n", "the game takes 'the Hammers' for 'hammer'"),
        (HAMMER + "mallet; Claw-Hammer\n  is made | size 3 | fame 5\n", "the game takes 'mallet' for 'hammer'"),
        ("", "holds no things"),
        ("hammer\n  is made | size 3 | fame -\n", "expected a level for fame"),
    ],
)
def test_every_fault_of_an_entry_is_named(tmp_path: Path, things: str, words: str) -> None:
    with pytest.raises(InputError) as failure:
        knowledge.read_knowledge(write(tmp_path, things))
    assert words in str(failure.value)


@pytest.mark.parametrize(
    ("questions", "words"),
    [
        ("alive Is it alive?\n", "neither a [group] nor a question"),
        ("[is]\nalive Is it alive\n", "neither a [group] nor a question"),
        ("[is]\nalive Is it alive?\nalive Is it living?\n", "'alive' is used twice"),
        ("[is]\nalive Is it alive? => living\n", "alive implies 'living', which is no question"),
        ("[is]\nalive Is it alive?\n[food if edible]\nsweet Is it sweet?\n", "opens on 'edible'"),
        ("[is]\nalive Is it alive? >=3\n", "a threshold belongs to every question of a scale"),
        ("[size scale 0..3]\nbig Is it big?\n", "a threshold belongs to every question of a scale"),
    ],
)
def test_every_fault_of_the_questions_is_named(tmp_path: Path, questions: str, words: str) -> None:
    with pytest.raises(InputError) as failure:
        knowledge.read_knowledge(write(tmp_path, HAMMER, questions))
    assert words in str(failure.value)


def test_the_table_holds_judgements_and_computed_letters(tmp_path: Path) -> None:
    rates = build.JudgementRates(yes=0.9, uncertain=0.5, no=0.2)
    table = build.build_table(write(tmp_path, HAMMER + PIE), rates)
    columns = {question.key: column for column, question in enumerate(table.questions)}
    values = probability_of(table.codes)
    edible, sweet, salty = (values[:, columns[key]] for key in ("edible", "sweet", "salty"))
    np.testing.assert_allclose(edible, [0.2, 0.9], atol=1 / 500)
    np.testing.assert_allclose(sweet, [0.2, 0.9], atol=1 / 500)
    assert salty[1] == 0.5
    assert values[:, columns["starts:h"]].tolist() == [254.5 / 255, 0.5 / 255]
    assert values[:, columns["words:1"]].tolist() == [0.5 / 255, 254.5 / 255]
    np.testing.assert_allclose(table.prior[0] / table.prior[1], build.FAME_BASE**3)


def test_questions_that_split_nothing_are_left_out(tmp_path: Path) -> None:
    table = build.build_table(write(tmp_path, HAMMER + PIE))
    keys = {question.key for question in table.questions}
    assert {"made", "alive"}.isdisjoint(keys)
    assert {"made", "alive"} <= set(table.provenance["left_out"])
    assert "starts:h" in keys
    assert "contains:a" not in keys
    assert "starts:z" not in keys


def test_an_edit_of_the_knowledge_changes_the_fingerprint(tmp_path: Path) -> None:
    before = build.build_table(write(tmp_path, HAMMER + PIE)).provenance["knowledge_sha256"]
    after = build.build_table(write(tmp_path, HAMMER.replace("size 3", "size 2") + PIE)).provenance["knowledge_sha256"]
    assert before != after
