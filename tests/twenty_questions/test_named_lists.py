"""Lists of words by name: the halves of the contest's list are those of the recall study, and files come first."""

from __future__ import annotations

from pathlib import Path

import pytest

from twenty_questions.sources.named_lists import PUBLIC, PUBLIC_HELD_OUT, PUBLIC_TRAIN, is_public, read_named_list
from twenty_questions.sources.recall import split_words


def test_the_halves_share_nothing_and_make_the_whole() -> None:
    whole = read_named_list(PUBLIC).keywords
    train, held_out = (read_named_list(name).keywords for name in (PUBLIC_TRAIN, PUBLIC_HELD_OUT))
    assert not set(train) & set(held_out)
    assert set(train) | set(held_out) == set(whole)
    assert split_words(whole, train_share=0.5).train == train


def test_a_file_of_that_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_public(PUBLIC_HELD_OUT)
    (tmp_path / PUBLIC_HELD_OUT).write_text("kettle\n", encoding="utf-8")
    assert not is_public(PUBLIC_HELD_OUT)
    assert [keyword.name for keyword in read_named_list(PUBLIC_HELD_OUT).keywords] == ["kettle"]
