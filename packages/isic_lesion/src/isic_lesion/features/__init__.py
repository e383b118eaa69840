"""Features of lesions: what they are, how they are computed, and where they are kept."""

from isic_lesion.features.catalogue import CATALOGUE, full, original, small
from isic_lesion.features.computing import compute
from isic_lesion.features.feature import Feature, FeatureSet
from isic_lesion.features.population import Population, fit_population
from isic_lesion.features.population_files import read_population, write_population
from isic_lesion.features.storage import (
    FeatureTable,
    open_features,
    read_feature_set,
    write_feature_set,
    write_features,
)

__all__ = [
    "CATALOGUE",
    "Feature",
    "FeatureSet",
    "FeatureTable",
    "Population",
    "compute",
    "fit_population",
    "full",
    "open_features",
    "original",
    "read_feature_set",
    "read_population",
    "small",
    "write_feature_set",
    "write_features",
    "write_population",
]
