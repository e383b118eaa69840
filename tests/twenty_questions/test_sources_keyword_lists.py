"""Keyword lists on disk: what is read back, what is refused, and the contest's public list."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from furikaeri_common.errors import InputError
from twenty_questions.sources.keyword_lists import (
    KeywordList,
    keyword_list,
    read_keyword_list,
    require_writable,
    write_keyword_list,
)
from twenty_questions.sources.public_list import read_public_list
from twenty_questions.table import AnswerTable, save_table
from twenty_questions.words import Keyword, normalise

STRANGE = ('say "cheese"', "line\nbreak", "🦄 horn", "x" * 10_000, "the", "école")


def some_list(names: tuple[str, ...] = STRANGE) -> KeywordList:
    counts = np.arange(1, len(names) + 1)
    sources = [("llm", "wordnet")[: number % 3] for number in range(len(names))]
    return keyword_list([Keyword(name, (f"{name} too",)) for name in names], counts, counts**0.3, sources)


def same(one: KeywordList, other: KeywordList) -> bool:
    return (
        (one.keywords, one.sources) == (other.keywords, other.sources)
        and one.prior.tobytes() == other.prior.tobytes()
        and one.counts.tobytes() == other.counts.tobytes()
    )


def test_a_list_is_read_back_to_the_bit(tmp_path: Path) -> None:
    write_keyword_list(tmp_path / "deep" / "keywords.jsonl", some_list())
    assert same(read_keyword_list(tmp_path / "deep" / "keywords.jsonl"), some_list())
    assert same(read_keyword_list(tmp_path / "deep"), some_list())


def test_writing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "keywords.jsonl"
    write_keyword_list(path, some_list())
    before = path.read_bytes()
    write_keyword_list(path, read_keyword_list(path))
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["keywords.jsonl"]


def test_a_table_is_a_list_too(toy_table: AnswerTable, toy_folder: Path) -> None:
    held = read_keyword_list(toy_folder)
    assert held.keywords == toy_table.keywords
    np.testing.assert_array_equal(held.prior, toy_table.prior)
    assert set(held.counts.tolist()) == {1}


def test_text_gives_a_word_a_line(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes("\ufeffcouch; sofa ;settee;sofa\r\n\n  Ice Cream\nice-cream\nthe couch\n".encode())
    held = read_keyword_list(path)
    assert held.keywords == (Keyword("couch", ("sofa", "settee")), Keyword("Ice Cream"))
    assert held.prior.tolist() == [0.5, 0.5]


def test_without_priors_they_follow_the_counts(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"  # known by its first byte, not by its name
    path.write_text('{"name": "a cat", "count": 3}\n{"name": "dog"}\n', encoding="utf-8")
    held = read_keyword_list(path)
    assert held.counts.tolist() == [3, 1]
    assert held.prior.tolist() == [0.75, 0.25]


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        (['{"name": "a"}', '{"name": "A!"}'], "row 2: 'A!' is already in row 1"),
        (['{"alts": []}'], "row 1: not a keyword (no field 'name')"),
        (['{"name": 7}'], "row 1: not a keyword (expected a name that is text)"),
        (['{"name": "  "}'], "row 1: not a keyword (expected a keyword's name to hold a visible character"),
        (['{"name": "a", "alts": "b"}'], "expected alts as a list of texts"),
        (['{"name": "a", "sources": [1]}'], "expected sources as a list of texts"),
        (['{"name": "a", "count": 0}'], "a whole number of at least 1, got 0"),
        (['{"name": "a", "count": true}'], "a whole number of at least 1, got True"),
        (['{"name": "a", "count": 1e400}'], "a whole number of at least 1, got inf"),
        (['{"name": "a", "prior": 0}'], "expected a positive prior, got 0.0"),
        (['{"name": "a", "prior": NaN}'], "expected a positive prior, got nan"),
        (['{"name": "a", "prior": 1}', '{"name": "b"}'], "row 2: has no prior, unlike row 1"),
        (['{"name": "\\ud800"}'], "row 1: not a keyword"),
        (['{"name": "a"}', "[]"], "line 2: expected a JSON object, got list"),
        (['{"name": "a"}', "{"], "line 2: not JSON"),
        ([""], "holds no keyword"),
    ],
)
def test_what_is_wrong_with_a_row_is_said(tmp_path: Path, rows: list[str], complaint: str) -> None:
    path = tmp_path / "keywords.jsonl"
    path.write_text("\n".join(rows), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_keyword_list(path)
    assert str(path) in str(caught.value)
    assert complaint in str(caught.value)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes("école".encode("latin-1"))
    (tmp_path / "empty.txt").write_text("\n \n")
    for name, complaint in {
        "latin.txt": "is not UTF-8 text (byte 0)",
        "empty.txt": "holds no word",
        "nothing.txt": "cannot be read",
        "nothing.jsonl": "cannot be read",
        ".": "holds no keywords.jsonl",
    }.items():
        with pytest.raises(InputError) as caught:
            read_keyword_list(tmp_path / name)
        assert complaint in str(caught.value)


def test_nothing_else_is_overwritten(tmp_path: Path, toy_table: AnswerTable) -> None:
    save_table(toy_table, tmp_path / "table")
    (tmp_path / "notes.txt").write_text("remember the milk\n")
    (tmp_path / "questions.jsonl").write_text('{"key": "alive", "text": "Is it alive?"}\n')
    for name, complaint in {
        "notes.txt": "holds something else than keywords",
        "questions.jsonl": "holds something else than keywords",
        "table/keywords.jsonl": "belongs to the answer table",
        "table": "is a folder",
    }.items():
        before = (tmp_path / name).read_bytes() if (tmp_path / name).is_file() else b""
        with pytest.raises(InputError) as caught:
            write_keyword_list(tmp_path / name, some_list())
        assert complaint in str(caught.value)
        assert not before or (tmp_path / name).read_bytes() == before
    (tmp_path / "empty.jsonl").touch()
    require_writable(tmp_path / "empty.jsonl")
    require_writable(tmp_path / "table" / "more.jsonl")


@pytest.mark.parametrize(
    "parts",
    [
        {"keywords": ()},
        {"counts": np.array([1])},
        {"counts": np.array([1, 0])},
        {"prior": np.array([0.5, 0.6])},
        {"prior": np.array([1.0, 0.0])},
        {"sources": ((),)},
        {"keywords": (Keyword("ice cream"), Keyword("Ice-Cream"))},
    ],
)
def test_parts_that_do_not_fit_are_refused(parts: dict) -> None:
    whole = {
        "keywords": (Keyword("a"), Keyword("b")),
        "counts": np.array([1, 1]),
        "prior": np.array([0.5, 0.5]),
        "sources": ((), ()),
    }
    KeywordList(**whole)
    with pytest.raises(ValueError, match="expected"):
        KeywordList(**{**whole, **parts})


@pytest.mark.skipif(
    importlib.util.find_spec("kaggle_environments") is None, reason="the dependency group `kaggle` is not installed"
)
def test_the_public_list_has_578_things() -> None:
    held = read_public_list()
    assert len(held) == 578
    assert sum(bool(keyword.alts) for keyword in held.keywords) == 30
    assert len({normalise(keyword.name) for keyword in held.keywords}) == 578


def test_without_the_engine_the_public_list_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="uv sync --group kaggle"):
        read_public_list()


@pytest.mark.parametrize(
    "source", ["KEYWORDS = '[]'", "KEYWORDS_JSON = '[{}]'", "KEYWORDS_JSON = 1 +", "KEYWORDS_JSON = f()"]
)
def test_another_engines_source_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: str) -> None:
    package = tmp_path / "kaggle_environments"
    (package / "envs" / "llm_20_questions").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "envs" / "llm_20_questions" / "keywords.py").write_text(source)
    spec = importlib.util.spec_from_file_location("kaggle_environments", package / "__init__.py")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(InputError, match="the public list cannot be read"):
        read_public_list()
    (package / "envs" / "llm_20_questions" / "keywords.py").write_text(
        "KEYWORDS_JSON = " + repr(json.dumps([{"words": [{"keyword": "couch", "alts": ["sofa"]}] * 2}]))
    )
    assert read_public_list().keywords == (Keyword("couch", ("sofa",)),)
