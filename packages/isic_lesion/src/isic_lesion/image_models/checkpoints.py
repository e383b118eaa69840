"""The state of an interrupted training in one file (io).

A safetensors file: the arrays, and a JSON document that says whose they are. It appears whole or not at all, a digest
tells damage, and nothing in it is code. A file that does not fit (another training, another format, damaged) counts as
none: the training begins again and writes over it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.artifacts import write_bytes
from furikaeri_common.errors import InputError
from furikaeri_common.tensors import pack_tensors, unpack_tensors
from isic_lesion.image_models.ownership import mark_of

__all__ = [
    "Checkpoint",
    "digest_of_arrays",
    "digest_of_json",
    "read_checkpoint",
    "remove_checkpoint",
    "remove_unfinished",
    "write_checkpoint",
]

_FORMAT = 1


class Checkpoint(NamedTuple):
    """What a checkpoint holds.

    Attributes:
        document: JSON, without NaN.
        arrays: by name.
    """

    document: dict[str, Any]
    arrays: dict[str, NDArray[Any]]


def digest_of_arrays(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return a SHA-256 of names, dtypes, shapes and bytes, in hexadecimal; the order of the names does not count."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.asarray(arrays[name], order="C")
        digest.update(f"{name}\n{array.dtype.str}\n{array.shape}\n".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def digest_of_json(value: Any) -> str:
    """Return a SHA-256 of a JSON value, in hexadecimal; the order of its names does not count."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, allow_nan=False).encode()).hexdigest()


def write_checkpoint(path: Path, identity: str, checkpoint: Checkpoint) -> None:
    """Write a checkpoint in the place of the one before.

    Args:
        path: of the file.
        identity: of the training: what its result depends on.
        checkpoint: what to keep.

    Raises:
        InputError: if the file cannot be written there.
        WorkError: if the disk is full.
    """
    document = {
        "format": _FORMAT,
        "identity": identity,
        "digest": _digest(checkpoint),
        "document": checkpoint.document,
    }
    write_bytes(path, pack_tensors(document, checkpoint.arrays))


def read_checkpoint(path: Path, identity: str) -> Checkpoint | None:
    """Return the checkpoint of a training; None if there is none, or it is damaged or another training's.

    Raises:
        InputError: if the file is there but cannot be read.
    """
    try:
        document, arrays = unpack_tensors(Path(path).read_bytes())
        checkpoint = Checkpoint(document["document"], arrays)
        if document["format"] != _FORMAT or document["identity"] != identity:
            return None
        return checkpoint if document["digest"] == _digest(checkpoint) else None
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(
            f"{path}: the checkpoint cannot be read ({error.strerror or error})", fix="Mend or delete it"
        ) from error
    except (ValueError, KeyError, TypeError):
        return None


def remove_checkpoint(path: Path) -> None:
    """Remove a checkpoint, and what a killed process left beside it: a half-written one, the mark of its owner."""
    Path(path).unlink(missing_ok=True)
    mark_of(path).unlink(missing_ok=True)
    remove_unfinished(path)


def remove_unfinished(path: Path) -> None:
    """Remove what a process left that was killed while it wrote a checkpoint."""
    for leftover in Path(path).parent.glob(f".{Path(path).name}.*.part"):
        with contextlib.suppress(OSError):
            leftover.unlink()


def _digest(checkpoint: Checkpoint) -> str:
    return digest_of_json([checkpoint.document, digest_of_arrays(checkpoint.arrays)])
