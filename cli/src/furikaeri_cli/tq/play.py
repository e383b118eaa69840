"""`tq play`: a game against the machine, either way round."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from furikaeri_cli.options import BaseUrl, Json, Leanings, Models, PromptName, Quiet, Table, Weights
from furikaeri_cli.output import Output
from furikaeri_cli.tq.dialogue import PROTOCOL, Dialogue, Quit, Undo
from furikaeri_cli.tq.looking_back import look_back
from furikaeri_cli.tq.replies import read_answer, verdict_reader
from furikaeri_cli.tq.screen import headline, paragraph, spoken, told
from twenty_questions import session as games
from twenty_questions.memory import read_lessons
from twenty_questions.reliability import relearn
from twenty_questions.session import PERSON, Session, SessionConfig
from twenty_questions.table import AnswerTable, builtin_table, open_table
from twenty_questions.transcripts import Game, write_games

__all__ = ["guess_what_they_think_of", "known_table", "lessons_file", "play_cli"]

THINKER_HELP = """\
       y, yes           n, no
       p, probably      pn, probably not    mostly so, or mostly not
       ?, don't know    tells me nothing, and costs the question
       undo             takes your last reply back, again and again
       quit             ends the game, and so does Ctrl-D"""

_PROMPT = "y n p pn ? "
_WILD = 0.2


def lessons_file(table: Path | None, lessons: Path | None) -> Path:
    """Return where lessons are kept: the given file, beside a table of one's own, or in the user's data folder."""
    if lessons is not None:
        return lessons
    if table is not None:
        return table.parent / f"{table.name}.lessons.jsonl"
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "furikaeri" / "lessons.jsonl"


def known_table(table: Path | None, lessons: Path | None) -> AnswerTable:
    """Return the table to play with: the built-in or the given one, after the user's lessons."""
    base = open_table(table) if table else builtin_table()
    return relearn(base, read_lessons(lessons), noise=PERSON.noise) if lessons else base


def play_cli(
    play_as: Annotated[
        Literal["thinker", "guesser"],
        typer.Option("--as", help="Your part: you think of something, or you guess what it thinks of."),
    ] = "thinker",
    turns: Annotated[int, typer.Option("--turns", min=0, help="Questions and guesses in a game; 0: no end.")] = 20,
    letters: Annotated[
        bool, typer.Option("--letters/--no-letters", help="Whether it may ask about spelling when little else helps.")
    ] = True,
    confidence: Annotated[
        float, typer.Option("--confidence", min=0.0, max=1.0, help="It guesses once it is this sure.")
    ] = 0.5,
    noise: Annotated[
        float, typer.Option("--noise", min=0.0, max=0.49, help="How often it expects you to see things otherwise.")
    ] = PERSON.noise,
    lessons: Annotated[
        Path | None, typer.Option("--lessons", metavar="FILE", help="Where what you teach it is kept.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Play without what it was taught, and teach nothing.")] = False,
    save: Annotated[
        Path | None, typer.Option("--save", metavar="FILE", help="Write the game down, for `tq replay`.")
    ] = None,
    embeddings: Annotated[
        str,
        typer.Option(
            "--embeddings",
            metavar="MODEL",
            help="With --as guesser: a folder or model that compares sentences, `auto` for the usual one where it is "
            "installed, or `off`. A model takes seconds to load, so none is used unless asked for.",
        ),
    ] = "off",
    model: Models = None,
    base_url: BaseUrl = None,
    weights: Weights = "full",
    prompt: PromptName = "original",
    leanings: Leanings = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Makes the game repeatable; a new game each time if not given.")
    ] = None,
    table: Table = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Play 20 Questions against the machine.

    You think of something and it asks: answer y, n, p (probably), pn (probably not) or ?; `undo` takes the last
    answer back, `help` explains, `quit` ends the game. A wrong guess does not end it. At the end it says which of your
    answers surprised it, and remembers them, or a thing that it did not know, if you let it.

    With `--as guesser` it thinks of something: ask in your own words, or guess; `hint` and `give up` work, too. What it
    does not understand is answered by language models, if you name some with --model: by their vote.

    With --json each line either way is one JSON object, so that a program can play (docs/play_protocol.md).

    Examples:
        tq play
        tq play --as guesser
        tq play --as guesser --model qwen2.5-coder-1.5b-instruct-q4_k_m
        tq play --no-letters --turns 0
        printf 'y\\nn\\nn\\nquit\\n' | tq play --seed 1 --fresh
    """
    output = Output.choose(json=json, quiet=quiet)
    kept = None if fresh else lessons_file(table, lessons)
    known = known_table(table, kept)
    chosen = int.from_bytes(os.urandom(4), "little") if seed is None else seed
    if play_as == "guesser":
        from furikaeri_cli.tq.ask import GUESSER_HELP, answer_what_they_ask, understanding_of
        from furikaeri_cli.tq.voters import opened_voter, tell_failures

        index = understanding_of(known, embeddings, output)
        voter = opened_voter(
            model, output, base_url=tuple(base_url or ()), weights=weights, prompt=prompt, leanings=leanings
        )
        answer_what_they_ask(
            Dialogue(output, GUESSER_HELP), known, index, seed=chosen, turns=turns, save=save, voter=voter
        )
        if voter is not None:
            tell_failures(voter, output)
        return
    if model:
        output.note("Models answer for the machine, so --model says nothing here: it goes with --as guesser.")
    config = SessionConfig(
        guesser=replace(PERSON, letters=letters, noise=noise), turns=turns, confidence=confidence, seed=chosen
    )
    guess_what_they_think_of(Dialogue(output, THINKER_HELP), known, config, lessons=kept, save=save)


def guess_what_they_think_of(
    dialogue: Dialogue, table: AnswerTable, config: SessionConfig, *, lessons: Path | None, save: Path | None = None
) -> None:
    """Play one game in which the machine guesses, and learn from it.

    Args:
        dialogue: the other side.
        table: what the machine knows.
        config: the rules of this game.
        lessons: where to keep what is learned; None: nothing is.
        save: where to write the game down, however it ends; None: nowhere.
    """
    turns = f"{config.turns} turns" if config.turns else "all the turns I need"
    dialogue.tell(
        {
            "type": "start",
            "protocol": PROTOCOL,
            "as": "thinker",
            "keywords": len(table.keywords),
            "questions": len(table.questions),
            "turns": config.turns,
            "seed": config.seed,
        },
        paragraph(
            f"Think of a thing. I know {len(table.keywords):,}, and have {turns} to find yours. Answer y (yes), "
            "n (no), p (probably), pn (probably not) or ? (don't know); undo, help and quit work at any time.",
            drawn=dialogue.is_drawn,
        ),
    )
    game, name, ended = games.begin(table, config), "", False
    try:
        while not ended:
            while game.stage in ("asking", "guessing"):
                game = _step(dialogue, table, config, game)
            try:
                name = str(game.guess) if game.stage == "found" else ""
                name = look_back(dialogue, table, game, lessons)
                ended = True
            except Undo:
                game = _take_back(dialogue, game)
        dialogue.tell({"type": "end", "outcome": game.stage}, None)
    except Quit:
        dialogue.tell({"type": "end", "outcome": "quit"}, paragraph("Until next time.", drawn=dialogue.is_drawn))
    finally:
        if save:
            write_games(save, [Game(name, games.transcript_of(game), source="tq play")])


def _step(dialogue: Dialogue, table: AnswerTable, config: SessionConfig, game: Session) -> Session:
    """Ask the open question or offer the open guess, and return the game after the reply."""
    number = len(game.turns) + 1
    label = f"{number}/{config.turns}" if config.turns else f"{number}"
    place = {"turn": number, "turns": config.turns}
    try:
        if game.question is not None:
            text = spoken(game.question)
            given = dialogue.ask(
                {
                    "type": "question",
                    **place,
                    "key": game.question.key,
                    "kind": game.question.kind,
                    "text": text,
                    "expected_bits": game.expected_bits,
                    "top": _listed(game.top),
                },
                headline(text, label=label, drawn=dialogue.is_drawn),
                read_answer,
                expects=["answer"],
                prompt=_PROMPT,
                can_undo=game.before is not None,
            )
            after = games.answer(table, config, game, given)
        else:
            correct = dialogue.ask(
                {"type": "guess", **place, "name": game.guess, "probability": game.top[0][1], "top": _listed(game.top)},
                headline(_offer(game), label=label, drawn=dialogue.is_drawn),
                verdict_reader("correct"),
                expects=["correct"],
                prompt="y n ",
                can_undo=game.before is not None,
            )
            after = games.confirm(table, config, game, correct)
    except Undo:
        return _take_back(dialogue, game)
    turn = after.turns[-1]
    if not turn.correct:
        dialogue.remark(
            {"type": "told", **place, "bits": turn.bits, "left_bits": turn.left_bits, "top": _listed(turn.top)},
            told(turn.bits, turn.left_bits, turn.top, drawn=dialogue.is_drawn),
        )
    return after


def _offer(game: Session) -> str:
    kind = "My guess" if game.top[0][1] >= _WILD else "A wild guess"
    return f"{kind}: {game.guess}. Am I right?"


def _take_back(dialogue: Dialogue, game: Session) -> Session:
    turn, before = game.turns[-1], games.undo(game)
    if turn.question is not None:
        what = f"{turn.answer} to “{spoken(turn.question)}”"
    else:
        what = f"{'yes' if turn.correct else 'no'} to “{turn.guess}”"
    dialogue.tell(
        {"type": "undone", "turn": len(game.turns)}, paragraph(f"Taken back: {what}", drawn=dialogue.is_drawn)
    )
    return before


def _listed(top: tuple[tuple[str, float], ...]) -> list[dict[str, object]]:
    return [{"name": name, "probability": probability} for name, probability in top]
