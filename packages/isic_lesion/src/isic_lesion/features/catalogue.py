"""Sets of features that are ready to use.

- `small`: a few hundred that matter most, for two cores and a quick look.
- `original`: what the gold-medal team's deck tells of: aggregates by patient, location, hospital, tile type and their
  combinations, and history by age; `original-file-order` has the team's shift by the order of the file instead.
- `full`: about 3,000.
- `few`: about 120 of the lesion itself, for some hundred to some thousand lesions (see `few`).

Scores of image models (`image_features`) and earlier contests (`past_features`) are joined to any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from isic_lesion.features.feature import CLUSTER, Feature
from isic_lesion.features.feature_set import FeatureSet
from isic_lesion.features.few import few_features
from isic_lesion.features.lesion import columns, interactions, one_hots

__all__ = [
    "CATALOGUE",
    "GROUPS",
    "count",
    "few",
    "full",
    "in_group",
    "isolation",
    "original",
    "original_file_order",
    "small",
]

GROUPS: Mapping[str, tuple[str, ...]] = {
    "patient": ("patient_id",),
    "patient_location": ("patient_id", "tbp_lv_location"),
    "patient_site": ("patient_id", "anatom_site_general"),
    "patient_tile": ("patient_id", "tbp_tile_type"),
    "location": ("tbp_lv_location",),
    "tile": ("tbp_tile_type",),
    "location_tile": ("tbp_lv_location", "tbp_tile_type"),
    "hospital": ("attribution",),
    "hospital_location": ("attribution", "tbp_lv_location"),
    "hospital_tile": ("attribution", "tbp_tile_type"),
    "cluster": (CLUSTER,),
}
"""Name -> columns of the groups of the catalogues."""

_BESIDE = ("z", "difference", "ratio", "rank")
_OF_GROUP = ("mean", "sd", "min", "max")
_FOLLOWED = (
    *("clin_size_long_diam_mm", "tbp_lv_areaMM2", "tbp_lv_minorAxisMM", "tbp_lv_perimeterMM", "tbp_lv_norm_border"),
    *("tbp_lv_norm_color", "tbp_lv_deltaLBnorm", "tbp_lv_color_std_mean", "tbp_lv_symm_2axis", "tbp_lv_L"),
    *("tbp_lv_A", "tbp_lv_B", "tbp_lv_Lext", "tbp_lv_nevi_confidence"),
)
_SHAPE = (
    *("size", "log1p(areaMM2)", "minorAxisMM / size", "eccentricity", "symm_2axis", "norm_border"),
    *("area_perim_ratio", "perimeterMM"),
)
_COLOUR = (
    *("norm_color", "color_std_mean", "radial_color_std_max", "stdL", "A", "B", "L", "H", "C"),
    *("deltaA", "deltaB", "deltaL", "deltaLBnorm"),
)
_NEIGHBOURS = 20
_SUMMED = ("tbp_lv_areaMM2", "clin_size_long_diam_mm", "tbp_lv_perimeterMM")


def in_group(group: str, statistic: str, measure: Feature) -> Feature:
    """Return a statistic of a lesion's measure within a group, such as `patient.z.axis_ratio`.

    Args:
        group: a key of `GROUPS`.
        statistic: one of `feature.STATISTICS["group"]` but "count".
        measure: a feature of kind lesion.
    """
    return Feature(
        name=f"{group}.{statistic}.{measure.name}",
        kind="group",
        formulas=measure.formulas,
        group=GROUPS[group],
        statistic=statistic,
    )


def count(group: str) -> Feature:
    """Return the number of lesions in a row's group, such as `patient.count`."""
    return Feature(name=f"{group}.count", kind="group", group=GROUPS[group], statistic="count")


def isolation() -> tuple[Feature, ...]:
    """Return how isolated a lesion is among its patient's by shape and colour, by shape, and by colour."""
    return tuple(
        Feature(
            name=f"patient.isolation{of}",
            kind="outlier",
            formulas=formulas,
            statistic="local_outlier_factor",
            neighbours=_NEIGHBOURS,
        )
        for of, formulas in (("", (*_SHAPE, *_COLOUR)), (".shape", _SHAPE), (".colour", _COLOUR))
    )


def small() -> FeatureSet:
    """Return a few hundred features: the lesion, and foremost the lesion beside its patient's others."""
    measures = (*columns(), *interactions())
    wanted = {"patient": ("z", "rank"), "patient_location": ("z",)}
    features = [
        *one_hots("sex", "anatom_site_general", "tbp_tile_type", "tbp_lv_location", "attribution"),
        *(count(group) for group in ("patient", "patient_location", "patient_site")),
        *_measured(measures, wanted),
        *_aggregated(columns(), {"patient": ("mean",), "hospital": ("z",)}),
        *_sums(("patient", "patient_site")),
        *isolation()[:1],
        *_history(("number", "years")),
    ]
    return FeatureSet(name="small", features=tuple(features))


def original() -> FeatureSet:
    """Return what the team's deck describes, with history by age."""
    return FeatureSet(name="original", features=(*_aggregates(), *_history(("previous", "change", "number", "years"))))


def original_file_order() -> FeatureSet:
    """Return what the team's deck describes, with the team's own shift: the row before in the file, whatever its age.

    Its features depend on the order of the rows, and may look ahead.
    """
    shifts = tuple(
        Feature(name=f"file_order.{statistic}.{column}", kind="file_order", formulas=(column,), statistic=statistic)
        for column in _FOLLOWED
        for statistic in ("previous", "change")
    )
    return FeatureSet(name="original-file-order", features=(*_aggregates(), *shifts))


def _aggregates() -> tuple[Feature, ...]:
    groups = (
        *("patient", "location", "hospital", "tile", "patient_location", "patient_tile", "location_tile"),
        *("hospital_location", "hospital_tile"),
    )
    statistics = ("z", "difference", "rank", *_OF_GROUP)
    features = [
        *one_hots(),
        *(count(group) for group in groups),
        *interactions(),
        *_measured(columns(), dict.fromkeys(groups, statistics)),
    ]
    return tuple(features)


def full() -> FeatureSet:
    """Return about 3,000 features."""
    measures = (*columns(), *interactions())
    wanted: dict[str, tuple[str, ...]] = {
        "patient": (*_BESIDE, *_OF_GROUP),
        "patient_location": _BESIDE,
        "patient_site": _BESIDE,
        "patient_tile": ("z",),
        "location": _BESIDE,
        "tile": _BESIDE,
        "hospital": _BESIDE,
        "hospital_location": _BESIDE,
        "cluster": ("z",),
    }
    features = [
        *one_hots(),
        *(count(group) for group in GROUPS),
        *_measured(measures, wanted),
        *_aggregated(columns(), {"hospital": ("mean", "sd"), "hospital_location": ("mean",)}),
        *_sums(("patient", "patient_site", "patient_location")),
        *isolation(),
        *_history(("previous", "change", "change_per_year", "number", "years")),
    ]
    return FeatureSet(name="full", features=tuple(features))


def few() -> FeatureSet:
    """Return about 120 features of the lesion itself, for some hundred to some thousand lesions."""
    return FeatureSet(name="few", features=few_features())


CATALOGUE: Mapping[str, Callable[[], FeatureSet]] = {
    "small": small,
    "original": original,
    "original-file-order": original_file_order,
    "full": full,
    "few": few,
}
"""Name -> the function that returns the set."""


def _measured(measures: Iterable[Feature], wanted: Mapping[str, Sequence[str]]) -> list[Feature]:
    """Return each measure followed by its statistics: what is computed together stands together."""
    return [one for measure in measures for one in (measure, *_aggregated([measure], wanted))]


def _aggregated(measures: Iterable[Feature], wanted: Mapping[str, Sequence[str]]) -> list[Feature]:
    return [
        in_group(group, statistic, measure)
        for measure in measures
        for group, statistics in wanted.items()
        for statistic in statistics
    ]


def _sums(groups: Iterable[str]) -> list[Feature]:
    summed = [measure for measure in columns() if measure.name in _SUMMED]
    return [in_group(group, "sum", measure) for group in groups for measure in summed]


def _history(statistics: Sequence[str]) -> list[Feature]:
    measured = [statistic for statistic in statistics if statistic not in ("number", "years")]
    return [
        *(
            Feature(name=f"history.{statistic}", kind="history", statistic=statistic)
            for statistic in statistics
            if statistic not in measured
        ),
        *(
            Feature(name=f"history.{statistic}.{column}", kind="history", formulas=(column,), statistic=statistic)
            for column in _FOLLOWED
            for statistic in measured
        ),
    ]
