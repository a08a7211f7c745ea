"""The mean IoU that a map's confidence let expect, beside the one that its labels tell."""

from math import nan

import numpy as np
from numpy.typing import NDArray

from urbanseg.calibration.forecast import Forecast
from urbanseg.metrics.sections import figure


def forecast_figures(
    forecast: Forecast | None, confidence: NDArray[np.int64], miou: float
) -> dict[str, float | None]:
    """The forecast for the test pixels, its interval, and by how much it is too high.

    Args:
        forecast: of the model that made the map, None if nothing was kept.
        confidence: ``(n, LEVELS, 2)`` int64 from `calibration.confidence_counts`.
        miou: the true one; NaN if undefined.

    Returns:
        Plain values by their keys, null without a forecast.
    """
    found = forecast(confidence.sum(axis=2)) if forecast else None
    expected, low, high = found or (nan, nan, nan)
    return {
        "miou": figure(expected),
        "low": figure(low),
        "high": figure(high),
        "error": figure(expected - miou),
    }
