"""Calibration: agreement of confidence and accuracy.

Pixels are counted by predicted class, stored confidence and correctness; the reliability
diagram, the expected calibration error and precision–recall by confidence all follow
from these counts, which add up over windows. Definitions: Guo et al. 2017, "On
Calibration of Modern Neural Networks"; DeGroot & Fienberg 1983 for the diagram.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from urbanseg.classes import CONFIDENCE_SCALE, decode_share

LEVELS = CONFIDENCE_SCALE + 1
"""How many values a stored confidence can have."""

BINS = 15
"""Bins of equal width, as Guo et al. use."""

WRONG, RIGHT = 0, 1


@dataclass(frozen=True)
class Reliability:
    """The bins of a reliability diagram, ``(bins,)`` each; mean and accuracy are NaN where empty."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    pixels: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]


def confidence_counts(
    reference: NDArray[np.uint8], prediction: NDArray[np.uint8], confidence: NDArray[np.uint8], n: int
) -> NDArray[np.int64]:
    """Pixels by predicted class, confidence and correctness.

    Args:
        reference: class ids below `n`, uint8, any shape.
        prediction: same, predicted.
        confidence: 0–254 for 0–1, uint8, same shape.
        n: number of classes.

    Returns:
        ``(n, LEVELS, 2)`` int64; the last axis is wrong, right.

    Raises:
        ValueError: if a confidence is 255, which is nodata.
    """
    if confidence.size and confidence.max() >= LEVELS:
        raise ValueError("a predicted pixel has no confidence")
    key = (prediction.astype(np.intp) * LEVELS + confidence) * 2 + (reference == prediction)
    return np.bincount(key.ravel(), minlength=n * LEVELS * 2).reshape(n, LEVELS, 2).astype(np.int64)


def reliability(counts: NDArray[np.int64], bins: int = BINS) -> Reliability:
    """Mean confidence and accuracy in bins of equal width, ``((m - 1) / M, m / M]`` as in Guo et al.

    Args:
        counts: ``(…, LEVELS, 2)`` int64 from `confidence_counts`; leading axes are summed.
        bins: their number M.
    """
    by_level = counts.reshape(-1, LEVELS, 2).sum(axis=0)
    level = np.arange(LEVELS)
    value = decode_share(level)
    # Whole numbers, because rounding would put a confidence on an edge into the wrong bin.
    place = np.maximum(-(-level * bins // CONFIDENCE_SCALE) - 1, 0)
    pixels = np.bincount(place, by_level.sum(axis=1), bins)
    known = np.where(pixels > 0, pixels, np.nan)
    edges = np.linspace(0, 1, bins + 1)
    return Reliability(
        low=edges[:-1],
        high=edges[1:],
        pixels=pixels.astype(np.int64),
        confidence=np.bincount(place, by_level.sum(axis=1) * value, bins) / known,
        accuracy=np.bincount(place, by_level[:, RIGHT], bins) / known,
    )


def expected_calibration_error(counts: NDArray[np.int64], bins: int = BINS) -> float:
    """ECE: mean distance of accuracy and confidence over the bins, weighted by their pixels.

    Guo et al. 2017, equation 3. 0 is perfect; NaN without pixels.
    """
    found = reliability(counts, bins)
    total = found.pixels.sum()
    gaps = np.nan_to_num(np.abs(found.accuracy - found.confidence))
    return float(found.pixels @ gaps / total) if total else float("nan")


def mean_confidence(counts: NDArray[np.int64]) -> float:
    """Mean confidence, 0–1; above the accuracy, the model is over-confident. NaN without pixels."""
    by_level = counts.reshape(-1, LEVELS, 2).sum(axis=(0, 2))
    total = by_level.sum()
    return float(decode_share(by_level @ np.arange(LEVELS)) / total) if total else float("nan")


def precision_recall(
    counts: NDArray[np.int64], reference: NDArray[np.int64], levels: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Precision and recall of each class where less confident pixels are left blank.

    A pixel is a detection of its predicted class if its confidence is at least the
    threshold. Only the winning class's probability is stored, so recall ends at that of
    the map itself.

    Args:
        counts: ``(n, LEVELS, 2)`` int64 from `confidence_counts`.
        reference: ``(n,)`` int64, reference pixels of each class.
        levels: ``(t,)`` thresholds, 0–254.

    Returns:
        Two ``(n, t)`` float64; precision is NaN where nothing is left, recall where the
        reference lacks the class.
    """
    above = counts[:, ::-1].cumsum(axis=1)[:, ::-1][:, levels]
    found, right = above.sum(axis=2), above[..., RIGHT]
    known = np.where(reference > 0, reference, np.nan)[:, np.newaxis]
    return right / np.where(found > 0, found, np.nan), right / known
