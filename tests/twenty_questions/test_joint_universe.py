"""A vocabulary joined to a table: rows, added keywords, what a guess matches, and the spelling of many names."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twenty_questions.bisection import word_list
from twenty_questions.joint.spelled import holds, spelled
from twenty_questions.joint.universe import positions_matching, universe_of
from twenty_questions.questions import Question, answer_by_spelling, letter
from twenty_questions.spelling_questions import letter_questions
from twenty_questions.table import AnswerTable, code_of, probability_of
from twenty_questions.words import Keyword, matches, names_match, normalise

VOCABULARY = [
    "the hammer",
    "anvil",
    "Hammers",
    "river-otter",
    "zebra",
    "bathe",
    "ba",
    "glass",
    "glasses",
    "kettle",
    "élan",
]


def test_words_take_the_row_of_the_keyword_they_name(toy_table: AnswerTable) -> None:
    universe = universe_of(toy_table, word_list(VOCABULARY))
    rows = dict(zip(universe.words.words, universe.row_of_word.tolist(), strict=True))
    known = {keyword.name: row for row, keyword in enumerate(toy_table.keywords)}
    assert rows["the hammer"] == known["hammer"]
    assert rows["river-otter"] == known["otter"] == rows["otter"]
    assert {rows[word] for word in ("anvil", "Hammers", "zebra", "kettle")} == {-1}
    assert universe.rowed.tolist() == [place for place, row in enumerate(universe.row_of_word) if row >= 0]


def test_keywords_that_the_vocabulary_lacks_are_added_as_probable_as_its_middle_one(toy_table: AnswerTable) -> None:
    given_words = ["hammer", "horse", "falcon", "anvil"]
    universe = universe_of(toy_table, word_list(given_words, [4.0, 2.0, 1.0, 100.0]))
    assert set(universe.words.words) == {keyword.name for keyword in toy_table.keywords} | {"anvil"}
    weight = dict(zip(universe.words.words, universe.words.prior.tolist(), strict=True))
    assert weight["otter"] == pytest.approx(weight["horse"])
    assert weight["hammer"] == pytest.approx(2 * weight["horse"])
    assert weight["anvil"] == pytest.approx(50 * weight["horse"])
    assert sum(weight.values()) == pytest.approx(1)


def test_a_vocabulary_of_strangers_gets_keywords_of_mean_weight(toy_table: AnswerTable) -> None:
    universe = universe_of(toy_table, word_list(["anvil", "zebra"], [3.0, 1.0]))
    weight = dict(zip(universe.words.words, universe.words.prior.tolist(), strict=True))
    assert weight["otter"] / weight["zebra"] == pytest.approx(2)


def test_without_a_vocabulary_the_table_stands_alone(toy_table: AnswerTable) -> None:
    universe = universe_of(toy_table)
    prior = {keyword.name: p for keyword, p in zip(toy_table.keywords, toy_table.prior, strict=True)}
    assert dict(zip(universe.words.words, universe.words.prior, strict=True)) == pytest.approx(prior)
    assert universe.rowed.size == len(toy_table.keywords)
    assert universe_of(toy_table) is universe


def test_the_marginal_is_the_mean_of_each_column_under_the_prior(toy_table: AnswerTable) -> None:
    universe = universe_of(toy_table)
    assert universe.marginal == pytest.approx(toy_table.prior @ probability_of(toy_table.codes))


@given(st.lists(st.text(alphabet="theabs -'É", min_size=1, max_size=6), min_size=2, max_size=12), st.data())
def test_a_guess_matches_what_the_game_says_it_matches(names: list[str], data: st.DataObject) -> None:
    unique = list({name.lower(): name for name in names if name.strip()}.values())
    if not unique:
        return
    table = AnswerTable((Keyword(unique[0]),), (Question("q", "Is it?"),), code_of([[0.5]]), np.ones(1))
    universe = universe_of(table, word_list(unique))
    guesses = data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=3))
    expected = [
        place for place, word in enumerate(universe.words.words) if any(names_match(guess, word) for guess in guesses)
    ]
    assert positions_matching(universe, guesses).tolist() == expected


def test_on_its_own_a_table_matches_by_every_name_of_its_keywords(toy_table: AnswerTable) -> None:
    universe = universe_of(toy_table)
    for guess in ("river otters", "Otter", "the hammer", "nothing"):
        found = {universe.words.words[place] for place in positions_matching(universe, [guess])}
        assert found == {keyword.name for keyword in toy_table.keywords if matches(guess, keyword)}


def test_another_name_that_is_a_word_itself_stands_for_itself(toy_table: AnswerTable) -> None:
    universe = universe_of(toy_table, word_list(["otter", "river otter"]))
    found = {universe.words.words[place] for place in positions_matching(universe, ["river otter"])}
    assert found == {"river otter"}


def test_of_two_keywords_that_the_game_takes_for_each_other_the_first_gives_the_row() -> None:
    keywords = (Keyword("t-shirt"), Keyword("tshirt", ("tee top",)), Keyword("anvil"))
    table = AnswerTable(keywords, (Question("q", "Is it?"),), code_of([[0.1], [0.9], [0.5]]), np.full(3, 1 / 3))
    for words in (word_list(["t shirt", "zebra"]), None):
        universe = universe_of(table, words)
        rows = dict(zip(universe.words.words, universe.row_of_word.tolist(), strict=True))
        shirts = {name: row for name, row in rows.items() if "shirt" in name}
        assert set(shirts.values()) == {0}
        found = {universe.words.words[place] for place in positions_matching(universe, ["tee-top"])}
        assert len(found) == 1
        assert found <= set(shirts)


def test_a_question_worded_like_a_word_is_not_askable() -> None:
    questions = (Question("red", "red thing"), Question("big", "Is it big?"), letter("starts", "a"))
    table = AnswerTable((Keyword("anvil"),), questions, code_of([[0.5, 0.5, 0.5]]), np.ones(1))
    assert universe_of(table, word_list(["red thing", "zebra"])).askable.tolist() == [False, True, False]
    assert universe_of(table, word_list(["zebra"])).askable.tolist() == [True, True, False]


ODD = [
    "3A battery",
    "",
    " a  b ",
    "'adobe'",
    "Ångström",
    "pie\nchart",
    "t-shi",
    "1234567",
    "İstanbul",
    "ß",
    "naïve  art",
    "x",
]


@settings(max_examples=40)
@given(st.lists(st.text(max_size=12) | st.sampled_from(ODD), min_size=1, max_size=6))
def test_letter_questions_are_answered_for_all_names_as_for_each(names: list[str]) -> None:
    spelling = spelled(names)
    extra = [letter("starts", "é"), letter("longer", "0"), letter("words", "99999")]
    for question in [*letter_questions().values(), *extra]:
        expected = [bool(answer_by_spelling(question, name)) for name in names]
        assert holds(question, spelling, names, slice(None)).tolist() == expected, question.key
        assert holds(question, spelling, names, np.array([len(names) - 1])).tolist() == expected[-1:], question.key


def test_forms_of_a_large_list_are_those_of_each_word(toy_table: AnswerTable) -> None:
    universe = universe_of(toy_table, word_list(VOCABULARY))
    for place, word in enumerate(universe.words.words):
        if normalise(word):
            assert place in positions_matching(universe, [word]), word
