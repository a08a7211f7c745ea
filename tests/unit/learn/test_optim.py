import copy
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from tests.unit.learn.recipes import recipe
from urbanseg.learn import optim
from urbanseg.learn.optim import lr_schedule

STEPS = 40
"""Of a training of 20 epochs."""


def rates(scheduler_of, steps):
    """The shares of its rate that a scheduler of torch gives step by step."""
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = scheduler_of(optimiser)
    shares = []
    for _ in range(steps):
        shares.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        scheduler.step()
    return shares


def ours(**changes):
    params = recipe(epochs=20, steps_per_epoch=STEPS // 20, **changes)
    return [lr_schedule(params, step) for step in range(STEPS)]


def warmed(after):
    """A linear warm-up of 8 steps, then `after`, as torch chains them."""

    def chained(optimiser):
        warm = lr_scheduler.LinearLR(optimiser, start_factor=1 / 8, total_iters=7)
        return lr_scheduler.SequentialLR(optimiser, [warm, after(optimiser)], milestones=[8])

    return chained


def test_cosine_with_warm_up_is_torchs():
    theirs = rates(warmed(lambda o: lr_scheduler.CosineAnnealingLR(o, STEPS - 8)), STEPS)
    assert ours(schedule="cosine", warmup_epochs=4) == pytest.approx(theirs, abs=1e-12)


def test_poly_with_warm_up_is_torchs():
    theirs = rates(warmed(lambda o: lr_scheduler.PolynomialLR(o, STEPS - 8, power=0.9)), STEPS)
    assert ours(schedule="poly", warmup_epochs=4) == pytest.approx(theirs, abs=1e-12)


def test_steps_are_torchs():
    theirs = rates(lambda o: lr_scheduler.StepLR(o, step_size=15 * 2, gamma=0.1), STEPS)
    assert ours(schedule="step") == pytest.approx(theirs, abs=1e-12)


def test_one_cycle_is_torchs():
    theirs = rates(lambda o: lr_scheduler.OneCycleLR(o, 1.0, STEPS, cycle_momentum=False), STEPS - 1)
    assert ours(schedule="one_cycle")[:-1] == pytest.approx(theirs, abs=1e-9)
    assert ours(schedule="one_cycle")[-1] == pytest.approx(1 / 25 / 1e4)


@given(
    st.sampled_from(["cosine", "step", "poly", "one_cycle"]),
    st.integers(1, 30),
    st.integers(1, 5),
    st.integers(0, 40),
)
def test_a_rate_is_always_between_nothing_and_the_whole(schedule, epochs, steps, warmup):
    params = recipe(schedule=schedule, epochs=epochs, steps_per_epoch=steps, warmup_epochs=warmup)
    factors = [lr_schedule(params, step) for step in range(epochs * steps)]
    assert all(0 <= factor <= 1 and math.isfinite(factor) for factor in factors)


class Small(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
        self.decoder = torch.nn.Sequential(torch.nn.Conv2d(4, 2, 1), torch.nn.BatchNorm2d(2))

    def forward(self, images):
        return self.decoder(self.encoder(images))


def test_each_parameter_is_in_one_group_and_only_kernels_decay():
    network = Small()
    groups = optim.parameter_groups(network, recipe(encoder_rate_factor=0.1, weight_decay=0.3))
    grouped = [id(p) for group in groups for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in network.parameters())
    assert {p for group in groups if group["weight_decay"] for p in group["params"]} == {
        network.encoder[0].weight,
        network.decoder[0].weight,
    }
    assert {p for group in groups if group["lr_share"] == 0.1 for p in group["params"]} == set(
        network.encoder.parameters()
    )


def test_the_encoder_learns_at_its_share_of_the_rate():
    params = recipe(encoder_rate_factor=0.1, learning_rate=0.01, schedule="step")
    optimiser = optim.optimiser(Small(), params)
    optim.set_learning_rates(optimiser, params, 0)
    assert sorted({group["lr"] for group in optimiser.param_groups}) == pytest.approx([0.001, 0.01])


def test_an_average_follows_weights_and_statistics_by_the_decay_and_copies_counters():
    torch.manual_seed(0)
    network = Small()
    average = copy.deepcopy(network)
    slow = [value.clone() for value in average.state_dict().values()]
    for step in range(30):
        network.train()(torch.rand(2, 3, 8, 8))
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter))
        optim.update_ema(average, network, 0.5, step)
        decay = min(0.5, (1 + step) / (10 + step))
        now = network.state_dict().values()
        slow = [
            decay * s + (1 - decay) * n if s.is_floating_point() else n.clone()
            for s, n in zip(slow, now, strict=True)
        ]
    for value, expected in zip(average.state_dict().values(), slow, strict=True):
        torch.testing.assert_close(value, expected, atol=1e-5, rtol=1e-5)


def test_an_average_moves_as_each_tensor_by_itself_would_without_a_state_dict(monkeypatch):
    torch.manual_seed(0)
    network, average = Small(), Small()
    expected = {name: value.clone() for name, value in average.state_dict().items()}
    for name, value in network.state_dict().items():
        slow = expected[name]
        slow.lerp_(value, 1 - 0.1) if slow.is_floating_point() else slow.copy_(value)
    monkeypatch.setattr(Small, "state_dict", None)
    optim.update_ema(average, network, 0.9, 0)
    monkeypatch.undo()
    for name, value in average.state_dict().items():
        assert torch.equal(value, expected[name]), name


def test_a_frozen_encoder_keeps_its_statistics_and_can_be_freed():
    network = Small().train()
    before = copy.deepcopy(network.encoder.state_dict())
    optim.freeze_encoder(network, frozen=True)
    network(torch.rand(2, 3, 8, 8)).sum().backward()
    assert all(torch.equal(value, before[name]) for name, value in network.encoder.state_dict().items())
    assert all(parameter.grad is None for parameter in network.encoder.parameters())
    assert all(parameter.grad is not None for parameter in network.decoder.parameters())
    optim.freeze_encoder(network, frozen=False)
    network(torch.rand(2, 3, 8, 8)).sum().backward()
    assert all(parameter.grad is not None for parameter in network.encoder.parameters())
    assert not torch.equal(network.encoder.state_dict()["1.running_mean"], before["1.running_mean"])
