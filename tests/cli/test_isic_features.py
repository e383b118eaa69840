"""`isic features`: sets are shown, features of real lesions computed, and what is wrong told in one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from isic_lesion.data.dataset import open_lesions
from isic_lesion.features import Feature, FeatureSet, compute, fit_population, open_features, small
from isic_lesion.folds.dealing import assign_patient_folds
from isic_lesion.folds.files import write_folds
from isic_lesion.scores import write_scores


@pytest.fixture
def lesions(real_data: Path, tmp_path: Path) -> Path:
    """Write the first real lesions as a folder of their own."""
    folder = tmp_path / "data"
    folder.mkdir()
    lines = (real_data / "isic" / "train-metadata.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "train-metadata.csv").write_text("".join(lines[:301]), encoding="utf-8")
    return folder


def test_features_of_lesions(invoke, lesions: Path, tmp_path: Path) -> None:
    rows = open_lesions(lesions).read()
    folds = assign_patient_folds(rows, num_folds=3)
    write_folds(folds, tmp_path / "folds.parquet")
    arguments = ("features", lesions, "--set", "small", "--out", tmp_path / "f", "--folds", tmp_path / "folds.parquet")
    code, out, err = invoke("isic", *arguments, "--json")
    assert (code, err) == (0, "")
    made = json.loads(out)
    assert (made["set"], made["rows"], made["fits"]) == ("small", 300, ["all", 0, 1, 2])
    table = open_features(tmp_path / "f")
    assert made["features"] == len(table.names)
    expected = compute(rows, small(), fit_population(rows, small())).to_numpy()
    assert np.array_equal(table.matrix(), expected, equal_nan=True)
    code, out, err = invoke("isic", *arguments)
    assert code == 0
    assert "populations fitted on\tall rows, fold 0, fold 1, fold 2" in out


def test_folds_that_lie_here_are_taken(invoke, lesions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_folds(assign_patient_folds(open_lesions(lesions).read(), num_folds=3), Path("folds.parquet"))
    _, out, err = invoke("isic", "features", lesions, "--set", "small", "--out", "f")
    assert "folds.parquet" in err
    assert "populations fitted on\tall rows, fold 0, fold 1, fold 2" in out
    # Features of a lesion alone need none.
    own = FeatureSet(name="own", features=(Feature(name="area", kind="lesion", formulas=("tbp_lv_areaMM2",)),))
    Path("own.json").write_text(json.dumps(own.as_document()))
    _, out, err = invoke("isic", "features", lesions, "--set", "own.json", "--out", "g")
    assert "folds.parquet" not in err
    assert "populations fitted on\tall rows\n" in out


def test_image_scores_and_the_past(invoke, real_data: Path, lesions: Path, tmp_path: Path) -> None:
    rows = open_lesions(lesions).read()
    folds = assign_patient_folds(rows, num_folds=3)
    write_folds(folds, tmp_path / "folds.parquet")
    scores = rows.select("isic_id", fold=pl.Series(folds.fold_of(rows["isic_id"])), model=pl.lit("resnet18"))
    scores = scores.with_columns(score=pl.Series(np.linspace(0, 1, len(rows))))
    write_scores(tmp_path / "oof.parquet", scores, folds)
    given = ("features", lesions, "--out", tmp_path / "f", "--image-scores", tmp_path / "oof.parquet")
    code, _, err = invoke("isic", *given)
    assert code == 2
    assert "image scores need the folds" in err
    past = ("--past", real_data / "isic" / "past")
    code, out, err = invoke("isic", *given, "--folds", tmp_path / "folds.parquet", "--noise", 0.1, *past, "--json")
    assert code == 0, err
    assert json.loads(out)["set"] == "few+past+image"  # for 300 lesions
    table = open_features(tmp_path / "f")
    noisy = table.matrix(["image_resnet18"])[:, 0] - np.linspace(0, 1, len(rows))
    assert 0.05 < noisy.std() < 0.15
    assert "past_images" in table.names


def test_a_set_is_shown_and_can_be_given_back(invoke, lesions: Path, tmp_path: Path) -> None:
    code, out, err = invoke("isic", "features", "--list", "--set", "full", "--json")
    assert (code, err) == (0, "")
    document = json.loads(out)
    document["features"] = [one for one in document["features"] if one["name"].startswith("patient.z.")][:5]
    (tmp_path / "mine.json").write_text(json.dumps(document), encoding="utf-8")
    code, out, err = invoke("isic", "features", "--list", "--set", tmp_path / "mine.json")
    assert code == 0
    assert "patient.z.age_approx\tgroup\tz-score of age within patient_id" in out
    assert "5 features" in err
    code, out, _ = invoke("isic", "features", lesions, "--set", tmp_path / "mine.json", "--out", tmp_path / "f", "-q")
    assert code == 0
    assert "features\t5" in out


def test_a_feature_is_described(invoke) -> None:
    code, out, _ = invoke("isic", "features", "--set", "full", "--describe", "hospital.rank.axis_ratio", "--json")
    assert code == 0
    told = json.loads(out)
    assert told["description"] == "rank of minorAxisMM / size within attribution"
    assert told["columns"] == ["attribution", "clin_size_long_diam_mm", "tbp_lv_minorAxisMM"]
    assert told["fitted"] is True
    code, out, _ = invoke("isic", "features", "--describe", "patient.count")
    assert code == 0
    assert "number of lesions within patient_id" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--set", "smal"), "smal: no set of features of this name, and no such file. By name there are: small"),
        ((), "no FOLDER of lesions was given. Give one, or see a set with --list"),
        (("--describe", "patient.z.axis"), "is called 'patient.z.axis'. Perhaps patient.z."),
        (("--describe", "qqqqqqqq"), "See them all with: isic features --list --set small"),
        (("nowhere",), "nowhere"),
    ],
)
def test_what_is_wrong_is_told(invoke, arguments: tuple[str, ...], message: str) -> None:
    code, out, err = invoke("isic", "features", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1


def test_a_damaged_set_is_told(invoke, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text('{"name": "x", "features": [{"name": "a", "kind": "magic"}]}')
    code, _, err = invoke("isic", "features", "--list", "--set", tmp_path / "bad.json")
    assert code == 2
    assert "bad.json: a: expected a kind among" in err
