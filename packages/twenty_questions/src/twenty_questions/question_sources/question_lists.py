"""Question lists on disk (io): one JSON object a line, or plain text with one question a line.

A line of `questions.jsonl` is `{"key", "text", "kind", "argument"}`, as in an answer table, and may tell `source`
(where the question is from) and `count` (how often it was met there). So a table's folder is a question list, too.

Keys are slugs of the texts. Texts that differ only in case, spaces and punctuation have one key and are one question.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from furikaeri_common.artifacts import read_json_lines, write_json_lines
from furikaeri_common.errors import InputError
from twenty_questions.questions import Question
from twenty_questions.spelling_questions import recognise

__all__ = [
    "CountedQuestion",
    "clean",
    "normal_form",
    "question_of",
    "read_counted",
    "read_questions",
    "require_writable",
    "unique",
    "write_questions",
]

LONGEST = 750
"""Characters of a question that the game passes on."""

_TABLE_MARK = "furikaeri answer table"
_LONGEST_SLUG = 60
_HASH = 6
_SIGNS = "<>=%$€£°+#"
_TOKEN = re.compile(rf"[^\W_]+(?:[.,][0-9]+)*|[{re.escape(_SIGNS)}]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ufeff]+")
_ENDING = " ?!.;:,…"
_AUXILIARY = (
    r"(?:is|are|am|was|were|do|does|did|has|have|had|can|could|will|would|shall|should|may|might|must"
    r"|isn't|aren't|wasn't|weren't|don't|doesn't|didn't|hasn't|haven't|can't|couldn't|won't|wouldn't|shouldn't)"
)
_OPEN = re.compile(
    r"\W*(?:(?:and|but|so|or|ok|okay|now|then|also|well)\W+)?(?:(?:in|on|at|for|from|of|by|with|to|about)\s+)?"
    r"(?:who|whom|whose|what|where|when|why|how|which|name|list|tell|give|describe|explain)(?:'s)?\b",
    re.IGNORECASE,
)
_CLAUSE_FIRST = re.compile(rf".*,\s*{_AUXILIARY}\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CountedQuestion:
    """A question and how often it was met.

    Attributes:
        question: the question.
        count: how often, at least 1.
        source: where it is from, such as "letters", "games" or a model's name; "" if that is not known.
    """

    question: Question
    count: int = 1
    source: str = ""

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"expected a count of at least 1, got {self.count}")


def clean(text: str) -> str:
    """Return a text as one tidy yes/no question: single spaces, a capital first, one question mark.

    Raises:
        ValueError: if it is empty, too long, several questions, or asks for more than yes or no.
    """
    tidy = " ".join(_CONTROL.sub(" ", unicodedata.normalize("NFC", text)).split())
    tidy = tidy.rstrip(_ENDING)
    if not any(character.isalpha() for character in tidy):
        raise ValueError(f"expected a question, got {text[:60]!r}")
    if re.search(r"\?['\")\]]*\s", tidy):
        raise ValueError(f"expected one question, got several: {tidy[:60]!r}")
    if len(tidy) >= LONGEST:
        raise ValueError(f"expected at most {LONGEST} characters, got {len(tidy) + 1}: {tidy[:60]!r}")
    if _OPEN.match(tidy) and not _CLAUSE_FIRST.match(tidy):
        raise ValueError(f"expected a question that yes or no answers, got {tidy[:60]!r}")
    return f"{tidy[0].upper()}{tidy[1:]}?"


def normal_form(text: str) -> str:
    """Return the words of a text in lower case: the same for texts that differ in case, spaces and punctuation.

    Signs that carry meaning ("<", "%", "$") stay, and so do the points within numbers.
    """
    plain = unicodedata.normalize("NFKC", text).casefold().replace("'", "").replace("’", "")
    return " ".join(_TOKEN.findall(plain))


def question_of(text: str) -> Question:
    """Return the question that a text asks, with a key that depends on its words alone.

    Letter and alphabetical questions in their own wordings become questions of those kinds.

    Raises:
        ValueError: as `clean`.
    """
    spelled = recognise(" ".join(text.split()))
    return spelled or Question(key=_slug(text), text=clean(text))


def _slug(text: str) -> str:
    """Return the normal form with hyphens; with a hash where it is cut, or holds signs that a key cannot."""
    form = normal_form(text)
    words = re.findall(r"[^\W_]+", form)
    slug = "-".join(words)
    if len(slug) <= _LONGEST_SLUG and words == form.split():
        return slug
    cut = slug if len(slug) <= _LONGEST_SLUG else slug[: _LONGEST_SLUG + 1].rpartition("-")[0] or slug[:_LONGEST_SLUG]
    return f"{cut}-{_digest(form)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:_HASH]


def unique(counted: Iterable[CountedQuestion]) -> list[CountedQuestion]:
    """Return questions with distinct texts and keys, in the order in which they were first met.

    Counts of one text (by its normal form) add up, and its sources are joined; the first wording and key stay. A key
    that another text has already gets a hash of its text.
    """
    by_form: dict[str, CountedQuestion] = {}
    for one in counted:
        form = normal_form(one.question.text)
        earlier = by_form.get(form)
        if earlier is None:
            by_form[form] = one
        else:
            sources = dict.fromkeys([*earlier.source.split(", "), *one.source.split(", ")])
            joined = ", ".join(source for source in sources if source)
            by_form[form] = replace(earlier, count=earlier.count + one.count, source=joined)
    kept: dict[str, CountedQuestion] = {}
    for form, one in by_form.items():
        question = one.question
        if question.key in kept:
            question = Question(f"{question.key}-{_digest(form)}", question.text, question.kind, question.argument)
        kept[question.key] = replace(one, question=question)
    return list(kept.values())


def read_questions(path: Path) -> tuple[Question, ...]:
    """Return the questions of a list; see `read_counted`."""
    return tuple(one.question for one in read_counted(path))


def read_counted(path: Path) -> list[CountedQuestion]:
    """Read a question list.

    Args:
        path: `questions.jsonl` or any file of such lines; a folder that holds one, such as a table's; or plain text
            with one question a line, where empty lines and lines that start with "#" are passed over and a text that
            comes again counts again.

    Raises:
        InputError: if there is no such file, it holds no question, or a line is none; the message names the line.
    """
    path = Path(path)
    if path.is_dir():
        if not (path / "questions.jsonl").is_file():
            raise InputError(f"{path}: holds no questions.jsonl", fix="Give a table's folder, or a file of questions")
        path = path / "questions.jsonl"
    counted = _from_rows(path) if _holds_json(path) else _from_text(path)
    if not counted:
        raise InputError(f"{path}: holds no question", fix="Write one question a line")
    return counted


def _holds_json(path: Path) -> bool:
    if path.suffix in (".jsonl", ".ndjson"):
        return True
    try:
        with path.open("rb") as stream:
            return stream.read(256).lstrip().startswith(b"{")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error


def _from_rows(path: Path) -> list[CountedQuestion]:
    counted: list[CountedQuestion] = []
    first_row: dict[str, int] = {}
    for number, row in enumerate(read_json_lines(path), start=1):
        try:
            one = _from_row(row)
        except (KeyError, TypeError, ValueError) as error:
            reason = f"no field {error}" if isinstance(error, KeyError) else str(error)
            raise InputError(f"{path}, row {number}: not a question ({reason})") from error
        earlier = first_row.setdefault(one.question.key, number)
        if earlier != number:
            raise InputError(
                f"{path}, row {number}: {one.question.key!r} is already in row {earlier}", fix="Remove one"
            )
        counted.append(one)
    return counted


def _from_row(row: dict[str, Any]) -> CountedQuestion:
    fields = {"key": _slug(str(row["text"])), "kind": "table", "argument": "", "source": ""} | row
    for name in ("key", "text", "kind", "argument", "source"):
        if not isinstance(fields[name], str):
            raise TypeError(f"expected {name} to be text, got {fields[name]!r}")
    count = fields.get("count", 1)
    if type(count) is not int:
        raise TypeError(f"expected count to be a whole number, got {count!r}")
    question = Question(fields["key"], fields["text"], fields["kind"], fields["argument"])
    return CountedQuestion(question, count, fields["source"])


def _from_text(path: Path) -> list[CountedQuestion]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text (byte {error.start})", fix="Save it as UTF-8") from error
    counted = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            counted.append(CountedQuestion(question_of(line), source=path.name))
        except ValueError as error:
            raise InputError(f"{path}, line {number}: {error}", fix="Correct or remove that line") from error
    return unique(counted)


def require_writable(path: Path) -> None:
    """Refuse a place where a question list would replace something else.

    A table's own `questions.jsonl` is such a thing: its rows belong to the matrix beside it.

    Raises:
        InputError: if it is a folder, another file, or part of a table.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path}: is a folder", fix=f"Name a file, such as {path / 'questions.jsonl'}")
    manifest = path.with_name("manifest.json")
    if path.name == "questions.jsonl" and manifest.is_file() and _TABLE_MARK in manifest.read_text("utf-8", "replace"):
        raise InputError(f"{path}: belongs to the answer table in {path.parent}", fix="Choose another place")
    if path.is_file() and path.stat().st_size:
        try:
            first = next(iter(read_json_lines(path)), {})
        except InputError:
            first = {}
        if not isinstance(first.get("text"), str):
            raise InputError(f"{path}: holds something else than questions", fix="Choose another place")


def write_questions(path: Path, questions: Iterable[Question | CountedQuestion]) -> None:
    """Write a question list atomically; counts and sources are written of counted questions.

    Raises:
        InputError: if something else than a question list stands there, or the file cannot be written.
        ValueError: if two questions have one key.
    """
    require_writable(path)
    rows: dict[str, dict[str, Any]] = {}
    for one in questions:
        question = one.question if isinstance(one, CountedQuestion) else one
        if question.key in rows:
            raise ValueError(f"expected distinct keys, got {question.key!r} twice")
        row: dict[str, Any] = {
            "key": question.key,
            "text": question.text,
            "kind": question.kind,
            "argument": question.argument,
        }
        if isinstance(one, CountedQuestion):
            row |= {"source": one.source, "count": one.count}
        rows[question.key] = row
    write_json_lines(path, rows.values())
