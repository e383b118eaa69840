"""`tq play --as guesser`: the machine thinks of something, and answers whatever it can make sense of."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from furikaeri_cli.output import Output
from furikaeri_cli.tq.ask import understanding_of
from furikaeri_cli.tq.moves import Move, named_guess, read_move
from furikaeri_cli.tq.replies import Reply
from furikaeri_common import embedders
from furikaeri_common.errors import InputError, MissingExtraError
from twenty_questions.table import builtin_table, open_table
from twenty_questions.transcripts import Round, read_games

DOCS = Path(__file__).parents[2] / "docs" / "play_protocol.md"
SCRIPTS = Path(sys.executable).parent
Message = dict[str, Any]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep lessons and caches in a folder of the test's own."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def table(things_folder: Path, tmp_path: Path) -> Path:
    """The small table, with room beside it."""
    return Path(shutil.copytree(things_folder, tmp_path / "table"))


@pytest.fixture
def send(invoke, table) -> Callable[..., list[Message]]:
    """Ask in JSON with these lines on stdin; return the messages. With seed 4 the secret is what `SECRET` says."""

    def call(*lines: object, options: Sequence[object] = (), seed: int = 4) -> list[Message]:
        text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
        result = invoke(
            "tq", "play", "--as", "guesser", "--json", "--table", table, "--seed", seed, *options, input=text
        )
        assert (result.code, result.err) == (0, "")
        return [json.loads(line) for line in result.out.splitlines()]

    return call


@pytest.fixture
def secret(send) -> str:
    """What the machine thinks of with the default seed."""
    name = send({"give_up": True})[-2]["name"]
    assert isinstance(name, str)
    return name


def types(messages: list[Message]) -> list[str]:
    return [message["type"] for message in messages]


def of_type(messages: list[Message], kind: str) -> list[Message]:
    return [message for message in messages if message["type"] == kind]


def test_a_program_finds_the_secret_through_pipes(table) -> None:
    held, seen = open_table(table), []
    names = [keyword.name for keyword in held.keywords]
    asked = iter([question.text for question in held.questions])
    arguments = ["--as", "guesser", "--json", "--table", table, "--seed", "9", "--turns", "0"]
    with subprocess.Popen(
        [SCRIPTS / "tq", "play", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as game:
        assert game.stdin is not None
        assert game.stdout is not None
        for line in game.stdout:
            seen.append(json.loads(line))
            if "expects" in seen[-1]:
                question = next(asked, None)
                message = {"guess": names.pop()} if question is None else {"question": question}
                print(json.dumps(message), file=game.stdin, flush=True)
    assert game.returncode == 0
    assert types(seen[-2:]) == ["found", "end"]
    answers = of_type(seen, "answer")
    assert len(answers) == len(held.questions)
    assert {answer["how"] for answer in answers} == {"worded"}
    assert answers[-1]["left"] == 1
    assert sum(answer["bits"] for answer in answers) == pytest.approx(np.log2(17), abs=1e-6)


def test_the_secret_comes_from_the_prior(send) -> None:
    names = {send({"give_up": True}, seed=seed)[-2]["name"] for seed in range(25)}
    assert len(names) > 8
    assert send({"give_up": True}, seed=7) == send({"give_up": True}, seed=7)


def test_every_documented_message_is_as_written(send, secret) -> None:
    documented: dict[str, set[str]] = {}
    for block in re.findall(r"```json\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL):
        for line in block.splitlines():
            message = json.loads(line)
            if "type" in message:
                documented.setdefault(message["type"], set()).update(message)
    other = "drum" if secret != "drum" else "kite"
    seen = send({"question": "is it alive"}, {"question": "blorp"}, {"hint": True}, {"guess": other}, {"give_up": True})
    seen += send("nonsense", {"question": ""}, {"help": True}, {"guess": secret}) + send({"quit": True})
    expected = {"start", "turn", "answer", "hint", "wrong", "revealed", "error", "help", "found", "end"}
    assert set(types(seen)) == expected
    for message in seen:
        assert set(message) <= documented[message["type"]], message


def test_what_it_cannot_tell_or_does_not_know_costs_no_turn(send) -> None:
    seen = send({"question": "was Napoleon fond of it?"}, {"guess": "flurbl"}, {"question": "Can it fly?"})
    assert [message["turn"] for message in of_type(seen, "turn")] == [1, 1, 1, 2]
    assert of_type(seen, "answer")[0] == {"type": "answer", "question": "was Napoleon fond of it?", "answer": None}
    assert of_type(seen, "wrong") == [{"type": "wrong", "guess": "flurbl", "known": False}]
    assert seen[-1] == {"type": "end", "outcome": "quit"}


def test_the_turns_end(send, secret) -> None:
    seen = send(*[{"question": "Is it loud?"}] * 3, options=("--turns", 3))
    assert types(seen)[-2:] == ["revealed", "end"]
    assert [message["bits"] for message in of_type(seen, "answer")][1:] == [0, 0]
    assert of_type(seen, "revealed")[0]["name"] == secret


@pytest.mark.parametrize("line", ["guess {}", "Is it a {}?", "{}", "the {}s!", "my guess is a {}", "GUESS: {}."])
def test_ways_to_guess(send, secret, line) -> None:
    seen = send({"question": line.format(secret)})
    assert types(seen) == ["start", "turn", "found", "end"]
    assert seen[-2] == {"type": "found", "name": secret, "turns": 1}


def test_alts_win(send) -> None:
    seed = next(seed for seed in range(99) if send({"give_up": True}, seed=seed)[-2]["name"] == "armchair")
    assert send({"guess": "Couch"}, seed=seed)[-2]["name"] == "armchair"


def test_lines_that_cannot_be_used_change_nothing(send) -> None:
    wrong = ["{", "", "[]", {}, {"question": None}, {"question": "?!"}, {"guess": "…"}, {"undo": True}]
    seen = send(*wrong, {"give_up": True})
    assert types(seen) == ["start", *["turn", "error"] * len(wrong), "turn", "revealed", "end"]


def test_any_question_gets_some_answer(send) -> None:
    odd = ["x" * 5000, "é" * 300, "is it \x00 or \u202e", "¿es un animal?", "a" * 100 + "?", "not not not"]
    seen = send(*[{"question": text} for text in odd], options=("--turns", 0))
    assert len(of_type(seen, "turn")) == len(odd) + 1
    assert "error" not in types(seen)


def test_hints_are_true_and_end(send, secret, table) -> None:
    seen = send(*[{"hint": True}] * 20, options=("--turns", 0))
    hints = [message["text"] for message in of_type(seen, "hint")]
    given = [text for text in hints if text]
    assert hints == given + [None] * (20 - len(given))
    shown = {question.text: question.key for question in open_table(table).questions}
    answers = of_type(send(*[{"question": text} for text in given], options=("--turns", 0)), "answer")
    assert [answer["answer"] for answer in answers] == ["yes"] * len(given)
    assert len(given) >= 1
    assert set(given) <= set(shown)


def test_a_game_of_text(invoke, table, secret, home) -> None:
    asked = ["is it some kind of animal", "is it inedible", "does its name begin with b?", "zorgle", "Can it fly?"]
    lines = [*asked, "", "help", f"guess {'drum' if secret != 'drum' else 'kite'}", "hint", "give up"]
    saved = ("--save", home / "g.json", "--seed", 4)
    result = invoke("tq", "play", "--as", "guesser", "--table", table, *saved, input="\n".join(lines))
    assert (result.code, result.err) == (0, "")
    assert "I am thinking of one of 17 things." in result.out
    assert "(I took it for “Is it an animal?”)" in result.out
    assert "(I took it for the opposite of “Is it something people eat or drink?”)" in result.out
    assert "(by its spelling)" in result.out
    assert "ask a question, guess, or say `hint`, `give up` or `quit`" in result.out
    assert "I cannot tell; ask it another way. (That cost no turn.)" in result.out
    assert re.search(r"That told you \d\.\d\d bits; \d+ things that I know fit so far\.", result.out)
    assert f"It was {secret}" in result.out
    (game,) = read_games(home / "g.json")
    assert (game.keyword, game.source) == (secret, "tq play --as guesser")
    assert game.rounds[0].question == "is it some kind of animal"
    assert game.rounds[3].guess in ("drum", "kite")
    assert isinstance(game.rounds[-1], Round)


def test_quiet_and_quit(invoke, table) -> None:
    result = invoke("tq", "play", "-q", "--as", "guesser", "--table", table, input="Is it loud?\nquit\n")
    assert (result.code, result.err) == (0, "")
    assert "That told you" not in result.out
    assert result.out.endswith("Until next time.\n")


def test_moves_are_told_apart() -> None:
    table = builtin_table()
    index = understanding_of(table, "off", Output())
    assert named_guess("is it a kettle", table, index) == "kettle"
    assert named_guess("guess is it alive", table, index) == "is it alive"
    assert named_guess("Is it a tool?", table, index) is None
    assert named_guess("is it a zorgle?", table, index) is None
    assert read_move(Reply("I give up", {}), table, index) == Move("give up")
    assert read_move(Reply("", {"hint": True}), table, index) == Move("hint")
    assert read_move(Reply("", {"guess": "is it alive?"}), table, index) == Move("guess", "is it alive?")
    assert read_move(Reply(" is  it alive? ", {}), table, index) == Move("ask", "is it alive?")


class Model:
    """An embedder to which all texts are alike, and which counts them."""

    def __init__(self) -> None:
        self.encoded = 0

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        self.encoded += len(texts)
        return np.full((len(texts), 4), 0.5, dtype=np.float32)


def test_embeddings_are_used_when_asked_for_and_kept(send, table, monkeypatch, home) -> None:
    model, opened = Model(), []

    def open_embedder(name: str, *, folders: Sequence[Path]) -> Model:
        opened.append((name, list(folders)))
        return model

    monkeypatch.setattr(embedders, "open_embedder", open_embedder)
    held = open_table(table)
    assert understanding_of(held, "off", Output()).encoder is None
    assert opened == []
    index = understanding_of(held, "my-model", Output())
    assert index.encoder is model
    assert model.encoded == len(index.wordings) > 14
    assert opened == [("my-model", [home / ".cache" / "furikaeri" / "models"])]
    send({"question": "zorgle"}, {"quit": True}, options=("--embeddings", "auto"))
    send({"question": "zorgle"}, {"quit": True}, options=("--embeddings", "auto"))
    assert {name for name, _ in opened[1:]} == {embedders.DEFAULT_EMBEDDER}
    assert 0 < model.encoded - 2 * len(index.wordings) < 10


@pytest.mark.parametrize(
    "failure", [InputError("no such model"), MissingExtraError("it", distribution="furikaeri-common", extra="llm")]
)
def test_a_model_that_is_not_here(invoke, table, monkeypatch, failure) -> None:
    def open_embedder(name: str, *, folders: Sequence[Path]) -> Model:
        raise failure

    monkeypatch.setattr(embedders, "open_embedder", open_embedder)
    arguments = ("tq", "play", "--as", "guesser", "--table", table)
    result = invoke(*arguments, "--embeddings", "auto", input="quit\n")
    assert result.code == 0
    assert result.err.startswith("Questions are compared by their words alone: ")
    result = invoke(*arguments, "--embeddings", "mine", input="quit\n")
    assert (result.code, result.out) == (2, "")
