"""Areas that are to be expected: what was taken for other classes comes back, and the interval holds it."""

import numpy as np
import pytest

from urbanseg.calibration.areas import areas_of, errors_of
from urbanseg.calibration.forecast import BINS, Estimate, Forecast, expected_ious

SHARES = np.zeros((3, BINS, 3))
SHARES[0] = [0.8, 0.2, 0.0]
SHARES[1] = [0.0, 0.9, 0.1]
SHARES[2] = [0.0, 0.0, 1.0]
FORECAST = Forecast(tuple(tuple(map(tuple, rows)) for rows in SHARES.tolist()), 0.0, 1.0, 0.1)
COUNTS = np.zeros((3, BINS))
COUNTS[:, 5] = [1000, 500, 200]


def true_miou():
    levels = np.zeros((3, 255), np.int64)
    levels[:, 127] = [1000, 500, 200]
    return float(np.nanmean(expected_ious(levels, SHARES)))


def test_with_the_errors_of_the_calibration_areas_are_those_that_it_saw():
    miou = true_miou()
    errors = errors_of(COUNTS, FORECAST, Estimate(miou, miou - 0.1, miou + 0.1))
    assert errors.expected == pytest.approx(1, abs=1e-6)
    assert errors.most > 1
    found = areas_of(COUNTS, FORECAST, errors)
    assert found.mapped.tolist() == [1000, 500, 200]
    assert found.expected == pytest.approx([800, 650, 250], abs=1e-3)
    assert found.expected.sum() == pytest.approx(1700)
    assert (found.low <= found.expected).all()
    assert (found.expected <= found.high).all()
    assert (found.low <= found.mapped).all()
    assert (found.mapped <= found.high).all()


def test_a_surer_forecast_makes_a_narrower_interval():
    def width(low):
        found = areas_of(COUNTS, FORECAST, errors_of(COUNTS, FORECAST, Estimate(0.9, low, 1.0)))
        return (found.high - found.low).sum()

    assert width(0.88) < width(0.7) < width(0.5)


def test_a_map_without_a_pixel_has_no_area():
    empty = np.zeros((3, BINS))
    found = areas_of(empty, FORECAST, errors_of(empty, FORECAST, Estimate(0.9, 0.8, 1.0)))
    assert not any(values.any() for values in found)
