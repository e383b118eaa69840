"""Look-ups of the words that the game takes for a guess, against matching one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twenty_questions.word_forms import WordForms, lower_case, normal_forms
from twenty_questions.words import names_match, normalise

# Few letters, so that endings, "the", punctuation, line breaks and the two small sigmas meet often.
names = st.one_of(
    st.lists(
        st.sampled_from(["a", "b", "s", "es", "e", "the", " ", "-", "'", "T", "h", "é", "ß", "\u0130", "Σ", "Α"]),
        max_size=7,
    ).map("".join),
    st.text(max_size=8),
)


@given(words=st.lists(names, max_size=12), guess=names)
def test_positions_are_those_of_the_games_rule(words: list[str], guess: str) -> None:
    found = WordForms(words).positions(guess)
    assert found.dtype == np.int64
    assert found.tolist() == [at for at, word in enumerate(words) if names_match(guess, word)]


@given(words=st.lists(names, max_size=12))
def test_forms_of_a_whole_list_are_those_of_each_word(words: list[str]) -> None:
    assert normal_forms(words) == [normalise(word) for word in words]
    assert lower_case(words) == [word.lower() for word in words]


def test_every_word_of_a_long_list_is_found() -> None:
    words = [f"{number:05d} things" for number in range(20_000)]
    forms = WordForms(words)
    assert all(forms.positions(words[at]).tolist() == [at] for at in range(0, 20_000, 997))
    assert forms.positions("The 00017-THING").tolist() == [17]
    assert forms.positions("nothing").tolist() == []


def test_a_shared_hash_is_no_match(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twenty_questions.word_forms.hash", lambda form: 1, raising=False)
    forms = WordForms(["apple", "pear", "apples"])
    assert forms.positions("apple").tolist() == [0, 2]
    assert forms.positions("plum").tolist() == []
