"""The whole chain on a made-up folder, and the scores of new lesions by what it made."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from furikaeri_common.artifacts import sha256_of
from furikaeri_common.errors import InputError
from furikaeri_common.local_processes import LocalProcesses
from furikaeri_common.stages import run_stages
from isic_lesion.data.dataset import open_lesions
from isic_lesion.features import small, write_feature_set
from isic_lesion.folds.dealing import assign_hospital_folds
from isic_lesion.folds.files import read_folds, write_folds
from isic_lesion.pipeline import feature_set_of, stack_config_of, stages_of
from isic_lesion.prediction import open_predictor, predict
from isic_lesion.recipe import Recipe, read_recipe
from isic_lesion.run_inputs import RunInputs
from isic_lesion.run_layout import RunLayout
from isic_lesion.scores import read_scores, write_scores

KEPT = ("folds.parquet", "feature_set.json", "models/*/oof.parquet", "models/*/boosters/*", "stack/*", "submission.csv")


def made_of(folder: Path) -> dict[str, str]:
    """Everything that a run promises to make the same again."""
    files = [file for pattern in KEPT for file in sorted(folder.glob(pattern))]
    return {file.relative_to(folder).as_posix(): sha256_of(file) for file in files}


@pytest.fixture(scope="session")
def tiny(tiny_recipe: Path) -> Recipe:
    return read_recipe(str(tiny_recipe))


def run(inputs: RunInputs, folder: Path, *, threads: int = 1) -> dict[str, Mapping[str, Any]]:
    """Run all but the report, which has tests of its own, and return what each stage told."""
    stages = [stage for stage in stages_of(inputs, folder, threads=threads) if stage.name != "report"]
    return {record.name: record.facts for record in run_stages(folder, stages)}


@pytest.fixture(scope="session")
def brief(inputs: RunInputs) -> RunInputs:
    """The same with two models only, of one booster each."""
    models = tuple(replace(model, seeds=(1,)) for model in inputs.recipe.models[2:])
    return replace(inputs, recipe=replace(inputs.recipe, models=models))


@pytest.fixture(scope="session")
def inputs(made_up: Path, tiny: Recipe) -> RunInputs:
    return RunInputs(
        data=open_lesions(made_up), recipe=tiny, engine=LocalProcesses(0), test=open_lesions(made_up, "test")
    )


@pytest.fixture(scope="session")
def ran(inputs: RunInputs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    run_stages(folder, stages_of(inputs, folder))
    return folder


def test_every_stage_leaves_what_it_should(ran: Path, tiny: Recipe) -> None:
    layout = RunLayout(ran)
    folds = read_folds(layout.folds)
    for model in tiny.models:
        oof = read_scores(layout.oof(model.name), folds)
        assert len(oof) == 600
        assert oof["fold"].n_unique() == 3
    stacked = read_scores(layout.stacked, folds)
    assert set(stacked["model"]) == {"stack", "stack-blind"}
    assert layout.report.stat().st_size > 10_000


def test_the_submission_is_the_test_table_in_its_order(ran: Path, made_up: Path) -> None:
    submission = pl.read_csv(RunLayout(ran).submission)
    assert submission.columns == ["isic_id", "target"]
    assert submission["isic_id"].to_list() == pl.read_csv(made_up / "sample_submission.csv")["isic_id"].to_list()
    assert submission["target"].is_between(0, 1).all()
    assert submission["target"].n_unique() > 60


def test_neither_workers_nor_threads_change_the_bytes(brief: RunInputs, tmp_path: Path) -> None:
    run(brief, tmp_path / "alone")
    run(replace(brief, engine=LocalProcesses(2)), tmp_path / "shared", threads=2)
    assert made_of(tmp_path / "alone") == made_of(tmp_path / "shared")


def test_scores_do_not_depend_on_chunks_or_order(ran: Path, made_up: Path, tmp_path: Path) -> None:
    predictor, lesions = open_predictor(ran), open_lesions(made_up, "test")
    whole = predict(predictor, lesions)
    assert whole.chunks == 1
    told: list[tuple[int, int]] = []
    pieces = predict(predictor, lesions, chunk_rows=1, on_chunk=lambda done, total: told.append((done, total)))
    assert pieces.chunks == 9  # one for each patient
    assert pieces.frame.equals(whole.frame)
    assert told[-1] == (90, 90)

    shuffled = pl.read_csv(made_up / "test-metadata.csv", infer_schema=False).sample(fraction=1.0, shuffle=True, seed=3)
    shuffled.write_csv(tmp_path / "test-metadata.csv")
    other = predict(predictor, open_lesions(tmp_path, "test"), chunk_rows=25)
    assert other.frame["isic_id"].to_list() == shuffled["isic_id"].to_list()
    assert other.frame.sort("isic_id").equals(whole.frame.sort("isic_id"))


def test_a_patient_is_scored_by_the_patient_alone(ran: Path, made_up: Path, tmp_path: Path) -> None:
    """What the models say of a lesion does not change with whose lesions are beside it."""
    from isic_lesion.prediction import score_rows

    rows = open_lesions(made_up, "test").read()
    some = rows.filter(pl.col("patient_id") == rows["patient_id"][0])
    predictor = open_predictor(ran)
    together = score_rows(predictor, rows)
    alone = score_rows(predictor, some)
    place = (rows["patient_id"] == rows["patient_id"][0]).to_numpy()
    for name, scores in alone.items():
        np.testing.assert_array_equal(scores, together[name][place])


def test_hospitals_that_were_not_seen_are_told_apart(ran: Path, made_up: Path) -> None:
    predictor = open_predictor(ran)
    lesions = open_lesions(made_up, "test")
    seen = set(open_lesions(made_up).read(["attribution"])["attribution"])
    expected = (~lesions.read(["attribution"])["attribution"].is_in(seen)).sum()
    assert predictor.hospitals == seen
    assert predict(predictor, lesions).unknown == expected > 0
    blind = {model.name for model in predictor.recipe.models if model.hospital_features == "without"}
    assert set(predictor.stack.weights_unknown) <= blind


def test_boosters_of_the_rounds_can_score_together(ran: Path, made_up: Path, tmp_path: Path, tiny: Recipe) -> None:
    from furikaeri_common.artifacts import write_json
    from furikaeri_common.documents import jsonable

    shutil.copytree(ran, tmp_path / "run")
    recipe = replace(tiny, inference=replace(tiny.inference, boosters="folds"))
    write_json(RunLayout(tmp_path / "run").recipe, jsonable(recipe))
    by_rounds = predict(open_predictor(tmp_path / "run"), open_lesions(made_up, "test"))
    by_all = predict(open_predictor(ran), open_lesions(made_up, "test"))
    assert len(open_predictor(tmp_path / "run").scorers) == 3
    assert np.corrcoef(by_rounds.frame["target"], by_all.frame["target"])[0, 1] > 0.7
    assert not by_rounds.frame.equals(by_all.frame)


def image_scores_of(made_up: Path, split: str, seed: int) -> pl.DataFrame:
    ids = open_lesions(made_up, "test" if split == "test" else "train").read(["isic_id"])
    return ids.with_columns(
        fold=pl.lit(None, pl.UInt8),
        model=pl.lit("net-18"),
        score=pl.Series(np.random.default_rng(seed).uniform(size=len(ids))),
    )


def test_image_scores_become_features_and_take_part_in_the_stack(
    ran: Path, brief: RunInputs, made_up: Path, tmp_path: Path
) -> None:
    folds = read_folds(RunLayout(ran).folds)
    scores = image_scores_of(made_up, "train", 0)
    scores = scores.with_columns(fold=pl.Series(folds.fold_of(scores["isic_id"])))
    truth = open_lesions(made_up).read(["target"])["target"]
    scores = scores.with_columns(score=pl.col("score") + truth.cast(pl.Float64))  # a model that knows
    write_scores(tmp_path / "oof.parquet", scores, folds)
    write_scores(tmp_path / "test.parquet", image_scores_of(made_up, "test", 1))
    given = replace(brief, image_scores=(tmp_path / "oof.parquet",), test_image_scores=(tmp_path / "test.parquet",))
    folder = tmp_path / "run"
    told = run(given, folder)
    assert "image_net_18.logit" in feature_set_of(brief.recipe, ("net-18",)).names
    assert told["features"]["image_models"] == ["net-18"]
    assert told["stack"]["weights"]["unknown"].get("net-18", 0) > 0
    assert told["model small-lightgbm"]["pauc"] > 0.19

    predictor = open_predictor(folder)
    assert predictor.image_models == ("net-18",)
    with pytest.raises(InputError, match="image model 'net-18'"):
        predict(predictor, open_lesions(made_up, "test"))


def test_image_scores_of_other_folds_are_refused(brief: RunInputs, made_up: Path, tmp_path: Path) -> None:
    folds = assign_hospital_folds(open_lesions(made_up).read(), num_folds=3, seed=9)
    scores = image_scores_of(made_up, "train", 0)
    scores = scores.with_columns(fold=pl.Series(folds.fold_of(scores["isic_id"])))
    write_scores(tmp_path / "oof.parquet", scores, folds)
    given = replace(brief, test=None, image_scores=(tmp_path / "oof.parquet",))
    with pytest.raises(InputError, match="fold"):
        run(given, tmp_path / "run")


def test_a_run_over_held_out_hospitals(brief: RunInputs, made_up: Path, tmp_path: Path) -> None:
    folds = assign_hospital_folds(open_lesions(made_up).read(), num_folds=3)
    write_folds(folds, tmp_path / "folds.parquet")
    given = replace(brief, test=None, folds=tmp_path / "folds.parquet")
    told = run(given, tmp_path / "run")
    assert told["folds"]["scheme"] == "hospitals"
    assert {"pauc_known", "pauc_unknown"} <= set(told["stack"])
    assert "submission" not in told


def test_hospitals_that_some_rounds_lack_are_known_to_the_others(
    brief: RunInputs, made_up: Path, tmp_path: Path
) -> None:
    recipe = replace(
        brief.recipe,
        folds=replace(brief.recipe.folds, scheme="hospitals"),
        inference=replace(brief.recipe.inference, boosters="folds"),
    )
    run(replace(brief, recipe=recipe, test=None), tmp_path)
    predictor = open_predictor(tmp_path)
    assert predictor.hospitals == set(open_lesions(made_up).read(["attribution"])["attribution"])
    assert all(scorer.hospitals < predictor.hospitals for scorer in predictor.scorers)
    predicted = predict(predictor, open_lesions(made_up, "test"))
    assert 0 < predicted.unknown < len(predicted.frame)


def test_folds_of_other_lesions_are_refused(brief: RunInputs, made_up: Path, tmp_path: Path) -> None:
    rows = open_lesions(made_up).read()
    write_folds(assign_hospital_folds(rows.head(300), num_folds=3), tmp_path / "folds.parquet")
    given = replace(brief, test=None, folds=tmp_path / "folds.parquet")
    with pytest.raises(InputError, match="has no fold for ISIC_"):
        run(given, tmp_path / "run")


def test_a_fatal_finding_stops_the_run_before_anything_is_trained(
    brief: RunInputs, made_up: Path, tmp_path: Path
) -> None:
    rows = pl.read_csv(made_up / "train-metadata.csv", infer_schema=False)
    (tmp_path / "data").mkdir()
    rows.with_columns(age_approx=pl.lit("200")).write_csv(tmp_path / "data" / "train-metadata.csv")
    given = replace(brief, data=open_lesions(tmp_path / "data"), test=None)
    with pytest.raises(InputError, match=r"train-metadata\.csv, line 2: .*600 fatal findings") as raised:
        run(given, tmp_path / "run")
    assert "isic data check" in str(raised.value.fix)


PAST = """image_name,patient_id,sex,age_approx,anatom_site_general_challenge,diagnosis,benign_malignant,target
ISIC_9000001,{patient},male,45.0,torso,melanoma,malignant,1
ISIC_9000002,{patient},male,45.0,torso,nevus,benign,0
"""


def test_earlier_contests_are_joined_in_training_and_at_inference(
    brief: RunInputs, made_up: Path, tmp_path: Path
) -> None:
    recipe = replace(brief.recipe, features=replace(brief.recipe.features, past=True))
    with pytest.raises(InputError, match="none were given"):
        replace(brief, recipe=recipe)
    patient = open_lesions(made_up).read(["patient_id"])["patient_id"][0]
    (tmp_path / "2020.csv").write_text(PAST.format(patient=patient))
    given = replace(brief, recipe=recipe, past=(tmp_path / "2020.csv",))
    folder = tmp_path / "run"
    run(given, folder)
    lesions = pl.read_parquet(RunLayout(folder).lesions).filter(pl.col("patient_id") == patient)
    assert (lesions["past_melanomas"] == 1).any() or (lesions["age_approx"] < 45).all()
    with pytest.raises(InputError, match="earlier contests, and none were given"):
        predict(open_predictor(folder), open_lesions(made_up, "test"))


def test_inputs_that_do_not_fit_are_refused(inputs: RunInputs) -> None:
    with pytest.raises(InputError, match="none of the training lesions"):
        replace(inputs, test_image_scores=(Path("x"),))
    with pytest.raises(InputError, match="none of the test lesions"):
        replace(inputs, image_scores=(Path("x"),))


def test_an_edited_set_of_features_is_not_taken_for_the_old_one(brief: RunInputs, tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    whole = small()
    write_feature_set(whole.select(whole.names[:60]), file)
    recipe = replace(brief.recipe, features=replace(brief.recipe.features, set=str(file)))
    given = replace(brief, recipe=recipe, test=None)
    assert run(given, tmp_path / "run")["features"]["features"] == 60
    write_feature_set(whole.select(whole.names[:70]), file)
    again = run(given, tmp_path / "run")
    assert again["features"]["features"] == 70
    assert again["model small-lightgbm"]["features"] == 70


def test_other_data_under_the_same_names_are_read_anew(brief: RunInputs, made_up: Path, tmp_path: Path) -> None:
    rows = pl.read_csv(made_up / "train-metadata.csv", infer_schema=False)
    (tmp_path / "data").mkdir()
    for number in (600, 500):
        rows.head(number).write_csv(tmp_path / "data" / "train-metadata.csv")
        given = replace(brief, data=open_lesions(tmp_path / "data"), test=None)
        assert run(given, tmp_path / "run")["data"]["rows"] == number


@pytest.mark.parametrize(
    ("names", "test_names", "said"),
    [
        (["net"], ["other"], "image scores of the model '(net|other)' were given"),
        (["a-b", "a_b"], ["a-b", "a_b"], "cannot be told from 'a-b'"),
        (["type"], ["type"], "cannot be told from a column of the table"),
        (["small-lightgbm"], ["small-lightgbm"], "a table model of the recipe has this name"),
    ],
)
def test_image_models_that_cannot_be_told_apart_are_refused_at_once(
    names: list[str], test_names: list[str], said: str, brief: RunInputs, ran: Path, made_up: Path, tmp_path: Path
) -> None:
    folds = read_folds(RunLayout(ran).folds)
    scores = image_scores_of(made_up, "train", 0)
    scores = scores.with_columns(fold=pl.Series(folds.fold_of(scores["isic_id"])))
    own, test = (
        pl.concat([frame.with_columns(model=pl.lit(name)) for name in some])
        for frame, some in ((scores, names), (image_scores_of(made_up, "test", 1), test_names))
    )
    write_scores(tmp_path / "oof.parquet", own, folds)
    write_scores(tmp_path / "test.parquet", test)
    given = replace(brief, image_scores=(tmp_path / "oof.parquet",), test_image_scores=(tmp_path / "test.parquet",))
    with pytest.raises(InputError, match=said):
        run(given, tmp_path / "run")
    assert not RunLayout(tmp_path / "run").lesions.exists()


def test_a_category_that_models_do_not_know_is_refused(ran: Path, made_up: Path, tmp_path: Path) -> None:
    table = pl.read_csv(made_up / "test-metadata.csv", infer_schema=False)
    table.with_columns(sex=pl.lit("Male")).write_csv(tmp_path / "test-metadata.csv")
    with pytest.raises(InputError, match="has 'Male' in sex"):
        predict(open_predictor(ran), open_lesions(tmp_path, "test"))


def test_models_that_look_at_the_hospital_do_not_score_unknown_ones(tiny: Recipe) -> None:
    assert stack_config_of(tiny).unknown_models == ("small-xgboost-no-hospital", "small-lightgbm-no-hospital")
    assert stack_config_of(tiny, ("net",)).unknown_models[-1] == "net"
    assert stack_config_of(tiny, ("swin[s]",)).unknown_models[-1] == "swin[[]s]"  # names are patterns there
    blanked = replace(tiny.models[0], name="blanked", hospital_features="blanked")
    more = replace(tiny, models=(*tiny.models, blanked))
    assert "blanked" not in stack_config_of(more).unknown_models  # its held-out scores know the hospital
    assert "blanked" in stack_config_of(more, scheme="hospitals").unknown_models
    assert stack_config_of(replace(tiny, models=(tiny.models[0], blanked))).unknown_models == ("blanked",)
    only = replace(tiny, stack=replace(tiny.stack, known_models=("small-xgboost",)))
    assert stack_config_of(only, ("net",)).known_models == ("small-xgboost", "net")
    named = replace(tiny, stack=replace(tiny.stack, unknown_models=("small-*",)))
    assert stack_config_of(named).unknown_models == ("small-*",)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (lambda folder: (folder / "stack" / "stack.json").unlink(), "has no stack"),
        (lambda folder: (folder / "recipe.json").unlink(), "has no recipe"),
        (lambda folder: shutil.rmtree(folder / "models" / "small-xgboost"), "small-xgboost"),
        (lambda folder: (folder / "features" / "population-all.parquet").unlink(), "population-all"),
        (lambda folder: (folder / "feature_set.json").write_text("{}"), "feature_set"),
        (
            lambda folder: write_feature_set(small().without_columns("tbp_lv_L"), folder / "feature_set.json"),
            "is not the set of features that the model small-xgboost",
        ),
    ],
)
def test_a_run_that_is_not_whole_is_named(
    ran: Path, tmp_path: Path, broken: Callable[[Path], object], said: str
) -> None:
    shutil.copytree(ran, tmp_path / "run")
    broken(tmp_path / "run")
    with pytest.raises(InputError, match=said):
        open_predictor(tmp_path / "run")
