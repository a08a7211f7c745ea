"""Scores of a segmentation, all of them functions of its confusion matrix.

The matrix is counted window by window and summed, so a scene of any size is scored with
the memory of one window; classes absent from both rasters score NaN and are left out of
means. Definitions: Everingham et al. 2010, "The PASCAL Visual Object Classes Challenge",
for IoU; Van Rijsbergen 1979, "Information Retrieval", for precision, recall and F1; Long et
al. 2015, "Fully Convolutional Networks", for the frequency-weighted IoU; Cohen 1960, "A
coefficient of agreement for nominal scales", for kappa.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from urbanseg.classes import IGNORE, iou_per_class
from urbanseg.grid import SPLITS

TEST = SPLITS.index("test")
"""Pixel value of the test split in a split raster."""


@dataclass(frozen=True)
class ClassScores:
    """Scores of each class, ``(classes,)`` float64 of 0–1; NaN where the class is absent."""

    iou: NDArray[np.float64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]


def counted(
    reference: NDArray[np.uint8], prediction: NDArray[np.uint8], split: NDArray[np.uint8]
) -> NDArray[np.bool_]:
    """Which pixels count in a metric: in the test split, labelled, and predicted.

    Args:
        reference: label raster, ``(height, width)`` uint8, 255 where unknown.
        prediction: class raster, same shape, 255 where the scene has no data.
        split: split raster, same shape, values are indices into `SPLITS`.

    Returns:
        ``(height, width)`` bool.
    """
    return np.asarray((split == TEST) & (reference != IGNORE) & (prediction != IGNORE))


def confusion(reference: NDArray[np.uint8], prediction: NDArray[np.uint8], n: int) -> NDArray[np.int64]:
    """How many pixels of each reference class were predicted as each class.

    Args:
        reference: class ids below `n`, uint8, any shape.
        prediction: class ids below `n`, uint8, same shape.
        n: number of classes.

    Returns:
        ``(n, n)`` int64 pixel counts, rows are reference, columns prediction.

    Raises:
        ValueError: if a class id is not below `n`.
    """
    if reference.size and max(reference.max(), prediction.max()) >= n:
        raise ValueError(f"class ids must be below {n}")
    pairs = reference.ravel().astype(np.intp) * n + prediction.ravel()
    return np.bincount(pairs, minlength=n * n).reshape(n, n).astype(np.int64)


def present(matrix: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which classes occur in the reference or the prediction, ``(n,)`` bool."""
    return np.asarray(matrix.sum(axis=0) + matrix.sum(axis=1) > 0)


def class_scores(matrix: NDArray[np.int64]) -> ClassScores:
    """IoU, precision, recall and F1 of each class.

    With TP, FP and FN of a class: ``IoU = TP / (TP + FP + FN)``, ``precision = TP / (TP + FP)``,
    ``recall = TP / (TP + FN)``, ``F1 = 2 TP / (2 TP + FP + FN)``. A class that is only in
    the reference or only in the prediction scores 0 throughout.

    Args:
        matrix: ``(n, n)`` int64 from `confusion`.
    """
    hits = np.diagonal(matrix).astype(np.float64)
    reference, prediction = matrix.sum(axis=1), matrix.sum(axis=0)
    either = present(matrix)

    def share(part: NDArray[np.float64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.where(either, part / np.maximum(whole, 1), np.nan)

    return ClassScores(
        iou=iou_per_class(matrix),
        precision=share(hits, prediction),
        recall=share(hits, reference),
        f1=share(2 * hits, reference + prediction),
    )


def mean(scores: NDArray[np.float64]) -> float:
    """Mean over the classes that are present; NaN if none is."""
    known = scores[~np.isnan(scores)]
    return float(known.mean()) if known.size else float("nan")


def pixel_accuracy(matrix: NDArray[np.int64]) -> float:
    """Share of pixels predicted correctly; NaN if there is no pixel."""
    total = matrix.sum()
    return float(np.trace(matrix) / total) if total else float("nan")


def frequency_weighted_iou(matrix: NDArray[np.int64]) -> float:
    """Mean IoU weighted by how many reference pixels each class has; NaN if there is no pixel.

    Long et al. 2015: ``Σ t_c IoU_c / Σ t_c`` with ``t_c`` reference pixels of class c.
    """
    reference = matrix.sum(axis=1)
    total = reference.sum()
    iou = np.nan_to_num(class_scores(matrix).iou)
    return float(reference @ iou / total) if total else float("nan")


def kappa(matrix: NDArray[np.int64]) -> float:
    """Cohen's kappa: agreement beyond chance, 1 if perfect and 0 if as good as chance.

    Cohen 1960: ``(p_o - p_e) / (1 - p_e)`` with the observed agreement ``p_o`` and the
    agreement ``p_e`` of two independent raters with the same class shares. NaN without
    pixels, and where both rasters hold one and the same class, which chance explains.
    """
    total = matrix.sum()
    if not total:
        return float("nan")
    expected = float((matrix.sum(axis=0) / total) @ (matrix.sum(axis=1) / total))
    if expected == 1:
        return float("nan")
    return float((pixel_accuracy(matrix) - expected) / (1 - expected))
