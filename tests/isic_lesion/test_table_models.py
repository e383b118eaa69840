"""Table models: trained in rounds without a leak, resumable to the same bytes, refused where anything is off."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest

from furikaeri_common.artifacts import fingerprint_of
from furikaeri_common.errors import FullDiskError, InputError, WorkError
from furikaeri_common.local_processes import LocalProcesses
from furikaeri_common.tasks import Progress
from isic_lesion.boosters.config import BoosterConfig
from isic_lesion.boosters.cross_validation import Part, cross_validate
from isic_lesion.boosters.presets import PRESETS
from isic_lesion.data.dataset import open_lesions
from isic_lesion.features import Feature, FeatureSet, open_features, write_features
from isic_lesion.folds.dealing import Folds, assign_hospital_folds, assign_patient_folds
from isic_lesion.metrics.ordering import partial_auc
from isic_lesion.scores import read_scores
from isic_lesion.table_models import booster_task
from isic_lesion.table_models.folder import load_model, read_record
from isic_lesion.table_models.inference import known_hospitals, predict_in_chunks, route
from isic_lesion.table_models.selection import Selection, correlated_groups, permutation_drops, sample_held_out
from isic_lesion.table_models.selection_files import read_selection, select_features, write_selection
from isic_lesion.table_models.training import num_parts, train_table, train_tables

HERE = LocalProcesses(0)
AREA, HUE = "tbp_lv_areaMM2", "tbp_lv_H"
SET = FeatureSet(
    name="few",
    features=(
        *(Feature(name=name, kind="lesion", formulas=(name,)) for name in (AREA, HUE, "tbp_lv_x", "tbp_lv_y")),
        Feature(name="hospital.mean", kind="group", formulas=(HUE,), group=("attribution",), statistic="mean"),
        Feature(name="patient.z", kind="group", formulas=(AREA,), group=("patient_id",), statistic="z"),
    ),
)


class Made(NamedTuple):
    """What a model is trained from."""

    metadata: pl.DataFrame
    folds: Folds
    features: Path


def config_of(library: str, **changes: object) -> BoosterConfig:
    return dataclasses.replace(PRESETS[f"small-{library}"], rounds=10, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def table(make_table: Callable[..., pl.DataFrame]) -> pl.DataFrame:
    """Three hundred lesions whose area tells the target in most."""
    lesions = make_table(300)
    doubtful = (pl.int_range(pl.len()) % 17 == 3) & (pl.col("target") == 0)
    return lesions.with_columns(
        (pl.col(AREA) + 3 * pl.col("target")).alias(AREA),
        pl.when(doubtful).then(pl.lit("Indeterminate")).otherwise("iddx_1").alias("iddx_1"),
    )


@pytest.fixture(scope="module", params=["patients", "hospitals"])
def made(request, table: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Folds and features on disk, under either scheme."""
    assign = assign_patient_folds if request.param == "patients" else assign_hospital_folds
    folds = assign(table, num_folds=3)
    folder = tmp_path_factory.mktemp(request.param) / "features"
    write_features(table, SET, folder, folds)
    return Made(table, folds, folder)


def trained(made: Made, config: BoosterConfig, out: Path, **more: object) -> Path:
    train_table(made.features, made.folds, made.metadata, config, out, engine=HERE, **more)  # type: ignore[arg-type]
    return out


@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_disk_and_memory_agree_to_the_bit(made: Made, library: str, tmp_path: Path) -> None:
    """Each round's scores are those of a booster trained by hand on that round's rows and features."""
    config = config_of(library, seeds=(1, 2), negatives_per_positive=3.0)
    out = trained(made, config, tmp_path / "m")
    oof = read_scores(out / "oof.parquet", made.folds)
    assert set(oof["model"]) == {config.name}
    features = open_features(made.features)
    labels = np.where(made.metadata["iddx_1"] != "Benign", 1, 0)
    weights = np.where(made.metadata["iddx_1"] == "Indeterminate", 0.5, 1.0)
    for fold in range(3):
        by_hand = cross_validate(
            features.matrix(fit=fold),
            labels,
            weights,
            made.folds,
            config,
            isic_ids=features.isic_ids,
            names=features.names,
            target=made.metadata["target"].to_numpy(),
        )
        scores = by_hand.oof.filter(pl.col("fold") == fold).sort("isic_id")
        assert oof.filter(pl.col("fold") == fold).equals(scores)
        held_out = made.folds.split(features.isic_ids, fold)[1]
        again = load_model(out, fold=fold)
        assert again.boosters[1].to_bytes() == by_hand.boosters[Part(fold, 2)].to_bytes()
        ids = features.isic_ids.filter(pl.Series(held_out))
        alone = pl.DataFrame({"isic_id": ids, "score": again.predict(features.matrix(rows=held_out, fit=fold))})
        assert alone.sort("isic_id")["score"].equals(scores["score"])


def test_the_record_tells_the_figures(made: Made, tmp_path: Path) -> None:
    out = trained(made, config_of("lightgbm", seeds=(1, 2)), tmp_path / "m")
    record = read_record(out)
    assert record.has_rounds
    assert record.has_all
    assert len(record.rounds) == num_parts(record.config, 3) == 8
    assert record.hospital_names == ("hospital.mean",)
    truth = made.metadata.select("isic_id", "target")
    oof = read_scores(out / "oof.parquet", made.folds).join(truth, on="isic_id", how="left")
    assert record.quality[-1].partial_auc == pytest.approx(partial_auc(oof["target"], oof["score"]))
    assert record.quality[-1].lesions == len(oof) >= 300
    assert record.quality[-1].auc is not None
    assert record.quality[-1].auc > 0.85
    model = load_model(out)
    assert model.hospitals == set(made.metadata["attribution"])
    seen = load_model(out, fold=1).hospitals
    train = made.folds.split(made.metadata["isic_id"], 1)[0]
    assert seen == set(made.metadata.filter(pl.Series(train))["attribution"])


@pytest.mark.parametrize("stop_after", [1, 3, 4])
def test_an_interrupted_training_ends_with_the_same_bytes(made: Made, stop_after: int, tmp_path: Path) -> None:
    config = config_of("lightgbm", early_stopping_rounds=4)
    whole = trained(made, config, tmp_path / "undisturbed" / "m")

    def stop(event) -> None:
        if event.done == stop_after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(made, config, tmp_path / "m", on_progress=stop)
    with pytest.raises(InputError, match="interrupted"):
        load_model(tmp_path / "m")
    events = []
    again = trained(made, config, tmp_path / "m", on_progress=events.append)
    assert [event.event for event in events].count("reused") == stop_after
    assert events[-1].done == events[-1].total == 4
    assert fingerprint_of(again) == fingerprint_of(whole)


def test_moved_features_train_nothing_anew(made: Made, tmp_path: Path) -> None:
    out = trained(made, config_of("xgboost"), tmp_path / "old" / "m")
    (tmp_path / "old").rename(tmp_path / "new")
    shutil.copytree(made.features, tmp_path / "features")
    events = []
    again = trained(
        made._replace(features=tmp_path / "features"),
        config_of("xgboost"),
        tmp_path / "new" / "again",
        on_progress=events.append,
    )
    assert {event.event for event in events} == {"reused"}
    assert fingerprint_of(again) == fingerprint_of(tmp_path / "new" / out.name)


def test_a_full_disk_ends_the_training_at_once(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(booster_task, "write_bytes", full)
    events = []
    with pytest.raises(FullDiskError):
        trained(made, config_of("xgboost"), tmp_path / "m", on_progress=events.append)
    assert events == []


def test_more_seeds_train_the_new_ones_alone(made: Made, tmp_path: Path) -> None:
    config = config_of("lightgbm")
    out = trained(made, config, tmp_path / "m")
    events = []
    trained(made, dataclasses.replace(config, seeds=(42, 43)), out, on_progress=events.append, replace_other=False)
    assert [event.event for event in events].count("reused") == 4
    trained(made, config, out)
    assert sorted(file.name for file in (out / "boosters").iterdir()) == [
        *("all-seed-42.txt", "fold-0-seed-42.txt", "fold-1-seed-42.txt", "fold-2-seed-42.txt")
    ]


def test_another_model_is_not_replaced_unasked(made: Made, tmp_path: Path) -> None:
    out = trained(made, config_of("lightgbm"), tmp_path / "m")
    with pytest.raises(InputError, match="other settings"):
        trained(made, config_of("xgboost"), out, replace_other=False)
    with pytest.raises(InputError, match="other features"):
        trained(made, config_of("lightgbm"), out, replace_other=False, names=[AREA])
    trained(made, config_of("xgboost"), out)
    assert read_record(out).config.library == "xgboost"
    assert not list((out / "boosters").glob("*.txt"))


def test_variants_treat_the_hospital_as_they_say(made: Made, tmp_path: Path) -> None:
    features = open_features(made.features)
    without = load_model(trained(made, config_of("xgboost", hospital_features="without"), tmp_path / "w"))
    assert without.names == tuple(name for name in SET.names if name != "hospital.mean")
    blanked = load_model(trained(made, config_of("xgboost", hospital_features="blanked"), tmp_path / "b"))
    matrix = features.matrix(blanked.names)
    known = np.arange(len(matrix)) % 2 == 0
    blank = matrix.copy()
    blank[:, blanked.names.index("hospital.mean")] = np.nan
    scores = blanked.predict(matrix, known=known)
    assert np.array_equal(scores, route(known, blanked.predict(matrix), blanked.predict(blank)))
    assert np.array_equal(matrix, features.matrix(blanked.names), equal_nan=True)
    with pytest.raises(ValueError, match="known of shape"):
        blanked.predict(matrix, known=known[:3])
    oof = read_scores(tmp_path / "b" / "oof.parquet", made.folds)
    for fold in range(3):
        held_out = made.folds.split(features.isic_ids, fold)[1]
        scorer = load_model(tmp_path / "b", fold=fold)
        of_hospitals = made.metadata["attribution"].filter(pl.Series(held_out))
        seen = known_hospitals(of_hospitals, scorer.hospitals)
        assert seen.all() == (made.folds.scheme == "patients")
        scores = scorer.predict(features.matrix(rows=held_out, fit=fold), known=seen)
        told = pl.DataFrame({"isic_id": features.isic_ids.filter(pl.Series(held_out)), "score": scores})
        assert told.sort("isic_id")["score"].equals(oof.filter(pl.col("fold") == fold)["score"])


def test_parts_are_what_was_asked(made: Made, tmp_path: Path) -> None:
    out = trained(made, config_of("xgboost"), tmp_path / "all", parts="all")
    assert not (out / "oof.parquet").exists()
    assert read_record(out).quality == ()
    with pytest.raises(InputError, match="has no boosters of round 0, only those of all rows"):
        load_model(out, fold=0)
    out = trained(made, config_of("xgboost"), tmp_path / "folds", parts="folds")
    with pytest.raises(InputError, match="has no boosters trained on all rows, only those of its rounds"):
        load_model(out)
    with pytest.raises(InputError, match="early stopping needs rounds"):
        trained(made, config_of("xgboost", early_stopping_rounds=2), tmp_path / "x", parts="all")


def test_what_does_not_belong_together_is_refused(made: Made, tmp_path: Path) -> None:
    config, out = config_of("lightgbm"), tmp_path / "m"
    other = assign_patient_folds(made.metadata, num_folds=3, seed=9)
    with pytest.raises(InputError, match="was not made with these folds"):
        trained(made._replace(folds=other), config, out)
    with pytest.raises(InputError, match=r"ISIC_\d+ has no target in the metadata \(10 of 300 rows\)"):
        trained(made._replace(metadata=made.metadata[10:]), config, out)
    extra = made.metadata[:1].with_columns(isic_id=pl.lit("ISIC_9"))
    with pytest.raises(InputError, match="300 lesions, the metadata 301"):
        trained(made._replace(metadata=pl.concat([made.metadata, extra])), config, out)
    with pytest.raises(InputError, match="no column 'target'"):
        trained(made._replace(metadata=made.metadata.drop("target")), config, out)
    with pytest.raises(InputError, match="got 'nothing'"):
        trained(made, config, out, names=["nothing"])
    with pytest.raises(InputError, match="no feature is left"):
        trained(made, config_of("lightgbm", hospital_features="without"), out, names=["hospital.mean"])
    benign = made.metadata.with_columns(target=pl.lit(0, pl.Int8), iddx_1=pl.lit("Benign"))
    with pytest.raises(InputError, match="fold-0-seed-42: expected training rows of label 0 and of label 1"):
        trained(made._replace(metadata=benign), config, out)
    assert not (out / "model.json").exists()


def test_damaged_folders_are_named(made: Made, tmp_path: Path) -> None:
    whole = trained(made, config_of("lightgbm"), tmp_path / "whole")

    def broken(name: str, change: Callable[[bytes], bytes]) -> Path:
        shutil.rmtree(tmp_path / "m", ignore_errors=True)
        shutil.copytree(whole, tmp_path / "m")
        (tmp_path / "m" / name).write_bytes(change((whole / name).read_bytes()))
        return tmp_path / "m"

    file = "boosters/all-seed-42.txt"
    with pytest.raises(InputError, match=r"all-seed-42\.txt: is not the file that model.json names"):
        load_model(broken(file, lambda content: content + b"\n"))
    (tmp_path / "m" / file).unlink()
    with pytest.raises(InputError, match=r"all-seed-42\.txt: is missing"):
        load_model(tmp_path / "m")
    for change, message in (
        (lambda content: content[:100], "not JSON"),
        (lambda content: b"[]", "describes no table model"),
        (lambda content: content.replace(b'"format": 1', b'"format": 9'), "of format 9"),
        (lambda content: content.replace(b'"rounds": 10,', b'"rounds": -1,', 1), "damaged .*rounds"),
        (lambda content: content.replace(b'"names"', b'"nomes"'), "damaged .*lacks 'names'"),
        (lambda content: content.replace(b"boosters/all", b"../elsewhere/all"), "damaged .*elsewhere"),
        (lambda content: content.replace(b'"library": "lightgbm"', b'"library": "xgboost"'), "damaged"),
    ):
        with pytest.raises(InputError, match=message):
            load_model(broken("model.json", change))
    with pytest.raises(InputError, match="no such folder"):
        load_model(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"holds no model\.json"):
        load_model(tmp_path)


def test_workers_and_this_process_write_the_same(made: Made, tmp_path: Path) -> None:
    if made.folds.scheme == "hospitals":
        pytest.skip("one scheme is enough")
    here = trained(made, config_of("xgboost"), tmp_path / "here" / "m", parts="folds")
    train_table(
        *(made.features, made.folds, made.metadata, config_of("xgboost"), tmp_path / "there" / "m"),
        engine=LocalProcesses(2),
        parts="folds",
    )
    assert fingerprint_of(here) == fingerprint_of(tmp_path / "there" / "m")


def test_models_trained_side_by_side_are_those_trained_alone(made: Made, tmp_path: Path) -> None:
    configs = [
        config_of("xgboost", seeds=(1, 2)),
        config_of("lightgbm", early_stopping_rounds=4),
        config_of("lightgbm", hospital_features="without", name="blind", soft_labels=False),
    ]
    names, events = [None, None, [AREA, "tbp_lv_x"]], list[Progress]()
    alone = [
        trained(made, config, tmp_path / config.name / "m", names=some)
        for config, some in zip(configs, names, strict=True)
    ]
    outs = [tmp_path / "together" / config.name for config in configs]
    arguments = (made.features, made.folds, made.metadata, configs, outs)
    records = train_tables(*arguments, engine=HERE, names=names, on_progress=events.append)
    assert [record.config for record in records] == configs
    assert [fingerprint_of(out) for out in outs] == [fingerprint_of(out) for out in alone]
    assert [(event.done, event.total) for event in events] == [(done, 16) for done in range(1, 17)]
    assert {event.key for event in events[-1:]} == {f"{configs[1].name} all-seed-42"}  # it waits for its rounds
    # They may be taken up by a call for one of them, for the store is the same.
    events.clear()
    trained(made, configs[0], outs[0], on_progress=events.append)
    assert {event.event for event in events} == {"reused"}
    for changed, message in (
        ([configs[0], configs[0]], f"two models have the name '{configs[0].name}'"),
        ([configs[0], dataclasses.replace(configs[1], threads=2)], "the models differ in their threads"),
    ):
        with pytest.raises(InputError, match=message):
            train_tables(*arguments[:3], changed, outs[:2], engine=HERE)
    with pytest.raises(InputError, match="two models have one folder"):
        train_tables(*arguments[:3], configs[:2], [outs[0], outs[0]], engine=HERE)


def test_selection_keeps_what_tells_and_is_reproducible(made: Made, tmp_path: Path) -> None:
    out = trained(made, config_of("lightgbm"), tmp_path / "m", parts="folds")
    arguments = (out, made.features, made.folds, made.metadata)
    used = select_features(*arguments, "zero-importance")
    importances = pl.read_parquet(out / "importances.parquet")
    assert set(used.names) == set(importances.filter(pl.col("splits") > 0)["feature"])
    first = select_features(*arguments, "permutation", seed=3, repeats=2)
    assert first == select_features(*arguments, "permutation", seed=3, repeats=2)
    assert AREA in first.names
    assert {*first.names, *first.dropped} == set(SET.names)
    together = select_features(*arguments, "permutation", seed=3, correlation=0.01)
    assert AREA in together.names
    write_selection(first, tmp_path / "s.json")
    assert read_selection(tmp_path / "s.json") == first
    again = trained(made, config_of("lightgbm"), tmp_path / "selected", names=first.names)
    assert load_model(again).names == first.names
    other = assign_patient_folds(made.metadata, num_folds=3, seed=9)
    with pytest.raises(InputError, match="other folds"):
        select_features(out, made.features, other, made.metadata, "zero-importance")
    for text in ("[]", '{"kind": "x"}', json.dumps({**json.loads((tmp_path / "s.json").read_text()), "names": [1]})):
        (tmp_path / "s.json").write_text(text)
        with pytest.raises(InputError, match=r"s\.json"):
            read_selection(tmp_path / "s.json")


def test_a_selection_of_nothing_fails(made: Made, tmp_path: Path) -> None:
    config = config_of("lightgbm", params={"min_data_in_leaf": 10_000})
    out = trained(made, config, tmp_path / "m", parts="folds")
    with pytest.raises(WorkError, match="no feature would be left"):
        select_features(out, made.features, made.folds, made.metadata, "permutation")


def test_permutation_drops_are_those_of_the_slow_way() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(200, 4)).astype(np.float32)
    target = (features[:, 0] + rng.normal(size=200) > 0.5).astype(int)

    def predict(matrix):
        return matrix[:, 0].astype(float) + 0.5 * matrix[:, 1] + 0.5 * matrix[:, 2]

    groups = [(0,), (1, 2), (3,)]
    kept = features.copy()
    drops = permutation_drops(predict, features, target, groups, generator=np.random.default_rng(7), repeats=2)
    assert np.array_equal(features, kept)
    orders_from = np.random.default_rng(7)
    orders = [orders_from.permutation(200) for _ in range(2)]
    for place, group in enumerate(groups):
        for repeat, order in enumerate(orders):
            shuffled = features.copy()
            for column in group:
                shuffled[:, column] = features[order, column]
            expected = partial_auc(target, predict(features)) - partial_auc(target, predict(shuffled))
            assert drops[place, repeat] == expected
    assert drops[0].min() > 0.01
    assert (drops[2] == 0).all()
    with pytest.raises(ValueError, match="repeats"):
        permutation_drops(predict, features, target, groups, generator=rng, repeats=0)


def test_groups_hold_what_goes_together() -> None:
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=(2, 100))
    features = np.stack([one, two, -2 * one + 5, np.full(100, 3.0), one + 0.01 * two, two * 7], axis=1)
    features = features.astype(np.float32)
    assert correlated_groups(features, threshold=0.99) == ((0, 2, 4), (1, 5), (3,))
    assert correlated_groups(features[:, :2], threshold=0.99) == ((0,), (1,))
    holes = features.copy()
    holes[::10] = np.nan
    assert correlated_groups(holes, threshold=0.99) == ((0, 2, 4), (1, 5), (3,))
    with pytest.raises(ValueError, match="threshold"):
        correlated_groups(features, threshold=0)


def test_held_out_samples_keep_every_positive() -> None:
    target = np.asarray([0, 1] * 20 + [0] * 60)
    rows = sample_held_out(target, 15, np.random.default_rng(0))
    assert (np.diff(rows) > 0).all()
    assert (target[rows] == 1).sum() == 20
    assert (target[rows] == 0).sum() == 15
    assert np.array_equal(sample_held_out(target, 1000, np.random.default_rng(0)), np.arange(100))


@pytest.mark.parametrize("chunk", [1, 7, 299, 300, 301, 10_000])
def test_chunks_score_as_one_pass(made: Made, chunk: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    out = tmp_path_factory.getbasetemp() / f"chunks-{made.folds.scheme}"
    if not out.exists():
        trained(made, config_of("lightgbm"), out, parts="all")
    model, features = load_model(out), open_features(made.features).matrix()
    done: list[int] = []
    scores = predict_in_chunks(model.predict, lambda rows: features[rows], 300, chunk_rows=chunk, on_chunk=done.append)
    assert np.array_equal(scores, model.predict(features))
    assert done[-1] == 300


def test_inference_refuses_what_does_not_fit() -> None:
    assert predict_in_chunks(lambda m: np.zeros(len(m)), lambda rows: np.zeros((0, 2), np.float32), 0).shape == (0,)
    with pytest.raises(ValueError, match="chunk_rows >= 1"):
        predict_in_chunks(lambda m: np.zeros(1), lambda rows: np.zeros((1, 2), np.float32), 5, chunk_rows=0)
    with pytest.raises(ValueError, match="expected 5 scores of rows from 0"):
        predict_in_chunks(lambda m: np.zeros(1), lambda rows: np.zeros((5, 2), np.float32), 5)
    known, nan = np.asarray([True, False]), np.asarray([0.1, np.nan])
    assert route(known, nan, np.asarray([np.nan, 0.7])).tolist() == [0.1, 0.7]
    with pytest.raises(ValueError, match="position 1"):
        route(known, nan, nan)
    with pytest.raises(TypeError, match="bool"):
        route(np.asarray([1, 0]), nan, nan)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="shape"):
        route(known, nan[:1], nan)
    hospitals = pl.Series(["a", None, "b", "c"])
    assert known_hospitals(hospitals, {"a", "c"}).tolist() == [True, False, False, True]
    assert Selection("m", {}, "f", ("a",), ()).names == ("a",)


@pytest.mark.parametrize("name", ["small-xgboost", "small-lightgbm", "original-sampled"])
def test_real_lesions_are_told_apart(real_data: Path, name: str) -> None:
    lesions = open_lesions(real_data / "isic").read()
    columns = [AREA, HUE, "clin_size_long_diam_mm", "tbp_lv_deltaLBnorm", "tbp_lv_perimeterMM", "tbp_lv_norm_color"]
    config = dataclasses.replace(PRESETS[name], rounds=60, seeds=(42,))
    found = cross_validate(
        lesions.select(columns).to_numpy().astype(np.float32),
        lesions["target"].to_numpy(),
        np.ones(len(lesions)),
        assign_patient_folds(lesions),
        config,
        isic_ids=lesions["isic_id"],
        names=columns,
    )
    assert found.quality[-1].auc is not None
    assert found.quality[-1].auc > 0.85
    assert all(quality.partial_auc is not None and quality.partial_auc > 0.05 for quality in found.quality)
