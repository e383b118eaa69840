"""Artefacts on disk (io): atomic files, hashes, JSON Lines, memory-mapped tensors.

Files appear whole or not at all: they are written under a temporary name in the same folder, flushed to the disk, and
renamed. Nothing here is pickled, so opening an artefact from a stranger runs none of its code.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import math
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from furikaeri_common.errors import FurikaeriError, InputError, WorkError, full_disk

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "atomic_writer",
    "fingerprint_of",
    "map_tensor",
    "read_json",
    "read_json_lines",
    "sha256_of",
    "sync_folder",
    "write_bytes",
    "write_json",
    "write_json_lines",
    "write_tensors",
]

_SAFETENSORS_DTYPES = {
    "U8": "u1",
    "I8": "i1",
    "I32": "<i4",
    "I64": "<i8",
    "F16": "<f2",
    "F32": "<f4",
    "F64": "<f8",
}
_WRITTEN_FIRST = ("I64", "F64", "F32", "I32", "F16", "I8", "U8")
_LONGEST_HEADER = 100_000_000  # bytes: the format's own limit
_AGAIN = "Copy or build it again"
_REFUSALS = {
    errno.EACCES,
    errno.EEXIST,
    errno.EINVAL,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
}
"""What is wrong with a place, not with what it lies on."""


@contextlib.contextmanager
def atomic_writer(path: Path) -> Iterator[IO[bytes]]:
    """Open a binary file that takes its name only once it is whole.

    An exception inside the block leaves what stood at `path` before, and no temporary file. A process killed inside it
    may leave a hidden `.part` file, which nothing reads.

    Raises:
        InputError: if the file cannot be written there (no permission, a folder in the way).
        WorkError: if the disk is full, or fails.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        ours = (None, *(str(place) for place in (path, temporary, path.parent, *path.parents)))
        if error.filename not in ours:
            raise
        raise _cannot_write(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder outlive a power cut, where the system can do that."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _cannot_write(path: Path, error: OSError) -> FurikaeriError:
    told = f"{path}: cannot be written ({error.strerror or error})"
    if error.errno in _REFUSALS:
        return InputError(told, fix="Choose another place")
    return full_disk(path, error) or WorkError(told, fix="See to its storage, and run the same command again")


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
    return _parse(_read_text(path), path)


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """Read a file of one JSON object a line; empty lines are passed over.

    Raises:
        InputError: if it is missing or a line is not a JSON object; the message names the line.
    """
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(_read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        row = _parse(line, path, first_line=number)
        if not isinstance(row, dict):
            raise InputError(f"{path}, line {number}: expected a JSON object, got {type(row).__name__}")
        rows.append(row)
    return rows


def _parse(text: str, path: Path, *, first_line: int = 1) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}, line {first_line + error.lineno - 1}: not JSON ({error.msg})") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}, line {first_line}: not JSON that can be read ({error})") from error


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


def fingerprint_of(path: Path) -> str:
    """Return the SHA-256 of a file, or of a folder: of its files' names and digests, in the order of the names.

    Hidden files do not count.

    Raises:
        InputError: if something cannot be read.
    """
    path = Path(path)
    if not path.is_dir():
        return sha256_of(path)
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*"), key=lambda file: file.relative_to(path).as_posix()):
        name = file.relative_to(path)
        if file.is_file() and not any(part.startswith(".") for part in name.parts):
            digest.update(f"{name.as_posix()}\0{sha256_of(file)}\n".encode())
    return digest.hexdigest()


def write_tensors(path: Path, tensors: Mapping[str, NDArray[Any]]) -> None:
    """Write named arrays as one safetensors file, atomically; the bytes are those of the safetensors library.

    An array is written from where it lies: that of a large table has no copy in memory.

    Raises:
        TypeError: if an array is of a type that `map_tensor` does not read.
    """
    import numpy as np

    names = {np.dtype(dtype): name for name, dtype in _SAFETENSORS_DTYPES.items()}
    arrays = {name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}
    for name, array in arrays.items():
        if array.dtype not in names:
            raise TypeError(f"expected arrays of {', '.join(map(str, names))}, got {name!r} of {array.dtype}")
    order = sorted(arrays, key=lambda name: (_WRITTEN_FIRST.index(names[arrays[name].dtype]), name))
    header: dict[str, object] = {}
    end = 0
    for name in order:
        begin, end = end, end + arrays[name].nbytes
        shape = list(arrays[name].shape)
        header[name] = {"dtype": names[arrays[name].dtype], "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with atomic_writer(path) as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for name in order:
            stream.write(arrays[name].reshape(-1).view(np.uint8).data)


def map_tensor(path: Path, name: str) -> NDArray[Any]:
    """Return one array of a safetensors file as a read-only memory map: nothing is read until it is used.

    The format: 8 bytes of little-endian header length, a JSON header with dtype, shape and byte offsets, the data.

    Raises:
        InputError: if the file is missing, cut short, not safetensors, or lacks the array.
    """
    import numpy as np

    path = Path(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            header_length = int.from_bytes(stream.read(8), "little")
            if size < 8 or header_length > min(size - 8, _LONGEST_HEADER):
                raise InputError(f"{path}: is not a whole safetensors file", fix=_AGAIN)
            place = _tensor_place(stream.read(header_length), name)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: holds no readable array {name!r}", fix=_AGAIN) from error
    start, end = 8 + header_length + place.begin, 8 + header_length + place.end
    if place.end - place.begin != math.prod(place.shape) * place.dtype.itemsize or end > size:
        raise InputError(f"{path}: is cut short or damaged", fix=_AGAIN)
    try:
        if end == start:
            return np.empty(place.shape, place.dtype)
        mapped: NDArray[Any] = np.memmap(path, dtype=place.dtype, mode="r", offset=start, shape=place.shape)
    except ValueError as error:
        raise InputError(f"{path}: holds no readable array {name!r}", fix=_AGAIN) from error
    return mapped


class _TensorPlace(NamedTuple):
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    begin: int
    end: int


def _tensor_place(header: bytes, name: str) -> _TensorPlace:
    """Read where an array lies; ValueError, KeyError or TypeError if the header does not say."""
    import numpy as np

    entry = json.loads(header)[name]
    begin, end = entry["data_offsets"]
    numbers = (*entry["shape"], begin, end)
    if not all(type(number) is int and 0 <= number < 2**62 for number in numbers):
        raise ValueError(f"expected whole numbers from 0, got {numbers}")
    return _TensorPlace(np.dtype(_SAFETENSORS_DTYPES[entry["dtype"]]), tuple(entry["shape"]), begin, end)
