"""How large a language model is, whether it is on this machine or only named (io: headers are read)."""

from __future__ import annotations

import re
from typing import NamedTuple

from furikaeri_common.errors import InputError
from furikaeri_common.models.budget import HEADROOM
from furikaeri_common.models.config import ModelConfig
from furikaeri_common.models.folders import FolderContents, bytes_held, read_folder
from furikaeri_common.models.gguf_header import read_gguf_header
from furikaeri_common.models.places import find_model
from furikaeri_common.planning import Basis

__all__ = ["ModelSize", "is_here", "size_of_model"]

_NAMED: tuple[tuple[str, float, float], ...] = (
    ("gemma-2-9b", 9.24e9, 0.92e9),
    ("gemma-2-2b", 2.61e9, 0.59e9),
    ("llama-3.1-8b", 8.03e9, 1.05e9),
    ("llama-3-8b", 8.03e9, 1.05e9),
    ("mistral-7b", 7.25e9, 0.27e9),
    ("phi-3-mini", 3.82e9, 0.20e9),
    ("phi-3-small", 7.39e9, 0.41e9),
)
"""Part of a name, parameters, and how many of them embed tokens or turn into them: vocabulary x width, twice where the
two are apart; from the models' own configurations on the hub."""

_SAYS_SIZE = re.compile(r"(?<![\d.a-z])(\d+(?:\.\d+)?)\s?([bm])(?![a-z])", re.IGNORECASE)


class ModelSize(NamedTuple):
    """How large a model is.

    Attributes:
        parameters: in all.
        linear: of them, those of the matrices that every token goes through.
        held: bytes that its weights take on a GPU, as the configuration holds them.
        basis: "counted" from its files, or "estimated" from its name.
    """

    parameters: float
    linear: float
    held: float
    basis: Basis

    @property
    def needed(self) -> float:
        """Bytes of a GPU that it takes: its weights, and `HEADROOM` for what is computed."""
        return self.held / (1 - HEADROOM)

    @property
    def flops(self) -> float:
        """Operations for each token: a multiplication and an addition for each number of the matrices.

        What attention takes beside them is left out: it is small for a few hundred tokens (Kaplan et al. 2020,
        "Scaling Laws for Neural Language Models", table 1).
        """
        return 2 * self.linear


def is_here(config: ModelConfig) -> bool:
    """Return whether a model of this process is on this machine."""
    if config.base_url:
        return False
    try:
        find_model(config.model)
    except InputError:
        return False
    return True


def size_of_model(config: ModelConfig) -> ModelSize | None:
    """Return the size of a model by its files, or else by its name; None where neither tells, as for most servers.

    Raises:
        InputError: if its files are damaged.
    """
    dtype = "bfloat16" if config.dtype == "auto" else config.dtype
    if is_here(config):
        place = find_model(config.model)
        if place.kind == "folder":
            contents = read_folder(place.path)
        else:
            header = read_gguf_header(place.path)
            contents = FolderContents({}, (), header.num_parameters, header.num_linear, {}, 0)
        held = bytes_held(contents, config.weights, dtype)
        return ModelSize(contents.num_parameters, contents.num_linear, held, "counted")
    found = _by_name(config.model)
    if found is None:
        return None
    contents = FolderContents({}, (), round(found[0]), round(found[1]), {}, 0)
    return ModelSize(*found, bytes_held(contents, config.weights, dtype), "estimated")


def _by_name(name: str) -> tuple[float, float] | None:
    small = name.casefold()
    for part, parameters, embedding in _NAMED:
        if part in small:
            return parameters, parameters - embedding
    said = _SAYS_SIZE.search(small.rsplit("/", 1)[-1])
    if said is None:
        return None
    parameters = float(said[1]) * (1e9 if said[2].lower() == "b" else 1e6)
    return parameters, parameters
