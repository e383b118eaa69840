"""Made-up data folders on disk, shard by shard. (io)

A folder holds what the contest's does: train-metadata.csv, test-metadata.csv, train-image.hdf5, test-image.hdf5 and
sample_submission.csv, and `synthetic.json`, which says how it was made. Shards are made by any number of processes and
kept in a hidden folder until all of them are there, so a killed command goes on where it was; the files are the same
bytes however often it was killed and however many processes made them.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from furikaeri_common.artifacts import atomic_writer, read_json, sync_folder, write_json
from furikaeri_common.errors import InputError, WorkError
from furikaeri_common.tasks import Engine, Progress, Task, require_all, run_tasks
from isic_lesion.synthetic.metadata import ROWS_PER_BLOCK, lesion_rows
from isic_lesion.synthetic.parameters import published
from isic_lesion.synthetic.plan import plan
from isic_lesion.synthetic.sizes import Sizes, stream_of

if TYPE_CHECKING:
    from polars import DataFrame

__all__ = ["FolderConfig", "Made", "count_shards", "make_folder", "make_shard"]

VERSION = "5"
"""Of what a seed means: raised whenever the same seed gives other rows or pictures."""

_RECORD = "synthetic.json"
_PARTS = ".synthetic-parts"
_SHARD = 4 * ROWS_PER_BLOCK
_PATCHES = {"Benign": (1.2, 5.0), "Malignant": (2.2, 3.0), "Indeterminate": (1.8, 3.5)}  # Beta distributions


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderConfig:
    """What a made-up folder holds.

    Args:
        rows: lesions of the training table, at least 1.
        patients: their patients, 1 to `rows`.
        malignant_share: share of malignant lesions, 0 to 1.
        test_rows: lesions of the test table, at least 1.
        test_patients: their patients, 1 to `test_rows`.
        unseen_hospitals: whether some test patients are of hospitals that the training table does not know.
        images: whether to draw pictures.
        seed: of everything random.
    """

    rows: int = 401_059
    patients: int = 1_042
    malignant_share: float = 393 / 401_059
    test_rows: int = 3
    test_patients: int = 3
    unseen_hospitals: bool = True
    images: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.malignant_share <= 1:
            raise ValueError(f"expected malignant_share within [0, 1], got {self.malignant_share}")
        self.sizes("train")
        self.sizes("test")

    def sizes(self, split: Literal["train", "test"]) -> Sizes:
        """Return the sizes of one split."""
        train = split == "train"
        rows = self.rows if train else self.test_rows
        return Sizes(
            rows=rows,
            patients=self.patients if train else self.test_patients,
            malignant=round(self.malignant_share * rows),
            seed=self.seed,
            split=split,
            unseen_hospitals=self.unseen_hospitals and not train,
        )


class Made(NamedTuple):
    """A made-up folder: where it is, rows and malignant lesions by split, and whether it was there already."""

    folder: Path
    rows: dict[str, int]
    malignant: dict[str, int]
    was_there: bool


def count_shards(config: FolderConfig) -> int:
    """Return how many tasks a folder is made in."""
    return len(_tasks(config))


def make_folder(
    folder: Path,
    config: FolderConfig,
    *,
    engine: Engine,
    on_progress: Callable[[Progress], None] | None = None,
) -> Made:
    """Make a folder, or go on where an earlier call was stopped; nothing happens if it is there already.

    Args:
        folder: made if it is missing.
        config: what it holds.
        engine: who makes the shards.
        on_progress: told after every shard.

    Raises:
        InputError: if the folder holds something else.
        WorkError: if a shard failed.
    """
    folder = Path(folder)
    record = {"version": VERSION, "config": asdict(config), "statistics": dict(published().sources)}
    counts = Made(
        folder,
        {"train": config.rows, "test": config.test_rows},
        {split: config.sizes(split).malignant for split in ("train", "test")},
        was_there=False,
    )
    if _is_there(folder, record):
        return counts._replace(was_there=True)
    parts = folder / _PARTS
    for half in folder.glob(".*-image.hdf5.*.part"):  # left by a killed command
        half.unlink(missing_ok=True)
    write_json(parts / _RECORD, record)
    report = run_tasks(
        make_shard, _tasks(config), store=parts / "shards", engine=engine, version=VERSION, on_progress=on_progress
    )
    require_all(report)
    for split in ("train", "test"):
        shards = [report.finished[key].folder for key in report.finished if key.startswith(split)]
        _join_tables(folder / f"{split}-metadata.csv", shards)
        if config.images:
            _join_pictures(folder / f"{split}-image.hdf5", shards)
        if split == "test":
            _write_sample(folder / "sample_submission.csv", shards)
    write_json(folder / _RECORD, record)
    shutil.rmtree(parts, ignore_errors=True)
    return counts


def make_shard(inputs: Mapping[str, Any], folder: Path) -> dict[str, int]:
    """Make some rows and their pictures: `rows.parquet` and `pictures.parquet` (isic_id, jpeg) in the task's folder."""
    import polars as pl

    config = FolderConfig(**inputs["config"])
    frame = lesion_rows(config.sizes(inputs["split"]), inputs["first"], inputs["last"])
    with atomic_writer(folder / "rows.parquet") as stream:
        frame.write_parquet(stream, compression="lz4")
    if config.images:
        jpegs = list(_pictures(frame, inputs, config))
        pictures = pl.DataFrame({"isic_id": frame["isic_id"], "jpeg": pl.Series(jpegs, dtype=pl.Binary)})
        with atomic_writer(folder / "pictures.parquet") as stream:
            pictures.write_parquet(stream, compression="uncompressed")
    return {"rows": len(frame)}


def _pictures(frame: DataFrame, inputs: Mapping[str, Any], config: FolderConfig) -> Iterator[bytes]:
    from isic_lesion.synthetic.pictures import draw_lesion

    sizes = config.sizes(inputs["split"])
    kinds = frame["iddx_1"].to_list() if "iddx_1" in frame.columns else _hidden_kinds(inputs, config)
    for place, (row, kind) in enumerate(zip(frame.iter_rows(named=True), kinds, strict=True)):
        generator = stream_of(sizes, 20, inputs["first"] + place)
        patches = float(generator.beta(*_PATCHES[kind]))
        yield draw_lesion(row, patches=patches, generator=generator)


def _hidden_kinds(inputs: Mapping[str, Any], config: FolderConfig) -> list[str]:
    """Return the diagnoses that a test table does not tell."""
    words = list(_PATCHES)
    return [words[kind] for kind in plan(config.sizes("test")).lesions.kind[inputs["first"] : inputs["last"]].tolist()]


def _tasks(config: FolderConfig) -> list[Task]:
    tasks = []
    for split, rows in (("train", config.rows), ("test", config.test_rows)):
        for first in range(0, rows, _SHARD):
            inputs = {
                "config": asdict(config),
                "split": split,
                "first": first,
                "last": min(first + _SHARD, rows),
            }
            tasks.append(Task(f"{split}-{first // _SHARD:05d}", inputs))
    return tasks


def _is_there(folder: Path, record: Mapping[str, Any]) -> bool:
    """Return whether the folder is whole.

    Raises:
        InputError: if it holds something else than what is asked for.
    """
    fix = "Choose another folder, or delete this one"
    if not folder.exists():
        return False
    if not folder.is_dir():
        raise InputError(f"{folder}: is no folder", fix="Choose another place")
    for begun in (folder / _RECORD, folder / _PARTS / _RECORD):
        if begun.exists():
            if read_json(begun) != record:
                raise InputError(f"{folder}: holds made-up data of other sizes, seed or version", fix=fix)
            if begun.parent == folder:
                return True
    others = [entry.name for entry in folder.iterdir() if not entry.name.startswith(".")]
    if others and not (folder / _PARTS / _RECORD).exists():
        raise InputError(f"{folder}: already holds {min(others)}", fix="Choose an empty folder")
    return False


def _join_tables(path: Path, shards: Sequence[Path]) -> None:
    import polars as pl

    with atomic_writer(path) as stream:
        for place, shard in enumerate(shards):
            frame = pl.read_parquet(shard / "rows.parquet")
            # The contest writes ages that are not known as NA.
            age = pl.col("age_approx").cast(pl.String).fill_null("NA")
            frame.with_columns(age).write_csv(stream, include_header=place == 0)


def _write_sample(path: Path, shards: Sequence[Path]) -> None:
    import polars as pl

    ids = pl.concat([pl.read_parquet(shard / "rows.parquet", columns=["isic_id"]) for shard in shards])
    with atomic_writer(path) as stream:
        ids.with_columns(target=pl.lit(0.3)).write_csv(stream)


def _join_pictures(path: Path, shards: Sequence[Path]) -> None:
    """Write the contest's layout: a scalar of bytes at the root for each isic_id."""
    import h5py
    import polars as pl

    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
    try:
        with h5py.File(temporary, "w") as file:
            scalar = h5py.h5s.create(h5py.h5s.SCALAR)
            timeless = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            timeless.set_obj_track_times(False)
            for shard in shards:
                for name, jpeg in pl.read_parquet(shard / "pictures.parquet").iter_rows():
                    kind = h5py.h5t.C_S1.copy()
                    kind.set_size(len(jpeg))
                    kind.set_strpad(h5py.h5t.STR_NULLPAD)
                    made = h5py.h5d.create(file.id, name.encode(), kind, scalar, timeless)
                    made.write(scalar, scalar, np.array(jpeg, dtype=f"S{len(jpeg)}"))
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise WorkError(
            f"{path}: cannot be written ({error})", fix="Free some space and run the command again"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
