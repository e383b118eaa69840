"""What a user hears of a command that `torchrun` started several times: one voice."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

import typer

from furikaeri_common.errors import InputError, WorkError

__all__ = ["is_first", "is_one_of_several", "with_one_voice"]


def is_first() -> bool:
    """Return whether this process is the one that speaks; without `torchrun` it is."""
    return os.environ.get("RANK", "0") in ("", "0")


def is_one_of_several() -> bool:
    """Return whether `torchrun` started more than one process."""
    return os.environ.get("WORLD_SIZE", "1") not in ("", "1")


@contextlib.contextmanager
def with_one_voice() -> Iterator[None]:
    """Let what the first process says as well end the others without a word; they keep the exit code.

    Raises:
        typer.Exit: instead of an error that the first process tells, or of its consequence.
        WorkError: where `torchrun` ended the process, which it does as soon as any other has ended.
    """
    ended, is_done = _Ended(), False
    before = signal.signal(signal.SIGTERM, ended.note) if is_one_of_several() else None
    try:
        yield
        is_done = True
    except KeyboardInterrupt as error:
        if not is_first() and (not ended.is_so or getattr(error, "is_told", True)):
            raise typer.Exit(1 if ended.is_so else 130) from error
        if ended.is_so:
            raise WorkError(
                "torchrun ended the training: another process had ended, or it was told to",
                fix="Run the same command again: training goes on from its checkpoint",
            ) from error
        raise
    except InputError as error:
        if is_first():
            raise
        raise typer.Exit(error.exit_code) from error
    except WorkError as error:
        if not getattr(error, "is_told", False):
            raise
        raise typer.Exit(error.exit_code) from error
    finally:
        if is_done and is_one_of_several():
            signal.signal(signal.SIGTERM, before or signal.SIG_DFL)
        elif is_one_of_several():
            # On the way out another signal would only be noise.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGINT, signal.SIG_IGN)


class _Ended:
    """Whether the process was told to end."""

    def __init__(self) -> None:
        self.is_so = False

    def note(self, *_: object) -> None:
        self.is_so = True
        raise KeyboardInterrupt
