"""Matching of names, against the contest engine's own function and by its properties."""

from __future__ import annotations

import ast
import importlib.util
import string
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twenty_questions.words import Keyword, find, matches, names_match, normalise, spellings

# Short texts over few characters, so that endings, "the" and punctuation meet often.
names = st.one_of(
    st.lists(
        st.sampled_from(["a", "b", "s", "es", "e", "the", " ", "-", "'", "T", "é", "ß", "\u0130"]), max_size=8
    ).map("".join),
    st.text(max_size=12),
)


@pytest.fixture(scope="module")
def engine() -> dict[str, Callable[..., object]]:
    """The engine's `normalize` and `compare_words`, cut out of its source: importing the package takes 20 seconds."""
    spec = importlib.util.find_spec("kaggle_environments")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("kaggle-environments is not installed")
    source = Path(spec.submodule_search_locations[0], "envs", "llm_20_questions", "llm_20_questions.py")
    if not source.is_file():
        pytest.skip("this kaggle-environments has no llm_20_questions")
    tree = ast.parse(source.read_text(encoding="utf-8"))
    wanted = [
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in ("normalize", "compare_words")
    ]
    assert len(wanted) == 2
    scope: dict[str, Callable[..., object]] = {"string": string}  # type: ignore[dict-item]
    exec(compile(ast.Module(wanted, []), str(source), "exec"), scope)
    return scope


@given(a=names, b=names)
def test_names_match_is_the_engines_rule(engine: dict[str, Callable[..., object]], a: str, b: str) -> None:
    assert normalise(a) == engine["normalize"](a)
    assert names_match(a, b) == engine["compare_words"](a, b)


@given(a=names, b=names)
def test_spellings_turn_matching_into_a_look_up(a: str, b: str) -> None:
    assert (normalise(a) in spellings(b)) == names_match(a, b)


@given(name=names)
def test_spellings_are_distinct_and_start_with_the_normal_form(name: str) -> None:
    forms = spellings(name)
    assert forms[0] == normalise(name)
    assert len(set(forms)) == len(forms)


@given(a=names, b=names)
def test_matching_is_reflexive_and_symmetric(a: str, b: str) -> None:
    assert names_match(a, a)
    assert names_match(a, b) == names_match(b, a)


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("Golf Cart", "golf carts", True),
        ("the Nile", "Nile", True),
        ("T-shirt", "tshirt", True),
        ("box", "boxes", True),
        ("go", "goes", False),
        ("as", "a", False),
        ("bathe", "ba", True),
        ("cars", "carss", True),
        ("car", "carss", False),
        ("berry", "berries", False),
        ("", "the", True),
    ],
)
def test_known_pairs(a: str, b: str, same: bool) -> None:
    assert names_match(a, b) == same


def test_alternative_names_win_too() -> None:
    soda = Keyword("soda", ("pop", "fizzy drink"))
    assert soda.names == ("soda", "pop", "fizzy drink")
    assert [matches(guess, soda) for guess in ("Sodas", "POP", "fizzy drinks", "cola")] == [True, True, True, False]


def test_find_returns_every_position_that_wins() -> None:
    keywords = [Keyword("car"), Keyword("cars"), Keyword("soda", ("pop",)), Keyword("carss")]
    assert find("car", keywords) == [0, 1]
    assert find("cars", keywords) == [0, 1, 3]
    assert find("pop", keywords) == [2]
    assert find("train", keywords) == []


@given(name=names, known=st.lists(names.filter(str.strip), max_size=5))
def test_find_agrees_with_matching_one_by_one(name: str, known: list[str]) -> None:
    keywords = [Keyword(text) for text in known]
    assert find(name, keywords) == [row for row, keyword in enumerate(keywords) if matches(name, keyword)]


@pytest.mark.parametrize("name", ["", " ", "\n\t"])
def test_a_keyword_has_a_visible_name(name: str) -> None:
    with pytest.raises(ValueError, match="visible character"):
        Keyword(name)
