"""Which files a model's configuration names (io), so that machines that do not see them can be given copies.

A model given by a path is such a file or folder. One given by name is not: every machine looks for it at its own place.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, TypeVar

from furikaeri_common.errors import InputError
from furikaeri_common.models.config import ModelConfig
from furikaeri_common.models.places import find_model
from twenty_questions.labelling.prompts import PROMPTS

__all__ = ["files_of", "with_absolute_files"]

Config = TypeVar("Config", bound=ModelConfig)


def files_of(config: ModelConfig) -> dict[str, Path]:
    """Return the settings that name files or folders of this machine, with absolute paths.

    Args:
        config: of a model; `prompt` and `leanings` count where it has them.
    """
    named = {}
    if not config.base_url and (model := _model_at(config.model)) is not None:
        named["model"] = model
    for setting in ("prompt", "leanings"):
        given = str(getattr(config, setting, ""))
        if given and given not in PROMPTS and (path := Path(given).expanduser()).is_file():
            named[setting] = path.absolute()
    return named


def with_absolute_files(config: Config) -> Config:
    """Return the same configuration, whatever folder a process works in."""
    found: dict[str, Any] = {setting: str(path) for setting, path in files_of(config).items()}
    return dataclasses.replace(config, **found)


def _model_at(model: str) -> Path | None:
    """Return where a model lies that is given by a path; None for one that is given by its name."""
    given = Path(model).expanduser()
    try:
        found = find_model(model)
    except InputError:
        return None
    if given not in (found.path, found.path.parent):
        return None
    # By the name that reports give it, which for a folder is that to which links lead.
    return found.path.resolve() if found.kind == "folder" else found.path.absolute()
