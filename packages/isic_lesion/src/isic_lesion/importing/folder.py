"""A folder of pictures and its table, turned into a data folder of the contest's layout. (io)

The work is kept in a hidden folder of the new one until both files are there, so a run that was killed goes on when it
is asked for again, and a finished one is known by its record. What is wrong with pictures or rows is found before
anything is written, unless it needs decoding; nothing is left out silently.
"""

from __future__ import annotations

import contextlib
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from furikaeri_common.artifacts import atomic_writer, fingerprint_of, read_json, write_json
from furikaeri_common.documents import fingerprint, jsonable
from furikaeri_common.errors import InputError
from furikaeri_common.tasks import Engine, Progress, Task, require_all, run_tasks
from isic_lesion.data.images import open_images, write_images
from isic_lesion.data.schema import Split
from isic_lesion.importing.pictures import CONVERTED, adapt_images, find_images
from isic_lesion.importing.problems import Problem, match_images, refuse
from isic_lesion.importing.tables import read_import_tables

__all__ = ["ImportConfig", "Imported", "import_folder"]

_FORMAT = 1
_IMAGES_PER_TASK = 128


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportConfig:
    """How pictures become a data folder.

    Args:
        split: whether the lesions are to be trained on ("train") or predicted ("test").
        id_column: the table's column of image names; None: found by its name.
        max_size: the longest side of a picture in pixels, at least 16; None: any.
        square: cut the middle out of pictures that are not square.
        skip: leave out what cannot be imported instead of refusing all of it.
    """

    split: Split = "train"
    id_column: str | None = None
    max_size: int | None = None
    square: bool = False
    skip: bool = False

    def __post_init__(self) -> None:
        if self.split not in ("train", "test"):
            raise ValueError(f"expected split 'train' or 'test', got {self.split!r}")
        if self.max_size is not None and self.max_size < 16:
            raise ValueError(f"expected max_size of at least 16, got {self.max_size}")


class Imported(NamedTuple):
    """What was made.

    Attributes:
        folder: the data folder.
        split: which split of it.
        rows: how many lesions it has.
        malignant: how many of them are malignant; None without truth.
        changes: what was done to pictures -> how many; unchanged ones do not count.
        stand_ins: rows whose patient nobody knows: one is made up for their lesion, or for them alone.
        left_out: columns of the table that the contest does not know.
        notes: what was noticed in files of earlier contests.
        unused: pictures without a row.
        skipped: what was left out of rows and pictures.
        was_there: the same had been imported already.
    """

    folder: Path
    split: Split
    rows: int
    malignant: int | None
    changes: dict[str, int]
    stand_ins: int
    left_out: tuple[str, ...]
    notes: tuple[str, ...]
    unused: tuple[str, ...]
    skipped: tuple[Problem, ...]
    was_there: bool


def import_folder(
    images: Path,
    tables: Sequence[Path],
    out: Path,
    config: ImportConfig,
    *,
    engine: Engine,
    on_progress: Callable[[Progress], None] | None = None,
    on_written: Callable[[int, int], None] = lambda done, total: None,
) -> Imported:
    """Make `{split}-metadata.csv` and `{split}-image.hdf5` of pictures and a table.

    Args:
        images: a folder of JPEGs and PNGs at any depth, each named after its lesion.
        tables: one with any of the contest's columns, or files of earlier contests (see `read_import_tables`).
        out: the data folder; made if it is missing, and another split in it is left alone.
        config: how.
        engine: where pictures are decoded.
        on_progress: told of every task of decoding.
        on_written: told how many parts of how many are written, a part being 128 pictures.

    Raises:
        InputError: if rows without a picture, pictures do not decode, or either comes twice, unless `config.skip`; if
            the table cannot be used; if the folder holds such a split already that was made of something else.
        WorkError: if decoding itself failed or the disk is full.
    """
    out, split = Path(out), config.split
    record = out / f"{split}-import.json"
    work = out / f".import-{split}"
    found = find_images(images)
    table = read_import_tables(tables, split, id_column=config.id_column)
    plan = _fingerprint(found, tables, config)
    if earlier := _earlier(out, record, plan, split):
        return earlier
    if work.is_dir():
        _clear_parts(out, split)
    else:
        _refuse_others(out, split)
    chosen, problems = match_images(table, found, images)
    if not config.skip:
        refuse(problems, work)
    ids = chosen["isic_id"].to_list()
    files = {name: found[name][0] for name in ids}
    tasks = _tasks(files, config)
    report = run_tasks(adapt_images, tasks, store=work, engine=engine, on_progress=on_progress)
    outcomes = dict(zip(ids, (one for value in require_all(report) for one in value), strict=True))
    damaged = tuple(f"{files[name]}: {wrong}" for name, (_, wrong) in outcomes.items() if wrong)
    problems += (Problem("pictures that cannot be used", damaged),) if damaged else ()
    if not config.skip:
        refuse(problems, work)
    chosen = chosen.filter([not outcomes[name][1] for name in ids])
    if chosen.is_empty():
        raise InputError(f"{images}: no picture is left to import", fix="See to what is wrong with them")
    changed = {name: change for name, (change, wrong) in outcomes.items() if change and not wrong}
    folders = [stored.folder for stored in report.finished.values()]
    contents = _contents(chosen["isic_id"].to_list(), files, changed, folders, on_written)
    write_images(out / f"{split}-image.hdf5", contents)
    with atomic_writer(out / f"{split}-metadata.csv") as stream:
        chosen.write_csv(stream)
    imported = Imported(
        folder=out,
        split=split,
        rows=len(chosen),
        malignant=int(chosen["target"].sum()) if split == "train" else None,
        changes=dict(sorted(Counter(_kind(change) for change in changed.values()).items())),
        stand_ins=table.stand_ins,
        left_out=table.left_out,
        notes=table.notes,
        # A name on disk may hold bytes that are no text, which JSON cannot.
        unused=tuple(
            name.encode(errors="replace").decode() for name in sorted(set(found) - set(table.frame["isic_id"]))
        ),
        skipped=tuple(problems),
        was_there=False,
    )
    write_json(record, {"format": _FORMAT, "fingerprint": plan, "imported": jsonable(imported)})
    shutil.rmtree(work, ignore_errors=True)
    return imported


def _fingerprint(found: Mapping[str, Sequence[Path]], tables: Sequence[Path], config: ImportConfig) -> str:
    """Return what must be unchanged for an import to be the same: tables, options, and every picture's state."""
    states = {name: [_state(path) for path in paths] for name, paths in found.items()}
    made_of = {"tables": [fingerprint_of(path) for path in tables], "images": states, "config": jsonable(config)}
    return fingerprint({"format": _FORMAT, **made_of})


def _state(path: Path) -> list[Any]:
    try:
        state = path.stat()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    return [str(path.resolve()), state.st_size, state.st_mtime_ns]


def _earlier(out: Path, record: Path, plan: str, split: Split) -> Imported | None:
    """Return what the same import made before, if its files are still there."""
    if not record.is_file() or not (out / f"{split}-image.hdf5").is_file():
        return None
    document = read_json(record)
    with contextlib.suppress(KeyError, TypeError):
        if document["fingerprint"] == plan and (out / f"{split}-metadata.csv").is_file():
            fields = dict(document["imported"])
            fields["skipped"] = tuple(Problem(one["kind"], tuple(one["names"])) for one in fields["skipped"])
            lists = {name: tuple(fields[name]) for name in ("left_out", "notes", "unused")}
            return Imported(**{**fields, **lists, "folder": out, "was_there": True})
    return None


def _refuse_others(out: Path, split: Split) -> None:
    names = [f"{split}-metadata{suffix}" for suffix in (".csv", ".csv.gz", ".parquet")] + [f"{split}-image.hdf5"]
    if there := [name for name in names if (out / name).exists()]:
        raise InputError(
            f"{out}: holds {' and '.join(there)} already, not made of this",
            fix="Choose another folder, or remove what is there",
        )


def _clear_parts(out: Path, split: Split) -> None:
    """Remove what a killed import had half written: it can be as large as all pictures."""
    for name in ("image.hdf5", "metadata.csv"):
        for part in out.glob(f".{split}-{name}.*.part"):
            part.unlink(missing_ok=True)


def _tasks(files: Mapping[str, Path], config: ImportConfig) -> list[Task]:
    entries = [[name, *_state(path)] for name, path in files.items()]
    options = {"max_size": config.max_size, "square": config.square}
    return [
        Task(f"images-{first:07d}", {"images": entries[first : first + _IMAGES_PER_TASK], **options})
        for first in range(0, len(entries), _IMAGES_PER_TASK)
    ]


def _contents(
    ids: Sequence[str],
    files: Mapping[str, Path],
    changed: Mapping[str, str],
    folders: Sequence[Path],
    on_written: Callable[[int, int], None],
) -> Iterator[tuple[str, bytes]]:
    """Yield every picture as it is stored: what a task made of it, else the file's own bytes."""
    position = {name: number // _IMAGES_PER_TASK for number, name in enumerate(files)}
    opened, held = -1, contextlib.ExitStack()
    with held:
        stored = None
        for done, name in enumerate(ids):
            if name in changed:
                if stored is None or opened != position[name]:
                    held.close()
                    opened = position[name]
                    stored = held.enter_context(open_images(folders[opened] / CONVERTED))
                yield name, stored.jpeg(name)
            else:
                try:
                    yield name, files[name].read_bytes()
                except OSError as error:
                    raise InputError(f"{files[name]}: cannot be read: {error.strerror or error}") from error
            if (done + 1) % _IMAGES_PER_TASK == 0 or done + 1 == len(ids):
                on_written(-(-(done + 1) // _IMAGES_PER_TASK), -(-len(ids) // _IMAGES_PER_TASK))


def _kind(change: str) -> str:
    """Return what was done without the sizes: "PNG to JPEG, made smaller"."""
    return ", ".join("other size" if part[:1].isdigit() else part for part in change.split(", "))
