"""The training loss: a weighted sum of cross-entropy and soft Dice, ignoring unknown pixels."""

from segmentation_models_pytorch.losses import DiceLoss
from torch import Tensor, nn

from urbanseg.classes import IGNORE


class SegmentationLoss(nn.Module):
    """``ce_weight · cross-entropy + dice_weight · Dice`` over labelled pixels.

    Dice (Milletari et al. 2016, "V-Net") is averaged over the classes that occur in the
    batch; pixels of `IGNORE` count in neither term.
    """

    def __init__(self, ce_weight: float, dice_weight: float) -> None:
        super().__init__()
        self.ce_weight, self.dice_weight = ce_weight, dice_weight
        self.ce = nn.CrossEntropyLoss(ignore_index=IGNORE, reduction="sum")
        self.dice = DiceLoss("multiclass", ignore_index=IGNORE)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss of a batch, 0 if no pixel of it is labelled.

        Args:
            logits: ``(batch, classes, height, width)``.
            target: ``(batch, height, width)`` int64 class ids, or `IGNORE`.
        """
        labelled = (target != IGNORE).sum().clamp(min=1)
        loss: Tensor = self.ce_weight * self.ce(logits, target) / labelled
        loss += self.dice_weight * self.dice(logits, target)
        return loss
