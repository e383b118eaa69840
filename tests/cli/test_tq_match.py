"""`tq match` and `tq agent pack`."""

from __future__ import annotations

import contextlib
import hashlib
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from furikaeri_common.models.pool import Opened
from twenty_questions import packing, panel, players
from twenty_questions.bisection import word_list
from twenty_questions.kaggle_engine import EngineMatch
from twenty_questions.match import play
from twenty_questions.players import build
from twenty_questions.questions import Question
from twenty_questions.table import AnswerTable, code_of, save_table
from twenty_questions.transcripts import read_games
from twenty_questions.vocabulary.packed import write_vocabulary
from twenty_questions.words import Keyword

THINGS = ("anchor", "basket", "candle", "drum", "engine", "feather", "guitar", "hammer")


@pytest.fixture
def table(tmp_path) -> Path:
    """Eight things that three questions tell apart."""
    bits = (np.arange(8)[:, None] >> np.arange(3)) & 1
    questions = [Question(f"bit{bit}", f"Is it in group {bit}?") for bit in range(3)]
    folder = tmp_path / "table"
    keywords = (Keyword("anchor", ("grapnel",)), *map(Keyword, THINGS[1:]))
    save_table(AnswerTable(keywords, tuple(questions), code_of(bits), np.full(8, 1 / 8)), folder)
    return folder


@pytest.fixture(autouse=True)
def vocabulary(tmp_path, monkeypatch) -> Path:
    """Words that can be guessed besides the table's, for every command here: a small file loads at once."""
    path = tmp_path / "words.bin"
    write_vocabulary(path, word_list([f"thing{number:02}" for number in range(40)]), {})
    for command in ("MATCH", "AGENT_PACK"):
        monkeypatch.setenv(f"TQ_{command}_WORDS", str(path))
    return path


@pytest.fixture
def agent_file(tmp_path):
    def write(body: str) -> Path:
        path = tmp_path / "some_agent.py"
        path.write_text(f"def agent(obs, cfg):\n    print('thinking aloud')\n    {body}\n")
        return path

    return write


def test_one_match_is_shown_round_by_round(invoke, table) -> None:
    shown = invoke("tq", "match", "--table", table, "--keyword", "Grapnels")
    assert shown.code == 0
    assert shown.out.startswith("The keyword is anchor.")
    assert shown.out.count("ours + ours") == 2
    assert "1\tIs the keyword one of the following? " in shown.out
    assert shown.out.count("points each") == 2
    assert shown.err == ""


def test_several_matches_are_summed_up(invoke, table) -> None:
    summed = invoke("tq", "match", "--table", table, "--games", 9, "--guesser", "plain", "--answerer2", "noisy:1")
    lines = [line.split("\t") for line in summed.out.splitlines()]
    assert lines[0] == ["pair", "found", "mean round", "mean reward", "errors"]
    assert [line[0] for line in lines[1:]] == ["plain + ours", "plain + noisy:1"]
    assert float(lines[1][1]) == 1
    assert "endings: guessed 9" in summed.err


def test_json_holds_everything_and_the_seed_decides(invoke, table) -> None:
    arguments = ("match", "--table", table, "--games", 4, "--answerer", "alpha", "--guesser2", "random", "--json")
    document = json.loads(invoke("tq", *arguments, "--seed", 5).out)
    assert (document["engine"], document["seed"]) == ("fast", 5)
    assert [pair["team"] for pair in document["teams"]] == ["ours + alpha", "random + alpha"]
    assert len(document["matches"]) == 4
    first = document["matches"][0]
    assert first["keyword"] in THINGS
    assert first["rewards"][0] == first["games"][0]["reward"]
    assert {"question", "answer", "guess"} == set(first["games"][0]["rounds"][0])
    assert json.loads(invoke("tq", *arguments, "--seed", 5).out) == document
    assert json.loads(invoke("tq", *arguments, "--seed", 6).out) != document


def test_saved_games_can_be_read_again(invoke, table, tmp_path) -> None:
    path = tmp_path / "games.json"
    played = invoke("tq", "match", "--table", table, "--games", 2, "--save", path, "--answerer2", "random")
    assert played.code == 0
    assert "Kept 4 games" in played.err
    games = read_games(path)
    assert [game.source for game in games] == ["ours + ours (first pair)", "ours + random (second pair)"] * 2
    assert games[0].rounds[0].question.startswith("Is the keyword one of the following? ")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("return ''", "guesser 1 (done), answerer no points (error)"),
        ("return obs.keyword or 'no'", "guesser 1 (done), answerer no points (error)"),
        ("raise ValueError", "An agent erred, which ends the match."),
        ("return (c for c in 'no')", "The engine itself fails here"),
    ],
)
def test_an_agent_file_may_err_and_the_match_says_so(invoke, table, agent_file, body, told) -> None:
    played = invoke("tq", "match", "--table", table, "--answerer2", agent_file(body), "--keyword", "drum")
    assert played.code == 0
    assert told in played.out
    assert "thinking aloud" not in played.out


def test_nobody_finds_it(invoke, table, agent_file) -> None:
    lost = invoke("tq", "match", "--table", table, "--guesser", agent_file("return 'a shoe?'"), "--keyword", "drum")
    assert "\n20\ta shoe?\t" in lost.out
    assert "guesser -1 (done), answerer -1 (done)" in lost.out
    assert "Nobody finds it." in lost.out


def test_ours_guess_words_that_the_table_lacks_and_plain_does_not(invoke, table, agent_file, tmp_path) -> None:
    """The secret is of the table, so an answerer stands in who thinks of another thing."""
    answerer = agent_file(
        "from twenty_questions.answerer import answer; "
        "return 'yes' if answer(obs.questions[-1], 'thing17', lambda *_: None).answer else 'no'"
    )
    common = ("tq", "match", "--table", table, "--keyword", "drum", "--answerer", answerer, "--json")
    for guesser, expected in (("ours", True), ("plain", False)):
        played = json.loads(invoke(*common, "--guesser", guesser).out)
        guesses = {said["guess"] for said in played["matches"][0]["games"][0]["rounds"]}
        assert ("thing17" in guesses) == expected
    # A text file will do as well, and what cannot be read is named.
    words = tmp_path / "words.txt"
    words.write_text("thing17\nthing18\n", encoding="utf-8")
    played = json.loads(invoke(*common, "--words", words).out)
    assert "thing17" in {said["guess"] for said in played["matches"][0]["games"][0]["rounds"]}
    failed = invoke(*common, "--words", tmp_path / "nowhere.bin")
    assert (failed.code, failed.out) == (2, "")
    assert "nowhere.bin: cannot be read" in failed.err
    assert invoke(*common, "--words", tmp_path / "nowhere.bin", "--guesser", "plain").code == 0


def test_the_contests_engine_referees_when_asked(invoke, table, monkeypatch) -> None:
    class InPlace:
        def play(self, agents, keyword):
            return EngineMatch(play([build(agent) for agent in agents], keyword), "", 0.0)

    monkeypatch.setattr("furikaeri_cli.tq.match.open_engine", lambda: contextlib.nullcontext(InPlace()))
    ours = json.loads(invoke("tq", "match", "--table", table, "--json").out)
    theirs = json.loads(invoke("tq", "match", "--table", table, "--json", "--engine", "kaggle").out)
    assert theirs == ours | {"engine": "kaggle"}


def test_a_missing_engine_is_one_line_with_its_mend(invoke, table, monkeypatch) -> None:
    monkeypatch.setattr("twenty_questions.kaggle_engine._MODULE", "kaggle_environments_of_nowhere")
    failed = invoke("tq", "match", "--table", table, "--engine", "kaggle", "--quiet")
    assert failed.code == 2
    assert failed.err.count("\n") == 1
    assert "uv sync --group kaggle" in failed.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--keyword", "hamer"), "Choose one such as hammer"),
        (("--keyword", "zzz"), "Choose one such as anchor, basket"),
        (("--engine", "slow"), "'fast', 'kaggle'"),
        (("--guesser", "nobody"), "Choose one of: ours, plain, alpha, noisy:RATE, llm, llm-only, random, FILE.py"),
        (("--answerer2", "noisy"), "Choose one of"),
        (("--answerer", "noisy:2"), "expected a rate from 0 to 1"),
        (("--answerer", "noisy:much"), "expected a rate from 0 to 1"),
        (("--guesser2", "nowhere.py"), "there is no such agent file"),
        (("--games", "0"), "--games"),
        (("--answerer", "llm"), "answers with models, and none was given. Name one with --model"),
        (("--model", "m", "--base-url", "http://localhost:1/v1"), "no agent here asks the models"),
        (("--answerer", "llm", "--model", "nowhere"), "there is no model 'nowhere'"),
        (
            ("--answerer2", "llm-only", "--model", "m", "--base-url", "http://localhost:1/v1", "--engine", "kaggle"),
            "play in our own loop alone",
        ),
        (("--table", "nowhere"), "no table folder"),
    ],
)
def test_bad_input_is_one_clear_line(invoke, table, arguments, told) -> None:
    failed = invoke("tq", "match", "--table", table, *arguments)
    assert failed.code == 2
    assert failed.out == ""
    assert told in failed.err
    assert failed.err.count("\n") == 1


def test_a_submission_is_proved_and_written(invoke, table, vocabulary, tmp_path) -> None:
    out = tmp_path / "deep" / "submission.tar.gz"
    packed = invoke("tq", "agent", "pack", out, "--table", table, "--no-engine", "--json")
    assert packed.code == 0
    document = json.loads(packed.out)
    assert document["bytes"] == out.stat().st_size
    assert document["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert document["proof"]["matches"] == 11
    with tarfile.open(out) as archive:
        assert "main.py" in archive.getnames()
        assert archive.extractfile("vocabulary.bin").read() == vocabulary.read_bytes()
    again = invoke("tq", "agent", "pack", tmp_path / "again.tar.gz", "--table", table, "--no-prove")
    assert again.out.startswith(str(tmp_path / "again.tar.gz"))
    assert "played" not in again.out
    assert (tmp_path / "again.tar.gz").read_bytes() == out.read_bytes()


def test_what_a_proof_tells(invoke, table, tmp_path) -> None:
    told = invoke("tq", "agent", "pack", tmp_path / "submission.tar.gz", "--table", table, "--no-engine").out
    assert "played 11 matches in a clean process" in told
    assert "of 16 GiB" in told


def test_a_submission_that_fails_its_proof_is_not_written(invoke, table, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(packing, "MAIN", packing.MAIN + "\n\ndef agent(observation, configuration):\n    return None\n")
    out = tmp_path / "submission.tar.gz"
    failed = invoke("tq", "agent", "pack", out, "--table", table, "--no-engine")
    assert failed.code == 1
    assert "the packed agent errs in the matches" in failed.err
    assert not out.exists()


class Contrary:
    """A model that says yes to everything, and counts."""

    def __init__(self, name: str) -> None:
        self.name, self.identity, self.asked = name, {}, list[tuple[str, str]]()

    def label(self, keywords, questions) -> np.ndarray:
        self.asked += [(keyword, question) for keyword in keywords for question in questions]
        if self.name == "broken":
            raise RuntimeError("out of memory")
        return np.ones((len(keywords), len(questions)), dtype=np.float32)


@pytest.fixture
def contrary(monkeypatch) -> dict[str, Contrary]:
    opened: dict[str, Contrary] = {}

    def open_member(config):
        return Opened(opened.setdefault(config.model, Contrary(config.model)), 0)

    monkeypatch.setattr(panel, "open_member", open_member)
    players.voter_of.cache_clear()
    yield opened
    players.voter_of.cache_clear()


SERVER = ("--base-url", "http://localhost:1/v1")


def test_models_are_asked_only_what_the_table_does_not_know(invoke, table, contrary, agent_file) -> None:
    ours = ("tq", "match", "--table", table, "--keyword", "anchor", "--json")
    plain = invoke(*ours)
    voted = invoke(*ours, "--answerer", "llm", "--model", "m", *SERVER)
    assert voted.code == 0
    assert contrary["m"].asked == []
    first, second = json.loads(plain.out)["matches"], json.loads(voted.out)["matches"]
    assert [game["rounds"] for game in first[0]["games"]] == [game["rounds"] for game in second[0]["games"]]
    asking = agent_file("return 'Is it dear to a sailor?' if obs.turnType == 'ask' else 'flurbl'")
    known = json.loads(invoke(*ours, "--guesser", asking, "--answerer", "llm", "--model", "m", *SERVER).out)
    assert {said["answer"] for said in known["matches"][0]["games"][0]["rounds"]} == {"yes"}
    assert set(contrary["m"].asked) == {("anchor", "Is it dear to a sailor?")}
    unknown = json.loads(invoke(*ours, "--guesser", asking).out)
    assert {said["answer"] for said in unknown["matches"][0]["games"][0]["rounds"]} == {"no"}


def test_models_alone_answer_every_question_of_meaning(invoke, table, contrary) -> None:
    arguments = ("tq", "match", "--table", table, "--keyword", "anchor", "--guesser", "plain", "--answerer", "llm-only")
    played = json.loads(invoke(*arguments, "--model", "m", "--model", "n", *SERVER, "--json").out)
    answers = {said["question"]: said["answer"] for said in played["matches"][0]["games"][0]["rounds"]}
    assert {answer for question, answer in answers.items() if "group" in question} == {"yes"}
    assert {keyword for keyword, _ in contrary["m"].asked} == {"anchor"}
    assert len(set(contrary["m"].asked)) == len(contrary["m"].asked)


def test_models_that_fail_are_named_after_the_matches(invoke, table, contrary) -> None:
    plain = ("tq", "match", "--table", table, "--guesser", "plain")
    played = invoke(*plain, "--answerer", "llm-only", "--model", "broken", *SERVER)
    assert played.code == 0
    assert "broken had no vote at times: out of memory" in played.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--answerer", "llm"), "--answerer llm needs models"),
        (("--model", "MODEL"), "--model needs an answerer that asks models"),
        (("--words", "nowhere.bin", "--no-prove"), "nowhere.bin: cannot be read"),
        (("--words", "MODEL", "--no-prove"), "MODEL: cannot be read"),
        (("--words", "FILE.gguf", "--no-prove"), "FILE.gguf: is no vocabulary"),
        (("--models-at", "/kaggle/input"), "--models-at needs an answerer that asks models"),
        (("--answerer", "llm", "--model", "nowhere"), "there is no model 'nowhere'"),
        (("--answerer", "llm", "--model", "MODEL", "--prompt", "odd"), "there is no prompt 'odd'"),
        (("--answerer", "llm", "--model", "FILE.gguf"), "is a GGUF file"),
    ],
)
def test_what_cannot_be_packed_is_one_clear_line(invoke, table, tmp_path, arguments, told) -> None:
    (tmp_path / "MODEL").mkdir()
    (tmp_path / "MODEL" / "config.json").write_text("{}")
    (tmp_path / "FILE.gguf").touch()
    named = [tmp_path / part if part in ("MODEL", "FILE.gguf") else part for part in arguments]
    failed = invoke("tq", "agent", "pack", tmp_path / "out.tar.gz", "--table", table, *named)
    assert (failed.code, failed.out) == (2, "")
    assert told in failed.err
    assert failed.err.count("\n") == 1


def test_an_agent_with_models_is_packed_where_asked(invoke, table, tmp_path) -> None:
    model = tmp_path / "ada"
    model.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (model / name).write_text("{}")
    out = tmp_path / "voting.tar.gz"
    arguments = ("tq", "agent", "pack", out, "--table", table, "--answerer", "llm", "--model", model, "--no-prove")
    assert invoke(*arguments).code == 0
    with tarfile.open(out) as archive:
        assert {"models/ada/model.safetensors", "panel.json", "main.py"} <= set(archive.getnames())
        packed = json.load(archive.extractfile("panel.json"))
    assert [(one["model"], one["weights"]) for one in packed["panel"]["models"]] == [("ada", "4bit")]
    assert invoke(*arguments, "--models-at", "/kaggle/input/x", "--weights", "full").code == 0
    with tarfile.open(out) as archive:
        assert not any(name.startswith("models/") for name in archive.getnames())


def test_a_word_that_the_table_lacks_can_be_played_for(invoke, table, tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("anchor\nfog machine\nquern\nzeppelin hangar\n", encoding="utf-8")
    common = ("tq", "match", "--table", table, "--words", words)
    shown = invoke(*common, "--keyword", "Fog Machines")
    assert shown.code == 0
    assert shown.out.startswith("The keyword is fog machine.")
    missing = invoke(*common, "--keyword", "qwertyuiop")
    assert missing.code == 2
    assert "4 words" in missing.err
