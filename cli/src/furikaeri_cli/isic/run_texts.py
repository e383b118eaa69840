"""What `isic run` says of its recipes, and of what came out of each stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from furikaeri_cli.output import Output

if TYPE_CHECKING:
    from furikaeri_common.stages import StageRecord

__all__ = ["list_recipes", "told_of_stage"]


def list_recipes(output: Output) -> None:
    """Print the recipes that come by name."""
    from isic_lesion.recipe import RECIPES, read_recipe

    recipes = [read_recipe(name) for name in RECIPES]
    rows = [
        (recipe.name, len(recipe.images), recipe.features.set, len(recipe.models), recipe.about) for recipe in recipes
    ]
    output.table(("recipe", "image models", "features", "table models", "about"), rows, value=recipes)


def told_of_stage(record: StageRecord) -> str:
    """Return in few words what came out of a stage; empty where there is nothing to tell."""
    facts = record.facts
    if record.name == "data":
        return f"{facts['rows']:,} lesions of {facts['patients']:,} patients, {facts['malignant']:,} malignant"
    if record.name == "folds":
        return f"{facts['folds']} by {facts['scheme']}"
    if record.name == "features":
        return f"{facts['features']:,} features"
    if record.name.startswith(("model ", "image ")):
        quality = "" if facts["pauc"] is None else f"pAUC {facts['pauc']:.5f}, AUC {facts['auc']:.5f}"
        speed = f"{facts['images_per_second']:.0f} images/s" if "images_per_second" in facts else ""
        return ", ".join(filter(None, (quality, speed)))
    if record.name.startswith("score "):
        return f"{facts['rows']:,} pictures"
    if record.name == "stack":
        return ", ".join(f"{name} {weight:.2f}" for name, weight in facts["weights"]["known"].items())
    if record.name == "submission":
        lacking = facts["without_image_scores"]
        some = f", {lacking:,} without some image scores" if lacking else ""
        return f"{facts['rows']:,} lesions, {facts['of_unknown_hospitals']:,} of hospitals not trained on{some}"
    return ""
