"""A recipe: everything that a table is made with, as one value and one TOML file (io: reading).

What a recipe leaves out has the defaults below; a misspelt setting is refused before anything begins. Paths are as seen
from where the command is given. A list of words is a keyword list, a text file with a word a line, a table's folder, or
`public`, the contest's list, where its engine is installed.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from furikaeri_common.configs import config_from
from furikaeri_common.models.config import Addresses, ModelConfig
from furikaeri_common.toml_files import read_toml
from twenty_questions.labelling.calibration_report import Choice
from twenty_questions.labelling.consensus import Average
from twenty_questions.labelling.labeller import LabellerConfig
from twenty_questions.precompute.recipe_sources import (
    GameQuestions,
    ListedWords,
    NeighbourWords,
    WordNetWords,
    WrittenQuestions,
    WrittenWords,
)

__all__ = [
    "RECIPES",
    "GameQuestions",
    "KeywordsPart",
    "ListedWords",
    "NeighbourWords",
    "PrecomputeRecipe",
    "QuestionsPart",
    "TablePart",
    "WordNetWords",
    "WrittenQuestions",
    "WrittenWords",
    "read_precompute_recipe",
    "with_models",
]

_FOLDER = Path(__file__).with_name("recipes")
RECIPES = tuple(sorted(file.stem for file in _FOLDER.glob("*.toml")))
"""The recipes that come by name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KeywordsPart:
    """Where keywords come from, and which are kept.

    Attributes:
        wordnet, neighbours, llm, file: the sources; at least one in all.
        prior: "counts": of the sources taken together; "mixed": each source's own prior, by its weight.
        smoothing: added to counts for the prior, at least 0.
        least: the lowest count that is kept, at least 1.
        limit: the most keywords, the most probable ones; 0: all.
        cap: the largest ratio of two priors; 0: no limit.
        exclude: a list of words to leave out; "" for none.
    """

    wordnet: tuple[WordNetWords, ...] = ()
    neighbours: tuple[NeighbourWords, ...] = ()
    llm: tuple[WrittenWords, ...] = ()
    file: tuple[ListedWords, ...] = ()
    prior: Literal["counts", "mixed"] = "counts"
    smoothing: float = 0.0
    least: int = 1
    limit: int = 0
    cap: float = 0.0
    exclude: str = ""

    def __post_init__(self) -> None:
        if not self.sources:
            raise ValueError("expected at least one source among wordnet, neighbours, llm and file, got none")
        if not all(source.weight > 0 for source in self.sources):
            raise ValueError("expected every weight of a source > 0")
        for name, least in (("smoothing", 0), ("least", 1), ("limit", 0)):
            if not getattr(self, name) >= least:
                raise ValueError(f"expected {name} >= {least}, got {getattr(self, name)}")
        if self.cap and not self.cap >= 1:
            raise ValueError(f"expected cap >= 1, or 0 for none, got {self.cap}")

    @property
    def sources(self) -> tuple[WordNetWords | NeighbourWords | WrittenWords | ListedWords, ...]:
        """All sources, in the order in which their words come."""
        return (*self.wordnet, *self.neighbours, *self.llm, *self.file)


@dataclass(frozen=True, kw_only=True, slots=True)
class QuestionsPart:
    """Where questions come from, and which are kept.

    Attributes:
        file: lists of questions.
        games: questions of recorded games.
        llm: questions that models write about the keywords.
        letters: whether there are questions of spelling, which cost no labels.
        least_share: of the prior on the smaller side of a question of spelling, in [0, 1/2].
        threshold: least cosine of near-duplicates, in (0, 1]; 0: the measured one.
        embeddings: a sentence embedder; "auto": the usual one if it is here; "off": words alone.
        budget: the most questions of meaning; 0: all.
        sample: keywords on which all questions are labelled by the first model, to rank them, where there are more than
            the budget; at least 2.
    """

    file: tuple[str, ...] = ()
    games: tuple[GameQuestions, ...] = ()
    llm: tuple[WrittenQuestions, ...] = ()
    letters: bool = True
    least_share: float = 0.01
    threshold: float = 0.0
    embeddings: str = "auto"
    budget: int = 0
    sample: int = 200

    def __post_init__(self) -> None:
        if not (self.file or self.games or self.llm):
            raise ValueError("expected at least one source among file, games and llm, got none")
        if not 0 <= self.least_share <= 0.5 or not 0 <= self.threshold <= 1:
            raise ValueError("expected least_share in [0, 1/2] and threshold in [0, 1]")
        if self.budget < 0 or self.sample < 2:
            raise ValueError(f"expected budget >= 0 and sample >= 2, got {self.budget} and {self.sample}")


@dataclass(frozen=True, kw_only=True, slots=True)
class TablePart:
    """How labels become a table; see `labelling.labelled_table.ConsensusConfig`.

    Attributes:
        shard: keywords in a shard, at least 1.
        average: what is averaged over models.
        weights: of the models; empty: alike.
        gold: a CSV of gold answers to calibrate with; "" for none.
        calibration: the kind of map.
        calibrated: what is mapped.
    """

    shard: int = 16
    average: Average = "mean"
    weights: tuple[float, ...] = ()
    gold: str = ""
    calibration: Choice = "auto"
    calibrated: Literal["average", "models"] = "average"

    def __post_init__(self) -> None:
        if self.shard < 1:
            raise ValueError(f"expected shard >= 1, got {self.shard}")
        if self.weights and not (all(weight >= 0 for weight in self.weights) and any(self.weights)):
            raise ValueError(f"expected weights >= 0, one of them above, got {self.weights}")


@dataclass(frozen=True, kw_only=True, slots=True)
class PrecomputeRecipe:
    """Everything.

    Attributes:
        name: what it is called.
        about: one sentence for those who choose one.
        seed: of everything random, at least 0.
        keywords, questions, table: the parts.
        models: who labels, at least one; distinct.
    """

    name: str
    about: str = ""
    seed: int = 0
    keywords: KeywordsPart
    questions: QuestionsPart
    models: tuple[LabellerConfig, ...]
    table: TablePart = TablePart()

    def __post_init__(self) -> None:
        if not self.models:
            raise ValueError("expected at least one model in [[models]]")
        if len(set(self.models)) < len(self.models):
            raise ValueError("expected models that differ, got one twice")
        if self.table.weights and len(self.table.weights) != len(self.models):
            raise ValueError(f"expected a weight for each of {len(self.models)} models, got {len(self.table.weights)}")
        if self.seed < 0:
            raise ValueError(f"expected seed >= 0, got {self.seed}")


def read_precompute_recipe(name_or_file: str) -> PrecomputeRecipe:
    """Read a recipe that comes by name, or a TOML file.

    Raises:
        InputError: if there is none, or it says what no recipe can; the message names the setting.
    """
    path = _FOLDER / f"{name_or_file}.toml" if name_or_file in RECIPES else Path(name_or_file).expanduser()
    document = read_toml(path, asked=name_or_file, what="recipe", names=RECIPES)
    return config_from(PrecomputeRecipe, {"name": path.stem, **document}, source=name_or_file)


def with_models(recipe: PrecomputeRecipe, models: tuple[str, ...], base_url: Addresses = "") -> PrecomputeRecipe:
    """Return a recipe that uses other models: the first one writes, all of them label.

    How they are asked stays as the recipe's first model has it. A server's key comes from the usual variable, for the
    recipe's belongs to another server.
    """
    if not models:
        return recipe
    first, writer = recipe.models[0], models[0]
    key = ModelConfig(model=writer).api_key_variable
    return dataclasses.replace(
        recipe,
        models=tuple(dataclasses.replace(first, model=one, base_url=base_url, api_key_variable=key) for one in models),
        keywords=dataclasses.replace(
            recipe.keywords,
            llm=tuple(
                dataclasses.replace(one, model=writer, base_url=base_url, api_key_variable=key)
                for one in recipe.keywords.llm
            ),
        ),
        questions=dataclasses.replace(
            recipe.questions,
            llm=tuple(
                dataclasses.replace(one, model=writer, base_url=base_url, api_key_variable=key)
                for one in recipe.questions.llm
            ),
        ),
        table=dataclasses.replace(recipe.table, weights=()),
    )
