"""A set of features as a JSON file. (io)"""

from __future__ import annotations

from pathlib import Path

from furikaeri_common.artifacts import read_json, write_json
from furikaeri_common.errors import InputError
from isic_lesion.features.feature_set import FeatureSet

__all__ = ["read_feature_set", "write_feature_set"]


def write_feature_set(feature_set: FeatureSet, path: Path) -> None:
    """Write a set of features as JSON."""
    write_json(path, feature_set.as_document())


def read_feature_set(path: Path) -> FeatureSet:
    """Read a set of features from JSON.

    Raises:
        InputError: if the file is missing, not JSON, or no set; the message names the file and the feature.
    """
    try:
        return FeatureSet.from_document(read_json(path))
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
