"""Files and folders that are brought to another machine, and how they are named there (io).

A machine that lacks a path gets a copy under a scratch folder that mirrors absolute paths: `/data/train.parquet` lies
at `SCRATCH/data/train.parquet`. So whatever leads from one path to another leads from copy to copy.

They travel in packets of pieces, none of which needs more than `PACKET` bytes, so neither side holds a file in memory.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

__all__ = [
    "PACKET",
    "Inventory",
    "Piece",
    "below",
    "inventory_of",
    "is_same",
    "packets",
    "place",
    "renamed",
    "write_piece",
]

PACKET = 16 * 2**20
"""Bytes that travel at once."""

_SMALL = 64 * 2**20  # bytes: so much is read to compare it


class Inventory(NamedTuple):
    """What a file or folder holds, without its content.

    Args:
        dated: digest of the names, sizes and times of change of its files.
        sized: digest of the names and sizes.
        content: digest of names and contents; "" where there is too much of it.
        size: bytes in all.
    """

    dated: str
    sized: str
    content: str
    size: int


class Piece(NamedTuple):
    """A part of a file, or an empty folder (`content` None), by its name below what is carried ("" is that itself)."""

    name: str
    offset: int
    content: bytes | None


def inventory_of(path: Path, *, without: Path | None = None, contents: bool = True) -> Inventory | None:
    """Take stock of a file or folder; None if it is not there, or cannot be read.

    Args:
        path: what to look at; links in it count as what they point to.
        without: a folder that does not count, such as the store of the run.
        contents: whether to read what is small.
    """
    try:
        files = [(name, file, file.stat()) for name, file in _files(path, without)]
        dated, sized = hashlib.sha256(), hashlib.sha256()
        for name, _, status in files:
            dated.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
            sized.update(f"{name}\0{status.st_size}\n".encode())
        size = sum(status.st_size for _, _, status in files)
        content = _digest(files) if contents and size <= _SMALL else ""
    except OSError:
        return None
    return Inventory(dated.hexdigest(), sized.hexdigest(), content, size)


def is_same(path: Path, expected: Inventory, *, without: Path | None = None) -> bool:
    """Say whether a path here holds what it holds elsewhere: by times of change, or by content where that is small."""
    found = inventory_of(path, without=without, contents=False)
    if found is None or found.sized != expected.sized:
        return False
    if found.dated == expected.dated:
        return True
    read = inventory_of(path, without=without) if expected.content else None
    return read is not None and read.content == expected.content


def packets(path: Path, *, without: Path | None = None) -> Iterator[list[Piece]]:
    """Yield everything in a file or folder, some pieces at a time."""
    packet: list[Piece] = []
    room = PACKET
    for name, file in _files(path, without, folders=True):
        if file.is_dir():
            packet.append(Piece(name, 0, None))
            continue
        with file.open("rb") as stream:
            offset = 0
            while True:
                content = stream.read(room)
                if content or offset == 0:
                    packet.append(Piece(name, offset, content))
                offset += len(content)
                room -= len(content)
                if room > 0:
                    break
                yield packet
                packet, room = [], PACKET
    if packet:
        yield packet


def write_piece(root: Path, piece: Piece) -> None:
    """Write a piece below the place of what is carried; pieces of a file come in order."""
    target = root / piece.name if piece.name else root
    if piece.content is None:
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("ab" if piece.offset else "wb") as stream:
        stream.write(piece.content)


def place(scratch: Path, path: Path | str) -> Path:
    """Return where an absolute path is mirrored under a scratch folder."""
    path = Path(path)
    return scratch / path.relative_to(path.anchor)


def below(text: str, roots: Sequence[str]) -> bool:
    """Say whether a text is one of the paths, or names something below one."""
    return any(text == root or text.startswith(root.rstrip(os.sep) + os.sep) for root in roots)


def renamed(value: Any, name: Callable[[str], str]) -> Any:
    """Return a JSON value with every text in it, keys apart, put through a function."""
    if isinstance(value, str):
        return name(value)
    if isinstance(value, dict):
        return {key: renamed(item, name) for key, item in value.items()}
    return [renamed(item, name) for item in value] if isinstance(value, list) else value


def _files(path: Path, without: Path | None, *, folders: bool = False) -> Iterator[tuple[str, Path]]:
    """Yield the files below a path, in the order of their names, and its empty folders if asked for."""
    if not path.is_dir():
        path.stat()  # or what is missing would look like something empty
        yield "", path
        return
    entries = sorted(entry for entry in path.iterdir() if entry != without)
    if folders and not entries:
        yield "", path
    for entry in entries:
        if entry.is_dir():
            for name, file in _files(entry, without, folders=folders):
                yield f"{entry.name}/{name}" if name else entry.name, file
        elif entry.exists():  # not a link that leads nowhere
            yield entry.name, entry


def _digest(files: Sequence[tuple[str, Path, os.stat_result]]) -> str:
    digest = hashlib.sha256()
    for name, file, _ in files:
        with file.open("rb") as stream:
            digest.update(f"{name}\0{hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()
