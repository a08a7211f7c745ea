import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from urbanseg.classes import IGNORE
from urbanseg.mapping.regions import label_regions, merge_slivers

rasters = arrays.arrays(
    np.uint8,
    st.tuples(st.integers(1, 16), st.integers(1, 16)),
    elements=st.sampled_from([0, 1, 2, 3, IGNORE]),
)


def sizes_and_places(classes):
    labels = label_regions(classes)
    return [(int((labels == i).sum()), labels == i) for i in range(1, labels.max() + 1)]


@given(rasters)
def test_regions_are_those_of_each_class_alone(classes):
    labels = label_regions(classes)
    for c in np.unique(classes):
        reference, count = ndimage.label(classes == c)
        here = labels[classes == c]
        if c == IGNORE:
            assert not here.any()
        else:
            pairs = set(zip(reference[classes == c].tolist(), here.tolist(), strict=True))
            assert len(pairs) == count == len(np.unique(here))


@given(rasters)
def test_regions_are_numbered_by_their_first_pixel(classes):
    numbers, first = np.unique(label_regions(classes), return_index=True)
    first = first[numbers > 0]
    assert (np.diff(first) > 0).all()


@settings(max_examples=200)
@given(rasters, st.integers(0, 20))
def test_no_sliver_is_left_that_touches_anything(classes, min_pixels):
    merged = merge_slivers(classes, min_pixels)
    for size, place in sizes_and_places(merged):
        if size < min_pixels:
            around = ndimage.binary_dilation(place) & ~place
            assert (merged[around] == IGNORE).all()


@settings(max_examples=200)
@given(rasters, st.integers(0, 20))
def test_large_regions_keep_their_class_and_ignored_pixels_stay(classes, min_pixels):
    merged = merge_slivers(classes, min_pixels)
    assert merged.dtype == np.uint8
    assert ((merged == IGNORE) == (classes == IGNORE)).all()
    for size, place in sizes_and_places(classes):
        if size >= min_pixels:
            assert (merged[place] == classes[place]).all()


@given(rasters, st.integers(0, 20))
def test_merging_again_changes_nothing(classes, min_pixels):
    merged = merge_slivers(classes, min_pixels)
    assert (merge_slivers(merged, min_pixels) == merged).all()


@settings(max_examples=200)
@given(st.integers(4, 12), st.integers(4, 12), st.data())
def test_a_sliver_goes_to_the_longest_border_then_the_larger_neighbour_then_the_first(row, col, data):
    classes = np.full((16, 16), 1, dtype=np.uint8)
    classes[row:, :col], classes[:row, col:], classes[row:, col:] = 2, 3, 4
    quarters = {c: int((classes == c).sum()) for c in (1, 2, 3, 4)}
    top, left = data.draw(st.integers(3, 12)), data.draw(st.integers(3, 12))
    sliver = np.zeros((16, 16), dtype=bool)
    sliver[top : top + data.draw(st.integers(1, 3)), left : left + data.draw(st.integers(1, 3))] = True
    classes[sliver] = 9
    left_over = {c: int((classes == c).sum()) for c in quarters}
    if min(left_over.values()) <= sliver.sum():
        return
    border = dict.fromkeys(quarters, 0)
    for r, c in zip(*np.nonzero(sliver), strict=True):
        for y, x in ((r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)):
            if y < 16 and x < 16 and not sliver[y, x]:
                border[int(classes[y, x])] += 1
    first = {c: int(np.argmax(classes == c)) for c in quarters}
    expected = max(quarters, key=lambda c: (border[c], left_over[c], -first[c]))
    merged = merge_slivers(classes, int(sliver.sum()) + 1)
    assert set(merged[sliver].tolist()) == {expected}


def test_slivers_that_grow_together_stay():
    row = np.array([[1, 1, 2, 1, 1, 3, 3, 3, 3, 3]], dtype=np.uint8)
    assert merge_slivers(row, 3).tolist() == [[1, 1, 1, 1, 1, 3, 3, 3, 3, 3]]


def test_an_island_in_nodata_stays_however_small():
    classes = np.full((5, 5), IGNORE, dtype=np.uint8)
    classes[2, 2] = 4
    assert (merge_slivers(classes, 100) == classes).all()


@pytest.mark.parametrize("shape", [(0, 0), (3, 4)])
def test_a_raster_without_any_class_stays(shape):
    classes = np.full(shape, IGNORE, dtype=np.uint8)
    assert merge_slivers(classes, 10).shape == shape


def test_a_megapixel_of_noise_keeps_the_shares_of_its_classes():
    classes = np.random.default_rng(3).integers(0, 6, (1000, 1000), dtype=np.uint8)
    merged = merge_slivers(classes, 10)
    assert np.bincount(label_regions(merged).ravel())[1:].min() >= 10
    assert np.bincount(merged.ravel()) / merged.size == pytest.approx(np.full(6, 1 / 6), abs=0.01)
