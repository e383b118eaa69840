"""Lists written for the project: their notation, who wrote them, and faults told by file and line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from furikaeri_common.errors import InputError
from twenty_questions.vocabulary.naming import spelled
from twenty_questions.vocabulary.written_lists import (
    JUDGED_FOLDER,
    WRITTEN_FOLDER,
    WrittenName,
    parse_written,
    read_judgements,
    read_written_lists,
    writer_of,
)


def test_the_three_notations_and_the_sections() -> None:
    part = parse_written("hammock, garden gnome\n[1]\nlamp: desk, floor\n\n[3]\nkitchen > sink, knife set\nhammock")
    assert part.tiers == {
        "hammock": 2,
        "garden gnome": 2,
        "lamp": 1,
        "desk lamp": 1,
        "floor lamp": 1,
        "kitchen sink": 3,
        "kitchen knife set": 3,
    }
    assert part.faults == ()


def test_the_best_tier_of_a_name_counts() -> None:
    assert parse_written("[3]\nanvil\n[1]\nAnvil").tiers == {"anvil": 1}


def test_empty_items_are_passed_over() -> None:
    assert list(parse_written("a b, , c d,\nlamp: , desk").tiers) == ["a b", "c d", "lamp", "desk lamp"]


def test_faults_name_file_and_line_and_how_many_more(tmp_path: Path) -> None:
    (tmp_path / "one_a.txt").write_text("[1]\nanvil\nfive = six\n???\n")
    with pytest.raises(InputError, match=r"one_a\.txt, line 3: 'five = six' is no name .*1 more such place"):
        read_written_lists(tmp_path.glob("*.txt"))
    (tmp_path / "one_a.txt").write_text("one two three four five six seven\n")
    with pytest.raises(InputError, match=r"line 1: .* is longer than"):
        read_written_lists(tmp_path.glob("*.txt"))
    (tmp_path / "one_a.txt").write_bytes(b"caf\xe9\n")
    with pytest.raises(InputError, match="UTF-8"):
        read_written_lists(tmp_path.glob("*.txt"))
    with pytest.raises(InputError, match="at least one"):
        read_written_lists([])


def test_files_and_writers_are_counted_and_lists_in_sight_of_keywords_kept_apart(tmp_path: Path) -> None:
    texts = {
        "home_a": "[2]\nanvil, sofa",
        "home_b": "[1]\nanvil",
        "sample_near_1": "[3]\nanvil, bell",
        "work_x": "vice",
        "sample_letters_1": "vice",
    }
    for stem, text in texts.items():
        (tmp_path / f"{stem}.txt").write_text(text)
    assert read_written_lists(tmp_path.glob("*.txt")) == {
        "anvil": WrittenName(tier=1, files=2, writers=1, shown=3),
        "bell": WrittenName(tier=0, files=0, writers=0, shown=3),
        "sofa": WrittenName(tier=2, files=1, writers=1),
        "vice": WrittenName(tier=2, files=1, writers=1, shown=2),
    }


def test_the_kinds_of_samples_are_two_writers() -> None:
    stems = ("sample_near_1", "sample_near_2", "sample_letters_1", "home_kitchen", "home_garden", "solo")
    assert [writer_of(stem) for stem in stems] == [
        *("sample_near", "sample_near", "sample_letters", "home", "home", "solo")
    ]


def test_spelling() -> None:
    spellings = {
        "  Jack-in-the-Box ": "jack-in-the-box",
        "Baker\u2019s  dozen": "baker's dozen",
        "and/or gate": "and or gate",
        "salt & pepper": "salt pepper",
        "m&m": "m&m",
        "2% milk": "2% milk",
        "St. Bernard (dog)": "st. bernard dog",
        "hot_dog": "hot dog",
        "Cr\u00e8me Br\u00fbl\u00e9e": "cr\u00e8me br\u00fbl\u00e9e",
        "?!": "",
    }
    assert {name: spelled(name) for name in spellings} == spellings


@given(st.text(max_size=20))
def test_a_spelling_is_its_own_spelling(name: str) -> None:
    once = spelled(name)
    assert once == " ".join(once.split())
    assert spelled(once) == once


def test_of_several_judgements_of_a_name_the_best_counts(tmp_path: Path) -> None:
    (tmp_path / "judge_1.txt").write_text("[1]\nanvil\n[3]\nbell, sofa, tub\n[2]\nbell\n")
    (tmp_path / "judge_2.txt").write_text("[2]\nAnvil, tub\n[3]\nzither\n")
    judged = read_judgements(tmp_path.glob("*.txt"))
    assert list(judged.items()) == [("anvil", 1), ("bell", 2), ("sofa", 3), ("tub", 2), ("zither", 3)]
    assert list(read_judgements(sorted(tmp_path.glob("*.txt"), reverse=True)).items()) == list(judged.items())


def test_judgements_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "judge_1.txt").write_text("[1]\nanvil\n[4]\nbell\n")
    with pytest.raises(InputError, match=r"judge_1\.txt, line 3: '\[4\]' is no name"):
        read_judgements(tmp_path.glob("*.txt"))
    with pytest.raises(InputError, match="at least one"):
        read_judgements([])


def test_a_byte_order_mark_is_no_part_of_a_list(tmp_path: Path) -> None:
    (tmp_path / "judge_1.txt").write_text("[1]\nanvil\n", encoding="utf-8-sig")
    assert read_judgements(tmp_path.glob("*.txt")) == {"anvil": 1}


def test_the_shipped_lists_hold_no_fault() -> None:
    shipped = [path for folder in (WRITTEN_FOLDER, JUDGED_FOLDER) for path in sorted(folder.glob("*.txt"))]
    assert {path.parent.name for path in shipped} == {"written", "judged"}
    faults = {
        path.name: part.faults for path in shipped if (part := parse_written(path.read_text(encoding="utf-8"))).faults
    }
    assert faults == {}
