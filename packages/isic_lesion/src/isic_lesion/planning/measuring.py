"""What a plan measures on this machine, and on how many lesions. (io)"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from furikaeri_common.local_processes import LocalProcesses
from isic_lesion.pipeline import feature_set_of
from isic_lesion.planning.network_facts import NetworkFacts, count_network
from isic_lesion.planning.network_samples import NetworkSample, sample_network
from isic_lesion.planning.picture_samples import PictureSample, made_up_pictures, sample_pictures
from isic_lesion.planning.sizes import PlannedSizes
from isic_lesion.planning.table_samples import SampleSizes, TableSample, sample_table
from isic_lesion.recipe import Recipe

__all__ = ["count_networks", "measure_networks", "measure_reading", "measure_tables", "sampled_sizes"]

_ROWS, _ROWS_OF_MANY = 16_000, 8_000
_MANY = 800  # features
_SHARE = 4  # the smaller run has so many times fewer rows


def count_networks(recipe: Recipe) -> dict[str, NetworkFacts]:
    """Return what the networks of each image model are, by the model's name.

    Raises:
        MissingExtraError: without torch and timm.
        InputError: if timm has no such backbone, or it takes no pictures of that size.
    """
    return {config.name: count_network(config) for config in recipe.images}


def sampled_sizes(recipe: Recipe, sizes: PlannedSizes) -> list[SampleSizes]:
    """Return the sizes of the small runs, of the planned run's shares and never larger.

    There are malignant lesions for every fold all the same. A planned run that is itself small is tried at its own size
    alone.
    """
    plain = replace(recipe, features=replace(recipe.features, past=False))
    many = len(feature_set_of(plain, tuple(config.name for config in recipe.images)).features) > _MANY
    most = min(sizes.rows, _ROWS_OF_MANY if many else _ROWS)
    folds = recipe.folds.count
    found = []
    for rows in (most // _SHARE, most) if most < sizes.rows else (most,):
        patients = min(rows, max(2 * folds, round(sizes.patients * rows / sizes.rows)))
        malignant = min(rows // 3, max(2 * folds, round(sizes.malignant * rows / sizes.rows)))
        found.append(SampleSizes(rows, patients, malignant))
    return found


def measure_tables(
    recipe: Recipe,
    sizes: PlannedSizes,
    store: Path,
    *,
    threads: int = 1,
    on_start: Callable[[str], None] = lambda what: None,
) -> list[TableSample]:
    """Run a recipe small on this machine, without its image models; see `table_samples`.

    Args:
        recipe: of the plan.
        sizes: of the plan.
        store: a folder for what the runs leave.
        threads: that compute features.
        on_start: told what is measured next.

    Raises:
        WorkError: if a small run failed.
    """
    found = []
    for small in sampled_sizes(recipe, sizes):
        on_start(f"a small run of {small.rows:,} rows")
        found.append(sample_table(recipe, small, sizes, store, threads=threads, engine=LocalProcesses(1)))
    return found


def measure_reading(
    recipe: Recipe, store: Path, *, on_start: Callable[[str], None] = lambda what: None
) -> dict[str, PictureSample]:
    """Measure how fast this machine reads the pictures of each image model of a recipe; see `picture_samples`.

    Args:
        recipe: of the plan.
        store: a folder for what is made.
        on_start: told what is measured next.

    Raises:
        WorkError: if it cannot be measured.
    """
    if not recipe.images:
        return {}
    on_start("how pictures are read")
    return sample_pictures(recipe.images, _pictures(store), store / "reading", engine=LocalProcesses(1))


def measure_networks(
    recipe: Recipe, store: Path, *, seconds: float, on_start: Callable[[str], None] = lambda what: None
) -> dict[str, NetworkSample]:
    """Measure the image models of a recipe on this machine; see `network_samples`.

    Args:
        recipe: of the plan.
        store: a folder for what is made.
        seconds: for each model.
        on_start: told what is measured next.

    Raises:
        WorkError: if one cannot be measured.
    """
    found = {}
    for config in recipe.images:
        on_start(f"{config.backbone} of {config.name}")
        found[config.name] = sample_network(
            config, _pictures(store), store / "networks", seconds=seconds, engine=LocalProcesses(1)
        )
    return found


def _pictures(store: Path) -> Path:
    return made_up_pictures(store / "pictures", LocalProcesses(0))  # made once
