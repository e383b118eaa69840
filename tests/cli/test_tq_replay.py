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
