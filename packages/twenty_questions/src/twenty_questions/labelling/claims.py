"""Which process is at work on what (io): claim files, so that several processes share one folder's work.

A claim is a file that appears or does not, and names its process. One of a process that no longer runs is taken over;
one of another machine, which cannot be asked, after an hour. A claim saves work and guards nothing: if two processes
ever do the same shard, both write the same bytes.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from furikaeri_common.errors import WorkError
from furikaeri_common.processes import identity_from, is_alive, this_process

__all__ = ["FOREIGN_CLAIM_SECONDS", "claimed", "is_claimed"]

FOREIGN_CLAIM_SECONDS = 3600.0
_UNREADABLE_CLAIM_SECONDS = 10.0


@contextlib.contextmanager
def claimed(path: Path) -> Iterator[bool]:
    """Hold a claim while the block lasts; gives False, and holds nothing, where a living process has it.

    Raises:
        WorkError: if the disk is full.
    """
    held = _take(path) or (_remove_stale(path) and _take(path))
    try:
        yield held
    finally:
        if held:
            path.unlink(missing_ok=True)


def is_claimed(path: Path) -> bool:
    """Return whether a process that may still run has a claim; a stale claim is removed."""
    return path.exists() and not _remove_stale(path)


def _take(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return False
    except OSError as error:
        raise _told(path, error) from error
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(json.dumps(this_process()._asdict()).encode())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise _told(path, error) from error
    return True


def _told(path: Path, error: OSError) -> Exception:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return WorkError(f"{path.parent}: the disk is full", fix="Free some space and run the same command again")
    return error


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
