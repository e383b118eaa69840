"""Games on paper (io): what was asked, answered and guessed, in our own files and in Kaggle's replays.

Our file is one JSON document:

    {"format": "furikaeri games 1",
     "games": [{"keyword": "Kettle", "source": "ours + alpha", "reward": 12,
                "rounds": [{"question": "Is it Agent Alpha?", "answer": "yes", "guess": "Lamp"}, ...]}]}

What a game did not come to is null: a guess after the last answer, the reward of a game that ended in an error.

A Kaggle replay is what the contest's engine writes: `steps`, each a list of the four agents' states, whose observations
hold the lists of questions, answers and guesses so far. It has two games in it, one for each pair.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from furikaeri_common.artifacts import read_json, write_json
from furikaeri_common.errors import InputError

__all__ = ["FORMAT", "Game", "Round", "players_of", "read_games", "rounds_of", "write_games"]

FORMAT = "furikaeri games 1"

_ENVIRONMENT = "llm_20_questions"
_AND = " + "
_PAIRS = ("first pair", "second pair")
_FIX = "Give a file that `tq match --save` wrote, or a replay of a 20 Questions match"


@dataclass(frozen=True, slots=True)
class Round:
    """One round of a pair; None where the game ended before it.

    Attributes:
        question: what the guesser asked.
        answer: what the answerer was understood to say: "yes" or "no" in the contest, "maybe" for text that is neither
            and "none" for no text; games with people know more answers.
        guess: what the guesser then guessed.
    """

    question: str | None = None
    answer: str | None = None
    guess: str | None = None


@dataclass(frozen=True, slots=True)
class Game:
    """One pair's whole game.

    Attributes:
        keyword: the secret; "" if the record does not tell.
        rounds: in order.
        reward: the pair's points as its guesser got them; None if it erred or the record does not tell.
        source: who played, or where the record is from.
    """

    keyword: str
    rounds: tuple[Round, ...]
    reward: int | None = None
    source: str = ""


def rounds_of(
    questions: Sequence[str | None], answers: Sequence[str | None], guesses: Sequence[str | None]
) -> tuple[Round, ...]:
    """Return the rounds that three lists tell, as long as the longest of them.

    Agents may say what no file can hold, half a surrogate pair; a question mark stands for it.
    """
    lists = ([None if text is None else _writable(text) for text in said] for said in (questions, answers, guesses))
    return tuple(Round(*said) for said in itertools.zip_longest(*lists))


def write_games(path: Path, games: Iterable[Game]) -> None:
    """Write games to our own file, atomically.

    Raises:
        InputError: if the file cannot be written there.
    """
    write_json(path, {"format": FORMAT, "games": [asdict(game) for game in games]})


def read_games(path: Path) -> tuple[Game, ...]:
    """Read the games of our own file, or the two of a Kaggle replay.

    Raises:
        InputError: if the file is missing, damaged, or something else; the message names the place in it.
    """
    document = read_json(path)
    try:
        if not isinstance(document, dict):
            raise _Damage(f"expected a JSON object, got {_kind(document)}")
        if "steps" in document:
            return _replayed(document)
        if document.get("format") != FORMAT:
            raise _Damage(f"expected the format {FORMAT!r} or a replay's steps, got {document.get('format')!r}")
        listed = _sequence(document.get("games"), "games")
        return tuple(_game(game, f"game {number}") for number, game in enumerate(listed, start=1))
    except _Damage as damage:
        raise InputError(f"{path}: {damage}", fix=_FIX) from None


def players_of(game: Game) -> tuple[str, str]:
    """Return who guessed and who answered, as the source of a match tells them: "ours + alpha (first pair)".

    A source that does not tell two players is taken for the name of both; one that names nobody gives "".
    """
    source = game.source
    for pair in _PAIRS:
        source = "" if source == pair else source.removesuffix(f" ({pair})")
    guesser, _, answerer = source.partition(_AND)
    return guesser, answerer or guesser


class _Damage(Exception):
    """What in a document is not as it should be."""


def _kind(value: object) -> str:
    return "nothing" if value is None else type(value).__name__


def _mapping(value: object, place: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _Damage(f"{place}: expected an object, got {_kind(value)}")
    return value


def _sequence(value: object, place: str) -> list[Any]:
    if not isinstance(value, list):
        raise _Damage(f"{place}: expected a list, got {_kind(value)}")
    return value


def _text(value: object, place: str) -> str:
    if not isinstance(value, str):
        raise _Damage(f"{place}: expected text, got {_kind(value)}")
    return _writable(value)


def _writable(text: str) -> str:
    return text.encode(errors="replace").decode()


def _reward(value: object, place: str) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise _Damage(f"{place}: expected a whole number or null, got {value!r}")


def _game(value: object, place: str) -> Game:
    game = _mapping(value, place)
    rounds = _sequence(game.get("rounds"), f"{place}, rounds")
    return Game(
        keyword=_text(game.get("keyword"), f"{place}, keyword"),
        rounds=tuple(_round(said, f"{place}, round {number}") for number, said in enumerate(rounds, start=1)),
        reward=_reward(game.get("reward"), f"{place}, reward"),
        source=_text(game.get("source", ""), f"{place}, source"),
    )


def _round(value: object, place: str) -> Round:
    said = _mapping(value, place)
    question, answer, guess = (
        None if said.get(part) is None else _text(said[part], f"{place}, {part}")
        for part in ("question", "answer", "guess")
    )
    return Round(question, answer, guess)


def _replayed(document: Mapping[str, Any]) -> tuple[Game, ...]:
    if document.get("name", _ENVIRONMENT) != _ENVIRONMENT:
        raise _Damage(f"is a replay of another game, {document['name']!r}")
    steps = _sequence(document["steps"], "steps")
    if not steps:
        raise _Damage("the replay has no steps")
    place = f"step {len(steps)}"
    seats = [_mapping(seat, f"{place}, agent {index}") for index, seat in enumerate(_sequence(steps[-1], place))]
    views = [_mapping(seat.get("observation"), f"{place}, agent {index}") for index, seat in enumerate(seats)]
    guessers = [index for index, view in enumerate(views) if view.get("role") == "guesser"]
    if len(seats) != 4 or len(guessers) != 2:
        raise _Damage(f"{place}: expected four agents, two of them guessers, got {len(seats)} and {len(guessers)}")
    keyword = next((name for view in views if isinstance(name := view.get("keyword"), str) and name), "")
    return tuple(
        Game(
            keyword=keyword,
            rounds=_rounds_seen(views[index], f"{place}, agent {index}"),
            reward=_reward(seats[index].get("reward"), f"{place}, agent {index}, reward"),
            source=_source(document, index),
        )
        for index in guessers
    )


def _rounds_seen(view: Mapping[str, Any], place: str) -> tuple[Round, ...]:
    told = (_sequence(view.get(name), f"{place}, {name}") for name in ("questions", "answers", "guesses"))
    questions, answers, guesses = ([_text(item, place) for item in items] for items in told)
    return rounds_of(questions, answers, guesses)


def _source(document: Mapping[str, Any], guesser: int) -> str:
    """Return the names of a pair, if the replay tells them, and which pair it is."""
    pair = _PAIRS[guesser // 2]
    info = document.get("info")
    names = info.get("TeamNames") if isinstance(info, dict) else None
    if not isinstance(names, list) or len(names) != 4 or not all(isinstance(name, str) for name in names):
        return pair
    # A name of its own with a plus in it must not look like two.
    together = [name.replace(_AND, "+") for name in (names[:2] if guesser < 2 else names[2:])]
    return f"{_AND.join(together)} ({pair})"
