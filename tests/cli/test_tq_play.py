"""`tq play`: whole games with a person and with a program, and whatever either of them may type."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from furikaeri_cli.tq import play as play_module
from furikaeri_common.errors import InputError
from twenty_questions.memory import read_lessons
from twenty_questions.table import open_table, probability_of
from twenty_questions.transcripts import Round, read_games

DOCS = Path(__file__).parents[2] / "docs" / "play_protocol.md"
SCRIPTS = Path(sys.executable).parent
Message = dict[str, Any]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep lessons in a folder of the test's own."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("NO_COLOR", "1")
    return tmp_path


@pytest.fixture
def table(things_folder: Path, tmp_path: Path) -> Path:
    """The small table, with room beside it for lessons of the test's own."""
    return Path(shutil.copytree(things_folder, tmp_path / "table"))


@pytest.fixture
def send(invoke, table) -> Callable[..., list[Message]]:
    """Play in JSON with these lines on stdin; return the messages."""

    def call(*lines: object, options: tuple[str, ...] = ()) -> list[Message]:
        text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
        result = invoke("tq", "play", "--json", "--table", table, "--seed", 0, *options, input=text)
        assert (result.code, result.err) == (0, "")
        return [json.loads(line) for line in result.out.splitlines()]

    return call


def types(messages: list[Message]) -> list[str]:
    return [message["type"] for message in messages]


def of_type(messages: list[Message], kind: str) -> list[Message]:
    return [message for message in messages if message["type"] == kind]


def drive(arguments: list[str], reply: Callable[[Message], Message | None]) -> tuple[list[Message], int]:
    """Play a whole game through a process's pipes; None closes stdin."""
    seen = []
    with subprocess.Popen(
        [SCRIPTS / "tq", "play", "--json", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as game:
        assert game.stdin is not None
        assert game.stdout is not None
        for line in game.stdout:
            seen.append(json.loads(line))
            if "expects" in seen[-1]:
                said = reply(seen[-1])
                if said is None:
                    game.stdin.close()
                else:
                    print(json.dumps(said), file=game.stdin, flush=True)
    return seen, game.returncode


def thinker_of(folder: Path, name: str) -> Callable[[Message], Message]:
    """Return someone who thinks of a keyword and answers as the table says."""
    table = open_table(folder)
    row = [keyword.name for keyword in table.keywords].index(name)
    p_yes = dict(zip([q.key for q in table.questions], probability_of(table.codes[row]).tolist(), strict=True))

    def reply(message: Message) -> Message:
        if message["type"] == "question":
            return {"answer": "yes" if p_yes[message["key"]] > 0.5 else "no"}
        return {"correct": message["name"] == name}

    return reply


@pytest.mark.parametrize("name", ["kite", "salmon"])
def test_a_program_plays_a_whole_game_through_pipes(table, name) -> None:
    seen, code = drive(["--table", str(table), "--fresh", "--seed", "1"], thinker_of(table, name))
    assert code == 0
    assert (seen[0]["type"], seen[0]["protocol"], seen[0]["keywords"]) == ("start", 1, 17)
    assert types(seen[-3:]) == ["found", "surprises", "end"]
    assert (seen[-3]["name"], seen[-2]["answers"], seen[-1]["outcome"]) == (name, [], "found")
    questions, told = of_type(seen, "question"), of_type(seen, "told")
    assert [message["turn"] for message in questions] == list(range(1, len(questions) + 1))
    assert sum(message["bits"] for message in told) > 1
    assert all(message["left_bits"] <= 4.1 for message in told)
    assert told[-1]["top"][0]["name"] == name


def test_a_program_that_goes_away_ends_the_game(table) -> None:
    seen, code = drive(
        ["--table", str(table), "--fresh"],
        lambda message: {"answer": "no"} if message["turn"] < 3 else None,
    )
    assert (code, seen[-1]) == (0, {"type": "end", "outcome": "quit"})
    assert len(of_type(seen, "told")) == 2


def test_the_documented_program_finds_its_kettle(tmp_path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    environment = os.environ | {"PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"}
    ended = subprocess.run(
        [sys.executable, "-c", example], env=environment, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "found\n", "")


def test_every_documented_message_is_as_written(send, home) -> None:
    documented: dict[str, set[str]] = {}
    for block in re.findall(r"```json\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL):
        for line in block.splitlines():
            message = json.loads(line)
            if "type" in message:
                documented.setdefault(message["type"], set()).update(message)
    yes = {"answer": "yes"}
    replies = [{"answer": "perhaps so"}, {"help": True}, yes, {"undo": True}, *[yes] * 3, {"correct": False}]
    replies += [{"name": "kitte"}, {"same": False}, {"learn": True}, {"alts": ["x y"]}, yes, {"stop": True}]
    seen = send(*replies, options=("--turns", "4"))
    seen += send(*[yes] * 2, {"correct": True}, {"learn": False}, options=("--turns", "3"))
    kinds = {"start", "question", "guess", "told", "undone", "found", "lost", "same", "unknown", "surprises", "learn"}
    kinds |= {"alts", "teaching", "teach", "learned", "error", "help", "end"}
    assert set(types(seen)) == kinds
    for message in seen:
        assert set(message) <= documented[message["type"]], message


def test_lines_that_cannot_be_used_change_nothing(send) -> None:
    wrong = [
        "not json",
        "",
        "[1]",
        '"perhaps so"',
        {"answer": 5},
        {"answer": None},
        {"answer": ["yes"]},
        {},
        "1" * 5000,
    ]
    wrong += ["[" * 100_000, {"answer": "y y"}, {"answer": "é" * 500}, {"correct": True}, {"undo": True}]
    seen = send(*wrong, {"answer": "yes"}, {"quit": True})
    assert types(seen) == ["start", *["question", "error"] * len(wrong), "question", "told", "question", "end"]
    assert len({message["text"] for message in of_type(seen, "question")[:-1]}) == 1
    assert all(len(message["message"]) < 160 for message in of_type(seen, "error"))
    assert of_type(seen, "question")[-1]["turn"] == 2


def test_undo_goes_back_over_answers_wrong_guesses_and_the_end(send) -> None:
    yes, wrong, undo = {"answer": "yes"}, {"correct": False}, {"undo": True}
    options = ("--turns", "4", "--confidence", "0", "--fresh")
    seen = send(wrong, wrong, undo, undo, undo, wrong, wrong, wrong, wrong, undo, wrong, {"name": ""}, options=options)
    guesses = [(message["turn"], message["name"]) for message in of_type(seen, "guess")]
    names = [name for _, name in sorted(dict(guesses).items())]
    assert [turn for turn, _ in guesses] == [1, 2, 3, 2, 1, 1, 2, 3, 4, 4]
    assert all(name == names[turn - 1] for turn, name in guesses)
    assert [message["turn"] for message in of_type(seen, "undone")] == [2, 1, 4]
    assert of_type(seen, "error") == [{"type": "error", "message": "there is nothing to take back yet"}]
    assert types(seen)[-3:] == ["told", "lost", "end"]
    assert len(of_type(seen, "lost")) == 2
    again = send(yes, undo, yes, {"quit": True})
    questions = of_type(again, "question")
    assert [message["turn"] for message in questions] == [1, 2, 1, 2]
    assert questions[:2] == questions[2:]


def test_a_guess_called_right_by_mistake_can_be_taken_back(send) -> None:
    replies = [{"answer": "yes"}, {"correct": True}, {"undo": True}, {"correct": False}, {"quit": True}]
    seen = send(*replies, options=("--turns", "2"))
    after_found = types(seen)[types(seen).index("found") :]
    assert after_found == ["found", "surprises", "learn", "undone", "guess", "told", "lost", "end"]
    assert of_type(seen, "undone") == [{"type": "undone", "turn": 2}]
    first, second = of_type(seen, "guess")
    assert first == second


def test_a_taught_thing_is_found_in_the_next_game(table, home) -> None:
    path = home / "taught.jsonl"
    options = ["--table", str(table), "--lessons", str(path), "--no-letters", "--seed", "3"]
    true = {"alive", "animal", "fly", "bark", "loud"}

    def reply(message: Message) -> Message:
        match message["type"]:
            case "question" | "teach":
                return {"answer": "yes" if message["key"] in true else "no"}
            case "guess":
                return {"correct": message["name"] == "barking owl"}
            case "lost":
                return {"name": " “a barking   owl”. ", "alts": ["woofer"]}
            case _:
                return {"learn": True}

    seen, _ = drive([*options, "--turns", "8"], reply)
    assert types(seen)[-2:] == ["learned", "end"]
    assert of_type(seen, "unknown") == [{"type": "unknown", "name": "barking owl"}]
    (lesson,) = read_lessons(path)
    assert (lesson.name, lesson.alts) == ("barking owl", ("woofer",))
    assert {key for key, said in lesson.answers.items() if said == "yes"} <= true
    assert len(lesson.answers) == of_type(seen, "learned")[0]["answers"] >= 10
    again, _ = drive(options, reply)
    assert again[0]["keywords"] == 18
    assert of_type(again, "found")[0]["name"] == "barking owl"
    assert len(read_lessons(path)) == 2
    fresh, _ = drive([*options, "--fresh"], lambda message: {"quit": True})
    assert fresh[0]["keywords"] == 17


def test_a_known_thing_is_not_learned_as_a_new_one(send, home) -> None:
    path = home / "taught.jsonl"
    options = ("--lessons", str(path), "--turns", "3", "--confidence", "1")
    told = [{"answer": "yes"}, {"answer": "no"}, {"correct": False}]
    seen = send(*told, {"name": "the Couches", "alts": ["big chair"]}, {"learn": True}, options=options)
    assert of_type(seen, "surprises")[0]["name"] == "armchair"
    assert of_type(seen, "learn")[0] | {"answers": 0} == {
        "type": "learn", "name": "armchair", "new": False, "answers": 0, "expects": ["learn", "quit"]
    }  # fmt: skip
    assert read_lessons(path)[0].name == "armchair"
    assert "big chair" in read_lessons(path)[0].alts
    seen = send(*told, {"name": "big chair"}, {"learn": False}, options=options)
    assert of_type(seen, "surprises")[0]["name"] == "armchair"
    assert len(read_lessons(path)) == 1


def test_surprises_are_what_the_table_held_unlikely(send, table) -> None:
    seen = send({"answer": "yes"}, {"answer": "yes"}, {"correct": False}, {"name": "drum"}, {"learn": False},
                options=("--turns", "3", "--confidence", "1", "--no-letters"))  # fmt: skip
    held = open_table(table)
    row = [keyword.name for keyword in held.keywords].index("drum")
    columns = {question.key: column for column, question in enumerate(held.questions)}
    expected = {
        message["key"]
        for message in of_type(seen, "question")
        if probability_of(held.codes[row, columns[message["key"]]]) < 0.5
    }
    (surprises,) = of_type(seen, "surprises")
    assert {answer["key"] for answer in surprises["answers"]} == expected
    assert all(answer["bits"] == pytest.approx(5.06, abs=0.1) for answer in surprises["answers"])
    assert 1 <= surprises["rank"] <= 17


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("x" * 500, "too long: a name has at most 100 characters"),
        ("!?… --", "has no letter in it"),
        ("🪁", "has no letter in it"),
        ("kite; " + "y" * 101, "too long"),
    ],
)
def test_what_is_no_name_is_asked_again(send, name, complaint) -> None:
    seen = send({"correct": False}, {"name": name}, {"name": ""}, options=("--turns", "1"))
    assert complaint in of_type(seen, "error")[0]["message"]
    assert types(seen)[-2:] == ["lost", "end"]


def test_a_name_much_like_a_known_one_may_be_that_one(send) -> None:
    once = ("--turns", "1", "--fresh")
    seen = send({"correct": False}, {"name": "hamer"}, {"same": "dunno"}, {"same": True}, options=once)
    assert of_type(seen, "same")[0] == {"type": "same", "name": "hamer", "known": "hammer", "expects": ["same", "quit"]}
    assert of_type(seen, "surprises")[0]["name"] == "hammer"
    seen = send({"correct": False}, {"name": "hamer"}, {"same": False}, options=once)
    assert of_type(seen, "unknown")[0]["name"] == "hamer"


def test_teaching_can_be_undone_stopped_and_quit_without_loss(send, home) -> None:
    path = home / "taught.jsonl"
    options = ("--turns", "1", "--lessons", str(path))
    begin = [{"correct": False}, {"name": "moon"}, {"learn": True}, {"alts": []}]
    yes, no, undo = {"answer": "yes"}, {"answer": "no"}, {"undo": True}
    seen = send(*begin, yes, no, undo, undo, no, {"answer": "?"}, yes, {"stop": True}, options=options)
    teach = of_type(seen, "teach")
    assert [message["number"] for message in teach] == [1, 2, 3, 2, 1, 2, 3, 4]
    assert teach[0]["key"] == teach[4]["key"]
    lesson = read_lessons(path)[0]
    assert lesson.answers == {teach[4]["key"]: "no", teach[6]["key"]: "yes"}
    seen = send(*begin[:1], {"name": "sun"}, *begin[2:], yes, yes, {"quit": True}, options=options)
    assert types(seen)[-2:] == ["learned", "end"]
    assert seen[-1]["outcome"] == "quit"
    assert len(read_lessons(path)[1].answers) == 2


def test_an_interrupt_keeps_what_was_taught(invoke, table, home, monkeypatch) -> None:
    path = home / "taught.jsonl"

    told = [{"correct": False}, {"name": "moon"}, {"learn": True}, {"alts": []}, {"answer": "yes"}]
    lines = iter([json.dumps(line) for line in told])

    def line_or_interrupt(dialogue: object, prompt: str) -> str:
        line = next(lines, None)
        if line is None:
            raise KeyboardInterrupt
        return line

    monkeypatch.setattr(play_module.Dialogue, "_line", line_or_interrupt)
    result = invoke("tq", "play", "--json", "--table", table, "--turns", "1", "--lessons", path)
    assert result.code == 130
    assert result.err == "tq: interrupted; what was finished is kept\n"
    assert [len(lesson.answers) for lesson in read_lessons(path)] == [1]


def test_lessons_have_a_place(tmp_path, monkeypatch) -> None:
    assert play_module.lessons_file(None, None) == tmp_path / "data" / "furikaeri" / "lessons.jsonl"
    assert play_module.lessons_file(tmp_path / "mine", None) == tmp_path / "mine.lessons.jsonl"
    assert play_module.lessons_file(tmp_path / "mine", tmp_path / "x") == tmp_path / "x"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert play_module.lessons_file(None, None) == tmp_path / ".local" / "share" / "furikaeri" / "lessons.jsonl"


def test_a_damaged_file_of_lessons_stops_the_game_before_it_begins(invoke, table, home) -> None:
    path = home / "taught.jsonl"
    path.write_text('{"name": "moon"}\n{"name": ""}\n', encoding="utf-8")
    result = invoke("tq", "play", "--table", table, "--lessons", path)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert f"{path}, row 2: not a lesson" in result.err
    assert path.read_text(encoding="utf-8").count("\n") == 2


def test_in_a_pipe_a_game_is_plain_text(invoke, table) -> None:
    lines = ["y", "help", "NOPE", "maybe", "sometimes?", "", "x" * 500, "undo", "n", "quit"]
    result = invoke("tq", "play", "--table", table, "--seed", 2, "--fresh", input="\n".join(lines) + "\n")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[0].strip().startswith("Think of a thing. I know 17, and have 20 turns")
    assert "\n  1/20 " in result.out
    assert "       y n p pn ? › y\n" in result.out
    assert re.search(r"That told me \d\.\d\d bits; about \d+ things are still likely\. \w+ \d+%, \w+ \d+%", result.out)
    assert "y, yes           n, no" in result.out
    assert result.out.count("That told me nothing; about") == 1
    assert "“sometimes?” is no answer: say y, n, p" in result.out
    assert f"“{'x' * 39}…” is no answer" in result.out
    assert "       say y, n, p (probably), pn (probably not) or ? (don't know)\n" in result.out
    assert "Taken back: unknown to “" in result.out
    assert result.out.endswith("Until next time.\n")
    assert "\x1b" not in result.out


def test_a_wrong_guess_does_not_end_a_game_of_text(invoke, table) -> None:
    lines = "\n".join(["n", "maybe", "n", "kite", "y", ""])
    options = ("--turns", "2", "--confidence", "0", "--seed", "1", "--fresh")
    result = invoke("tq", "play", "--table", table, *options, input=lines)
    assert result.code == 0
    assert "  1/2 A wild guess: " in result.out
    assert "“maybe” is neither yes nor no" in result.out
    assert "That was my last turn: you win. What was it?" in result.out
    assert "I know kite: it was my number " in result.out or "But I guessed kite in turn " in result.out


def test_a_guess_once_denied_is_remembered(invoke, table) -> None:
    options = ("--turns", "1", "--seed", "1", "--fresh")
    first = invoke("tq", "play", "--table", table, *options, input="n\n\n").out
    (name,) = re.findall(r"guess: (\w+)\. Am I right", first)
    again = invoke("tq", "play", "--table", table, *options, input=f"n\n{name}\n").out
    assert f"But I guessed {name} in turn 1, and you said no!" in again


def test_with_nothing_left_to_guess_it_gives_up(send) -> None:
    seen = send(*[{"correct": False}] * 17, {"name": ""}, options=("--turns", "0", "--confidence", "0"))
    assert len(of_type(seen, "guess")) == 17
    assert of_type(seen, "told")[-1]["top"] == []
    assert (of_type(seen, "lost")[0]["stuck"], seen[-1]["outcome"]) == (True, "stuck")


def test_quiet_leaves_out_the_telling(invoke, table) -> None:
    result = invoke("tq", "play", "-q", "--table", table, "--fresh", input="y\n")
    assert "That told me" not in result.out
    assert "  2/20 " in result.out


def test_a_saved_game_can_be_read(invoke, send, home) -> None:
    path = home / "game.json"
    seen = send({"answer": "?"}, {"answer": "p"}, {"quit": True}, options=("--save", str(path), "--fresh"))
    texts = [message["text"] for message in of_type(seen, "question")]
    (game,) = read_games(path)
    assert (game.keyword, game.source) == ("", "tq play")
    assert game.rounds == (Round(texts[0], "unknown"), Round(texts[1], "probably"))
    send({"correct": True}, options=("--save", str(path), "--fresh", "--confidence", "0"))
    (game,) = read_games(path)
    assert game.rounds == (Round(guess=game.keyword),)


def test_spelling_can_be_left_out(send) -> None:
    unsure = [{"answer": "unknown"}] * 30
    with_letters = send(*unsure, options=("--turns", "0", "--confidence", "1", "--fresh"))
    without = send(*unsure, options=("--turns", "0", "--confidence", "1", "--fresh", "--no-letters"))
    assert "letter" in {message["kind"] for message in of_type(with_letters, "question")[14:]}
    assert {message["kind"] for message in of_type(without, "question")} == {"table"}
    assert "its name" in " ".join(message["text"] for message in of_type(with_letters, "question"))
    assert "keyword" not in " ".join(message["text"] for message in of_type(with_letters, "question"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--confidence", "1.5"), "confidence"),
        (("--turns", "-1"), "turns"),
        (("--as", "referee"), "referee"),
        (("--table", "/no/such/table"), "/no/such/table: there is no table folder here"),
    ],
)
def test_options_that_make_no_sense_are_refused(invoke, options, words) -> None:
    result = invoke("tq", "play", *options)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert words in result.err


def test_where_nothing_can_be_saved_the_game_is_still_played(invoke, table, home) -> None:
    (home / "file").write_text("")
    path = home / "file" / "game.json"
    result = invoke("tq", "play", "--table", table, "--fresh", "--save", path, input="y\n")
    assert result.code == 2
    assert "That told me" in result.out
    with pytest.raises(InputError):
        read_games(path)
