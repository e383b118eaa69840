"""Rates as closed forms of the step, and who decays."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isic_lesion.image_models.config import ImageConfig
from isic_lesion.image_models.optimisation import (
    average_decay,
    make_optimiser,
    parameter_groups,
    rate_factor,
    rates_at,
    set_rates,
)

torch = pytest.importorskip("torch")


def config(**options) -> ImageConfig:
    return ImageConfig(name="t", backbone="test_vit", weights="none", **options)


class Tiny(torch.nn.Module):
    """A backbone with a kernel, a norm, and an embedding that it exempts; two heads."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
        self.backbone.place = torch.nn.Parameter(torch.zeros(1, 4, 4))
        self.backbone.no_weight_decay = lambda: {"place"}
        self.heads = torch.nn.ModuleDict({name: torch.nn.Linear(4, 1) for name in ("target", "place")})


def test_without_warmup_a_cosine_falls_from_1_to_0() -> None:
    factors = [rate_factor(step, 10) for step in range(10)]
    assert factors == pytest.approx([(1 + math.cos(math.pi * step / 10)) / 2 for step in range(10)], abs=1e-15)
    assert (factors[0], factors[5]) == (1.0, 0.5)
    assert 0 < factors[-1] < 0.03


def test_the_warmup_is_a_straight_line_to_1_and_the_cosine_begins_after_it() -> None:
    factors = [rate_factor(step, 100, warmup=0.2) for step in range(100)]
    assert factors[:20] == pytest.approx([(step + 1) / 20 for step in range(20)])
    assert factors[19] == factors[20] == 1.0
    assert factors[60] == pytest.approx(0.5)
    assert rate_factor(99, 100, warmup=0.2, schedule="constant") == 1.0
    assert rate_factor(0, 100, warmup=0.2, schedule="constant") == 0.05


@given(st.integers(1, 500), st.floats(0, 0.99), st.data())
def test_factors_are_in_the_half_open_unit_interval_and_fall_after_the_rise(num_steps, warmup, data) -> None:
    step = data.draw(st.integers(0, num_steps - 1))
    factor = rate_factor(step, num_steps, warmup=warmup)
    assert 0 < factor <= 1
    if step >= round(warmup * num_steps) and step + 1 < num_steps:
        assert rate_factor(step + 1, num_steps, warmup=warmup) < factor


def test_a_step_outside_of_the_training_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected 0 <= step < 5, got 5"):
        rate_factor(5, 5)


def test_both_rates_follow_the_schedule() -> None:
    rates = rates_at(5, 10, config(lr_head=0.5, lr_backbone=0.25))
    assert rates.head == pytest.approx(0.25)
    assert rates.backbone == pytest.approx(0.125)


@given(st.integers(0, 10_000), st.floats(0.01, 0.9999))
def test_the_average_follows_sooner_at_first(step, ema) -> None:
    assert average_decay(step, ema) == min(ema, (1 + step) / (10 + step))
    assert average_decay(0, ema) <= 0.1


def test_only_kernels_and_matrices_decay_and_each_part_has_its_rate() -> None:
    network = Tiny()
    chosen = config(lr_head=0.5, lr_backbone=0.25, weight_decay=0.1)
    names = {parameter: name for name, parameter in network.named_parameters()}
    found = {
        (group["part"], group["lr"], group["weight_decay"]): sorted(names[parameter] for parameter in group["params"])
        for group in parameter_groups(network, chosen)
    }
    assert found == {
        ("backbone", 0.25, 0.1): ["backbone.0.weight"],
        ("backbone", 0.25, 0.0): ["backbone.0.bias", "backbone.1.bias", "backbone.1.weight", "backbone.place"],
        ("head", 0.5, 0.1): ["heads.place.weight", "heads.target.weight"],
        ("head", 0.5, 0.0): ["heads.place.bias", "heads.target.bias"],
    }


def test_adam_has_no_decay_and_a_frozen_backbone_is_in_no_group() -> None:
    groups = parameter_groups(Tiny(), config(optimiser="adam", lr_backbone=0.0))
    assert {group["part"] for group in groups} == {"head"}
    assert {group["weight_decay"] for group in groups} == {0.0}


def test_the_optimiser_moves_by_the_rates_of_the_step() -> None:
    network = Tiny()
    chosen = config(lr_head=0.5, lr_backbone=0.25, weight_decay=0.0)
    optimiser = make_optimiser(network, chosen)
    assert isinstance(optimiser, torch.optim.AdamW)
    set_rates(optimiser, rates_at(5, 10, chosen))
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimiser.step()
    for name, parameter in network.named_parameters():
        moved = (before[name] - parameter).detach()
        # Adam's first step is the rate itself, whatever the gradient.
        assert torch.allclose(moved, torch.full_like(moved, 0.25 if name.startswith("heads") else 0.125), atol=1e-6)
