"""Features on disk: the same values, per fold, resumed where they were left, refused where they are damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from furikaeri_common.errors import InputError
from isic_lesion.features import (
    FeatureSet,
    compute,
    fit_population,
    open_features,
    read_feature_set,
    read_population,
    small,
    write_feature_set,
    write_features,
    write_population,
)
from isic_lesion.folds.dealing import Folds


def some_folds(rows: pl.DataFrame, *, seed: int = 0) -> Folds:
    number = rows["patient_id"].str.slice(3).cast(pl.UInt8)
    frame = rows.select("isic_id", "patient_id", fold=(number + seed) % 3, hospital_fold=pl.lit(None, pl.UInt8))
    return Folds(frame=frame.cast({"fold": pl.UInt8}), scheme="patients", num_folds=3, seed=seed)


def equal(one: np.ndarray, other: np.ndarray) -> bool:
    return one.dtype == other.dtype == np.float32 and np.array_equal(one, other, equal_nan=True)


def test_a_matrix_is_what_is_computed(some_rows, tmp_path: Path) -> None:
    rows, chosen = some_rows(1), small()
    folds = some_folds(rows)
    table = write_features(rows, chosen, tmp_path / "f", folds, threads=2)
    assert (table.names, table.fits) == (chosen.names, ("all", 0, 1, 2))
    assert table.isic_ids.to_list() == rows["isic_id"].to_list()
    assert equal(table.matrix(), compute(rows, chosen, fit_population(rows, chosen)).to_numpy())
    for k in range(3):
        training, _ = folds.split(rows["isic_id"], k)
        expected = compute(rows, chosen, fit_population(rows.filter(pl.Series(training)), chosen)).to_numpy()
        assert equal(table.matrix(fit=k), expected)
        assert not equal(table.matrix(fit=k), table.matrix())


def test_parts_of_a_matrix(some_rows, tmp_path: Path) -> None:
    rows, chosen = some_rows(2), small()
    table = write_features(rows, chosen, tmp_path)
    whole = table.matrix()
    names = [*chosen.names[::-7], chosen.names[0]]
    at = [chosen.names.index(name) for name in names]
    assert equal(table.matrix(names), whole[:, at])
    assert table.matrix([]).shape == (len(rows), 0)
    mask = np.arange(len(rows)) % 3 == 0
    assert equal(table.matrix(names, mask), whole[mask][:, at])
    places = np.array([5, 3, 5, 0])
    assert equal(table.matrix(rows=places), whole[places])
    chunks = list(table.chunks(50, names))
    assert [chunk[0] for chunk in chunks] == [slice(0, 50), slice(50, 100), slice(100, 120)]
    assert equal(np.vstack([chunk[1] for chunk in chunks]), whole[:, at])
    with pytest.raises(ValueError, match="expected a fit among all, got 0"):
        table.matrix(fit=0)
    with pytest.raises(ValueError, match="expected names of features"):
        table.matrix(["nothing"])


def test_what_is_there_is_not_computed_again(some_rows, tmp_path: Path) -> None:
    rows, chosen = some_rows(3), small()
    before = write_features(rows, chosen, tmp_path, some_folds(rows)).matrix(fit=1)
    files = sorted(tmp_path.glob("*.parquet"))
    born = {file.name: file.stat().st_mtime_ns for file in files}
    content = {file.name: file.read_bytes() for file in files}
    (tmp_path / "features.json").unlink()
    (tmp_path / "own-001.parquet").unlink()
    (tmp_path / "fold-1-000.parquet").write_bytes(b"PAR1 half a file")
    with pytest.raises(InputError, match="was not finished"):
        open_features(tmp_path)
    steps: list[tuple[int, int]] = []
    table = write_features(rows, chosen, tmp_path, some_folds(rows), on_progress=lambda *step: steps.append(step))
    assert equal(table.matrix(fit=1), before)
    again = {file.name for file in files if file.stat().st_mtime_ns != born[file.name]}
    assert again == {"own-001.parquet", "fold-1-000.parquet", "isic_ids.parquet"}
    assert {file.name: file.read_bytes() for file in files} == content
    assert steps[-1][0] == steps[-1][1]


def test_other_rows_and_features_are_computed_again(some_rows, tmp_path: Path) -> None:
    rows, chosen = some_rows(4), small()
    write_features(rows, chosen, tmp_path, some_folds(rows))
    changed = rows.with_columns(pl.col("tbp_lv_A") + 1)
    assert equal(
        write_features(changed, chosen, tmp_path).matrix(),
        compute(changed, chosen, fit_population(changed, chosen)).to_numpy(),
    )
    assert not list(tmp_path.glob("fold-*"))
    fewer = chosen.select(chosen.names[:5], name="fewer")
    assert write_features(rows, fewer, tmp_path).names == fewer.names
    backwards = rows.reverse()
    assert equal(write_features(backwards, fewer, tmp_path).matrix(), compute(rows, fewer).to_numpy()[::-1])


def test_damage_is_told(some_rows, tmp_path: Path) -> None:
    rows, chosen = some_rows(5), small()
    table = write_features(rows, chosen, tmp_path)
    (tmp_path / "own-000.parquet").write_bytes(b"no")
    with pytest.raises(InputError, match=r"own-000\.parquet: is missing or damaged"):
        table.matrix()
    (tmp_path / "features.json").write_text('{"format": 1}')
    with pytest.raises(InputError, match="is no record of features"):
        open_features(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        open_features(tmp_path / "nowhere")


def test_folds_of_other_rows(some_rows, tmp_path: Path) -> None:
    rows = some_rows(6)
    with pytest.raises(InputError, match="the folds are not of these rows"):
        write_features(rows, small(), tmp_path, some_folds(rows.head(50)))


def test_a_population_round_trips(some_rows, tmp_path: Path) -> None:
    from isic_lesion.features import full

    rows, chosen = some_rows(7), full()
    population = fit_population(rows.head(80), chosen)
    write_population(population, tmp_path / "p.parquet")
    again = read_population(tmp_path / "p.parquet")
    assert (again.keys, again.num_rows) == (population.keys, 80)
    here, there = compute(rows, chosen, population), compute(rows, chosen, again)
    assert here.equals(there, null_equal=True)
    nothing = FeatureSet(name="none", features=())
    write_population(fit_population(rows, nothing), tmp_path / "none.parquet")
    assert read_population(tmp_path / "none.parquet").measures == {}
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match="damaged"):
        read_population(tmp_path / "x.parquet")
    rows.write_parquet(tmp_path / "rows.parquet")
    with pytest.raises(InputError, match="is no population"):
        read_population(tmp_path / "rows.parquet")


def test_a_set_round_trips(tmp_path: Path) -> None:
    chosen = small()
    write_feature_set(chosen, tmp_path / "set.json")
    assert read_feature_set(tmp_path / "set.json") == chosen
    (tmp_path / "bad.json").write_text('{"name": "x", "features": [{"name": "a", "kind": "lesion"}]}')
    with pytest.raises(InputError, match=r"bad\.json: a: expected one formula, got 0"):
        read_feature_set(tmp_path / "bad.json")
