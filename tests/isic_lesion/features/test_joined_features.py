"""Scores of image models and earlier contests become features like any others."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from isic_lesion.features import compute, image_features, join_scores, past_features, unseen_scores
from isic_lesion.folds.dealing import Folds
from isic_lesion.past.history import HISTORY_COLUMNS


def scores_of(rows: pl.DataFrame, *models: str) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    return pl.concat(
        [
            rows.select(
                "isic_id",
                fold=pl.lit(0, pl.UInt8),
                model=pl.lit(model),
                score=pl.Series(rng.random(len(rows))),
            )
            for model in models
        ]
    )


def test_a_score_beside_its_patients(some_rows) -> None:
    rows = some_rows(0)
    scores = scores_of(rows, "convnext_small.fb_in22k", "resnet18")
    joined = join_scores(rows, scores.sample(fraction=1, shuffle=True, seed=1))
    chosen = image_features(["convnext_small.fb_in22k", "resnet18"])
    found = compute(joined, chosen)
    score = scores.head(len(rows))["score"]
    column = "image_convnext_small_fb_in22k"
    assert found[column].to_numpy() == pytest.approx(score.to_numpy())
    assert found[f"{column}.logit"].to_numpy() == pytest.approx(np.log(score / (1 - score)), rel=1e-4, abs=1e-5)
    for patient in rows["patient_id"].unique():
        own = (rows["patient_id"] == patient).to_numpy()
        mine = score.to_numpy()[own]
        assert found[f"patient.ratio.{column}"].to_numpy()[own] == pytest.approx(mine / mine.mean(), rel=1e-4)
        expected = (mine.argsort().argsort() + 0.5) / len(mine)
        assert found[f"patient.rank.{column}"].to_numpy()[own] == pytest.approx(expected)
        if len(mine) > 1:
            expected = (mine - mine.mean()) / mine.std(ddof=1)
            assert found[f"patient.z.{column}"].to_numpy()[own] == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_noise_is_seeded_and_as_wide_as_asked(some_rows) -> None:
    rows = some_rows(0, lesions=3000)
    scores = scores_of(rows, "m", "n")
    plain = join_scores(rows, scores)
    noisy = join_scores(rows, scores, noise_sd=0.1, seed=5)
    apart = (noisy["image_m"] - plain["image_m"]).to_numpy()
    assert abs(apart.std() - 0.1) < 0.01
    assert abs(apart.mean()) < 0.01
    assert not np.allclose(apart, (noisy["image_n"] - plain["image_n"]).to_numpy())
    backwards = join_scores(rows.reverse(), scores.reverse(), noise_sd=0.1, seed=5)
    assert backwards.reverse().equals(noisy)
    assert not join_scores(rows, scores, noise_sd=0.1, seed=6).equals(noisy)


def test_lesions_with_no_score_or_several(some_rows) -> None:
    rows = some_rows(0)
    scores = scores_of(rows, "m").head(2)
    twice = pl.concat([scores, scores.with_columns(pl.col("score") + 0.5, fold=pl.lit(1, pl.UInt8)).head(1)])
    joined = join_scores(rows, twice)["image_m"]
    assert joined[0] == pytest.approx(scores["score"][0] + 0.25)
    assert joined[1] == scores["score"][1]
    assert joined.null_count() == len(rows) - 2
    found = compute(join_scores(rows, twice), image_features(["m"]))
    assert found["image_m"].is_nan().sum() == len(rows) - 2


def test_what_cannot_be_joined(some_rows) -> None:
    rows = some_rows(0)
    scores = scores_of(rows, "m")
    with pytest.raises(ValueError, match="noise_sd >= 0"):
        join_scores(rows, scores, noise_sd=-1)
    with pytest.raises(ValueError, match="without a column 'image_m'"):
        join_scores(join_scores(rows, scores), scores)
    with pytest.raises(ValueError, match="twice"):
        image_features(["a.b", "a_b"])


def test_columns_of_earlier_contests(some_rows) -> None:
    rows = some_rows(0).with_columns(pl.lit(2.0).alias(name) for name in HISTORY_COLUMNS)
    rows = rows.with_columns(past_years=pl.lit(None, pl.Float64))
    found = compute(rows, past_features())
    assert found.columns == list(HISTORY_COLUMNS)
    assert found["past_images"].unique().to_list() == [2.0]
    assert all(math.isnan(value) for value in found["past_years"])


def test_a_score_that_has_seen_the_hospital_is_no_feature() -> None:
    frame = pl.DataFrame(
        {"isic_id": ["a", "b", "c", "d"], "patient_id": ["p", "q", "r", "s"], "fold": [0, 1, 1, 0]},
        schema_overrides={"fold": pl.UInt8},
    ).with_columns(hospital_fold=pl.Series([1, 1, 0, None], dtype=pl.UInt8))
    folds = Folds(frame=frame, scheme="hospitals", num_folds=2, seed=0)
    rounds = [("a", 0, 0.9), ("a", 1, 0.1), ("b", 1, 0.2), ("c", 0, 0.3), ("c", 1, 0.8), ("d", 0, 0.4)]
    scores = pl.DataFrame(rounds, schema=["isic_id", "fold", "score"], orient="row").with_columns(
        pl.col("fold").cast(pl.UInt8), model=pl.lit("net")
    )
    kept = unseen_scores(scores.select("isic_id", "fold", "model", "score"), folds)
    assert dict(kept.select("isic_id", "score").iter_rows()) == {"a": 0.1, "b": 0.2, "c": 0.3, "d": 0.4}
    assert kept.columns == ["isic_id", "fold", "model", "score"]
