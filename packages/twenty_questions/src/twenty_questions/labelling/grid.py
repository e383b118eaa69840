"""What is labelled together: all pairs of keywords and questions, cut into shards, and who labels them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from furikaeri_common.documents import fingerprint
from twenty_questions.labelling.labeller import Labeller
from twenty_questions.questions import Question

__all__ = ["Elsewhere", "LabelSource", "PairGrid", "asked_questions"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PairGrid:
    """All pairs of some keywords and questions, in shards of a fixed number of keywords with all questions.

    Attributes:
        keywords: the K names, distinct.
        questions: the Q texts, distinct.
        per_shard: keywords in each shard but the last, at least 1.
    """

    keywords: tuple[str, ...]
    questions: tuple[str, ...]
    per_shard: int = 16

    def __post_init__(self) -> None:
        if self.per_shard < 1:
            raise ValueError(f"expected per_shard >= 1, got {self.per_shard}")
        for name in ("keywords", "questions"):
            texts = getattr(self, name)
            if len(set(texts)) != len(texts):
                twice = next(text for place, text in enumerate(texts) if text in texts[:place])
                raise ValueError(f"expected distinct {name}, got {twice[:60]!r} twice")

    @property
    def num_shards(self) -> int:
        """How many shards there are: none without a question."""
        return -(-len(self.keywords) // self.per_shard) if self.questions else 0

    @property
    def num_pairs(self) -> int:
        """How many pairs there are."""
        return len(self.keywords) * len(self.questions)

    @property
    def fingerprint(self) -> str:
        """What a shard depends on beside its labeller."""
        return fingerprint([self.keywords, self.questions, self.per_shard])

    def rows_of(self, shard: int) -> slice:
        """Return which keywords a shard holds."""
        return slice(shard * self.per_shard, min((shard + 1) * self.per_shard, len(self.keywords)))

    def keywords_of(self, shard: int) -> tuple[str, ...]:
        """Return the names of a shard's keywords."""
        return self.keywords[self.rows_of(shard)]

    def pairs_of(self, shard: int) -> int:
        """Return how many pairs a shard holds."""
        return len(self.keywords_of(shard)) * len(self.questions)


@dataclass(frozen=True, kw_only=True, slots=True)
class Elsewhere:
    """How another process, on this machine or another, opens a labeller.

    Attributes:
        function: `module:name` of what is called with the settings as a mapping, and returns a `Labeller`.
        settings: JSON values; what they decide of the labels is in the source's own settings.
        files: further settings that name files, by absolute paths: what gives other machines copies changes them.
    """

    function: str
    settings: Mapping[str, Any]
    files: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelSource:
    """A labeller that is opened only when it has something to label.

    Attributes:
        name: what messages call it before it is open.
        settings: what decides its labels, as far as that is known before it is open; JSON values.
        open: opens it.
        elsewhere: how another process opens it; None for what this process alone can.
    """

    name: str
    settings: Mapping[str, Any]
    open: Callable[[], Labeller]
    elsewhere: Elsewhere | None = None


def asked_questions(questions: Sequence[Question]) -> tuple[str, ...]:
    """Return the texts that models are asked, each once, in order: spelling answers the others exactly."""
    return tuple(dict.fromkeys(question.text for question in questions if question.kind == "table"))
