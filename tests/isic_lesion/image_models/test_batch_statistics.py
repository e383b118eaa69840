"""Batch statistics of a step in pieces: the mean of what each piece makes of the step's first values."""

from __future__ import annotations

import copy

import pytest

from isic_lesion.image_models.batch_statistics import (
    count_step,
    put_statistics,
    read_statistics,
    statistics_of,
)

torch = pytest.importorskip("torch")


@pytest.fixture
def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Conv2d(4, 2, 3), torch.nn.BatchNorm2d(2)
    )


def test_pieces_in_any_order_leave_the_mean_of_what_each_makes_alone(network) -> None:
    network(torch.randn(8, 3, 9, 9))
    pieces = [torch.randn(4, 3, 9, 9) + shift for shift in (0, 1, 5)]
    alone = []
    for piece in pieces:
        own = copy.deepcopy(network)
        own(piece)
        alone.append(torch.cat([own[1].running_mean, own[1].running_var, own[3].running_mean, own[3].running_var]))
    statistics = statistics_of(network)
    before = read_statistics(statistics)
    total = torch.zeros(statistics.length)
    for piece in reversed(pieces):
        put_statistics(statistics, before)
        network(piece)
        total += read_statistics(statistics)
    put_statistics(statistics, total / 3)
    count_step(statistics, 3)
    torch.testing.assert_close(read_statistics(statistics), torch.stack(alone).mean(dim=0))
    assert network[1].num_batches_tracked == network[3].num_batches_tracked == 2


def test_what_is_read_and_put_back_is_the_same_bits(network) -> None:
    network(torch.randn(8, 3, 9, 9))
    statistics = statistics_of(network)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    values = read_statistics(statistics)
    network(torch.randn(8, 3, 9, 9))
    put_statistics(statistics, values)
    after = network.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items() if tensor.is_floating_point())


def test_norms_in_evaluation_mode_and_networks_without_any_have_none(network) -> None:
    network[1].eval()
    assert statistics_of(network).length == 4
    none = statistics_of(torch.nn.Sequential(torch.nn.LayerNorm(3), torch.nn.BatchNorm2d(3, track_running_stats=False)))
    assert none.length == 0
    put_statistics(none, read_statistics(none))
    count_step(none, 1)
