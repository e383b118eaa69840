"""What a plan counts is what a run does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl

from isic_lesion.image_models.folder import read_image_record
from isic_lesion.planning.image_work import image_work
from isic_lesion.planning.network_facts import checkpoint_bytes, count_network, network_bytes
from isic_lesion.planning.run_plan import Findings, plan_run
from isic_lesion.planning.sizes import sizes_of_folder
from isic_lesion.recipe import Recipe
from isic_lesion.run_layout import RunLayout
from isic_lesion.scores import read_scores


def test_networks_steps_and_pictures_are_those_of_the_run(ran: Path, recipe: Recipe, pictured: Path) -> None:
    layout, (config,) = RunLayout(ran), recipe.images
    work = image_work(config, sizes_of_folder(pictured, recipe), recipe.folds)
    record = read_image_record(layout.image_model("net"))
    assert [(one.fold, one.seed) for one in work.networks] == [(part.fold, part.seed) for part in record.parts]
    assert [one.steps for one in work.networks] == [part.steps for part in record.parts.values()]
    history = pl.read_parquet(layout.image_model("net") / "history.parquet")
    assert work.images == history["images"].sum()
    assert work.scored == len(read_scores(layout.image_model("net") / "oof.parquet"))
    assert work.pictures == record.lesions


def test_stages_boosters_and_files_are_those_of_the_run(ran: Path, recipe: Recipe, pictured: Path) -> None:
    layout = RunLayout(ran)
    facts = {config.name: count_network(config) for config in recipe.images}
    plan = plan_run(recipe, sizes_of_folder(pictured, recipe), Findings(facts=facts))
    names = [stage.name for stage in plan.stages]
    done = [file.stem for file in (ran / "stages").glob("*.json")]
    assert set(names) - {"held out net"} == set(done)
    stages = {stage.name: stage for stage in plan.stages}
    for config in recipe.models:
        files = list((layout.model(config.name) / "boosters").iterdir())
        stage = stages[f"model {config.name}"]
        assert stage.tasks == len(files) == 3
        assert stage.count.likely == len(files) * config.rounds
    scored = read_scores(layout.test_image_scores("net"))
    assert stages["score net"].count.likely == len(scored) == 40
    assert stages["submission"].count.likely == len(layout.submission.read_text().splitlines()) - 1
    weights = list((layout.image_model("net") / "weights").iterdir())
    assert stages["image net"].tasks == len(weights)
    # A file has a header beside its numbers, and buffers of batch norms.
    assert stages["image net"].disk is not None
    assert 0.9 < stages["image net"].disk.likely / sum(file.stat().st_size for file in weights) <= 1


def test_a_checkpoint_is_as_large_as_counted(recipe: Recipe, pictured: Path, tmp_path: Path) -> None:
    import numpy as np

    from isic_lesion.data.dataset import open_lesions
    from isic_lesion.image_models.fitting import fit
    from isic_lesion.image_models.rows import read_image_rows

    config = replace(recipe.images[0], checkpoint_steps=1, batch=64)
    lesions = open_lesions(pictured)
    assert lesions.images is not None
    rows = read_image_rows(lesions.metadata, lesions.images)
    fit(rows, np.arange(len(rows.frame)), config, fold=None, seed=0, checkpoint=tmp_path / "kept.safetensors")
    facts = count_network(config)
    assert checkpoint_bytes(facts, config) == 4 * network_bytes(facts)
    assert 0.9 < checkpoint_bytes(facts, config) / (tmp_path / "kept.safetensors").stat().st_size <= 1
