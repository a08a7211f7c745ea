import itertools

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS

from urbanseg.grid import Grid, Window, blocks, quotas, starts, strips, windows

lengths = st.integers(1, 400)
sizes = st.integers(1, 128)
sides = st.integers(1, 72)
"""Of scenes in two dimensions, whose blocks of one pixel are to be few."""


@given(lengths, sizes, st.data())
def test_windows_cover_every_pixel_and_none_sticks_out(length, size, data):
    overlap = data.draw(st.integers(0, size - 1))
    offsets = starts(length, size, overlap)
    covered = np.zeros(length, bool)
    for offset in offsets:
        covered[offset : offset + size] = True
    assert covered.all()
    assert offsets[0] == 0
    assert len(offsets) == 1 or offsets[-1] + size == length


@given(lengths, sizes, st.data())
def test_neighbouring_windows_share_at_least_the_overlap(length, size, data):
    overlap = data.draw(st.integers(0, size - 1))
    offsets = starts(length, size, overlap)
    assert all(0 < b - a <= size - overlap for a, b in itertools.pairwise(offsets))


@pytest.mark.parametrize("overlap", [-1, 8, 9])
def test_an_impossible_overlap_is_refused(overlap):
    with pytest.raises(ValueError, match="overlap"):
        starts(100, 8, overlap)


@given(sides, sides, st.integers(1, 48))
def test_blocks_partition_the_scene_and_are_never_smaller_than_asked(height, width, size):
    count = np.zeros((height, width), int)
    for block in blocks((height, width), size):
        count[block.slices] += 1
        assert block.height >= min(size, height)
        assert block.width >= min(size, width)
    assert (count == 1).all()


@given(lengths, lengths, sizes)
def test_strips_partition_the_scene(height, width, rows):
    laid = list(strips((height, width), rows))
    assert [s.row for s in laid] == list(range(0, height, rows))
    assert sum(s.height for s in laid) == height
    assert all(s.width == width and s.height <= rows for s in laid)


@given(st.integers(0, 200), st.tuples(*[st.floats(0.05, 1)] * 3))
def test_quotas_give_out_every_block_and_leave_no_split_empty(count, shares):
    given_out = quotas(count, shares)
    assert sum(given_out) == count
    assert count < 3 or min(given_out) >= 1


def test_a_window_of_a_grid_lies_where_its_pixels_lie():
    grid = Grid(CRS(32632), Affine(10, 0, 500000, 0, -10, 5400000), 100, 80)
    part = grid.window(Window(30, 20, 10, 5))
    assert part.bounds == (500200.0, 5399600.0, 500250.0, 5399700.0)
    assert part.resolution == 10
    assert grid.finer(5).window(Window(150, 100, 50, 25)).bounds == part.bounds


def test_grids_are_the_same_only_if_crs_shape_and_pixels_agree():
    grid = Grid(CRS(32632), Affine(10, 0, 500000, 0, -10, 5400000), 100, 80)
    assert grid.same_as(Grid(CRS(32632), Affine(10, 0, 500000.001, 0, -10, 5400000), 100, 80))
    assert not grid.same_as(Grid(CRS(32632), Affine(10, 0, 500001, 0, -10, 5400000), 100, 80))
    assert not grid.same_as(Grid(CRS(32633), grid.transform, 100, 80))
    assert not grid.same_as(Grid(CRS(32632), grid.transform, 100, 81))


@pytest.mark.parametrize(
    ("crs", "x", "y", "is_metric"),
    [
        (32632, 500_000, 6_600_000, True),
        (32632, 500_000, 0, True),
        (32632, 2_000_000, 6_600_000, False),  # three zones to the east, 2.8 % too long
        (3857, 1_000_000, 8_399_738, False),  # Web Mercator at 60° north: half a metre
        (3857, 1_000_000, 2_000_000, False),  # at 18° north: 5 %
        (3857, 1_000_000, 100_000, True),
        (3035, 4_321_000, 3_210_000, True),
        (4326, 9, 48, False),
        (2263, 1_000_000, 200_000, False),  # US survey feet
        (27572, 600_000, 2_400_000, True),  # its prime meridian is that of Paris
        (3857, 0, 1e9, False),
    ],
)
def test_a_grid_is_metric_if_its_metres_are_those_on_the_ground(crs, x, y, is_metric):
    step = 1e-5 if crs == 4326 else 0.5
    assert Grid(CRS(crs), Affine(step, 0, x, 0, -step, y), 2000, 1000).is_metric == is_metric


def test_a_grid_that_is_metric_at_its_centre_alone_is_not():
    tall = Grid(CRS(3857), Affine(1000, 0, 0, 0, -1000, 2_000_000), 4000, 100)
    assert tall.window(Window(1990, 0, 20, 100)).is_metric
    assert not tall.is_metric


@pytest.mark.parametrize(
    ("crs", "transform", "height_m", "width_m"),
    [
        (32632, Affine(10, 0, 500000, 0, -20, 5400000), 20, 10),
        (32632, Affine(6, 8, 500000, 8, -6, 5400000), 10, 10),  # turned, 10 m to a side
        (3857, Affine(2, 0, 1_000_000, 0, -2, 8_399_738), 1.0008, 1.0025),  # Web Mercator at 60° north
        (2263, Affine(10, 0, 1000000, 0, -10, 200000), 3.048, 3.048),  # New York, US survey feet
        # Degrees at 60° north: twice as tall as wide, but for the ellipsoid (111.412 and 55.800 km).
        (4326, Affine(1e-4, 0, 24, 0, -1e-4, 60), 11.1412, 5.5800),
    ],
)
def test_the_size_of_a_pixel_is_known_in_metres_whatever_the_crs(crs, transform, height_m, width_m):
    found = Grid(CRS(crs), transform, 2, 2).pixel_m
    assert found == pytest.approx((height_m, width_m), rel=3e-4)


def test_square_windows_come_row_by_row():
    laid = list(windows((10, 10), 6, 2))
    assert [(w.row, w.col) for w in laid] == [(0, 0), (0, 4), (4, 0), (4, 4)]


def test_a_grown_window_ends_at_the_raster_and_knows_where_the_window_lies_in_it():
    pixels = np.arange(42 * 30).reshape(42, 30)
    for window in windows(pixels.shape, 10, 0):
        for halo in (0, 3, 50):
            grown, core = window.grown(halo, pixels.shape)
            assert (pixels[grown.slices][core.slices] == pixels[window.slices]).all()
            assert grown.row == max(0, window.row - halo)
            assert grown.col + grown.width == min(30, window.col + window.width + halo)
