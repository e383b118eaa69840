"""Features of lesions: what they are, how they are computed, and where they are kept."""

from isic_lesion.features.catalogue import CATALOGUE, full, original, small
from isic_lesion.features.computing import compute
from isic_lesion.features.feature import Feature
from isic_lesion.features.feature_set import FeatureSet
from isic_lesion.features.image_features import image_features, join_scores, unseen_scores
from isic_lesion.features.past_features import past_features
from isic_lesion.features.population import Population, fit_population
from isic_lesion.features.population_files import read_population, write_population
from isic_lesion.features.set_files import read_feature_set, write_feature_set
from isic_lesion.features.table import FeatureTable, open_features
from isic_lesion.features.writing import write_features

__all__ = [
    "CATALOGUE",
    "Feature",
    "FeatureSet",
    "FeatureTable",
    "Population",
    "compute",
    "fit_population",
    "full",
    "image_features",
    "join_scores",
    "open_features",
    "original",
    "past_features",
    "read_feature_set",
    "read_population",
    "small",
    "unseen_scores",
    "write_feature_set",
    "write_features",
    "write_population",
]
