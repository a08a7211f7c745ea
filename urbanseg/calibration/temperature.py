"""Temperatures that make probabilities agree with how often they are right, one for each predicted class.

Guo et al. 2017, "On Calibration of Modern Neural Networks", divide the logits by one temperature, fitted by
the likelihood of held-out labels (`temperature_fit`); Frenkel and Goldberger 2021, "Network Calibration by
Class-based Temperature Scaling", take one for each class that is predicted. The order of a pixel's classes
stays, so the map does not change, only its confidence. Log-probabilities are logits but for a constant, so no
back end has to give logits.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LEAST = np.float32(1e-12)
"""Probabilities below count as this, so that each has a logarithm."""


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
