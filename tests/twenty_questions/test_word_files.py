"""Word files: what is read, and the one line that says what cannot be."""

from __future__ import annotations

import numpy as np
import pytest

from furikaeri_common.errors import InputError
from twenty_questions import word_files
from twenty_questions.word_files import read_words


@pytest.mark.parametrize("content", ["pear\nApple\nfig", "pear\nApple\nfig\n", "\ufeffpear\r\nApple\r\nfig\r\n"])
def test_words(tmp_path, content: str) -> None:
    (tmp_path / "words.txt").write_text(content, encoding="utf-8", newline="")
    words = read_words(tmp_path / "words.txt")
    assert words.words == ("Apple", "fig", "pear")
    np.testing.assert_allclose(words.prior, 1 / 3)


def test_weights(tmp_path) -> None:
    (tmp_path / "words.tsv").write_text("pear\t1\nred apple\t2.5\nfig\t5e-1\n", encoding="utf-8")
    words = read_words(tmp_path / "words.tsv")
    assert words.words == ("fig", "pear", "red apple")
    np.testing.assert_allclose(words.prior, np.array([0.5, 1, 2.5]) / 4)


@pytest.mark.parametrize("content", ["pear\nApple \n fig", "pear\t1\n red apple\t 2.5 \nfig\t5e-1", "x\t1", "x"])
def test_files_without_mistakes_are_read_at_once_to_the_same(tmp_path, content: str) -> None:
    lines = content.split("\n")
    words, weights = word_files._at_once(lines)
    slowly, slow_weights = word_files._one_by_one(tmp_path, lines)
    assert words == slowly
    assert weights.tolist() == slow_weights


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no word"),
        (b"\n", "line 1: is empty"),
        (b"a\n\nb\n", "line 2: is empty"),
        (b"a\n  \n", "line 2: is empty"),
        (b"\t2\n", "line 1: is empty"),
        (b"a\nb\nA\n", "line 3: 'A' is already in line 1"),
        (b"a\t1\na \t2\n", "line 2: 'a' is already in line 1"),
        (b"a\t1\nb\n", "line 2: has no weight"),
        (b"a\nb\t1\n", "line 2: has a weight"),
        (b"a\t1\nb\t0\n", "line 2: expected a positive weight, got '0'"),
        (b"a\tnan\n", "line 1: expected a positive weight"),
        (b"a\tinf\n", "line 1: expected a positive weight"),
        (b"a\t-1\n", "line 1: expected a positive weight"),
        (b"a\tmany\n", "line 1: expected a positive weight, got 'many'"),
        (b"a\t1\t2\n", "line 1: expected a positive weight"),
        (b"a\t1\tb\n2\n", "line 1: expected a positive weight"),
        (b"a\t\n", "line 1: expected a positive weight"),
        (b"caf\xe9\n", "not UTF-8 text"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, content: bytes, message: str) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_words(path)
    assert str(path) in caught.value.message
    assert message in caught.value.message


def test_a_missing_file_is_named(tmp_path) -> None:
    with pytest.raises(InputError, match=r"none\.txt: cannot be read \(No such file"):
        read_words(tmp_path / "none.txt")
    with pytest.raises(InputError, match="cannot be read"):
        read_words(tmp_path)
