"""Games on paper: what is written is read again, and damage is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from furikaeri_common.errors import InputError
from twenty_questions.transcripts import Game, Round, read_games, rounds_of, write_games

said = st.none() | st.text(max_size=20)
rounds = st.builds(Round, said, said, said)
games = st.builds(
    Game,
    st.text(max_size=9),
    st.lists(rounds, max_size=5).map(tuple),
    st.none() | st.integers(-1, 20),
    st.text(max_size=9),
)


@given(written=st.lists(games, max_size=3))
def test_what_is_written_is_read_again(tmp_path_factory, written) -> None:
    path = tmp_path_factory.mktemp("games") / "games.json"
    write_games(path, written)
    assert read_games(path) == tuple(written)


def test_rounds_are_as_long_as_the_longest_list() -> None:
    assert rounds_of(["a?", "b?"], ["yes"], []) == (Round("a?", "yes"), Round("b?"))


def test_text_that_no_file_can_hold_is_replaced(tmp_path) -> None:
    kept = rounds_of(["half a \ud83d smile"], [None], ["\udc80"])
    assert kept == (Round("half a ? smile", None, "?"),)
    (tmp_path / "games.json").write_text(json.dumps(OURS).replace("Is it?", "\\ud83d"))
    assert read_games(tmp_path / "games.json")[0].rounds == (Round("?"),)


def replay() -> dict:
    """The shape of a Kaggle replay, with two steps kept of it."""

    def seat(role: str, keyword: str, said: int, reward: int | None, status: str) -> dict:
        observation = {
            "questions": ["Is it Agent Alpha?", "Is it big?"][:said], "answers": ["no", "yes"][:said],
            "guesses": ["banana", "lamp"][: said - 1], "role": role, "turnType": "ask", "keyword": keyword,
        }  # fmt: skip
        return {"action": "x", "info": {}, "observation": observation, "reward": reward, "status": status}

    first = [seat(role, "", 1, 0, "ACTIVE") for role in ("guesser", "answerer") * 2]
    last = [
        seat("guesser", "", 2, None, "ERROR"), seat("answerer", "Lamp", 2, 1, "DONE"),
        seat("guesser", "", 1, 1, "DONE"), seat("answerer", "Lamp", 1, 1, "DONE"),
    ]  # fmt: skip
    return {"name": "llm_20_questions", "info": {"TeamNames": ["A", "B", "C", "D"]}, "steps": [first, last]}


def write(path: Path, document: object) -> Path:
    path.write_text(json.dumps(document))
    return path


def test_a_replay_holds_two_games(tmp_path) -> None:
    one, other = read_games(write(tmp_path / "replay.json", replay()))
    assert one == Game(
        "Lamp", (Round("Is it Agent Alpha?", "no", "banana"), Round("Is it big?", "yes")), None, "A + B (first pair)"
    )
    assert other == Game("Lamp", (Round("Is it Agent Alpha?", "no"),), 1, "C + D (second pair)")


def test_a_replay_without_names_says_which_pair(tmp_path) -> None:
    document = replay()
    del document["info"], document["name"]
    assert [game.source for game in read_games(write(tmp_path / "replay.json", document))] == [
        "first pair",
        "second pair",
    ]


def damage(document: dict, *path: object, value: object) -> dict:
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return document


OURS = {"format": "furikaeri games 1", "games": [{"keyword": "Lamp", "rounds": [{"question": "Is it?"}], "reward": 3}]}


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ([], "expected a JSON object, got list"),
        ({"format": "chess"}, "expected the format 'furikaeri games 1'.*got 'chess'"),
        ({"format": "furikaeri games 1"}, "games: expected a list, got nothing"),
        ({"format": "furikaeri games 1", "games": [7]}, "game 1: expected an object, got int"),
        ({"format": "furikaeri games 1", "games": [{"rounds": []}]}, "game 1, keyword: expected text, got nothing"),
        (
            {"format": "furikaeri games 1", "games": [{"keyword": "x", "rounds": [{}, {"guess": 5}]}]},
            "game 1, round 2, guess: expected text, got int",
        ),
        (
            {"format": "furikaeri games 1", "games": [{"keyword": "x", "rounds": [], "reward": "many"}]},
            "game 1, reward: expected a whole number or null, got 'many'",
        ),
        (replay() | {"name": "chess"}, "a replay of another game, 'chess'"),
        (replay() | {"steps": []}, "the replay has no steps"),
        (replay() | {"steps": {}}, "steps: expected a list, got dict"),
        (replay() | {"steps": [[{}, {}, {}, {}]]}, "step 1, agent 0: expected an object, got nothing"),
        (damage(replay(), "steps", 1, 2, "observation", "role", value="answerer"), "step 2: expected four agents, two"),
        (
            damage(replay(), "steps", 1, 2, "observation", "guesses", value=None),
            "step 2, agent 2, guesses: expected a list",
        ),
        (
            damage(replay(), "steps", 1, 0, "observation", "answers", value=[3]),
            "step 2, agent 0: expected text, got int",
        ),
        (damage(replay(), "steps", 1, 2, "reward", value=0.5), "step 2, agent 2, reward: expected a whole number"),
    ],
)
def test_damage_is_named_in_one_line(tmp_path, document, place) -> None:
    path = write(tmp_path / "damaged.json", document)
    with pytest.raises(InputError, match=place) as caught:
        read_games(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_json(tmp_path) -> None:
    (tmp_path / "cut.json").write_text(json.dumps(OURS)[:40])
    with pytest.raises(InputError, match="line 1: not JSON"):
        read_games(tmp_path / "cut.json")
    with pytest.raises(InputError, match="cannot be read"):
        read_games(tmp_path / "nowhere.json")
