"""`tq replay`: our games and Kaggle's, round by round, and damaged files named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

KAGGLE_REPLAY = Path(__file__).parents[1] / "twenty_questions" / "kaggle_replay.json"


def test_a_saved_match_is_shown_again(invoke, tmp_path: Path) -> None:
    path = tmp_path / "games.json"
    code, _, err = invoke("tq", "match", "--guesser", "plain", "--keyword", "kettle", "--save", str(path))
    assert code == 0, err
    code, out, err = invoke("tq", "replay", str(path))
    assert code == 0, err
    saved = json.loads(path.read_text(encoding="utf-8"))["games"][0]
    for said in saved["rounds"]:
        assert said["question"] in out
        assert said["guess"] in out
    assert "kettle" in out


def test_a_kaggle_replay_is_shown(invoke) -> None:
    code, out, err = invoke("tq", "replay", str(KAGGLE_REPLAY))
    assert code == 0, err
    asked = json.loads(KAGGLE_REPLAY.read_text(encoding="utf-8"))["steps"][-1][0]["observation"]["questions"]
    assert asked
    assert all(question in out for question in asked)


def test_json_holds_one_document(invoke) -> None:
    code, out, err = invoke("tq", "replay", str(KAGGLE_REPLAY), "--json")
    assert code == 0, err
    assert json.loads(out)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"steps": 3}', '{"format": "furikaeri games 1", "games": [1]}'])
def test_a_damaged_file_is_one_clear_line(invoke, tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.json"
    path.write_text(text, encoding="utf-8")
    code, out, err = invoke("tq", "replay", str(path))
    assert (code, out) == (2, "")
    assert "broken.json" in err
    assert len(err.strip().splitlines()) == 1


def test_each_pair_of_a_kaggle_replay(invoke) -> None:
    first = json.loads(invoke("tq", "replay", KAGGLE_REPLAY, "--json").out)
    second = json.loads(invoke("tq", "replay", KAGGLE_REPLAY, "--pair", 2, "--json").out)
    assert (first["source"], first["keyword"], first["reward"]) == ("Asa + Bea (first pair)", "Kettle", 15)
    assert (second["source"], second["game"], second["games"], second["reward"]) == ("Cid + Dov (second pair)", 2, 2, 0)
    assert [seen["how"] for seen in first["rounds"]][:3] == ["handshake", "worded", "spelling"]
    assert first["rounds"][3]["understood"] == "Is it commonly found in a kitchen?"
    assert (first["rounds"][4]["how"], first["rounds"][4]["bits"]) == (None, 0)
    assert first["known"]
    assert all(len(seen["top"]) == 3 and 0 < seen["probability"] < 1 for seen in first["rounds"])


def test_in_a_pipe_it_is_a_table_of_tabs(invoke) -> None:
    code, out, err = invoke("tq", "replay", KAGGLE_REPLAY, "--top", 1)
    assert code == 0
    header, *rows = [line.split("\t") for line in out.splitlines()]
    assert header == ["Round", "Question", "Answer", "Bits", "Guess", "Top 1", "Secret"]
    assert [row[0] for row in rows] == list("123456")
    assert rows[3][1] == "would i find the thing in a kitchen ≈ Is it commonly found in a kitchen?"
    assert rows[4][1] == "Was Napoleon fond of it? (?)"
    assert rows[5][4] == "Kettles"
    assert err == "Asa + Bea (first pair) (game 1 of 2): the secret is Kettle; reward 15\n"


def test_answers_believed_less_tell_less(invoke) -> None:
    bits = [
        json.loads(invoke("tq", "replay", KAGGLE_REPLAY, "--noise", noise, "--json").out)["rounds"][3]["bits"]
        for noise in (0.01, 0.2, 0.5)
    ]
    assert bits[0] > bits[1] > bits[2] == 0


def test_a_table_without_the_secret(invoke, things_folder, tmp_path: Path) -> None:
    path = tmp_path / "game.json"
    asked = {"question": "Is it loud?", "answer": "yes", "guess": "drum"}
    saved = {
        "format": "furikaeri games 1",
        "games": [{"keyword": "thunder", "source": "", "reward": None, "rounds": [asked]}],
    }
    path.write_text(json.dumps(saved), encoding="utf-8")
    code, out, err = invoke("tq", "replay", path, "--table", things_folder)
    assert code == 0
    assert out.splitlines()[1].endswith("\t")
    assert err == "a game: the secret is thunder, which the table does not have\n"


@pytest.mark.parametrize(
    ("games", "arguments", "words"),
    [
        ([], (), "holds no games"),
        ([{"keyword": "kite", "rounds": []}], (), "game 1 has no rounds"),
        ([{"keyword": "kite", "rounds": []}], ("--game", 2), "there is no game 2: the file holds 1"),
    ],
)
def test_a_game_that_is_not_there(invoke, tmp_path: Path, games, arguments, words) -> None:
    path = tmp_path / "games.json"
    path.write_text(json.dumps({"format": "furikaeri games 1", "games": games}), encoding="utf-8")
    code, out, err = invoke("tq", "replay", path, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert words in err
