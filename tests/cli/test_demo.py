"""`furikaeri demo`: it plays for real, and ends with what it made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from furikaeri_cli import demo as demo_module
from twenty_questions.transcripts import read_games


@pytest.fixture(autouse=True)
def _fewer_games(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_module, "SIMULATED_GAMES", 20)


def test_it_ends_with_what_it_made(invoke, tmp_path: Path) -> None:
    code, out, err = invoke("furikaeri", "demo", "--runs", str(tmp_path))
    assert code == 0, err
    (run,) = tmp_path.iterdir()
    assert f"3. Made in {run}:" in out
    for name in ("by_round.png", "match.json", "metrics.jsonl", "results.json", "run.json"):
        assert name in out
        assert (run / name).stat().st_size > 0
    assert "Is it Agent Alpha?  yes." in out
    assert "0% flipped: 100.0% found" in out


def test_its_match_is_a_whole_game(invoke, tmp_path: Path) -> None:
    code, out, err = invoke("furikaeri", "demo", "--runs", str(tmp_path), "--json", "--seed", "3")
    assert code == 0, err
    made = json.loads(out)
    games = read_games(Path(made["folder"]) / "match.json")
    assert [game.keyword for game in games] == [made["games"][0]["keyword"]] * 2
    assert max(game.reward or 0 for game in games) > 0
    winner = max(games, key=lambda game: game.reward or 0)
    assert winner.reward == 21 - len(winner.rounds)


def test_a_seed_gives_the_same_match(invoke, tmp_path: Path) -> None:
    documents = [
        json.loads(invoke("furikaeri", "demo", "--runs", str(tmp_path / name), "--json", "--seed", "4")[1])
        for name in ("a", "b")
    ]
    assert documents[0]["games"] == documents[1]["games"]
    assert documents[0]["find_rates"] == documents[1]["find_rates"]
