import torch
from torch.nn import functional as F

from urbanseg.classes import IGNORE
from urbanseg.learn.losses import SegmentationLoss


def sample(seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 4, 8, 8, generator=generator)
    target = torch.randint(0, 3, (2, 8, 8), generator=generator)
    target[:, :2] = IGNORE
    return logits, target


def reference(logits, target, ce_weight, dice_weight):
    """Both terms by plain loops over the labelled pixels."""
    known = target != IGNORE
    p = logits.permute(0, 2, 3, 1)[known].double().softmax(1)
    y = F.one_hot(target[known], 4).double()
    cross_entropy = -(y * p.log()).sum(1).mean()
    dice = [
        1 - 2 * (p[:, c] * y[:, c]).sum() / (p[:, c].sum() + y[:, c].sum())
        for c in range(4)
        if y[:, c].sum() > 0
    ]
    return ce_weight * cross_entropy + dice_weight * torch.stack(dice).sum() / 4


def test_the_loss_agrees_with_its_definition_to_1e_6():
    for weights in ((1.0, 0.0), (0.0, 1.0), (0.7, 0.3)):
        logits, target = sample()
        value = SegmentationLoss(*weights)(logits, target)
        torch.testing.assert_close(value.double(), reference(logits, target, *weights), atol=1e-6, rtol=1e-6)


def test_ignored_pixels_have_no_gradient():
    logits, target = sample()
    logits.requires_grad_()
    SegmentationLoss(1, 1)(logits, target).backward()
    gradient = logits.grad.abs().sum(1)
    assert (gradient[target == IGNORE] == 0).all()
    assert (gradient[target != IGNORE] > 0).all()


def test_a_batch_without_labels_costs_nothing():
    logits, target = sample()
    assert SegmentationLoss(1, 1)(logits, torch.full_like(target, IGNORE)) == 0


def test_a_perfect_answer_costs_almost_nothing():
    _, target = sample()
    answer = F.one_hot(target.clamp(max=3), 4).permute(0, 3, 1, 2) * 50.0
    assert SegmentationLoss(1, 1)(answer, target) < 1e-3
