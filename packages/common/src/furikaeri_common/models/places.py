"""Where models are on this machine: a path, the models' folder, the hub's cache (io). Nothing is ever downloaded."""

from __future__ import annotations

import contextlib
import difflib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from furikaeri_common.errors import InputError
from furikaeri_common.pruning import folder_size

__all__ = [
    "CONVERTED",
    "KeptModel",
    "Place",
    "find_model",
    "hub_folder",
    "kind_of_folder",
    "list_models",
    "models_folder",
]

CONVERTED = "converted"
"""The folder, inside the models' folder, of what GGUF files were converted to."""

_LONGEST_NAME = 1000
_WEIGHT_FILES = (".pth", ".pt", ".safetensors")

Kind = Literal["language", "embedder", "vision", "gguf", "converted", "other"]


class Place(NamedTuple):
    """A language model on this machine.

    Attributes:
        kind: "folder" in the layout of transformers, or "gguf" for one file.
        path: of the folder or the file.
        name: what reports call it, without its path.
        revision: of the hub; "" for a model from elsewhere.
    """

    kind: Literal["folder", "gguf"]
    path: Path
    name: str
    revision: str = ""


class KeptModel(NamedTuple):
    """What lies in the models' folder or in the hub's cache.

    Attributes:
        name: by which it is shown and removed.
        kind: "language", "embedder" or "vision" for folders and weights, "gguf" for a file, "converted" for a GGUF
            file's converted copy, "other" for what is none of these.
        where: "models folder" or "hub cache".
        num_bytes: that it takes on disk.
        path: of it.
        removable: whether `remove_model` may delete it.
    """

    name: str
    kind: Kind
    where: Literal["models folder", "hub cache"]
    num_bytes: int
    path: Path
    removable: bool


def models_folder() -> Path:
    """Return the folder of models: `FURIKAERI_MODELS`, else a folder in the user's cache."""
    return Path(os.environ.get("FURIKAERI_MODELS") or "~/.cache/furikaeri/models").expanduser()


def hub_folder() -> Path:
    """Return Hugging Face's cache of models, by its own rules: `HF_HUB_CACHE`, else `HF_HOME`, else the home folder."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or f"{cache}/huggingface"
    return Path(os.environ.get("HF_HUB_CACHE") or f"{home}/hub").expanduser()


def find_model(name: str) -> Place:
    """Find a language model.

    Args:
        name: a folder with a config.json, a GGUF file, either of them inside the models' folder (the ending ".gguf"
            may be left out), or the name of a model in the hub's cache, such as "ORG/NAME" or "ORG/NAME/FILE.gguf".

    Raises:
        InputError: if it is nowhere, or it is not clear which file is meant; the message says where was looked.
    """
    if not name.strip():
        raise InputError(
            "expected the name of a model, got none", fix="Run `furikaeri models list` to see what is here"
        )
    if len(name) > _LONGEST_NAME or "\0" in name:
        raise InputError(f"expected the name of a model, got {len(name)} characters that start with {name[:40]!r}")
    folder, own = Path(name).expanduser(), models_folder()
    candidates = [folder, own / name, own / f"{name}.gguf"]
    for path in candidates:
        found = _at(path)
        if found is not None:
            return found
    cached = _in_hub_cache(name)
    if cached is not None:
        return cached
    odd = next((path for path in candidates if _exists(path)), None)
    if odd is not None:
        what = "a folder without a config.json" if odd.is_dir() else "a file, but no GGUF"
        raise InputError(
            f"{odd}: is {what}, so no model that can be loaded", fix="Give a model's folder or a GGUF file"
        )
    near = _near(name, [model.name for model in _own_models(sizes=False)] + _hub_names())
    hint = f"; there is {', '.join(near)}" if near else ""
    looked = ", ".join(dict.fromkeys(str(path) for path in candidates))
    hub_name = name if name.count("/") == 1 and not name.startswith((".", "/", "~")) else "ORG/NAME"
    raise InputError(
        f"there is no model {name!r} on this machine{hint}; looked at {looked} and in the hub's cache {hub_folder()}",
        fix=f"See `furikaeri models list`, get it with `hf download {hub_name}`, or give a folder or a GGUF file",
    )


def _near(name: str, known: list[str]) -> list[str]:
    """Return the names that are like one, or that begin like it, the likeliest first; three at most."""
    begins = {one[: len(name)]: one for one in reversed(known)}
    starts = difflib.get_close_matches(name, begins, n=3, cutoff=0.7)
    return list(dict.fromkeys([*difflib.get_close_matches(name, known, n=3), *(begins[one] for one in starts)]))[:3]


def _at(path: Path) -> Place | None:
    with contextlib.suppress(OSError):  # a name too long for a file names none
        if path.is_file() and path.suffix.lower() == ".gguf":
            return Place("gguf", path, path.stem)
        if (path / "config.json").is_file():
            return Place("folder", path, path.resolve().name)
        return _only_gguf(path, path.resolve().name)
    return None


def _exists(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return path.exists()
    return False


def _only_gguf(folder: Path, name: str, revision: str = "") -> Place | None:
    """Return the GGUF file of a folder that holds nothing else to load; several are not to be told apart."""
    files = sorted(folder.glob("*.gguf")) if folder.is_dir() else []
    if len(files) > 1:
        names = ", ".join(file.name for file in files)
        raise InputError(f"{folder}: holds several GGUF files: {names}", fix=f"Name one: {name}/{files[0].name}")
    return Place("gguf", files[0], files[0].stem, revision) if files else None


def _in_hub_cache(name: str) -> Place | None:
    parts = name.split("/")
    for length in (2, 1):  # the hub has models without an organisation, such as gpt2
        repository, inner = "/".join(parts[:length]), "/".join(parts[length:])
        snapshot = _snapshot(hub_folder() / f"models--{repository.replace('/', '--')}") if all(parts) else None
        if snapshot is None:
            continue
        if inner:
            file = snapshot / inner
            inside = ".." not in parts and file.is_file() and file.suffix.lower() == ".gguf"
            return Place("gguf", file, file.stem, snapshot.name) if inside else None
        if (snapshot / "config.json").is_file():
            return Place("folder", snapshot, repository, snapshot.name)
        return _only_gguf(snapshot, repository, snapshot.name)
    return None


def _snapshot(repository: Path) -> Path | None:
    """Return the newest snapshot of a model in the hub's cache: that of its main branch, else the last one fetched."""
    try:
        main = repository / "snapshots" / (repository / "refs" / "main").read_text(encoding="utf-8").strip()
        if main.is_dir() and main.parent.name == "snapshots":
            return main
    except (OSError, ValueError):
        pass
    snapshots = [path for path in _children(repository / "snapshots") if path.is_dir()]
    return max(snapshots, key=lambda path: (path.stat().st_mtime, path.name), default=None)


def _hub_names() -> list[str]:
    return [
        path.name.removeprefix("models--").replace("--", "/")
        for path in _children(hub_folder())
        if path.name.startswith("models--") and _snapshot(path) is not None
    ]


def list_models() -> list[KeptModel]:
    """Return what lies in the models' folder, converted copies among it, then in the hub's cache, each by name."""
    return [*_own_models(sizes=True), *_hub_models()]


def _own_models(*, sizes: bool) -> Iterator[KeptModel]:
    root = models_folder()
    for path in _children(root):
        if path.name == CONVERTED and not path.is_symlink():
            for copy in _children(path):
                if (copy / "config.json").is_file():
                    name = f"{CONVERTED}/{copy.name}"
                    yield _kept(copy, name, "converted", sizes=sizes)
        elif path.is_dir():
            files = [file for file in _children(path) if file.suffix.lower() == ".gguf"]
            if (path / "config.json").is_file() or not files:
                yield _kept(path, path.name, kind_of_folder(path), sizes=sizes)
            else:
                yield _kept(path, path.name, "gguf", sizes=sizes)
        elif path.suffix.lower() == ".gguf":
            yield _kept(path, path.name, "gguf", sizes=sizes)
        elif path.suffix.lower() in _WEIGHT_FILES:
            yield _kept(path, path.name, "vision", sizes=sizes)


def _kept(path: Path, name: str, kind: Kind, *, sizes: bool) -> KeptModel:
    removable = path.is_dir() and not path.is_symlink()
    size = 0
    if sizes:
        with contextlib.suppress(OSError):
            size = path.stat().st_size if path.is_file() else folder_size(path)
    return KeptModel(name, kind, "models folder", size, path, removable)


def _hub_models() -> Iterator[KeptModel]:
    for path in _children(hub_folder()):
        snapshot = _snapshot(path) if path.name.startswith("models--") else None
        if snapshot is not None:
            name = path.name.removeprefix("models--").replace("--", "/")
            kind: Kind = "gguf" if not (snapshot / "config.json").exists() else kind_of_folder(snapshot)
            if kind == "gguf" and not any(snapshot.glob("*.gguf")):
                kind = "other"
            yield KeptModel(name, kind, "hub cache", _hub_size(path), path, not path.is_symlink())


def _hub_size(repository: Path) -> int:
    """Return what a model of the hub's cache takes: links lead to blobs, which may lie outside its folder."""
    sizes: dict[Path, int] = {}
    for path in repository.rglob("*"):
        with contextlib.suppress(OSError):
            target = path.resolve()
            if target.is_file():
                sizes[target] = target.stat().st_size
    return sum(sizes.values())


def kind_of_folder(folder: Path) -> Kind:
    """Return what kind of model a folder holds, by its config.json and the notes beside it."""
    config = _document(folder / "config.json")
    if (folder / "modules.json").is_file() or (folder / "1_Pooling").is_dir():
        return "embedder"
    architectures = config.get("architectures") or ()
    if any("ForCausalLM" in str(one) or "LMHead" in str(one) for one in architectures):
        return "language"
    if "architecture" in config or "pretrained_cfg" in config or any("Image" in str(one) for one in architectures):
        return "vision"
    return "other"


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError:
        return []
