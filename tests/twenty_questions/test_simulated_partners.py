"""Partners that know the truth, and how often each of the others turns it round."""

from __future__ import annotations

import numpy as np
import pytest

from twenty_questions import simulated_partners as partners
from twenty_questions.questions import HANDSHAKE, Question, alphabetical, letter, one_of
from twenty_questions.table import AnswerTable, code_of, probability_of
from twenty_questions.words import Keyword

ASKED = [Question(f"q{number}", f"Is it of sort {number}?") for number in range(2000)]
THING = Keyword("kettle")


def honest(keyword: Keyword, question: Question, rng: np.random.Generator) -> partners.Answer:
    return "yes"


def said(partner: partners.Partner, questions, keyword: Keyword = THING, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return [partner(keyword, question, rng) for question in questions]


def test_a_careless_partner_answers_the_same_question_the_same_way() -> None:
    partner = partners.careless(honest, {"table": 0.5}, handshake=0.5)
    first = said(partner, ASKED)
    assert 0 < first.count("no") < len(ASKED)
    # Whatever chance the game has, and whatever else was asked before.
    assert said(partner, reversed(ASKED), seed=9)[::-1] == first
    assert len(set(said(partner, [HANDSHAKE] * 50))) == 1
    assert said(partner, ASKED, Keyword("otter")) != first
    assert said(partners.careless(honest, {"table": 0.5}, seed=1), ASKED) != first


def test_a_careless_partner_errs_at_the_rate_of_each_kind() -> None:
    rates = {"table": 0.1, "alphabetical": 0.45, "letter": 0.3}
    asked = {
        "table": ASKED,
        "alphabetical": [alphabetical(f"word{number}") for number in range(2000)],
        "letter": [letter("longer", str(number)) for number in range(2000)],
        "list": [one_of([f"word{number}"]) for number in range(2000)],
    }
    partner = partners.careless(honest, rates)
    for kind, questions in asked.items():
        # Four standard errors of a share are at most 2 / sqrt(2000).
        assert said(partner, questions).count("no") / 2000 == pytest.approx(rates.get(kind, 0.0), abs=0.045), kind
    assert said(partner, asked["list"]).count("yes") == 2000


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_a_careless_partner_accepts_the_handshake_at_its_own_rate(rate: float) -> None:
    partner = partners.careless(partners.accepting(honest), {"handshake": 1.0}, handshake=rate)
    things = [Keyword(f"thing {number}") for number in range(2000)]
    yes = sum(said(partner, [HANDSHAKE], thing) == ["yes"] for thing in things)
    assert yes / 2000 == pytest.approx(rate, abs=0.045 if 0 < rate < 1 else 0)


def test_a_careless_partner_turns_round_what_the_other_one_says() -> None:
    for given, turned in (("yes", "no"), ("no", "yes"), ("probably", "probably not"), ("unknown", "unknown")):
        partner = partners.careless(lambda keyword, question, rng, given=given: given, {"table": 1.0})
        assert said(partner, ASKED[:3]) == [turned] * 3


def test_one_that_lies_accepts_the_handshake_and_lies_about_the_rest() -> None:
    for rate in (0.0, 0.2, 1.0):
        answers = said(partners.lying(honest, rate), ASKED)
        assert answers.count("no") / 2000 == pytest.approx(rate, abs=0.04 if 0 < rate < 1 else 0)
        assert said(partners.lying(honest, rate), [HANDSHAKE] * 20) == ["yes"] * 20
    twice = said(partners.lying(honest, 0.5), [ASKED[0]] * 200)
    assert {"yes", "no"} == set(twice)


def test_one_that_accepts_says_yes_to_the_handshake_alone() -> None:
    partner = partners.accepting(lambda keyword, question, rng: "no")
    assert said(partner, [HANDSHAKE, *ASKED[:3]]) == ["yes", "no", "no", "no"]


def test_of_a_thing_that_the_table_lacks_it_speaks_as_of_one_drawn_by_the_prior() -> None:
    table = AnswerTable(
        (Keyword("kettle"), Keyword("otter")),
        (Question("alive", "Is it alive?"), Question("wet", "Is it wet?")),
        code_of([[0.02, 1.0], [0.98, 1.0]]),
        np.array([0.25, 0.75]),
    )
    partner = partners.table_partner(table)
    unheard = Keyword("gasometer")
    expected = float(table.prior @ probability_of(table.codes)[:, 0])
    assert said(partner, [table.questions[0]] * 2000, unheard).count("yes") / 2000 == pytest.approx(expected, abs=0.04)
    assert said(partner, [table.questions[1]] * 100, unheard).count("yes") >= 97
    assert said(partner, [table.questions[0]] * 20, Keyword("otter")) == ["yes"] * 20
    others = [HANDSHAKE, alphabetical("h"), letter("starts", "g"), one_of(["Gasometers"]), Question("x", "Is it x?")]
    assert said(partner, others, unheard) == ["no", "yes", "yes", "yes", "no"]


@pytest.mark.parametrize(("rates", "handshake"), [({"table": 1.1}, 0.0), ({"letter": -0.1}, 0.0), ({}, 1.5)])
def test_rates_outside_0_and_1_are_refused(rates, handshake: float) -> None:
    with pytest.raises(ValueError, match="rates in"):
        partners.careless(honest, rates, handshake=handshake)
    with pytest.raises(ValueError, match="flip rate"):
        partners.lying(honest, -0.1)
