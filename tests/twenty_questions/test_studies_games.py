"""Players measured by whole games: scores of meaning by hand, bisection kept apart, endings counted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from twenty_questions.belief import Answer
from twenty_questions.experiments import outcome_of, play_part
from twenty_questions.questions import HANDSHAKE, Question, alphabetical
from twenty_questions.studies.games import bisects, found, lost, study_games
from twenty_questions.studies.guessers import play_and_keep, study_guesser
from twenty_questions.studies.player_plot import plot_players
from twenty_questions.studies.similarities import best_similarities
from twenty_questions.table import open_table
from twenty_questions.transcripts import Game, Round, players_of, read_games
from twenty_questions.words import matches

ANGLES = {"kettle": 0, "teapot": 20, "pan": 50, "horse": 90, "pony": 100, "idea": 200}
ORDER = alphabetical("lamp").text


def on_a_circle(texts: Sequence[str]) -> np.ndarray:
    """Embed words as points on a circle."""
    assert len(set(texts)) == len(texts), "a text was asked for twice"
    angles = np.radians([ANGLES[text] for text in texts])
    return np.stack((np.cos(angles), np.sin(angles)), axis=1).astype(np.float32)


def cosine(degrees: float) -> float:
    return math.cos(math.radians(degrees))


def game(source: str, guesses: Sequence[str], reward: int | None, keyword: str = "kettle", asked: str = "Big?") -> Game:
    return Game(keyword, tuple(Round(asked, "no", guess) for guess in guesses), reward, source)


def test_the_nearest_guess_counts() -> None:
    best = best_similarities(
        on_a_circle,
        ["kettle", "horse", "kettle", "", "idea"],
        [["horse", "pan"], ["pony", " horse "], [], ["pan"], [""]],
    )
    assert best[:2] == pytest.approx([cosine(50), 1.0], abs=1e-6)
    assert np.isnan(best[2:]).all()


def test_no_text_needs_no_vector() -> None:
    assert np.isnan(best_similarities(on_a_circle, [""], [[]])).all()


@pytest.mark.parametrize(
    ("rounds", "expected"),
    [
        ([Round(HANDSHAKE.text, "yes"), Round("Is it big?", "no")], True),
        ([Round(HANDSHAKE.text, "no"), Round("Is it big?", "no")], False),
        ([Round("Is it big?", "no"), Round(ORDER, "no"), Round(ORDER, "no")], True),
        ([Round("Is it big?", "no"), Round("Is it red?", "no"), Round(ORDER, "no")], False),
        ([Round("is it agent alpha?", "yes")], False),
        ([Round(), Round(None, "yes")], False),
        ([], False),
    ],
)
def test_which_games_bisect(rounds: list[Round], expected: bool) -> None:
    assert bisects(Game("kettle", tuple(rounds))) is expected


def test_who_found_it() -> None:
    assert found(game("", ["horse", "Kettles"], None))
    assert found(game("", ["tea kettle"], 12))  # by an alt that the record does not tell
    assert not found(game("", ["horse"], 1))  # the other pair erred
    assert found(game("", ["horse"] * 19 + ["kettle"], 1))
    assert lost(game("", ["horse"], 0))
    assert not lost(game("", ["horse"], -1))
    assert not found(game("", ["horse"], -1, keyword=""))


@pytest.mark.parametrize(
    ("source", "players"),
    [
        ("A + B (first pair)", ("A", "B")),
        ("C & D + x+y (second pair)", ("C & D", "x+y")),
        ("ours + alpha", ("ours", "alpha")),
        ("tq play", ("tq play", "tq play")),
        ("second pair", ("", "")),
        ("", ("", "")),
    ],
)
def test_who_played(source: str, players: tuple[str, str]) -> None:
    assert players_of(Game("kettle", (), None, source)) == players


def test_both_roles_are_scored_and_their_sum_ranks() -> None:
    games = [
        game("A + B (first pair)", ["teapot", "horse"], 0),  # 20 degrees
        game("A + C (first pair)", ["pan"], -1),  # 50
        game("B + A (second pair)", ["horse", "kettle"], 19),  # 0
        game("C + A (first pair)", ["horse"], 0),  # 90
        game("A + B (first pair)", ["idea"], 15, asked=ORDER),  # bisects: no score
        game("D + D (second pair)", ["pony"], -1, asked=ORDER),
    ]
    study = study_games(games, on_a_circle)
    by_name = {player.player: player for player in study.players}
    assert [player.player for player in study.players] == ["B", "A", "C", "D"]
    a = by_name["A"]
    assert (a.guesser_games, a.answerer_games) == (2, 2)
    assert a.guesser_score.value == pytest.approx((cosine(20) + cosine(50)) / 2, abs=1e-6)
    assert a.answerer_score.value == pytest.approx((cosine(0) + cosine(90)) / 2, abs=1e-6)
    assert a.total == pytest.approx(a.guesser_score.value + a.answerer_score.value)
    assert by_name["B"].total == pytest.approx(1 + cosine(20), abs=1e-6)
    assert (a.others.games, a.others.find_rate.value, a.others.win_rate.value) == (4, 0.25, pytest.approx(1 / 3))
    assert a.others.mean_reward.value == pytest.approx((0 - 1 + 19 + 0) / 4)
    assert (a.bisection.games, a.bisection.find_rate.value, a.bisection.mean_reward.value) == (1, 1.0, 15)
    assert by_name["D"].bisection.games == 1  # one game, though it played both roles
    assert math.isnan(by_name["D"].total)
    assert (study.games, study.bisecting, study.scored) == (6, 2, 4)
    assert study.all_bisection.winning_reward == 15
    assert [player.player for player in study_games(games, least_games=4).players] == ["A"]


def test_without_an_embedder_endings_alone_are_told() -> None:
    study = study_games([game("A + B", ["kettle"], 20), game("C + B", ["horse"], 0)])
    assert study.scored == 0
    assert [player.player for player in study.players] == ["A", "B", "C"]
    assert all(math.isnan(player.total) for player in study.players)
    with pytest.raises(ValueError, match="at least one game"):
        study_games([])


def test_a_replay_of_the_contest() -> None:
    games = read_games(Path(__file__).parent / "kaggle_replay.json")
    study = study_games(games, lambda texts: np.eye(1, 3, dtype=np.float32).repeat(len(texts), axis=0))
    by_name = {player.player: player for player in study.players}
    assert set(by_name) == {"Asa", "Bea", "Cid", "Dov"}
    assert by_name["Asa"].others.find_rate.value == 1
    assert by_name["Cid"].bisection.games == 1  # three of six questions are about order
    assert by_name["Asa"].guesser_score.value == 1
    assert math.isnan(by_name["Asa"].total)  # it never answered


def test_names_of_any_script_are_drawn(tmp_path: Path) -> None:
    games = [
        game("$a_b$ + マジ目くん (first pair)", ["kettle"], 20),
        game(f"{'x' * 60} + [bold]", ["horse"], -1, asked=ORDER),
        game("nobody + told", ["horse"], None),
    ]
    plot_players(study_games(games).players, tmp_path / "players.png")
    assert (tmp_path / "players.png").read_bytes().startswith(b"\x89PNG")
    plot_players((), tmp_path / "none.png")
    assert (tmp_path / "none.png").is_file()


def part(folder: Path, **others: object) -> dict[str, object]:
    base = {"table": str(folder), "labels": None, "words": None, "strategy": "table", "partner": "table", "noise": 0.2}
    keywords = open_table(folder).keywords
    secrets = [list(keywords[row].names) for row in (3, 14, 15, 9)]
    return {**base, "secrets": secrets, "first": 0, "rounds": 4, "seed": 6, **others}


def test_games_are_those_of_a_simulation_with_their_guesses(toy_folder: Path, toy_table, tmp_path: Path) -> None:
    kept, plain = play_and_keep(part(toy_folder), tmp_path), play_part(part(toy_folder), tmp_path)
    assert plain == {"found_in": kept["found_in"]}
    for row, round_, guesses in zip([3, 14, 15, 9], kept["found_in"], kept["guesses"], strict=True):
        hits = [matches(guess, toy_table.keywords[row]) for guess in guesses]
        assert hits == [False] * (len(hits) - 1) + [round_ > 0]
        assert len(guesses) == (round_ or 4)


def test_a_partner_of_one_s_own_answers_in_place_of_the_named_one(toy_folder: Path) -> None:
    asked: list[str] = []

    def partner(keyword, question: Question, rng: np.random.Generator) -> Answer:
        asked.append(question.text)
        return "no"

    outcome = outcome_of(part(toy_folder, partner="none of the names", noise=0.0), partner)
    assert len(asked) == sum(map(len, outcome.questions)) > 0


def test_figures_of_a_guesser() -> None:
    figures = study_guesser(
        [2, 0, 0], [["horse", "kettle"], ["pan"], ["pony"]], ["kettle"] * 3, rounds=20, encoder=on_a_circle
    )
    assert figures.score.value == pytest.approx((1 + cosine(50) + cosine(100)) / 3, abs=1e-6)
    assert figures.score_where_lost.value == pytest.approx((cosine(50) + cosine(100)) / 2, abs=1e-6)
    assert figures.summary.find_rate == pytest.approx(1 / 3)
    assert figures.summary.mean_reward == pytest.approx((19 - 1 - 1) / 3)
    assert math.isnan(study_guesser([0], [["pan"]], ["kettle"], rounds=20).score.value)
