"""Recipes of the offline half: what they say, what they refuse, and other models in their place."""

from __future__ import annotations

from pathlib import Path

import pytest

from furikaeri_common.errors import InputError
from twenty_questions.labelling.prompts import PROMPTS
from twenty_questions.precompute.recipe import RECIPES, read_precompute_recipe, with_models

SMALL = """
[[keywords.file]]
list = "built-in"
[questions]
file = ["built-in"]
[[models]]
model = "a"
"""


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_that_come_by_name_can_be_read(name: str) -> None:
    recipe = read_precompute_recipe(name)
    assert recipe.name == name
    assert recipe.about
    assert all(model.prompt in PROMPTS for model in recipe.models)


def test_the_original_has_the_original_size() -> None:
    recipe = read_precompute_recipe("original")
    assert (recipe.keywords.limit, recipe.questions.budget, len(recipe.models)) == (32_000, 1_000, 4)
    assert recipe.keywords.cap == 400
    assert {model.weights for model in recipe.models} == {"4bit"}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("[questions]", "[questions]\nbudgett = 3"), "questions.budgett: no such setting. Did you mean budget?"),
        (('[[keywords.file]]\nlist = "built-in"', "[keywords]\nleast = 2"), "at least one source among wordnet"),
        (('file = ["built-in"]', ""), "at least one source among file, games and llm"),
        (('[[models]]\nmodel = "a"', ""), "models is missing"),
        (('model = "a"', 'model = "a"\n[[models]]\nmodel = "a"'), "models that differ"),
        (('model = "a"', 'model = "a"\n[table]\nweights = [1.0, 2.0]'), "a weight for each of 1 models, got 2"),
        (('list = "built-in"', 'list = "built-in"\nweight = 0.0'), "every weight of a source > 0"),
        (('model = "a"', 'model = "a"\nsamples = 0'), "expected samples >= 1"),
        (
            ("[questions]", '[[keywords.llm]]\nmodel = "a"\ngiven = "built-in"\nrequests = 0\n[questions]'),
            "requests >= 1",
        ),
        (("[questions]", '[[keywords.neighbours]]\ngiven = "built-in"\nsteps = 0\n[questions]'), "steps and senses"),
        (
            ("[[models]]", '[[questions.llm]]\nmodel = "a"\nnames = 1\n[[models]]'),
            "questions.llm.0: expected names >= 2",
        ),
        (("[[models]]", "[[questions.games]]\ngames = []\n[[models]]"), "questions.games.0: expected games"),
        (('model = "a"', 'model = "a"\n[table]\nweights = [0.0]'), "one of them above"),
    ],
)
def test_what_no_recipe_can_say_is_refused(tmp_path: Path, change: tuple[str, str], complaint: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(SMALL.replace(*change))
    with pytest.raises(InputError) as refused:
        read_precompute_recipe(str(file))
    assert complaint in str(refused.value)
    assert str(file) in str(refused.value)


def test_a_recipe_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="By name there are: laptop, original"):
        read_precompute_recipe("nowhere")
    file = tmp_path / "broken.toml"
    file.write_text("[keywords")
    with pytest.raises(InputError, match="is no TOML"):
        read_precompute_recipe(str(file))


def test_other_models_take_the_places_of_all() -> None:
    recipe = read_precompute_recipe("original")
    changed = with_models(recipe, ("x", "y"), "http://localhost:1/v1")
    assert [(model.model, model.base_url, model.weights) for model in changed.models] == [
        ("x", "http://localhost:1/v1", "4bit"),
        ("y", "http://localhost:1/v1", "4bit"),
    ]
    assert changed.keywords.llm[0].model == changed.questions.llm[0].model == "x"
    # The recipe's key is for the recipe's server.
    assert recipe.keywords.llm[0].api_key_variable == "GEMINI_API_KEY"
    assert {one.api_key_variable for one in (*changed.keywords.llm, *changed.questions.llm)} == {"OPENAI_API_KEY"}
    assert with_models(recipe, ()) == recipe
