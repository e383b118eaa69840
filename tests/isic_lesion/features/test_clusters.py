"""Clusters of lesions that look alike: each row goes to its nearest centre, alone as in company."""

from __future__ import annotations

import numpy as np
import pytest

from isic_lesion.features import Feature, FeatureSet, compute, fit_population
from isic_lesion.features.clusters import CLUSTER_FORMULAS, NUM_CLUSTERS, fit_clusters, nearest_cluster
from isic_lesion.features.rows import canonical_rows

Z = Feature(name="z", kind="group", formulas=("A",), group=("cluster",), statistic="z")
MEAN = Feature(name="mean", kind="group", formulas=("A",), group=("cluster",), statistic="mean")
COUNT = Feature(name="count", kind="group", group=("cluster",), statistic="count")
CHOSEN = FeatureSet(name="clusters", features=(Z, MEAN, COUNT))


def test_heaps_are_found() -> None:
    rng = np.random.default_rng(0)
    heaps = rng.normal(size=(NUM_CLUSTERS, len(CLUSTER_FORMULAS))) * 50
    whose = rng.integers(0, NUM_CLUSTERS, 3000)
    points = heaps[whose] + rng.normal(size=(3000, len(CLUSTER_FORMULAS)))
    clusters = fit_clusters(list(points.T))
    found = nearest_cluster(list(points.T), clusters)
    assert len(clusters.centres) == NUM_CLUSTERS
    # Two heaps may share a centre, but most have one each and no cluster mixes distant ones at random.
    pairs = {(int(one), int(other)) for one, other in zip(whose, found, strict=True)}
    assert len(pairs) <= NUM_CLUSTERS + 8


@pytest.mark.parametrize("number", [1, 5, 40])
def test_few_rows(number: int) -> None:
    points = list(np.random.default_rng(1).normal(size=(3, number)))
    clusters = fit_clusters(points)
    assert len(clusters.centres) == min(number, NUM_CLUSTERS)
    if number < NUM_CLUSTERS:
        assert len(set(nearest_cluster(points, clusters).tolist())) == number


def test_missing_values_and_constants() -> None:
    points = [np.array([1.0, np.nan, 3.0, 2.0]), np.full(4, 7.0), np.full(4, np.nan)]
    clusters = fit_clusters(points)
    assert np.isfinite(clusters.centres).all()
    alone = nearest_cluster([values[1:2] for values in points], clusters)
    assert alone.tolist() == nearest_cluster(points, clusters)[1:2].tolist()


def test_z_within_the_training_rows_of_a_cluster(some_rows) -> None:
    rows = some_rows(0, missing=0.0)
    training = rows.head(90)
    population = fit_population(training, CHOSEN)
    assert population.clusters is not None
    found = compute(rows, CHOSEN, population)

    def clusters_of(frame):
        sorted_rows = canonical_rows(frame, rows.columns)
        nearest = nearest_cluster([sorted_rows.values(formula) for formula in CLUSTER_FORMULAS], population.clusters)
        return nearest[sorted_rows.place]

    of_training, of_rows = clusters_of(training), clusters_of(rows)
    values = training["tbp_lv_A"].to_numpy()
    for at, row in enumerate(found.to_dicts()):
        mates = values[of_training == of_rows[at]]
        assert row["count"] == len(mates)
        assert row["mean"] == pytest.approx(mates.mean(), rel=1e-6)
        if len(mates) > 1:
            expected = (rows["tbp_lv_A"][at] - mates.mean()) / mates.std(ddof=1)
            assert row["z"] == pytest.approx(expected, rel=1e-5, abs=1e-6)
        else:
            assert np.isnan(row["z"])
