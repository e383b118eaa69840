"""A question in any words: first as it is worded, then by its spelling, then by the nearest meaning."""

from __future__ import annotations

import numpy as np
import pytest

from twenty_questions.hearing import hear
from twenty_questions.questions import HANDSHAKE, alphabetical, one_of
from twenty_questions.table import AnswerTable, probability_of
from twenty_questions.understanding import Wording, index_wordings


@pytest.fixture(scope="module")
def wordings(toy_table: AnswerTable):
    own = [Wording(c, q.text) for c, q in enumerate(toy_table.questions) if q.kind == "table"]
    return index_wordings([*own, Wording(8, "is it a metallic object"), Wording(6, "is it tiny", opposite=True)])


def test_the_tables_own_wording(toy_table, wordings) -> None:
    heard = hear(toy_table, wordings, "  is it mostly made of METAL? ")
    assert (heard.how, heard.question.key, heard.opposite, heard.about_meaning) == ("worded", "metal", False, True)
    np.testing.assert_array_equal(heard.p_yes, probability_of(toy_table.codes[:, 8]))


def test_an_alphabetical_question_of_the_protocol(toy_table, wordings) -> None:
    heard = hear(toy_table, wordings, alphabetical("kettle").text)
    assert (heard.how, heard.about_meaning) == ("worded", False)
    np.testing.assert_array_equal(heard.p_yes > 0.5, [keyword.name < "kettle" for keyword in toy_table.keywords])


def test_a_list_of_names(toy_table, wordings) -> None:
    question = one_of(["otters", "hammer", "quartz"])
    heard = hear(toy_table, wordings, question.text)
    assert (heard.how, heard.question, heard.about_meaning) == ("worded", question, False)
    named = {keyword.name for keyword, p in zip(toy_table.keywords, heard.p_yes, strict=True) if p > 0.5}
    assert named == {"otter", "hammer"}


def test_a_question_of_spelling_in_other_words(toy_table, wordings) -> None:
    heard = hear(toy_table, wordings, "Does its name begin with an h?")
    assert (heard.how, heard.question, heard.about_meaning) == ("spelling", None, False)
    assert heard.rule
    np.testing.assert_array_equal(heard.p_yes > 0.5, [keyword.name[0] == "h" for keyword in toy_table.keywords])


def test_an_outright_guess_is_a_question_of_spelling(toy_table, wordings) -> None:
    heard = hear(toy_table, wordings, "Is it a hammer?")
    assert heard.how == "spelling"
    assert [toy_table.keywords[row].name for row in np.flatnonzero(heard.p_yes > 0.5)] == ["hammer"]


def test_the_nearest_meaning(toy_table, wordings) -> None:
    heard = hear(toy_table, wordings, "is it some metallic object")
    assert (heard.how, heard.question.key, heard.opposite) == ("understood", "metal", False)
    assert 0 < heard.score < 1
    opposite = hear(toy_table, wordings, "is it tiny")
    assert (opposite.how, opposite.question.key, opposite.opposite) == ("understood", "large", True)
    np.testing.assert_allclose(opposite.p_yes, 1 - probability_of(toy_table.codes[:, 6]))


@pytest.mark.parametrize("text", ["", "   ", "xyzzy plugh", "Was Napoleon fond of opera?", HANDSHAKE.text])
def test_what_asks_nothing_that_is_known(toy_table, wordings, text) -> None:
    assert hear(toy_table, wordings, text) is None
