"""Named arrays and a JSON document beside them as the bytes of one safetensors file.

For models that are arrays: what they mean (names, settings) travels in the same file, and reading it runs no code.
`artifacts.map_tensor` reads single arrays of such files without loading them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["pack_tensors", "unpack_tensors"]

# One entry alone: the order of several is not fixed, and equal models have equal bytes.
_ENTRY = "document"


def pack_tensors(document: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> bytes:
    """Return the bytes of a safetensors file; equal arguments give equal bytes.

    Args:
        document: what the arrays mean; JSON, without NaN.
        tensors: by name.
    """
    from safetensors.numpy import save

    text = json.dumps(document, ensure_ascii=False, allow_nan=False)
    return bytes(save({name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}, {_ENTRY: text}))


def unpack_tensors(content: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the document and the arrays of `pack_tensors`.

    Raises:
        ValueError: if the bytes are cut short, no safetensors file, or one without a document.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        tensors = load(content)
    except (SafetensorError, KeyError, TypeError) as error:
        raise ValueError(f"no whole safetensors file ({str(error)[:100]})") from error
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    try:
        document = json.loads(header["__metadata__"][_ENTRY])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError("expected a document beside the arrays") from error
    if not isinstance(document, dict):
        raise ValueError("expected a document beside the arrays")
    return document, tensors
