import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import cohen_kappa_score, confusion_matrix, jaccard_score
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_confusion_matrix,
    multiclass_f1_score,
    multiclass_jaccard_index,
    multiclass_precision,
    multiclass_recall,
)

from urbanseg.classes import IGNORE
from urbanseg.metrics.segmentation import (
    class_scores,
    confusion,
    counted,
    frequency_weighted_iou,
    kappa,
    mean,
    pixel_accuracy,
    present,
)

N = 5
rasters = hnp.arrays(np.uint8, (2, 9, 11), elements=st.integers(0, N - 1))
matrices = hnp.arrays(np.int64, (N, N), elements=st.integers(0, 1000))


@given(rasters)
def test_the_confusion_matrix_is_that_of_scikit_learn(pair):
    expected = confusion_matrix(pair[0].ravel(), pair[1].ravel(), labels=range(N))
    assert (confusion(pair[0], pair[1], N) == expected).all()


@given(rasters, st.integers(0, 9))
def test_confusion_adds_up_over_windows(pair, cut):
    whole = confusion(pair[0], pair[1], N)
    parts = [confusion(pair[0, rows], pair[1, rows], N) for rows in (slice(0, cut), slice(cut, None))]
    assert (sum(parts) == whole).all()


@given(rasters)
def test_scores_agree_with_torchmetrics(pair):
    target, predicted = torch.from_numpy(pair.astype(np.int64))
    matrix = confusion(pair[0], pair[1], N)
    assert (matrix == multiclass_confusion_matrix(predicted, target, N).numpy()).all()
    scores, known = class_scores(matrix), present(matrix)
    for ours, theirs in (
        (scores.iou, multiclass_jaccard_index),
        (scores.precision, multiclass_precision),
        (scores.recall, multiclass_recall),
        (scores.f1, multiclass_f1_score),
    ):
        expected = theirs(predicted, target, num_classes=N, average="none").numpy()
        np.testing.assert_allclose(ours[known], expected[known], atol=1e-6)
        assert np.isnan(ours[~known]).all()
        macro = theirs(predicted, target, num_classes=N, average="macro").item()
        assert mean(ours) == pytest.approx(macro, abs=1e-6)
    micro = multiclass_accuracy(predicted, target, num_classes=N, average="micro").item()
    assert pixel_accuracy(matrix) == pytest.approx(micro, abs=1e-6)


@given(rasters)
def test_the_weighted_iou_is_that_of_scikit_learn(pair):
    matrix = confusion(pair[0], pair[1], N)
    expected = jaccard_score(pair[0].ravel(), pair[1].ravel(), average="weighted", zero_division=0)
    assert frequency_weighted_iou(matrix) == pytest.approx(expected)


@given(rasters)
def test_kappa_is_that_of_scikit_learn(pair):
    if len(np.unique(pair)) > 1:
        expected = cohen_kappa_score(pair[0].ravel(), pair[1].ravel(), labels=range(N))
        assert kappa(confusion(pair[0], pair[1], N)) == pytest.approx(expected)


@given(matrices)
def test_kappa_is_symmetric_and_never_above_the_accuracy(matrix):
    assert kappa(matrix.T) == pytest.approx(kappa(matrix), nan_ok=True)
    if not np.isnan(kappa(matrix)):
        assert kappa(matrix) <= pixel_accuracy(matrix) + 1e-12


def test_kappa_of_a_hand_made_case():
    # Cohen's own kind of table: 70 % agree, 50 % would by chance.
    assert kappa(np.array([[35, 15], [15, 35]])) == pytest.approx(0.4)
    assert kappa(np.array([[25, 25], [25, 25]])) == 0
    assert np.isnan(kappa(np.array([[9, 0], [0, 0]])))


@given(rasters)
def test_a_perfect_prediction_scores_one_in_every_class_that_is_present(pair):
    matrix = confusion(pair[0], pair[0], N)
    scores = class_scores(matrix)
    for values in (scores.iou, scores.precision, scores.recall, scores.f1):
        assert (values[present(matrix)] == 1).all()
    assert pixel_accuracy(matrix) == 1
    assert frequency_weighted_iou(matrix) == 1
    if present(matrix).sum() > 1:
        assert kappa(matrix) == pytest.approx(1)


@given(matrices, st.permutations(range(N)))
def test_scores_do_not_depend_on_the_order_of_the_classes(matrix, order):
    shuffled = class_scores(matrix[np.ix_(order, order)])
    np.testing.assert_array_equal(shuffled.iou, class_scores(matrix).iou[list(order)])


@given(matrices)
def test_exchanging_reference_and_prediction_exchanges_precision_and_recall(matrix):
    one, other = class_scores(matrix), class_scores(matrix.T)
    np.testing.assert_array_equal(one.precision, other.recall)
    np.testing.assert_array_equal(one.iou, other.iou)
    np.testing.assert_array_equal(one.f1, other.f1)


@given(matrices)
def test_f1_is_the_harmonic_mean_of_precision_and_recall_and_grows_with_iou(matrix):
    scores = class_scores(matrix)
    known = present(matrix)
    np.testing.assert_allclose(scores.f1[known], (2 * scores.iou / (1 + scores.iou))[known], atol=1e-12)


def test_a_hand_made_case():
    # Reference 0: 3 right, 1 taken for 1. Reference 1: 2 right. Class 2 is predicted once, never there.
    scores = class_scores(np.array([[3, 1, 1], [0, 2, 0], [0, 0, 0]]))
    np.testing.assert_allclose(scores.iou, [3 / 5, 2 / 3, 0])
    np.testing.assert_allclose(scores.precision, [1, 2 / 3, 0])
    np.testing.assert_allclose(scores.recall, [3 / 5, 1, 0])
    np.testing.assert_allclose(scores.f1, [3 / 4, 4 / 5, 0])
    assert mean(scores.iou) == pytest.approx((3 / 5 + 2 / 3) / 3)


def test_an_absent_class_is_left_out_of_the_mean():
    scores = class_scores(np.array([[3, 1, 0], [0, 2, 0], [0, 0, 0]]))
    assert np.isnan(scores.iou[2])
    assert mean(scores.iou) == pytest.approx((3 / 4 + 2 / 3) / 2)


def test_nothing_counted_has_no_score():
    empty = np.zeros((N, N), np.int64)
    assert np.isnan(mean(class_scores(empty).iou))
    assert np.isnan(pixel_accuracy(empty))
    assert np.isnan(frequency_weighted_iou(empty))
    assert np.isnan(kappa(empty))


def test_only_labelled_and_predicted_test_pixels_count():
    reference = np.array([[0, IGNORE, 1, 1]], np.uint8)
    prediction = np.array([[0, 1, IGNORE, 2]], np.uint8)
    split = np.array([[2, 2, 2, 0]], np.uint8)
    assert counted(reference, prediction, split).tolist() == [[True, False, False, False]]
    assert counted(reference, prediction, np.full_like(split, 2)).tolist() == [[True, False, False, True]]


def test_an_unknown_class_id_is_refused():
    with pytest.raises(ValueError, match="below 5"):
        confusion(np.array([0], np.uint8), np.array([5], np.uint8), N)
