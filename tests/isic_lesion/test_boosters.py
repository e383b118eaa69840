"""Boosters of both libraries: the same to the bit, honest about their input, whole on disk or refused."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from furikaeri_common.errors import InputError
from isic_lesion.boosters.booster import Booster, fit, sigmoid
from isic_lesion.boosters.checks import check_lightgbm, check_xgboost
from isic_lesion.boosters.config import BoosterConfig
from isic_lesion.boosters.files import load_booster, read_config, save_booster
from isic_lesion.boosters.presets import PRESETS
from isic_lesion.boosters.training_rows import (
    TrainingRows,
    Validation,
    add_noise,
    generator_of,
    sample_rows,
    with_blanked_copies,
)
from isic_lesion.boosters.ubjson import read_ubjson
from isic_lesion.metrics.ordering import auc

LIBRARIES = ("xgboost", "lightgbm")
NAMES = ("plain", "with space", "a[0]<b>,c:{d}", '"quoted" 100 %', "größe", "last")


def config_of(library: str, **changes: object) -> BoosterConfig:
    return dataclasses.replace(PRESETS[f"small-{library}"], rounds=12, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def rows() -> TrainingRows:
    """Four hundred rows with holes, whose first two columns tell the label."""
    rng = np.random.default_rng(5)
    features = rng.normal(size=(400, len(NAMES))).astype(np.float32)
    labels = (features[:, 0] + features[:, 1] + rng.normal(size=400) > 1.2).astype(np.float32)
    features[rng.random(features.shape) < 0.1] = np.nan
    return TrainingRows(features, labels, np.where(rng.random(400) < 0.1, 0.5, 1).astype(np.float32))


def fitted(rows: TrainingRows, config: BoosterConfig, *, seed: int = 1, **more: object) -> Booster:
    return fit(*rows, config, seed=seed, names=NAMES, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("library", LIBRARIES)
def test_same_rows_and_seed_give_the_same_bytes(rows: TrainingRows, library: str) -> None:
    config = config_of(library, negatives_per_positive=1.5, feature_noise={"plain": 0.1})
    first = fitted(rows, config)
    assert first.to_bytes() == fitted(rows, config).to_bytes()
    assert first.to_bytes() != fitted(rows, config, seed=2).to_bytes()
    assert first.to_bytes() != fitted(rows, config, fold=0).to_bytes()


@pytest.mark.parametrize("library", LIBRARIES)
def test_two_threads_are_the_same_to_the_bit_each_time(rows: TrainingRows, library: str) -> None:
    config = config_of(library, threads=2)
    assert fitted(rows, config).to_bytes() == fitted(rows, config).to_bytes()


@pytest.mark.parametrize("library", LIBRARIES)
def test_learns_and_survives_the_disk(rows: TrainingRows, library: str, tmp_path: Path) -> None:
    booster = fitted(rows, config_of(library))
    assert auc(rows.labels, booster.predict(rows.features)) > 0.85
    path = tmp_path / ("b.ubj" if library == "xgboost" else "b.txt")
    save_booster(booster, path)
    again = load_booster(path)
    assert again.names == NAMES == booster.names
    assert again.rounds == booster.rounds == 12
    assert again.to_bytes() == booster.to_bytes()
    assert np.array_equal(again.log_odds(rows.features), booster.log_odds(rows.features))
    assert np.array_equal(again.predict(rows.features), sigmoid(booster.log_odds(rows.features)))


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_row_scores_alike_in_any_company(rows: TrainingRows, library: str) -> None:
    booster = fitted(rows, config_of(library))
    whole = booster.log_odds(rows.features)
    assert np.array_equal(np.concatenate([booster.log_odds(rows.features[k : k + 7]) for k in range(0, 400, 7)]), whole)
    assert np.array_equal(booster.log_odds(np.asfortranarray(rows.features)), whole)
    assert booster.log_odds(rows.features[:0]).shape == (0,)


@pytest.mark.parametrize("library", LIBRARIES)
def test_importances_are_shares_and_find_what_matters(rows: TrainingRows, library: str) -> None:
    used = fitted(rows, config_of(library)).importances()
    assert used.gain.sum() == pytest.approx(1)
    assert set(np.argsort(used.gain)[-2:]) == {0, 1}
    assert ((used.gain > 0) == (used.splits > 0)).all()


@pytest.mark.parametrize("library", LIBRARIES)
def test_early_stopping_keeps_the_best_rounds(rows: TrainingRows, library: str) -> None:
    train = TrainingRows(*(part[:250] for part in rows))
    held_out = Validation(rows.features[250:], rows.labels[250:])
    booster = fitted(train, config_of(library, early_stopping_rounds=3), validation=held_out)
    long = dataclasses.replace(config_of(library, early_stopping_rounds=3), rounds=300)
    stopped = fitted(train, long, validation=held_out)
    assert booster.rounds <= 12
    assert stopped.rounds < 300
    plain = fitted(train, dataclasses.replace(long, early_stopping_rounds=None, rounds=stopped.rounds))
    np.testing.assert_allclose(plain.log_odds(rows.features), stopped.log_odds(rows.features), rtol=1e-6)


@pytest.mark.parametrize("library", LIBRARIES)
def test_weights_count(rows: TrainingRows, library: str) -> None:
    doubtful = rows._replace(weights=np.where(rows.labels == 1, 0.05, 1).astype(np.float32))
    odds = [fitted(one, config_of(library)).log_odds(rows.features).mean() for one in (rows, doubtful)]
    assert odds[1] < odds[0] - 0.3


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("cut", [0, 1, 7, 300, -400])
def test_a_file_cut_short_is_refused(rows: TrainingRows, library: str, cut: int, tmp_path: Path) -> None:
    content = fitted(rows, config_of(library)).to_bytes()
    path = tmp_path / ("b.ubj" if library == "xgboost" else "b.txt")
    path.write_bytes(content[:cut])
    with pytest.raises(InputError, match=r"b\.(ubj|txt): no (xgboost|lightgbm) booster"):
        load_booster(path)


@pytest.mark.parametrize("library", LIBRARIES)
def test_strange_files_are_refused(library: str, rows: TrainingRows, tmp_path: Path) -> None:
    other = "lightgbm" if library == "xgboost" else "xgboost"
    for content in (b"", b"{}", b"nonsense", b"\xff\x00\x80", fitted(rows, config_of(other)).to_bytes()):
        with pytest.raises(ValueError, match=f"no {library} booster"):
            Booster.from_bytes(content, library)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"model\.pkl: is no booster"):
        load_booster(tmp_path / "model.pkl")
    with pytest.raises(InputError, match="no such file"):
        load_booster(tmp_path / "model.ubj")
    with pytest.raises(ValueError, match="name ending in"):
        save_booster(fitted(rows, config_of(library)), tmp_path / "model.bin")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("left_child=", "left_child=99 "),
        ("num_class=1", "num_class=2"),
        ("objective=binary", "objective=custom"),
        ("num_cat=0", "num_cat=3"),
        ("max_feature_idx=5", "max_feature_idx=2"),
        ("threshold=", "threshold=zzz"),
        ("end of trees", "end of tales"),
        ("tree_sizes=", "tree_sizes=-"),
    ],
)
def test_a_lightgbm_text_that_was_tampered_with_is_refused(rows: TrainingRows, old: str, new: str) -> None:
    text = fitted(rows, config_of("lightgbm")).to_bytes().decode()
    check_lightgbm(text)
    assert old in text
    with pytest.raises(ValueError, match=r"expect|begin"):
        check_lightgbm(text.replace(old, new, 1))


def test_a_lightgbm_tree_with_a_way_round_is_refused(rows: TrainingRows) -> None:
    text = fitted(rows, config_of("lightgbm")).to_bytes().decode()
    line = next(line for line in text.split("\n") if line.startswith("left_child="))
    children = line.removeprefix("left_child=").split(" ")
    place = next(place for place, child in enumerate(children) if 0 < int(child) < 10)
    children[place] = "0"  # as many bytes, so that the sizes still fit
    with pytest.raises(ValueError, match="tree 0: expected every split and leaf to be the child"):
        check_lightgbm(text.replace(line, "left_child=" + " ".join(children), 1))


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("left_children", 10_000, "not below it"),
        ("left_children", 0, "not below it"),
        ("left_children", -1, "one child"),
        ("split_indices", 77, "feature that is not there"),
        ("split_indices", -3, "feature that is not there"),
        ("split_type", 1, "numeric splits"),
    ],
)
def test_an_xgboost_tree_that_was_tampered_with_is_refused(
    rows: TrainingRows, part: str, value: int, message: str
) -> None:
    document = read_ubjson(fitted(rows, config_of("xgboost")).to_bytes())
    check_xgboost(document)
    tree = document["learner"]["gradient_booster"]["model"]["trees"][3]
    tree[part] = tree[part].copy()
    tree[part][0] = value
    with pytest.raises(ValueError, match=f"tree 3: .*{message}"):
        check_xgboost(document)


def test_ubjson_says_what_json_says(rows: TrainingRows) -> None:
    booster = fitted(rows, config_of("xgboost"))
    document, plain = read_ubjson(booster.to_bytes()), json.loads(bytes(booster.native.save_raw("json")))
    trees, expected = (one["learner"]["gradient_booster"]["model"]["trees"] for one in (document, plain))
    assert len(trees) == len(expected) == 12
    for tree, other in zip(trees, expected, strict=True):
        assert tree["tree_param"] == other["tree_param"]
        assert tree["left_children"].tolist() == other["left_children"]
        np.testing.assert_allclose(tree["split_conditions"], other["split_conditions"], rtol=1e-6)
    assert document["learner"]["feature_names"] == plain["learner"]["feature_names"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"{}", {}),
        (b"[ZTFi\xff]", [None, True, False, -1]),
        (b"[#L" + bytes(7) + b"\x01U\x07", [7]),
        (b"{L" + bytes(7) + b"\x01aSL" + bytes(7) + b"\x02\xc3\xa9}", {"a": "é"}),
        (b"d\x3f\x80\x00\x00", 1.0),
    ],
)
def test_ubjson_values(content: bytes, expected: object) -> None:
    assert read_ubjson(content) == expected
    for end in range(len(content)):
        with pytest.raises(ValueError, match=r"cut short|expected"):
            read_ubjson(content[:end])
    with pytest.raises(ValueError, match="more"):
        read_ubjson(content + b"x")


def test_ubjson_is_no_trap() -> None:
    for trap in (b"[" * 10_000, b"[$U#L\x7f" + b"\xff" * 7, b"[#L\x7f" + b"\xff" * 7, b"SL" + b"\xff" * 8, b"[$S#L"):
        with pytest.raises(ValueError, match=r"nested|cut short|expected"):
            read_ubjson(trap)


def test_an_xgboost_document_of_another_kind_is_refused(rows: TrainingRows) -> None:
    for wrong in ({}, {"learner": []}, {"learner": {"learner_model_param": {"num_feature": "x"}}}):
        with pytest.raises(ValueError, match=r"expect|invalid"):
            check_xgboost(wrong)


def test_features_must_be_float32_and_of_the_width(rows: TrainingRows) -> None:
    booster = fitted(rows, config_of("xgboost"))
    with pytest.raises(TypeError, match="expected features of dtype float32, got float64"):
        booster.log_odds(rows.features.astype(np.float64))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"expected features of shape \(N, 6\), got \(400, 5\)"):
        booster.log_odds(rows.features[:, :5])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": np.zeros(400, np.float32)}, "label 0 and of label 1"),
        ({"labels": np.full(400, 0.5, np.float32)}, "labels 0 and 1, got 0.5"),
        ({"labels": np.zeros(399, np.float32)}, "expected 400 labels"),
        ({"weights": np.full(400, -1, np.float32)}, "weights of at least 0"),
        ({"weights": np.full(400, np.nan, np.float32)}, "weights of at least 0"),
    ],
)
def test_bad_rows_are_refused(rows: TrainingRows, change: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fitted(rows._replace(**change), config_of("lightgbm"))


def test_names_and_validation_must_fit(rows: TrainingRows) -> None:
    with pytest.raises(ValueError, match="distinct names"):
        fit(*rows, config_of("lightgbm"), seed=1, names=["a"] * 6)
    with pytest.raises(ValueError, match="if and only if"):
        fitted(rows, config_of("lightgbm", early_stopping_rounds=2))
    with pytest.raises(ValueError, match="hospital_columns"):
        fitted(rows, config_of("lightgbm", hospital_features="blanked"))


@pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="there is a GPU")
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_gpu_that_is_not_there_is_told(rows: TrainingRows, library: str) -> None:
    with pytest.raises(InputError, match=r"GPU.*--device cpu"):
        fitted(rows, config_of(library, device="gpu"))


def test_a_value_the_library_refuses_is_told(rows: TrainingRows) -> None:
    params = {**PRESETS["small-xgboost"].params, "subsample": 7.0}
    with pytest.raises(InputError, match=r"small-xgboost: xgboost refuses a parameter .*subsample"):
        fitted(rows, config_of("xgboost", params=params))


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_json(name: str) -> None:
    config = PRESETS[name]
    assert BoosterConfig.from_json(json.loads(json.dumps(config.to_json()))) == config
    assert config.name == name
    assert read_config(name) is config


def test_the_original_is_as_it_was_told() -> None:
    xgboost, lightgbm = PRESETS["original-xgboost"].params, PRESETS["original-lightgbm"].params
    assert [xgboost[name] for name in ("learning_rate", "max_depth", "subsample", "colsample_bytree")] == [
        *(0.03, 7, 0.6, 0.5)
    ]
    assert [xgboost[name] for name in ("reg_lambda", "scale_pos_weight")] == [5, 8]
    assert [lightgbm[name] for name in ("learning_rate", "num_leaves", "feature_fraction")] == [0.005, 32, 0.6]
    assert [lightgbm[name] for name in ("lambda_l1", "lambda_l2", "scale_pos_weight")] == [1.5, 5.5, 5]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "a/b"}, "name"),
        ({"name": ""}, "name"),
        ({"library": "catboost"}, "'xgboost' or .* or 'kernel'; got 'catboost'"),
        ({"rounds": 0}, "rounds: a whole number of at least 1; got 0"),
        ({"rounds": True}, "rounds"),
        ({"threads": 0}, "threads"),
        ({"seeds": ()}, "seeds"),
        ({"seeds": (1, 1)}, "each once"),
        ({"seeds": (-1,)}, "seeds"),
        ({"seeds": (2**31,)}, "seeds"),
        ({"seeds": 3}, "seeds"),
        ({"device": "tpu"}, "device"),
        ({"soft_labels": 1}, "soft_labels"),
        ({"negatives_per_positive": 0}, "negatives_per_positive"),
        ({"negatives_per_positive": float("nan")}, "negatives_per_positive"),
        ({"least_positive_ratio": 1.5}, "least_positive_ratio"),
        ({"early_stopping_rounds": 0}, "early_stopping_rounds"),
        ({"hospital_features": True}, "hospital_features"),
        ({"feature_noise": {"x": -1}}, "feature_noise.x"),
        ({"params": {"max_dept": 3}}, "did you mean 'max_depth'"),
        ({"params": {"seed": 3}}, "got 'seed'"),
        ({"params": {"max_depth": float("inf")}}, "params.max_depth"),
    ],
)
def test_bad_configurations_name_the_field(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BoosterConfig.from_json({"name": "m", "library": "xgboost", "rounds": 3, **change})


def test_documents_are_strict() -> None:
    with pytest.raises(ValueError, match="no field is called 'round'; did you mean 'rounds'"):
        BoosterConfig.from_json({"name": "m", "library": "xgboost", "round": 3})
    with pytest.raises(ValueError, match="expected library"):
        BoosterConfig.from_json({"name": "m", "rounds": 3})
    with pytest.raises(ValueError, match="device = 'gpu'"):
        BoosterConfig(name="m", library="lightgbm", rounds=1, params={"device_type": "cuda"})


def test_a_toml_file_stands_on_a_preset(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('preset = "small-xgboost"\nrounds = 7\nseeds = [1, 2]\n[params]\nmax_depth = 2\n')
    config = read_config(str(path))
    assert (config.name, config.rounds, config.seeds) == ("mine", 7, (1, 2))
    assert config.params == {**PRESETS["small-xgboost"].params, "max_depth": 2}
    path.write_text('library = "lightgbm"\nrounds = 3\n')
    assert read_config(str(path)) == BoosterConfig(name="mine", library="lightgbm", rounds=3)
    for text, message in (
        ("rounds = ", "is no TOML"),
        ('preset = "x"', "no preset 'x'"),
        ('library = "xgboost"\nrounds = -3\n', "mine.toml: expected rounds"),
        ("", "mine.toml: expected library"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=message):
            read_config(str(path))
    with pytest.raises(InputError, match="original-xgboost"):
        read_config("orignal-xgboost")


@settings(max_examples=60, deadline=None)
@given(
    positives=st.integers(0, 12),
    negatives=st.integers(0, 60),
    ratio=st.one_of(st.none(), st.floats(0.01, 1)),
    lowered=st.one_of(st.none(), st.floats(0.5, 20)),
    seed=st.integers(0, 5),
)
def test_sampling(positives: int, negatives: int, ratio: float | None, lowered: float | None, seed: int) -> None:
    labels = np.random.default_rng(seed).permutation([1.0] * positives + [0.0] * negatives).astype(np.float32)
    config = config_of("lightgbm", negatives_per_positive=lowered, least_positive_ratio=ratio)
    rows = sample_rows(labels, config, generator_of(seed, 0))
    if rows is None:
        assert (ratio is None and lowered is None) or positives == 0
        return
    assert (np.diff(rows) >= 0).all()
    times = np.bincount(rows, minlength=len(labels))
    taken, left = times[labels == 1], times[labels == 0]
    assert taken.sum() == max(positives, round((ratio or 0) * negatives))
    assert taken.max() - taken.min() <= 1
    assert left.max(initial=0) <= 1
    assert left.sum() == (negatives if lowered is None else min(negatives, round(lowered * taken.sum())))
    assert np.array_equal(rows, sample_rows(labels, config, generator_of(seed, 0)))


def test_noise_falls_on_the_named_columns_alone(rows: TrainingRows) -> None:
    config = config_of("lightgbm", feature_noise={"l*": 0.0, "p*n": 0.1, "last": 5.0})
    noisy = add_noise(rows.features, NAMES, config, generator_of(1, None))
    assert np.array_equal(noisy[:, 1:], rows.features[:, 1:], equal_nan=True)
    assert np.array_equal(np.isnan(noisy), np.isnan(rows.features))
    assert 0.08 < np.nanstd(noisy[:, 0] - rows.features[:, 0]) < 0.12
    assert add_noise(rows.features, NAMES, config_of("lightgbm"), generator_of(1, None)) is rows.features


def test_blanked_copies_know_either_case(rows: TrainingRows) -> None:
    hospital = np.asarray([True, False, False, False, False, True])
    both = with_blanked_copies(rows, hospital)
    assert both.features.shape == (800, 6)
    assert np.array_equal(both.features[:400], rows.features, equal_nan=True)
    assert np.isnan(both.features[400:, hospital]).all()
    assert both.weights.sum() == rows.weights.sum()
    booster = fitted(rows, config_of("lightgbm", hospital_features="blanked"), hospital_columns=hospital)
    blank = rows.features.copy()
    blank[:, hospital] = np.nan
    alone = fitted(rows, config_of("lightgbm"))
    assert auc(rows.labels, booster.predict(blank)) > auc(rows.labels, alone.predict(blank))


def test_sigmoid_is_exact_at_its_ends() -> None:
    odds = np.asarray([-1e9, -745.0, 0.0, 745.0, 1e9])
    assert sigmoid(odds).tolist() == [0.0, np.exp(-745.0), 0.5, 1.0, 1.0]
