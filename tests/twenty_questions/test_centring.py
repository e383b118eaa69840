"""Centred labels: a question's leaning is measured on the reference things, question by question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from twenty_questions.labelling.centring import REFERENCE_THINGS, centred
from twenty_questions.labelling.yes_no import log_odds


class Leaning:
    """Knows which things are alive, and leans towards yes by the length of the question."""

    name = "leaning"
    identity: Mapping[str, Any] = {"weights": "none"}

    def __init__(self) -> None:
        self.calls: list[tuple[tuple[str, ...], tuple[str, ...]]] = []

    def label(self, keywords: Sequence[str], questions: Sequence[str]) -> NDArray[np.float32]:
        self.calls.append((tuple(keywords), tuple(questions)))
        truth = np.asarray([[2.0 if keyword == "dog" else -2.0] for keyword in keywords])
        odds = truth + np.asarray([len(question) / 10 for question in questions])
        return (1 / (1 + np.exp(-odds))).astype(np.float32)


def test_questions_of_any_leaning_come_out_alike() -> None:
    found = centred(Leaning()).label(["dog", "hammer"], ["Is it?", "Is it alive, as far as anybody can tell?"])
    np.testing.assert_allclose(found[:, 0], found[:, 1], atol=1e-5)
    assert found[0, 0] > 0.5 > found[1, 0]
    np.testing.assert_allclose(log_odds(found[0]) - log_odds(found[1]), 4, atol=1e-4)


def test_references_are_asked_once_a_question_and_by_themselves() -> None:
    asked = Leaning()
    labeller = centred(asked)
    first = labeller.label(["dog"], ["a?", "b?"])
    labeller.label(["saw"], ["b?"])
    references = [call for call in asked.calls if call[0] == REFERENCE_THINGS]
    assert references == [(REFERENCE_THINGS, ("a?",)), (REFERENCE_THINGS, ("b?",))]
    np.testing.assert_array_equal(centred(Leaning()).label(["dog"], ["b?"])[0, 0], first[0, 1])


def test_the_things_are_part_of_the_identity() -> None:
    one, other = centred(Leaning()), centred(Leaning(), ["dog"])
    assert one.identity != other.identity
    assert one.name == "leaning"
    with pytest.raises(ValueError, match="at least one reference thing"):
        centred(Leaning(), [])
