"""What image models are trained from: rows, folds and configurations, checked against each other and laid out. (io)

Below the folder of parts:

    data-<mark>/                         what every network reads (see `shared_data`)
    damaged-<mark>.json                  ids of the pictures that cannot be read, found once
    finished/, unfinished/, progress/    networks, states of training, how far they are
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from furikaeri_common.artifacts import read_json, sha256_of, write_json
from furikaeri_common.documents import fingerprint
from furikaeri_common.errors import InputError
from isic_lesion.boosters.cross_validation import Part
from isic_lesion.image_models.config import ImageConfig
from isic_lesion.image_models.folder import read_image_record
from isic_lesion.image_models.rows import ImageRows
from isic_lesion.image_models.shared_data import SharedData, place_weights, read_shared, write_shared
from isic_lesion.model_documents import MODEL_DOCUMENT
from isic_lesion.setting_checks import check_together

if TYPE_CHECKING:
    from isic_lesion.folds.dealing import Folds
    from isic_lesion.image_models.backbones import Backbone

__all__ = [
    "Prepared",
    "check_configs",
    "extended_folds",
    "prepare",
    "refuse_other",
]

Bad = Literal["refuse", "skip"]

_SHOWN = 5


class Prepared(NamedTuple):
    """What the networks of a call share.

    Attributes:
        data: the folder of `SharedData`, which tasks name by its last part.
        shared: what lies there.
        mark: fingerprint of the rows and their pictures.
        bad: ids of damaged pictures, in the rows' order.
        backbones: of each configuration, in their order, without the module.
        reads: the files that tasks read; they find them by their way from the store.
    """

    data: Path
    shared: SharedData
    mark: str
    bad: tuple[str, ...]
    backbones: tuple[Backbone, ...]
    reads: tuple[Path, ...]

    def inputs_of(self, number: int, config: ImageConfig, part: Part) -> dict[str, Any]:
        """Return the inputs of a network's task; `number` is the configuration's place."""
        how = {**config.to_json(), "seeds": []}  # the other seeds do not touch a network
        inputs = self.backbones[number].inputs
        return {
            "data": self.data.name,
            "left_out": fingerprint(self.bad) if self.bad else None,
            "weights": self.backbones[number].digest,
            "pictures": {**inputs._asdict(), "mean": list(inputs.mean), "std": list(inputs.std)},
            "versions": {name: version(name) for name in ("torch", "timm", "numpy", "pillow")},
            "config": how,
            "fold": part.fold,
            "seed": part.seed,
        }


def prepare(
    rows: ImageRows,
    folds: Folds,
    configs: Sequence[ImageConfig],
    root: Path,
    *,
    on_bad: Bad,
    workers: int,
    on_checked: Callable[[int, int], None],
) -> Prepared:
    """Check that everything fits, and lay out what every network reads.

    Args:
        rows: with targets.
        folds: of this contest's rows.
        configs: of the models.
        root: the folder of parts.
        on_bad: what becomes of damaged pictures.
        workers: processes that read pictures.
        on_checked: told how many pictures of how many were tried, where that was not done before.

    Raises:
        InputError: if something does not fit, or a picture is damaged and is not to be skipped.
    """
    if rows.frame["target"].has_nulls():
        raise InputError("the rows have no targets", fix="A model is trained on training data")
    all_folds = extended_folds(rows, folds)
    backbones = tuple(_backbone(config) for config in configs)
    digests = [sha256_of(file) for file in rows.files]
    # As text: another version of Parquet's writer is no other lesions.
    told = hashlib.sha256(rows.frame.write_csv().encode()).hexdigest()
    mark = fingerprint({"rows": told, "pictures": digests})
    data = root / f"data-{fingerprint([mark, all_folds.fingerprint])[:16]}"
    found = root / f"damaged-{mark[:16]}.json"
    bad = _damaged(rows, found, workers, on_checked)
    reads = write_shared(data, rows, all_folds, damaged=bad, readers=workers)
    if bad and on_bad == "refuse":
        shown = ", ".join(bad[:_SHOWN]) + (f" and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else "")
        raise InputError(
            f"{len(bad)} of {len(rows.frame):,} pictures {'are' if len(bad) > 1 else 'is'} damaged: {shown} "
            f"(all ids: {found})",
            fix="Mend them, or train without them with --on-bad skip",
        )
    for backbone in backbones:
        reads += place_weights(data, backbone)
    return Prepared(data, read_shared(data), mark, bad, backbones, tuple(reads))


def extended_folds(rows: ImageRows, folds: Folds) -> Folds:
    """Return folds of all rows: this contest's as they are, and of past rows as `past.extend_folds` deals them.

    A past row without a patient that shows a lesion of this contest is of that lesion's patient.

    Raises:
        InputError: if a row of this contest has no fold.
    """
    import polars as pl

    from isic_lesion.past.history import extend_folds

    ours = rows.frame.filter(~pl.col("is_past"))
    lost = ours.join(folds.frame, on="isic_id", how="anti", maintain_order="left")
    if len(lost):
        raise InputError(
            f"the folds are not of these lesions: {lost['isic_id'][0]} has none ({len(lost):,} of {len(ours):,} have "
            "none)",
            fix="Make folds of this data with `isic folds`",
        )
    past = rows.frame.filter("is_past").select("isic_id", "patient_id", "lesion_id")
    if past.is_empty():
        return folds
    owners = ours.drop_nulls(["lesion_id", "patient_id"]).group_by("lesion_id").agg(owner=pl.col("patient_id").min())
    owned = past.join(owners, on="lesion_id", how="left", maintain_order="left")
    return extend_folds(folds, owned.with_columns(patient_id=pl.coalesce("patient_id", "owner")).drop("owner"))


def check_configs(configs: Sequence[ImageConfig], outs: Sequence[Path], parts: str) -> None:
    """Refuse models that cannot be trained in one call.

    Raises:
        ValueError: if there is none, or not a folder for each.
        InputError: if two have one name or folder, their threads differ, or one stops early without folds.
    """
    check_together([config.name for config in configs], [config.threads for config in configs], outs)
    for config in configs:
        if config.early_stopping is not None and parts == "all":
            raise InputError(
                f"model {config.name}: early stopping needs folds", fix="Train the folds too, or turn it off"
            )


def refuse_other(out: Path, config: ImageConfig, prepared: Prepared, folds: Folds) -> None:
    """Raise if a folder holds a whole model that differs in more than its seeds and networks.

    Raises:
        InputError: if it does.
    """
    if not (out / MODEL_DOCUMENT).exists():
        return
    there, other = read_image_record(out), None
    if replace(there.config, seeds=(0,)) != replace(config, seeds=(0,)):
        other = f"the model {there.config.name} with other settings"
    elif there.folds != folds.fingerprint:
        other = "a model of other folds"
    elif there.rows != prepared.mark:
        other = "a model of other lesions"
    if other is not None:
        raise InputError(f"{out}: holds {other}", fix="Choose another --out, or replace it with --force")


def _backbone(config: ImageConfig) -> Backbone:
    from isic_lesion.image_models.backbones import open_backbone, require_timm

    require_timm()
    import torch

    try:
        with torch.random.fork_rng(devices=[]):  # what is drawn for a module that is thrown away leaves no trace
            opened = open_backbone(config.backbone, config.weights, size=config.size, drop_path=config.drop_path)
    except InputError as error:
        raise InputError(f"model {config.name}: {error.message}", fix=error.fix) from error
    return opened._replace(module=None)


def _damaged(rows: ImageRows, file: Path, workers: int, on_checked: Callable[[int, int], None]) -> tuple[str, ...]:
    """Return the ids of damaged pictures; they are looked for once for the same pictures."""
    from isic_lesion.image_models.pictures import check_pictures

    if not file.exists():
        write_json(file, list(check_pictures(rows, "skip", workers=workers, on_progress=on_checked)))
    return tuple(read_json(file))
