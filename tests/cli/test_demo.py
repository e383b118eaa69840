"""`furikaeri demo`: it plays for real, and ends with what it made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from furikaeri_cli.isic import demo as lesions
from furikaeri_cli.tq import demo as games
from twenty_questions.transcripts import read_games


@pytest.fixture(autouse=True)
def _fewer_games(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(games, "SIMULATED_GAMES", 20)


def test_it_ends_with_what_it_made(invoke, tmp_path: Path) -> None:
    code, out, err = invoke("furikaeri", "demo", "--half", "tq", "--runs", str(tmp_path))
    assert code == 0, err
    (run,) = tmp_path.iterdir()
    assert f"Made in {run}:" in out
    for name in ("by_round.png", "match.json", "metrics.jsonl", "results.json", "run.json"):
        assert name in out
        assert (run / name).stat().st_size > 0
    assert "Is it Agent Alpha?  yes." in out
    assert "0% flipped: 100.0% found" in out


def test_its_match_is_a_whole_game(invoke, tmp_path: Path) -> None:
    code, out, err = invoke("furikaeri", "demo", "--half", "tq", "--runs", str(tmp_path), "--json", "--seed", "3")
    assert code == 0, err
    made = json.loads(out)
    games = read_games(Path(made["games"]["folder"]) / "match.json")
    assert [game.keyword for game in games] == [made["games"]["games"][0]["keyword"]] * 2
    assert max(game.reward or 0 for game in games) > 0
    winner = max(games, key=lambda game: game.reward or 0)
    assert winner.reward == 21 - len(winner.rounds)


def test_a_seed_gives_the_same_match(invoke, tmp_path: Path) -> None:
    documents = [
        json.loads(
            invoke("furikaeri", "demo", "--half", "tq", "--runs", str(tmp_path / name), "--json", "--seed", "4")[1]
        )
        for name in ("a", "b")
    ]
    first, second = (document["games"] for document in documents)
    assert first["games"] == second["games"]
    assert first["find_rates"] == second["find_rates"]


def test_its_lesions_go_from_raw_data_to_a_submission(invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lesions, "LESIONS", 900)
    monkeypatch.setattr(lesions, "PATIENTS", 30)
    code, out, err = invoke("furikaeri", "demo", "--half", "isic", "--runs", str(tmp_path))
    assert code == 0, err
    assert "their stack: pAUC 0.1" in out
    (run,) = tmp_path.glob("*isic-run*")
    assert f"Made in {run}:" in out
    for name in ("report.html", "submission.csv", "models", "stack", "run.json"):
        assert name in out
        assert (run / name).exists()
    assert len((run / "submission.csv").read_text().splitlines()) == 301
    assert "data:image/jpeg" in (run / "report.html").read_text()  # crops of the made-up lesions
