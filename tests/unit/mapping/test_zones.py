"""Areas by class in zones are those of the exact intersections."""

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS

from urbanseg.classes import IGNORE, ClassTable, LandClass
from urbanseg.grid import Grid, Window
from urbanseg.mapping.zones import areas_in_zones, coverage

TABLE = ClassTable((LandClass(0, "land", "#ffffff"), LandClass(1, "water", "#0000ff")))
GRID = Grid(CRS.from_epsg(32632), Affine(10, 0, 500_000, 0, -10, 5_400_000), 600, 20)
RING = shapely.Point(10.3, 8.1).buffer(7.7).difference(shapely.Point(11, 7).buffer(2.2))
SHAPES = {
    "box": shapely.box(1.25, 2.5, 5, 7.75),
    "whole pixels": shapely.box(2, 3, 6, 9),
    "ring": RING,
    "beyond all sides": shapely.Point(9, 9).buffer(30).difference(RING),
    "parts": shapely.MultiPolygon([shapely.box(0.1, 0.1, 0.3, 0.2), shapely.box(15, 2, 40, 4.5)]),
    "beside": shapely.box(-9, 2, -3, 6),
    "sliver": shapely.Polygon([(-5.5, -1), (30, 17.01), (30, 17)]),
    "clockwise": shapely.Polygon([(2, 2), (2, 9.5), (8, 3)]),
    "counter-clockwise": shapely.Polygon([(2, 2), (8, 3), (2, 9.5)]),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("window", [Window(0, 0, 18, 20), Window(3, 5, 4, 6)])
def test_coverage_is_the_area_of_the_intersection_with_each_pixel(shape, window):
    rows, cols = np.mgrid[window.slices]
    pixels = shapely.box(cols, rows, cols + 1, rows + 1)
    exact = shapely.area(shapely.intersection(pixels, shape))
    np.testing.assert_allclose(coverage(shape, window), exact, atol=1e-9)


def zones(*shapes):
    """Zones from shapes in pixels."""
    placed = shapely.transform(list(shapes), lambda xy: np.column_stack(GRID.transform @ xy.T))
    return gpd.GeoDataFrame(geometry=placed, crs=GRID.crs)


def areas(*shapes):
    classes = np.zeros(GRID.shape, np.uint8)
    classes[300:] = 1
    classes[:, 15:] = IGNORE
    return areas_in_zones(zones(*shapes), lambda window: classes[window.slices], GRID, TABLE)


def test_a_zone_of_several_strips_has_hectares_of_each_class_and_of_what_is_unknown():
    found = areas(shapely.box(2.5, 10, 16.5, 590.5)).iloc[0]
    assert found["land_ha"] == pytest.approx(12.5 * 290 / 100)
    assert found["water_ha"] == pytest.approx(12.5 * 290.5 / 100)
    assert found["unknown_ha"] == pytest.approx(1.5 * 580.5 / 100)
    assert found["outside_ha"] == pytest.approx(0, abs=1e-9)
    assert not found["note"]


def test_zones_outside_say_so():
    inside, beside, across = areas(
        shapely.box(1, 1, 2, 2), shapely.box(30, 0, 40, 9), shapely.box(-3, 0, 1, 8)
    ).to_dict("records")
    assert inside["note"] == ""
    assert beside["note"] == "outside the image"
    assert beside["outside_ha"] == beside["area_ha"] == pytest.approx(0.9)
    assert across["note"] == "75.0 % outside the image"
    assert across["land_ha"] == pytest.approx(0.08)


@pytest.mark.parametrize("turn", [0, 30, 90])
def test_zones_lie_right_on_a_turned_grid(turn):
    grid = Grid(GRID.crs, GRID.transform @ Affine.rotation(turn), 40, 40)
    shape = shapely.Polygon([grid.transform @ xy for xy in [(3, 3), (20.5, 4), (8, 30)]])
    frame = gpd.GeoDataFrame(geometry=[shape], crs=grid.crs)
    found = areas_in_zones(frame, lambda w: np.ones((w.height, w.width), np.uint8), grid, TABLE)
    assert found["water_ha"].iloc[0] == pytest.approx(shape.area / 1e4)
