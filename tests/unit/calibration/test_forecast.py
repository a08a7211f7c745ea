import numpy as np
import pytest

from urbanseg.calibration import forecast
from urbanseg.calibration.forecast import BINS, LEVELS, Forecast
from urbanseg.classes import iou_per_class


def pixels(seed, count=200_000, classes=3):
    """Labels, classes and confidence of pixels that are right as often as they are confident."""
    rng = np.random.default_rng(seed)
    confidence = rng.integers(90, LEVELS, count).astype(np.uint8)
    predicted = rng.integers(0, classes, count).astype(np.uint8)
    right = rng.random(count) < confidence / 254
    labels = np.where(right, predicted, (predicted + rng.integers(1, classes, count)) % classes)
    return labels.astype(np.uint8), predicted, confidence


def test_the_expected_iou_is_the_true_one_where_confidence_means_what_it_meant():
    shares = forecast.shares_of(forecast.count(*pixels(0), 3))
    labels, predicted, confidence = pixels(1)
    kept = confidence > 170  # an easier image
    counts = forecast.count(labels[kept], predicted[kept], confidence[kept], 3)
    expected = forecast.expected_ious(counts.sum(axis=2), shares)
    np.testing.assert_allclose(expected, iou_per_class(counts.sum(axis=1).T), atol=0.01)


def test_a_class_that_is_not_in_the_map_counts_for_nothing():
    shares = forecast.shares_of(forecast.count(*pixels(0), 3))
    counts = forecast.count(*pixels(2), 3).sum(axis=2)
    counts[1] = 0
    assert np.isnan(forecast.expected_ious(counts, shares)).tolist() == [False, True, False]


def test_bins_hold_all_counts_and_the_last_one_full_confidence():
    counts = np.arange(2 * LEVELS).reshape(2, LEVELS, 1)
    found = forecast.binned(counts)
    assert found.shape == (2, BINS, 1)
    np.testing.assert_array_equal(found.sum(axis=1), counts.sum(axis=1))
    full = np.zeros((1, LEVELS, 1), int)
    full[0, -1] = 1
    assert forecast.binned(full)[0, :, 0].tolist() == [0] * (BINS - 1) + [1]


def test_an_empty_bin_says_what_its_class_says():
    counts = np.zeros((2, LEVELS, 2), np.int64)
    counts[0, 200] = 900, 100
    shares = forecast.shares_of(counts)
    np.testing.assert_allclose(shares.sum(axis=2), 1)
    assert shares[0, 0] == pytest.approx([0.9, 0.1], abs=0.01)
    assert shares[1, 0].tolist() == [0, 1]


def test_the_line_and_its_spread_are_those_of_the_trials():
    rng = np.random.default_rng(1)
    expected = rng.uniform(0.5, 0.8, 400)
    true = -0.4 + 1.5 * expected + rng.uniform(-0.05, 0.05, 400)
    offset, slope, margin = forecast.line(expected, true, np.arange(400) % 20)
    assert (offset, slope) == pytest.approx((-0.4, 1.5), abs=0.05)
    assert margin == pytest.approx(0.045, abs=0.005)
    assert forecast.line([0.7, 0.7], [0.6, 0.7], [0, 1])[:2] == (0.0, 1.0)


def test_a_forecast_lies_on_the_line_within_0_and_1():
    table = np.zeros((2, BINS, 2))
    table[0, :, 0] = table[1, :, 1] = 1
    counts = np.full((2, LEVELS), 5)
    assert Forecast(table, 0.1, 0.5, 0.2)(counts) == pytest.approx((0.6, 0.4, 0.8))
    assert Forecast(table, 0.5, 1.0, 0.2)(counts) == pytest.approx((1.0, 0.8, 1.0))
    assert Forecast(table, 0.1, 0.5, 0.2)(np.zeros((2, LEVELS), int)) is None
