"""The two models that are plain arrays, behind `boosters`: `extra-trees` and `kernel`.

Nothing outside the booster modules needs this one. Both are kept as safetensors files, whose document says which of
the two it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

from furikaeri_common.errors import InputError
from furikaeri_common.tensors import unpack_tensors
from isic_lesion.boosters.config import ARRAY_LIBRARIES, BoosterConfig, Library
from isic_lesion.boosters.extra_trees import EXTRA_TREES_KIND, ExtraTrees, fit_extra_trees
from isic_lesion.boosters.kernel_machine import KERNEL_KIND, KernelMachine, fit_kernel_machine
from isic_lesion.boosters.training_rows import TrainingRows

__all__ = ["ArrayModel", "array_library", "parse_array_model", "train_array_model"]

ArrayModel: TypeAlias = ExtraTrees | KernelMachine
_KINDS: dict[str, Literal["extra-trees", "kernel"]] = {EXTRA_TREES_KIND: "extra-trees", KERNEL_KIND: "kernel"}


def train_array_model(
    prepared: Callable[[], TrainingRows], config: BoosterConfig, seed: int, names: tuple[str, ...]
) -> ArrayModel:
    """Return a trained model.

    Args:
        prepared: returns the rows.
        config: of the model.
        seed: of all that is drawn.
        names: of the features.

    Raises:
        InputError: if a parameter's value is refused.
        ValueError: if the rows cannot be learnt from.
        MissingExtraError: if scikit-learn or SciPy is not installed.
    """
    rows = prepared()
    try:
        if config.library == "extra-trees":
            return fit_extra_trees(rows, names, config.params, trees=config.rounds, seed=seed, threads=config.threads)
        return fit_kernel_machine(rows, names, config.params, steps=config.rounds, seed=seed)
    except ValueError as error:
        if not any(name in str(error) for name in config.params):
            raise
        said = str(error).splitlines()[0][:200]
        raise InputError(f"model {config.name}: {config.library} refuses a parameter ({said})") from error


def parse_array_model(content: bytes, library: Library) -> ArrayModel:
    """Return a model from a stranger's bytes, checked so that scoring with it is safe.

    Raises:
        ValueError: if they are no such model.
    """
    try:
        return (ExtraTrees if library == "extra-trees" else KernelMachine).from_bytes(content)
    except ValueError as error:
        raise ValueError(f"no {library} model ({error})") from error


def array_library(content: bytes) -> Literal["extra-trees", "kernel"]:
    """Return which of the two a file is of, by its document.

    Raises:
        ValueError: if it is of neither.
    """
    kind = unpack_tensors(content)[0].get("kind")
    if kind not in _KINDS:
        raise ValueError(f"no model of {' or '.join(ARRAY_LIBRARIES)}")
    return _KINDS[kind]
