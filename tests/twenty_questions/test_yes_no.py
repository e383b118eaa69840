"""Yes and no among tokens: what spells them, the closed form of P(yes), and centring."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twenty_questions.labelling.labeller import LabellerConfig
from twenty_questions.labelling.yes_no import (
    YesNoWords,
    centre,
    log_odds,
    p_yes_from_texts,
    p_yes_of,
    read_answer,
    tokens_of,
)

LOGS = st.floats(-60, 20)


def test_case_space_and_punctuation_do_not_matter_and_longer_words_do() -> None:
    vocabulary = dict(enumerate([" Yes", "yes", "YES.", "yesterday", "no", " No", "not", "know", "n", "Ġno"]))
    tokens = tokens_of(vocabulary)
    assert tokens.yes.tolist() == [0, 1, 2]
    assert tokens.no.tolist() == [4, 5, 9]


def test_other_languages_are_given() -> None:
    tokens = tokens_of({7: "はい", 8: "いいえ", 9: "yes"}, YesNoWords(("yes", "はい"), ("no", "いいえ")))
    assert tokens.yes.tolist() == [7, 9]
    assert tokens.no.tolist() == [8]


def test_a_vocabulary_without_an_answer_is_refused() -> None:
    with pytest.raises(ValueError, match="tokens that spell no, got none"):
        tokens_of({0: "yes", 1: "maybe"})


@given(LOGS, LOGS, st.floats(-5, 5))
def test_p_yes_is_the_share_and_ignores_what_both_have_in_common(log_yes: float, log_no: float, shift: float) -> None:
    found = p_yes_of([log_yes, log_yes + shift], [log_no, log_no + shift])
    expected = math.exp(log_yes) / (math.exp(log_yes) + math.exp(log_no))
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_p_yes_at_the_edges() -> None:
    found = p_yes_of([0.0, -np.inf, 0.0, -np.inf], [-np.inf, 0.0, 0.0, -np.inf])
    np.testing.assert_array_equal(found, [1.0, 0.0, 0.5, np.nan])


def test_texts_of_a_server_are_added_up_and_others_left_out() -> None:
    told = {"Yes": math.log(0.4), " yes": math.log(0.1), "No": math.log(0.25), "Well": math.log(0.2), "no": math.nan}
    assert p_yes_from_texts(told) == pytest.approx(0.5 / 0.75)
    assert math.isnan(p_yes_from_texts({"Well": -0.1}))
    assert math.isnan(p_yes_from_texts({}))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Yes.", True),
        ("**No**", False),
        ("The answer is yes, not no", True),
        ("I know nothing", None),
        ("", None),
        ("no\nyes", False),
    ],
)
def test_a_written_answer_is_its_first_yes_or_no(text: str, said: bool | None) -> None:
    assert read_answer(text) is said


@given(st.lists(st.floats(0.01, 0.99), min_size=2, max_size=5), st.floats(-3, 3))
def test_centring_takes_out_a_leaning_that_all_things_share(p_yes: list[float], leaning: float) -> None:
    odds = log_odds(p_yes)[:, None]
    leaned = 1 / (1 + np.exp(-(odds + leaning)))
    np.testing.assert_allclose(centre(leaned, leaned), centre(p_yes_column := np.asarray(p_yes)[:, None], p_yes_column))
    assert log_odds(centre(leaned, leaned)).mean() == pytest.approx(0, abs=1e-6)


def test_references_that_say_nothing_do_not_count() -> None:
    found = centre([[0.8]], [[0.5], [np.nan]])
    np.testing.assert_allclose(found, [[0.8]])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (YesNoWords((), ("no",)), "yes_words of one word each, got none"),
        (YesNoWords(("yes",), ("not at all",)), "no_words of one word each, got 'not at all'"),
        (YesNoWords(("yes", "!"), ("no",)), "yes_words of one word each"),
        (YesNoWords(("Yes", "ja"), ("no", "JA")), "either yes or no, got ja for both"),
    ],
)
def test_words_that_cannot_be_read_are_refused(words: YesNoWords, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        words.require_telling()
    with pytest.raises(ValueError, match=message):
        LabellerConfig(model="m", yes_words=words.yes, no_words=words.no)


def test_a_question_without_any_reference_is_not_centred_on_a_guess() -> None:
    found = centre([[0.9, 0.9]], [[np.nan, 0.5], [np.nan, np.nan]])
    assert np.isnan(found[0, 0])
    assert found[0, 1] == pytest.approx(0.9)
