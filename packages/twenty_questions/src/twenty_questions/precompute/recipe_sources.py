"""Where a recipe's keywords and questions come from: one value a source, checked when the recipe is read."""

from __future__ import annotations

from dataclasses import dataclass

from furikaeri_common.models.config import ModelConfig
from twenty_questions.question_sources.language_model import HalvingConfig
from twenty_questions.sources.language_model import LlmConfig
from twenty_questions.sources.wordnet import Lemmas

__all__ = ["GameQuestions", "ListedWords", "NeighbourWords", "WordNetWords", "WrittenQuestions", "WrittenWords"]


@dataclass(frozen=True, kw_only=True, slots=True)
class WordNetWords:
    """Everything below a synset; see `sources.wordnet`."""

    synset: str = "physical_entity.n.01"
    lemmas: Lemmas = "first"
    instances: bool = False
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class NeighbourWords:
    """WordNet's neighbours of given words; see `sources.neighbours`."""

    given: str
    steps: int = 1
    senses: int = 1
    lemmas: Lemmas = "all"
    weight: float = 1.0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.senses < 1:
            raise ValueError(f"expected steps and senses >= 1, got {self.steps} and {self.senses}")


@dataclass(frozen=True, kw_only=True, slots=True)
class WrittenWords(ModelConfig):
    """What a language model writes when it is shown given words; see `sources.language_model.LlmConfig`."""

    given: str
    requests: int = 200
    shown: int = 10
    asked: int = 20
    temperature: float = 0.8
    weight: float = 1.0

    def __post_init__(self) -> None:
        # Not super(): slots make a new class, which the zero-argument form does not know.
        ModelConfig.__post_init__(self)
        _ = self.how

    @property
    def how(self) -> LlmConfig:
        """How the model is asked."""
        return LlmConfig(requests=self.requests, shown=self.shown, asked=self.asked, temperature=self.temperature)


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedWords:
    """A list of words."""

    list: str
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class GameQuestions:
    """Questions of recorded games: files or folders, and in how many games a question must stand."""

    games: tuple[str, ...]
    least: int = 2

    def __post_init__(self) -> None:
        if not self.games or self.least < 1:
            raise ValueError(f"expected games, and least >= 1, got {self.games} and {self.least}")


@dataclass(frozen=True, kw_only=True, slots=True)
class WrittenQuestions(ModelConfig):
    """Questions that a language model writes; see `question_sources.language_model.HalvingConfig`."""

    requests: int = 200
    names: int = 20
    wanted: int = 5
    temperature: float = 0.8
    least: int = 1

    def __post_init__(self) -> None:
        ModelConfig.__post_init__(self)
        _ = self.how
        if self.least < 1:
            raise ValueError(f"expected least >= 1, got {self.least}")

    @property
    def how(self) -> HalvingConfig:
        """How the model is asked."""
        return HalvingConfig(requests=self.requests, names=self.names, wanted=self.wanted, temperature=self.temperature)
