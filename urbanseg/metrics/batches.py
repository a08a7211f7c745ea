"""Macro IoU and F1 averaged over batches of images, the way of scoring of many notebooks.

Each batch has a mean over the classes that occur in its labels or its map, and the result is the mean over
the batches: a class that is rare counts in few batches, and where it occurs at all. Our own figures sum the
pixels of all images first. A published figure is compared with the one
that is computed alike. Definition: `jaccard_score` and `f1_score` of scikit-learn with
``average="macro"`` for each batch.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from urbanseg.classes import IGNORE, position_lut
from urbanseg.grid import Window
from urbanseg.io.raster import Reader
from urbanseg.metrics.sections import figure
from urbanseg.metrics.segmentation import class_scores, confusion, mean


def batch_scores(
    labels: Reader, prediction: Reader, images: Sequence[Window], size: int, ids: Sequence[int]
) -> dict[str, Any]:
    """Scores of the images, `size` of them at a time in their order; the last batch may be smaller.

    Args:
        labels: class ids, 255 where unknown.
        prediction: of the same grid, 255 where nothing is predicted.
        images: windows of both.
        size: of a batch.
        ids: pixel values of the classes, in order.

    Returns:
        Plain values: `size`, `batches` (those with a pixel that counts), `iou` and `f1`, null without any.
    """
    iou, f1 = [], []
    for first in range(0, len(images), size):
        matrix = sum(
            (_confusion(labels, prediction, window, ids) for window in images[first : first + size]),
            np.zeros((len(ids), len(ids)), np.int64),
        )
        if matrix.any():
            scores = class_scores(matrix)
            iou.append(mean(scores.iou))
            f1.append(mean(scores.f1))
    return {
        "size": size,
        "batches": len(iou),
        "iou": figure(float(np.mean(iou))) if iou else None,
        "f1": figure(float(np.mean(f1))) if f1 else None,
    }


def _confusion(labels: Reader, prediction: Reader, window: Window, ids: Sequence[int]) -> NDArray[np.int64]:
    own, mapped = (position_lut(ids)[raster.read_band(window)] for raster in (labels, prediction))
    counts = (own != IGNORE) & (mapped != IGNORE)
    return confusion(own[counts], mapped[counts], len(ids))
