"""`isic report`: files or a run's folder in, one page out, and one clear line for what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from isic_lesion import partial_auc
from isic_lesion.data.schema import columns_of
from isic_lesion.folds.dealing import assign_patient_folds
from isic_lesion.folds.files import write_folds
from isic_lesion.scores import write_scores


@pytest.fixture
def lesions() -> pl.DataFrame:
    rng = np.random.default_rng(0)
    number = 240
    known = {
        "isic_id": [f"ISIC_{row:07}" for row in range(number)],
        "target": (rng.random(number) < 0.2).astype(np.int8),
        "patient_id": [f"IP_{row:07}" for row in rng.integers(0, 40, number)],
        "sex": ["male", "female"] * (number // 2),
        "attribution": ["ACEMID MIA", "University Hospital of Basel"] * (number // 2),
        "copyright_license": ["CC-BY"] * number,
    }
    columns = [
        pl.Series(one.name, known[one.name]) if one.name in known else pl.lit(None, pl.String).alias(one.name)
        for one in columns_of("train")
    ]
    return pl.DataFrame({"isic_id": known["isic_id"]}).select(columns)


@pytest.fixture
def folder(tmp_path: Path, lesions: pl.DataFrame) -> Path:
    """A folder of data, scores of two models, and folds."""
    (tmp_path / "data").mkdir()
    lesions.write_csv(tmp_path / "data" / "train-metadata.csv")
    folds = assign_patient_folds(lesions)
    write_folds(folds, tmp_path / "folds.parquet")
    rng = np.random.default_rng(1)
    for name in ("gbdt", "image"):
        score = rng.normal(size=len(lesions)) + 2 * lesions["target"].to_numpy()
        frame = lesions.select("isic_id").with_columns(
            fold=pl.Series(folds.fold_of(lesions["isic_id"])), model=pl.lit(name), score=pl.Series(score)
        )
        write_scores(tmp_path / f"{name}.parquet", frame, folds)
    return tmp_path


def test_a_page_of_files(invoke: Callable, folder: Path, lesions: pl.DataFrame) -> None:
    out = folder / "made" / "report.html"
    arguments = ["isic", "report", "--data", folder / "data", "--folds", folder / "folds.parquet", "--resamples", 40]
    scores = [argument for name in ("gbdt", "image") for argument in ("--scores", folder / f"{name}.parquet")]
    code, printed, err = invoke(*arguments, *scores, "--out", out, "--json")
    assert (code, err) == (0, "")
    document = json.loads(printed)
    assert document["path"] == str(out)
    assert document["size"] == out.stat().st_size
    values = pl.read_parquet(folder / "gbdt.parquet").sort("isic_id")["score"]
    found = {model["name"]: model["partial_auc"]["value"] for model in document["models"]}
    assert found["gbdt"] == pytest.approx(partial_auc(lesions["target"], values))
    assert [row["group"] for row in document["models"][0]["groups"]["sex"]] == ["female", "male"]
    page = out.read_text(encoding="utf-8")
    assert "This is no medical device." in page
    assert "patients, 5 of them, seed 42" in page
    code, printed, err = invoke(*arguments, *scores, "--out", out, "--model", "image")
    assert code == 0
    assert printed.splitlines()[1].startswith("image\t")
    assert "no medical device" in err
    assert invoke(*arguments, *scores, "--out", out, "--quiet").err == ""


def test_scores_in_a_csv(invoke: Callable, folder: Path) -> None:
    frame = pl.read_parquet(folder / "gbdt.parquet").drop("model").with_columns(fold=None)
    frame.write_csv(folder / "mine.csv")
    out = folder / "report.html"
    code, printed, _ = invoke(
        "isic", "report", "--data", folder / "data", "--scores", folder / "mine.csv", "--resamples", 0, "--out", out
    )
    assert code == 0
    name, area, interval, *_ = printed.splitlines()[1].split("\t")
    assert (name, interval) == ("mine", "")
    assert float(area) > 0.02
    assert "pAUC by fold" not in out.read_text(encoding="utf-8")


def test_without_truth(invoke: Callable, folder: Path, lesions: pl.DataFrame) -> None:
    lesions.select(one.name for one in columns_of("test")).write_csv(folder / "data" / "test-metadata.csv")
    pl.read_parquet(folder / "gbdt.parquet").with_columns(fold=None).write_csv(folder / "mine.csv")
    arguments = [
        "--data",
        folder / "data",
        "--split",
        "test",
        "--scores",
        folder / "mine.csv",
        "--out",
        folder / "t.html",
    ]
    code, printed, err = invoke("isic", "report", *arguments)
    assert code == 0
    assert printed.splitlines()[1].split("\t")[0] == "gbdt"
    assert "truth is not known" in err
    assert json.loads(invoke("isic", "report", *arguments, "--json").out)["models"] == []


def test_a_run(invoke: Callable, folder: Path, lesions: pl.DataFrame) -> None:
    run = folder / "run"
    for place in ("data", "scores", "models/gbdt"):
        (run / place).mkdir(parents=True)
    lesions.write_parquet(run / "data" / "train.parquet")
    (folder / "gbdt.parquet").rename(run / "scores" / "gbdt.parquet")
    (folder / "folds.parquet").rename(run / "folds.parquet")
    pl.DataFrame({"feature": ["clin_size"], "gain": [1.0]}).write_parquet(run / "models/gbdt/importances.parquet")
    code, _, err = invoke("isic", "report", "--run", run, "--out", run / "report.html", "--resamples", 20)
    assert code == 0, err
    assert "clin_size" in (run / "report.html").read_text(encoding="utf-8")
    code, _, err = invoke("isic", "report", "--run", run, "--scores", folder / "image.parquet")
    assert code == 2
    assert "come from the run" in err


def test_what_is_wrong_is_one_line(invoke: Callable, folder: Path, lesions: pl.DataFrame) -> None:
    data, scores = folder / "data", folder / "gbdt.parquet"
    other = folder / "other.csv"
    other.write_text("isic_id,fold,score\nISIC_9,,0.5\n")
    (folder / "empty").mkdir()
    lesions.select("isic_id").write_parquet(folder / "x.parquet")
    for arguments, message in (
        ([], "a report needs --data and --scores, or --run"),
        (["--data", data], "a report needs --data and --scores, or --run"),
        (["--run", folder / "none"], "none: no such folder"),
        (["--run", folder / "empty"], "empty: holds no scores"),
        (["--data", data, "--scores", folder / "none.csv"], "none.csv: no such file"),
        (["--data", data, "--scores", folder / "x.parquet"], "x.parquet: no column 'fold'"),
        (["--data", folder / "none", "--scores", scores], "none"),
        (["--data", data, "--scores", other], "ISIC_9, scored by 'other', is not among the lesions"),
        (["--data", data, "--scores", scores, "--folds", scores], "gbdt.parquet: holds no folds"),
        (["--data", data, "--scores", scores, "--stack", folder / "empty"], "empty: holds no stack"),
        (["--data", data, "--scores", scores, "--importances", scores], "gbdt.parquet: no columns feature and"),
        (["--data", data, "--scores", scores, "--model", "xgb"], "no scores of a model 'xgb'"),
        (["--data", data, "--scores", scores, "--out", data], "data: is a folder"),
        (["--data", data, "--scores", scores, "--split", "test"], "test-metadata"),
    ):
        code, out, err = invoke("isic", "report", *arguments, "--json")
        assert (code, out, err.count("\n")) == (2, "", 1), (arguments, err)
        assert message in err


def test_help_imports_neither_tables_nor_plots() -> None:
    code = (
        "import sys\nfrom furikaeri_cli.main import run\n"
        "assert run('isic', ['report', '--help']) == 0\n"
        "print(sorted({'polars', 'numpy', 'matplotlib', 'jinja2', 'isic_lesion'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "isic report --run" in done.stdout
    assert done.stderr == "[]\n"
