"""A labeller whose answers are measured against those about reference things."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from twenty_questions.labelling.labeller import Labeller
from twenty_questions.labelling.wrapping import WrappedLabeller
from twenty_questions.labelling.yes_no import centre

__all__ = ["REFERENCE_THINGS", "CentredLabeller", "centred"]

REFERENCE_THINGS = (
    "umbrella",
    "dog",
    "apple",
    "bicycle",
    "mountain",
    "shirt",
    "hammer",
    "hospital",
    "guitar",
    "river",
    "newspaper",
    "armchair",
)
"""Things as unlike each other as things are."""


class CentredLabeller(WrappedLabeller):
    """A `Labeller` that asks another one about reference things, too (see `yes_no.centre`); made by `centred`."""

    def __init__(self, labeller: Labeller, things: Sequence[str]) -> None:
        super().__init__(labeller, {"reference_things": list(things)})
        self._things = tuple(things)
        self._references: dict[str, NDArray[np.float32]] = {}

    def label(self, keywords: Sequence[str], questions: Sequence[str]) -> NDArray[np.float32]:
        """Return centred P(yes) of every pair."""
        p_yes = self.labeller.label(keywords, questions)
        references = np.stack([self._reference(question) for question in questions], axis=1)
        return centre(p_yes, references).astype(np.float32)

    def _reference(self, question: str) -> NDArray[np.float32]:
        """Return the answers about the reference things, asked question by question so that none depends on others."""
        if question not in self._references:
            self._references[question] = self.labeller.label(self._things, [question])[:, 0]
        return self._references[question]


def centred(labeller: Labeller, things: Sequence[str] = REFERENCE_THINGS) -> CentredLabeller:
    """Return a labeller whose answers are measured against those about some things.

    Raises:
        ValueError: if there is no thing.
    """
    if not things:
        raise ValueError("expected at least one reference thing")
    return CentredLabeller(labeller, things)
