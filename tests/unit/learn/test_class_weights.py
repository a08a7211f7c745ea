import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from urbanseg.learn.class_weights import RULES, class_weights

each_kind = pytest.mark.parametrize("kind", RULES)
histograms = arrays(np.int64, st.tuples(st.integers(1, 8), st.integers(1, 7)), elements=st.integers(0, 10**7))


@each_kind
@given(counts=histograms)
def test_present_classes_weigh_one_on_average_and_absent_ones_nothing(kind, counts):
    weights = class_weights(counts, kind)
    present = counts.sum(axis=0) > 0
    assert weights.dtype == np.float64
    assert (weights[~present] == 0).all()
    assert (weights[present] > 0).all()
    if present.any():
        assert weights[present].mean() == pytest.approx(1)


@pytest.mark.parametrize("kind", ["inverse_frequency", "effective_number"])
@given(counts=arrays(np.int64, 6, elements=st.integers(1, 10**9)))
def test_a_rarer_class_never_weighs_less(kind, counts):
    weights = class_weights(counts, kind)
    by_count = weights[np.argsort(counts)]
    assert (np.diff(by_count) <= 1e-9 * by_count[1:]).all()


def test_no_rule_weighs_all_alike():
    assert class_weights(np.array([5, 0, 500]), "none").tolist() == [1, 0, 1]


def test_inverse_frequency_makes_all_classes_count_the_same_in_sum():
    counts = np.array([10, 300, 7, 0])
    total = class_weights(counts, "inverse_frequency") * counts
    np.testing.assert_allclose(total[:3], total[0])


def test_effective_number_is_the_published_formula():
    counts = np.array([40, 900, 2060])
    beta = 1 - 3 / 3000
    expected = (1 - beta) / (1 - beta**counts)
    np.testing.assert_allclose(class_weights(counts, "effective_number"), expected / expected.mean())


def test_effective_number_does_not_depend_on_the_size_of_the_pixels():
    counts = np.array([4_000, 90_000, 206_000])
    coarse, fine = (class_weights(counts * times, "effective_number") for times in (1, 10_000))
    np.testing.assert_allclose(coarse, fine, rtol=1e-4)


def test_median_frequency_counts_a_class_in_the_tiles_that_have_it():
    tiles = np.array([[90, 10, 0], [50, 0, 50], [100, 0, 0]])
    frequency = np.array([240 / 300, 10 / 100, 50 / 100])
    expected = np.median(frequency) / frequency
    np.testing.assert_allclose(class_weights(tiles, "median_frequency"), expected / expected.mean())


def test_median_frequency_of_counts_alone_is_inverse_frequency():
    counts = np.array([10, 300, 7])
    np.testing.assert_allclose(
        class_weights(counts, "median_frequency"), class_weights(counts, "inverse_frequency")
    )
