"""Where an area may lie of whose border only parts are known."""

import numpy as np
import pytest
import shapely

from urbanseg.osm.multipolygons import possible_area

BOX = (0.0, 0.0, 0.1, 0.1)
SOUTH_BANK, NORTH_BANK = [(-0.5, 0.02), (0.5, 0.02)], [(-0.5, 0.04), (0.5, 0.04)]
ISLAND = [(0.05, 0.05), (0.06, 0.05), (0.06, 0.06), (0.05, 0.06), (0.05, 0.05)]


def possible(lines: list, holes: list = (), box: tuple | None = BOX) -> shapely.Geometry:
    return possible_area([np.array(line) for line in lines], [np.array(hole) for hole in holes], box)


@pytest.mark.parametrize(
    ("lines", "holes", "expected"),
    [
        ([SOUTH_BANK, NORTH_BANK], [], shapely.box(0, 0.02, 0.1, 0.04)),  # a river
        ([SOUTH_BANK, NORTH_BANK[::-1]], [], shapely.box(0, 0.02, 0.1, 0.04)),
        (
            [[(0.001, 0.02), (0.099, 0.02)], NORTH_BANK],
            [],
            shapely.box(0, 0.02, 0.1, 0.04),
        ),  # cut at the edge
        ([[(-1, 0.02), (0.02, 0.02), (0.02, -1)]], [], shapely.box(0, 0, 0.02, 0.02)),  # a corner
        ([[(-1, 0.05), (1, 0.05)]], [], shapely.box(*BOX)),  # one bank in the middle: either side
        (
            [SOUTH_BANK],  # an island tells on which side
            [ISLAND],
            shapely.box(0, 0.02, 0.1, 0.1) - shapely.Polygon(ISLAND),
        ),
        ([[(1, 1), (2, 1)]], [], shapely.Polygon()),  # elsewhere
        ([], [], shapely.Polygon()),
    ],
)
def test_a_border_that_is_whole_in_the_box_divides_it(
    lines: list, holes: list, expected: shapely.Geometry
) -> None:
    assert shapely.symmetric_difference(possible(lines, holes), expected).area == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("box", [BOX, None])
def test_what_lacks_border_in_the_box_lies_in_the_hull_or_beside_what_is_known(box: tuple | None) -> None:
    three_sides = [(0.04, 0.04), (0.06, 0.04), (0.06, 0.06), (0.04, 0.06)]
    assert shapely.equals(possible([three_sides], box=box), shapely.box(0.04, 0.04, 0.06, 0.06))
    beside = possible([[(0.045, 0.05), (0.055, 0.05)]], box=box)
    assert beside.bounds == pytest.approx((0.035, 0.04, 0.065, 0.06), abs=1e-4)
