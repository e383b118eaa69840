"""Boosters and their configurations on disk: the libraries' own formats, and TOML. (io)

A booster's file is XGBoost's UBJSON (`.ubj`) or LightGBM's text (`.txt`), that of extra trees or a kernel model is
`.safetensors`. Reading one runs none of its code, and one
that is damaged, or refers to what is not there, is refused before anything is scored with it.
"""

from __future__ import annotations

from pathlib import Path

from furikaeri_common.artifacts import write_bytes
from furikaeri_common.errors import InputError
from furikaeri_common.toml_files import read_toml
from isic_lesion.boosters.array_models import array_library
from isic_lesion.boosters.booster import Booster
from isic_lesion.boosters.config import BoosterConfig, Library
from isic_lesion.boosters.presets import PRESETS, over_preset

__all__ = ["SUFFIXES", "load_booster", "read_config", "save_booster"]

SUFFIXES: dict[Library, str] = {
    "xgboost": ".ubj",
    "lightgbm": ".txt",
    "extra-trees": ".safetensors",
    "kernel": ".safetensors",
}
"""How the name of a library's file ends."""


def save_booster(booster: Booster, path: Path) -> None:
    """Write a booster atomically, in its library's own format.

    Raises:
        ValueError: if the name does not end as the library's files do, by which `load_booster` knows them.
        InputError: if the file cannot be written there.
    """
    if Path(path).suffix != SUFFIXES[booster.library]:
        raise ValueError(f"expected a name ending in {SUFFIXES[booster.library]}, got {str(path)!r}")
    write_bytes(path, booster.to_bytes())


def load_booster(path: Path, *, threads: int = 1) -> Booster:
    """Read a booster, by the end of its name; it scores on the CPU.

    Args:
        path: the file.
        threads: with which it scores; the scores do not depend on it.

    Raises:
        InputError: if the file is missing, damaged, or no booster for a binary target with named features.
    """
    path = Path(path)
    libraries = [name for name, suffix in SUFFIXES.items() if suffix == path.suffix]
    if not libraries:
        suffixes = dict.fromkeys(SUFFIXES.values())
        raise InputError(f"{path}: is no booster", fix=f"Their names end in {' or '.join(suffixes)}")
    try:
        content = path.read_bytes()
        library = libraries[0] if len(libraries) == 1 else array_library(content)
        return Booster.from_bytes(content, library, threads=threads)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except ValueError as error:
        raise InputError(f"{path}: {error}", fix="Copy it again, or train the model again") from error


def read_config(name_or_file: str) -> BoosterConfig:
    """Return the preset of a name, or what a TOML file describes: fields of `BoosterConfig`, on top of a `preset`.

    Without `name` the file's own name is taken; `params` add to the preset's.

    Raises:
        InputError: if there is neither such a preset nor such a file, or it is not such a description.
    """
    if name_or_file in PRESETS:
        return PRESETS[name_or_file]
    path = Path(name_or_file)
    document = read_toml(path, asked=name_or_file, what="model", names=tuple(PRESETS))
    try:
        return BoosterConfig.from_json(over_preset({"name": path.stem, **document}))
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: {error}") from error
