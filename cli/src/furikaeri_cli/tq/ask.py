"""`tq play --as guesser`: the machine thinks of something, and a person asks in their own words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from furikaeri_cli.output import Output
from furikaeri_cli.tq.dialogue import PROTOCOL, Dialogue, Quit, shortened
from furikaeri_cli.tq.embeddings import encoder_for
from furikaeri_cli.tq.moves import read_move
from furikaeri_cli.tq.screen import counted, faint, headline, paragraph, spoken
from twenty_questions import thinking
from twenty_questions.belief import Answer
from twenty_questions.builtin.phrasing import embed_wordings, wordings_of
from twenty_questions.hearing import Heard, hear
from twenty_questions.table import AnswerTable
from twenty_questions.thinking import ThinkingGame, Told
from twenty_questions.transcripts import Game, Round, write_games
from twenty_questions.understanding import Index, index_wordings
from twenty_questions.voting import Voter

__all__ = ["GUESSER_HELP", "answer_what_they_ask", "understanding_of"]

GUESSER_HELP = """\
       Ask anything that has a yes or a no: “is it alive?”, “could I lift it?”, “does it start with k?”
       guess kite          guesses; so do “is it a kite?” and the bare name
       hint                tells you something true, for a turn
       give up             shows what it was
       quit                ends the game, and so does Ctrl-D"""

CACHE = Path("~/.cache/furikaeri/embeddings")
"""Where what a model made of the table's questions is kept."""

_SAID: Mapping[Answer, str] = {
    "yes": "Yes",
    "probably": "Probably",
    "unknown": "Hard to say",
    "probably not": "Probably not",
    "no": "No",
}


def understanding_of(table: AnswerTable, embeddings: str, output: Output) -> Index:
    """Return what questions are understood with: by words, and by a model of sentences if that is asked for.

    Args:
        table: whose questions they are.
        embeddings: a folder or model, "auto" for the usual one if it is here, or "off".
        output: hears when "auto" finds none.

    Raises:
        InputError: if the model that was named is not here or cannot be used.
    """
    wordings = wordings_of(table)
    encoder, name = encoder_for(embeddings, "cpu", output, "Questions are compared by their words alone")
    if encoder is None:
        return index_wordings(wordings)
    return index_wordings(wordings, encoder, embed_wordings(wordings, encoder, name, CACHE.expanduser()))


def answer_what_they_ask(
    dialogue: Dialogue,
    table: AnswerTable,
    index: Index,
    *,
    seed: int,
    turns: int,
    save: Path | None = None,
    voter: Voter | None = None,
) -> None:
    """Play one game in which the machine thinks of something.

    Args:
        dialogue: the other side.
        table: what the machine knows; the secret is drawn from its prior.
        index: how it understands questions.
        seed: of the draw.
        turns: questions, hints and guesses together; 0: no end.
        save: where to write the game down, however it ends; None: nowhere.
        voter: the models that answer what it does not understand; None: nobody does.
    """
    game = thinking.begin(table, np.random.default_rng(seed))
    dialogue.tell(
        {
            "type": "start",
            "protocol": PROTOCOL,
            "as": "guesser",
            "keywords": len(table.keywords),
            "turns": turns,
            "seed": seed,
        },
        paragraph(
            f"I am thinking of one of {len(table.keywords):,} things. Ask in your own words, or guess: “guess kite”. "
            "hint, give up, help and quit work, too.",
            drawn=dialogue.is_drawn,
        ),
    )
    outcome = "revealed"
    try:
        while not game.found and (not turns or game.turns < turns):
            label = f"{game.turns + 1}/{turns}" if turns else f"{game.turns + 1}"
            move = dialogue.ask(
                {"type": "turn", "turn": game.turns + 1, "turns": turns},
                headline("Your question or guess?", label=label, drawn=dialogue.is_drawn),
                lambda reply: read_move(reply, table, index),
                expects=["question", "guess", "hint", "give_up"],
            )
            match move.kind:
                case "ask":
                    game = _answer(dialogue, table, index, game, move.text, voter)
                case "guess":
                    game = _judge(dialogue, table, game, move.text)
                case "hint":
                    game = _hint(dialogue, table, game)
                case "give up":
                    break
        if game.found:
            outcome = "found"
        else:
            _reveal(dialogue, table, game)
    except Quit:
        outcome = "quit"
    finally:
        if save:
            write_games(save, [Game(table.keywords[game.row].name, game.rounds, source="tq play --as guesser")])
    goodbye = paragraph("Until next time.", drawn=dialogue.is_drawn) if outcome == "quit" else None
    dialogue.tell({"type": "end", "outcome": outcome}, goodbye)


def _answer(
    dialogue: Dialogue, table: AnswerTable, index: Index, game: ThinkingGame, text: str, voter: Voter | None
) -> ThinkingGame:
    heard = hear(table, index, text)
    if heard is None and voter is not None:
        voted = _answer_by_vote(dialogue, table, game, text, voter)
        if voted is not None:
            return voted
    if heard is None:
        dialogue.tell(
            {"type": "answer", "question": text, "answer": None},
            paragraph("I cannot tell; ask it another way. (That cost no turn.)", drawn=dialogue.is_drawn),
        )
        return game
    after, said, told = thinking.answer(table, game, text, heard)
    event = {
        "type": "answer",
        "question": text,
        "answer": said,
        "how": heard.how,
        "understood": heard.question.text if heard.question else heard.rule,
        "opposite": heard.opposite,
        "score": heard.score,
        **told._asdict(),
    }
    dialogue.tell(event, headline(f"{_SAID[said]}.{_understood(heard)}", blank=False, drawn=dialogue.is_drawn))
    _say_told(dialogue, told)
    return after


def _answer_by_vote(
    dialogue: Dialogue, table: AnswerTable, game: ThinkingGame, text: str, voter: Voter
) -> ThinkingGame | None:
    """Return the game after an answer that models gave about the secret alone; None if they cannot tell either."""
    counted = voter.vote(table.keywords[game.row].name, text)
    if counted.answer is None:
        return None
    said: Answer = "yes" if counted.answer else "no"
    event = {"type": "answer", "question": text, "answer": said, "how": "voted", "votes": dict(counted.given)}
    if len(voter.names) == 1:
        who = "says a model; I do not know myself"
    else:
        agreeing = sum((p > voter.config.threshold) == counted.answer for p in counted.given.values())
        who = f"say {agreeing} of the {len(counted.given)} models I asked, for I do not know"
    dialogue.tell(event, headline(f"{_SAID[said]}, {who}.", blank=False, drawn=dialogue.is_drawn))
    return game._replace(turns=game.turns + 1, rounds=(*game.rounds, Round(text, said)))


def _understood(heard: Heard) -> str:
    if heard.question is None:
        return " (by its spelling)"
    if heard.how == "worded":
        return ""
    opposite = "the opposite of " if heard.opposite else ""
    return f" (I took it for {opposite}“{spoken(heard.question)}”)"


def _say_told(dialogue: Dialogue, told: Told) -> None:
    amount = f"{told.bits:.2f} bits" if told.bits >= 0.005 else "nothing"
    left = f"{counted(told.left, 'thing')} that I know fit{'s' if told.left == 1 else ''} so far"
    dialogue.remark(None, faint(f"That told you {amount}; {left}.", drawn=dialogue.is_drawn))


def _judge(dialogue: Dialogue, table: AnswerTable, game: ThinkingGame, name: str) -> ThinkingGame:
    judged = thinking.guess(table, game, name)
    if judged is None:
        dialogue.tell(
            {"type": "wrong", "guess": name, "known": False},
            paragraph(f"No; I do not even know {shortened(name)}. (That cost no turn.)", drawn=dialogue.is_drawn),
        )
        return game
    after, told = judged
    if after.found:
        secret = table.keywords[game.row].name
        dialogue.tell(
            {"type": "found", "name": secret, "turns": after.turns},
            headline(f"Yes! It is {secret}. You needed {counted(after.turns, 'turn')}.", drawn=dialogue.is_drawn),
        )
        return after
    event = {"type": "wrong", "guess": name, "known": True, **told._asdict()}
    dialogue.tell(event, headline(f"No, it is not {name}.", blank=False, drawn=dialogue.is_drawn))
    _say_told(dialogue, told)
    return after


def _hint(dialogue: Dialogue, table: AnswerTable, game: ThinkingGame) -> ThinkingGame:
    given = thinking.hint(table, game)
    if given is None:
        dialogue.tell({"type": "hint", "text": None}, paragraph("I have no more hints.", drawn=dialogue.is_drawn))
        return game
    after, question, told = given
    event = {"type": "hint", "text": question.text, "answer": "yes", **told._asdict()}
    dialogue.tell(event, headline(f"{question.text} Yes.", blank=False, drawn=dialogue.is_drawn))
    _say_told(dialogue, told)
    return after


def _reveal(dialogue: Dialogue, table: AnswerTable, game: ThinkingGame) -> None:
    secret, left = table.keywords[game.row], int(game.fits.sum())
    also = f" (also: {', '.join(secret.alts)})" if secret.alts else ""
    likeliest = table.keywords[int(np.where(game.fits, table.prior, 0).argmax())]
    dialogue.tell(
        {"type": "revealed", "name": secret.name, "alts": list(secret.alts), "turns": game.turns, "left": left},
        headline(f"It was {secret.name}{also}.", drawn=dialogue.is_drawn),
    )
    if left == 1:
        text = "Nothing else that I know fitted what you were told."
    else:
        others = f"{counted(left - 1, 'other thing')} that I know fitted what you were told"
        text = f"{others}." if likeliest == secret else f"{others}; I would have guessed {likeliest.name}."
    dialogue.remark(None, paragraph(text, drawn=dialogue.is_drawn))
