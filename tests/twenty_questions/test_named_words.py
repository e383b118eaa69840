"""Word lists by name: of every kind, with any prior, read once."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from furikaeri_common.errors import InputError, MissingExtraError
from twenty_questions import named_words
from twenty_questions.bisection import word_list
from twenty_questions.named_words import BUILT_IN, words_named, words_place
from twenty_questions.vocabulary.packed import write_vocabulary

WORDS = word_list(["anvil", "brass kettle", "dog", "zyxomma"], [1, 2, 3, 4])


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    path = tmp_path / "words.bin"
    write_vocabulary(path, WORDS, {})
    return path


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "words.txt"
    path.write_text("".join(f"{word}\t{number}\n" for number, word in enumerate(WORDS.words, 1)), encoding="utf-8")
    return path


@pytest.mark.parametrize("kind", ["packed", "text"])
def test_a_vocabulary_and_a_text_are_told_apart(kind: str, request) -> None:
    path = request.getfixturevalue(kind)
    found = words_named(str(path))
    assert found.words == WORDS.words
    np.testing.assert_allclose(found.prior, WORDS.prior, rtol=0.01)
    assert words_place(str(path)) == path


def test_the_built_in_one_goes_by_its_name(monkeypatch) -> None:
    monkeypatch.setattr(named_words, "builtin_vocabulary", lambda: WORDS)
    named_words._words.cache_clear()
    assert words_named(BUILT_IN) is WORDS
    assert words_place(BUILT_IN) is None
    named_words._words.cache_clear()


def test_a_list_is_read_once_until_its_file_changes(text: Path) -> None:
    first = words_named(str(text))
    assert words_named(str(text)) is first
    text.write_text("anvil\nowl\n", encoding="utf-8")
    os.utime(text, ns=(0, 0))
    assert words_named(str(text)).words == ("anvil", "owl")


def test_the_folder_of_a_user_is_known(text: Path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(text.parent))
    assert words_place("~/words.txt") == text
    assert words_named("~/words.txt").words == WORDS.words


def test_other_priors_take_the_place_of_its_own(packed: Path) -> None:
    np.testing.assert_allclose(words_named(str(packed), "uniform").prior, np.full(4, 1 / 4))
    wordfreq = pytest.importorskip("wordfreq")
    found = words_named(str(packed), "frequency").prior
    of_word = wordfreq.get_frequency_dict("en", "large")
    brass, kettle, dog, anvil = (of_word[word] for word in ("brass", "kettle", "dog", "anvil"))
    assert found[1] / found[2] == pytest.approx(1 / (1 / brass + 1 / kettle) / dog)
    assert found[0] / found[2] == pytest.approx(anvil / dog)
    assert 0 < found[3] < found[0]
    assert found.sum() == pytest.approx(1)


def test_frequencies_need_their_extra(packed: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "wordfreq", None)
    named_words._words.cache_clear()
    with pytest.raises(MissingExtraError, match="furikaeri-twenty-questions"):
        words_named(str(packed), "frequency")
    assert words_named(str(packed), "uniform").words == WORDS.words


def test_what_cannot_be_read_is_named(tmp_path: Path, packed: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.txt: cannot be read"):
        words_named(str(tmp_path / "nowhere.txt"))
    with pytest.raises(InputError, match=r"no prior of words is called 'best'\. Choose among own, uniform"):
        words_named(str(packed), "best")  # type: ignore[arg-type]
    packed.write_bytes(packed.read_bytes()[:-3])
    with pytest.raises(InputError, match=r"words\.bin: is damaged"):
        words_named(str(packed))
