"""What an image model's `model.json` says: enough to score with its networks, and to know where they come from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from furikaeri_common.configs import config_from
from furikaeri_common.documents import jsonable
from furikaeri_common.errors import InputError
from isic_lesion.boosters.cross_validation import Part
from isic_lesion.boosters.out_of_fold import FoldQuality
from isic_lesion.image_models.config import ImageConfig

__all__ = [
    "FORMAT",
    "HISTORY",
    "KIND",
    "OOF",
    "WEIGHTS_FILE",
    "ImageModelRecord",
    "PartRecord",
    "Parts",
    "document_of",
    "file_of",
    "image_parts",
    "record_of",
]

Parts = Literal["both", "folds", "all"]
"""Which networks a model gets: those of the folds, those of all rows, or both."""

KIND = "isic image model"
FORMAT = 1
OOF = "oof.parquet"
HISTORY = "history.parquet"
WEIGHTS_FILE = re.compile(r"weights/(?:fold-\d{1,2}|all)-seed-\d{1,10}\.safetensors")
_NOTICE = "Not a medical device. Trained on lesions whose licences may forbid commercial use."
_DIGEST = re.compile(r"[0-9a-f]{64}")


class PartRecord(NamedTuple):
    """How one network was trained.

    Attributes:
        epochs: how many it was trained for; with early stopping, those up to the kept one.
        steps: of the optimiser.
        rows: it could train on.
        seconds_per_epoch: the mean.
        images_per_second: training pictures, over all epochs.
        peak_bytes: the most memory: of the device, or of the process where that is the processor.
        device: where it was trained, such as "cpu".
    """

    epochs: int
    steps: int
    rows: int
    seconds_per_epoch: float
    images_per_second: float
    peak_bytes: int
    device: str


class ImageModelRecord(NamedTuple):
    """What `model.json` says.

    Attributes:
        config: what the model was trained with.
        weights: SHA-256 of the weights that it began with; empty where they were random.
        size: side of the square picture that its networks see, in pixels.
        mean, std: of the channels, by which pictures are normalised.
        interpolation: by which pictures are resized.
        num_weights: of one network's backbone.
        rows: fingerprint of its lesions and their pictures.
        lesions: how many there are of this contest.
        past_lesions: and of past ones.
        folds: fingerprint of this contest's folds.
        scheme: of its folds.
        num_folds: how many folds there are.
        parts: how each network was trained.
        quality: of the out-of-fold scores of this contest's rows, fold by fold and together; empty without folds.
        past_quality: of those of past rows together; None where there are none.
        bad: ids of the lesions whose pictures are damaged; they were neither trained on nor scored.
        digests: file below the folder -> SHA-256.
    """

    config: ImageConfig
    weights: str
    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: Literal["bilinear", "bicubic"]
    num_weights: int
    rows: str
    lesions: int
    past_lesions: int
    folds: str
    scheme: str
    num_folds: int
    parts: Mapping[Part, PartRecord]
    quality: tuple[FoldQuality, ...]
    past_quality: FoldQuality | None
    bad: tuple[str, ...]
    digests: Mapping[str, str]

    @property
    def has_folds(self) -> bool:
        """Whether it has the networks of its folds, and out-of-fold scores."""
        return any(part.fold is not None for part in self.parts)

    @property
    def has_all(self) -> bool:
        """Whether it has networks that were trained on all rows."""
        return any(part.fold is None for part in self.parts)


def image_parts(config: ImageConfig, num_folds: int, parts: Parts = "both") -> list[Part]:
    """Return the networks of a model: fold by fold, then those of all rows; seeds in their order."""
    folds: list[int | None] = [*(range(num_folds) if parts != "all" else ()), *([None] if parts != "folds" else ())]
    return [Part(fold, seed) for fold in folds for seed in config.seeds]


def file_of(part: Part) -> str:
    """Return the name of a network's file below the model's folder."""
    return f"weights/{part.name}.safetensors"


def document_of(record: ImageModelRecord) -> dict[str, Any]:
    """Return the record as JSON has it."""
    return {
        "kind": KIND,
        "format": FORMAT,
        "notice": _NOTICE,
        "config": record.config.to_json(),
        "backbone": {
            "began_with": record.weights,
            "num_weights": record.num_weights,
            "size": record.size,
            "mean": list(record.mean),
            "std": list(record.std),
            "interpolation": record.interpolation,
        },
        "rows": {
            "fingerprint": record.rows,
            "lesions": record.lesions,
            "past_lesions": record.past_lesions,
            "bad": list(record.bad),
        },
        "folds": {"fingerprint": record.folds, "scheme": record.scheme, "number": record.num_folds},
        "networks": [
            {"file": file_of(part), "fold": part.fold, "seed": part.seed, **how._asdict()}
            for part, how in record.parts.items()
        ],
        "quality": jsonable(record.quality),
        "past_quality": jsonable(record.past_quality),
        "digests": dict(record.digests),
    }


def record_of(document: Mapping[str, Any]) -> ImageModelRecord:
    """Return the record that `document_of` made a document of.

    Raises:
        ValueError: if a value is not what it should be.
        KeyError, TypeError, AttributeError: if one is missing or of another type.
    """
    try:
        config = config_from(ImageConfig, document["config"], source="config")
    except InputError as error:
        raise ValueError(str(error)) from error
    backbone, rows, folds = document["backbone"], document["rows"], document["folds"]
    parts: dict[Part, PartRecord] = {}
    for entry in document["networks"]:
        part = Part(entry["fold"], entry["seed"])
        if entry["file"] != file_of(part) or not WEIGHTS_FILE.fullmatch(entry["file"]) or part in parts:
            raise ValueError(f"expected distinct networks of its folds, got {str(entry['file'])[:80]!r}")
        parts[part] = PartRecord(**{name: entry[name] for name in PartRecord._fields})
    digests = {str(name): str(digest) for name, digest in document["digests"].items()}
    for name in map(file_of, parts):
        if not _DIGEST.fullmatch(digests[name]):
            raise ValueError(f"expected the digest of {name}, got {digests[name][:80]!r}")
    past = document["past_quality"]
    return ImageModelRecord(
        config=config,
        weights=str(backbone["began_with"]),
        size=int(backbone["size"]),
        mean=_channels(backbone["mean"]),
        std=_channels(backbone["std"]),
        interpolation="bicubic" if backbone["interpolation"] == "bicubic" else "bilinear",
        num_weights=int(backbone["num_weights"]),
        rows=str(rows["fingerprint"]),
        lesions=int(rows["lesions"]),
        past_lesions=int(rows["past_lesions"]),
        folds=str(folds["fingerprint"]),
        scheme=str(folds["scheme"]),
        num_folds=int(folds["number"]),
        parts=parts,
        quality=tuple(FoldQuality(**entry) for entry in document["quality"]),
        past_quality=None if past is None else FoldQuality(**past),
        bad=tuple(map(str, rows["bad"])),
        digests=digests,
    )


def _channels(values: Any) -> tuple[float, float, float]:
    red, green, blue = map(float, values)
    return red, green, blue
