"""What labels a pair of keyword and question with P(yes)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.models.config import ModelConfig
from twenty_questions.labelling.yes_no import ENGLISH, YesNoWords

__all__ = ["Labeller", "LabellerConfig"]


class Labeller(Protocol):
    """Says how probable yes is, for keywords and questions in any words."""

    @property
    def name(self) -> str:
        """What columns and reports call it; unique among the labellers of a table."""
        ...

    @property
    def identity(self) -> Mapping[str, Any]:
        """Everything its numbers depend on; JSON values, without paths of this machine."""
        ...

    def label(self, keywords: Sequence[str], questions: Sequence[str]) -> NDArray[np.float32]:
        """Return P(yes) of every pair.

        Returns:
            float32 in [0, 1], shape (keywords, questions); NaN where the model said neither yes nor no. The same
            arguments give the same bits in this process.

        Raises:
            WorkError: if the model cannot be reached or fails.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class LabellerConfig(ModelConfig):
    """A model and how it is asked.

    Attributes:
        prompt: a name in `prompts.PROMPTS`, or a TOML file.
        definitions: whether WordNet's definition of the keyword is put into the prompt where there is one.
        centring: whether each question's answers are measured against those about reference things (`yes_no.centre`).
        leanings: a file of learned leanings of questions, which are taken out (`leaning_files`); "" for none.
        samples: answers drawn from a server that gives no log-probabilities; at least 1.
        yes_words: what counts as yes: single words, whatever their case and what stands around them; for a prompt in
            another language, its own.
        no_words: what counts as no.
    """

    prompt: str = "original"
    definitions: bool = False
    centring: bool = False
    leanings: str = ""
    samples: int = 8
    yes_words: tuple[str, ...] = ENGLISH.yes
    no_words: tuple[str, ...] = ENGLISH.no

    def __post_init__(self) -> None:
        # Not super(): slots make a new class, which the zero-argument form does not know.
        ModelConfig.__post_init__(self)
        if self.samples < 1:
            raise ValueError(f"expected samples >= 1, got {self.samples}")
        self.words.require_telling()

    @property
    def words(self) -> YesNoWords:
        """What counts as yes and as no."""
        return YesNoWords(tuple(self.yes_words), tuple(self.no_words))
