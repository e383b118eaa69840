"""What a benchmark needs of this machine, and what of it is not here (io)."""

from __future__ import annotations

from importlib import util
from pathlib import Path
from typing import NamedTuple

from furikaeri_common.errors import InputError
from furikaeri_common.models.places import find_model, models_folder

__all__ = ["Lack", "Places", "missing"]


class Lack(NamedTuple):
    """What is not on this machine, and what mends that."""

    what: str
    fix: str

    def __str__(self) -> str:
        return f"no {self.what}: {self.fix}"


class Places(NamedTuple):
    """Where things are looked for: the folder of real data, None where nobody named one, and that of models."""

    data: Path | None
    models: Path

    @classmethod
    def here(cls, data: Path | None) -> Places:
        """Return the places of this machine."""
        return cls(data.expanduser().resolve() if data else None, models_folder().resolve())


def missing(need: str, places: Places) -> Lack | None:
    """Return what a need lacks; None if it is met.

    Args:
        need: "data PATH" below the folder of real data, "model NAME" as `find_model` takes it, "weights FILE" in the
            models' folder, "package NAME" to import, or "wordnet".
        places: where to look.
    """
    kind, _, name = need.partition(" ")
    match kind:
        case "data":
            is_here = places.data is not None and (places.data / name).exists()
            lack = Lack(f"real data {name}", "let FURIKAERI_REAL_DATA name the folder that has it")
        case "model":
            is_here, lack = _is_found(name), Lack(f"model {name}", "see `furikaeri models list`")
        case "weights":
            is_here = (places.models / name).exists()
            lack = Lack(f"weights {name}", f"put them into {places.models}")
        case "wordnet":
            is_here, lack = _has_wordnet(), Lack("WordNet", "apt-get install wordnet-base")
        case "package":
            is_here = util.find_spec(name) is not None
            lack = Lack(f"package {name.replace('_', '-')}", f"pip install {name.replace('_', '-')}")
        case _:
            raise ValueError(f"expected a need that is known, got {need!r}")
    return None if is_here else lack


def _is_found(model: str) -> bool:
    try:
        find_model(model)
    except InputError:
        return False
    return True


def _has_wordnet() -> bool:
    from twenty_questions.sources.wordnet import read_wordnet

    try:
        read_wordnet()
    except InputError:
        return False
    return True
