"""A recipe for a vocabulary: everything that one is made with, as one value and one TOML file (io: reading)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from furikaeri_common.configs import config_from
from furikaeri_common.toml_files import read_toml
from twenty_questions.vocabulary.candidates import Selection
from twenty_questions.vocabulary.compounds import CompoundConfig
from twenty_questions.vocabulary.prior_model import PriorConfig

__all__ = ["VOCABULARY_RECIPES", "VocabularyRecipe", "read_vocabulary_recipe"]

_FOLDER = Path(__file__).with_name("vocabulary_recipes")
VOCABULARY_RECIPES = tuple(sorted(file.stem for file in _FOLDER.glob("*.toml")))
"""The recipes that come by name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VocabularyRecipe:
    """Everything.

    Attributes:
        name: what it is called.
        about: one sentence for those who choose one.
        seed: of everything random, at least 0.
        limit: the most names that are kept, the most probable ones, at least 1.
        known: the list of known keywords that the prior learns from, as named lists are called.
        train_share: the share of it that the prior learns from, by `sources.recall.split_words`, in (0, 1].
        split_seed: of that split, at least 0.
        written: a folder of written lists in place of the package's own; "" for those.
        judged: a folder of judgements in place of the package's own; "" for those.
        wordnet: a WordNet folder in place of the machine's; "" for that.
        selection: which names of open-ended sources are taken.
        compounds: how new compounds are found.
        prior: how the prior is learned.
    """

    name: str
    about: str = ""
    seed: int = 0
    limit: int = 1_000_000
    known: str = "public"
    train_share: float = 0.5
    split_seed: int = 0
    written: str = ""
    judged: str = ""
    wordnet: str = ""
    selection: Selection = field(default_factory=Selection)
    compounds: CompoundConfig = field(default_factory=CompoundConfig)
    prior: PriorConfig = field(default_factory=PriorConfig)

    def __post_init__(self) -> None:
        if self.limit < 1 or self.seed < 0 or self.split_seed < 0:
            raise ValueError("expected limit >= 1, seed >= 0 and split_seed >= 0")
        if not 0 < self.train_share <= 1:
            raise ValueError(f"expected train_share in (0, 1], got {self.train_share}")


def read_vocabulary_recipe(name_or_file: str) -> VocabularyRecipe:
    """Read a recipe that comes by name, or a TOML file.

    Raises:
        InputError: if there is none, or it says what no recipe can; the message names the setting.
    """
    path = _FOLDER / f"{name_or_file}.toml" if name_or_file in VOCABULARY_RECIPES else Path(name_or_file).expanduser()
    document = read_toml(path, asked=name_or_file, what="recipe", names=VOCABULARY_RECIPES)
    return config_from(VocabularyRecipe, {"name": path.stem, **document}, source=name_or_file)
