"""Folds on disk: one Parquet file that says itself what it is. (io)

Its columns are those of `Folds.frame`, its rows sorted by isic_id; scheme, number of folds, seed and fingerprint are in
the file's metadata, so that one file is the whole artefact and tables that are made with it can name it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from furikaeri_common.artifacts import atomic_writer
from furikaeri_common.errors import InputError
from isic_lesion.folds.dealing import Folds
from isic_lesion.parquet import read_parquet

if TYPE_CHECKING:
    from polars import DataFrame

__all__ = ["check_patients", "read_folds", "write_folds"]

_FORMAT = "furikaeri folds 1"
_AGAIN = "Make it with `isic folds`"


def write_folds(folds: Folds, path: Path) -> None:
    """Write folds atomically; the same folds give the same bytes.

    Raises:
        InputError: if the file cannot be written there.
    """
    metadata = {
        "format": _FORMAT,
        "scheme": folds.scheme,
        "num_folds": str(folds.num_folds),
        "seed": str(folds.seed),
        "fingerprint": folds.fingerprint,
    }
    with atomic_writer(path) as stream:
        folds.frame.sort("isic_id").write_parquet(stream, metadata=metadata)


def read_folds(path: Path) -> Folds:
    """Read the folds that `write_folds` wrote.

    Raises:
        InputError: if the file is missing, is not of this kind, or its rows are not those it was written with.
    """
    frame, metadata = read_parquet(path, fix=_AGAIN)
    if metadata.get("format") != _FORMAT:
        raise InputError(f"{path}: holds no folds", fix=_AGAIN)
    try:
        scheme = metadata["scheme"]
        if scheme not in ("patients", "hospitals"):
            raise ValueError(f"expected scheme 'patients' or 'hospitals', got {scheme!r}")
        folds = Folds(
            frame=frame,
            scheme="patients" if scheme == "patients" else "hospitals",
            num_folds=int(metadata["num_folds"]),
            seed=int(metadata["seed"]),
        )
    except (KeyError, ValueError) as error:
        raise InputError(f"{path}: holds no usable folds ({error})", fix=_AGAIN) from error
    if folds.fingerprint != metadata.get("fingerprint"):
        raise InputError(f"{path}: was changed after it was written", fix=_AGAIN)
    return folds


def check_patients(folds: Folds, lesions: DataFrame, file: Path) -> None:
    """Refuse folds that were dealt when lesions had other patients: they could train on whom they hold out.

    Args:
        folds: who is held out when.
        lesions: isic_id and patient_id; those without a fold do not count.
        file: of the folds, for the message.

    Raises:
        InputError: if a lesion has another patient than in the folds.
    """
    both = lesions.select("isic_id", "patient_id").join(folds.frame, on="isic_id", maintain_order="left")
    other = both.filter(both["patient_id"].ne_missing(both["patient_id_right"]))
    if len(other):
        raise InputError(
            f"{file}: {other['isic_id'][0]} is of another patient there ({len(other)} of {len(both)} lesions are)",
            fix="Make folds of this data with `isic folds`",
        )
