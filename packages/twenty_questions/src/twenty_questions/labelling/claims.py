"""Which process is at work on what (io): claim files, so that several processes share one folder's work.

A claim is a file that appears or does not, and names its process. One of a process that no longer runs is taken over;
one of another machine, which cannot be asked, when its process has not touched it for an hour, as it does now and then
while it holds it. A claim saves work and guards nothing: if two processes ever do the same shard, both write the same
bytes.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from furikaeri_common.errors import full_disk
from furikaeri_common.processes import identity_from, is_alive, this_process

__all__ = ["FOREIGN_CLAIM_SECONDS", "Claims", "claimed", "claiming", "is_claimed"]

FOREIGN_CLAIM_SECONDS = 3600.0
_TOUCH_SECONDS = 300.0
_UNREADABLE_CLAIM_SECONDS = 10.0


class Claims:
    """Claims that this process holds; see `claiming`."""

    def __init__(self) -> None:
        self._held: dict[Path, None] = {}

    def take(self, path: Path) -> bool:
        """Take a claim; gives False where a living process has it.

        Raises:
            WorkError: if the disk is full.
        """
        if not (_take(path) or (_remove_stale(path) and _take(path))):
            return False
        self._held[path] = None
        return True

    def let_go(self, path: Path) -> None:
        """Let a claim go that is held."""
        del self._held[path]
        path.unlink(missing_ok=True)

    def let_all_go(self) -> None:
        """Let all claims go that are held."""
        for path in list(self._held):
            self.let_go(path)

    def touch(self) -> None:
        """Show other machines that this process still holds what it holds."""
        for path in list(self._held):
            with contextlib.suppress(OSError):  # let go meanwhile
                os.utime(path)


@contextlib.contextmanager
def claiming() -> Iterator[Claims]:
    """Give claims that may be taken while the block lasts; they are touched until they are let go, by its end at last.

    Touched by a thread, for a shard may take hours, and so may the way to its turn.
    """
    claims, ended = Claims(), threading.Event()

    def touch() -> None:
        while not ended.wait(_TOUCH_SECONDS):
            claims.touch()

    threading.Thread(target=touch, daemon=True, name="claims").start()
    try:
        yield claims
    finally:
        ended.set()
        claims.let_all_go()


@contextlib.contextmanager
def claimed(path: Path) -> Iterator[bool]:
    """Hold a claim while the block lasts; gives False, and holds nothing, where a living process has it.

    Raises:
        WorkError: if the disk is full.
    """
    with claiming() as claims:
        yield claims.take(path)


def is_claimed(path: Path) -> bool:
    """Return whether a process that may still run has a claim; a stale claim is removed."""
    return path.exists() and not _remove_stale(path)


def _take(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return False
    except OSError as error:
        raise full_disk(path.parent, error) or error from error
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(json.dumps(this_process()._asdict()).encode())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise full_disk(path.parent, error) or error from error
    return True


def _remove_stale(path: Path) -> bool:
    """Remove a claim whose process is gone, and return whether the way is free."""
    content = _read(path)
    if content is None:
        return True
    if not _is_stale(path, content):
        return False
    # Moved aside first, for another process may have put its own claim here since it was read.
    aside = path.with_name(f"{path.name}.{secrets.token_hex(6)}")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return True
    ours = _read(aside) == content
    if not ours:
        with contextlib.suppress(OSError):
            os.link(aside, path)
    aside.unlink(missing_ok=True)
    return ours


def _is_stale(path: Path, content: bytes) -> bool:
    try:
        process = identity_from(json.loads(content))
    except ValueError:
        process = None
    alive = is_alive(process) if process is not None else None
    if alive is not None:
        return not alive
    try:
        age = time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return True
    return age > (_UNREADABLE_CLAIM_SECONDS if process is None else FOREIGN_CLAIM_SECONDS)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
