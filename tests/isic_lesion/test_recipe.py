"""Recipes are read strictly and say everything a run depends on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from furikaeri_common.documents import jsonable
from furikaeri_common.errors import InputError
from isic_lesion.boosters.presets import PRESETS
from isic_lesion.image_models.presets import IMAGE_PRESETS, ORIGINAL_PART_1, ORIGINAL_PART_2
from isic_lesion.recipe import RECIPES, document_of, read_recipe, recipe_from

MODEL = '[[models]]\npreset = "small-xgboost"\n'
IMAGE = '[[images]]\npreset = "small-lite0"\n'


def written(folder: Path, text: str) -> str:
    file = folder / "mine.toml"
    file.write_text(text)
    return str(file)


@pytest.mark.parametrize("name", RECIPES)
def test_the_recipes_that_come_by_name_hold(name: str) -> None:
    recipe = read_recipe(name)
    assert recipe.name == name
    assert recipe.about
    assert recipe_from(jsonable(recipe), source="again") == recipe


def test_the_original_has_its_three_table_models_with_and_without_the_hospital() -> None:
    recipe = read_recipe("original")
    assert [model.hospital_features for model in recipe.models] == ["with", "without"] * 3
    xgboost, lightgbm = recipe.models[0], recipe.models[2]
    assert (xgboost.params["max_depth"], xgboost.params["scale_pos_weight"]) == (7, 8.0)
    assert (lightgbm.params["num_leaves"], lightgbm.params["learning_rate"]) == (32, 0.005)


def test_the_original_has_its_two_parts_of_image_models() -> None:
    images = read_recipe("original").images
    assert tuple(config.name for config in images) == (*ORIGINAL_PART_1, *ORIGINAL_PART_2)
    first, second = images[0], images[-1]
    assert (first.epochs, first.batch, first.lr_backbone, first.negatives_per_positive) == (30, 16, 1e-5, 1.0)
    assert (second.epochs, second.lr_head, second.lr_backbone) == (5, 2e-4, 2e-5)
    assert dict(second.auxiliary) == {"lesion_id": 0.1, "past": 1e-4}


def test_an_image_model_changes_its_preset_where_it_says_so(tmp_path: Path) -> None:
    text = MODEL + IMAGE + 'name = "mine"\nepochs = 3\nseeds = [1, 2]\n'
    (config,) = read_recipe(written(tmp_path, text)).images
    assert (config.name, config.epochs, config.seeds) == ("mine", 3, (1, 2))
    assert replace(config, name="small-lite0", epochs=20, seeds=(42,)) == IMAGE_PRESETS["small-lite0"]


def test_a_recipe_without_image_models_does_not_speak_of_any(tmp_path: Path) -> None:
    plain = read_recipe(written(tmp_path, MODEL))
    assert "images" not in document_of(plain)
    pictured = replace(plain, images=(IMAGE_PRESETS["demo-tiny"],))
    assert recipe_from(document_of(pictured), source="again") == pictured
    assert {**document_of(pictured), "images": None} == {**document_of(plain), "images": None}


def test_a_model_changes_its_preset_where_it_says_so(tmp_path: Path) -> None:
    text = MODEL + 'name = "mine"\nrounds = 7\nparams = { max_depth = 2 }\n'
    (model,) = read_recipe(written(tmp_path, text)).models
    preset = PRESETS["small-xgboost"]
    assert (model.name, model.rounds) == ("mine", 7)
    assert model.params == {**preset.params, "max_depth": 2}


def test_a_file_gives_its_recipe_its_name(tmp_path: Path) -> None:
    assert read_recipe(written(tmp_path, MODEL)).name == "mine"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected at least one model"),
        ("models = 3", r"models: expected tables"),
        ("models = [3]", r"models\.0: expected a table"),
        ("[[models]]\npreset = 'none'", r"models\.0: preset: no preset 'none'"),
        (MODEL + "roundz = 3", r"models\.0: no field is called 'roundz'; did you mean 'rounds'"),
        (MODEL + "rounds = 0", r"models\.0: expected rounds"),
        (MODEL + "hospital_features = ['with', 'never']", r"models\.0: expected hospital_features"),
        (MODEL + "params = 3", r"models\.0: expected params"),
        (MODEL + "hospital_features = [['with']]", r"models\.0: expected hospital_features"),
        ("[[models]]\npreset = ['small-xgboost']", r"models\.0: preset: no preset"),
        (MODEL + "[folds]\nseed = -1", "folds: expected seed >= 0"),
        (MODEL + MODEL, "distinct names, got 'small-xgboost' twice"),
        (MODEL + "[folds]\ncount = 1", r"folds: expected count from 2"),
        (MODEL + "[folds]\nscheme = 'rows'", r"folds\.scheme: expected one of patients, hospitals"),
        (MODEL + "[stack]\ntrials = 0", "stack: expected trials"),
        (MODEL + "[inference]\nchunk_rows = 0", "inference: expected chunk_rows"),
        (MODEL + "[feature]\nset = 'full'", "feature: no such setting"),
        (MODEL + "[images]\nsize = 3", r"images: expected tables"),
        (MODEL + "[[images]]\npreset = 'none'", r"images\.0: preset: no preset 'none'.*small-lite0"),
        (MODEL + IMAGE + IMAGE, "distinct names, got 'small-lite0' twice"),
        (MODEL + IMAGE + "name = 'small-xgboost'", "distinct names, got 'small-xgboost' twice"),
        (MODEL + IMAGE + "epoch = 3", r"images\.0\.epoch: no such setting.*epochs"),
        (MODEL + IMAGE + "epochs = 0", r"images\.0: expected epochs"),
        (MODEL + "[[images]]\nname = 'x'", r"images\.0\.backbone is missing"),
        ("[[models]\n", "is no TOML"),
    ],
)
def test_a_wrong_recipe_is_told_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_recipe(written(tmp_path, text))


def test_a_missing_recipe_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no recipe of this name") as raised:
        read_recipe(str(tmp_path / "none.toml"))
    assert "original, pictures, small" in str(raised.value.fix)
