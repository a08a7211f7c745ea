"""Buildings one by one: a channel beside the classes, which is high inside a building and low at its border.

A border is where a building ends, whether at the ground or at the next building, so that the insides of
attached buildings do not touch.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from urbanseg.classes import IGNORE
from urbanseg.learn.losses import SegmentationLoss, class_of
from urbanseg.learn.targets import unpacked


class InstanceLoss(SegmentationLoss):
    """The loss of the classes, plus the binary cross-entropy of the cores over labelled pixels."""

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss of a batch as a scalar, 0 if no pixel of it is labelled.

        Args:
            logits: ``(batch, classes + 1, height, width)``.
            target: ``(batch, height, width)`` int64, as `targets.packed` makes it.
        """
        classes, inside = unpacked(target)
        with torch.autocast(logits.device.type, enabled=False):
            cores = logits[:, -1].float()
            known = (class_of(target) != IGNORE).float()
            losses = F.binary_cross_entropy_with_logits(cores, inside.float(), reduction="none")
            core = (losses * known).sum() / known.sum().clamp(min=1)
        return super().forward(logits[:, :-1], classes) + core
