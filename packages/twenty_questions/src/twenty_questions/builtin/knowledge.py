"""Read the knowledge behind the built-in table (io): plain text, a file of questions and a file of things per category.

A thing's entry is its names, then its statements, each a group and what holds of it:

    hammer; claw hammer
      is made tool | of metal ~wood some_metal | size 4 | weight 1 | price 1 | fame 4
      look long hard ~shiny | ...

A listed key is a yes, `~key` is uncertain, a key of a stated group that is not listed is a no, and `-` states that
nothing of the group holds. On a scale, `4` is a level, `3-5` a range (uncertain where a question's threshold falls
inside it), and `-` says that the scale does not apply (no to all). A group that opens only for some things
(`[food if edible]`) is closed, all no, unless the opening key is a yes or the group is stated all the same.

What a person writes is completed by the questions' own implications (a mammal is an animal) and by nothing else: there
are no defaults, so that a missing statement is an error and not a silent no.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.errors import InputError
from twenty_questions.words import Keyword, normalise, spellings

__all__ = ["Group", "Knowledge", "KnownQuestion", "Thing", "read_knowledge", "read_questions", "read_things"]

NO, UNCERTAIN, YES = 0, 1, 2

_GROUP = re.compile(r"\[(?P<name>\w+)(?: if (?P<gate>\w+)| scale (?P<low>\d+)\.\.(?P<high>\d+))?\]")
_QUESTION = re.compile(
    r"(?P<key>\w+) +(?P<text>[^>=]+\?)(?: (?P<relation>[<>]=)(?P<level>\d+))?(?: => (?P<implies>[\w! ]+))?"
)
_LEVELS = re.compile(r"(\d+)(?:-(\d+))?")


@dataclass(frozen=True, slots=True)
class KnownQuestion:
    """A question of the knowledge files.

    Attributes:
        key: its short name.
        text: the wording.
        threshold: on a scale, the relation (`>=` or `<=`) and level at which the answer is yes.
        implies: keys that are yes whenever this one is; with a leading `!`, no.
    """

    key: str
    text: str
    threshold: tuple[str, int] | None = None
    implies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """Questions that are stated together.

    Attributes:
        name: how entries name it.
        questions: its questions, in order.
        gate: the key that opens it, if it is not open to every thing.
        scale: lowest and highest level, if it is a scale.
    """

    name: str
    questions: tuple[KnownQuestion, ...]
    gate: str | None = None
    scale: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Thing:
    """One entry: names, category, and per group the tokens as written."""

    keyword: Keyword
    category: str
    statements: dict[str, tuple[str, ...]]
    where: str


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Everything the files say, as arrays.

    Attributes:
        groups: the groups of questions, in file order.
        things: the entries, in file order.
        answers: uint8, shape (things, questions): 0 no, 1 uncertain, 2 yes; columns as in `questions`.
        stated: bool, same shape: the cell follows from what the entry itself states, not from a closed group.
        fame: int64, shape (things,): how likely people think of it, 1 to 5.
    """

    groups: tuple[Group, ...]
    things: tuple[Thing, ...]
    answers: NDArray[np.uint8]
    stated: NDArray[np.bool_]
    fame: NDArray[np.int64]

    @property
    def questions(self) -> tuple[KnownQuestion, ...]:
        """All questions, group by group."""
        return tuple(question for group in self.groups for question in group.questions)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as UTF-8 text ({error})") from error
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.startswith("#"):
            yield number, line.rstrip()


def read_questions(path: Path) -> tuple[Group, ...]:
    """Read the file of questions.

    Raises:
        InputError: naming the line that cannot be read, a key that is used twice, or an unknown key in a relation.
    """
    groups: list[Group] = []
    for number, line in _lines(path):
        where = f"{path.name}, line {number}"
        if heading := _GROUP.fullmatch(line):
            scale = (int(heading["low"]), int(heading["high"])) if heading["low"] else None
            groups.append(Group(heading["name"], (), heading["gate"], scale))
        elif (entry := _QUESTION.fullmatch(line)) and groups:
            threshold = (entry["relation"], int(entry["level"])) if entry["relation"] else None
            implies = tuple((entry["implies"] or "").split())
            last = groups[-1]
            if (threshold is None) != (last.scale is None):
                raise InputError(f"{where}: a threshold belongs to every question of a scale, and to no other")
            known = KnownQuestion(entry["key"], entry["text"], threshold, implies)
            groups[-1] = Group(last.name, (*last.questions, known), last.gate, last.scale)
        else:
            raise InputError(f"{where}: neither a [group] nor a question: {line[:60]!r}")
    _check_keys(groups, path)
    return tuple(groups)


def _check_keys(groups: list[Group], path: Path) -> None:
    keys: set[str] = set()
    for question in (question for group in groups for question in group.questions):
        if question.key in keys:
            raise InputError(f"{path.name}: the key {question.key!r} is used twice")
        keys.add(question.key)
    for group in groups:
        if group.gate is not None and group.gate not in keys:
            raise InputError(f"{path.name}: [{group.name}] opens on {group.gate!r}, which is no question")
        for question in group.questions:
            for implied in question.implies:
                if implied.removeprefix("!") not in keys:
                    raise InputError(f"{path.name}: {question.key} implies {implied!r}, which is no question")


def read_things(path: Path) -> list[Thing]:
    """Read one category's file: unindented lines name a thing, indented ones state what holds of it.

    Raises:
        InputError: naming the line of an indented statement without a thing, or a group stated twice.
    """
    things: list[Thing] = []
    for number, line in _lines(path):
        where = f"{path.name}, line {number}"
        if not line[0].isspace():
            names = [name.strip() for name in line.split(";")]
            if not all(names):
                raise InputError(f"{where}: an empty name")
            things.append(Thing(Keyword(names[0], tuple(names[1:])), path.stem, {}, where))
            continue
        if not things:
            raise InputError(f"{where}: a statement before the first thing")
        for statement in line.split("|"):
            group, *tokens = statement.split() or [""]
            if not tokens:
                raise InputError(
                    f"{where}: {things[-1].keyword.name}: {group!r} states nothing", fix="Write `-` for none"
                )
            if group in things[-1].statements:
                raise InputError(f"{where}: {things[-1].keyword.name}: {group!r} is stated twice")
            things[-1].statements[group] = tuple(tokens)
    return things


def read_knowledge(folder: Path) -> Knowledge:
    """Read `questions.txt` and every file under `things/`, and work out all answers.

    Raises:
        InputError: for the first fault found, naming file, line and thing: an unknown group or key, a missing
            statement, a level off the scale, a contradiction with an implication, two things that the game takes for
            one.
    """
    groups = read_questions(folder / "questions.txt")
    things = [thing for path in sorted((folder / "things").glob("*.txt")) for thing in read_things(path)]
    if not things:
        raise InputError(f"{folder / 'things'}: holds no things")
    _check_names(things)
    rows = [_answers_of(thing, groups) for thing in things]
    return Knowledge(
        groups=groups,
        things=tuple(things),
        answers=np.asarray([row[0] for row in rows], dtype=np.uint8),
        stated=np.asarray([row[1] for row in rows], dtype=np.bool_),
        fame=np.asarray([row[2] for row in rows], dtype=np.int64),
    )


def _check_names(things: list[Thing]) -> None:
    owner: dict[str, Thing] = {}
    for thing in things:
        for name in thing.keyword.names:
            for form in spellings(name):
                other = owner.get(form, thing)
                if other is not thing:
                    taken = f"the game takes {thing.keyword.name!r} for {other.keyword.name!r}"
                    raise InputError(f"{thing.where}: {taken} ({other.where})")
        owner.update((normalise(name), thing) for name in thing.keyword.names)


def _answers_of(thing: Thing, groups: tuple[Group, ...]) -> tuple[list[int], list[bool], int]:
    name = f"{thing.where}: {thing.keyword.name}"
    unknown = thing.statements.keys() - {group.name for group in groups}
    if unknown:
        raise InputError(f"{name}: no group is called {', '.join(sorted(unknown))}")
    values: dict[str, int] = {}
    implications = {question.key: question.implies for group in groups for question in group.questions}
    fame = 0
    for group in groups:
        tokens = thing.statements.get(group.name)
        if group.scale is not None:
            if tokens is None or len(tokens) != 1:
                raise InputError(f"{name}: expected one level for {group.name}, got {tokens}")
            low, high = _levels(tokens[0], group.scale, f"{name}: {group.name}")
            if not group.questions:
                if low < group.scale[0]:
                    raise InputError(f"{name}: expected a level for {group.name}, got {tokens[0]!r}")
                fame = low
            for question in group.questions:
                values[question.key] = _at_threshold(question.threshold, low, high)
        elif tokens is not None:
            values |= _stated(tokens, group, name)
    for key in list(values):
        _imply(key, values, implications, name)
    stated = set(values)
    for group in groups:
        if group.scale is None and group.name not in thing.statements:
            if group.gate is None or values.get(group.gate, NO) == YES:
                raise InputError(f"{name}: nothing is said of {group.name}", fix="Write `-` for none")
            for question in group.questions:
                values.setdefault(question.key, NO)
    order = [question.key for group in groups for question in group.questions]
    return [values[key] for key in order], [key in stated for key in order], fame


def _levels(token: str, scale: tuple[int, int], where: str) -> tuple[int, int]:
    if token == "-":
        return -1, -1
    match = _LEVELS.fullmatch(token)
    low, high = (int(match[1]), int(match[2] or match[1])) if match else (scale[0] - 1, 0)
    if not scale[0] <= low <= high <= scale[1]:
        raise InputError(f"{where}: expected a level or range in {scale[0]}..{scale[1]}, got {token!r}")
    return low, high


def _at_threshold(threshold: tuple[str, int] | None, low: int, high: int) -> int:
    assert threshold is not None
    relation, level = threshold
    if low < 0:
        return NO
    holds = [value >= level if relation == ">=" else value <= level for value in (low, high)]
    return YES if all(holds) else NO if not any(holds) else UNCERTAIN


def _stated(tokens: tuple[str, ...], group: Group, name: str) -> dict[str, int]:
    values = {question.key: NO for question in group.questions}
    for token in () if tokens == ("-",) else tokens:
        key = token.removeprefix("~")
        if key not in values:
            raise InputError(f"{name}: {key!r} is no question of {group.name}")
        values[key] = UNCERTAIN if token.startswith("~") else YES
    return values


def _imply(key: str, values: dict[str, int], implications: dict[str, tuple[str, ...]], name: str) -> None:
    strength = values[key]
    if strength == NO:
        return
    for implied in implications[key]:
        target = implied.removeprefix("!")
        if implied.startswith("!"):
            if strength == YES and values.get(target, NO) == YES:
                raise InputError(f"{name}: {key} and {target} contradict each other")
            continue
        if values.get(target, NO) < strength:
            values[target] = strength
            _imply(target, values, implications, name)
