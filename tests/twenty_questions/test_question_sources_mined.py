"""Letter questions and mined ones: what counts as an asking, and what files of games give."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from furikaeri_common.errors import InputError
from twenty_questions.game_files import game_files, read_all_games
from twenty_questions.question_sources.letters import answered_by_rules, splitting_letters, yes_shares
from twenty_questions.question_sources.mined import mine
from twenty_questions.question_sources.question_lists import normal_form
from twenty_questions.questions import answer_by_spelling
from twenty_questions.spelling_questions import letter_questions
from twenty_questions.transcripts import Game, Round, write_games

REPLAY = Path(__file__).parent / "kaggle_replay.json"


def game(keyword: str, *questions: str, guess: str = "") -> Game:
    return Game(keyword, tuple(Round(question, "yes", guess or None) for question in questions))


def asked(*games: Game, least: int = 1) -> dict[str, int]:
    return {one.question.text: one.count for one in mine(games, least_count=least).questions}


def test_every_letter_question_is_listed_without_keywords() -> None:
    assert [one.question for one in splitting_letters()] == list(letter_questions().values())


def test_letter_questions_that_do_not_split_are_left_out() -> None:
    names = ["kettle", "kite", "lamp", "tea pot"]
    prior = np.array([0.4, 0.3, 0.2, 0.1])
    shares = yes_shares(names, prior)
    assert shares["starts:k"] == pytest.approx(0.7)
    for least in (0.0, 0.1, 0.25, 0.5):
        kept = {one.question.key for one in splitting_letters(names, prior, least_share=least)}
        expected = set()
        for question in letter_questions().values():
            yes = sum(p for name, p in zip(names, prior, strict=True) if answer_by_spelling(question, name))
            if 1e-9 < yes < 1 - 1e-9 and min(yes, 1 - yes) >= least - 1e-9:
                expected.add(question.key)
        assert kept == expected
    with pytest.raises(ValueError, match="least_share"):
        splitting_letters(names, prior, least_share=0.6)
    with pytest.raises(ValueError, match="prior of shape"):
        splitting_letters(names, prior[:2])


@pytest.mark.parametrize(
    "text",
    [
        "Is it Agent Alpha?",
        'Does the keyword (in lowercase) precede "kiln" in alphabetical order?',
        "Does it begin with an S?",
        "Is it a compound word?",
        "Is the keyword one of these: France, Japan, Peru?",
    ],
)
def test_questions_of_spelling_are_known(text: str) -> None:
    assert answered_by_rules(text)


@pytest.mark.parametrize(
    "text", ["Is it alive?", "Is it a city, a country or a person?", "Is it used to write letters?"]
)
def test_questions_of_meaning_are_not_spelling(text: str) -> None:
    assert not answered_by_rules(text)


def test_wordings_are_counted_together_and_once_a_game() -> None:
    games = [
        game("kite", "Is it alive?", "is it alive", "IS IT ALIVE??"),
        game("lamp", "is it alive"),
        game("cup", "Is it alive?"),
    ]
    mined = mine(games, least_count=1)
    assert [(one.question.text, one.count, one.source) for one in mined.questions] == [("Is it alive?", 3, "games")]
    assert (mined.asked, mined.left_out) == (3, {})


def test_the_most_asked_come_first_and_the_rare_are_left_out() -> None:
    games = [game("kite", "Is it big?", "Is it red?"), game("lamp", "Is it red?", "Can it fly?")]
    assert list(asked(*games)) == ["Is it red?", "Is it big?", "Can it fly?"]
    mined = mine(games, least_count=2)
    assert [one.question.text for one in mined.questions] == ["Is it red?"]
    assert mined.left_out == {"rare": 2}
    with pytest.raises(ValueError, match="least_count"):
        mine(games, least_count=0)


def test_what_names_the_secret_or_a_guess_does_not_count() -> None:
    one = game("kettle", "Is it a kettle?", "Is it Mount Fuji?", "Is it bigger than a kettle?", guess="mount fuji")
    other = game("lamp", "Could it be the kettle?", "Is it Mount Fuji?", "Is it a lamp or a kettle?")
    assert asked(one, other) == {
        "Is it bigger than a kettle?": 1,
        "Is it Mount Fuji?": 1,
        "Is it a lamp or a kettle?": 1,
    }
    assert mine([one, other], least_count=1).left_out == {"names a thing": 3}


def test_spelling_and_open_questions_are_left_out() -> None:
    mined = mine(
        [game("kettle", "Is it Agent Alpha?", "Does it start with k?", "What is it?", "Is it hot?")], least_count=1
    )
    assert [one.question.text for one in mined.questions] == ["Is it hot?"]
    assert mined.left_out == {"spelling": 2, "no yes/no question": 1}


def test_games_without_keyword_question_or_guess_are_read() -> None:
    assert asked(Game("", (Round(), Round("Is it hot?", None, None), Round(None, "yes", "x")))) == {"Is it hot?": 1}


def test_a_folder_of_games_with_a_damaged_and_a_repeated_file(tmp_path: Path) -> None:
    folder = tmp_path / "replays"
    (folder / "deep").mkdir(parents=True)
    shutil.copy(REPLAY, folder / "b.json")
    shutil.copy(REPLAY, folder / "deep" / "copy.json")
    (folder / "a.json").write_text(REPLAY.read_text(encoding="utf-8")[:5000], encoding="utf-8")
    (folder / "notes.txt").write_text("not a game", encoding="utf-8")
    write_games(folder / "ours.json", [game("kite", "Is it an animal?", "Is it an animal?")])
    files = game_files([folder])
    assert [file.name for file in files] == ["a.json", "b.json", "copy.json", "ours.json"]
    told: list[int] = []
    read = read_all_games(files, told.append)
    assert (len(read.games), read.files, read.repeated, len(read.damaged)) == (3, 2, 1, 1)
    assert read.damaged[0].file.endswith("a.json")
    assert told == [1, 2, 3, 4]
    mined = {one.question.text: one.count for one in mine(read.games, least_count=1).questions}
    replayed = {one.question.text: one.count for one in mine(read_all_games([REPLAY]).games, least_count=1).questions}
    assert mined == replayed | {"Is it an animal?": replayed["Is it an animal?"] + 1}


def test_the_replay_gives_its_questions_of_meaning() -> None:
    mined = mine(read_all_games([REPLAY]).games, least_count=1)
    document = json.loads(REPLAY.read_text(encoding="utf-8"))
    said = {normal_form(text) for seat in document["steps"][-1] for text in seat["observation"]["questions"]}
    assert mined.left_out["spelling"] == 3
    assert len(mined.questions) == 5
    assert all(normal_form(one.question.text) in said for one in mined.questions)
    assert not any("Alpha" in one.question.text or "alphabetical" in one.question.text for one in mined.questions)


def test_nothing_to_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        game_files([tmp_path / "nowhere"])
    with pytest.raises(InputError, match=r"holds no \.json file"):
        game_files([tmp_path])
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"a\.json.*none of the other 1 files"):
        read_all_games(game_files([tmp_path]))
