"""Image models of a recipe are stages of the run, and whatever scores pictures comes to the same."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from furikaeri_common.artifacts import read_json
from furikaeri_common.errors import InputError
from furikaeri_common.stages import run_stages
from isic_lesion.data.dataset import open_lesions
from isic_lesion.data.images import open_images, write_images
from isic_lesion.folds.files import read_folds
from isic_lesion.image_models.folder import read_image_record
from isic_lesion.picture_scores import complete_scores, predict_with_pictures
from isic_lesion.pipeline import stages_of
from isic_lesion.prediction import open_predictor, predict
from isic_lesion.run_images import settled
from isic_lesion.run_inputs import RunInputs
from isic_lesion.run_layout import RunLayout
from isic_lesion.scores import read_scores
from isic_lesion.submission import write_submission

STAGES = ("report", "stack", "submission", "score net", "model small-lightgbm", "model small-lightgbm-no-hospital")


def folder_with(there: Path, place: Path, damaged: str = "", split: str = "train") -> Path:
    """Copy a folder, and let one of its pictures be cut off."""
    copy = shutil.copytree(there, place)
    with open_images(there / f"{split}-image.hdf5") as images:
        jpegs = {name: images.jpeg(name) for name in images.isic_ids()}
    if damaged:
        jpegs[damaged] = jpegs[damaged][:40]
    (copy / f"{split}-image.hdf5").unlink()
    write_images(copy / f"{split}-image.hdf5", jpegs.items())
    return copy


def test_the_stages_of_a_run_with_an_image_model(inputs: RunInputs, ran: Path) -> None:
    records = run_stages(ran, stages_of(inputs, ran))
    assert all(record.reused for record in records)
    assert [record.name for record in records] == [
        *("data", "folds", "image net", "features", "model small-lightgbm", "model small-lightgbm-no-hospital"),
        *("stack", "report", "score net", "submission"),
    ]
    told = {record.name: record.facts for record in records}
    facts = told["image net"]
    assert facts["networks"] == 3
    assert len(facts["pauc_by_fold"]) == 2
    assert min(facts["seconds_per_epoch"], facts["images_per_second"], facts["peak_bytes"]) > 0
    assert told["features"]["image_models"] == ["net"]
    assert told["score net"]["rows"] == 40
    layout = RunLayout(ran)
    folds = read_folds(layout.folds)
    own = read_scores(layout.image_model("net") / "oof.parquet", folds)
    assert own.equals(read_scores(layout.image_scores, folds))
    assert sorted(own["isic_id"]) == sorted(folds.frame["isic_id"])
    predictor = open_predictor(ran)
    assert "net" in predictor.image_models
    assert "image_net" in predictor.image_columns


def test_predicting_a_folder_scores_its_pictures_as_the_run_did(ran: Path, pictured: Path, tmp_path: Path) -> None:
    predictor, lesions = open_predictor(ran), open_lesions(pictured, "test")
    told: list[tuple[int, int]] = []
    scores = complete_scores(predictor, lesions, on_progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (40, 40)
    write_submission(predict(predictor, lesions, image_scores=scores).frame, tmp_path / "submission.csv")
    assert (tmp_path / "submission.csv").read_bytes() == RunLayout(ran).submission.read_bytes()
    assert scores is not None
    assert complete_scores(predictor, replace(lesions, images=None), scores) is scores  # nothing is left to score
    with pytest.raises(InputError, match=r"holds no test-image\.hdf5"):
        complete_scores(predictor, replace(lesions, images=None))
    elsewhere = complete_scores(predictor, replace(lesions, images=None), images=lesions.images)
    assert elsewhere is not None
    assert elsewhere.equals(scores)


def test_what_is_missing_is_told_before_a_picture_is_scored(ran: Path, pictured: Path) -> None:
    predictor, lesions = open_predictor(ran), open_lesions(pictured, "test")
    told_of_past = replace(predictor.recipe, features=replace(predictor.recipe.features, past=True))
    seen: list[int] = []
    with pytest.raises(InputError, match="the models look at earlier contests"):
        predict_with_pictures(
            predictor._replace(recipe=told_of_past), lesions, on_pictures=lambda done, total: seen.append(done)
        )
    with pytest.raises(InputError, match="scores of the image model 'net'"):
        predict_with_pictures(predictor._replace(networks={}), lesions)
    assert seen == []


def test_a_lesion_whose_picture_is_damaged_is_scored_by_the_other_models(
    ran: Path, pictured: Path, tmp_path: Path
) -> None:
    bad = open_lesions(pictured, "test").read(["isic_id"])["isic_id"][7]
    lesions = open_lesions(folder_with(pictured, tmp_path / "data", bad, "test"), "test")
    with pytest.raises(InputError, match=f"1 of 40 pictures is damaged: {bad}"):
        predict_with_pictures(open_predictor(ran), lesions)
    predicted = predict_with_pictures(open_predictor(ran), lesions, on_bad="skip")
    assert (len(predicted.frame), predicted.unpictured) == (40, 1)
    assert predicted.frame["target"].is_between(0, 1, closed="right").all()


def test_a_run_tells_how_many_pictures_are_scored(inputs: RunInputs, ran: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(ran, tmp_path / "run")
    RunLayout(folder).test_image_scores("net").unlink()
    told: list[tuple[str, int, int]] = []
    stages = stages_of(inputs, folder, on_pictures=lambda *one: told.append(one))
    assert [record.name for record in run_stages(folder, stages) if not record.reused] == ["score net"]
    assert told == [("net", 40, 40)]
    assert (
        RunLayout(folder).test_image_scores("net").read_bytes() == RunLayout(ran).test_image_scores("net").read_bytes()
    )


def test_scores_of_an_earlier_recipe_are_not_stacked(
    inputs: RunInputs, ran: Path, tmp_path: Path, run: Callable
) -> None:
    folder = shutil.copytree(ran, tmp_path / "run")
    told = run(replace(inputs, recipe=replace(inputs.recipe, images=()), test=None), folder)
    assert not RunLayout(folder).image_scores.exists()
    assert "net" not in told["stack"]["weights"]["known"]


def test_other_weights_to_begin_with_are_other_inputs(inputs: RunInputs, tmp_path: Path) -> None:
    net = replace(inputs.recipe.images[0], weights=str(tmp_path / "net.safetensors"))
    given = replace(inputs, recipe=replace(inputs.recipe, images=(net,)))
    assert "weights.net" not in given.fingerprints()  # that it is not there is told when it is wanted
    seen = []
    for content in (b"one", b"two"):
        (tmp_path / "net.safetensors").write_bytes(content)
        (stage,) = [stage for stage in stages_of(given, tmp_path) if stage.name == "image net"]
        seen.append(stage.inputs["weights.net"])
    assert seen[0] != seen[1]


def test_scores_that_are_given_stand_for_the_model(inputs: RunInputs, ran: Path, tmp_path: Path, run: Callable) -> None:
    layout = RunLayout(ran)
    given = replace(
        inputs,
        image_scores=(layout.image_model("net") / "oof.parquet",),
        test_image_scores=(layout.test_image_scores("net"),),
    )
    assert settled(given).recipe.images == ()
    told = run(given, tmp_path)
    assert not [name for name in told if name.startswith(("image ", "score "))]
    assert "images" not in read_json(RunLayout(tmp_path).recipe)
    for name in ("submission.csv", "feature_set.json", "stack/stack.json", "models/small-lightgbm/oof.parquet"):
        assert (tmp_path / name).read_bytes() == (ran / name).read_bytes(), name
    with pytest.raises(InputError, match="image model 'net', and none were given"):
        predict(open_predictor(tmp_path), open_lesions(inputs.data.folder, "test"))


def test_networks_of_the_folds_score_where_the_recipe_says_so(
    inputs: RunInputs, ran: Path, tmp_path: Path, run: Callable
) -> None:
    recipe = replace(inputs.recipe, inference=replace(inputs.recipe.inference, boosters="folds"))
    run(replace(inputs, recipe=recipe), tmp_path)
    record = read_image_record(RunLayout(tmp_path).image_model("net"))
    assert (record.has_folds, record.has_all) == (True, False)
    both = [read_scores(RunLayout(folder).test_image_scores("net"))["score"] for folder in (ran, tmp_path)]
    assert not both[0].equals(both[1])
    oof = "image-models/net/oof.parquet"
    assert (tmp_path / oof).read_bytes() == (ran / oof).read_bytes()


def test_pictures_of_earlier_contests_are_learnt_from_by_models_that_are_told_of_them(
    inputs: RunInputs, ran: Path, pictured: Path, tmp_path: Path, run: Callable
) -> None:
    table = pl.read_csv(pictured / "train-metadata.csv", infer_schema=False)
    past = tmp_path / "past"
    past.mkdir()
    with open_images(pictured / "train-image.hdf5") as images:
        write_images(
            past / "train-image.hdf5",
            ((f"ISIC_9{k:06}", images.jpeg(name)) for k, name in enumerate(table["isic_id"].head(30))),
        )
    ids = [f"ISIC_9{k:06}" for k in range(30)]
    table.head(30).with_columns(isic_id=pl.Series(ids), patient_id=pl.lit("P")).write_csv(past / "train-metadata.csv")
    net = inputs.recipe.images[0]
    told_of_past = replace(net, name="three-heads", auxiliary={"lesion_id": 0.1, "past": 1e-4})
    recipe = replace(inputs.recipe, images=(net, told_of_past))
    given = replace(inputs, recipe=recipe, past_images=(past,), test=None)
    told = run(given, tmp_path / "run", without=STAGES)
    assert told["image net"]["past_lesions"] == 0
    assert told["image three-heads"]["past_lesions"] == 30
    assert told["features"]["image_models"] == ["net", "three-heads"]
    scores = read_scores(RunLayout(tmp_path / "run").image_scores)
    assert scores["isic_id"].n_unique() == 160  # features and stack know this contest's lesions alone
    oof = "image-models/net/oof.parquet"
    assert (tmp_path / "run" / oof).read_bytes() == (ran / oof).read_bytes()


def test_a_run_over_held_out_hospitals(inputs: RunInputs, tmp_path: Path, run: Callable) -> None:
    folds = replace(inputs.recipe.folds, scheme="hospitals", count=3)
    given = replace(inputs, recipe=replace(inputs.recipe, folds=folds), test=None)
    told = run(given, tmp_path)
    assert len(told["image net"]["pauc_by_fold"]) == 3
    dealt = read_folds(RunLayout(tmp_path).folds)
    assert len(read_scores(RunLayout(tmp_path).image_scores, dealt)) > 160  # some lesions are held out twice


def test_a_damaged_picture_is_named_or_gone_without(
    inputs: RunInputs, pictured: Path, tmp_path: Path, run: Callable
) -> None:
    bad = open_lesions(pictured).read(["isic_id"])["isic_id"][5]
    data = folder_with(pictured, tmp_path / "data", bad)
    given = replace(inputs, data=open_lesions(data), test=None)
    with pytest.raises(InputError, match=bad):
        run(given, tmp_path / "run", without=STAGES)
    told = run(replace(given, on_bad="skip"), tmp_path / "run", without=STAGES)
    assert told["image net"]["bad_pictures"] == 1
    assert bad not in read_scores(RunLayout(tmp_path / "run").image_scores)["isic_id"].to_list()
    features = pl.read_parquet(RunLayout(tmp_path / "run").lesions)
    assert len(features) == 160


def test_other_pictures_are_trained_on_anew(inputs: RunInputs, pictured: Path, tmp_path: Path, run: Callable) -> None:
    data = shutil.copytree(pictured, tmp_path / "data")
    given = replace(inputs, data=open_lesions(data), test=None)
    run(given, tmp_path / "run", without=STAGES)
    before = (RunLayout(tmp_path / "run").image_model("net") / "oof.parquet").read_bytes()
    ids = open_lesions(pictured).read(["isic_id"])["isic_id"]
    with open_images(pictured / "train-image.hdf5") as images:
        jpegs = {name: images.jpeg(other) for name, other in zip(ids, ids.reverse(), strict=True)}
    (data / "train-image.hdf5").unlink()
    write_images(data / "train-image.hdf5", jpegs.items())
    run(replace(given, data=open_lesions(data)), tmp_path / "run", without=STAGES)
    assert (RunLayout(tmp_path / "run").image_model("net") / "oof.parquet").read_bytes() != before


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_folder_without_pictures_is_told_at_once(split: str, inputs: RunInputs, tmp_path: Path) -> None:
    part = replace(inputs.data if split == "train" else inputs.test, images=None)
    given = replace(inputs, **{"data" if split == "train" else "test": part})
    with pytest.raises(InputError, match=rf"holds no {split}-image\.hdf5, and the .*1 image model") as raised:
        stages_of(given, tmp_path)
    assert "--no-images" in str(raised.value.fix)
    stages_of(replace(given, recipe=replace(inputs.recipe, images=())), tmp_path)


def test_weights_that_are_not_here_are_told_before_anything_is_computed(
    inputs: RunInputs, tmp_path: Path, run: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("FURIKAERI_MODELS", str(tmp_path / "models"))
    net = replace(inputs.recipe.images[0], backbone="resnet18.fb_swsl_ig1b_ft_in1k", weights="hub", size=None)
    with pytest.raises(InputError, match="image model net: ") as raised:
        run(replace(inputs, recipe=replace(inputs.recipe, images=(net,))), tmp_path / "run")
    said = str(raised.value)
    for words in ("hf download timm/resnet18.fb_swsl_ig1b_ft_in1k", "--no-images", "--image-scores"):
        assert words in said
    assert not RunLayout(tmp_path / "run").lesions.exists()


def test_a_backbone_that_timm_does_not_have_is_told_with_its_model(
    inputs: RunInputs, tmp_path: Path, run: Callable
) -> None:
    net = replace(inputs.recipe.images[0], backbone="resnet19")
    with pytest.raises(InputError, match=r"image model net: .*resnet19.*resnet18"):
        run(replace(inputs, recipe=replace(inputs.recipe, images=(net,))), tmp_path / "run")
