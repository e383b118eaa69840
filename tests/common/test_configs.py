"""Configurations are made strictly, and complaints say where."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from furikaeri_common.configs import config_from
from furikaeri_common.documents import jsonable
from furikaeri_common.errors import InputError


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    name: str
    rounds: int = 100
    rate: float = 0.1
    library: Literal["one", "two"] = "one"
    stop: int | None = None
    params: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise ValueError(f"expected rounds >= 1, got {self.rounds}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    models: tuple[Model, ...]
    pair: tuple[int, str] = (1, "a")
    deep: bool = False


def made(document: object) -> Recipe:
    return config_from(Recipe, document, source="recipe.toml")


def test_a_document_becomes_a_config_and_back() -> None:
    recipe = made(
        {"models": [{"name": "a", "rate": 1, "params": {"x": [1]}}, {"name": "b", "stop": 5}], "pair": [2, "b"]}
    )
    assert recipe.models == (Model(name="a", rate=1.0, params={"x": [1]}), Model(name="b", stop=5))
    assert isinstance(recipe.models[0].rate, float)
    assert made(jsonable(recipe)) == recipe


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "recipe.toml: the whole: expected a table"),
        ({}, "models is missing"),
        ({"models": [], "depe": True}, r"depe: no such setting.*Did you mean deep"),
        ({"models": [], "qqqq": True}, "Possible are: models, pair, deep"),
        ({"models": "a"}, "models: expected a list, got 'a'"),
        ({"models": [{"rounds": 1}]}, r"models\.0\.name is missing"),
        ({"models": [{"name": "a", "rounds": True}]}, r"models\.0\.rounds: expected a whole number, got True"),
        ({"models": [{"name": "a", "rounds": 0}]}, r"models\.0: expected rounds >= 1, got 0"),
        ({"models": [{"name": "a", "library": "six"}]}, "library: expected one of one, two, got 'six'"),
        ({"models": [{"name": "a", "library": []}]}, "library: expected one of one, two"),
        ({"models": [{"name": "a", "rate": "x"}]}, "rate: expected a number, got 'x'"),
        ({"models": [{"name": "a", "stop": "x"}]}, "stop: expected a whole number, got 'x'"),
        ({"models": [{"name": "a", "params": 3}]}, "params: expected a table"),
        ({"models": [], "pair": [1]}, "pair: expected a list of 2"),
    ],
)
def test_a_complaint_says_where_and_what(document: object, said: str) -> None:
    with pytest.raises(InputError) as raised:
        made(document)
    assert re.search(said, str(raised.value) + " " + str(raised.value.fix or ""))
