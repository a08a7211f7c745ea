"""Areas of classes that are to be expected of a map, and how far off they may be.

The calibration says which class pixels have by the class and the confidence that were predicted, and the
forecast of the mean IoU how many errors there are to be expected, and at most. The errors of the calibration
are scaled so that the mean IoU is the one that is forecast. A class then gains what others were taken for it,
and loses what it was taken for. The interval is from the worst case of losing all that it may have too much
and gaining nothing, to that of the opposite, at the lower end of the forecast: so it holds for errors
of one direction, too, which are those that make areas wrong.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from urbanseg.calibration.forecast import Estimate, Forecast

STEPS = 60
"""Halvings of the interval in which the scale of the errors is looked for."""

_Floats = NDArray[np.float64]


class Areas(NamedTuple):
    """Of each class, ``(n,)`` float64 pixels each."""

    mapped: _Floats
    expected: _Floats
    low: _Floats
    high: _Floats


class Errors(NamedTuple):
    """By how much the errors of the calibration are multiplied, so that the mean IoU is the forecast's."""

    expected: float
    most: float


def errors_of(counts: NDArray[np.floating] | NDArray[np.int64], forecast: Forecast, said: Estimate) -> Errors:
    """How many errors a map has, by the forecast of its mean IoU.

    Args:
        counts: ``(n, BINS)`` pixels by class and bin of confidence.
        forecast: of the model.
        said: of the map.
    """
    mapped, gained, lost = _flows(counts, forecast)
    return Errors(_scale(mapped, gained, lost, said.miou), _scale(mapped, gained, lost, said.low))


def areas_of(counts: NDArray[np.floating] | NDArray[np.int64], forecast: Forecast, errors: Errors) -> Areas:
    """Areas of a map or a part of it.

    Args:
        counts: ``(n, BINS)`` pixels by class and bin of confidence.
        forecast: of the model.
        errors: of the whole map.
    """
    mapped, gained, lost = _flows(counts, forecast)
    total = mapped.sum()
    return Areas(
        mapped,
        np.clip(mapped + errors.expected * (gained - lost), 0, total),
        np.clip(mapped - errors.most * lost, 0, total),
        np.clip(mapped + errors.most * gained, 0, total),
    )


def _flows(
    counts: NDArray[np.floating] | NDArray[np.int64], forecast: Forecast
) -> tuple[_Floats, _Floats, _Floats]:
    """Pixels of each class that are mapped, that were taken for others, and that it was taken for wrongly."""
    confusion = np.einsum("pb,pba->pa", np.asarray(counts, float), np.array(forecast.table))
    hits = np.diagonal(confusion)
    return confusion.sum(axis=1), confusion.sum(axis=0) - hits, confusion.sum(axis=1) - hits


def _scale(mapped: _Floats, gained: _Floats, lost: _Floats, miou: float) -> float:
    """By how much errors are multiplied for a mean IoU; as far as a class has pixels to lose."""
    there = mapped > 0
    if not there.any() or not lost.any():
        return 1.0
    with np.errstate(divide="ignore"):
        least, most = 0.0, float(np.min(np.where(lost > 0, mapped / lost, np.inf)))
    for _ in range(STEPS):
        middle = (least + most) / 2
        hits = mapped - middle * lost
        union = mapped + middle * gained
        if float(np.mean(hits[there] / union[there])) > miou:
            least = middle
        else:
            most = middle
    return (least + most) / 2
