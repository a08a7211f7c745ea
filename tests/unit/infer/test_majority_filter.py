from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from urbanseg.classes import IGNORE
from urbanseg.grid import Window
from urbanseg.infer.majority_filter import majority, majority_filtered, opened
from urbanseg.infer.stitching import Strip

WHOLE = {"median": majority, "morphology": opened}


def in_strips(labels, edges):
    for top, bottom in pairwise(edges):
        part = labels[top:bottom]
        yield Strip(Window(top, 0, *part.shape), {"classes": part.copy(), "confidence": part.copy()})


def brute_force(labels, radius, classes):
    result = labels.copy()
    for (row, col), own in np.ndenumerate(labels):
        around = labels[max(0, row - radius) : row + radius + 1, max(0, col - radius) : col + radius + 1]
        counts = np.bincount(around[around != IGNORE], minlength=classes)
        if own != IGNORE and counts[own] < counts.max():
            result[row, col] = counts.argmax()
    return result


def random_map(seed, height=40, width=30):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, (height // 2 + 1, width // 2 + 1)).repeat(2, 0).repeat(2, 1)[:height, :width]
    labels[rng.random((height, width)) < 0.2] = 1
    labels[rng.random((height, width)) < 0.05] = IGNORE
    return labels.astype(np.uint8)


@given(
    st.integers(0, 99),
    st.sampled_from(["median", "morphology"]),
    st.integers(1, 3),
    st.sets(st.integers(1, 39), max_size=39),
)
def test_the_cleaned_map_does_not_depend_on_how_it_is_cut(seed, method, radius, cuts):
    labels = random_map(seed)
    strips = list(majority_filtered(in_strips(labels, [0, *sorted(cuts), 40]), method, radius, 3))
    joined = {name: np.concatenate([s.layers[name] for s in strips]) for name in ("classes", "confidence")}
    np.testing.assert_array_equal(joined["classes"], WHOLE[method](labels, radius, 3))
    np.testing.assert_array_equal(joined["confidence"], labels)
    assert [s.window.row for s in strips] == np.cumsum([0, *[s.window.height for s in strips]])[:-1].tolist()


@given(st.integers(0, 99), st.integers(1, 3))
def test_the_median_takes_the_most_frequent_class(seed, radius):
    labels = random_map(seed, 15, 12)
    np.testing.assert_array_equal(majority(labels, radius, 3), brute_force(labels, radius, 3))


def test_opening_removes_threads_and_keeps_corners_and_edges():
    labels = np.zeros((30, 30), np.uint8)
    labels[5:15, 5:15] = 1  # a block stays as it is, corners and all
    labels[20, 2:28] = 2  # a thread goes
    labels[25:30, 25:30] = 1  # a block at the edge of the map stays
    expected = np.where(labels == 2, 0, labels)
    np.testing.assert_array_equal(opened(labels, 1, 3), expected)


@pytest.mark.parametrize("method", ["median", "morphology"])
def test_the_unknown_stays_unknown_and_the_known_known(method):
    labels = random_map(5)
    found = WHOLE[method](labels, 2, 3)
    np.testing.assert_array_equal(found == IGNORE, labels == IGNORE)


def test_none_gives_the_strips_back():
    strips = list(in_strips(random_map(1), [0, 10, 40]))
    assert list(majority_filtered(iter(strips), "none", 1, 3)) == strips
