"""Reading Universal Binary JSON, the format of XGBoost's models, without trusting a byte of it.

XGBoost's own reader ends the process on some files that are cut short, so what it is given is read here first. Covered
is what it writes: objects without counts, arrays of one type with a count or of any values, text, numbers, booleans.

Source: https://ubjson.org, draft 12; numbers are big-endian, lengths are counted in bytes.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["read_ubjson"]

_NUMBERS = {"i": ">b", "U": ">B", "I": ">h", "l": ">i", "L": ">q", "d": ">f", "D": ">d"}
_PLAIN = {"T": True, "F": False, "Z": None}
_DEEPEST = 64


def read_ubjson(content: bytes) -> Any:
    """Return the document: dicts, lists, text, numbers; an array of one type of number is a NumPy array.

    Raises:
        ValueError: if it is cut short, has anything after its end, or is not of the form above; it names the byte.
    """
    value, end = _value(content, 0, 0)
    if end != len(content):
        raise ValueError(f"expected its end at byte {end}, got {len(content) - end} bytes more")
    return value


def _value(content: bytes, at: int, depth: int) -> tuple[Any, int]:
    if depth > _DEEPEST:
        raise ValueError(f"is nested too deeply at byte {at}")
    mark, at = _mark(content, at)
    if mark in _NUMBERS:
        return _number(content, at, mark)
    if mark in _PLAIN:
        return _PLAIN[mark], at
    if mark == "S":
        return _text(content, at)
    if mark == "{":
        return _object(content, at, depth)
    if mark == "[":
        return _array(content, at, depth)
    raise ValueError(f"expected a value at byte {at - 1}, got {mark!r}")


def _object(content: bytes, at: int, depth: int) -> tuple[dict[str, Any], int]:
    members: dict[str, Any] = {}
    while content[at : at + 1] != b"}":
        name, after = _text(content, at)
        if name in members:
            raise ValueError(f"has {name!r} twice at byte {at}")
        members[name], at = _value(content, after, depth + 1)
    return members, at + 1


def _array(content: bytes, at: int, depth: int) -> tuple[list[Any] | NDArray[Any], int]:
    kind = ""
    if content[at : at + 1] == b"$":
        kind, at = _mark(content, at + 1)
        if kind not in _NUMBERS or content[at : at + 1] != b"#":
            raise ValueError(f"expected an array of numbers with a count at byte {at}")
    if content[at : at + 1] == b"#":
        count, at = _length(content, at + 1)
        if kind:
            dtype = np.dtype(_NUMBERS[kind])
            end = at + count * dtype.itemsize
            if end > len(content):
                raise ValueError(f"is cut short in an array at byte {at}")
            return np.frombuffer(content, dtype, count, at), end
        if count > len(content) - at:
            raise ValueError(f"is cut short in an array at byte {at}")
        counted = []
        for _ in range(count):
            item, at = _value(content, at, depth + 1)
            counted.append(item)
        return counted, at
    items = []
    while content[at : at + 1] != b"]":
        item, at = _value(content, at, depth + 1)
        items.append(item)
    return items, at + 1


def _text(content: bytes, at: int) -> tuple[str, int]:
    length, at = _length(content, at)
    if at + length > len(content):
        raise ValueError(f"is cut short in a text at byte {at}")
    return content[at : at + length].decode(), at + length


def _length(content: bytes, at: int) -> tuple[int, int]:
    mark, at = _mark(content, at)
    if mark != "L":  # the one that XGBoost writes and reads
        raise ValueError(f"expected a length at byte {at - 1}, got {mark!r}")
    length, at = _number(content, at, mark)
    if length < 0:
        raise ValueError(f"expected a length of at least 0 at byte {at - 8}, got {length}")
    return int(length), at


def _number(content: bytes, at: int, mark: str) -> tuple[Any, int]:
    size = struct.calcsize(_NUMBERS[mark])
    if at + size > len(content):
        raise ValueError(f"is cut short in a number at byte {at}")
    return struct.unpack_from(_NUMBERS[mark], content, at)[0], at + size


def _mark(content: bytes, at: int) -> tuple[str, int]:
    if at >= len(content):
        raise ValueError(f"is cut short at byte {at}")
    return chr(content[at]), at + 1
