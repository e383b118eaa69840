"""What JSON can say: results and configurations as plain values, and their fingerprint."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["fingerprint", "flatten", "jsonable"]


def jsonable(value: object) -> Any:
    """Return a value as JSON has it: objects, lists, text, numbers, true, false and null.

    NamedTuples and dataclasses become objects; arrays, tuples and sets lists (sets sorted); paths and whatever else is
    unknown their text. A number that is not finite becomes null, for JSON has none.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: jsonable(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: jsonable(item) for name, item in value._asdict().items()}
    if hasattr(value, "tolist"):
        return jsonable(value.tolist())
    if isinstance(value, set | frozenset):
        return sorted((jsonable(item) for item in value), key=str)
    if isinstance(value, Iterable) and not isinstance(value, bytes | Path):
        return [jsonable(item) for item in value]
    return str(value)


def fingerprint(value: object) -> str:
    """Return the SHA-256, in hexadecimal, of a value's canonical JSON: keys sorted, no spaces.

    Two values have one fingerprint exactly when `jsonable` makes them equal; the order of keys does not matter.
    """
    text = json.dumps(jsonable(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def flatten(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested objects as one level, keys joined by dots; lists and empty objects stay as they are."""
    flat: dict[str, Any] = {}
    for key, value in document.items():
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat
