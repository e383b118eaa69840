"""A learner's steps against plain torch: gradients, pieces, batch statistics, clipping, precision, and NaN."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest

from isic_lesion.image_models.config import ImageConfig
from isic_lesion.image_models.heads import heads_of
from isic_lesion.image_models.learner import arrays_of, new_learner, put_arrays
from isic_lesion.image_models.objectives import Truths
from isic_lesion.image_models.one_step import take_step
from isic_lesion.image_models.optimisation import rates_at
from isic_lesion.image_models.pictures import Batch
from isic_lesion.image_models.processes import Processes
from isic_lesion.image_models.progress import Progress
from isic_lesion.image_models.resuming import keep, take_up
from isic_lesion.image_models.step_plan import plan_of, steps_from

torch = pytest.importorskip("torch")

NUM = 24
TARGET = (np.arange(NUM) % 3 == 0).astype(np.int8)


def config(**options) -> ImageConfig:
    defaults = {
        "auxiliary": {"lesion_id": 0.5},
        "batch": 8,
        "epochs": 2,
        "negatives_per_positive": 2.0,
        "lr_head": 0.02,
        "lr_backbone": 0.01,
        "weight_decay": 0.1,
        "clip": None,
    }
    return ImageConfig(name="t", backbone="b", weights="none", **{**defaults, **options})


class Tiny(torch.nn.Module):
    """Pictures of 8 x 8 px; with or without a batch norm and dropout."""

    def __init__(self, *, is_plain: bool) -> None:
        super().__init__()
        middle = [] if is_plain else [torch.nn.BatchNorm2d(4), torch.nn.Dropout(0.3)]
        self.backbone = torch.nn.Sequential(
            torch.nn.Conv2d(3, 4, 3, stride=2), *middle, torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1)
        )
        self.heads = torch.nn.ModuleDict({name: torch.nn.Linear(4, 1) for name in ("target", "lesion_id")})

    def forward(self, pixels):
        features = self.backbone(pixels.float() / 255).flatten(1)
        return {name: head(features.float()) for name, head in self.heads.items()}


def network(*, is_plain: bool = True) -> Tiny:
    torch.manual_seed(0)
    return Tiny(is_plain=is_plain).to(memory_format=torch.channels_last)


def pixels_of(rows):
    rng = np.random.default_rng(0)
    every = torch.from_numpy(rng.integers(0, 256, (NUM, 3, 8, 8), dtype=np.uint8))
    return every[torch.as_tensor(rows)]


def truths() -> Truths:
    labels = np.stack([TARGET, np.arange(NUM) % 2], axis=1).astype(np.float32)
    weights = np.ones_like(labels)
    weights[TARGET == 1, 0] = 0.5
    weights[::4, 1] = 0  # not known
    return Truths(labels, weights, {})


def batches_of(plan, start: int = 0, damaged=()):
    for step in steps_from(plan, start):
        for piece in step.pieces:
            whole = torch.tensor([int(row) not in damaged for row in piece])
            yield Batch(pixels_of(piece), torch.from_numpy(piece), whole)


def trained(chosen: ImageConfig, start, *, num_steps: int = 6, damaged=()):
    plan = plan_of(np.arange(NUM), TARGET, chosen, seed=1, fold=0)
    learner = new_learner(copy.deepcopy(start), heads_of(chosen), chosen, "cpu")
    batches = batches_of(plan, damaged=damaged)
    outcomes = [
        take_step(learner, plan, step, batches, truths(), Processes())
        for step, _ in zip(steps_from(plan, 0), range(num_steps), strict=False)
    ]
    return learner, outcomes


def by_hand(chosen: ImageConfig, start, *, damaged=()):
    """Train as a textbook does: one forward pass a step, torch's own clipping."""
    plan = plan_of(np.arange(NUM), TARGET, chosen, seed=1, fold=0)
    net, (labels, weights, _) = copy.deepcopy(start), truths()
    optimisers = [
        (part, torch.optim.AdamW([p for p in module.parameters() if (p.ndim > 1) == (decay > 0)], weight_decay=decay))
        for part, module in (("backbone", net.backbone), ("head", net.heads))
        for decay in (0.1, 0.0)
    ]
    norms = []
    for step in steps_from(plan, 0):
        net.zero_grad()
        outputs = net(pixels_of(step.rows))
        total = torch.zeros(())
        is_whole = np.array([row not in damaged for row in step.rows])
        for place, (name, weight) in enumerate((("target", 1.0), ("lesion_id", 0.5))):
            counted = weights[step.rows, place]
            each = torch.nn.functional.binary_cross_entropy_with_logits(
                outputs[name][:, 0], torch.from_numpy(labels[step.rows, place]), reduction="none"
            )
            total = total + weight * (each * torch.from_numpy(counted * is_whole)).sum() / counted.sum()
        total.backward()
        clip = math.inf if chosen.clip is None else chosen.clip
        norms.append(float(torch.nn.utils.clip_grad_norm_(net.parameters(), clip)))
        for part, optimiser in optimisers:
            optimiser.param_groups[0]["lr"] = getattr(rates_at(step.number, plan.num_steps, chosen), part)
            optimiser.step()
    return net, norms


def assert_close(one, other, atol: float = 2e-6) -> None:
    for (name, first), second in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
        torch.testing.assert_close(first, second, atol=atol, rtol=1e-5, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("clip", [None, 0.05])
@pytest.mark.parametrize("damaged", [(), (0, 7, 11)])
def test_a_training_is_the_textbooks(clip, damaged) -> None:
    chosen = config(clip=clip)
    start = network()
    learner, outcomes = trained(chosen, start, damaged=damaged)
    expected, norms = by_hand(chosen, start, damaged=damaged)
    assert_close(learner.network, expected)
    assert [outcome.gradient_norm for outcome in outcomes] == pytest.approx(norms, rel=1e-4)
    assert any((a != b).any() for a, b in zip(start.parameters(), learner.network.parameters(), strict=True))
    assert {row for outcome in outcomes for row in outcome.damaged} == set(damaged)


def test_pieces_do_not_change_what_is_learnt_without_batch_norm_and_dropout() -> None:
    start = network()
    whole, outcomes = trained(config(ema=0.9), start)
    for pieces in (2, 3, 4):
        cut, others = trained(config(ema=0.9, pieces=pieces), start)
        assert_close(cut.network, whole.network)
        for one, other in zip(outcomes, others, strict=True):
            assert other.losses == pytest.approx(one.losses, rel=1e-5)
            assert other.loss == pytest.approx(one.losses["target"] + 0.5 * one.losses["lesion_id"], rel=1e-5)
        for name, tensor in whole.average.items():
            torch.testing.assert_close(cut.average[name], tensor, atol=2e-6, rtol=1e-5)


def test_each_piece_moves_the_batch_statistics_of_the_steps_beginning() -> None:
    start = network(is_plain=False)
    chosen = config(pieces=2, lr_backbone=1e-30)
    learner, _ = trained(chosen, start, num_steps=1)
    plan = plan_of(np.arange(NUM), TARGET, chosen, seed=1, fold=0)
    step = next(steps_from(plan, 0))
    alone = []
    for piece in step.pieces:
        own = copy.deepcopy(start)
        own(pixels_of(piece))
        alone.append(own.backbone[1].running_mean)
    torch.testing.assert_close(learner.network.backbone[1].running_mean, torch.stack(alone).mean(dim=0))
    assert learner.network.backbone[1].num_batches_tracked == 1


def test_a_backbone_of_rate_0_stays_as_it_is_with_its_batch_statistics() -> None:
    start = network(is_plain=False)
    learner, _ = trained(config(lr_backbone=0.0), start)
    for name, tensor in start.state_dict().items():
        same = torch.equal(tensor, learner.network.state_dict()[name])
        assert same == name.startswith("backbone."), name


@pytest.mark.parametrize(("ema", "precision"), [(None, "float32"), (0.9, "float32"), (0.9, "bfloat16")])
def test_a_learner_put_where_another_one_was_goes_on_with_the_same_bits(ema, precision) -> None:
    chosen = config(pieces=2, ema=ema, precision=precision, clip=0.05)
    start = network(is_plain=False)
    whole, _ = trained(chosen, start)
    half, _ = trained(chosen, start, num_steps=3)
    plan = plan_of(np.arange(NUM), TARGET, chosen, seed=1, fold=0)
    other = new_learner(network(is_plain=False), heads_of(chosen), chosen, "cpu")
    put_arrays(other, {name: array.copy() for name, array in arrays_of(half).items()})
    batches = batches_of(plan, 3)
    for step in steps_from(plan, 3):
        take_step(other, plan, step, batches, truths(), Processes())
    one, two = arrays_of(whole), arrays_of(other)
    assert set(one) == set(two)
    assert all(np.array_equal(one[name], two[name]) for name in one)
    assert any(name.startswith("exp_avg_sq/") for name in one)
    assert any(name.startswith("average/") for name in one) == (ema is not None)


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_nothing_is_learnt_from_a_step_that_is_not_finite(where) -> None:
    start = network()
    if where == "loss":
        start.heads["target"].bias.data.fill_(math.nan)
    plan = plan_of(np.arange(NUM), TARGET, config(), seed=1, fold=0)
    learner = new_learner(copy.deepcopy(start), heads_of(config()), config(), "cpu")
    if where == "gradient":
        learner.network.heads["target"].weight.register_hook(lambda gradient: gradient * math.inf)
    outcome = take_step(learner, plan, next(steps_from(plan, 0)), batches_of(plan), truths(), Processes())
    assert not outcome.is_finite
    assert math.isfinite(outcome.loss) == (where == "gradient")
    for one, other in zip(start.parameters(), learner.network.parameters(), strict=True):
        assert torch.equal(torch.nan_to_num(one), torch.nan_to_num(other))


def test_float16_scales_its_losses_and_passes_over_a_step_that_overflows() -> None:
    chosen = config(precision="float16")
    start = network()
    learner, outcomes = trained(chosen, start)
    exact, expected = trained(config(), start)
    assert learner.scaler.is_enabled()
    assert not exact.scaler.is_enabled()
    assert [one.loss for one in outcomes] == pytest.approx([one.loss for one in expected], rel=0.02)
    assert [one.gradient_norm for one in outcomes] == pytest.approx([one.gradient_norm for one in expected], rel=0.05)

    plan = plan_of(np.arange(NUM), TARGET, chosen, seed=1, fold=0)
    step, batches = next(steps_from(plan, 0)), list(batches_of(plan))
    learner.network.heads["target"].weight.register_hook(lambda gradient: gradient * math.inf)
    before, scale = {name: array.copy() for name, array in arrays_of(learner).items()}, learner.scaler.get_scale()
    outcome = take_step(learner, plan, step, iter(batches), truths(), Processes())
    assert outcome.is_finite
    assert learner.scaler.get_scale() == scale / 2
    after = arrays_of(learner)
    assert all(np.array_equal(before[name], after[name]) for name in before)
    tries = 1
    while outcome.is_finite and tries < 40:
        outcome = take_step(learner, plan, step, iter(batches), truths(), Processes())
        tries += 1
    # No scale helps: from 2^16 down to below 1, then it is told.
    assert not outcome.is_finite
    assert tries == math.log2(scale) + 2


def test_float16_goes_on_from_a_checkpoint_with_the_scale_it_had(tmp_path) -> None:
    chosen = config(precision="float16")
    learner, other = (new_learner(network(), heads_of(chosen), chosen, "cpu") for _ in range(2))
    learner.scaler.load_state_dict({**learner.scaler.state_dict(), "scale": 128.0, "_growth_tracker": 1999})
    keep(tmp_path / "c", "a" * 64, learner, Progress(step=3), None)
    progress, _ = take_up(tmp_path / "c", "a" * 64, other, Processes())
    assert progress.step == 3
    assert other.scaler.state_dict() == learner.scaler.state_dict()
    assert other.scaler.get_scale() == 128
