"""Whose training a checkpoint is, so that two processes do not go on writing one (io).

A machine that is taken for lost may live on, and the same command may be started twice. The training is then that of
whoever began last: its predecessor finds that out when it looks before its next writing, and ends. What it was writing
at that moment may still appear; it is whole, and of the same training.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

from furikaeri_common.artifacts import write_bytes
from furikaeri_common.errors import WorkError

__all__ = ["mark_of", "owning"]


def mark_of(checkpoint: Path) -> Path:
    """Return the file beside a checkpoint that says whose it is."""
    return Path(checkpoint).with_name(f"{Path(checkpoint).name}.owner")


@contextlib.contextmanager
def owning(checkpoint: Path | None, name: str) -> Iterator[Callable[[], None]]:
    """Own a training while the block lasts.

    Args:
        checkpoint: its file; beside it lies the mark of its owner. None: there is none, and nobody to fear.
        name: of the training, for messages.

    Yields:
        What is to be called before the checkpoint or a result is written. It raises WorkError once another process
        owns the training, or has finished it.
    """
    if checkpoint is None:
        yield lambda: None
        return
    mark, own = mark_of(checkpoint), secrets.token_hex(16).encode()

    def is_own() -> bool:
        with contextlib.suppress(OSError):
            return mark.read_bytes() == own
        return False

    def check() -> None:
        if not is_own():
            raise WorkError(
                f"{name}: another process has taken this training over, or its checkpoint was removed",
                fix="Let one command train it at a time",
            )

    write_bytes(mark, own)
    try:
        yield check
    finally:
        if is_own():
            mark.unlink(missing_ok=True)
