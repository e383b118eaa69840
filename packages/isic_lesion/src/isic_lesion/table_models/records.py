"""What a table model's `model.json` says: enough to score with its boosters, and to know where they come from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from furikaeri_common.documents import jsonable
from isic_lesion.boosters.config import BoosterConfig
from isic_lesion.boosters.cross_validation import Part
from isic_lesion.boosters.files import SUFFIXES
from isic_lesion.boosters.out_of_fold import FoldQuality

__all__ = ["BOOSTER_FILE", "FORMAT", "KIND", "ModelRecord", "document_of", "file_of", "record_of"]

KIND = "isic table model"
FORMAT = 1
BOOSTER_FILE = re.compile(r"boosters/(?:fold-(?P<fold>\d{1,2})|all)-seed-(?P<seed>\d{1,10})\.(?:ubj|txt|safetensors)")
_NOTICE = "Not a medical device. Trained on lesions whose licences may forbid commercial use."


class ModelRecord(NamedTuple):
    """What `model.json` says.

    Attributes:
        config: what the model was trained with.
        names: of its features, in order.
        hospital_names: those of them that are derived from the hospital.
        features: fingerprint of the set of its features.
        rows: fingerprint of the rows they were computed from.
        folds: fingerprint of its folds.
        scheme: of its folds.
        num_folds: how many rounds there are.
        hospitals: "all" or the round's number -> the hospitals of the training rows, sorted.
        rounds: of trees, of each part's booster.
        quality: of the out-of-fold scores, round by round and together; empty without rounds.
        digests: file below the folder -> SHA-256.
    """

    config: BoosterConfig
    names: tuple[str, ...]
    hospital_names: tuple[str, ...]
    features: str
    rows: str
    folds: str
    scheme: str
    num_folds: int
    hospitals: Mapping[str, tuple[str, ...]]
    rounds: Mapping[Part, int]
    quality: tuple[FoldQuality, ...]
    digests: Mapping[str, str]

    @property
    def has_rounds(self) -> bool:
        """Whether it has the boosters of its rounds, and out-of-fold scores."""
        return any(part.fold is not None for part in self.rounds)

    @property
    def has_all(self) -> bool:
        """Whether it has boosters that were trained on all rows."""
        return any(part.fold is None for part in self.rounds)


def file_of(part: Part, config: BoosterConfig) -> str:
    """Return the name of a part's file below the model's folder."""
    return f"boosters/{part.name}{SUFFIXES[config.library]}"


def document_of(record: ModelRecord) -> dict[str, Any]:
    """Return the record as JSON has it."""
    return {
        "kind": KIND,
        "format": FORMAT,
        "notice": _NOTICE,
        "config": record.config.to_json(),
        "features": {
            "fingerprint": record.features,
            "rows": record.rows,
            "names": list(record.names),
            "of_hospital": list(record.hospital_names),
        },
        "folds": {"fingerprint": record.folds, "scheme": record.scheme, "number": record.num_folds},
        "hospitals": jsonable(record.hospitals),
        "boosters": [
            {"file": name, "fold": part.fold, "seed": part.seed, "rounds": rounds, "sha256": record.digests[name]}
            for part, rounds in record.rounds.items()
            for name in (file_of(part, record.config),)
        ],
        "quality": jsonable(record.quality),
    }


def record_of(document: Mapping[str, Any]) -> ModelRecord:
    """Return the record that `document_of` made a document of.

    Raises:
        ValueError: if a value is not what it should be.
        KeyError, TypeError, AttributeError: if one is missing or of another type.
    """
    config = BoosterConfig.from_json(document["config"])
    names = _texts("features.names", document["features"]["names"])
    hospital_names = _texts("features.of_hospital", document["features"]["of_hospital"])
    if not names or len(set(names)) < len(names) or not set(hospital_names) <= set(names):
        raise ValueError("expected distinct names of features, those of the hospital among them")
    rounds: dict[Part, int] = {}
    digests: dict[str, str] = {}
    for entry in document["boosters"]:
        part = Part(entry["fold"], entry["seed"])
        matched = BOOSTER_FILE.fullmatch(str(entry["file"]))
        if matched is None or entry["file"] != file_of(part, config) or part in rounds:
            raise ValueError(f"expected distinct boosters of its parts, got {str(entry['file'])[:80]!r}")
        rounds[part] = int(entry["rounds"])
        digests[str(entry["file"])] = str(entry["sha256"])
    hospitals = {str(fit): _texts("hospitals", seen) for fit, seen in document["hospitals"].items()}
    for part in rounds:
        if ("all" if part.fold is None else str(part.fold)) not in hospitals:
            raise ValueError(f"expected the hospitals of {part.name}")
    return ModelRecord(
        config=config,
        names=names,
        hospital_names=hospital_names,
        features=str(document["features"]["fingerprint"]),
        rows=str(document["features"]["rows"]),
        folds=str(document["folds"]["fingerprint"]),
        scheme=str(document["folds"]["scheme"]),
        num_folds=int(document["folds"]["number"]),
        hospitals=hospitals,
        rounds=rounds,
        quality=tuple(FoldQuality(**entry) for entry in document["quality"]),
        digests=digests,
    )


def _texts(what: str, values: Sequence[Any]) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"expected {what} as a list of texts")
    return tuple(values)
