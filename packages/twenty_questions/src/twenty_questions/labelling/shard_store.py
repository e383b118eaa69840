"""The shards of each labeller in a folder (io): which are there, which are missing, and what labelling them took.

    shards/
      MODEL-1a2b3c4d5e6f/       one folder a labeller and list of pairs; nothing of another recipe is mixed in
        recipe.json             the labeller's identity, and the sizes
        000000.parquet          see `shard_files`
        .000001.claim           a process is at work on it; see `claims`
      .settings/FINGERPRINT     which of the folders these settings led to, so that a finished one needs no model
      .tasks/                   what workers label by, and what they labelled and is not among the shards yet
      .journal.jsonl            a line for every shard that was labelled: seconds, and what a server asked for it

Names that begin with a dot are no part of the result: they differ between two runs that give the same bits.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.artifacts import read_json, write_json
from furikaeri_common.documents import fingerprint, jsonable
from furikaeri_common.errors import InputError, WorkError
from twenty_questions.labelling.grid import LabelSource, PairGrid
from twenty_questions.labelling.shard_files import FORMAT, ShardContent, is_whole, read_shard, write_shard

__all__ = ["ShardStore", "Spent", "append_journal", "create_store", "find_store", "spent_on"]

_RECIPE = "recipe.json"
_JOURNAL = ".journal.jsonl"


@dataclass(frozen=True, slots=True)
class ShardStore:
    """The folder of one labeller's shards.

    Attributes:
        folder: where they lie.
        grid: what is labelled.
        model: the labeller's name.
        identity: everything its numbers depend on.
        mark: fingerprint of the identity and the grid.
    """

    folder: Path
    grid: PairGrid
    model: str
    identity: Mapping[str, Any]
    mark: str

    def claim_of(self, shard: int) -> Path:
        """Return the name of a shard's claim."""
        return self.folder / f".{shard:06d}.claim"

    def has(self, shard: int) -> bool:
        """Return whether a shard is there, every byte as it was written."""
        return is_whole(self._file(shard), self.mark, shard)

    def read(self, shard: int) -> NDArray[np.float32]:
        """Return P(yes) of a shard; float32, shape (its keywords, questions).

        Raises:
            WorkError: if it is missing or damaged.
        """
        shape = (len(self.grid.keywords_of(shard)), len(self.grid.questions))
        p_yes = read_shard(self._file(shard), self.mark, shard, shape)
        if p_yes is None:
            raise WorkError(
                f"{self._file(shard)}: is missing or damaged", fix="Run the same command again to label it anew"
            )
        return p_yes

    def write(self, shard: int, p_yes: NDArray[np.float32]) -> None:
        """Write a shard."""
        keywords = self.grid.keywords_of(shard)
        content = ShardContent(self.model, self.identity, self.mark, shard, keywords, self.grid.questions, p_yes)
        write_shard(self._file(shard), content)

    def clear_remains(self, shard: int) -> None:
        """Remove what a process that was killed left of a shard; for who has its claim."""
        for remains in self.folder.glob(f".{shard:06d}.*"):
            if remains != self.claim_of(shard):
                remains.unlink(missing_ok=True)

    def _file(self, shard: int) -> Path:
        return self.folder / f"{shard:06d}.parquet"


class Spent(NamedTuple):
    """What labelling took.

    Attributes:
        shards: labelled, those that were later damaged and labelled again counted again.
        pairs: in them.
        seconds: of labelling, each process's added up.
        usage: what servers were asked, such as requests, tokens and cost.
    """

    shards: int
    pairs: int
    seconds: float
    usage: Mapping[str, float]


def find_store(root: Path, source: LabelSource, grid: PairGrid) -> ShardStore | None:
    """Return the folder that a source's settings led to before, without opening it; None if they led to none."""
    try:
        name = read_json(_settings_file(root, source, grid))["folder"]
        folder = root / Path(str(name)).name
        recipe = read_json(folder / _RECIPE)
        store = _store(folder, grid, str(recipe["model"]), dict(recipe["identity"]))
    except (InputError, OSError, KeyError, TypeError, ValueError):
        return None
    return store if recipe.get("mark") == store.mark else None


def create_store(
    root: Path, source: LabelSource, grid: PairGrid, model: str, identity: Mapping[str, Any]
) -> ShardStore:
    """Return the folder of an open labeller's shards, made if it is missing.

    Args:
        root: the folder of all shards.
        source: what led to the labeller.
        grid: what is labelled.
        model: the labeller's name.
        identity: the labeller's own.

    Raises:
        InputError: if it cannot be made.
        WorkError: if the disk is full.
    """
    readable = re.sub(r"[^A-Za-z0-9._-]+", "_", model).strip("._")[:60] or "model"
    store = _store(root, grid, model, dict(jsonable(identity)))
    store = ShardStore(root / f"{readable}-{store.mark[:12]}", grid, store.model, store.identity, store.mark)
    write_json(
        store.folder / _RECIPE,
        {
            "format": FORMAT,
            "model": store.model,
            "identity": dict(store.identity),
            "keywords": len(grid.keywords),
            "questions": len(grid.questions),
            "keywords_per_shard": grid.per_shard,
            "shards": grid.num_shards,
            "lists": grid.fingerprint,
            "mark": store.mark,
        },
    )
    write_json(_settings_file(root, source, grid), {"folder": store.folder.name})
    return store


def _store(folder: Path, grid: PairGrid, model: str, identity: Mapping[str, Any]) -> ShardStore:
    parts = {"format": FORMAT, "model": model, "identity": identity, "lists": grid.fingerprint}
    return ShardStore(folder, grid, model, identity, fingerprint(parts))


def _settings_file(root: Path, source: LabelSource, grid: PairGrid) -> Path:
    return root / ".settings" / fingerprint([source.settings, grid.fingerprint])


def append_journal(root: Path, line: Mapping[str, Any]) -> None:
    """Note a shard that was labelled; the note is of less weight than the shard, so a failure is passed over."""
    with contextlib.suppress(OSError), (root / _JOURNAL).open("ab", buffering=0) as stream:
        stream.write((json.dumps(dict(line), ensure_ascii=False) + "\n").encode())


def spent_on(root: Path, stores: Sequence[ShardStore]) -> Spent:
    """Return what labelling some stores took, over all calls and processes."""
    folders = {store.folder.name for store in stores}
    shards, pairs, seconds, usage = 0, 0, 0.0, Counter[str]()
    for note in _journal(root):
        if note.get("folder") in folders:
            shards += 1
            pairs += note["pairs"]
            seconds += note["seconds"]
            usage.update(note["usage"])
    return Spent(shards, pairs, seconds, dict(usage))


def _journal(root: Path) -> list[dict[str, Any]]:
    """Return the notes of all shards that were labelled, oldest first; what a kill cut short is left out."""
    try:
        lines = (root / _JOURNAL).read_bytes().split(b"\n")
    except OSError:
        return []
    notes = []
    for line in lines:
        with contextlib.suppress(ValueError):
            notes.append(json.loads(line))
    return [note for note in notes if isinstance(note, dict) and {"pairs", "seconds", "usage"} <= note.keys()]
