"""Temperatures that make probabilities agree with how often they are right, one for each predicted class.

Guo et al. 2017, "On Calibration of Modern Neural Networks", divide the logits by one temperature, fitted by
the likelihood of held-out labels; Frenkel and Goldberger 2021, "Network Calibration by Class-based
Temperature Scaling", take one for each class that is predicted. The order of a pixel's classes stays, so the
map does not change, only its confidence. Log-probabilities are logits but for a constant, so no back end has
to give logits.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

LEAST = np.float32(1e-12)
"""Probabilities below count as this, so that each has a logarithm."""

RANGE = (0.2, 5.0)
"""Temperatures are sought between these."""

MIN_GROUPS, MIN_PIXELS = 3, 1000
"""A class that is predicted in fewer groups, or pixels, takes the temperature of all classes together."""


def soften(
    probabilities: NDArray[np.float32], predicted: NDArray[np.uint8], temperatures: Sequence[float]
) -> NDArray[np.float32]:
    """Calibrated probabilities: ``p ** (1 / T)``, divided by their sum, T that of the predicted class.

    Args:
        probabilities: ``(classes, …)`` float32, that sum to 1; where all are 0, all stay so.
        predicted: ``(…)`` uint8, the most probable class.
        temperatures: of each class, above 0.

    Returns:
        ``(classes, …)`` float32, with the same order of the classes in each pixel.
    """
    inverse = (1 / np.asarray(temperatures, np.float32))[predicted]
    powers = np.log(np.maximum(probabilities, LEAST))
    powers *= inverse
    np.exp(powers, out=powers)
    powers *= probabilities.any(axis=0) / np.maximum(powers.sum(axis=0), LEAST)
    softened: NDArray[np.float32] = powers
    return softened


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
