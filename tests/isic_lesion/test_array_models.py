"""Extra trees and kernel models wherever boosters go: configured, trained, kept, resumed, refused."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest

from furikaeri_common.artifacts import fingerprint_of
from furikaeri_common.errors import InputError
from furikaeri_common.local_processes import LocalProcesses
from furikaeri_common.tasks import Progress
from isic_lesion.boosters.booster import Booster, fit, sigmoid
from isic_lesion.boosters.config import ARRAY_LIBRARIES, BoosterConfig
from isic_lesion.boosters.files import load_booster, read_config, save_booster
from isic_lesion.boosters.presets import PRESETS
from isic_lesion.boosters.training_rows import TrainingRows
from isic_lesion.data.dataset import open_lesions
from isic_lesion.features import compute, fit_population, open_features, write_features
from isic_lesion.features.catalogue import few
from isic_lesion.folds.dealing import Folds, assign_patient_folds
from isic_lesion.metrics.ordering import auc, partial_auc
from isic_lesion.pipeline import feature_set_of
from isic_lesion.recipe import read_recipe
from isic_lesion.stack.ranks import rank_shares
from isic_lesion.table_models.folder import load_model, read_record
from isic_lesion.table_models.training import train_table

NAMES = ("plain", "with space", "a[0]<b>,c:{d}", "größe")


def config_of(library: str, **changes: Any) -> BoosterConfig:
    return dataclasses.replace(PRESETS[f"few-{library}"], rounds=15, **changes)


@pytest.fixture(scope="module")
def rows() -> TrainingRows:
    """Two hundred rows with holes, whose first two columns tell the label."""
    rng = np.random.default_rng(5)
    features = rng.normal(size=(200, len(NAMES))).astype(np.float32)
    labels = (features[:, 0] + features[:, 1] + rng.normal(size=200) > 1.2).astype(np.float32)
    features[rng.random(features.shape) < 0.1] = np.nan
    return TrainingRows(features, labels, np.where(rng.random(200) < 0.1, 0.5, 1).astype(np.float32))


def fitted(rows: TrainingRows, config: BoosterConfig, *, seed: int = 1, **more: Any) -> Booster:
    return fit(*rows, config, seed=seed, names=NAMES, **more)


@pytest.mark.parametrize("library", ARRAY_LIBRARIES)
def test_goes_where_a_booster_goes(rows: TrainingRows, library: str, tmp_path: Path) -> None:
    booster = fitted(rows, config_of(library))
    assert auc(rows.labels, booster.predict(rows.features)) > 0.85
    save_booster(booster, tmp_path / "b.safetensors")
    again = load_booster(tmp_path / "b.safetensors")
    assert (again.library, again.names, again.rounds) == (library, NAMES, booster.rounds)
    assert again.to_bytes() == booster.to_bytes()
    assert np.array_equal(again.log_odds(rows.features), booster.log_odds(rows.features))
    assert np.array_equal(again.predict(rows.features), sigmoid(booster.log_odds(rows.features)))
    assert again.log_odds(rows.features[:0]).shape == (0,)
    used = again.importances()
    assert used.gain.sum() == pytest.approx(1)
    assert set(np.argsort(used.gain)[-2:]) == {0, 1}
    assert used.splits.dtype == np.int64


@pytest.mark.parametrize("library", ARRAY_LIBRARIES)
def test_same_rows_and_seed_give_the_same_bytes(rows: TrainingRows, library: str) -> None:
    config = config_of(library, negatives_per_positive=1.5, feature_noise={"plain": 0.1})
    first = fitted(rows, config)
    assert first.to_bytes() == fitted(rows, config).to_bytes()
    assert first.to_bytes() != fitted(rows, config, seed=2).to_bytes()
    assert first.to_bytes() != fitted(rows, config, fold=0).to_bytes()


@pytest.mark.parametrize("library", ARRAY_LIBRARIES)
def test_blanked_copies_are_learnt_too(rows: TrainingRows, library: str) -> None:
    hospital = np.asarray([True, False, False, True])
    booster = fitted(rows, config_of(library, hospital_features="blanked"), hospital_columns=hospital)
    blank = rows.features.copy()
    blank[:, hospital] = np.nan
    assert auc(rows.labels, booster.predict(blank)) > 0.75


@pytest.mark.parametrize("library", ARRAY_LIBRARIES)
@pytest.mark.parametrize("cut", [0, 7, 100, -8])
def test_a_file_cut_short_is_refused_in_one_line(rows: TrainingRows, library: str, cut: int, tmp_path: Path) -> None:
    path = tmp_path / "b.safetensors"
    path.write_bytes(fitted(rows, config_of(library)).to_bytes()[:cut])
    with pytest.raises(InputError, match=r"b\.safetensors: no whole safetensors file") as refused:
        load_booster(path)
    assert "\n" not in str(refused.value)


def test_strange_files_are_refused(rows: TrainingRows, tmp_path: Path) -> None:
    trees, kernel = (fitted(rows, config_of(library)) for library in ARRAY_LIBRARIES)
    with pytest.raises(ValueError, match=r"no kernel model .expected isic kernel machine"):
        Booster.from_bytes(trees.to_bytes(), "kernel")
    with pytest.raises(ValueError, match="no extra-trees model"):
        Booster.from_bytes(kernel.to_bytes(), "extra-trees")
    with pytest.raises(ValueError, match=r"name ending in \.safetensors"):
        save_booster(trees, tmp_path / "b.txt")
    for content in (b"", b"{}", b"\xff" * 30, (2).to_bytes(8, "little") + b"{}"):
        (tmp_path / "b.safetensors").write_bytes(content)
        with pytest.raises(InputError, match=r"b\.safetensors: (no whole safetensors file|expected a document)"):
            load_booster(tmp_path / "b.safetensors")


@pytest.mark.parametrize(
    ("library", "params", "message"),
    [
        ("extra-trees", {"max_features": 7.5}, "few-extra-trees: extra-trees refuses a parameter .*max_features"),
        ("extra-trees", {"criterion": "gina"}, "refuses a parameter .*criterion"),
        ("kernel", {"penalty": 0}, "few-kernel: kernel refuses a parameter .*penalty above 0, got 0"),
    ],
)
def test_a_value_that_is_refused_is_told(
    rows: TrainingRows, library: str, params: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        fitted(rows, config_of(library, params=params))


def test_rows_of_one_class_are_no_fault_of_a_parameter(rows: TrainingRows) -> None:
    for library in ARRAY_LIBRARIES:
        with pytest.raises(ValueError, match="label 0 and of label 1"):
            fitted(rows._replace(labels=np.zeros(200, np.float32)), config_of(library))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"params": {"max_dept": 3}}, "params of extra-trees, got 'max_dept'; did you mean 'max_depth'"),
        ({"early_stopping_rounds": 5}, "early_stopping_rounds: none for extra-trees; got 5"),
        ({"device": "gpu"}, "device: 'cpu' for extra-trees; got 'gpu'"),
    ],
)
def test_bad_configurations_name_the_field(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BoosterConfig.from_json({"name": "m", "library": "extra-trees", "rounds": 3, **change})


def test_a_toml_file_stands_on_a_preset(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('preset = "few-kernel"\n[params]\npenalty = 0.3\n')
    config = read_config(str(path))
    assert config.params == {**PRESETS["few-kernel"].params, "penalty": 0.3}
    assert BoosterConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


class Made(NamedTuple):
    """What a model is trained from."""

    metadata: pl.DataFrame
    folds: Folds
    features: Path


@pytest.fixture(scope="module")
def made(make_table: Callable[..., pl.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Three hundred lesions whose area tells the target in most, with the features for few lesions."""
    area = (pl.col("tbp_lv_areaMM2") + 3 * pl.col("target")).alias("tbp_lv_areaMM2")
    metadata = make_table(300).with_columns(area)
    folds = assign_patient_folds(metadata, num_folds=2)
    folder = tmp_path_factory.mktemp("few") / "features"
    write_features(metadata, few(), folder, folds)
    return Made(metadata, folds, folder)


def trained(made: Made, config: BoosterConfig, out: Path, *, workers: int = 0, **more: Any) -> Path:
    train_table(made.features, made.folds, made.metadata, config, out, engine=LocalProcesses(workers), **more)
    return out


@pytest.mark.parametrize("library", ARRAY_LIBRARIES)
def test_an_interrupted_training_ends_with_the_same_bytes(made: Made, library: str, tmp_path: Path) -> None:
    config = config_of(library, seeds=(1, 2), negatives_per_positive=2.0)
    whole = trained(made, config, tmp_path / "undisturbed" / "whole")

    def stop(event: Progress) -> None:
        if event.done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(made, config, tmp_path / "again", on_progress=stop)
    assert not (tmp_path / "again" / "model.json").exists()
    assert fingerprint_of(trained(made, config, tmp_path / "again")) == fingerprint_of(whole)
    record = read_record(whole)
    assert record.quality[-1].auc is not None
    assert record.quality[-1].auc > 0.6
    model, features = load_model(whole), open_features(made.features).matrix()
    scores = model.predict(features)
    assert np.array_equal(np.concatenate([model.predict(features[k : k + 97]) for k in range(0, 300, 97)]), scores)
    # Without the hospital there are fewer features, and another file of the model is told at once.
    blind = trained(made, config_of(library, hospital_features="without"), tmp_path / "blind", parts="all")
    assert len(read_record(blind).names) < len(record.names) == len(few())
    file = next((blind / "boosters").iterdir())
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(InputError, match=r"all-seed-42\.safetensors: is not the file that model\.json names"):
        load_model(blind)


def test_workers_and_this_process_write_the_same(made: Made, tmp_path: Path) -> None:
    """However many threads this process has: what adds up numbers in a kernel model does so in one order."""
    here = trained(made, config_of("kernel"), tmp_path / "here" / "m", parts="folds")
    there = trained(made, config_of("kernel"), tmp_path / "there" / "m", parts="folds", workers=2)
    assert fingerprint_of(here) == fingerprint_of(there)


def test_a_refused_parameter_ends_a_training_in_one_line(made: Made, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"few-kernel: kernel refuses a parameter .*penalty above 0, got -1"):
        trained(made, config_of("kernel", params={"penalty": -1}), tmp_path / "m")


def test_the_recipe_for_few_lesions_scores_real_ones_well(real_data: Path) -> None:
    """The equal mean of the three models' ranks, within one deal of the folds of real lesions."""
    if not (real_data / "isic" / "train-metadata.csv").is_file():
        pytest.skip("no real lesions")
    lesions = open_lesions(real_data / "isic").read()
    recipe, folds = read_recipe("few"), assign_patient_folds(lesions)
    assert recipe.stack.weights == "equal"
    chosen = feature_set_of(recipe)
    target, total = lesions["target"].to_numpy(), np.zeros(len(lesions))
    for train, held_out in folds.splits(lesions["isic_id"]):
        population = fit_population(lesions.filter(pl.Series(train)), chosen)
        features = compute(lesions, chosen, population).to_numpy()
        for config in recipe.models:
            if config.name not in recipe.stack.known_models:
                continue
            booster = fit(
                *(features[train], target[train], np.ones(train.sum())),
                dataclasses.replace(config, rounds=min(config.rounds, 100)),
                seed=1,
                names=chosen.names,
            )
            total[held_out] += rank_shares(booster.log_odds(features[held_out]))
    assert partial_auc(target, total) > 0.150
