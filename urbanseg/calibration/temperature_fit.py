"""The temperatures that held-out labels ask for; prediction needs none of this."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from urbanseg.calibration.temperature import LEAST

RANGE = (0.2, 5.0)
"""Temperatures are sought between these."""

MIN_GROUPS, MIN_PIXELS = 3, 1000
"""A class that is predicted in fewer groups, or pixels, takes the temperature of all classes together."""


def fit(
    probabilities: NDArray[np.float32], labels: NDArray[np.uint8], groups: NDArray[np.int64]
) -> tuple[float, ...]:
    """The temperature of each class that gives the labels of its pixels the greatest likelihood.

    Args:
        probabilities: ``(classes, pixels)`` float32.
        labels: ``(pixels,)`` class ids, uint8.
        groups: ``(pixels,)`` int64, the block that each lies in.

    Returns:
        One for each class, rounded; 1 for all without any pixel.
    """
    predicted = probabilities.argmax(axis=0)
    together = _fit(probabilities, labels)
    found = []
    for number in range(len(probabilities)):
        own = predicted == number
        enough = own.sum() >= MIN_PIXELS and len(np.unique(groups[own])) >= MIN_GROUPS
        found.append(_fit(probabilities[:, own], labels[own]) if enough else together)
    return tuple(round(value, 4) for value in found)


def negative_log_likelihood(probabilities: NDArray[np.float32], labels: NDArray[np.uint8]) -> float:
    """Mean of ``-log p`` of the labels' classes; arguments as of `fit`."""
    own = np.take_along_axis(probabilities, labels[None].astype(np.intp), axis=0)[0]
    return float(-np.log(np.maximum(own, LEAST), dtype=np.float64).mean())


def _fit(probabilities: NDArray[np.float32], labels: NDArray[np.uint8]) -> float:
    if not labels.size:
        return 1.0
    logs = np.log(np.maximum(probabilities, LEAST))
    own = np.take_along_axis(logs, labels[None].astype(np.intp), axis=0)[0].mean(dtype=np.float64)

    def loss(inverse: float) -> float:
        # Convex in the inverse: a logarithm of a sum of exponentials, less a line.
        norm = np.log(np.exp(logs * np.float32(inverse)).sum(axis=0))
        return float(norm.mean(dtype=np.float64) - inverse * own)

    low, high = RANGE
    return float(1 / minimize_scalar(loss, bounds=(1 / high, 1 / low), options={"xatol": 1e-4}).x)
