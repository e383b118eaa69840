"""Image models as folders: what they were trained with, their networks' weights, and how they scored. (io)

    model.json                              configuration, input, folds, files and their digests, quality, speed
    weights/fold-<k>-seed-<s>.safetensors   networks that fold k was held out from
    weights/all-seed-<s>.safetensors        those trained on all rows
    oof.parquet                             out-of-fold scores, of past rows too (see `scores`)
    history.parquet                         of each network and epoch: losses by head, learning rates, seconds

`model.json` is written last, so a folder that has one is whole. Opening a stranger's folder runs none of its code.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from furikaeri_common.artifacts import atomic_writer, sha256_of, sync_folder, write_json
from furikaeri_common.errors import InputError
from furikaeri_common.tensors import unpack_tensors
from isic_lesion.boosters.cross_validation import Part
from isic_lesion.image_models.backbones import InputSpec
from isic_lesion.image_models.config import ImageConfig
from isic_lesion.image_models.heads import heads_of
from isic_lesion.image_models.records import (
    FORMAT,
    HISTORY,
    KIND,
    OOF,
    WEIGHTS_FILE,
    ImageModelRecord,
    document_of,
    file_of,
    record_of,
)
from isic_lesion.model_documents import AGAIN, MODEL_DOCUMENT, read_model_document
from isic_lesion.scores import write_scores

if TYPE_CHECKING:
    from polars import DataFrame

    from isic_lesion.folds.dealing import Folds

__all__ = [
    "ImageModel",
    "load_image_model",
    "network_with",
    "place_file",
    "read_image_record",
    "write_image_model",
]


@dataclass(frozen=True, slots=True, eq=False)
class ImageModel:
    """The networks of one fold, or of all rows, ready to score.

    Args:
        folder: where they were read from.
        record: of the whole model.
        fold: that they were not trained on; None: they were trained on all rows.
        networks: one `network.Network` for each seed, in their order, on the processor, in evaluation mode.
        inputs: what pictures they take.
    """

    folder: Path
    record: ImageModelRecord
    fold: int | None
    networks: tuple[Any, ...]
    inputs: InputSpec

    @property
    def parts(self) -> tuple[Part, ...]:
        """Which network each of them is."""
        return tuple(part for part in self.record.parts if part.fold == self.fold)


def load_image_model(folder: Path, fold: int | None = None) -> ImageModel:
    """Open a model to score with.

    Args:
        folder: the model's.
        fold: load the networks that this fold was held out from; None: those that were trained on all rows.

    Raises:
        InputError: if it is no model's folder, has no such networks, or a file is missing, damaged, or not the one
            that `model.json` names.
        MissingExtraError: without torch and timm.
    """
    folder = Path(folder)
    record = read_image_record(folder)
    parts = [part for part in record.parts if part.fold == fold]
    if not parts:
        has = "those of its folds" if fold is None else "those of all rows" if not record.has_folds else "others"
        wanted = "trained on all rows" if fold is None else f"of fold {fold}"
        raise InputError(f"{folder}: has no networks {wanted}, only {has}", fix="Train the model with them")
    inputs = InputSpec(record.size, record.mean, record.std, record.interpolation)
    return ImageModel(
        folder, record, fold, tuple(_read_network(folder, part, record, inputs) for part in parts), inputs
    )


def read_image_record(folder: Path) -> ImageModelRecord:
    """Read what a model's folder says of itself; its networks are not looked at.

    Raises:
        InputError: if the folder has no `model.json`, or it is damaged or of another kind.
    """
    return read_model_document(folder, "image model", KIND, FORMAT, record_of)


def write_image_model(
    folder: Path,
    record: ImageModelRecord,
    networks: Mapping[Part, Path],
    oof: DataFrame | None,
    history: DataFrame,
    folds: Folds,
    *,
    base: Folds,
) -> ImageModelRecord:
    """Write a model's folder; files of an earlier model in it are replaced.

    Args:
        folder: made if it is missing.
        record: all but the digests.
        networks: each one's file, which gets a second name there, or is copied where the file system has no such.
        oof: the out-of-fold scores; None without folds.
        history: of each network and epoch.
        folds: of the scores.
        base: this contest's part of them.

    Returns:
        The record with the digests.

    Raises:
        InputError: if the folder cannot be written.
    """
    folder = Path(folder)
    if folder.is_dir():
        (folder / MODEL_DOCUMENT).unlink(missing_ok=True)
    wanted = {file_of(part) for part in networks}
    for file in (folder / "weights").glob("*"):
        if f"weights/{file.name}" not in wanted and WEIGHTS_FILE.fullmatch(f"weights/{file.name}"):
            file.unlink()
    names = [*wanted, HISTORY]
    for part, path in networks.items():
        place_file(path, folder / file_of(part))
    with atomic_writer(folder / HISTORY) as stream:
        history.write_parquet(stream)
    if oof is not None:
        write_scores(folder / OOF, oof, folds, base=base)
        names.append(OOF)
    else:
        (folder / OOF).unlink(missing_ok=True)
    written = record._replace(digests={name: sha256_of(folder / name) for name in sorted(names)})
    write_json(folder / MODEL_DOCUMENT, document_of(written))
    return written


def place_file(source: Path, target: Path) -> None:
    """Put a file in its place at once, without its bytes lying on the disk twice if that can be."""
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(source, temporary)
        temporary.replace(target)
        sync_folder(target.parent)
    except OSError:
        with source.open("rb") as stream, atomic_writer(target) as copy:
            shutil.copyfileobj(stream, copy, 2**20)
    finally:
        temporary.unlink(missing_ok=True)  # two names of one file: a rename between them does nothing


def network_with(config: ImageConfig, inputs: InputSpec, state: Mapping[str, NDArray[Any]]) -> Any:
    """Return a network with given weights, on the processor, in evaluation mode.

    Args:
        config: of the model.
        inputs: what pictures it takes.
        state: its weights, by name.

    Raises:
        ValueError: if they are not those of such a network.
    """
    import torch

    from isic_lesion.image_models.network import build_network, load_state

    with torch.random.fork_rng(devices=[]):  # what is drawn to build it is of no consequence, here and elsewhere
        network = build_network(config, heads_of(config), weights="none", inputs=inputs)
    load_state(network, state)
    network.eval()
    return network


def _read_network(folder: Path, part: Part, record: ImageModelRecord, inputs: InputSpec) -> Any:
    """Return a network with the weights of a file, if its bytes are those that the record names."""
    name = file_of(part)
    path = folder / name
    if not path.is_file():
        raise InputError(f"{path}: is missing", fix=AGAIN)
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != record.digests[name]:
        raise InputError(f"{path}: is not the file that {MODEL_DOCUMENT} names (its digest differs)", fix=AGAIN)
    try:
        return network_with(record.config, inputs, unpack_tensors(content)[1])
    except ValueError as error:
        raise InputError(f"{path}: holds no weights of this network ({error})", fix=AGAIN) from error
