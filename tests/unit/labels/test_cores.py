"""Insides of footprints: attached ones don't touch, and parts of a building have no wall of their own."""

import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS
from scipy import ndimage

from urbanseg import labels
from urbanseg.classes import IGNORE
from urbanseg.grid import Grid, Window
from urbanseg.labels.cores import numbered, whole

GRID = Grid(CRS.from_epsg(32632), Affine(0.5, 0, 500_000, 0, -0.5, 5_400_000), 60, 80)
BUILDING = 3


def box(row: int, col: int, height: int, width: int) -> shapely.Polygon:
    """A footprint of whole pixels."""
    left, top = 500_000 + col / 2, 5_400_000 - row / 2
    return shapely.box(left, top - height / 2, left + width / 2, top)


HOUSES = [box(10, 10, 20, 12), box(10, 22, 20, 12), box(10, 34, 20, 12)]


def test_insides_of_attached_houses_do_not_touch_and_lie_where_a_building_is_labelled() -> None:
    footprints = labels.core_polygons(np.array(HOUSES, dtype=object), GRID)
    everywhere = Window(0, 0, *GRID.shape)
    values = np.full(GRID.shape, BUILDING, np.uint8)
    values[:, 40:] = 0
    values[12:14, 12:14] = IGNORE
    found = labels.cores(footprints, everywhere, values, [BUILDING])
    patches, count = ndimage.label(found == 1)
    assert count == 3
    assert (found == 1)[:, 40:].sum() == 0
    assert ((found == IGNORE) == (values == IGNORE)).all()
    assert {int((patches == n).sum()) for n in (1, 2)} == {18 * 10, 18 * 10 - 4}


@pytest.mark.parametrize("side", [7, 23])
def test_windows_agree_with_the_whole(side: int) -> None:
    footprints = labels.core_polygons(np.array(HOUSES, dtype=object), GRID)
    values = np.full(GRID.shape, BUILDING, np.uint8)
    expected = labels.cores(footprints, Window(0, 0, *GRID.shape), values, [BUILDING])
    for row in range(0, 60, side):
        for col in range(0, 80, side):
            part = Window(row, col, min(side, 60 - row), min(side, 80 - col))
            assert (
                labels.cores(footprints, part, values[part.slices], [BUILDING]) == expected[part.slices]
            ).all()


def test_parts_and_repeated_footprints_are_left_out() -> None:
    part, beside = box(12, 12, 6, 6), box(10, 46, 20, 12)
    kept = whole(np.array([part, *HOUSES, HOUSES[0], beside], dtype=object))
    assert list(kept) == [*HOUSES, beside]
    assert numbered(labels.core_polygons(kept, GRID), Window(0, 0, *GRID.shape)).max() == 4
    assert len(whole(np.array([], dtype=object))) == 0
