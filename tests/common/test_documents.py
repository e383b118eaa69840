"""Results as plain values."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from furikaeri_common.documents import fingerprint, flatten, jsonable


class Point(NamedTuple):
    x: int
    y: float


@dataclass(frozen=True, slots=True)
class Config:
    folder: Path
    points: tuple[Point, ...]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Config(Path("a/b"), (Point(1, 2.5),)), {"folder": "a/b", "points": [{"x": 1, "y": 2.5}]}),
        (np.arange(4, dtype=np.uint8).reshape(2, 2), [[0, 1], [2, 3]]),
        ((np.float32(0.5), np.int64(3), np.bool_(True)), [0.5, 3, True]),
        ([float("nan"), float("inf"), np.float64("-inf"), np.array([np.nan])], [None, None, None, [None]]),
        ({3, 1, 2}, [1, 2, 3]),
        ({1: {"b"}, None: b"x"}, {"1": ["b"], "None": "b'x'"}),
        ((number for number in range(2)), [0, 1]),
    ],
)
def test_everything_becomes_what_json_has(value: object, expected: object) -> None:
    assert jsonable(value) == expected
    json.dumps(jsonable(expected), allow_nan=False)


def test_a_numpy_float_becomes_a_plain_one() -> None:
    assert type(jsonable(np.float64(0.1))) is float


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(PLAIN)
def test_plain_values_stay_as_they_are(value: object) -> None:
    assert jsonable(value) == value


@given(st.dictionaries(st.text(), st.integers(), min_size=2))
def test_a_fingerprint_does_not_see_the_order_of_keys(value: dict[str, int]) -> None:
    assert fingerprint(value) == fingerprint(dict(reversed(value.items())))


def test_fingerprints_tell_values_apart() -> None:
    values = [None, 0, 1, 1.5, "1", [], [1], {}, {"a": 1}, {"a": "1"}, True]
    assert len({fingerprint(value) for value in values}) == len(values)
    assert fingerprint({"b": (1, 2), "a": "é"}) == fingerprint({"a": "é", "b": [1, 2]})


def test_flatten_joins_keys_by_dots() -> None:
    assert flatten({"a": {"b": 1, "c": {"d": [2]}}, "e": {}, "f": None}) == {"a.b": 1, "a.c.d": [2], "e": {}, "f": None}
