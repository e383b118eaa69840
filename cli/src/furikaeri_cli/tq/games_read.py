"""Recorded games for a command: files and folders are read, and what cannot be used is told."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from furikaeri_cli.output import Output
from twenty_questions.game_files import GamesRead, game_files, read_all_games

__all__ = ["Replays", "read_recorded_games"]

Replays = Annotated[
    list[Path],
    typer.Argument(metavar="REPLAYS...", help="Files of games, or folders of them: our own, or Kaggle's replays."),
]

_DAMAGE_TOLD = 5
_MANY = 100  # files, from which on progress is worth telling


def read_recorded_games(replays: Sequence[Path], output: Output) -> GamesRead:
    """Read the games of files and folders, each file once; warn of the damaged ones.

    Args:
        replays: files and folders.
        output: who is told of progress, and of files that cannot be used.

    Raises:
        InputError: if a path does not exist, a folder has no game file, or no file can be read.
    """
    from furikaeri_cli.progress import showing_progress
    from furikaeri_common.tasks import Progress

    files = game_files(replays)
    with contextlib.ExitStack() as shown:
        tell = shown.enter_context(showing_progress(output, "files", len(files))) if len(files) >= _MANY else None
        began = time.monotonic()

        def on_file(done: int) -> None:
            if tell is not None:
                tell(Progress("finished", "", done, len(files), "", time.monotonic() - began))

        read = read_all_games(files, on_file)
    for one in read.damaged[:_DAMAGE_TOLD]:
        output.warn(f"{one.reason}; the other files are used")
    if len(read.damaged) > _DAMAGE_TOLD:
        output.warn(f"{len(read.damaged) - _DAMAGE_TOLD} more files cannot be used")
    return read
