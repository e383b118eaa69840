"""What a GGUF file says about itself, read from its first bytes alone (io).

The format: the magic "GGUF", a version, the numbers of tensors and of notes, the notes (a name, a type, a value), the
tensors (a name, a shape, a type, an offset), then their data, aligned. All numbers are little-endian.
"""

from __future__ import annotations

import mmap
import re
import struct
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from furikaeri_common.errors import InputError

__all__ = ["GgufHeader", "read_gguf_header"]

_SPLIT_NAME = re.compile(r"-\d{5}-of-(\d{5})\.gguf$", re.IGNORECASE)
_NUMBERS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_TEXT, _ARRAY = 8, 9
_LONGEST_TEXT = 2**24  # of what is kept; chat templates are a few thousand
_MOST_DIMENSIONS = 8

_BLOCKS = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1),
    25: ("I16", 1, 2),
    26: ("I32", 1, 4),
    27: ("I64", 1, 8),
    28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56),
    30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17),
}
"""The name of a tensor's type, the elements of a block, and the bytes of a block."""


class GgufHeader(NamedTuple):
    """What a GGUF file says about itself.

    Attributes:
        notes: single values by their names; of lists only the length.
        num_parameters: elements of all tensors.
        num_linear: of them, those of matrices that are no embedding: what bitsandbytes quantises.
        types: how many elements are held in which type, such as {"Q4_K": 1_400_000}.
    """

    notes: Mapping[str, Any]
    num_parameters: int
    num_linear: int
    types: Mapping[str, int]

    @property
    def architecture(self) -> str:
        """As llama.cpp names it, such as "llama"; "" where the file does not say."""
        return str(self.notes.get("general.architecture", ""))


def read_gguf_header(path: Path) -> GgufHeader:
    """Read a GGUF file's header, and hold the file's length to it.

    Raises:
        InputError: if it is no GGUF, is cut short or damaged, or is one part of several.
    """
    again = "Get the file again"
    try:
        with path.open("rb") as stream:
            size = path.stat().st_size
            magic = stream.read(4)
            if size == 0:
                raise InputError(f"{path}: is empty", fix=again)
            if magic != b"GGUF":
                raise InputError(f"{path}: is no GGUF file (it starts with {magic!r})", fix=again)
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
                header, end = _read(_Cursor(content, 4))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (struct.error, ValueError, KeyError, OverflowError, RecursionError) as error:
        raise InputError(f"{path}: is cut short or damaged ({error})", fix=again) from error
    parts = int(header.notes.get("split.count", 0) or 0)
    if named := _SPLIT_NAME.search(path.name):
        parts = max(parts, int(named[1]))
    if parts > 1:
        raise InputError(
            f"{path}: is one of {parts} parts of a model",
            fix="Put them together with llama.cpp's `llama-gguf-split --merge FIRST-PART WHOLE.gguf`",
        )
    if end > size:
        raise InputError(f"{path}: is cut short: expected {end:,} bytes, got {size:,}", fix=again)
    return header


class _Cursor:
    """A place in a file's bytes, moving on as they are read."""

    def __init__(self, content: mmap.mmap, position: int) -> None:
        self.content, self.position = content, position

    def number(self, form: str) -> Any:
        (value,) = struct.unpack_from(form, self.content, self.position)
        self.position += struct.calcsize(form)
        return value

    def skip(self, length: int) -> int:
        """Go over so many bytes and return where they start."""
        start = self.position
        if start + length > len(self.content):
            raise ValueError("its header ends early")
        self.position += length
        return start

    def text(self) -> str:
        length = self.number("<Q")
        start = self.skip(length)
        return self.content[start : start + min(length, _LONGEST_TEXT)].decode("utf-8", errors="replace")

    def value(self, kind: int) -> Any:
        if kind == _TEXT:
            return self.text()
        if kind != _ARRAY:
            return self.number(_NUMBERS[kind])
        inner, count = self.number("<I"), self.number("<Q")
        if inner in _NUMBERS:
            self.skip(struct.calcsize(_NUMBERS[inner]) * count)
        else:
            for _ in range(count):
                if inner == _TEXT:
                    self.skip(self.number("<Q"))
                else:
                    self.value(inner)
        return count


def _read(cursor: _Cursor) -> tuple[GgufHeader, int]:
    version, num_tensors, num_notes = cursor.number("<I"), cursor.number("<Q"), cursor.number("<Q")
    if version not in (2, 3):
        raise ValueError(f"expected version 2 or 3, got {version}")
    notes: dict[str, Any] = {}
    for _ in range(num_notes):
        name = cursor.text()
        notes[name] = cursor.value(cursor.number("<I"))
    types: Counter[str] = Counter()
    linear = end = 0
    for _ in range(num_tensors):
        name, dimensions = cursor.text(), cursor.number("<I")
        if dimensions > _MOST_DIMENSIONS:
            raise ValueError(f"expected at most {_MOST_DIMENSIONS} dimensions, got {dimensions}")
        elements = 1
        for _ in range(dimensions):
            elements *= cursor.number("<Q")
        kind, offset = cursor.number("<I"), cursor.number("<Q")
        named, block, num_bytes = _BLOCKS.get(kind, (f"type {kind}", 1, 0))
        types[named] += elements
        end = max(end, offset + elements // block * num_bytes)
        if dimensions == 2 and not name.startswith(("token_embd", "output.", "position_embd")):
            linear += elements
    alignment = int(notes.get("general.alignment") or 32)
    start = -(-cursor.position // alignment) * alignment
    return GgufHeader(notes, sum(types.values()), linear, dict(types)), start + end
