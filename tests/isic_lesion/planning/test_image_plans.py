"""How long image models are told to take, what memory they hold, and how they are measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from furikaeri_common.gpu_kinds import GPU_KINDS, reckoned_seconds
from furikaeri_common.local_processes import LocalProcesses
from furikaeri_common.planning import HERE, Plan, PlannedStage
from isic_lesion.image_models.presets import IMAGE_PRESETS
from isic_lesion.planning.image_work import num_views
from isic_lesion.planning.network_facts import NetworkFacts, checkpoint_bytes
from isic_lesion.planning.network_samples import NetworkSample
from isic_lesion.planning.picture_samples import PictureSample
from isic_lesion.planning.run_plan import Findings, plan_run
from isic_lesion.planning.sizes import CONTEST
from isic_lesion.planning.timings import Timing
from isic_lesion.recipe import Recipe, read_recipe

FACTS = NetworkFacts(num_weights=1_000_000, size=64, flops=1e9, remembered=1e7)
PICTURES = PictureSample(Timing(100, 0.05, 0.05), Timing(100, 0.4, 0.4), Timing(100, 0.2, 0.2))
ON_GPU = NetworkSample(
    device="cuda",
    opening=Timing(1, 5.0, 4.0),
    building=Timing(1, 2.0, 1.0),
    steps=(Timing(16, 0.1, 0.1),),
    scored=(Timing(64, 0.1, 0.1),),
    written=Timing(1e6, 0.0, 0.0),
    memory=3_000_000_000,
    of_device=1_500_000_000,
    batch=16,
    idle=800_000_000,
)
CONFIG = IMAGE_PRESETS["original-swin-base"]


def with_image(**changes: object) -> Recipe:
    return replace(read_recipe("small"), images=(replace(CONFIG, **changes),))


def planned(recipe: Recipe, found: Findings, **options: object) -> tuple[Plan, dict[str, PlannedStage]]:
    plan = plan_run(recipe, CONTEST, replace(found, facts={CONFIG.name: FACTS}), **options)
    return plan, {stage.name: stage for stage in plan.stages}


@pytest.mark.parametrize("found", [Findings(), Findings(pictures={CONFIG.name: PICTURES})])
def test_a_gpu_waits_for_the_pictures_that_its_process_reads(found: Findings) -> None:
    gpu, views = GPU_KINDS["a100"], num_views(CONFIG)
    step = reckoned_seconds(gpu, flops=3 * FACTS.flops, read=2 * FACTS.remembered).likely
    shown = reckoned_seconds(gpu, flops=views * FACTS.flops, read=views * FACTS.remembered).likely
    told = {}
    for readers in (0, 2, 1000):
        plan, stages = planned(with_image(), found, kinds=("a100",), readers=readers)
        paces = [stages[f"{what} {CONFIG.name}"].paces["a100"].per_unit for what in ("image", "held out")]
        assert {pace.basis for pace in paces} == {"estimated"}
        told[readers] = [pace.likely for pace in paces]
        assert any(note.startswith("reading: ") for note in plan.notes)
    read, plain = (one.seconds / 100 for one in PICTURES[1:]) if found.pictures else (1.2e-3, 6e-4)
    assert told[0] == pytest.approx([step + read, shown + plain])
    assert told[2] == pytest.approx([max(step, read / 2), max(shown, plain / 2)])
    assert told[1000] == pytest.approx([step, shown])


def test_a_throughput_that_is_given_has_the_reading_in_it() -> None:
    plan, stages = planned(with_image(), Findings(rates={("", "a100"): 500.0}), kinds=("a100",))
    assert stages[f"image {CONFIG.name}"].paces["a100"].per_unit.likely == pytest.approx(1 / 500)
    assert not any(note.startswith(("reading: ", "reckoned: ")) for note in plan.notes)


def test_memory_of_a_gpu_here_is_its_own_and_the_machines_is_what_a_cluster_sets_aside() -> None:
    plan, stages = planned(with_image(), Findings(networks={CONFIG.name: ON_GPU}), kinds=(HERE,))
    memory = stages[f"image {CONFIG.name}"].memory
    assert memory is not None
    assert memory.likely == 1.5e9
    host = 1.15 * (3e9 + checkpoint_bytes(FACTS, CONFIG)) / 2**30
    assert any(f"{-(-host * 2 // 1) / 2:g} for networks" in note for note in plan.notes)


def test_networks_of_all_lesions_wait_for_those_that_stop_early() -> None:
    found = Findings(pictures={CONFIG.name: PICTURES})
    _, plain = planned(with_image(epochs=20), found, kinds=("a100",))
    _, stages = planned(with_image(epochs=20, early_stopping=4), found, kinds=("a100",))
    name = f"image {CONFIG.name}"
    folds, on_all = stages[name], stages[f"{name}, all lesions"]
    assert (folds.tasks, on_all.tasks) == (5, 1)
    assert folds.count.likely + on_all.count.likely == plain[name].count.likely
    assert folds.count.low == folds.count.likely / 4
    assert plain[name].count.low == plain[name].count.likely
    held_out = stages[f"held out {CONFIG.name}"].count
    assert (held_out.low, held_out.likely) == (6 * CONTEST.rows, 21 * CONTEST.rows)


def test_test_lesions_are_scored_by_every_network_of_all_lesions() -> None:
    recipe = with_image(seeds=(1, 2))
    tested = CONTEST._replace(test_rows=1_000)
    found = Findings(facts={CONFIG.name: FACTS})
    names = [stage.name for stage in plan_run(recipe, CONTEST, found).stages]
    stages = {stage.name: stage for stage in plan_run(recipe, tested, found, kinds=("a100",)).stages}
    assert set(stages) - set(names) == {f"score {CONFIG.name}", "submission"}
    scoring = stages[f"score {CONFIG.name}"]
    assert (scoring.count.likely, scoring.tasks) == (2 * 1_000, 1)
    assert scoring.paces["a100"].per_unit == stages[f"held out {CONFIG.name}"].paces["a100"].per_unit
    folds = replace(recipe, inference=replace(recipe.inference, boosters="folds"))
    stages = {stage.name: stage for stage in plan_run(folds, tested, found, kinds=("a100",)).stages}
    assert stages[f"score {CONFIG.name}"].count.likely == 5 * 2 * 1_000


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("timm")
    from isic_lesion.planning.picture_samples import made_up_pictures

    return made_up_pictures(tmp_path_factory.mktemp("made-up") / "pictures", LocalProcesses(0))


def test_the_first_steps_of_a_sample_are_whole_at_any_batch(pictures: Path) -> None:
    from isic_lesion.data.dataset import open_lesions
    from isic_lesion.image_models.rows import read_image_rows
    from isic_lesion.planning.network_samples import _endless, _train

    lesions = open_lesions(pictures)
    assert lesions.images is not None
    rows = read_image_rows(lesions.metadata, lesions.images)
    tiny = replace(IMAGE_PRESETS["demo-tiny"], size=32, batch=128)
    building, laps = _train(rows, _endless(tiny), seconds=0.0)
    assert building.units == 1
    assert [lap.units for lap in laps] == [128]


def test_a_step_that_takes_too_long_is_told_from_smaller_ones(pictures: Path, tmp_path: Path) -> None:
    from isic_lesion.planning.network_samples import measure_network

    tiny = replace(IMAGE_PRESETS["demo-tiny"], size=32, batch=64)
    found = measure_network({"config": tiny.to_json(), "pictures": str(pictures), "seconds": 1e-6}, tmp_path)
    assert {units for units, _, _ in found["steps"]} == {2, 4}
    assert found["batch"] == 4
    assert "a step of 64 pictures takes too long" in found["note"]
    assert found["of_device"] is None
    assert list(tmp_path.iterdir()) == []


def test_pictures_are_tried_and_read_for_every_model(pictures: Path, tmp_path: Path) -> None:
    from isic_lesion.planning.picture_samples import measure_pictures

    configs = [replace(IMAGE_PRESETS["demo-tiny"], size=size, name=f"of-{size}") for size in (32, 64)]
    told = {"configs": [config.to_json() for config in configs], "pictures": str(pictures)}
    found = measure_pictures(told, tmp_path)
    assert list(found) == ["of-32", "of-64"]
    for laps in found.values():
        assert [units for units, _, _ in laps] == [128] * 3
        assert min(seconds for _, seconds, _ in laps) > 0
