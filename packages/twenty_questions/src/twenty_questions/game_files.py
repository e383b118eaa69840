"""Many files of games at once (io): our own or Kaggle's replays, in folders; a damaged one spoils no other."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from furikaeri_common.errors import InputError
from twenty_questions.transcripts import Game, read_games

__all__ = ["Damaged", "GamesRead", "game_files", "read_all_games"]


class Damaged(NamedTuple):
    """A file that could not be read: which, and why."""

    file: str
    reason: str


class GamesRead(NamedTuple):
    """What files of games held.

    Attributes:
        games: all of them, in the order of the files.
        files: how many files could be read.
        repeated: how many files held what an earlier one did, to the byte; they were passed over.
        damaged: the files that could not be read.
    """

    games: tuple[Game, ...]
    files: int
    repeated: int
    damaged: tuple[Damaged, ...]


def game_files(paths: Iterable[Path]) -> list[Path]:
    """Return the files that paths stand for: a folder stands for every .json file below it, in the order of names.

    Returns:
        Each file once, by whatever paths it is reached.

    Raises:
        InputError: if a path is not there, or a folder has no such file.
    """
    files: dict[Path, Path] = {}
    for path in map(Path, paths):
        if not path.exists():
            raise InputError(f"{path}: there is no such file or folder")
        found = sorted(file for file in path.rglob("*.json") if file.is_file()) if path.is_dir() else [path]
        if not found:
            raise InputError(f"{path}: holds no .json file", fix="Give a folder of replays, or files of games")
        for file in found:
            files.setdefault(file.resolve(), file)
    return list(files.values())


def read_all_games(files: Sequence[Path], on_file: Callable[[int], None] = lambda done: None) -> GamesRead:
    """Read files of games, our own or Kaggle's replays; a damaged one is reported, and the others are read on.

    Args:
        files: as `game_files` returns them.
        on_file: told after each file how many are done.

    Raises:
        InputError: if not one of them can be read.
    """
    games: list[Game] = []
    damaged: list[Damaged] = []
    seen: set[bytes] = set()
    repeated = 0
    for done, file in enumerate(files, start=1):
        try:
            digest = hashlib.sha256(file.read_bytes()).digest()
            if digest in seen:
                repeated += 1
            else:
                games += read_games(file)
                seen.add(digest)
        except InputError as error:
            damaged.append(Damaged(str(file), error.message))
        except OSError as error:
            damaged.append(Damaged(str(file), f"{file}: cannot be read ({error.strerror or error})"))
        on_file(done)
    if damaged and len(damaged) == len(files):
        others = f"; none of the other {len(files) - 1} files can be read either" if len(files) > 1 else ""
        raise InputError(f"{damaged[0].reason}{others}")
    return GamesRead(tuple(games), len(files) - len(damaged) - repeated, repeated, tuple(damaged))
