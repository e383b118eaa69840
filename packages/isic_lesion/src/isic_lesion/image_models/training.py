"""Training image models on folders of pictures, network by network on any engine, resumable. (io)

A part is one network: of a fold and a seed, or of all rows and a seed. What is finished lies in the folder of parts,
and beside it the state of what is not, so the same call after a crash goes on in the middle of a network and ends with
the same bytes. Another seed or model trains its own networks alone.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from furikaeri_common.errors import InputError
from furikaeri_common.local_processes import LocalProcesses
from furikaeri_common.task_store import Stored, fingerprint_of_task, folder_name, name_of, read_stored
from furikaeri_common.tasks import Engine, Progress, Task, raise_if_final, require_all, run_tasks
from isic_lesion.boosters.cross_validation import Part
from isic_lesion.image_models.config import ImageConfig
from isic_lesion.image_models.folder import read_image_record
from isic_lesion.image_models.network_task import (
    PROGRESS,
    UNFINISHED,
    checkpoint_of,
    key_of,
    name_of_network,
    train_network,
)
from isic_lesion.image_models.processes import num_processes
from isic_lesion.image_models.records import ImageModelRecord, Parts, image_parts
from isic_lesion.image_models.results import write_results
from isic_lesion.image_models.training_inputs import Prepared, check_configs, prepare, refuse_other
from isic_lesion.image_models.training_progress import TrainingProgress, forget, watching

if TYPE_CHECKING:
    from isic_lesion.folds.dealing import Folds
    from isic_lesion.image_models.rows import ImageRows

__all__ = ["num_networks", "train_image_models"]

_VERSION = "1"
_A_DAY = 24 * 60 * 60.0  # seconds
_STORE, _FINISHED = ".image-parts", "finished"


def num_networks(configs: Sequence[ImageConfig], num_folds: int, parts: Parts = "both") -> int:
    """Return how many networks `train_image_models` trains."""
    return sum(len(image_parts(config, num_folds, parts)) for config in configs)


def train_image_models(
    rows: ImageRows,
    folds: Folds,
    configs: Sequence[ImageConfig],
    outs: Sequence[Path],
    *,
    engine: Engine,
    parts: Parts = "both",
    on_bad: Literal["refuse", "skip"] = "refuse",
    workers: int = 0,
    store: Path | None = None,
    replace_other: bool = True,
    on_progress: Callable[[TrainingProgress], None] | None = None,
) -> list[ImageModelRecord]:
    """Train models and write their folders; the same call goes on where an earlier one stopped.

    Where folds and all rows were trained by different calls, a model's folder has the networks of both.

    Args:
        rows: of this contest, and past ones, with targets.
        folds: of this contest's rows; past rows join them without moving any.
        configs: of the models, with distinct names and the same number of threads.
        outs: the models' folders, as many; made if they are missing.
        engine: where the networks are trained. On machines that share the folder of parts another one goes on with a
            network whose machine was lost; where they share none, it begins anew. Under `torchrun` all its processes
            train each network together instead; they all make this call.
        parts: which networks a model gets; with "all" there are no out-of-fold scores.
        on_bad: damaged pictures are refused by id before anything is trained, or are neither trained on nor scored.
        workers: processes that read pictures, for each network that is in training; 0: the one that trains.
        store: the folder of parts; None: `.image-parts` beside the first model's. It keeps what was trained with
            other settings too, and may be deleted once the models are whole.
        replace_other: replace a model of other settings or data that a folder holds; else refuse to. Other seeds
            or parts are no other model.
        on_progress: told of each network, and about once a second of those in training; in a thread of its own then.

    Returns:
        What each `model.json` says.

    Raises:
        InputError: if rows, folds and configurations do not fit each other, or cannot be used.
        WorkError: if a network cannot be trained.
        MissingExtraError: without torch and timm.
    """
    from isic_lesion.image_models.together import all_processes, follow

    outs = [Path(out) for out in outs]
    check_configs(configs, outs, parts)
    root = (Path(store) if store is not None else outs[0].parent / _STORE).resolve()
    is_here = isinstance(engine, LocalProcesses)
    if num_processes() > 1 and not is_here:
        raise InputError(
            "torchrun's processes train each network together on their own machines, and no other engine can take part",
            fix="Leave torchrun out, or --engine",
        )
    # Whether other machines have a device is not known on this one.
    device = configs[0].device if is_here else "cpu"
    with all_processes(device) as (processes, together):
        if not processes.is_first:
            follow(processes, device)
        else:
            _check_shares(configs, processes.count)
            began = time.monotonic()

            def checked(done: int, of: int) -> None:
                if on_progress is not None:
                    on_progress(TrainingProgress("checked", "", done, of, "", time.monotonic() - began))

            prepared = prepare(rows, folds, configs, root, on_bad=on_bad, workers=workers, on_checked=checked)
            if not replace_other:
                for config, out in zip(configs, outs, strict=True):
                    refuse_other(out, config, prepared, folds)
            chosen = engine if processes.count == 1 else together
            found = _train_all(prepared, configs, root, chosen, folds.num_folds, parts, on_progress)
            for number, (config, out) in enumerate(zip(configs, outs, strict=True)):
                write_results(out, config, prepared, number, folds, found[number])
    return [read_image_record(out) for out in outs]


def _check_shares(configs: Sequence[ImageConfig], processes: int) -> None:
    for config in configs:
        if config.pieces < processes:
            raise InputError(
                f"model {config.name}: {processes} processes cannot share steps of {config.pieces} "
                f"piece{'s' * (config.pieces > 1)}",
                fix=f"Set pieces to a multiple of {processes}, such as with --pieces, or start fewer processes",
            )


def _train_all(
    prepared: Prepared,
    configs: Sequence[ImageConfig],
    root: Path,
    engine: Engine,
    num_folds: int,
    parts: Parts,
    on_progress: Callable[[TrainingProgress], None] | None,
) -> list[dict[Part, Stored]]:
    """Train what is missing and return, for each configuration, its networks; of what was not asked for too, if whole.

    Networks of all rows that stop early wait for those of the folds, which tell after how many epochs.
    """
    total, settled, began = num_networks(configs, num_folds, parts), 0, time.monotonic()
    found: list[dict[Part, Stored]] = [{} for _ in configs]

    def run(some: Sequence[tuple[int, Part]], how: Sequence[ImageConfig]) -> None:
        tasks = [_task(prepared, number, how[number], part) for number, part in some]
        names = {task.key: name_of_network(how[number], part) for task, (number, part) in zip(tasks, some, strict=True)}
        before = sum(map(len, found))

        def tell(event: Progress) -> None:
            nonlocal settled
            raise_if_final(event.error)  # leaving stops the workers
            settled = before + event.done
            if event.event in ("reused", "finished"):
                _forget_unfinished(root, event.key, names[event.key])
            if on_progress is not None:
                seconds = time.monotonic() - began
                on_progress(TrainingProgress(event.event, names[event.key], settled, total, event.error, seconds))

        with _watching(root, names, total, began, on_progress, lambda: settled):
            report = run_tasks(
                train_network,
                tasks,
                store=root / _FINISHED,
                engine=engine,
                threads=how[0].threads,
                version=_VERSION,
                reads=prepared.reads,
                on_progress=tell,
            )
        require_all(report)
        for (number, part), stored in zip(some, report.finished.values(), strict=True):
            found[number][part] = stored

    asked = [(number, part) for number, config in enumerate(configs) for part in image_parts(config, num_folds, parts)]
    later = [(number, part) for number, part in asked if part.fold is None and configs[number].early_stopping]
    run([one for one in asked if one not in later], configs)
    on_all = [_on_all_rows(config, networks) for config, networks in zip(configs, found, strict=True)]
    if later:
        run(later, on_all)
    for number, config in enumerate(configs):
        groups: tuple[tuple[Parts, ImageConfig], ...] = (("folds", config), ("all", on_all[number]))
        for group, how in groups:
            others = image_parts(config, num_folds, group)
            there = {part: _stored(prepared, root, number, how, part) for part in others}
            whole = {part: stored for part, stored in there.items() if stored is not None}
            if len(whole) == len(others):
                found[number] |= whole
    return [{part: one[part] for part in sorted(one, key=_place)} for one in found]


def _place(part: Part) -> tuple[bool, int, int]:
    return part.fold is None, part.fold or 0, part.seed


def _task(prepared: Prepared, number: int, config: ImageConfig, part: Part) -> Task:
    inputs = prepared.inputs_of(number, config, part)
    return Task(key_of(config, part, inputs), inputs)


def _stored(prepared: Prepared, root: Path, number: int, config: ImageConfig, part: Part) -> Stored | None:
    task = _task(prepared, number, config, part)
    mark = fingerprint_of_task(name_of(train_network), _VERSION, task.inputs, config.threads)
    return read_stored(root / _FINISHED, task.key, mark)


def _on_all_rows(config: ImageConfig, networks: Mapping[Part, Stored]) -> ImageConfig:
    """Return how networks of all rows are trained: nothing can stop them early, so for the folds' mean of epochs."""
    if config.early_stopping is None:
        return config
    epochs = [stored.value["epochs"] for part, stored in networks.items() if part.fold is not None]
    return replace(config, early_stopping=None, epochs=max(1, round(sum(epochs) / len(epochs))))


def _watching(
    root: Path,
    keys: Collection[str],
    total: int,
    began: float,
    on_progress: Callable[[TrainingProgress], None] | None,
    done: Callable[[], int],
) -> contextlib.AbstractContextManager[None]:
    if on_progress is None:
        return contextlib.nullcontext()
    return watching(
        root / PROGRESS,
        keys,
        lambda under_way: on_progress(
            TrainingProgress("step", "", done(), total, "", time.monotonic() - began, under_way)
        ),
    )


def _forget_unfinished(root: Path, key: str, name: str) -> None:
    """Remove what is left of a network's training, half-written files too.

    What other settings of the network left goes once nobody has touched it for a day: till then it may be at work.
    """
    forget(root / PROGRESS, [key])
    own = checkpoint_of(root, key).name
    readable = folder_name(name).rpartition("-")[0]
    for file in (root / UNFINISHED).glob("*"):
        plain = file.name.removeprefix(".")
        with contextlib.suppress(OSError):
            is_old = plain.startswith(f"{readable}_") and file.stat().st_mtime < time.time() - _A_DAY
            if plain.startswith(own) or is_old:
                file.unlink()
