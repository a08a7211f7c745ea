"""Cells tile any region without gap or overlap, and are called the same whatever region they are of."""

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS

from urbanseg.infer.windows import PlacedWindows, WindowGrid, placed
from urbanseg.region.cells import Cell, Lattice, grown, within

UTM = CRS.from_epsg(32632)
LATTICE = Lattice(UTM, 10.0, 64)
NUMBERS = st.integers(-99_999, 99_999)
PLACES = st.floats(-20_000, 20_000).map(lambda value: round(value, 3))
SIDES = st.floats(1, 4000).map(lambda value: round(value, 3))


@given(row=NUMBERS, col=NUMBERS)
def test_a_cell_is_known_by_its_id(row, col):
    assert Cell.of(Cell(row, col).id) == Cell(row, col)


@pytest.mark.parametrize(
    "name", ["", "e1n1", "e0001", "e0001n00002x", "w0000n0001", "e00001n0001", "../e0001n0001"]
)
def test_what_is_no_id_is_refused(name):
    with pytest.raises(ValueError, match="cell"):
        Cell.of(name)


@given(x=PLACES, y=PLACES, width=SIDES, height=SIDES)
def test_cells_cover_a_region_without_gap_or_overlap(x, y, width, height):
    region = shapely.box(x, y, x + width, y + height)
    boxes = [shapely.box(*LATTICE.bounds(cell)) for cell in LATTICE.covering(region)]
    union = shapely.union_all(boxes)
    assert union.buffer(0.01).covers(region)
    assert union.area == pytest.approx(sum(box.area for box in boxes), rel=1e-12)
    assert all(box.intersection(region).area > 0 for box in boxes)


@given(x=PLACES, y=PLACES, side=SIDES, more=SIDES)
def test_a_region_that_grows_keeps_its_cells(x, y, side, more):
    small = {cell.id for cell in LATTICE.covering(shapely.box(x, y, x + side, y + side))}
    large = {cell.id for cell in LATTICE.covering(shapely.box(x - more, y, x + side + more, y + side + more))}
    assert small <= large


@given(row=NUMBERS, col=NUMBERS)
def test_neighbours_share_their_edges_to_the_bit(row, col):
    left, bottom, right, top = LATTICE.bounds(Cell(row, col))
    assert LATTICE.bounds(Cell(row, col + 1))[0] == right
    assert LATTICE.bounds(Cell(row + 1, col))[1] == top
    grid = LATTICE.grid(*LATTICE.pixels(Cell(row, col)))
    assert grid.bounds == (left, bottom, right, top)


def test_a_triangle_has_no_cells_that_it_does_not_reach_into():
    triangle = shapely.Polygon([(0, 0), (640 * 4, 0), (0, 640 * 4)])
    assert len(LATTICE.covering(triangle)) == 10


def test_a_region_without_an_area_is_refused():
    with pytest.raises(ValueError, match="area"):
        LATTICE.covering(shapely.LineString([(0, 0), (1, 1)]))


@given(
    start=st.integers(-100_000, 100_000),
    length=st.integers(1, 700),
    size=st.integers(1, 8).map(lambda n: 32 * n),
    share=st.sampled_from([0, 1 / 4, 1 / 2, 3 / 4]),
)
def test_windows_that_touch_what_is_wanted_are_read_whole_and_no_others(start, length, size, share):
    overlap, wanted = int(size * share), range(start, start + length)
    read = placed(wanted, size, overlap)
    windows = PlacedWindows((len(read), len(read)), size, overlap)
    assert windows.rows[-1] + size == len(read)
    for offset in windows.rows:
        first = read.start + offset
        assert (first + overlap // 2) % (size - overlap) == 0
        assert first < wanted.stop
        assert first + size > wanted.start
    stride = size - overlap
    for beyond in (read.start - stride, read.stop - size + stride):
        assert beyond >= wanted.stop or beyond + size <= wanted.start


@given(
    number=st.integers(1, 12),
    size=st.sampled_from([64, 96, 160]),
    first=st.integers(-50, 50),
    overlap=st.sampled_from([16, 32]),
)
def test_the_windows_of_a_scene_at_a_multiple_of_their_distance_are_those_of_the_lattice(
    number, size, first, overlap
):
    stride = size - overlap
    scene = WindowGrid((number * stride, number * stride), size, overlap)
    assert scene.window == (size, size)
    read = placed(range(first * stride, (first + number) * stride), size, overlap)
    placed_at = [read.start + row for row in PlacedWindows((len(read), len(read)), size, overlap).rows]
    # A lattice goes on where a scene ends, and is mirrored there.
    assert placed_at[1:-1] == [first * stride + row for row in scene.rows]


def test_windows_that_do_not_fill_what_is_read_are_refused():
    with pytest.raises(ValueError, match="do not fill"):
        _ = PlacedWindows((100, 100), 64, 16).rows


def test_a_part_lies_in_what_was_grown():
    rows = range(-10, 20)
    assert np.arange(-15, 25)[within(rows, grown(rows, 5))].tolist() == list(rows)
