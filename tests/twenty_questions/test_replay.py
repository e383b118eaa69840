"""A game on paper moves the belief exactly as its answers would have, and what makes no sense moves nothing."""

from __future__ import annotations

import numpy as np
import pytest

from twenty_questions.belief import posterior, start, through_noise, update
from twenty_questions.questions import HANDSHAKE, alphabetical
from twenty_questions.replay import EXACT_NOISE, follow
from twenty_questions.table import AnswerTable, probability_of
from twenty_questions.transcripts import Game, Round
from twenty_questions.understanding import Wording, index_wordings


@pytest.fixture(scope="module")
def wordings(toy_table: AnswerTable):
    own = [Wording(c, q.text) for c, q in enumerate(toy_table.questions) if q.kind == "table"]
    return index_wordings([*own, Wording(6, "is it tiny", opposite=True)])


def test_the_belief_follows_the_answers(toy_table, wordings) -> None:
    rounds = (
        Round("Is it a kind of tool?", "yes", "hammer"),
        Round("is it tiny", "no", "zorgle"),
        Round("was Napoleon fond of it?", "yes", None),
        Round("Does it begin with an s?", "no", "Ladder"),
    )
    seen = follow(toy_table, wordings, Game("Ladders", rounds), noise=0.1, letter_noise=0.2, top=4)
    belief = start(toy_table.prior)
    p_tool, p_large = (probability_of(toy_table.codes[:, column]) for column in (2, 6))
    belief = update(belief, through_noise(p_tool, 0.1), "yes")
    hammer, ladder = ([keyword.name for keyword in toy_table.keywords].index(name) for name in ("hammer", "ladder"))
    first = posterior(belief)
    assert seen[0].probability == pytest.approx(first[ladder])
    assert seen[0].rank == 1 + int((first > first[ladder]).sum())
    assert [p for _, p in seen[0].top] == pytest.approx(sorted(first, reverse=True)[:4])
    belief = update(belief, through_noise(1 - p_large, 0.1), "no")
    belief = belief._replace(excluded=np.arange(60) == hammer)
    assert seen[1].probability == pytest.approx(posterior(belief)[ladder])
    assert (seen[1].how, seen[1].understood, seen[1].opposite) == ("understood", "Is it larger than a person?", True)
    assert (seen[2].how, seen[2].understood, seen[2].bits) == (None, "", 0.0)
    assert seen[2].probability == seen[1].probability
    starts = np.array([keyword.name.startswith("s") for keyword in toy_table.keywords])
    spelled = np.where(starts, probability_of(254), probability_of(0))
    belief = update(belief, through_noise(spelled, 0.2), "no")
    assert seen[3].probability == pytest.approx(posterior(belief)[ladder])
    assert seen[3].how == "spelling"


def test_a_partner_of_the_protocol_is_believed_about_spelling(toy_table, wordings) -> None:
    ask = alphabetical("hammer").text
    names = np.array([keyword.name for keyword in toy_table.keywords])
    mass = {}
    for shaken in ("yes", "no"):
        game = Game("chisel", (Round(HANDSHAKE.text, shaken, "x"), Round(ask, "yes", "y")))
        seen = follow(toy_table, wordings, game, top=60)
        assert (seen[0].how, seen[0].bits, seen[1].how) == ("handshake", 0.0, "worded")
        mass[shaken] = sum(p for name, p in seen[1].top if name < "hammer")
    prior = toy_table.prior[names < "hammer"].sum()
    yes = EXACT_NOISE + (1 - 2 * EXACT_NOISE) * np.array([probability_of(254), probability_of(0)])
    exact = prior * yes[0] / (prior * yes[0] + (1 - prior) * yes[1])
    assert mass["yes"] == pytest.approx(exact, abs=1e-9)
    assert mass["no"] < mass["yes"]


@pytest.mark.parametrize("answer", [None, "maybe", "none", "unknown"])
def test_answers_that_say_nothing_move_nothing(toy_table, wordings, answer) -> None:
    (seen,) = follow(toy_table, wordings, Game("otter", (Round("Is it loud?", answer, None),)))
    assert seen.bits == 0
    assert seen.probability == pytest.approx(toy_table.prior[1])


def test_an_untold_or_unknown_secret_has_no_rank(toy_table, wordings) -> None:
    for keyword in ("", "zorgle"):
        (seen,) = follow(toy_table, wordings, Game(keyword, (Round("Is it loud?", "yes", "otter"),)))
        assert (seen.rank, seen.probability) == (None, None)


def test_a_rewarded_last_guess_is_not_ruled_out(toy_table, wordings) -> None:
    won = Game("", (Round("Is it loud?", "yes", "otter"), Round("Is it wet?", "yes", "camel")), reward=19)
    lost = won.__class__("", won.rounds, reward=-1)
    assert follow(toy_table, wordings, won) == follow(toy_table, wordings, lost)
    names = [name for name, _ in follow(toy_table, wordings, won, top=60)[1].top]
    assert "otter" not in names
    assert "camel" in names


@pytest.mark.parametrize("wrong", [{"noise": 0.6}, {"letter_noise": -0.1}, {"top": 0}])
def test_numbers_out_of_range_are_refused(toy_table, wordings, wrong) -> None:
    with pytest.raises(ValueError, match="expected noise in"):
        follow(toy_table, wordings, Game("otter", ()), **wrong)
