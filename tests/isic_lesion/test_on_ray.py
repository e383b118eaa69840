"""Models on a real Ray cluster of two nodes: the bytes of this machine, also after a node was lost in a network."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import runpy
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest

from furikaeri_common.artifacts import fingerprint_of, sha256_of
from furikaeri_common.local_processes import LocalProcesses
from furikaeri_common.ray_cluster import RayCluster
from furikaeri_common.tensors import unpack_tensors
from isic_lesion.boosters.presets import PRESETS
from isic_lesion.features import Feature, FeatureSet, write_features
from isic_lesion.folds.dealing import Folds, assign_patient_folds
from isic_lesion.image_models.config import ImageConfig
from isic_lesion.image_models.rows import ImageRows, read_image_rows
from isic_lesion.image_models.training import train_image_models
from isic_lesion.image_models.training_progress import TrainingProgress
from isic_lesion.table_models.training import train_tables

pytest.importorskip("ray")

HERE = LocalProcesses(0)


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    spec = importlib.util.spec_from_file_location("ray_nodes", Path(__file__).parents[1] / "ray_nodes.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with module.two_nodes() as nodes:
        yield nodes


def test_table_models_are_those_of_this_machine(
    nodes: Any, make_table: Callable[..., pl.DataFrame], tmp_path: Path
) -> None:
    lesions = make_table(240)
    folds = assign_patient_folds(lesions, num_folds=2)
    kinds = {"tbp_lv_areaMM2": "attribution", "tbp_lv_H": "patient_id"}
    features = [
        *(Feature(name=name, kind="lesion", formulas=(name,)) for name in (*kinds, "tbp_lv_x")),
        *(
            Feature(name=f"{name}.mean", kind="group", formulas=(name,), group=(group,), statistic="mean")
            for name, group in kinds.items()
        ),
    ]
    write_features(lesions, FeatureSet(name="few", features=tuple(features)), tmp_path / "features", folds)
    configs = [
        dataclasses.replace(PRESETS["small-xgboost"], rounds=6, seeds=(1, 2)),
        dataclasses.replace(PRESETS["small-lightgbm"], rounds=6),
    ]
    made = {}
    for name, engine in {"here": HERE, "there": RayCluster(nodes.address, storage="collected")}.items():
        outs = [tmp_path / name / config.name for config in configs]
        events: list[str] = []
        train_tables(
            tmp_path / "features",
            folds,
            lesions,
            configs,
            outs,
            engine=engine,
            on_progress=lambda event, events=events: events.append(event.event),  # type: ignore[misc]
        )
        assert events == ["finished"] * 9
        made[name] = [fingerprint_of(out) for out in outs]
    assert made["there"] == made["here"]


class Pictured(NamedTuple):
    """What image models are trained from."""

    rows: ImageRows
    folds: Folds
    config: ImageConfig


@pytest.fixture(scope="module")
def pictured(tmp_path_factory: pytest.TempPathFactory) -> Pictured:
    """Forty-eight pictures in two folds, and a tiny network that begins with the weights of a file."""
    timm = pytest.importorskip("timm")
    from safetensors.torch import save_file

    place = tmp_path_factory.mktemp("pictured")
    runpy.run_path(str(Path(__file__).parent / "image_models" / "fit_and_keep.py"))["write_folder"](place / "data")
    rows = read_image_rows(place / "data" / "train-metadata.csv", place / "data" / "train-image.hdf5")
    network = timm.create_model("test_resnet", num_classes=0)
    save_file(network.state_dict(), place / "began.safetensors")
    config = ImageConfig(
        name="tiny",
        backbone="test_resnet",
        weights=str(place / "began.safetensors"),
        size=32,
        negatives_per_positive=None,
        epochs=2,
        batch=12,
        views="one",
        device="cpu",
        checkpoint_steps=2,
    )
    return Pictured(rows, assign_patient_folds(rows.frame, num_folds=2), config)


def trained(pictured: Pictured, out: Path, engine: Any, **more: Any) -> dict[str, str]:
    """Train and return the digests of what does not tell the time."""
    train_image_models(pictured.rows, pictured.folds, [pictured.config], [out], engine=engine, parts="folds", **more)
    files = [*(out / "weights").iterdir(), out / "oof.parquet"]
    return {file.name: sha256_of(file) for file in sorted(files)}


def test_image_models_of_machines_with_nothing_in_common_are_those_of_this_one(
    nodes: Any, pictured: Pictured, tmp_path: Path
) -> None:
    expected = trained(pictured, tmp_path / "here" / "tiny", HERE)
    out, events = tmp_path / "there" / "tiny", list[TrainingProgress]()
    engine = RayCluster(nodes.address, storage="collected")
    assert trained(pictured, out, engine, on_progress=events.append) == expected
    assert [event.event for event in events if event.event != "checked"] == ["finished", "finished"]
    # What the cluster has finished, this machine takes for its own.
    events.clear()
    assert trained(pictured, out, HERE, on_progress=events.append) == expected
    assert {event.event for event in events} == {"reused"}
    assert not [*(out.parent / ".image-parts" / "unfinished").glob("*")]


def test_another_machine_goes_on_from_the_last_checkpoint(nodes: Any, pictured: Pictured, tmp_path: Path) -> None:
    """Two networks at once, one on each node; one node is lost in the middle of its network."""
    longer = pictured._replace(config=dataclasses.replace(pictured.config, epochs=24))
    out, kept = tmp_path / "lost" / "tiny", dict[str, Any]()
    unfinished = out.parent / ".image-parts" / "unfinished"
    over = threading.Event()

    def kill_one() -> None:
        while not over.wait(0.02):
            for file in unfinished.glob("[!.]*.safetensors"):
                with contextlib.suppress(OSError, ValueError):
                    document: Any = unpack_tensors(file.read_bytes())[0]
                    kept[file.name] = document["document"]["progress"]
            if len(kept) == 2 and all(len(progress["history"]) >= 1 for progress in kept.values()):
                nodes.kill(nodes.other)
                return

    killer = threading.Thread(target=kill_one)
    killer.start()
    try:
        found = trained(longer, out, RayCluster(nodes.address, storage="shared"))
    finally:
        over.set()
        killer.join()
    assert nodes.other.process.poll() is not None
    assert found == trained(longer, tmp_path / "here" / "tiny", HERE)
    # The seconds of the first epochs are those that the checkpoints told: no network began anew.
    history = pl.read_parquet(out / "history.parquet")
    for fold in range(2):
        (progress,) = (one for name, one in kept.items() if f"fold-{fold}" in name)
        count = len(progress["history"])
        seconds = history.filter(pl.col("fold") == fold)["seconds"].to_list()[:count]
        assert seconds == [epoch["seconds"] for epoch in progress["history"]]
        assert 0 < count < 24
