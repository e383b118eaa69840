"""A whole run on a few made-up rows, as a task that tells what each of its stages took. (io)

It is the run itself: the recipe's own features, with made-up scores of its image models among them, a booster of a
single round for every part, its stack and its report. Past contests' features are left out.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from furikaeri_common.local_processes import LocalProcesses
from furikaeri_common.memory import MemoryWatch
from furikaeri_common.stages import Stage, StageRecord, run_stages
from isic_lesion.boosters.config import BoosterConfig
from isic_lesion.planning.timings import processor_seconds
from isic_lesion.recipe import Recipe, recipe_from

if TYPE_CHECKING:
    from isic_lesion.data.dataset import Lesions
    from isic_lesion.run_layout import RunLayout

__all__ = ["brief", "measure_stages", "size_on_disk", "write_pictures"]


def measure_stages(inputs: Mapping[str, Any], folder: Path) -> Any:
    """Run a recipe small: the task of `table_samples.sample_table`; what the run made stays in the folder.

    Args:
        inputs: `recipe`, `rows`, `patients`, `malignant` and `threads`.
        folder: of the task.
    """
    from isic_lesion.data.dataset import open_lesions
    from isic_lesion.labels import soft_labels
    from isic_lesion.pipeline import stages_of
    from isic_lesion.run_inputs import RunInputs
    from isic_lesion.run_layout import RunLayout
    from isic_lesion.synthetic.folder import FolderConfig, make_folder
    from isic_lesion.table_models.folder import read_record

    asked = recipe_from(inputs["recipe"], source="the recipe")
    recipe = replace(
        asked,
        models=tuple(brief(config) for config in asked.models),
        images=(),
        features=replace(asked.features, past=False),
    )
    made_up = FolderConfig(
        rows=inputs["rows"],
        patients=inputs["patients"],
        malignant_share=inputs["malignant"] / inputs["rows"],
        test_rows=1,
        test_patients=1,
        images=False,
    )
    place = make_folder(folder / "data", made_up, engine=LocalProcesses(0)).folder
    write_pictures(open_lesions(place).read(["isic_id"])["isic_id"].to_list(), place / "train-image.hdf5")
    data = open_lesions(place)
    scores = _write_scores(data, recipe, [config.name for config in asked.images], folder / "scores.parquet")
    given = RunInputs(data=data, recipe=recipe, engine=LocalProcesses(1), image_scores=scores)
    layout = RunLayout(folder / "run")
    laps: dict[str, float] = {}
    held: dict[str, int] = {}
    began = 0.0

    def on_start(stage: Stage) -> None:
        nonlocal began
        began = processor_seconds(stage.name)
        held[stage.name] = _resident() if stage.name.startswith("model ") else 0

    def on_end(record: StageRecord) -> None:
        laps[record.name] = processor_seconds(record.name) - began

    records = run_stages(
        layout.folder, stages_of(given, layout.folder, threads=inputs["threads"]), on_start=on_start, on_end=on_end
    )
    features = {config.name: len(read_record(layout.model(config.name)).names) for config in recipe.models}
    rows = data.read(["target", "iddx_1"])
    malignant = int(rows["target"].sum())
    stages = {
        record.name: {
            "timing": [inputs["rows"], record.seconds, laps[record.name]],
            "memory": record.peak - held[record.name],
            "disk": sum(map(size_on_disk, _outputs(record.name, layout))),
        }
        for record in records
    }
    return {
        "malignant": malignant,
        "indeterminate": int(soft_labels(rows).label.sum()) - malignant,
        "features": features,
        "stages": stages,
    }


def _resident() -> int:
    """Return the bytes of memory that this process holds now."""
    watch = MemoryWatch()
    watch.look()
    return watch.peak


def brief(config: BoosterConfig) -> BoosterConfig:
    """Return a model with one booster of one round for each part."""
    return replace(config, rounds=1, early_stopping_rounds=None, seeds=config.seeds[:1])


def write_pictures(isic_ids: Sequence[str], path: Path) -> None:
    """Write a picture of each lesion, always the same one: a report shows some."""
    from PIL import Image

    from isic_lesion.data.images import write_images

    shown = io.BytesIO()
    Image.effect_noise((127, 127), 40.0).convert("RGB").save(shown, "JPEG")
    write_images(path, ((isic_id, shown.getvalue()) for isic_id in isic_ids))


def _write_scores(data: Lesions, recipe: Recipe, models: Sequence[str], path: Path) -> tuple[Path, ...]:
    """Write made-up out-of-fold scores of image models; there is no file where there are no models."""
    import polars as pl

    from isic_lesion.folds.dealing import assign_hospital_folds, assign_patient_folds
    from isic_lesion.scores import write_scores

    if not models:
        return ()
    rows = data.read(["isic_id", "patient_id", "target", "attribution"])
    assign = assign_hospital_folds if recipe.folds.scheme == "hospitals" else assign_patient_folds
    folds = assign(rows, num_folds=recipe.folds.count, seed=recipe.folds.seed)
    generator = np.random.default_rng(0)
    frames = []
    for fold in range(folds.num_folds):
        held_out = rows["isic_id"].filter(pl.Series(folds.split(rows["isic_id"], fold)[1]))
        frames += [
            pl.DataFrame({"isic_id": held_out, "score": generator.random(len(held_out))}).select(
                "isic_id", pl.lit(fold, pl.UInt8).alias("fold"), pl.lit(model).alias("model"), "score"
            )
            for model in models
        ]
    write_scores(path, pl.concat(frames), folds)
    return (path,)


def _outputs(name: str, layout: RunLayout) -> list[Path]:
    if name.startswith("model "):
        model = layout.model(name.removeprefix("model "))
        return [model, model / "boosters"]  # which lie among the parts too
    places = {
        "data": [layout.lesions, layout.findings],
        "folds": [layout.folds],
        "features": [layout.features, layout.image_scores],
        "stack": [layout.stack],
        "report": [layout.report],
    }
    return places[name]


def size_on_disk(path: Path) -> int:
    """Return the bytes of a file, or of all files below a folder; 0 where there is none."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size if path.exists() else 0
