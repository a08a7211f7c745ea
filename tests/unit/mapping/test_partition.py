import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from tests.unit.mapping.rasters import partitioned, rasters, rendered
from urbanseg.classes import IGNORE
from urbanseg.grid import Window
from urbanseg.mapping.partition import OUTSIDE, partition_raster


@given(rasters)
def test_regions_are_those_of_each_class_alone(classes):
    partition = partitioned(classes)
    labels = rendered(partition, classes.shape)
    assert (partition.ids[labels] == classes).all()
    for c in np.unique(classes):
        reference, count = ndimage.label(classes == c)
        pairs = set(zip(reference[classes == c].tolist(), labels[classes == c].tolist(), strict=True))
        assert len(pairs) == count == len(np.unique(labels[classes == c]))


@given(rasters)
def test_regions_are_numbered_by_their_first_pixel_and_know_their_size(classes):
    partition = partitioned(classes)
    assert partition.ids[0] == OUTSIDE
    numbers, first, pixels = np.unique(
        rendered(partition, classes.shape), return_index=True, return_counts=True
    )
    assert numbers.tolist() == list(range(1, len(partition.ids)))
    assert (np.diff(first) > 0).all()
    assert partition.pixels[1:].tolist() == pixels.tolist()


@given(rasters, st.integers(1, 16), st.integers(1, 3))
def test_the_mosaic_is_the_same_for_strips_of_any_height(classes, rows, threads):
    confidence = np.arange(classes.size).reshape(classes.shape).astype(np.uint8)
    whole = partitioned(classes, confidence)
    cut = partitioned(classes, confidence, rows, threads)
    for field in ("ids", "pixels", "known", "certainty", "place", "around"):
        mine, other = getattr(whole, field), getattr(cut, field)
        assert mine.dtype == other.dtype
        assert np.array_equal(mine, other), field


@given(rasters)
def test_joining_regions_is_surveying_their_union(classes):
    partition = partitioned(classes)
    fewer = np.where(classes == 1, np.uint8(0), classes)
    expected = partitioned(fewer)
    moved = np.zeros(len(partition.ids), dtype=np.int32)
    moved[rendered(partition, classes.shape)] = rendered(expected, classes.shape)
    joined = partition.merged(moved, expected.ids)
    for field in ("ids", "pixels", "known", "certainty", "place", "around"):
        assert np.array_equal(getattr(joined, field), getattr(expected, field)), field


def test_strips_are_read_once_each_from_top_to_bottom():
    asked = []

    def read(window):
        asked.append(window)
        return np.zeros((window.height, window.width), dtype=np.uint8), None

    partition = partition_raster(read, (10, 4), rows=4)
    assert asked == [Window(0, 0, 4, 4), Window(4, 0, 4, 4), Window(8, 0, 2, 4)]
    assert partition.pixels.tolist() == [0, 40]


def test_a_failure_to_read_is_not_swallowed():
    def read(window):
        if window.row:
            raise OSError("disk gone")
        return np.full((window.height, window.width), IGNORE, dtype=np.uint8), None

    with pytest.raises(OSError, match="disk gone"):
        partition_raster(read, (10, 4), rows=4)
