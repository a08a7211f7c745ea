"""Agreement of an exported model with the original.

A float format computes the same sums in another order, so nearly every pixel must get the
same class. int8 computes with other weights, so its loss of mIoU is what is limited.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from urbanseg.classes import IGNORE
from urbanseg.errors import PipelineError
from urbanseg.metrics.segmentation import class_scores, confusion, mean

DIGITS = 6


@dataclass(frozen=True)
class Agreement:
    """How a format compares with the original on the same tiles; shares 0–1."""

    equal: float
    """Share of pixels with the same class."""
    miou: float
    """Mean IoU of the format against the labels."""
    miou_loss: float
    """Mean IoU of the original minus that of the format."""


def agreement(
    original: list[NDArray[np.uint8]], found: list[NDArray[np.uint8]], labels: list[NDArray[np.uint8]], n: int
) -> Agreement:
    """Compare classes with those of the original, and both with the labels.

    Args:
        original: classes of each tile ``(height, width)``, predicted by the original.
        found: the same, predicted by the format.
        labels: the same, of the reference; 255 where unknown.
        n: number of classes.

    Returns:
        Share of equal classes, mIoU of the format, and the loss of mIoU.
    """
    first, second, truth = (np.concatenate([tile.ravel() for tile in t]) for t in (original, found, labels))
    known = truth != IGNORE
    before, after = (
        mean(class_scores(confusion(truth[known], classes[known], n)).iou) for classes in (first, second)
    )
    return Agreement(
        equal=round(float((first == second).mean()), DIGITS),
        miou=round(after, DIGITS),
        miou_loss=round(before - after, DIGITS),
    )


def require_agreement(name: str, found: Agreement, *, min_equal: float, max_miou_loss: float) -> None:
    """Check that an exported format agrees with the original model.

    Args:
        name: of the format; int8 formats end with ``int8``.
        found: its agreement with the original.
        min_equal: least share of equal pixels of a float format, 0–1.
        max_miou_loss: largest loss of mIoU of an int8 format.

    Raises:
        PipelineError: if a float format has less than `min_equal` of its pixels right, or
            int8 loses more than `max_miou_loss`.
    """
    if name.endswith("int8"):
        if found.miou_loss > max_miou_loss:
            raise PipelineError(
                f"{name} loses {found.miou_loss:.4f} of the mIoU on the validation tiles, and "
                f"export.max_miou_loss is {max_miou_loss:g}; raise export.calibration_tiles, or leave it out"
            )
    elif found.equal < min_equal:
        raise PipelineError(
            f"{name} gives {found.equal:.4%} of the pixels of the validation tiles the class that torch "
            f"gives them, and export.min_equal is {min_equal:g}; leave it out of export.formats"
        )
