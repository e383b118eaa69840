"""One shard of labels as a file (io): what one model says of some keywords and all questions, and its own checksum.

A shard is a Parquet file with a row per pair, keyword by keyword:

- `model` and `keyword` and `question`: text, in dictionaries, so that they take hardly any room;
- `p_yes`: float32, exactly what the model said (a step of at most 6e-8); NaN where it said neither yes nor no.

Its metadata tell the model's identity and the `mark`: the fingerprint of everything that the numbers depend on. They
also hold the SHA-256 of the whole file, as it is with 64 zeros in that place, so no byte can change unnoticed. Nothing
in the file depends on when or by whom it was written.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.artifacts import write_bytes
from furikaeri_common.errors import MissingExtraError

__all__ = ["FORMAT", "ShardContent", "encode_shard", "is_whole", "read_shard", "require_polars", "write_shard"]

FORMAT = "furikaeri label shard 1"

_BLANK = b"0" * 64
# In Parquet's footer a text follows its length; the name of the checksum is followed by the length of its 64 digits.
_CHECKSUM = re.compile(rb"furikaeri:sha256[^0-9a-f]{1,3}([0-9a-f]{64})", re.DOTALL)
_COMPRESSION_LEVEL = 3


class ShardContent(NamedTuple):
    """What a shard says.

    Attributes:
        model: the labeller's name.
        identity: everything the labeller's numbers depend on; JSON values.
        mark: fingerprint of the identity and of all that is labelled together.
        number: the shard's place among those of its model, from 0.
        keywords: the k names of its rows.
        questions: the Q texts of its columns.
        p_yes: float32, shape (k, Q), in [0, 1] or NaN.
    """

    model: str
    identity: Mapping[str, Any]
    mark: str
    number: int
    keywords: Sequence[str]
    questions: Sequence[str]
    p_yes: NDArray[np.float32]


def encode_shard(content: ShardContent) -> bytes:
    """Return a shard's bytes; the same content gives the same ones (with one version of polars).

    Raises:
        MissingExtraError: if polars is not installed.
    """
    pl = _polars()
    rows, columns = len(content.keywords), len(content.questions)
    keywords = pl.Series("keyword", content.keywords, dtype=pl.String)
    questions = pl.Series("question", content.questions, dtype=pl.String)
    frame = pl.DataFrame(
        [
            pl.repeat(content.model, rows * columns, dtype=pl.String, eager=True).alias("model"),
            keywords.gather(np.repeat(np.arange(rows), columns)),
            questions.gather(np.tile(np.arange(columns), rows)),
            pl.Series("p_yes", np.ascontiguousarray(content.p_yes, dtype=np.float32).ravel()),
        ]
    )
    stream = io.BytesIO()
    frame.write_parquet(
        stream,
        compression="zstd",
        compression_level=_COMPRESSION_LEVEL,
        statistics=False,
        row_group_size=max(len(frame), 1),
        metadata={
            "furikaeri:format": FORMAT,
            "furikaeri:mark": content.mark,
            "furikaeri:number": str(content.number),
            "furikaeri:identity": json.dumps(dict(content.identity), sort_keys=True, ensure_ascii=False),
            "furikaeri:sha256": _BLANK.decode(),
        },
    )
    blank = stream.getvalue()
    begin, end = _place_of_checksum(blank)
    return blank[:begin] + hashlib.sha256(blank).hexdigest().encode() + blank[end:]


def write_shard(path: Path, content: ShardContent) -> None:
    """Write a shard atomically.

    Raises:
        WorkError: if the disk is full.
        InputError: if the file cannot be written there.
    """
    write_bytes(path, encode_shard(content))


def is_whole(path: Path, mark: str, number: int) -> bool:
    """Return whether a file is the shard of that mark and number, every byte as it was written."""
    return _whole_bytes(path, mark, number) is not None


def read_shard(path: Path, mark: str, number: int, shape: tuple[int, int]) -> NDArray[np.float32] | None:
    """Return P(yes) of a shard.

    Args:
        path: the file.
        mark: that it must have.
        number: that it must have.
        shape: (keywords, questions) in it.

    Returns:
        float32 of that shape; None if the file is missing, damaged, or of another recipe.
    """
    whole = _whole_bytes(path, mark, number)
    if whole is None:
        return None
    column = _polars().read_parquet(io.BytesIO(whole), columns=["p_yes"])["p_yes"]
    return np.array(column.to_numpy(), dtype=np.float32).reshape(shape) if len(column) == shape[0] * shape[1] else None


def _whole_bytes(path: Path, mark: str, number: int) -> bytes | None:
    try:
        content = path.read_bytes()
        begin, end = _place_of_checksum(content)
    except (OSError, ValueError):
        return None
    blank = content[:begin] + _BLANK + content[end:]
    if hashlib.sha256(blank).hexdigest().encode() != content[begin:end]:
        return None
    told = _polars().read_parquet_metadata(io.BytesIO(content))
    expected = {"furikaeri:format": FORMAT, "furikaeri:mark": mark, "furikaeri:number": str(number)}
    return content if all(told.get(name) == value for name, value in expected.items()) else None


def _place_of_checksum(content: bytes) -> tuple[int, int]:
    """Return where the checksum's digits lie; ValueError if there are none."""
    # The last one: keywords and questions, which may hold anything, lie before the footer's metadata.
    start = content.rfind(b"furikaeri:sha256")
    found = _CHECKSUM.match(content, start) if start >= 0 else None
    if found is None:
        raise ValueError("expected a shard with a checksum")
    return found.span(1)


def require_polars() -> None:
    """Find out before anything is labelled whether it can be written.

    Raises:
        MissingExtraError: if polars is not installed.
    """
    _polars()


def _polars() -> Any:
    try:
        import polars
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "labelling into a table", distribution="furikaeri-twenty-questions", extra="precompute"
        ) from error
    return polars
