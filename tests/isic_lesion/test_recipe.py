"""Recipes are read strictly and say everything a run depends on."""

from __future__ import annotations

from pathlib import Path

import pytest

from furikaeri_common.documents import jsonable
from furikaeri_common.errors import InputError
from isic_lesion.boosters.presets import PRESETS
from isic_lesion.recipe import RECIPES, read_recipe, recipe_from

MODEL = '[[models]]\npreset = "small-xgboost"\n'


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
        ("[[models]\n", "is no TOML"),
    ],
)
def test_a_wrong_recipe_is_told_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_recipe(written(tmp_path, text))


def test_a_missing_recipe_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no recipe of this name") as raised:
        read_recipe(str(tmp_path / "none.toml"))
    assert "original, small" in str(raised.value.fix)
