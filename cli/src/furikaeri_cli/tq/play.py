"""`tq play`: a game against the machine, either way round."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer
from twenty_questions.belief import Answer
from twenty_questions.guesser import GuesserConfig

from furikaeri_cli.options import Json, Quiet, Table
from furikaeri_cli.output import Output
from furikaeri_cli.tq.dialogue import ANSWERS_HELP, Dialogue, Quit, read_answer
from twenty_questions import session as games
from twenty_questions.learning import Lesson, learn, surprises, telling_questions
from twenty_questions.memory import read_lessons, write_lessons
from twenty_questions.session import Session, SessionConfig
from twenty_questions.table import AnswerTable, builtin_table, open_table
from twenty_questions.words import find

__all__ = ["default_lessons", "guess_what_they_think_of", "known_table", "play_cli"]


def default_lessons() -> Path:
    """Return where lessons are kept when the user names no file: in the user's data folder."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "furikaeri" / "lessons.jsonl"


def known_table(table: Path | None, lessons: Path | None) -> AnswerTable:
    """Return the table to play with: the built-in or the given one, after the user's lessons."""
    base = open_table(table) if table else builtin_table()
    return learn(base, read_lessons(lessons)) if lessons else base


def play_cli(
    play_as: Annotated[
        Literal["thinker", "guesser"],
        typer.Option("--as", help="Your part: you think of something, or you guess what it thinks of."),
    ] = "thinker",
    table: Table = None,
    lessons: Annotated[
        Path | None, typer.Option("--lessons", metavar="FILE", help="Where what you teach is kept.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Play without what was taught, and teach nothing.")] = False,
    turns: Annotated[int, typer.Option("--turns", min=0, help="Questions and guesses in a game; 0: no end.")] = 20,
    confidence: Annotated[
        float, typer.Option("--confidence", min=0.0, max=1.0, help="It guesses once it is this sure.")
    ] = 0.6,
    letters: Annotated[
        bool, typer.Option("--letters/--no-letters", help="Whether it may ask about spelling, too.")
    ] = True,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Makes the game repeatable; a new game each time if not given.")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Play 20 Questions against the machine.

    You think of something and it asks: answer y, n, p (probably), pn (probably not) or ?; `undo` takes the last
    answer back, `quit` ends the game. A wrong guess does not end it. At the end it says which answers surprised it,
    and remembers them, or a thing that it did not know, if you let it.

    With `--as guesser` it thinks of something, and you ask in your own words or guess; `give up` ends the game.

    With --json each line either way is one JSON object: it writes {"type": "question" | "guess" | "reveal" | ...};
    reply {"answer": "yes"}, {"correct": false}, {"name": "kite"}, {"undo": true} or {"quit": true}.

    Examples:
        tq play
        tq play --as guesser
        tq play --no-letters --turns 0
        printf 'y\\nn\\nn\\nquit\\n' | tq play --seed 1 --fresh
    """
    output = Output.choose(json=json, quiet=quiet)
    dialogue = Dialogue(output)
    kept = None if fresh else lessons or default_lessons()
    known = known_table(table, kept)
    chosen = int.from_bytes(os.urandom(4), "little") if seed is None else seed
    try:
        if play_as == "guesser":
            from furikaeri_cli.tq.ask import answer_what_they_ask
            from twenty_questions.builtin.phrasing import wordings_of
            from twenty_questions.understanding import index_wordings

            index = index_wordings(wordings_of(known))
            answer_what_they_ask(dialogue, known, index, seed=chosen, turns=turns)
            return
        config = SessionConfig(
            GuesserConfig(handshake=False, letters=letters), turns=turns, confidence=confidence, seed=chosen
        )
        guess_what_they_think_of(dialogue, known, config, kept)
    except Quit:
        dialogue.tell({"type": "quit"}, "Until next time.")


def guess_what_they_think_of(
    dialogue: Dialogue, table: AnswerTable, config: SessionConfig, lessons: Path | None
) -> None:
    """Play one game in which the machine guesses, and learn from it.

    Args:
        dialogue: the other side.
        table: what the machine knows.
        config: the rules of this game.
        lessons: where to keep what is learned; None: nothing is.

    Raises:
        Quit: if the other side stops.
    """
    dialogue.tell(
        {"type": "start", "keywords": len(table.keywords), "questions": len(table.questions)},
        f"Think of a thing. I know {len(table.keywords):,} and ask about {len(table.questions):,}.\n  {ANSWERS_HELP}",
    )
    game = games.begin(table, config)
    while game.stage in ("asking", "guessing"):
        game = _step(dialogue, table, config, game)
    name = _reveal(dialogue, table, game)
    if name:
        _look_back(dialogue, table, game, name, lessons)


def _step(dialogue: Dialogue, table: AnswerTable, config: SessionConfig, game: Session) -> Session:
    number = len(game.turns) + 1
    of = f" of {config.turns}" if config.turns else ""
    top = [{"name": name, "probability": probability} for name, probability in game.top[:5]]
    if game.question is not None:
        event: dict[str, object] = {
            "type": "question",
            "turn": number,
            "key": game.question.key,
            "text": game.question.text,
            "expected_bits": game.expected_bits,
            "top": top,
        }
        reply = dialogue.ask(event, f"\n{number}{of}. {game.question.text}")
        if reply.wants_undo:
            return games.undo(table, config, game)
        answer = read_answer(reply.text("answer"))
        if answer is None:
            dialogue.complain(f"{reply.text('answer')!r} is none of: {ANSWERS_HELP}")
            return game
        after = games.answer(table, config, game, answer)
    else:
        event = {"type": "guess", "turn": number, "name": game.guess, "top": top}
        reply = dialogue.ask(event, f"\n{number}{of}. Is it: {game.guess}?")
        if reply.wants_undo:
            return games.undo(table, config, game)
        correct = reply.verdict("correct")
        if correct is None:
            dialogue.complain(f"{reply.text('correct', 'answer')!r} is neither yes nor no")
            return game
        after = games.confirm(table, config, game, correct)
        if correct:
            return after
    turn = after.turns[-1]
    dialogue.tell(
        {"type": "told", "turn": number, "bits": turn.bits, "top": [list(pair) for pair in turn.top[:5]]},
        f"   {turn.bits:.2f} bits · {best_guesses(turn.top)}",
    )
    return after


def best_guesses(top: Sequence[tuple[str, float]], number: int = 3) -> str:
    """Return the most probable keywords with their probabilities, on one line."""
    return ", ".join(f"{name} {_percent(probability)}" for name, probability in top[:number])


def _percent(probability: float) -> str:
    return f"{probability:.0%}" if probability >= 0.1 else f"{probability:.1%}"


def _reveal(dialogue: Dialogue, table: AnswerTable, game: Session) -> str:
    """Return what it was; empty if they would rather not say."""
    if game.stage == "found":
        dialogue.tell(
            {"type": "found", "name": game.guess, "turns": len(game.turns)},
            f"\nFound in {len(game.turns)} turns: {game.guess}.",
        )
        return str(game.guess)
    text = "\nYou win. What was it? (Enter to keep it to yourself)"
    reply = dialogue.ask({"type": "lost", "turns": len(game.turns)}, text)
    return reply.text("name").strip()


def _look_back(dialogue: Dialogue, table: AnswerTable, game: Session, name: str, lessons: Path | None) -> None:
    answers = games.answers_given(game)
    rows = find(name, table.keywords)
    if rows:
        _say_surprises(dialogue, table, rows[0], answers)
    else:
        dialogue.tell({"type": "unknown", "name": name}, f"I did not know {name}.")
    if lessons is None or not (answers or not rows):
        return
    what = f"remember your answers about {name}" if rows else f"learn {name}"
    while True:
        verdict = dialogue.ask({"type": "learn?", "name": name, "new": not rows}, f"Shall I {what}? (y/n)").verdict(
            "learn"
        )
        if verdict is not None:
            break
        dialogue.complain("that is neither yes nor no")
    if not verdict:
        return
    if not rows:
        answers |= _teach(dialogue, table, name, answers)
    write_lessons(lessons, [*read_lessons(lessons), Lesson(name, answers=answers)])
    dialogue.tell(
        {"type": "learned", "name": name, "answers": len(answers), "file": str(lessons)},
        f"Learned {len(answers)} answers about {name}, kept in {lessons}.",
    )


def _say_surprises(dialogue: Dialogue, table: AnswerTable, row: int, answers: Mapping[str, Answer]) -> None:
    found = surprises(table, row, answers)
    dialogue.tell(
        {
            "type": "surprises",
            "name": table.keywords[row].name,
            "answers": [{"key": table.questions[column].key, "bits": bits} for column, bits in found],
        },
        "\n".join(
            ["Your answers were what I expected." if not found else "What surprised me:"]
            + [
                f"  {table.questions[column].text} You said {answers[table.questions[column].key]} ({bits:.1f} bits)."
                for column, bits in found[:5]
            ]
        ),
    )


def _teach(
    dialogue: Dialogue, table: AnswerTable, name: str, answers: Mapping[str, Answer], number: int = 8
) -> dict[str, Answer]:
    """Ask the questions that tell most about a new thing; an empty line stops."""
    dialogue.tell({"type": "teach", "name": name, "questions": number}, f"Up to {number} questions about {name}:")
    told: dict[str, Answer] = {}
    while len(told) < number:
        columns = telling_questions(table, {**answers, **told}, 1)
        if not columns:
            break
        question = table.questions[columns[0]]
        reply = dialogue.ask({"type": "question", "key": question.key, "text": question.text}, f"  {question.text}")
        answer = read_answer(reply.text("answer"))
        if answer is not None:
            told[question.key] = answer
        elif not reply.text("answer").strip():
            break
        else:
            dialogue.complain(f"{reply.text('answer')!r} is none of: {ANSWERS_HELP}")
    return told
