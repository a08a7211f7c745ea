"""A forecast of a map's IoU without labels, from how confident the model is in it.

On validation pixels it is counted which class pixels have by the class and the confidence that were predicted
(histogram binning: Zadrozny and Elkan 2001). Of a map without labels its pixels by class and confidence are
known, so the confusion that is to be expected follows, and of that the IoU: the average confidence of
Garg et al. 2022, "Leveraging Unlabeled Data to Predict Out-of-Distribution Performance", for IoU instead of
accuracy. Confidence falls less than accuracy does where an image is unlike the training; by how much is
fitted on copies of the validation pixels with other light, haze, sharpness and noise, as Deng and Zheng
2021, "Are Labels Always Necessary for Classifier Accuracy Evaluation?", do: a line from the expected to
the true mean IoU, and the spread around it as an interval.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from urbanseg.classes import CONFIDENCE_SCALE

LEVELS = CONFIDENCE_SCALE + 1
"""How many values a stored confidence can have."""

BINS = 12
"""Bins of confidence from 0 to 1, of equal width."""

PRIOR_PIXELS = 50.0
"""What a bin takes from its class as a whole, in pixels, so that an empty one says something, too."""

SURE = 0.9
"""Share of the trials that the interval covers."""


class Estimate(NamedTuple):
    """A mean IoU that is expected, and its interval; 0–1."""

    miou: float
    low: float
    high: float


@dataclass(frozen=True)
class Forecast:
    """What a forecast needs to know of a model.

    Attributes:
        table: ``shares[predicted][bin][actual]``, that sum to 1 over the last.
        offset: of the line from the expected mean IoU to the true one.
        slope: of the line.
        margin: half the width of the interval.
    """

    table: tuple[tuple[tuple[float, ...], ...], ...]
    offset: float
    slope: float
    margin: float

    def __call__(self, counts: NDArray[np.int64]) -> Estimate | None:
        """The forecast of a map.

        Args:
            counts: ``(classes, LEVELS)`` int64, its pixels by class and stored confidence.

        Returns:
            None for a map without a pixel.
        """
        if not counts.any():
            return None
        ious = expected_ious(counts, np.array(self.table))
        middle = float(np.clip(self.offset + self.slope * np.nanmean(ious), 0, 1))
        low, high = max(0.0, middle - self.margin), min(1.0, middle + self.margin)
        return Estimate(middle, low, high)


def binned(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Counts by stored confidence, ``(…, LEVELS, n)``, by bin: ``(…, BINS, n)``."""
    place = np.minimum(np.arange(LEVELS) * BINS // CONFIDENCE_SCALE, BINS - 1)
    first = np.searchsorted(place, np.arange(BINS))
    found: NDArray[np.int64] = np.add.reduceat(counts, first, axis=-2)
    return found


def count(
    labels: NDArray[np.uint8], predicted: NDArray[np.uint8], confidence: NDArray[np.uint8], n: int
) -> NDArray[np.int64]:
    """Pixels by predicted class, stored confidence and actual class.

    Args:
        labels: class ids below `n`, uint8, any shape.
        predicted: same, predicted.
        confidence: 0–254 for 0–1, uint8, same shape.
        n: number of classes.

    Returns:
        ``(n, LEVELS, n)`` int64.
    """
    key = (predicted.astype(np.intp) * LEVELS + confidence) * n + labels
    return np.bincount(key.ravel(), minlength=n * LEVELS * n).reshape(n, LEVELS, n).astype(np.int64)


def shares_of(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share of each actual class by predicted class and bin, ``(n, BINS, n)``, from `count`."""
    by_bin = binned(counts).astype(np.float64)
    of_class = by_bin.sum(axis=1, keepdims=True)
    n = len(by_bin)
    prior = (of_class + np.eye(n)[:, None]) / (of_class.sum(axis=2, keepdims=True) + 1)
    by_bin += PRIOR_PIXELS * prior
    return np.asarray(by_bin / by_bin.sum(axis=2, keepdims=True))


def expected_ious(counts: NDArray[np.int64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Expected IoU of each class: expected hits over predicted and expected pixels together.

    Args:
        counts: ``(n, LEVELS)`` pixels by predicted class and stored confidence.
        shares: of `shares_of`.

    Returns:
        ``(n,)`` float64; NaN of a class that no pixel has.
    """
    by_bin = binned(counts[..., None])[..., 0]
    confusion = np.einsum("pb,pba->pa", by_bin, shares)  # predicted, actual
    hits = np.diagonal(confusion)
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - hits
    return np.where(counts.sum(axis=1) > 0, hits / np.maximum(union, 1e-12), np.nan)


def line(
    expected: Sequence[float], true: Sequence[float], trial: Sequence[int]
) -> tuple[float, float, float]:
    """The line from expected to true mean IoU by least squares, and the spread around it.

    Args:
        expected: of each image.
        true: of each image.
        trial: number of the change that each was made by; the spread is that around lines that
            were fitted without it.

    Returns:
        Offset, slope, and the distance within which `SURE` of the images lie. Without two different
        expected values the line is the expected value itself.
    """
    x, y, of = (np.asarray(values, float) for values in (expected, true, trial))
    apart = [
        abs(y[of == each] - _at(x[of == each], _fitted(x[of != each], y[of != each])))
        for each in np.unique(of)
    ]
    offset, slope = _fitted(x, y)
    margin = float(np.quantile(np.concatenate(apart), SURE, method="higher")) if len(x) else 0.0
    return offset, slope, margin


def _fitted(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    if not len(x) or np.ptp(x) < 1e-3:
        return 0.0, 1.0
    slope, offset = np.polyfit(x, y, 1)
    return float(offset), float(slope)


def _at(x: NDArray[np.float64], fitted: tuple[float, float]) -> NDArray[np.float64]:
    return fitted[0] + fitted[1] * x
