"""The moving average against its plain recursion, and that scoring with it leaves no trace."""

from __future__ import annotations

import pytest

from isic_lesion.image_models.moving_average import new_average, standing_in, update_average

torch = pytest.importorskip("torch")


@pytest.fixture
def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))


def states(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def test_weights_and_batch_statistics_follow_the_recursion(network) -> None:
    average = new_average(network)
    expected = {name: tensor.double() for name, tensor in average.items()}
    for decay in (0.1, 0.5, 0.9):
        network(torch.randn(4, 3, 8, 8))
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter))
        update_average(average, network, decay)
        now = states(network)
        expected = {name: decay * kept + (1 - decay) * now[name].double() for name, kept in expected.items()}
    assert set(average) == {"0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var"}
    for name, tensor in average.items():
        torch.testing.assert_close(tensor.double(), expected[name], atol=1e-6, rtol=1e-6)


def test_the_average_stands_in_and_the_weights_come_back_bit_for_bit_even_after_an_error(network) -> None:
    average = {name: torch.full_like(tensor, 3) for name, tensor in new_average(network).items()}
    before = states(network)

    def score_and_fail() -> None:
        with standing_in(network, average):
            assert all((network.state_dict()[name] == 3).all() for name in average)
            raise RuntimeError("scoring failed")

    with pytest.raises(RuntimeError, match="scoring failed"):
        score_and_fail()
    after = states(network)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_without_an_average_the_weights_stay(network) -> None:
    before = states(network)
    with standing_in(network, None):
        assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
