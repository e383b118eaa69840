"""Scores by lesion, round and model: what breaks the contract is told with the file, the model and the lesion."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from furikaeri_common.errors import InputError
from isic_lesion.folds.dealing import Folds, assign_hospital_folds, assign_patient_folds
from isic_lesion.past.history import extend_folds
from isic_lesion.scores import (
    average_members,
    check_scores,
    coverage_of,
    read_many_scores,
    read_scores,
    write_scores,
)

METADATA = pl.DataFrame(
    {
        "isic_id": [f"ISIC_{number:02d}" for number in range(40)],
        "patient_id": [f"IP_{number // 2}" for number in range(40)],
        "target": [int(number % 5 == 0) for number in range(40)],
        "attribution": [f"H{number // 2 % 3}" for number in range(40)],
    }
)
SHAPE = "Scores have the columns isic_id, fold, model and score"


def scores_of(folds: Folds, model: str = "gbdt", seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    rows = folds.frame.select("isic_id", "fold")
    if folds.scheme == "hospitals":
        elsewhere = folds.frame.filter(pl.col("fold") != pl.col("hospital_fold"))
        rows = pl.concat([rows, elsewhere.select("isic_id", fold="hospital_fold")])
    return rows.with_columns(model=pl.lit(model), score=pl.Series(rng.normal(size=len(rows))))


def test_files_come_back_sorted_whatever_the_order(tmp_path: Path) -> None:
    for assign in (assign_patient_folds, assign_hospital_folds):
        folds = assign(METADATA)
        scores = pl.concat([scores_of(folds, "b"), scores_of(folds, "a", 1)])
        write_scores(tmp_path / "1", scores, folds)
        write_scores(
            tmp_path / "2", scores.sample(fraction=1, shuffle=True, seed=1).select(scores.columns[::-1]), folds
        )
        assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()
        assert read_scores(tmp_path / "1", folds).equals(scores.sort("isic_id", "fold", "model"))
        assert read_scores(tmp_path / "1").equals(read_scores(tmp_path / "1", folds))
        assert pl.read_parquet_metadata(tmp_path / "1")["folds"] == folds.fingerprint


def test_a_csv_is_as_good(tmp_path: Path) -> None:
    folds = assign_patient_folds(METADATA)
    scores = scores_of(folds)
    scores.write_csv(tmp_path / "x.csv")
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress((tmp_path / "x.csv").read_bytes()))
    expected = scores.sort("isic_id")
    assert read_scores(tmp_path / "x.csv", folds).equals(expected)
    assert read_scores(tmp_path / "x.csv.gz", folds).equals(expected)
    scores.drop("model").with_columns(more=1).write_csv(tmp_path / "gbdt.fold.csv")
    assert read_scores(tmp_path / "gbdt.fold.csv", folds).equals(expected)
    test = tmp_path / "test.csv"
    test.write_text("\ufeffisic_id,fold,model,score\nISIC_A,,m, 1e-3 \nISIC_B,,m,2\n")
    assert read_scores(test, folds).rows() == [("ISIC_A", None, "m", 0.001), ("ISIC_B", None, "m", 2.0)]


def test_no_score_without_folds_may_have_a_fold(tmp_path: Path) -> None:
    scores = scores_of(assign_patient_folds(METADATA))
    with pytest.raises(ValueError, match="expected folds"):
        write_scores(tmp_path / "x", scores)
    with pytest.raises(ValueError, match="expected columns"):
        write_scores(tmp_path / "x", scores.with_columns(more=1))
    write_scores(tmp_path / "x", scores.with_columns(isic_id="T" + pl.col("isic_id"), fold=pl.lit(None, pl.UInt8)))
    assert read_scores(tmp_path / "x", assign_patient_folds(METADATA))["fold"].null_count() == 40


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "x.csv: is empty. " + SHAPE),
        ("isic_id,fold,score\n", "x.csv: holds no scores"),
        ("id,fold,score\na,1,2\n", "x.csv: no column 'isic_id'. " + SHAPE),
        ("isic_id,score\na,2\n", "x.csv: no column 'fold'. " + SHAPE),
        ("isic_id,fold,score\na,1,2\nb,1,x\n", "x.csv, line 3: expected a number in score, got 'x'"),
        ("isic_id,fold,score\na,-1,2\n", "x.csv, line 2: expected a whole number from 0 in fold, got '-1'"),
        ("isic_id,fold,score\na,1.5,2\n", "x.csv, line 2: expected a whole number from 0 in fold, got '1.5'"),
        ("isic_id,fold,score\na,1,\n", "x.csv: x: expected a finite score of a, got None"),
        ("isic_id,fold,score\na,1,NaN\n", "x.csv: x: expected a finite score of a, got nan"),
        ("isic_id,fold,score\na,1,inf\nb,1,inf\n", "x: expected a finite score of a, got inf (2 rows in all)"),
        ("isic_id,fold,score\n,1,2\n", "x.csv: has a row without an isic_id"),
        ("isic_id,fold,model,score\na,1,,2\n", "x.csv: a has a score of no model"),
        ("isic_id,fold,score\na,1,2\nb,1,2\na,1,3\n", "x.csv: x: a is there more than once in fold 1 (2 rows in all)"),
        ("isic_id,fold,score\na,,2\na,,3\n", "x.csv: x: a is there more than once without a fold"),
        ("isic_id,fold,score\na,1,2,3\n", "x.csv: is neither Parquet nor CSV"),
        ("\x00PK\x03\xff,", "x.csv: no column 'isic_id'"),
    ],
)
def test_what_is_no_file_of_scores_is_told(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "x.csv"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        read_scores(file)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_scores(tmp_path / "none.csv")
    with pytest.raises(InputError, match="cannot be read"):
        read_scores(tmp_path)
    (tmp_path / "x.csv").write_bytes(b"isic_id,fold,score\n\xff\xfe,1,2\n")
    with pytest.raises(InputError, match=r"x.csv: is neither Parquet nor CSV"):
        read_scores(tmp_path / "x.csv")
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(b"isic_id,fold,score\na,1,2\n" * 99)[:-20])
    with pytest.raises(InputError, match=r"x.csv.gz: "):
        read_scores(tmp_path / "x.csv.gz")
    pl.DataFrame({"isic_id": ["a"], "fold": [300], "model": ["m"], "score": [1.0]}).write_parquet(tmp_path / "x")
    with pytest.raises(InputError, match="a column is not of its type"):
        read_scores(tmp_path / "x")


def test_scores_of_other_folds_are_refused(tmp_path: Path) -> None:
    folds, others = assign_patient_folds(METADATA), assign_patient_folds(METADATA, seed=1)
    file = tmp_path / "x.parquet"
    write_scores(file, scores_of(others), others)
    ours, theirs = (dict(zip(of.frame["isic_id"], of.frame["fold"], strict=True)) for of in (folds, others))
    first = min(name for name in ours if ours[name] != theirs[name])
    differing = sum(ours[name] != theirs[name] for name in ours)
    with pytest.raises(InputError) as caught:
        read_scores(file, folds)
    assert str(caught.value) == (
        f"{file}: gbdt: {first} was held out in fold {theirs[first]}, but is in fold {ours[first]} of the folds"
        f" ({differing} rows in all). Give the folds that it was scored with, or score the model again with these"
    )
    few = Folds(frame=folds.frame[1:], scheme="patients", num_folds=5, seed=0)
    with pytest.raises(InputError, match="gbdt: ISIC_00 is in fold 1, but not in the folds at all"):
        check_scores(scores_of(folds).with_columns(fold=1), few)
    with pytest.raises(InputError, match="gbdt: ISIC_00 has no fold, but is in fold"):
        check_scores(scores_of(folds).with_columns(fold=pl.lit(None, pl.UInt8)), folds)


def test_scores_of_another_scheme_are_refused(tmp_path: Path) -> None:
    by_patient, by_hospital = assign_patient_folds(METADATA), assign_hospital_folds(METADATA)
    write_scores(tmp_path / "p", scores_of(by_patient), by_patient)
    with pytest.raises(InputError, match="of the scheme 'patients', not 'hospitals'"):
        read_scores(tmp_path / "p", by_hospital)
    check_scores(scores_of(by_hospital), by_hospital)
    with pytest.raises(InputError, match="was held out in fold"):
        check_scores(scores_of(by_hospital), by_patient)


def test_many_files_are_one_table(tmp_path: Path) -> None:
    folds = assign_patient_folds(METADATA)
    for seed, model in enumerate("cab"):
        write_scores(tmp_path / "oof" / f"{model}.parquet", scores_of(folds, model, seed), folds)
    (tmp_path / "oof" / "notes.txt").write_text("not scores")
    together = read_many_scores([tmp_path / "oof"], folds)
    one_by_one = read_many_scores([tmp_path / "oof" / f"{model}.parquet" for model in "bca"], folds)
    assert together.equals(one_by_one)
    assert together["model"].unique(maintain_order=True).to_list() == ["a", "b", "c"]
    scores_of(folds, "b", 8).write_csv(tmp_path / "again.csv")
    with pytest.raises(InputError) as caught:
        read_many_scores([tmp_path / "oof", tmp_path / "again.csv"], folds)
    assert f"{tmp_path / 'again.csv'}: ISIC_00 has a score of 'b' in {tmp_path / 'oof' / 'b.parquet'} already" in str(
        caught.value
    )
    with pytest.raises(InputError, match="no file of scores was given"):
        read_many_scores([], folds)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: holds no file named \*.parquet"):
        read_many_scores([tmp_path / "empty"], folds)
    assert read_many_scores([tmp_path / "oof", tmp_path / "oof" / "a.parquet"], folds).equals(together)


def test_names_with_wildcards_are_names(tmp_path: Path) -> None:
    folds = assign_patient_folds(METADATA)
    for name in ("m[1].csv", "m1.csv", "m*.csv"):
        scores_of(folds, name, len(name)).write_csv(tmp_path / name)
    assert read_scores(tmp_path / "m[1].csv", folds)["model"].unique().to_list() == ["m[1].csv"]
    assert read_scores(tmp_path / "m*.csv", folds)["model"].unique().to_list() == ["m*.csv"]


def test_a_damaged_file_is_one_line_whatever_is_damaged(tmp_path: Path) -> None:
    folds = assign_patient_folds(METADATA)
    write_scores(tmp_path / "x", scores_of(folds), folds)
    whole = (tmp_path / "x").read_bytes()
    rng, refused = np.random.default_rng(0), list[str]()
    for _ in range(200):
        damaged = bytearray(whole)
        damaged[int(rng.integers(4, len(whole)))] ^= int(rng.integers(1, 256))
        (tmp_path / "x").write_bytes(damaged)
        try:
            read = read_scores(tmp_path / "x", folds)
        except InputError as error:
            refused.append(str(error))
        else:  # the byte was of no weight, or of a score that is still a number
            assert read.columns == ["isic_id", "fold", "model", "score"]
            assert read["score"].is_finite().all()
    assert len(refused) > 20
    assert all(line.startswith(str(tmp_path / "x")) and "\n" not in line for line in refused)


def test_coverage_counts_rows_and_what_is_missing() -> None:
    folds = assign_patient_folds(METADATA, num_folds=4)
    scores = pl.concat([scores_of(folds, "whole"), scores_of(folds, "half").filter(pl.col("fold") < 2)])
    half, whole = coverage_of(scores, folds)
    assert (half.model, whole.model) == ("half", "whole")
    assert (whole.rows, whole.lesions, whole.missing) == (40, 40, 0)
    assert whole.per_fold == tuple(np.bincount(folds.frame["fold"], minlength=4))
    assert half.per_fold == (*whole.per_fold[:2], 0, 0)
    assert half.missing == 40 - half.rows
    (test,) = coverage_of(scores_of(folds).with_columns(fold=pl.lit(None, pl.UInt8)))
    assert (test.rows, test.missing, test.per_fold) == (40, 0, ())


def test_members_are_averaged_row_by_row() -> None:
    folds = assign_hospital_folds(METADATA)
    members = [scores_of(folds, f"gbdt#{seed}", seed) for seed in range(3)]
    alone = scores_of(folds, "image", 9)
    averaged = average_members(pl.concat([*members, alone]).sample(fraction=1, shuffle=True, seed=0))
    key = ["isic_id", "fold"]
    for model, of in (("gbdt", members), ("image", [alone])):
        expected = np.mean([part.sort(key)["score"] for part in of], axis=0)
        assert averaged.filter(pl.col("model") == model).sort(key)["score"].to_numpy() == pytest.approx(expected)
    assert len(averaged) == 2 * len(alone)


def test_members_of_a_test_set_may_be_others() -> None:
    folds = assign_patient_folds(METADATA)
    test = [
        scores_of(folds, f"gbdt#{fold}", fold).with_columns(
            isic_id="T" + pl.col("isic_id"), fold=pl.lit(None, pl.UInt8)
        )
        for fold in range(5)
    ]
    averaged = average_members(pl.concat([scores_of(folds), *test]))
    assert averaged["model"].unique().to_list() == ["gbdt"]
    assert len(averaged) == 80


def test_a_member_that_lacks_a_row_is_told() -> None:
    folds = assign_patient_folds(METADATA)
    scores = pl.concat([scores_of(folds, "a#1"), scores_of(folds, "a#2").filter(pl.col("isic_id") != "ISIC_07")])
    with pytest.raises(InputError, match="'a#2' has no score of ISIC_07, but 'a#1' has"):
        average_members(scores)


PAST = pl.DataFrame(
    {
        "isic_id": [f"PAST_{number:02d}" for number in range(30)],
        "patient_id": [f"IP_{number}" if number < 6 else f"OLD_{number // 3}" for number in range(30)],
        "lesion_id": [None] * 30,
    },
    schema={"isic_id": pl.String, "patient_id": pl.String, "lesion_id": pl.String},
)


@pytest.mark.parametrize("assign", [assign_patient_folds, assign_hospital_folds])
def test_past_lesions_are_left_out_by_those_who_know_of_this_contest_alone(tmp_path: Path, assign) -> None:
    base = assign(METADATA)
    extended = extend_folds(base, PAST)
    scores = pl.concat([scores_of(extended, "cnn"), scores_of(extended, "vit", 1)])
    write_scores(tmp_path / "x", scores, extended, base=base)
    ours = scores.filter(pl.col("isic_id").str.starts_with("ISIC"))
    assert len(ours) < len(scores)
    assert read_scores(tmp_path / "x", base).equals(ours.sort("isic_id", "fold", "model"))
    for folds in (extended, None):
        assert read_scores(tmp_path / "x", folds).equals(scores.sort("isic_id", "fold", "model"))
    scores_of(base, "gbdt", 2).write_csv(tmp_path / "gbdt.csv")
    together = read_many_scores([tmp_path / "x", tmp_path / "gbdt.csv"], base)
    assert {one.model: one.rows for one in coverage_of(together, base)} == dict.fromkeys(
        ["cnn", "vit", "gbdt"], len(ours) // 2
    )
    # More past files move no lesion, so folds that know of more past lesions still fit.
    more = pl.concat([PAST, PAST.with_columns(isic_id="MORE_" + pl.col("isic_id"))])
    assert read_scores(tmp_path / "x", extend_folds(base, more)).equals(read_scores(tmp_path / "x"))


def test_past_lesions_do_not_hide_that_folds_are_others(tmp_path: Path) -> None:
    base, other = assign_patient_folds(METADATA), assign_patient_folds(METADATA, seed=1)
    extended = extend_folds(base, PAST)
    write_scores(tmp_path / "x", scores_of(extended), extended, base=base)
    with pytest.raises(InputError, match=r"gbdt: ISIC_\d\d was held out in fold \d, but is in fold \d of the folds"):
        read_scores(tmp_path / "x", other)
    with pytest.raises(InputError, match="was held out in fold"):
        read_scores(tmp_path / "x", extend_folds(other, PAST))
    fewer = Folds(frame=base.frame[1:], scheme="patients", num_folds=5, seed=42)
    with pytest.raises(InputError, match=r"made with other folds: ISIC_00 is in fold 4, .* \(31 rows in all\)"):
        read_scores(tmp_path / "x", fewer)
    with pytest.raises(ValueError, match="expected folds that extend base"):
        write_scores(tmp_path / "y", scores_of(extended), extended, base=other)
    # What says nothing of past lesions is not excused for having some.
    write_scores(tmp_path / "z", scores_of(extended), extended)
    with pytest.raises(InputError, match="but not in the folds at all"):
        read_scores(tmp_path / "z", base)
    write_scores(tmp_path / "1", scores_of(base), base, base=base)
    write_scores(tmp_path / "2", scores_of(base), base)
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()
