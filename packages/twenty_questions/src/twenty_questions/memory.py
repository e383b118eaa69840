"""Where lessons are kept between games (io): one JSON object a line, in a file of the user's own.

A line is `{"name", "alts", "answers": {question key: answer}}`. Questions are named by key, so that lessons outlive a
new edition of the table; a person can correct the file with any editor.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import get_args

from furikaeri_common.artifacts import read_json_lines, write_json_lines
from furikaeri_common.errors import InputError
from twenty_questions.belief import Answer
from twenty_questions.learning import Lesson

__all__ = ["add_lesson", "read_lessons", "write_lessons"]


def read_lessons(path: Path) -> list[Lesson]:
    """Read the lessons of a file; none if there is no such file.

    Raises:
        InputError: if a line is not a lesson; the message names the file and which lesson it is.
    """
    path = Path(path)
    if not path.exists():
        return []
    lessons = []
    for number, row in enumerate(read_json_lines(path), start=1):
        name, alts, answers = row.get("name", ""), row.get("alts", []), row.get("answers", {})
        well_formed = isinstance(alts, list) and isinstance(answers, dict)
        if not well_formed or not all(isinstance(text, str) and text.strip() for text in (name, *alts)):
            raise InputError(f"{path}, row {number}: not a lesson", fix="Correct or remove that line")
        for key, answer in answers.items():
            if answer not in get_args(Answer):
                raise InputError(
                    f"{path}, row {number}: the answer to {key!r} is {answer!r}",
                    fix=f"Use one of: {', '.join(get_args(Answer))}",
                )
        lessons.append(Lesson(name, tuple(alts), answers))
    return lessons


def write_lessons(path: Path, lessons: Iterable[Lesson]) -> None:
    """Write lessons, replacing the file in one step."""
    write_json_lines(
        path,
        ({"name": lesson.name, "alts": list(lesson.alts), "answers": dict(lesson.answers)} for lesson in lessons),
    )


def add_lesson(path: Path, lesson: Lesson) -> None:
    """Add a lesson to a file, which need not exist yet; the file is replaced in one step.

    Raises:
        InputError: if what the file holds cannot be read, or it cannot be written.
    """
    write_lessons(path, [*read_lessons(path), lesson])
