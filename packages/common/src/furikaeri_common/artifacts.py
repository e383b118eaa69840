"""Artefacts on disk (io): atomic files, hashes, JSON Lines, memory-mapped tensors.

Files appear whole or not at all: they are written under a temporary name in the same folder, flushed to the disk, and
renamed. Nothing here is pickled, so opening an artefact from a stranger runs none of its code.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.errors import InputError

__all__ = [
    "atomic_writer",
    "map_tensor",
    "read_json",
    "read_json_lines",
    "sha256_of",
    "write_bytes",
    "write_json",
    "write_json_lines",
    "write_tensors",
]

_SAFETENSORS_DTYPES: dict[str, np.dtype[Any]] = {
    "U8": np.dtype(np.uint8),
    "I8": np.dtype(np.int8),
    "I32": np.dtype("<i4"),
    "I64": np.dtype("<i8"),
    "F16": np.dtype("<f2"),
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
}


@contextlib.contextmanager
def atomic_writer(path: Path) -> Iterator[IO[bytes]]:
    """Open a binary file that takes its name only once it is whole.

    An exception inside the block leaves what stood at `path` before, and no temporary file.

    Raises:
        InputError: if the file cannot be written (no such folder, no permission, disk full).
    """
    path = Path(path)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        temporary = Path(name)
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
        temporary = None
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror or error})", fix="Choose another place"
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically."""
    with atomic_writer(path) as stream:
        stream.write(content)


def write_json(path: Path, value: object) -> None:
    """Write a JSON document atomically, indented, keys in the order given."""
    write_bytes(path, (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


def write_json_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON object a line, atomically."""
    with atomic_writer(path) as stream:
        for row in rows:
            stream.write((json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n").encode())


def _read_text(path: Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text (byte {error.start})") from error


def read_json(path: Path) -> Any:
    """Read a JSON document.

    Raises:
        InputError: if it is missing, not UTF-8, or not JSON; the message names the file and line.
    """
    try:
        return json.loads(_read_text(path))
    except json.JSONDecodeError as error:
        raise InputError(f"{path}, line {error.lineno}: not JSON ({error.msg})") from error


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """Read a file of one JSON object a line; empty lines are passed over.

    Raises:
        InputError: if it is missing or a line is not a JSON object; the message names the line.
    """
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(_read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(f"{path}, line {number}: not JSON ({error.msg})") from error
        if not isinstance(row, dict):
            raise InputError(f"{path}, line {number}: expected a JSON object, got {type(row).__name__}")
        rows.append(row)
    return rows


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal.

    Raises:
        InputError: if the file cannot be read.
    """
    try:
        with Path(path).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error


def write_tensors(path: Path, tensors: Mapping[str, NDArray[Any]]) -> None:
    """Write named arrays as one safetensors file, atomically."""
    from safetensors.numpy import save

    write_bytes(path, save({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}))


def map_tensor(path: Path, name: str) -> NDArray[Any]:
    """Return one array of a safetensors file as a read-only memory map: nothing is read until it is used.

    The format: 8 bytes of little-endian header length, a JSON header with dtype, shape and byte offsets, the data.

    Raises:
        InputError: if the file is missing, cut short, not safetensors, or lacks the array.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            header_length = int.from_bytes(stream.read(8), "little")
            if size < 8 or header_length > min(size - 8, 100_000_000):
                raise InputError(f"{path}: is not a whole safetensors file", fix="Copy or build it again")
            header = json.loads(stream.read(header_length))
        entry = header[name]
        dtype = _SAFETENSORS_DTYPES[entry["dtype"]]
        shape = tuple(int(length) for length in entry["shape"])
        begin, end = entry["data_offsets"]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: holds no readable array {name!r}", fix="Copy or build it again") from error
    start = 8 + header_length + begin
    if end - begin != int(np.prod(shape)) * dtype.itemsize or start + (end - begin) > size:
        raise InputError(f"{path}: is cut short or damaged", fix="Copy or build it again")
    if end == begin:
        return np.empty(shape, dtype)
    mapped: NDArray[Any] = np.memmap(path, dtype=dtype, mode="r", offset=start, shape=shape)
    return mapped
