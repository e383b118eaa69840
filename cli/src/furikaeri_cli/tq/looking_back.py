"""After a game: what it was, which answers surprised, and what is learned from them."""

from __future__ import annotations

import difflib
from pathlib import Path

from furikaeri_cli.tq.dialogue import Dialogue, Undo
from furikaeri_cli.tq.replies import Names, read_answer, read_names, verdict_reader
from furikaeri_cli.tq.screen import counted, headline, paragraph, percent, spoken
from twenty_questions import session as games
from twenty_questions.belief import Answer, posterior
from twenty_questions.learning import COUNTS, Lesson, surprises, telling_questions
from twenty_questions.memory import add_lesson
from twenty_questions.session import Session
from twenty_questions.table import AnswerTable, probability_of
from twenty_questions.table_index import index_of, positions_matching
from twenty_questions.words import normalise

__all__ = ["TAUGHT", "look_back"]

TAUGHT = 10
"""How many questions are asked about a new thing."""

_ALIKE = 0.84
_MOST_SURPRISES = 5


def look_back(dialogue: Dialogue, table: AnswerTable, game: Session, lessons: Path | None) -> str:
    """Talk about a game that has ended, learn from it, and return what it was ("" if they would rather not say).

    Args:
        dialogue: the other side.
        table: what the machine knows.
        game: found, lost or stuck.
        lessons: where to keep what is learned; None: nothing is.

    Raises:
        Undo: if the other side takes back the last reply of the game.
        Quit: if it stops. What it has taught by then is kept.
    """
    names = _found(dialogue, game) if game.stage == "found" else _ask_name(dialogue, table, game)
    if not names.name:
        return ""
    row = _row(table, names, game)
    if row is None:
        text = f"I did not know {names.name}."
        dialogue.tell({"type": "unknown", "name": names.name}, paragraph(text, drawn=dialogue.is_drawn))
    else:
        _say_surprises(dialogue, table, game, row)
    if lessons is not None:
        _learn(dialogue, table, game, names, row, lessons)
    return names.name if row is None else table.keywords[row].name


def _found(dialogue: Dialogue, game: Session) -> Names:
    text = f"Found in {counted(len(game.turns), 'turn')}: {game.guess}."
    event = {"type": "found", "name": game.guess, "turns": len(game.turns)}
    dialogue.tell(event, headline(text, drawn=dialogue.is_drawn))
    return Names(str(game.guess))


def _ask_name(dialogue: Dialogue, table: AnswerTable, game: Session) -> Names:
    """Ask what it was, and whether a name like one that is known is that one."""
    why = "That was my last turn" if game.stage == "lost" else "I have nothing left to ask or to guess"
    names = dialogue.ask(
        {"type": "lost", "turns": len(game.turns), "stuck": game.stage == "stuck"},
        headline(f"{why}: you win. What was it? (Enter to keep it to yourself)", drawn=dialogue.is_drawn),
        read_names,
        expects=["name", "alts"],
        can_undo=True,
    )
    if not names.name or _row(table, names, game) is not None:
        return names
    known = {normalise(name): keyword.name for keyword in table.keywords for name in keyword.names}
    alike = difflib.get_close_matches(normalise(names.name), known, n=1, cutoff=_ALIKE)
    if not alike:
        return names
    meant = dialogue.ask(
        {"type": "same", "name": names.name, "known": known[alike[0]]},
        paragraph(f"Do you mean {known[alike[0]]}?", drawn=dialogue.is_drawn),
        verdict_reader("same"),
        expects=["same"],
        prompt="y n ",
    )
    return Names(known[alike[0]], names.alts) if meant else names


def _row(table: AnswerTable, names: Names, game: Session) -> int | None:
    """Return the keyword that has one of these names, the most probable of several; None if there is none."""
    for name in (names.name, *names.alts):
        rows = positions_matching(index_of(table), name)
        if rows:
            return max(rows, key=lambda row: (table.keywords[row].name == name, game.state.belief.log_posterior[row]))
    return None


def _say_surprises(dialogue: Dialogue, table: AnswerTable, game: Session, row: int) -> None:
    name, answers = table.keywords[row].name, games.answers_given(game)
    found = surprises(table, row, answers)
    p = posterior(game.state.belief)
    rank = int((p > p[row]).sum()) + 1
    event = {
        "type": "surprises",
        "name": name,
        "rank": rank,
        "probability": float(p[row]),
        "answers": [
            {
                "key": table.questions[column].key,
                "text": spoken(table.questions[column]),
                "answer": answers[table.questions[column].key],
                "p_yes": float(probability_of(table.codes[row, column])),
                "bits": bits,
            }
            for column, bits in found
        ],
    }
    lines = []
    if game.stage != "found":
        turn = next((number for number, turn in enumerate(game.turns, start=1) if turn.guess == name), None)
        if turn is not None:
            lines.append(f"But I guessed {name} in turn {turn}, and you said no!")
        else:
            lines.append(f"I know {name}: it was my number {rank:,}, at {percent(float(p[row]))}.")
    lines.append("Your answers were what I expected." if not found else "What surprised me:")
    for column, bits in found[:_MOST_SURPRISES]:
        question = table.questions[column]
        lines.append(f"· {spoken(question)} You said {answers[question.key]} ({bits:.1f} bits).")
    if len(found) > _MOST_SURPRISES:
        lines.append(f"· and {counted(len(found) - _MOST_SURPRISES, 'more answer')}")
    dialogue.remark(event, "\n".join(paragraph(line, drawn=dialogue.is_drawn) for line in lines))


def _learn(dialogue: Dialogue, table: AnswerTable, game: Session, names: Names, row: int | None, lessons: Path) -> None:
    index = index_of(table)
    of_meaning = {question.key for question, is_table in zip(table.questions, index.is_table, strict=True) if is_table}
    answers = _telling({key: answer for key, answer in games.answers_given(game).items() if key in of_meaning})
    name = names.name if row is None else table.keywords[row].name
    if row is not None and not answers:
        return
    what = f"remember {name}" if row is None else f"remember your answers about {name}"
    agreed = dialogue.ask(
        {"type": "learn", "name": name, "new": row is None, "answers": len(answers)},
        paragraph(f"Shall I {what}, for the next game? (Enter: no)", drawn=dialogue.is_drawn),
        verdict_reader("learn", if_silent=False),
        expects=["learn"],
        prompt="y n ",
        can_undo=game.stage == "found",
    )
    if not agreed:
        return
    alts = tuple(alt for alt in (names.name, *names.alts) if alt != name)
    told: dict[str, Answer] = {}
    try:
        if row is None:
            alts = alts or _ask_alts(dialogue, name)
            _teach(dialogue, table, name, answers, told)
    finally:
        # Also when they stop in the middle: nothing that was taught is lost.
        learned = _telling(answers | told)
        add_lesson(lessons, Lesson(name, alts, learned))
        dialogue.tell(
            {"type": "learned", "name": name, "answers": len(learned), "file": str(lessons)},
            paragraph(
                f"Learned {counted(len(learned), 'answer')} about {name}; kept in {lessons}", drawn=dialogue.is_drawn
            ),
        )


def _telling(answers: dict[str, Answer]) -> dict[str, Answer]:
    """Return the answers that count for something."""
    return {key: answer for key, answer in answers.items() if any(COUNTS[answer])}


def _ask_alts(dialogue: Dialogue, name: str) -> tuple[str, ...]:
    said = dialogue.ask(
        {"type": "alts", "name": name},
        paragraph(f"Has {name} other names? (with ; between them, Enter: no)", drawn=dialogue.is_drawn),
        read_names,
        expects=["alts"],
    )
    return tuple(alt for alt in (said.name, *said.alts) if alt and alt != name)


def _teach(
    dialogue: Dialogue, table: AnswerTable, name: str, known: dict[str, Answer], told: dict[str, Answer]
) -> None:
    """Ask the questions that tell most about a new thing, and add the answers to `told`; an empty line stops."""
    intro = f"{TAUGHT} questions that help me most to tell {name} from other things (Enter stops):"
    dialogue.tell({"type": "teaching", "name": name, "questions": TAUGHT}, paragraph(intro, drawn=dialogue.is_drawn))
    while len(told) < TAUGHT:
        columns = telling_questions(table, known | told, 1)
        if not columns:
            return
        question = table.questions[columns[0]]
        try:
            answer = dialogue.ask(
                {
                    "type": "teach",
                    "number": len(told) + 1,
                    "of": TAUGHT,
                    "key": question.key,
                    "text": spoken(question),
                },
                headline(spoken(question), label=f"{len(told) + 1}/{TAUGHT}", drawn=dialogue.is_drawn),
                lambda reply: None if reply.wants("stop") or not reply.text("answer") else read_answer(reply),
                expects=["answer", "stop"],
                prompt="y n p pn ? ",
                can_undo=bool(told),
            )
        except Undo:
            told.popitem()
            continue
        if answer is None:
            return
        told[question.key] = answer
