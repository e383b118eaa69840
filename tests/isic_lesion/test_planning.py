"""Plans of runs: counts, arithmetic, and what samples tell."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from furikaeri_common.errors import InputError
from furikaeri_common.planning import ANY, HERE, bill_of, wall_seconds
from isic_lesion.boosters.config import BoosterConfig
from isic_lesion.boosters.training_rows import generator_of, sample_rows
from isic_lesion.image_models.config import ImageConfig
from isic_lesion.image_models.presets import IMAGE_PRESETS
from isic_lesion.image_models.scoring import views_of
from isic_lesion.planning.drawn_rows import sampled_rows
from isic_lesion.planning.image_work import image_work, num_views
from isic_lesion.planning.network_facts import NetworkFacts
from isic_lesion.planning.network_samples import NetworkSample
from isic_lesion.planning.picture_samples import PictureSample
from isic_lesion.planning.run_plan import Findings, plan_run
from isic_lesion.planning.sizes import CONTEST, PlannedSizes, even_rounds, scaled_sizes
from isic_lesion.planning.table_samples import BoosterSample, StageSample, TableSample, kind_of
from isic_lesion.planning.task_memory import booster_memory
from isic_lesion.planning.timings import Timing, seconds_of, sorted_line, straight_line
from isic_lesion.recipe import FoldsPart, Recipe, read_recipe

FOLDS = FoldsPart()
FACTS = NetworkFacts(num_weights=1_000_000, size=64, flops=1e9, remembered=1e7)


def original() -> Recipe:
    return read_recipe("original")


def facts_of(recipe: Recipe) -> dict[str, NetworkFacts]:
    return {config.name: FACTS for config in recipe.images}


def sample(**changes: object) -> NetworkSample:
    laps = (Timing(16, 1.6, 1.28), Timing(16, 1.6, 1.28))
    made = NetworkSample(
        device="cpu",
        opening=Timing(1, 5.0, 4.0),
        building=Timing(1, 2.0, 1.0),
        steps=laps,
        scored=(Timing(64, 6.4, 5.12),),
        written=Timing(1e6, 0.0, 0.0),
        memory=2_000_000_000,
        of_device=None,
        batch=16,
        idle=800_000_000,
    )
    return made._replace(**changes)


def small_run(recipe: Recipe, rows: int, *, per_round: float, stage: float, busy: float = 1.25) -> TableSample:
    """A small run whose stages take 3 s and `stage` and whose rounds take `per_round` for each N log2 N.

    By the clock that is; the processor took `busy` times less.
    """
    size = rows * math.log2(rows)
    whole = 3 + stage * size
    names = ["data", "folds", "features", "stack", "report", *(f"model {one.name}" for one in recipe.models)]
    one = StageSample(Timing(rows, whole, whole / busy), 10**8 + 1000 * rows, 50 * rows)
    single, long = (
        Timing(rounds, seconds, seconds / busy)
        for rounds, seconds in ((rounds, 0.1 + rounds * per_round * size) for rounds in (1, 11))
    )
    timed = BoosterSample(100, rows, single, single, long, 100)
    return TableSample(
        rows,
        20,
        6,
        dict.fromkeys((model.name for model in recipe.models), 100),
        dict.fromkeys(names, one),
        {kind_of(model): timed for model in recipe.models},
    )


def test_the_original_trains_42_networks_on_counted_pictures() -> None:
    recipe = original()
    work = {config.name: image_work(config, CONTEST, FOLDS) for config in recipe.images}
    assert {len(one.networks) for one in work.values()} == {6}
    # Part 2 shows all lesions, 5 epochs, to networks of four fifths and one of all; the contest has 401,059.
    by_hand = 5 * (4 * 401_059 + 401_059)
    assert abs(work["original-resnet18"].images - by_hand) <= 5 * 6 * 32
    # Part 1 shows as many benign lesions as malignant ones, 30 epochs; 393 malignant ones are divided among 5 folds.
    by_hand = 30 * 2 * (4 * 393 + 393)
    assert abs(work["original-swin-base"].images - by_hand) <= 30 * 6 * 16
    assert {one.scored for one in work.values()} == {401_059}


def test_ten_times_the_lesions_are_ten_times_the_pictures() -> None:
    config = IMAGE_PRESETS["original-resnet18"]
    once, tenfold = (image_work(config, scaled_sizes(CONTEST, factor), FOLDS) for factor in (0.1, 1))
    assert tenfold.scored == pytest.approx(10 * once.scored, rel=1e-4)
    assert tenfold.images == pytest.approx(10 * once.images, rel=1e-4)


def test_past_pictures_are_for_the_models_that_learn_from_them() -> None:
    more = CONTEST._replace(past_pictures=50_000)
    for name, more_pictures in (("original-resnet18", 50_000), ("original-swin-base", 0)):
        config = IMAGE_PRESETS[name]
        work = image_work(config, more, FOLDS)
        assert work.pictures == 401_059 + more_pictures
        assert work.scored == 401_059 + more_pictures


def test_networks_of_a_run_that_scores_with_its_folds_are_of_folds_alone() -> None:
    recipe = original()
    folds = replace(recipe, inference=replace(recipe.inference, boosters="folds"))
    plan = plan_run(folds, CONTEST, Findings(facts=facts_of(folds)))
    assert {stage.tasks for stage in plan.stages if stage.name.startswith("image ")} == {5}


def test_early_stopping_scores_after_every_epoch() -> None:
    config = ImageConfig(name="x", backbone="y", epochs=7)
    looking = replace(config, early_stopping=2)
    assert image_work(looking, CONTEST, FOLDS).scored == 8 * image_work(config, CONTEST, FOLDS).scored


@pytest.mark.parametrize("views", ["one", "flips", "dihedral"])
def test_views_are_counted_as_they_are_made(views) -> None:
    torch = pytest.importorskip("torch")
    config = ImageConfig(name="x", backbone="y", views=views)
    assert num_views(config) == len(views_of(torch.zeros(1, 3, 4, 4), views))


@given(st.integers(2, 10**7), st.integers(2, 100), st.integers(2, 20))
def test_even_rounds_hold_every_row_out_once(rows: int, malignant: int, folds: int) -> None:
    rounds = even_rounds(rows, malignant, folds)
    assert sum(one.held_out for one in rounds) == rows
    assert all(one.train + one.held_out == rows for one in rounds)
    assert sum(malignant - one.malignant for one in rounds) == malignant


def test_too_few_lesions_are_refused() -> None:
    config = IMAGE_PRESETS["original-swin-base"]
    with pytest.raises(InputError, match="too few"):
        image_work(replace(config, batch=64, pieces=32), PlannedSizes(20, 4, 4), FoldsPart(count=2))
    with pytest.raises(InputError, match="expected a factor above 0"):
        scaled_sizes(CONTEST, 0)
    with pytest.raises(InputError, match="at least 2 malignant"):
        scaled_sizes(CONTEST, 0.003)


@given(st.floats(0.0, 50), st.floats(1e-9, 1e-4), st.integers(5_000, 10**7))
def test_a_line_through_two_small_runs_finds_what_they_were_made_of(fixed: float, slope: float, rows: int) -> None:
    points = [(n, fixed + slope * n * math.log2(n)) for n in (1_000, 4_000)]
    found, each = sorted_line(points, rows)
    assert found.likely == pytest.approx(fixed, abs=1e-6 + 1e-6 * points[1][1])
    assert found.likely + each.likely * rows == pytest.approx(fixed + slope * rows * math.log2(rows), rel=1e-6)
    assert each.low <= each.likely <= each.high


def test_a_line_never_falls_and_never_begins_below_nothing() -> None:
    falling = sorted_line([(1_000, 3.0), (4_000, 2.0)], 100_000)
    assert (falling[0].likely, falling[1].likely) == (3.0, 0.0)
    steep = sorted_line([(1_000, 0.1), (4_000, 10.0)], 4_000)
    assert steep[0].likely == 0
    assert steep[1].likely * 4_000 == pytest.approx(10.0)
    alone = sorted_line([(4_000, 10.0)], 4_000)
    assert alone[0].likely + alone[1].likely * 4_000 == pytest.approx(10.0)
    assert straight_line([(1_000, 5.0), (2_000, 4.0)], 10_000).likely == 5.0
    assert straight_line([(1_000, 5.0), (2_000, 6.0)], 10_000).likely == pytest.approx(14.0)


def test_a_step_is_told_from_two_smaller_ones() -> None:
    laps = [Timing(2, 0.5, 0.4), Timing(4, 0.9, 0.7), Timing(4, 0.9, 0.7), Timing(4, 9.0, 0.7)]
    assert seconds_of(laps, 16) == pytest.approx(0.1 + 16 * 0.2)
    assert seconds_of(laps, 16, processor=True) == pytest.approx(0.1 + 16 * 0.15)
    assert seconds_of(laps[:1], 16) == pytest.approx(8 * 0.5)


def test_the_stages_of_a_model_come_to_what_its_boosters_take() -> None:
    few = read_recipe("original")
    recipe = replace(few, models=few.models[:1], images=())
    (config,) = recipe.models

    def size(rows: int) -> float:
        return rows * math.log2(rows)

    tables = [small_run(recipe, rows, per_round=1e-9, stage=1e-7) for rows in (4_000, 16_000)]
    plan = plan_run(recipe, CONTEST, Findings(tables=tables))
    stages = {stage.name: stage for stage in plan.stages}
    data, model = (wall_seconds(stages[name], HERE) for name in ("data", f"model {config.name}"))
    assert data is not None
    assert model is not None
    assert data.likely == pytest.approx(3 + 1e-7 * size(CONTEST.rows))
    # One stage of boosters of a round, and the other rounds of five boosters of four fifths and one of all rows.
    once = 3 + 1e-7 * size(CONTEST.rows) - 6 * (0.1 + 1e-9 * size(CONTEST.rows))
    rounds = 4 * size(320_847) + size(320_848) + size(CONTEST.rows)
    assert model.likely == pytest.approx(once + 6 * 0.1 + config.rounds * 1e-9 * rounds)
    assert data.low <= data.likely <= data.high
    assert stages[f"model {config.name}"].count.likely == 6 * config.rounds
    quick = plan_run(recipe, CONTEST, Findings(tables=tables), processor=True)
    assert bill_of(plan, HERE).seconds.likely == pytest.approx(1.25 * bill_of(quick, HERE).seconds.likely)


def test_what_a_busy_machine_took_is_told_as_of_a_quiet_one() -> None:
    recipe = replace(original(), images=original().images[:1], models=original().models[:1])
    (config,) = recipe.images
    told = {}
    for busy in (1.0, 4.0):
        laps = (Timing(16, 1.6 * busy, 1.6), Timing(16, 1.6 * busy, 1.6))
        scored = (Timing(64, 6.4 * busy, 6.4),)
        quick = Timing(1, 2.0 * busy, 2.0)
        found = Findings(
            facts=facts_of(recipe),
            networks={config.name: sample(steps=laps, scored=scored, opening=quick, building=quick)},
            tables=[
                small_run(recipe, rows, per_round=1e-9 * busy, stage=1e-7 * busy, busy=busy) for rows in (4_000, 16_000)
            ],
        )
        told[busy] = plan_run(recipe, CONTEST, found)
    for name in ("image original-convnext-base", "held out original-convnext-base"):
        quiet, busy = (next(one for one in plan.stages if one.name == name) for plan in told.values())
        seconds = [wall_seconds(stage, HERE) for stage in (quiet, busy)]
        assert seconds[0] is not None
        assert seconds[1] is not None
        assert seconds[0].likely == pytest.approx(seconds[1].likely)
    slow, quick = (next(one for one in plan.stages if one.name == "data") for plan in (told[4.0], told[1.0]))
    assert slow.paces[ANY].per_unit.likely == pytest.approx(quick.paces[ANY].per_unit.likely)
    assert any("4.0 times as long" in note for note in told[4.0].notes)
    assert not any("times as long" in note for note in told[1.0].notes)


def test_image_stages_come_to_pictures_times_their_pace() -> None:
    recipe = replace(original(), images=original().images[:1])
    (config,) = recipe.images
    pictures = PictureSample(Timing(100, 0.1, 0.1), Timing(100, 0.2, 0.2), Timing(100, 0.1, 0.1))
    findings = Findings(
        facts=facts_of(recipe),
        networks={config.name: sample()},
        pictures={config.name: pictures},
        rates={("", "mine"): 100.0},
    )
    plan = plan_run(recipe, CONTEST, findings, kinds=(HERE, "mine", "t4"), prices={"mine": 3.6}, devices=6)
    stages = {stage.name: stage for stage in plan.stages}
    training, scoring = stages[f"image {config.name}"], stages[f"held out {config.name}"]
    work = image_work(config, CONTEST, FOLDS)
    here = wall_seconds(training, HERE)
    assert here is not None
    assert here.likely == pytest.approx(5 + 401_059 * 0.001 + 6 * 2 + work.images * 0.1)
    assert here.basis == "measured"
    scored = wall_seconds(scoring, HERE)
    assert scored is not None
    assert scored.likely == pytest.approx(401_059 * 0.1)
    mine = wall_seconds(training, "mine")
    assert mine is not None
    # Four views cost four thirds of a training step.
    views = wall_seconds(scoring, "mine")
    assert views is not None
    assert views.likely == pytest.approx(401_059 / 100 * 4 / 3)
    assert training.paces["mine"].per_unit.basis == "given"
    assert training.paces["t4"].per_unit.basis == "estimated"
    many, one = bill_of(plan, "mine", 6), bill_of(plan, "mine")
    assert many.seconds.likely < one.seconds.likely < 6 * many.seconds.likely
    assert one.rent is not None
    assert one.rent.likely == pytest.approx(one.device_seconds.likely * 3.6 / 3600)
    assert training.memory is not None
    assert training.memory.likely == 2e9


def test_nothing_is_known_of_a_device_that_was_neither_measured_nor_given() -> None:
    recipe = original()
    plan = plan_run(recipe, CONTEST, Findings(facts=facts_of(recipe)), kinds=(HERE,))
    assert set(bill_of(plan, HERE).unknown) == {stage.name for stage in plan.stages}
    assert all(stage.paces.get(ANY) is None for stage in plan.stages)


@given(
    st.integers(200, 3_000),
    st.integers(2, 60),
    st.sampled_from([None, 1.0, 5.5, 100.0]),
    st.sampled_from([None, 0.003, 0.2]),
)
def test_sampled_rows_are_as_many_as_a_booster_draws(
    rows: int, positive: int, negatives: float | None, ratio: float | None
) -> None:
    config = BoosterConfig(
        name="x", library="xgboost", rounds=1, negatives_per_positive=negatives, least_positive_ratio=ratio
    )
    labels = np.zeros(rows, dtype=np.float32)
    labels[:positive] = 1
    drawn = sample_rows(labels, config, generator_of(0, None))
    assert sampled_rows(config, rows, positive) == (rows if drawn is None else len(drawn))


def test_a_boosters_memory_holds_its_matrix_and_grows_with_it() -> None:
    config = read_recipe("original").models[0]

    def of(rows: int, noisy: bool) -> float:
        return booster_memory(config, rows=rows, positive=500, features=2_000, held_out=rows // 5, noisy=noisy).likely

    # One booster is always trained on all rows.
    matrix = 4 * 401_059 * 2_000
    assert of(401_059, noisy=False) > matrix
    assert of(401_059, noisy=True) > 2 * matrix
    assert of(4_010_590, noisy=True) > 6 * of(401_059, noisy=True)  # bins take no more then


def test_backbones_are_counted_without_being_computed() -> None:
    pytest.importorskip("timm")
    from isic_lesion.planning.network_facts import count_network

    facts = count_network(IMAGE_PRESETS["original-resnet18"])
    # 11.7 million weights with the classifier of 1,000 classes, and 1.8 G multiplications and additions at 224 pixels
    # (He et al. 2016, "Deep residual learning", Table 1).
    assert facts.num_weights == pytest.approx(11.69e6 - 513_000, rel=1e-3)
    assert facts.flops == pytest.approx(2 * 1.8e9, rel=0.02)
    assert facts.size == 224
    with pytest.raises(InputError, match="has no model"):
        count_network(ImageConfig(name="x", backbone="resnet19"))


def test_what_a_step_remembers_is_what_its_layers_keep() -> None:
    torch = pytest.importorskip("torch")
    from isic_lesion.planning.network_facts import _remembered

    with torch.device("meta"):
        layers = torch.nn.Sequential(torch.nn.Linear(10, 20), torch.nn.ReLU(), torch.nn.Linear(20, 5))
        # A layer keeps what it was given, and ReLU what it gave, which is what the next layer was given.
        assert _remembered(layers, torch.zeros(3, 10)) == 4 * 3 * (10 + 20)
