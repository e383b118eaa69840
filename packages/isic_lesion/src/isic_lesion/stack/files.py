"""A stack on disk: one JSON document, so that it can be read, compared and carried to where lesions are scored. (io)"""

from __future__ import annotations

from pathlib import Path

from furikaeri_common.artifacts import read_json, write_json
from furikaeri_common.configs import config_from
from furikaeri_common.documents import jsonable
from furikaeri_common.errors import InputError
from isic_lesion.stack.values import Stack

__all__ = ["read_stack", "write_stack"]

_FORMAT = "furikaeri stack 1"


def write_stack(stack: Stack, path: Path) -> None:
    """Write a stack atomically.

    Raises:
        InputError: if the file cannot be written there.
    """
    write_json(path, {"format": _FORMAT, **jsonable(stack)})


def read_stack(path: Path) -> Stack:
    """Read the stack that `write_stack` wrote; it is equal to what was written.

    Raises:
        InputError: if the file is missing, is not of this kind, or holds weights that are none.
    """
    document = read_json(path)
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise InputError(f"{path}: holds no stack", fix="Make it with `isic stack`")
    return config_from(Stack, {name: value for name, value in document.items() if name != "format"}, source=str(path))
