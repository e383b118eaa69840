"""What tasks on a Ray cluster read, and who sees it (io).

What a machine does not see is laid out there: every packet goes into Ray's object store once, and from there to all
machines that lack it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from furikaeri_common.artifacts import write_bytes
from furikaeri_common.carried_files import Inventory, below, inventory_of, packets, place
from furikaeri_common.ray_machines import Machine, reason_of
from furikaeri_common.task_store import hidden_folder

__all__ = ["Read", "lay_out", "reads_of", "sees_store"]

_AHEAD = 3  # packets on their way at once
_SECONDS_TO_SEE = 3.0  # what another machine wrote, on a network file system that remembers what was not there


class Read(NamedTuple):
    """A file or folder that tasks read: its absolute path, where links lead (or the same), what it holds."""

    path: str
    real: str
    holds: Inventory


def reads_of(paths: Sequence[str], store: str) -> list[Read]:
    """Take stock of what tasks read; what lies below another, or is missing, is left out."""
    reads: list[Read] = []
    for path in sorted(set(paths)):
        holds = None if below(path, [read.path for read in reads]) else inventory_of(Path(path), without=Path(store))
        if holds is not None:
            reads.append(Read(path, os.path.realpath(path), holds))
    return reads


def sees_store(machines: Sequence[Machine], store: Path) -> list[Machine]:
    """Return the machines that see the store, and whose files are seen in it here.

    Raises:
        InputError: if the store cannot be written here.
        WorkError: if the disk is full.
    """
    import ray

    folder, word = hidden_folder(store, "probe"), secrets.token_hex(16)
    try:
        write_bytes(folder / "word", word.encode())
        asked = {
            machine.keeper.sees_probe.remote(str(folder / "word"), word, machine.id): machine for machine in machines
        }
        seeing = []
        for reference, machine in asked.items():
            with contextlib.suppress(ray.exceptions.RayError):
                if ray.get(reference) and _appears(folder / machine.id, word):
                    seeing.append(machine)
        return seeing
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def lay_out(machines: Sequence[Machine], reads: Sequence[Read], store: str, *, mirrored: bool) -> dict[Machine, str]:
    """Bring to machines what they lack; return those where that failed, with the reason.

    Args:
        machines: that have been looked at.
        reads: what tasks read.
        store: which is not part of that.
        mirrored: whether tasks find all of it in the scratch folder, be it by links.
    """
    import ray

    failed: dict[Machine, str] = {}

    def settle(answers: Mapping[Machine, Any], told: str = "") -> None:
        for machine, answer in answers.items():
            try:
                if ray.get(answer) is False:
                    failed[machine] = told
            except ray.exceptions.RayError as error:
                failed[machine] = reason_of(error)

    def left(*groups: Sequence[Machine]) -> list[Machine]:
        return [machine for group in groups for machine in group if machine not in failed]

    def bring(read: Read, to: Sequence[Machine]) -> None:
        under_way: list[dict[Machine, Any]] = []
        for packet in packets(Path(read.path), without=Path(store)):
            kept = ray.put(packet)
            under_way.append({m: m.keeper.receive.remote(read.path, kept) for m in left(to)})
            if len(under_way) > _AHEAD:
                settle(under_way.pop(0))
        for answers in under_way:
            settle(answers)
        whole = {m: m.keeper.settle.remote(read.path, read.holds) for m in left(to)}
        settle(whole, f"{read.path} changed while it was copied")

    lacking = [[m for m in machines if number in m.lacks] for number in range(len(reads))]
    for read, to in zip(reads, lacking, strict=True):
        try:
            if left(to):
                bring(read, to)
        except Exception as error:  # what cannot be read here, or does not fit into Ray's store, is of no other machine
            failed.update(dict.fromkeys(to, reason_of(error)))
    # Copies first, for a copy takes the place of no folder, and a link may need one.
    for read, to in zip(reads, lacking, strict=True):
        seeing = [m for m in machines if mirrored and m not in to]
        settle({m: m.keeper.link.remote(read.path, read.path, store) for m in left(seeing)})
    for read, to in zip(reads, lacking, strict=True):
        if read.real != read.path:
            linked = left([m for m in machines if mirrored or m in to])
            target = {m: str(place(Path(m.scratch), read.path)) for m in linked}
            settle({m: m.keeper.link.remote(read.real, target[m], store) for m in linked})
    return failed


def _appears(path: Path, word: str) -> bool:
    deadline = time.monotonic() + _SECONDS_TO_SEE
    while True:
        with contextlib.suppress(OSError):
            if path.read_text() == word:
                return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
