"""Table models as folders: what they were trained with, their boosters, and how they scored. (io)

    model.json                      configuration, features in order, folds, hospitals, files and their digests, quality
    boosters/fold-<k>-seed-<s>.*    those of round k: XGBoost's `.ubj` or LightGBM's `.txt`
    boosters/all-seed-<s>.*         those trained on all rows
    oof.parquet                     out-of-fold scores (see `scores`)
    importances.parquet             feature, fold, seed, gain, splits

`model.json` is written last, so a folder that has one is whole. Opening a stranger's folder runs none of its code.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.artifacts import atomic_writer, write_bytes, write_json
from furikaeri_common.errors import InputError
from isic_lesion.boosters.booster import Booster, Matrix, sigmoid
from isic_lesion.boosters.cross_validation import Part
from isic_lesion.boosters.files import load_booster
from isic_lesion.boosters.out_of_fold import mean_log_odds
from isic_lesion.model_documents import AGAIN, MODEL_DOCUMENT, read_model_document
from isic_lesion.scores import write_scores
from isic_lesion.table_models.inference import blank_unknown
from isic_lesion.table_models.records import BOOSTER_FILE, FORMAT, KIND, ModelRecord, document_of, file_of, record_of

if TYPE_CHECKING:
    from polars import DataFrame

    from isic_lesion.folds.dealing import Folds

__all__ = ["IMPORTANCES", "OOF", "ModelRecord", "TableModel", "load_model", "read_record", "write_model"]

OOF = "oof.parquet"
IMPORTANCES = "importances.parquet"


@dataclass(frozen=True, slots=True, eq=False)
class TableModel:
    """The boosters of one round, or of all rows, ready to score.

    Args:
        record: of the whole model.
        fold: the round that they left out; None: they were trained on all rows.
        boosters: one for each seed.
    """

    record: ModelRecord
    fold: int | None
    boosters: tuple[Booster, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The features of a matrix's columns, in order."""
        return self.record.names

    @property
    def hospitals(self) -> frozenset[str]:
        """The hospitals that these boosters have seen."""
        return frozenset(self.record.hospitals["all" if self.fold is None else str(self.fold)])

    def predict(self, features: Matrix, *, known: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
        """Return each row's score: the probability of the mean log-odds of the boosters, not calibrated.

        Args:
            features: float32, NaN where missing, columns as in `names`, what is fitted on groups of rows fitted on
                the rows that the boosters were trained on; shape (N, F).
            known: whether each row's hospital was seen in training, shape (N,). A model trained on "blanked" copies
                takes the features of other hospitals as missing; any other model ignores it.

        Returns:
            float64 in [0, 1], shape (N,).

        Raises:
            TypeError: if the features are not float32.
            ValueError: if shapes are not as said.
        """
        if known is not None and known.shape != (len(features),):
            raise ValueError(f"expected known of shape ({len(features)},), got {known.shape}")
        if known is not None and self.record.config.hospital_features == "blanked":
            derived = set(self.record.hospital_names)
            features = blank_unknown(features, known, np.asarray([name in derived for name in self.names]))
        return sigmoid(mean_log_odds([booster.log_odds(features) for booster in self.boosters]))


def load_model(folder: Path, *, fold: int | None = None) -> TableModel:
    """Open a model to score with.

    Args:
        folder: the model's.
        fold: load the boosters of this round; None: those that were trained on all rows.

    Raises:
        InputError: if it is no model's folder, has no such boosters, or a file is missing, damaged, or not the one
            that `model.json` names.
    """
    folder = Path(folder)
    record = read_record(folder)
    parts = [part for part in record.rounds if part.fold == fold]
    if not parts:
        has = "those of its rounds" if fold is None else "those of all rows" if record.has_all else "others"
        wanted = "trained on all rows" if fold is None else f"of round {fold}"
        raise InputError(f"{folder}: has no boosters {wanted}, only {has}", fix="Train the model with them")
    boosters = []
    for part in parts:
        name = file_of(part, record.config)
        booster = load_booster(_checked_file(folder, name, record.digests), threads=record.config.threads)
        if booster.names != record.names:
            raise InputError(f"{folder / name}: has other features than {MODEL_DOCUMENT} says", fix=AGAIN)
        boosters.append(booster)
    return TableModel(record, fold, tuple(boosters))


def write_model(
    folder: Path,
    record: ModelRecord,
    boosters: Mapping[Part, Path],
    oof: DataFrame | None,
    importances: DataFrame,
    folds: Folds,
) -> ModelRecord:
    """Write a model's folder; files of an earlier model in it are replaced.

    Args:
        folder: made if it is missing.
        record: all but the digests.
        boosters: each part's file, which is copied.
        oof: the out-of-fold scores; None without rounds.
        importances: as `importances.importance_frame` returns them.
        folds: of the scores.

    Returns:
        The record with the digests.

    Raises:
        InputError: if the folder cannot be written.
    """
    folder = Path(folder)
    digests: dict[str, str] = {}
    if folder.is_dir():
        (folder / MODEL_DOCUMENT).unlink(missing_ok=True)
    wanted = {file_of(part, record.config) for part in boosters}
    for file in (folder / "boosters").glob("*"):
        if f"boosters/{file.name}" not in wanted and BOOSTER_FILE.fullmatch(f"boosters/{file.name}"):
            file.unlink()
    for part, path in boosters.items():
        content = path.read_bytes()
        digests[file_of(part, record.config)] = hashlib.sha256(content).hexdigest()
        write_bytes(folder / file_of(part, record.config), content)
    with atomic_writer(folder / IMPORTANCES) as stream:
        importances.write_parquet(stream)
    if oof is not None:
        write_scores(folder / OOF, oof, folds)
    else:
        (folder / OOF).unlink(missing_ok=True)
    written = record._replace(digests=digests)
    write_json(folder / MODEL_DOCUMENT, document_of(written))
    return written


def read_record(folder: Path) -> ModelRecord:
    """Read what a model's folder says of itself; its boosters are not looked at.

    Raises:
        InputError: if the folder has no `model.json`, or it is damaged or of another kind.
    """
    return read_model_document(folder, "table model", KIND, FORMAT, record_of)


def _checked_file(folder: Path, name: str, digests: Mapping[str, str]) -> Path:
    """Return a booster's path if its bytes are those that the record names."""
    path = folder / name
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        raise InputError(f"{path}: is missing", fix=AGAIN) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    if digest != digests[name]:
        raise InputError(f"{path}: is not the file that {MODEL_DOCUMENT} names (its digest differs)", fix=AGAIN)
    return path
