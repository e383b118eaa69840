"""What can go wrong for a user, and what they can do about it.

Each class carries the exit code of the command line, so that one place maps failures to codes.
"""

from __future__ import annotations

import errno

__all__ = ["FurikaeriError", "FullDiskError", "InputError", "MissingExtraError", "WorkError", "full_disk"]


class FurikaeriError(Exception):
    """A failure that is explained in one line.

    Args:
        message: what is wrong, naming the file, row or option.
        fix: what to do about it, as a short imperative sentence; may be empty.
    """

    exit_code = 1

    def __init__(self, message: str, *, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message}. {self.fix}" if self.fix else self.message


class InputError(FurikaeriError):
    """What the user gave cannot be used: a file, a row, an option. Exit code 2."""

    exit_code = 2


class WorkError(FurikaeriError):
    """The work itself failed. Exit code 1."""


class FullDiskError(WorkError):
    """There is no room on a disk; nothing that writes there can go on.

    Args:
        place: what could not be written.
    """

    SAID = ": the disk is full"

    def __init__(self, place: object) -> None:
        super().__init__(f"{place}{self.SAID}", fix="Free some space and run the same command again")


class MissingExtraError(InputError):
    """An optional part is not installed; the message names the extra and the line that installs it.

    Args:
        what: the feature that was asked for.
        distribution: the member whose extra brings it, such as `furikaeri-twenty-questions`.
        extra: the extra's name.
    """

    def __init__(self, what: str, *, distribution: str, extra: str) -> None:
        super().__init__(
            f"{what} needs the extra `{extra}` of {distribution}",
            fix=f'Install it with: pip install "{distribution}[{extra}]"',
        )


def full_disk(place: object, error: OSError) -> FullDiskError | None:
    """Return how a full disk is told; None if that is not what went wrong.

    Args:
        place: what could not be written.
        error: of the system.
    """
    return FullDiskError(place) if error.errno in (errno.ENOSPC, errno.EDQUOT) else None
