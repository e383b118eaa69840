"""What a model's folder holds, read from its notes and headers without loading it (io)."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from furikaeri_common.artifacts import read_json
from furikaeri_common.errors import InputError
from furikaeri_common.models.config import Weights

__all__ = ["DTYPE_BYTES", "FolderContents", "bytes_held", "folder_fingerprint", "read_folder"]

DTYPE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}

_NAMES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "U8": "uint8", "I8": "int8"}
_LONGEST_HEADER = 100_000_000  # bytes: the format's own limit
_LINEAR_BYTES = {"8bit": 1.0, "4bit": 0.5 + 1 / 64 + 4 / (64 * 256)}
"""Bytes a quantised weight: one; or half of one, one a block of 64 for its scale, four for 256 scales (QLoRA)."""
_DEFINING = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "tokenizer.model", "vocab.json")
_SAMPLES, _SAMPLE_BYTES = 64, 4096


class FolderContents(NamedTuple):
    """What a model's folder holds.

    Attributes:
        config: its config.json.
        weight_files: safetensors files, by name.
        num_parameters: elements of all arrays.
        num_linear: of them, those of matrices that are no embedding and no head: what bitsandbytes quantises.
        dtypes: how many elements are held in which number format, such as {"bfloat16": 134_515_008}.
        num_bytes: of all arrays.
    """

    config: Mapping[str, Any]
    weight_files: tuple[Path, ...]
    num_parameters: int
    num_linear: int
    dtypes: Mapping[str, int]
    num_bytes: int

    @property
    def quantised(self) -> str:
        """How the weights were quantised before they were saved, such as "bitsandbytes"; "" if they were not."""
        note = self.config.get("quantization_config")
        return str(note.get("quant_method", "some method")) if isinstance(note, dict) else ""


def read_folder(folder: Path) -> FolderContents:
    """Read the config and the headers of the weights.

    Raises:
        InputError: if the config is missing or no object, there are no safetensors files, or one is damaged or lacks
            where an index names it.
    """
    config = read_json(folder / "config.json")
    if not isinstance(config, dict):
        raise InputError(f"{folder / 'config.json'}: expected a JSON object, got {type(config).__name__}")
    files = _weight_files(folder)
    dtypes: Counter[str] = Counter()
    linear = num_bytes = 0
    for file in files:
        for name, entry in _header(file).items():
            try:
                elements = math.prod(entry["shape"])
                dtypes[_NAMES.get(entry["dtype"], entry["dtype"])] += elements
                num_bytes += entry["data_offsets"][1] - entry["data_offsets"][0]
                if len(entry["shape"]) == 2 and not any(part in name for part in ("embed", "lm_head", "wte", "wpe")):
                    linear += elements
            except (KeyError, TypeError, IndexError) as error:
                raise InputError(f"{file}: is damaged (array {name!r})", fix="Get the model again") from error
    return FolderContents(config, files, sum(dtypes.values()), linear, dict(dtypes), num_bytes)


def bytes_held(contents: FolderContents, weights: Weights, dtype: str) -> int:
    """Return the bytes that a model's weights will take once loaded.

    Args:
        contents: of its folder.
        weights: how they are held.
        dtype: "float32", "bfloat16" or "float16".
    """
    if contents.quantised:
        return contents.num_bytes
    full = DTYPE_BYTES[dtype]
    if weights == "full":
        return contents.num_parameters * full
    rest = contents.num_parameters - contents.num_linear
    return round(rest * full + contents.num_linear * _LINEAR_BYTES[weights])


def folder_fingerprint(folder: Path, contents: FolderContents) -> str:
    """Return a SHA-256 that tells models apart, whatever their folders are called, without reading all their weights.

    It covers the config (without notes on where it came from), the tokenizer, the template, and of every weight file
    its size, its header and 64 samples of 4 KiB spread evenly over it.
    """
    told = {
        name: value
        for name, value in contents.config.items()
        if not name.startswith("_") and name != "transformers_version"
    }
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for file in (folder / name for name in _DEFINING):
        if file.is_file():
            digest.update(f"\0{file.name}\0".encode() + _content(file))
    for file in contents.weight_files:
        try:
            size = file.stat().st_size
            with file.open("rb") as stream:
                length = int.from_bytes(stream.read(8), "little")
                digest.update(f"\0{size}\0".encode() + stream.read(length))
                for sample in range(_SAMPLES):
                    stream.seek(8 + length + (size - 8 - length) * sample // _SAMPLES)
                    digest.update(stream.read(_SAMPLE_BYTES))
        except OSError as error:
            raise InputError(f"{file}: cannot be read ({error.strerror or error})") from error
    return digest.hexdigest()


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror or error})") from error


def _weight_files(folder: Path) -> tuple[Path, ...]:
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.is_file():
        return (single,)
    if index.is_file():
        document = read_json(index)
        places = document.get("weight_map") if isinstance(document, dict) else None
        if not isinstance(places, dict) or not all(isinstance(name, str) for name in places.values()):
            raise InputError(f"{index}: names no weight files", fix="Get the model again")
        files = tuple(folder / name for name in sorted(set(places.values())))
        lacking = [file.name for file in files if not file.is_file()]
        if lacking:
            raise InputError(f"{folder}: lacks {', '.join(lacking)}", fix="Get the model again, whole")
        return files
    others = sorted(file.name for file in folder.iterdir() if file.suffix in (".bin", ".pt", ".pth"))
    if others:
        raise InputError(
            f"{folder}: holds no safetensors weights, only {', '.join(others)}, which may run code when opened",
            fix="Get the model's safetensors files",
        )
    raise InputError(f"{folder}: holds no weights (no model.safetensors)", fix="Get the model again, whole")


def _header(file: Path) -> dict[str, Any]:
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if size < 8 or length > min(size - 8, _LONGEST_HEADER):
                raise InputError(f"{file}: is not a whole safetensors file", fix="Get the model again")
            header = json.loads(stream.read(length))
            header.pop("__metadata__", None)
            end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror or error})") from error
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise InputError(f"{file}: is damaged (its header cannot be read)", fix="Get the model again") from error
    if 8 + length + end > size:
        raise InputError(
            f"{file}: is cut short: expected {8 + length + end:,} bytes, got {size:,}", fix="Get the model again"
        )
    return dict(header)
