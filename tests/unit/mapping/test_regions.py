import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from tests.unit.mapping.rasters import partitioned, rasters, rendered
from urbanseg.classes import IGNORE
from urbanseg.mapping.regions import fill_holes
from urbanseg.mapping.regions import merge_slivers as merge


def merge_slivers(classes, min_pixels):
    """Classes after merging; `min_pixels` is a number for all classes or a value for each."""
    partition = merge(partitioned(classes), limits(min_pixels))
    return partition.ids[rendered(partition, classes.shape)]


def limits(pixels):
    values = np.zeros(256)
    values[: np.size(pixels) if np.ndim(pixels) else 16] = pixels
    return values


def sizes_and_places(classes):
    partition = partitioned(classes)
    labels = rendered(partition, classes.shape)
    return [
        (int(partition.pixels[i]), labels == i)
        for i in range(1, len(partition.ids))
        if partition.ids[i] != IGNORE
    ]


@given(rasters, st.integers(0, 20))
def test_no_sliver_is_left_that_touches_anything(classes, min_pixels):
    merged = merge_slivers(classes, min_pixels)
    for size, place in sizes_and_places(merged):
        if size < min_pixels:
            around = ndimage.binary_dilation(place) & ~place
            assert (merged[around] == IGNORE).all()


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


def test_a_raster_without_any_class_stays():
    classes = np.full((3, 4), IGNORE, dtype=np.uint8)
    assert (merge_slivers(classes, 10) == classes).all()


def test_noise_keeps_the_shares_of_its_classes():
    classes = np.random.default_rng(3).integers(0, 6, (500, 500), dtype=np.uint8)
    merged = merge_slivers(classes, 10)
    assert partitioned(merged).pixels[1:].min() >= 10
    assert np.bincount(merged.ravel()) / merged.size == pytest.approx(np.full(6, 1 / 6), abs=0.01)


@given(rasters, st.lists(st.integers(0, 20), min_size=4, max_size=4))
def test_each_class_has_a_limit_of_its_own(classes, min_pixels):
    merged = merge_slivers(classes, min_pixels)
    for size, place in sizes_and_places(merged):
        if size < min_pixels[merged[place][0]]:
            around = ndimage.binary_dilation(place) & ~place
            assert (merged[around] == IGNORE).all()
    for size, place in sizes_and_places(classes):
        if size >= min_pixels[classes[place][0]]:
            assert (merged[place] == classes[place][0]).all()


def filled(classes, max_pixels):
    partition = fill_holes(partitioned(classes), limits(max_pixels))
    return partition.ids[rendered(partition, classes.shape)]


def holes(classes):
    """Region around and place of each hole: what a region hides from the edge of the raster."""
    for _, place in sizes_and_places(classes):
        background = np.pad(~place, 1, constant_values=True)
        labels, count = ndimage.label(background)
        for i in range(2, count + 1):
            yield int(classes[place][0]), (labels == i)[1:-1, 1:-1]


@given(rasters, st.lists(st.integers(0, 20), min_size=4, max_size=4))
def test_no_small_hole_is_left_but_around_unknown_pixels(classes, max_pixels):
    after = filled(classes, max_pixels)
    assert ((after == IGNORE) == (classes == IGNORE)).all()
    for around, place in holes(after):
        assert place.sum() >= max_pixels[around] or (after[place] == IGNORE).any()


@given(rasters, st.integers(0, 20))
def test_only_what_lies_in_a_small_hole_changes(classes, max_pixels):
    hidden = np.zeros(classes.shape, dtype=bool)
    for _, place in holes(classes):
        if place.sum() < max_pixels:
            hidden |= place
    assert (filled(classes, max_pixels)[~hidden] == classes[~hidden]).all()


def test_a_hole_of_several_regions_with_holes_of_their_own_is_filled():
    classes = np.zeros((7, 8), dtype=np.uint8)
    classes[1:6, 1:7] = 1
    classes[2:5, 2:5], classes[3, 3], classes[2:5, 5] = 2, 3, 3
    assert (filled(classes, [0, 13, 0, 0]) == np.where(classes > 0, 1, 0)).all()
    assert (filled(classes, [0, 12, 0, 0]) == classes).all()


def test_the_outermost_region_takes_all_nested_holes():
    classes = np.zeros((7, 7), dtype=np.uint8)
    classes[1:6, 1:6], classes[2:5, 2:5], classes[3, 3] = 1, 2, 3
    assert (filled(classes, 30) == 0).all()
