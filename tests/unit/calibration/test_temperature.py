import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from urbanseg.calibration.temperature import soften
from urbanseg.calibration.temperature_fit import MIN_PIXELS, fit, negative_log_likelihood


def probabilities(seed, pixels=400, classes=4):
    return special.softmax(np.random.default_rng(seed).normal(0, 2, (classes, pixels)), axis=0).astype(
        np.float32
    )


def drawn(chances, seed):
    """Labels by their probabilities."""
    cumulated = chances.cumsum(axis=0)
    return (np.random.default_rng(seed).random(chances.shape[1]) > cumulated).sum(axis=0).astype(np.uint8)


@given(st.integers(0, 1000), st.lists(st.floats(0.2, 5), min_size=4, max_size=4))
def test_softened_probabilities_are_the_softmax_of_divided_logits_in_the_same_order(seed, temperatures):
    plain = probabilities(seed)
    predicted = plain.argmax(axis=0).astype(np.uint8)
    found = soften(plain, predicted, temperatures)
    expected = special.softmax(np.log(plain) / np.asarray(temperatures)[predicted], axis=0)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_array_equal(found.argmax(axis=0), predicted)


def test_where_nothing_is_known_nothing_becomes_known():
    none = np.zeros((3, 2, 2), np.float32)
    assert not soften(none, np.zeros((2, 2), np.uint8), (2.0, 1.0, 1.0)).any()


def test_the_temperature_that_labels_were_drawn_with_is_found_for_each_predicted_class():
    truth = probabilities(0, 60_000)
    predicted = truth.argmax(axis=0)
    true = np.array([0.5, 1.0, 2.0, 3.0])
    sharpened = special.softmax(np.log(truth) * true[predicted], axis=0).astype(np.float32)
    groups = np.arange(60_000) % 10
    found = fit(sharpened, drawn(truth, 1), groups)
    np.testing.assert_allclose(found, true, rtol=0.06)


def test_a_class_that_few_groups_or_pixels_have_takes_the_temperature_of_all():
    truth = probabilities(2, 20_000)
    labels = drawn(truth, 3)
    alone = fit(truth**2 / (truth**2).sum(axis=0), labels, np.zeros(20_000, np.int64))
    assert len(set(alone)) == 1
    few = truth[:, : MIN_PIXELS // 2]
    assert len(set(fit(few, labels[: few.shape[1]], np.arange(few.shape[1])))) == 1
    assert fit(truth[:, :0], labels[:0], np.zeros(0, np.int64)) == (1.0,) * 4


def test_the_likelihood_is_that_of_the_labels():
    chances = np.array([[0.5, 0.25], [0.5, 0.75]], np.float32)
    expected = -(np.log(0.5) + np.log(0.75)) / 2
    assert abs(negative_log_likelihood(chances, np.array([0, 1], np.uint8)) - expected) < 1e-6
