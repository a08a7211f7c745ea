import pytest
import torch
from torch import nn

from urbanseg.classes import IGNORE
from urbanseg.learn import views
from urbanseg.learn.adaptation import (
    FLOOR,
    Options,
    Windows,
    adapt,
    agreement,
    mix_statistics,
    self_train,
    thresholds,
)
from urbanseg.model.segmenter import Segmenter

COLOURS = torch.tensor([[1.5, -1.0, -1.0], [-1.0, 1.5, -1.0], [-1.0, -1.0, 1.5]])


def network():
    """Batch normalisation, then a filter that takes each of the three colours for a class."""
    filters = nn.Conv2d(3, 3, 1)
    with torch.no_grad():
        filters.weight.copy_(COLOURS[:, :, None, None])
        filters.bias.zero_()
    return Segmenter(nn.Sequential(nn.BatchNorm2d(3), filters), 1).eval()


def painted(shift=0.0, n=8, side=64):
    """Windows in three stripes of colours, changed by a level of the first band; and their classes."""
    draw = torch.Generator().manual_seed(0)
    classes = torch.randint(0, 3, (n, side // 16, side // 16), generator=draw)
    classes = classes.repeat_interleave(16, 1).repeat_interleave(16, 2)
    pixels = COLOURS[classes].permute(0, 3, 1, 2) + 0.3 * torch.randn(n, 3, side, side, generator=draw)
    pixels[:, 0] += shift
    return Windows(pixels, torch.ones(classes.shape, dtype=torch.bool)), classes


def accuracy(segmenter, windows, classes):
    with torch.no_grad():
        return float((segmenter(windows.pixels).argmax(1) == classes).float().mean())


def test_batch_statistics_of_the_images_bring_other_light_back():
    source = network()
    calm, classes = painted()
    mean, var = calm.pixels.mean((0, 2, 3)), calm.pixels.var((0, 2, 3))
    source.network[0].running_mean, source.network[0].running_var = mean, var
    lit, _ = painted(shift=2.5)
    assert accuracy(source, calm, classes) > 0.99
    assert accuracy(source, lit, classes) < 0.8
    mixed = mix_statistics(source, lit, 1.0, batch=4)
    assert accuracy(mixed, lit, classes) > 0.99
    half = mix_statistics(source, lit, 0.5, batch=4)
    torch.testing.assert_close(half.network[0].running_mean, mean + torch.tensor([1.25, 0, 0]))
    torch.testing.assert_close(source.network[0].running_mean, mean)
    assert half.network[0].momentum == source.network[0].momentum == 0.1


def test_a_map_that_no_view_changes_agrees_wholly_and_one_of_light_does_not():
    windows, classes = painted()
    by_colour, shares = agreement(network(), windows)
    blind = network()
    with torch.no_grad():
        blind.network[1].weight.zero_()
        blind.network[1].bias.copy_(torch.tensor([1.0, 0.0, 0.0]))
    assert agreement(blind, windows)[0] == 1
    assert 0.5 < by_colour < 1
    counted = torch.bincount(classes.ravel(), minlength=3) / classes.numel()
    assert shares == pytest.approx(counted.tolist(), abs=0.05)


def test_of_each_class_the_most_confident_share_is_learnt_from():
    probabilities = torch.zeros(1, 2, 1, 200)
    probabilities[0, 0, 0, :100] = torch.linspace(0.6, 0.99, 100)
    probabilities[0, 0, 0, 100:] = torch.linspace(0.01, 0.3, 100)
    probabilities[0, 1] = 1 - probabilities[0, 0]
    valid = torch.ones(1, 1, 200, dtype=torch.bool)
    found = thresholds(probabilities, valid, 0.25)
    confidence, classes = probabilities.max(1)
    for value in range(2):
        own = confidence[classes == value]
        assert float((own >= found[value]).float().mean()) == pytest.approx(0.25, abs=0.02)
    assert (thresholds(probabilities, ~valid, 0.25) == FLOOR).all()


def test_nothing_is_changed_where_nothing_is_tried_or_gained():
    source, (windows, _) = network(), painted()
    same, trials = adapt(source, windows, Options(statistics=0.0, steps=0))
    assert [trial.name for trial in trials] == ["source"]
    for name, tensor in source.state_dict().items():
        assert torch.equal(tensor, same.state_dict()[name])
    kept, trials = adapt(source, windows, Options(statistics=0.0, steps=4, check_every=2, rate=1e-9))
    assert [trial.kept for trial in trials] == [True, False, False]
    assert torch.equal(kept.network[1].weight, source.network[1].weight)


def test_self_training_moves_the_teacher_alike_each_time_and_leaves_the_source():
    source, (windows, _) = network(), painted()
    options = Options(steps=4, check_every=2, rate=0.01)
    runs = [
        [
            (step, each.network[1].weight.detach().clone())
            for step, each in self_train(source, windows, options)
        ]
        for _ in range(2)
    ]
    assert [step for step, _ in runs[0]] == [2, 4]
    assert all(torch.equal(one[1], other[1]) for one, other in zip(*runs, strict=True))
    assert not torch.equal(runs[0][0][1], runs[0][1][1])
    assert torch.equal(source.network[1].weight[:, :, 0, 0], COLOURS)


def test_targets_move_with_their_windows():
    windows, classes = painted(n=2)
    targets = classes.clone()
    targets[:, :16, :16] = IGNORE
    for seed in range(5):
        view, moved = views.random_view(windows.pixels, targets, torch.Generator().manual_seed(seed))
        assert view.shape[-2:] == moved.shape[-2:]
        held = views.known(moved)
        assert 0 < float((~held).float().mean()) < 0.2
        found = (view - view.mean((2, 3), keepdim=True)).argmax(1)
        assert float((found == moved)[held].float().mean()) > 0.85
