"""A recipe: everything that a whole run is made with, as one value and one TOML file. (io: reading)

What a recipe leaves out has the defaults below. A model is a preset by name, changed where its own settings say so, or
all settings of a `BoosterConfig`; `hospital_features` may be a list, which makes one model of each. An image model is
likewise a preset or all settings of an `ImageConfig`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from furikaeri_common.configs import config_from
from furikaeri_common.documents import jsonable
from furikaeri_common.errors import InputError
from furikaeri_common.toml_files import read_toml
from isic_lesion.boosters.config import HOSPITAL_SUFFIXES, BoosterConfig
from isic_lesion.boosters.presets import over_preset
from isic_lesion.folds.dealing import Scheme
from isic_lesion.image_models.config import ImageConfig
from isic_lesion.image_models.presets import over_image_preset
from isic_lesion.stack.values import StackConfig

__all__ = [
    "FEW_LESIONS",
    "RECIPES",
    "FeaturesPart",
    "FoldsPart",
    "InferencePart",
    "Recipe",
    "document_of",
    "read_recipe",
    "recipe_from",
]

_FOLDER = Path(__file__).with_name("recipes")
RECIPES = tuple(sorted(file.stem for file in _FOLDER.glob("*.toml")))
"""The recipes that come by name."""

FEW_LESIONS = 20_000
"""Below so many lesions the recipe `few` is taken where none is named. It was measured better than `small` at 811
lesions, and is not meant for the contest's 401,059; where they meet was not measured."""

_SUFFIXES: Mapping[str, str] = {str(kind): suffix for kind, suffix in HOSPITAL_SUFFIXES.items()}


@dataclass(frozen=True, kw_only=True, slots=True)
class FoldsPart:
    """Who is held out when; see `folds`."""

    scheme: Scheme = "patients"
    count: int = 5
    seed: int = 42

    def __post_init__(self) -> None:
        if not 2 <= self.count <= 100:
            raise ValueError(f"expected count from 2 to 100, got {self.count}")
        if self.seed < 0:
            raise ValueError(f"expected seed >= 0, got {self.seed}")


@dataclass(frozen=True, kw_only=True, slots=True)
class FeaturesPart:
    """Which features there are.

    Args:
        set: a catalogue's name, or a JSON file of a feature set.
        past: whether what earlier contests know of a patient is joined; they must be given to the run.
        image_scores: whether out-of-fold image scores, where they are given, are features too.
    """

    set: str = "small"
    past: bool = False
    image_scores: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class InferencePart:
    """How lesions that nobody trained on are scored.

    Args:
        boosters: "all": those trained on all rows; "folds": the mean of those of the rounds, which costs more.
        chunk_rows: how many rows are held in memory at once; a patient's rows stay together.
    """

    boosters: Literal["all", "folds"] = "all"
    chunk_rows: int = 50_000

    def __post_init__(self) -> None:
        if self.chunk_rows < 1:
            raise ValueError(f"expected chunk_rows >= 1, got {self.chunk_rows}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """A whole run.

    Args:
        name: what it is called.
        about: one sentence for those who choose one.
        folds, features, inference: the parts.
        stack: how the models' scores become one; `unknown_models` left empty are the models without the hospital.
        models: the table models, at least one.
        images: the image models, which are trained first; their out-of-fold scores are features and take part in the
            stack. All models have distinct names.
    """

    name: str
    about: str = ""
    folds: FoldsPart = FoldsPart()
    features: FeaturesPart = FeaturesPart()
    models: tuple[BoosterConfig, ...]
    images: tuple[ImageConfig, ...] = ()
    stack: StackConfig = field(default_factory=StackConfig)
    inference: InferencePart = InferencePart()

    def __post_init__(self) -> None:
        if not self.models:
            raise ValueError("expected at least one model")
        names = [*(model.name for model in self.models), *(model.name for model in self.images)]
        if repeated := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
            raise ValueError(f"expected models of distinct names, got {repeated[0]!r} twice")


def read_recipe(name_or_file: str) -> Recipe:
    """Read a recipe that comes by name, or a TOML file.

    Raises:
        InputError: if there is none, or it says what no recipe can; the message names the setting.
    """
    path = _FOLDER / f"{name_or_file}.toml" if name_or_file in RECIPES else Path(name_or_file)
    document = read_toml(path, asked=name_or_file, what="recipe", names=RECIPES)
    return recipe_from(document, source=name_or_file)


def recipe_from(document: Mapping[str, Any], *, source: str) -> Recipe:
    """Make a recipe of what a TOML or JSON document says; `source` begins every complaint."""
    entries, pictured = (_tables(document, name, source) for name in ("models", "images"))
    models = [model for number, entry in enumerate(entries) for model in _models(entry, source, f"models.{number}")]
    images = [_image_model(entry, source, f"images.{number}") for number, entry in enumerate(pictured)]
    filled = {"name": Path(source).stem, **document, "models": models, "images": images}
    return config_from(Recipe, filled, source=source)


def document_of(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe as JSON has it; one without image models does not speak of any."""
    document: dict[str, Any] = jsonable(recipe)
    return document if recipe.images else {name: value for name, value in document.items() if name != "images"}


def _tables(document: Mapping[str, Any], name: str, source: str) -> list[Any]:
    entries = document.get(name, [])
    if not isinstance(entries, list):
        raise InputError(f"{source}: {name}: expected tables [[{name}]], got {entries!r}")
    return entries


def _models(entry: object, source: str, place: str) -> list[BoosterConfig]:
    """Return the models of one entry: one for each way to treat what is derived from the hospital."""
    if not isinstance(entry, Mapping):
        raise InputError(f"{source}: {place}: expected a table of settings, got {entry!r}")
    made = []
    try:
        settings = over_preset(entry)
        treatments = settings.pop("hospital_features", "with")
        several = isinstance(treatments, list)
        for treatment in treatments if several else [treatments]:
            suffix = _SUFFIXES.get(str(treatment), "") if several else ""
            named = {**settings, "name": f"{settings.get('name', '')}{suffix}", "hospital_features": treatment}
            made.append(BoosterConfig.from_json(named))
    except (ValueError, TypeError) as error:
        raise InputError(f"{source}: {place}: {error}") from error
    return made


def _image_model(entry: object, source: str, place: str) -> ImageConfig:
    if not isinstance(entry, Mapping):
        raise InputError(f"{source}: {place}: expected a table of settings, got {entry!r}")
    settings = over_image_preset(entry, f"{source}: {place}")
    return config_from(ImageConfig, settings, source=source, place=place)
