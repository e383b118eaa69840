"""`isic folds`: a table of rounds, a file that is not replaced unasked, and one clear line for what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from isic_lesion.data.schema import columns_of
from isic_lesion.folds.dealing import assign_hospital_folds, assign_patient_folds
from isic_lesion.folds.files import read_folds

ROWS = 240


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with a train table of made-up lesions."""
    write_table(tmp_path / "data" / "train-metadata.csv", lesions())
    return tmp_path / "data"


def lesions() -> pl.DataFrame:
    rng = np.random.default_rng(3)
    owner = rng.integers(0, 30, ROWS)
    return pl.DataFrame(
        {
            "isic_id": [f"ISIC_{number:07d}" for number in range(ROWS)],
            "target": (rng.random(ROWS) < 0.2).astype(np.int8),
            "patient_id": [f"IP_{name:07d}" for name in owner],
            "attribution": [f"Hospital {name % 3}" for name in owner],
        }
    )


def write_table(file: Path, given: pl.DataFrame) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    empty = [pl.lit("").alias(column.name) for column in columns_of("train") if column.name not in given.columns]
    given.with_columns(empty).select(column.name for column in columns_of("train")).write_csv(file)


def test_folds_are_those_of_the_library(invoke, data: Path, tmp_path: Path) -> None:
    for scheme, assign in (("patients", assign_patient_folds), ("hospitals", assign_hospital_folds)):
        out = tmp_path / f"{scheme}.parquet"
        arguments = ("isic", "folds", data, "--out", out, "--scheme", scheme, "--folds", 4, "--seed", 7)
        code, printed, err = invoke(*arguments, "--json")
        assert (code, err) == (0, "")
        document = json.loads(printed)
        expected = assign(lesions(), num_folds=4, seed=7)
        assert read_folds(out).fingerprint == expected.fingerprint == document["fingerprint"]
        assert (document["written"], document["scheme"], document["seed"]) == (True, scheme, 7)
        assert sum(k["held_out"] - k["unseen"] * (scheme == "hospitals") for k in document["rounds"]) <= ROWS
        assert {name for k in document["rounds"] for name in k["unseen_hospitals"]} == (
            {"Hospital 0", "Hospital 1", "Hospital 2"} if scheme == "hospitals" else set()
        )


def test_the_table_tells_each_round(invoke, data: Path, tmp_path: Path) -> None:
    code, printed, err = invoke("isic", "folds", data, "--out", tmp_path / "f.parquet")
    assert code == 0
    header, *rows = (line.split("\t") for line in printed.splitlines())
    assert header == ["fold", "training", "held out", "malignant", "patients", "with malignant", "hospitals"]
    assert [row[0] for row in rows] == list("01234")
    assert sum(int(row[2]) for row in rows) == ROWS
    assert sum(int(row[3]) for row in rows) == lesions()["target"].sum()
    assert err == f"Kept in {tmp_path / 'f.parquet'}\n"
    _, printed, _ = invoke("isic", "folds", data, "--out", tmp_path / "h.parquet", "--scheme", "hospitals", "--quiet")
    assert printed.splitlines()[0].endswith("hospitals\tunseen\tunseen malignant\tunseen hospitals")


def test_other_folds_are_not_replaced_unasked(invoke, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "folds.parquet"
    assert invoke("isic", "folds", data, "--out", out).code == 0
    before = out.read_bytes()
    code, _, err = invoke("isic", "folds", data, "--out", out)
    assert (code, err) == (0, f"The same folds are already in {out}\n")
    code, printed, err = invoke("isic", "folds", data, "--out", out, "--seed", 1)
    assert (code, printed) == (2, "")
    assert err == (
        f"isic: {out}: holds other folds; what was made with them could no longer be used."
        " Choose another --out, or replace them with --force\n"
    )
    assert out.read_bytes() == before
    assert invoke("isic", "folds", data, "--out", out, "--seed", 1, "--force").code == 0
    assert out.read_bytes() != before
    out.write_text("mine")
    code, _, err = invoke("isic", "folds", data, "--out", out)
    assert code == 2
    assert f"{out}: is not a Parquet file" in err
    assert out.read_text() == "mine"


def test_folds_that_lack_malignant_lesions_are_warned_of(invoke, data: Path, tmp_path: Path) -> None:
    few = lesions().with_columns(target=(pl.col("patient_id") == "IP_0000004").cast(pl.Int8))
    write_table(data / "train-metadata.csv", few)
    code, _, err = invoke("isic", "folds", data, "--out", tmp_path / "f.parquet", "--quiet")
    assert code == 0
    assert err.startswith("warning: no malignant lesion in fold ")
    assert err.count(",") == 3


def test_what_is_wrong_is_one_line(invoke, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "f.parquet"
    for arguments, message in (
        ((tmp_path, "--out", out), f"{tmp_path}"),
        ((data, "--out", out, "--folds", 31), "30 patients cannot fill 31 folds. Ask for fewer folds"),
        ((data, "--out", out, "--folds", 1), "--folds"),
        ((data, "--out", out, "--scheme", "hospital"), "'hospital' is not one of 'patients', 'hospitals'"),
        ((data, "--out", data), f"{data}: cannot be read"),
    ):
        code, printed, err = invoke("isic", "folds", *arguments)
        assert (code, printed) == (2, "")
        assert message in err
        assert err.count("\n") == 1
    assert not out.exists()
    write_table(data / "train-metadata.csv", lesions().with_columns(attribution=pl.lit("Only")))
    code, _, err = invoke("isic", "folds", data, "--out", out, "--scheme", "hospitals")
    assert code == 2
    assert "only 'Only' is named in column attribution: none can be held out. Use the scheme `patients`" in err


def test_help_imports_neither_tables_nor_models() -> None:
    code = (
        "import sys\nfrom furikaeri_cli.main import run\n"
        "assert run('isic', ['folds', '--help']) == 0\nassert run('isic', ['stack', '--help']) == 0\n"
        "print(sorted({'polars', 'numpy', 'sklearn', 'optuna', 'isic_lesion'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
