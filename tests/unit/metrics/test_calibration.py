import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.calibration import calibration_curve
from sklearn.metrics import precision_recall_curve
from torchmetrics.functional.classification import binary_calibration_error

from urbanseg.metrics.calibration import (
    BINS,
    LEVELS,
    confidence_counts,
    expected_calibration_error,
    mean_confidence,
    precision_recall,
    reliability,
)

N = 4
SIZE = 60
classes = hnp.arrays(np.uint8, SIZE, elements=st.integers(0, N - 1))
confidences = hnp.arrays(np.uint8, SIZE, elements=st.integers(0, LEVELS - 1))


@given(classes, classes, confidences)
def test_the_error_is_that_of_torchmetrics(reference, predicted, confidence):
    # Its bins are closed below, ours above, so that only certainty falls on an edge of both.
    confidence = np.clip(confidence, 1, LEVELS - 2)
    counts = confidence_counts(reference, predicted, confidence, N)
    expected = binary_calibration_error(
        torch.from_numpy(confidence / (LEVELS - 1)), torch.from_numpy(reference == predicted), n_bins=BINS
    )
    assert expected_calibration_error(counts) == pytest.approx(expected.item(), abs=1e-6)


@given(classes, classes, confidences)
def test_the_reliability_diagram_is_that_of_scikit_learn(reference, predicted, confidence):
    found = reliability(confidence_counts(reference, predicted, confidence, N))
    accuracy, mean = calibration_curve(
        reference == predicted, confidence / (LEVELS - 1), n_bins=BINS, pos_label=True
    )
    known = found.pixels > 0
    np.testing.assert_allclose(found.accuracy[known], accuracy)
    np.testing.assert_allclose(found.confidence[known], mean)
    assert found.pixels.sum() == SIZE


@given(classes, classes, confidences, st.integers(0, SIZE))
def test_counts_add_up_over_windows(reference, predicted, confidence, cut):
    whole = confidence_counts(reference, predicted, confidence, N)
    parts = [
        confidence_counts(reference[rows], predicted[rows], confidence[rows], N)
        for rows in (slice(0, cut), slice(cut, None))
    ]
    assert (parts[0] + parts[1] == whole).all()


@given(classes)
def test_a_map_that_is_surely_right_is_perfectly_calibrated(reference):
    counts = confidence_counts(reference, reference, np.full(SIZE, LEVELS - 1, np.uint8), N)
    assert expected_calibration_error(counts) == 0
    assert mean_confidence(counts) == 1


def test_a_map_that_is_surely_wrong_is_worst():
    counts = confidence_counts(
        np.zeros(9, np.uint8), np.ones(9, np.uint8), np.full(9, LEVELS - 1, np.uint8), N
    )
    assert expected_calibration_error(counts) == 1


def test_a_hand_made_case_of_two_bins():
    # Confidence 1/2 (127 of 254), right in one of four; confidence 1, right in three of four.
    confidence = np.repeat(np.array([127, 254], np.uint8), 4)
    right = np.array([1, 0, 0, 0, 1, 1, 1, 0], bool)
    counts = confidence_counts(np.zeros(8, np.uint8), (~right).astype(np.uint8), confidence, 2)
    found = reliability(counts, bins=2)
    assert found.accuracy.tolist() == [0.25, 0.75]
    assert found.confidence.tolist() == [0.5, 1.0]
    assert expected_calibration_error(counts, bins=2) == pytest.approx(0.25)
    assert mean_confidence(counts) == pytest.approx(0.75)


@given(classes, classes, confidences)
def test_precision_and_recall_by_confidence_are_those_of_scikit_learn(reference, predicted, confidence):
    counts = confidence_counts(reference, predicted, confidence, N)
    precision, recall = precision_recall(counts, np.bincount(reference, minlength=N), np.arange(LEVELS))
    for c in range(N):
        actual = reference == c
        if not actual.any():
            assert np.isnan(recall[c]).all()
            continue
        # A pixel of another predicted class is no detection at any confidence: below all of them.
        score = np.where(predicted == c, confidence.astype(int), -1)
        p, r, thresholds = precision_recall_curve(actual, score)
        for level, ours in zip(thresholds, range(len(thresholds)), strict=True):
            if level >= 0:
                assert precision[c, level] == pytest.approx(p[ours])
                assert recall[c, level] == pytest.approx(r[ours])


@given(classes, classes, confidences)
def test_recall_falls_with_the_threshold_and_starts_at_that_of_the_map(reference, predicted, confidence):
    counts = confidence_counts(reference, predicted, confidence, N)
    _, recall = precision_recall(counts, np.bincount(reference, minlength=N), np.arange(LEVELS))
    known = np.bincount(reference, minlength=N) > 0
    assert (np.diff(recall[known]) <= 0).all()
    for c in np.flatnonzero(known):
        assert recall[c, 0] == pytest.approx((predicted == c)[reference == c].mean())


def test_without_pixels_nothing_is_claimed():
    empty = np.zeros((N, LEVELS, 2), np.int64)
    assert np.isnan(expected_calibration_error(empty))
    assert np.isnan(mean_confidence(empty))


def test_a_pixel_without_confidence_is_refused():
    one = np.zeros(1, np.uint8)
    with pytest.raises(ValueError, match="no confidence"):
        confidence_counts(one, one, np.array([255], np.uint8), N)
