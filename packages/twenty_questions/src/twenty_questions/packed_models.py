"""What the models of a packed agent bring along (io): their files, how they vote, and the libraries they need."""

from __future__ import annotations

import importlib.metadata
import itertools
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from furikaeri_common.documents import jsonable
from furikaeri_common.errors import InputError
from furikaeri_common.models.places import find_model
from twenty_questions.labelling.prompts import PROMPTS
from twenty_questions.panel import MODELS_FOLDER, PanelConfig

__all__ = ["LIBRARIES", "PackedModels", "link_packages", "models_to_pack"]

LIBRARIES = ("torch", "transformers", "accelerate", "bitsandbytes", "safetensors", "numpy", "psutil")
"""The distributions that an agent with models may use; the contest's machine has them."""

_PROMPT_FILE = "prompt.toml"
_LEANINGS_FILE = "leanings.json"
_MODEL_FILES = (".json", ".jinja", ".model", ".safetensors", ".tiktoken", ".txt")


class PackedModels(NamedTuple):
    """What the models of an agent bring.

    Attributes:
        document: what `panel.PANEL_FILE` says.
        files: what goes into the tarball, from its name there to the file here.
        folders: where each model is here, by the name of its folder.
    """

    document: dict[str, Any]
    files: dict[str, Path]
    folders: dict[str, Path]


def models_to_pack(panel: PanelConfig, models_at: str = "") -> PackedModels:
    """Return what the models of a panel bring.

    Args:
        panel: the models, each on this machine.
        models_at: a folder that the contest mounts, in which the models' folders lie; "" to pack them.

    Raises:
        InputError: if a model is not here, is no folder of transformers, is behind a server, or shares its folder's
            name with another.
    """
    folders: dict[str, Path] = {}
    files: dict[str, Path] = {}
    models = []
    for model in panel.models:
        if model.base_url:
            raise InputError(f"{model.model} is behind a server, and the contest has no network", fix="Drop --base-url")
        place = find_model(model.model)
        if place.kind != "folder":
            raise InputError(
                f"{place.path}: is a GGUF file, and the contest's machine takes folders of transformers",
                fix="Load it once, then give its converted copy by the name that `furikaeri models list` shows",
            )
        name = place.name.rpartition("/")[2]
        if name in folders:
            raise InputError(f"two models are called {name}: {folders[name]} and {place.path}", fix="Rename a folder")
        folders[name] = place.path
        if not models_at:
            found = sorted(file for file in place.path.iterdir() if file.suffix in _MODEL_FILES and file.is_file())
            files |= {f"{MODELS_FOLDER}/{name}/{file.name}": file for file in found}
        prompt, leanings = model.prompt, model.leanings
        if prompt not in PROMPTS:
            prompt = _place(files, _PROMPT_FILE, Path(prompt))
        if leanings:
            leanings = _place(files, _LEANINGS_FILE, Path(leanings))
        models.append(replace(model, model=name, prompt=prompt, leanings=leanings))
    document = {"models_at": models_at, "panel": jsonable(replace(panel, models=tuple(models)))}
    return PackedModels(document, files, folders)


def _place(files: dict[str, Path], name: str, path: Path) -> str:
    """Put a file in under a name, with a number if another one has it, and return the name."""
    stem, ending = name.split(".")
    numbered = (name if number == 1 else f"{stem}-{number}.{ending}" for number in itertools.count(1))
    free = next(name for name in numbered if files.get(name, path) == path)
    files[free] = path
    return free


def link_packages(folder: Path, distributions: Iterable[str]) -> None:
    """Make links in a folder to what some distributions and all that they require installed; to nothing else.

    What is not installed is passed over. Extras count as not required.
    """
    pending, done = list(distributions), set[str]()
    while pending:
        name = re.sub(r"[-_.]+", "-", pending.pop()).lower()
        if name in done:
            continue
        done.add(name)
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        for top in {file.parts[0] for file in distribution.files or () if file.parts[0] not in ("..", "__pycache__")}:
            link, target = folder / top, Path(str(distribution.locate_file(top)))
            if not link.exists() and target.exists():
                link.symlink_to(target)
        for requirement in distribution.requires or ():
            wanted, _, marker = requirement.partition(";")
            if "extra" not in marker:
                pending.append(re.split(r"[\s\[(<>=!~]", wanted.strip(), maxsplit=1)[0])
