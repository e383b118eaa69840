"""What settings of models have in common: a name, seeds, whole numbers, and how a wrong one is refused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from furikaeri_common.errors import InputError

__all__ = ["check_name", "check_together", "check_whole", "checked_seeds", "refuse"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LARGEST_SEED = 2**31 - 1  # the boosters' libraries keep a seed in 32 signed bits


def check_name(value: Any) -> None:
    """Raise ValueError unless a value is a model's name: it becomes a file's, and stands in the scores."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        refuse("name", "letters, digits, '.', '_' and '-', at most 64, not a sign first", value)


def check_together(names: Sequence[str], threads: Sequence[int], outs: Sequence[Path]) -> None:
    """Refuse models that cannot be trained in one call.

    Args:
        names: of the models.
        threads: of each.
        outs: the folder of each.

    Raises:
        ValueError: if there is no model, or not a folder for each.
        InputError: if two have one name or folder, or their threads differ.
    """
    if not names or len(names) != len(outs):
        raise ValueError(f"expected a folder for each of at least one model, got {len(names)} and {len(outs)}")
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"two models have the name {name!r}", fix="Give each its own name")
    if len({Path(out).resolve() for out in outs}) < len(outs):
        raise InputError("two models have one folder", fix="Give each its own folder")
    if len(set(threads)) > 1:
        raise InputError("the models differ in their threads", fix="Give all the same, such as with --threads")


def checked_seeds(seeds: Any) -> tuple[int, ...]:
    """Return seeds as a tuple.

    Raises:
        ValueError: if they are no list of distinct whole numbers in [0, 2^31), or there is none.
    """
    if isinstance(seeds, str | bytes) or not hasattr(seeds, "__iter__"):
        refuse("seeds", "a list of whole numbers", seeds)
    kept = tuple(seeds)
    if not kept or len(set(kept)) != len(kept):
        refuse("seeds", "at least one, each once", list(kept))
    for seed in kept:
        check_whole("seeds", seed, at_least=0)
        if seed > _LARGEST_SEED:
            refuse("seeds", f"at most {_LARGEST_SEED}", seed)
    return kept


def check_whole(name: str, value: Any, *, at_least: int) -> None:
    """Raise ValueError unless a value is a whole number that is large enough."""
    if isinstance(value, bool) or not isinstance(value, int) or value < at_least:
        refuse(name, f"a whole number of at least {at_least}", value)


def refuse(name: str, expected: str, got: object) -> NoReturn:
    """Raise ValueError about a setting."""
    raise ValueError(f"expected {name}: {expected}; got {got!r}")
