"""`isic stack`: the library's figures and files, out of Parquet and CSV, and one clear line for what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest

from isic_lesion.data.schema import columns_of
from isic_lesion.folds.dealing import Folds, assign_hospital_folds, assign_patient_folds
from isic_lesion.folds.files import write_folds
from isic_lesion.metrics.ordering import partial_auc
from isic_lesion.scores import read_scores, write_scores
from isic_lesion.stack.files import read_stack

ROWS = 400


class Made(NamedTuple):
    """What a user has before stacking."""

    data: Path
    folds_file: Path
    folds: Folds
    oof: Path
    metadata: pl.DataFrame

    @property
    def options(self) -> tuple[object, ...]:
        return ("--folds", self.folds_file, "--data", self.data, "--trials", 30)


@pytest.fixture(params=["patients"])
def made(request, tmp_path: Path) -> Made:
    """Folds, a train table, and out-of-fold scores of a model with two seeds and one without."""
    rng = np.random.default_rng(3)
    owner = rng.integers(0, 40, ROWS)
    metadata = pl.DataFrame(
        {
            "isic_id": [f"ISIC_{number:07d}" for number in range(ROWS)],
            "target": (rng.random(ROWS) < 0.2).astype(np.int8),
            "patient_id": [f"IP_{name:07d}" for name in owner],
            "attribution": [f"Hospital {name % 3}" for name in owner],
        }
    )
    write_table(tmp_path / "data" / "train-metadata.csv", metadata, "train")
    folds = (assign_patient_folds if request.param == "patients" else assign_hospital_folds)(metadata, num_folds=3)
    write_folds(folds, tmp_path / "folds.parquet")
    made = Made(tmp_path / "data", tmp_path / "folds.parquet", folds, tmp_path / "oof", metadata)
    for model, worth in (("gbdt#1", 1.5), ("gbdt#2", 1.5), ("image", 1.0)):
        write_scores(made.oof / f"{model}.parquet", scores_of(made, model, worth), folds)
    return made


def write_table(file: Path, given: pl.DataFrame, split: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    names = [column.name for column in columns_of(split)]
    given.with_columns(pl.lit("").alias(name) for name in names if name not in given.columns).select(names).write_csv(
        file
    )


def scores_of(made: Made, model: str, worth: float) -> pl.DataFrame:
    frame = made.folds.frame
    rows = frame.select("isic_id", "fold")
    if made.folds.scheme == "hospitals":
        elsewhere = frame.filter(pl.col("fold") != pl.col("hospital_fold"))
        rows = pl.concat([rows, elsewhere.select("isic_id", fold="hospital_fold")])
    target = rows.join(made.metadata, on="isic_id", maintain_order="left")["target"].to_numpy()
    noise = np.random.default_rng(sum(map(ord, model))).normal(size=len(rows))
    return rows.with_columns(model=pl.lit(model), score=pl.Series(worth * target + noise))


def test_a_stack_is_made_of_files(invoke, made: Made, tmp_path: Path) -> None:
    out = tmp_path / "stack"
    code, printed, err = invoke("isic", "stack", *made.options, "--scores", made.oof, "--out", out, "--json")
    assert (code, err) == (0, "")
    document = json.loads(printed)
    assert [line["scores"] for line in document["blends"]["all"]["lines"]] == [
        "gbdt",
        "image",
        "equal weights",
        "stack",
        "stack, nested",
    ]
    stack = read_stack(out / "stack.json")
    assert document["weights_known"] == pytest.approx(stack.weights_known)
    assert stack.config.trials == 30
    own = read_scores(out / "scores.parquet", made.folds)
    target = own.join(made.metadata, on="isic_id", maintain_order="left")["target"]
    assert partial_auc(target, own["score"]) == pytest.approx(document["blends"]["all"]["lines"][-1]["pooled"])
    assert document["coverage"] == [
        {
            "model": model,
            "rows": ROWS,
            "lesions": ROWS,
            "missing": 0,
            "per_fold": np.bincount(made.folds.frame["fold"]).tolist(),
        }
        for model in ("gbdt", "image")
    ]
    files = {name: (out / name).read_bytes() for name in ("stack.json", "scores.parquet")}
    assert invoke("isic", "stack", *made.options, "--scores", made.oof, "--out", out).code == 0
    assert files == {name: (out / name).read_bytes() for name in files}
    assert not (out / "submission.csv").exists()


def test_weights_may_be_equal(invoke, made: Made, tmp_path: Path) -> None:
    options = (*made.options, "--scores", made.oof, "--out", tmp_path / "stack", "--weights", "equal", "--json")
    code, printed, _ = invoke("isic", "stack", *options)
    assert code == 0
    document = json.loads(printed)
    assert document["weights_known"] == {"gbdt": 0.5, "image": 0.5}
    assert [line["scores"] for line in document["blends"]["all"]["lines"]][-1] == "stack"


def test_a_table_for_people_and_files_named_by_a_shell(invoke, made: Made, tmp_path: Path) -> None:
    files = sorted(made.oof.glob("*.parquet"))
    code, printed, err = invoke("isic", "stack", *made.options, "--out", tmp_path / "s", "--scores", *files)
    assert code == 0
    header, *rows = (line.split("\t") for line in printed.splitlines())
    assert header == ["hospitals", "scores", "weight", "pooled pAUC", "mean of folds", "sd of folds"]
    assert [row[0] for row in rows] == ["all"] * 5
    assert sum(float(row[2]) for row in rows[:2]) == pytest.approx(1)
    assert [row[2] for row in rows[2:]] == [""] * 3
    assert f"weights were chosen on {ROWS} lesions ({made.metadata['target'].sum()} malignant)" in err
    assert "these folds hold out no hospital" in err
    assert "no medical device" in err
    quiet = invoke("isic", "stack", *made.options, "--out", tmp_path / "s", "--scores", made.oof, "--quiet")
    assert (quiet.out, quiet.err) == (printed, "")


def test_ones_own_model_in_a_csv(invoke, made: Made, tmp_path: Path) -> None:
    mine = tmp_path / "mine.csv"
    scores_of(made, "mine", 2.0).drop("model").filter(pl.col("isic_id") != "ISIC_0000005").write_csv(mine)
    code, printed, err = invoke(
        "isic", "stack", *made.options, "--out", tmp_path / "s", "--scores", made.oof, "--scores", mine
    )
    assert code == 0
    assert "all\tmine\t" in printed
    assert "warning: mine: 1 of 400 lesions have no score\n" in err
    assert "399 lesions" in err
    assert "1 that some model has not scored are left out" in err


@pytest.mark.parametrize("made", ["hospitals"], indirect=True)
def test_unknown_hospitals(invoke, made: Made, tmp_path: Path) -> None:
    code, printed, err = invoke(
        "isic", "stack", *made.options, "--out", tmp_path / "s", "--scores", made.oof, "--unknown", "im*"
    )
    assert code == 0
    assert {line.split("\t")[0] for line in printed.splitlines()[1:]} == {"known", "unknown"}
    assert "weights of unknown hospitals were chosen on 400 lesions" in err
    assert read_stack(tmp_path / "s" / "stack.json").weights_unknown == {"image": 1.0}
    read_scores(tmp_path / "s" / "scores.parquet", made.folds)
    apart = made.folds.frame.filter(pl.col("fold") != pl.col("hospital_fold")).select("isic_id", "fold")
    for file in made.oof.glob("*"):
        write_scores(file, read_scores(file).join(apart, on=["isic_id", "fold"], how="semi"), made.folds)
    code, _, err = invoke("isic", "stack", *made.options, "--out", tmp_path / "s", "--scores", made.oof, "--quiet")
    assert code == 0
    assert "warning: no score is of a held-out hospital" in err


def test_a_test_set_is_stacked_too(invoke, made: Made, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    lesions = pl.DataFrame(
        {
            "isic_id": [f"TEST_{number}" for number in range(20)],
            "patient_id": ["IP_X"] * 20,
            "attribution": ["Hospital 1"] * 15 + ["Elsewhere"] * 5,
        }
    )
    test = tmp_path / "test.csv"
    pl.concat(
        lesions.select("isic_id", fold=pl.lit(None, pl.UInt8), model=pl.lit(model), score=pl.Series(rng.random(20)))
        for model in ("gbdt#a", "gbdt#b", "gbdt#c", "image")
    ).write_csv(test)
    arguments = ("isic", "stack", *made.options, "--out", tmp_path / "s", "--scores", made.oof, test)
    code, _, err = invoke(*arguments)
    assert code == 0
    assert "warning: there is no test-metadata.csv: all hospitals of the test set are taken to be known" in err
    all_known = pl.read_csv(tmp_path / "s" / "submission.csv")
    assert all_known.columns == ["isic_id", "target"]
    assert all_known["target"].is_between(0, 1).all()

    write_table(made.data / "test-metadata.csv", lesions.reverse(), "test")
    code, _, err = invoke(*arguments, "--unknown", "image")
    assert code == 0
    assert "submission.csv has 20 lesions, 5 of unknown hospitals" in err
    submission = pl.read_csv(tmp_path / "s" / "submission.csv")
    assert submission["isic_id"].to_list() == lesions["isic_id"].to_list()[::-1]
    image = pl.read_csv(test).filter(model="image")
    expected = image["score"].rank().to_numpy()[15:] / 20
    assert submission["target"].to_numpy()[:5][::-1] == pytest.approx(expected)

    code, _, err = invoke(*arguments[:-1], "--quiet")
    assert (code, err) == (
        0,
        f"warning: {tmp_path / 's' / 'submission.csv'} is not of this stack: no score without a fold was given\n",
    )
    write_table(made.data / "test-metadata.csv", lesions[1:], "test")
    code, _, err = invoke(*arguments)
    assert code == 2
    assert "TEST_0 has a score without a fold, but is not in the test set" in err


def test_what_is_wrong_is_one_line(invoke, made: Made, tmp_path: Path) -> None:
    other = tmp_path / "other.parquet"
    write_folds(assign_patient_folds(made.metadata, num_folds=3, seed=1), other)
    (tmp_path / "bad.csv").write_text("isic_id,fold,score\nISIC_0000001,0,high\n")
    (tmp_path / "copy").write_bytes((made.oof / "image.parquet").read_bytes())
    options = (*made.options, "--out", tmp_path / "s")
    for arguments, message in (
        (options, "no file of scores was given. Give one with --scores"),
        ((*options, "--scores", tmp_path / "none.parquet"), "none.parquet: no such file"),
        ((*options, "--scores", tmp_path / "bad.csv"), "bad.csv, line 2: expected a number in score, got 'high'"),
        ((*options, "--scores", made.oof, "--known", "lgb"), "no model matches 'lgb'. There are: gbdt, image"),
        ((*options, "--scores", made.oof, tmp_path / "copy"), "has a score of 'image' in"),
        ((*options, "--scores", made.oof, "--folds", other), "gbdt#1.parquet: gbdt#1: ISIC_"),
        ((*options, "--scores", made.oof, "--folds", made.oof / "image.parquet"), "holds no folds. Make it with"),
        ((*options, "--scores", made.oof, "--data", tmp_path), "train-metadata"),
        ((*options, "--scores", made.oof, "--trials", 0), "--trials"),
        ((*options, "--scores", made.oof, "--objective", "auc"), "'auc' is not one of 'pooled', 'mean'"),
    ):
        code, printed, err = invoke("isic", "stack", *arguments)
        assert (code, printed) == (2, ""), message
        assert message in err
        assert err.count("\n") == 1
    assert not (tmp_path / "s").exists()
