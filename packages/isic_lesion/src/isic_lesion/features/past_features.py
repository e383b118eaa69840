"""What earlier contests knew of a patient, as features of the columns that `past_history.join_past` adds."""

from __future__ import annotations

from isic_lesion.features.feature import Feature
from isic_lesion.features.feature_set import FeatureSet
from isic_lesion.past.history import HISTORY_COLUMNS

__all__ = ["past_features"]


def past_features() -> FeatureSet:
    """Return the joined columns as features, NaN where nothing of a patient is known; add them with `joined`."""
    features = tuple(Feature(name=column, kind="lesion", formulas=(column,)) for column in HISTORY_COLUMNS)
    return FeatureSet(name="past", features=features)
