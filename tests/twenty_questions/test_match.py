"""The rules of a match, by hand-made examples; `test_kaggle_engine` compares them with the engine itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twenty_questions.match import MatchResult, Observation, games_of, play
from twenty_questions.transcripts import Game, Round
from twenty_questions.words import Keyword

LAMP = Keyword("Lamp", ("Light",))


def scripted(script: dict[tuple[str, int], object] | None = None, views: list[Observation] | None = None):
    """An agent that does what the script says at (turn, round), raises exceptions, and is dull elsewhere."""
    dull = {"ask": "Is it big?", "answer": "no", "guess": "nothing"}

    def agent(observation: Observation, configuration: Observation) -> object:
        if views is not None:
            views.append(observation)
        number = len(observation.questions) + (observation.turnType == "ask")
        action = (script or {}).get((observation.turnType, number), dull[observation.turnType])
        if isinstance(action, Exception):
            raise action
        return action

    return agent


def match(*scripts: dict[tuple[str, int], object], rounds: int = 20) -> MatchResult:
    return play([scripted(script) for script in scripts], LAMP, rounds=rounds)


def ending(result: MatchResult) -> tuple[list[int | None], str, str]:
    return list(result.rewards), " ".join(result.statuses), result.reason


@pytest.mark.parametrize("number", [1, 2, 19, 20])
def test_a_hit_in_round_r_is_worth_21_minus_r_to_both_of_the_pair(number) -> None:
    result = match({("guess", number): "the LAMPS!"}, {}, {}, {})
    assert ending(result) == ([21 - number, 21 - number, 0, 0], "DONE DONE DONE DONE", "guessed")
    assert len(result.pairs[0]) == number


def test_alts_win_too() -> None:
    assert match({("guess", 1): "light"}, {}, {}, {}).rewards == (20, 20, 0, 0)


def test_both_pairs_may_win_in_the_same_round() -> None:
    assert match({("guess", 3): "lamp"}, {}, {("guess", 3): "lamp"}, {}).rewards == (18, 18, 18, 18)


def test_nobody_guesses() -> None:
    result = match({}, {}, {}, {})
    assert ending(result) == ([-1, -1, -1, -1], "DONE DONE DONE DONE", "exhausted")
    assert [len(pair) for pair in result.pairs] == [20, 20]


@pytest.mark.parametrize(
    ("action", "status"),
    [(ValueError("no"), "ERROR"), ("", "ERROR"), (None, "ERROR"), (3, "INVALID"), (b"x", "INVALID")],
)
@pytest.mark.parametrize("turn", ["ask", "guess"])
def test_a_guesser_that_errs_is_out_and_the_rest_get_1(turn, action, status) -> None:
    result = match({}, {}, {(turn, 2): action}, {})
    assert ending(result) == ([1, 1, None, 1], f"DONE DONE {status} DONE", "error")


@pytest.mark.parametrize("action", [ValueError("no"), "", None, 3, "maybe", "perhaps"])
def test_whatever_an_answerer_does_wrong_is_an_error(action) -> None:
    result = match({}, {("answer", 2): action}, {}, {})
    assert ending(result) == ([1, None, 1, 1], "DONE ERROR DONE DONE", "error")
    assert result.pairs[0][1].answer == ("maybe" if action in ("maybe", "perhaps") else "none")


@pytest.mark.parametrize(
    ("said", "heard"),
    [("yes", "yes"), ("No.", "no"), ("I do not know", "no"), ("yes and no", "yes"), ("YESTERDAY", "yes")],
)
def test_answers_are_heard_by_what_they_hold(said, heard) -> None:
    assert match({}, {("answer", 1): said}, {}, {}, rounds=1).pairs[0][0].answer == heard


def test_an_error_takes_the_points_of_a_hit_in_the_same_turn() -> None:
    hit = {("guess", 2): "lamp"}
    assert ending(match(hit, {}, {("guess", 2): ValueError()}, {})) == (
        [1, 1, None, 0],
        "DONE DONE ERROR DONE",
        "error",
    )
    assert ending(match(hit, {}, {("guess", 2): ""}, {})) == ([1, 1, 0, 0], "DONE DONE DONE DONE", "error")
    assert ending(match({("guess", 2): 1}, {}, hit, {})) == ([None, 0, 1, 1], "INVALID DONE DONE DONE", "error")


def test_a_question_that_names_the_keyword_breaks_the_engine() -> None:
    result = match({("ask", 4): "Lamp?"}, {}, {}, {})
    assert ending(result) == ([17, 17, 0, 0], "INACTIVE ACTIVE DONE DONE", "fault")
    assert result.pairs[0][3] == Round("Lamp?")


def test_two_such_questions_only_show_the_keyword_to_the_guessers() -> None:
    views: list[Observation] = []
    naming = {("ask", 2): "lamp"}
    play([scripted(naming, views), scripted(), scripted(naming), scripted()], LAMP, category="things", rounds=3)
    assert [(view.turnType, view.keyword) for view in views] == [
        ("ask", ""), ("guess", ""), ("ask", ""), ("guess", "Lamp"), ("ask", "Lamp"), ("guess", "Lamp"),
    ]  # fmt: skip


def test_an_action_that_cannot_be_copied_breaks_the_engine() -> None:
    result = match({}, {("answer", 1): (letter for letter in "yes")}, {}, {})
    assert ending(result) == ([0, 0, 0, 0], "INACTIVE ACTIVE INACTIVE ACTIVE", "fault")


def test_long_texts_are_cut_but_judged_whole() -> None:
    long_name = "the " * 40 + "lamp"
    result = match({("ask", 1): "x" * 800, ("guess", 1): long_name}, {}, {("guess", 1): "y" * 101}, {})
    assert result.rewards == (20, 20, 0, 0)
    assert result.pairs[0][0].question == "x" * 750
    assert (result.pairs[0][0].guess, result.pairs[1][0].guess) == (long_name[:100], "y" * 100)


def test_time_beyond_60_seconds_a_move_comes_out_of_300() -> None:
    now = [0.0]
    views: list[Observation] = []

    def slow(observation: Observation) -> str:
        views.append(observation)
        now[0] += 160
        return "no"

    result = play([slow, scripted(), scripted(), scripted()], LAMP, clock=lambda: now[0])
    assert [view.remainingOverageTime for view in views] == [300, 200, 100, 0]
    assert ending(result) == ([None, 1, 1, 1], "TIMEOUT DONE DONE DONE", "error")
    assert [number.guess for number in result.pairs[0]] == ["no", None]


def test_what_each_role_sees() -> None:
    guesser: list[Observation] = []
    answerer: list[Observation] = []
    play([scripted({}, guesser), scripted({}, answerer), scripted(), scripted()], LAMP, category="home", rounds=2)
    assert guesser[3] == {
        "remainingOverageTime": 300, "step": 5, "questions": ["Is it big?"] * 2, "answers": ["no"] * 2,
        "guesses": ["nothing"], "role": "guesser", "turnType": "guess", "keyword": "", "category": "",
    }  # fmt: skip
    assert (answerer[1].keyword, answerer[1]["category"], answerer[1].role) == ("Lamp", "home", "answerer")
    assert (answerer[1].step, len(answerer[1].questions), len(answerer[1].answers)) == (4, 2, 1)


def test_what_an_agent_does_to_its_observation_changes_nothing() -> None:
    def vandal(observation: Observation, configuration: Observation) -> str:
        observation.questions.append("Is it mine?")
        observation.keyword = configuration.episodeSteps = "gone"
        return "no"

    result = play([vandal] * 4, LAMP, rounds=2)
    assert result.pairs == ((Round("no", "no", "no"),) * 2,) * 2


def test_observations_have_attributes_like_items() -> None:
    observation = Observation(role="guesser")
    assert not hasattr(observation, "step")
    observation.step = 3
    assert observation["step"] == 3


@pytest.mark.parametrize(("agents", "rounds"), [(3, 20), (5, 20), (4, 0)])
def test_a_match_needs_four_agents_and_a_round(agents, rounds) -> None:
    with pytest.raises(ValueError, match="4 agents and at least 1 round"):
        play([scripted()] * agents, LAMP, rounds=rounds)


def test_games_of_a_match() -> None:
    result = match({("guess", 1): "lamp"}, {}, {}, {})
    assert games_of(result, LAMP, ("us", "them")) == (
        Game("Lamp", (Round("Is it big?", "no", "lamp"),), 20, "us"),
        Game("Lamp", (Round("Is it big?", "no", "nothing"),), 0, "them"),
    )


actions = st.sampled_from(["lamp", "no", "yes", "", None, 5, ValueError("x"), "maybe", "Is it?"])
scripts = st.dictionaries(
    st.tuples(st.sampled_from(["ask", "answer", "guess"]), st.integers(1, 4)), actions, max_size=4
)


@given(st.tuples(scripts, scripts, scripts, scripts))
def test_whatever_agents_do_the_ending_is_one_of_four(four) -> None:
    result = match(*four, rounds=4)
    rewards, statuses = result.rewards, result.statuses
    erred = [reward is None for reward in rewards]
    assert erred == [status in ("ERROR", "INVALID", "TIMEOUT") for status in statuses]
    assert (result.reason == "fault") == ("ACTIVE" in statuses)
    if result.reason == "exhausted":
        assert rewards == (-1, -1, -1, -1)
        assert [len(pair) for pair in result.pairs] == [4, 4]
    if result.reason == "guessed":
        assert rewards[0] == rewards[1]
        assert rewards[2] == rewards[3]
        assert {rewards[0], rewards[2]} <= {0, 5 - len(result.pairs[0])}
    if result.reason == "error":
        assert {reward for reward in rewards if reward is not None} <= {0, 1}


@given(st.tuples(scripts, scripts, scripts, scripts))
def test_the_two_pairs_are_treated_alike(four) -> None:
    result, swapped = match(*four, rounds=4), match(*four[2:], *four[:2], rounds=4)
    assert swapped.rewards == result.rewards[2:] + result.rewards[:2]
    assert swapped.statuses == result.statuses[2:] + result.statuses[:2]
    assert swapped.pairs == result.pairs[::-1]
