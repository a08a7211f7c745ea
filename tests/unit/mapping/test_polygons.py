import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pyproj import CRS

from urbanseg.classes import IGNORE, ClassTable, LandClass
from urbanseg.grid import Grid
from urbanseg.mapping.polygons import area_by_class, polygonise
from urbanseg.mapping.regions import label_regions

TABLE = ClassTable(
    (LandClass(0, "other", "#bdc3c7"), LandClass(1, "road", "#7f8c8d"), LandClass(2, "water", "#2980b9"))
)
shapes = st.tuples(st.integers(1, 12), st.integers(1, 12))
rasters = shapes.flatmap(
    lambda shape: st.tuples(
        arrays.arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 2, IGNORE])),
        arrays.arrays(np.uint8, shape),
    )
)


def grid_of(classes, pixel=(10.0, 10.0)):
    transform = Affine(pixel[0], 0, 500_000, 0, -pixel[1], 4_000_000)
    return Grid(CRS.from_epsg(32632), transform, *classes.shape)


@given(rasters, st.floats(0.3, 30), st.floats(0.3, 30))
def test_the_area_of_a_class_is_its_pixels_times_the_area_of_a_pixel(raster, width, height):
    classes, confidence = raster
    polygons = polygonise(classes, confidence, grid_of(classes, (width, height)), TABLE)
    areas = area_by_class(polygons, TABLE)
    for c in TABLE:
        pixels = int((classes == c.id).sum())
        assert areas[c.name] == pytest.approx(pixels * width * height)
        mine = polygons[polygons["class_name"] == c.name]
        assert (mine["class_id"] == c.id).all()
        assert mine.area.sum() == pytest.approx(areas[c.name], rel=1e-6)


@given(rasters)
def test_polygons_leave_no_gap_and_dont_overlap(raster):
    classes, confidence = raster
    polygons = polygonise(classes, confidence, grid_of(classes), TABLE)
    valid = int((classes != IGNORE).sum())
    assert shapely.union_all(polygons.geometry).area == pytest.approx(valid * 100)
    assert polygons["area_m2"].sum() == valid * 100


@given(rasters)
def test_confidence_is_the_mean_over_the_known_pixels_of_a_polygon(raster):
    classes, confidence = raster
    labels = label_regions(classes)
    polygons = polygonise(classes, confidence, grid_of(classes), TABLE)
    for i, mean in enumerate(polygons["confidence"], start=1):
        known = [int(c) for c in confidence[labels == i] if c != IGNORE]
        expected = sum(known) / len(known) / 254 if known else np.nan
        assert mean == pytest.approx(expected, nan_ok=True)


def test_without_a_confidence_raster_it_is_unknown():
    classes = np.zeros((2, 2), dtype=np.uint8)
    assert polygonise(classes, None, grid_of(classes), TABLE)["confidence"].isna().all()


def test_columns_types_and_order_are_as_declared():
    classes = np.array([[2, 0], [2, 1]], dtype=np.uint8)
    polygons = polygonise(classes, None, grid_of(classes), TABLE)
    assert list(polygons.columns) == ["class_id", "class_name", "area_m2", "confidence", "geometry"]
    assert polygons["class_id"].dtype == np.int16
    assert polygons["class_name"].tolist() == ["water", "other", "road"]
    assert polygons["area_m2"].tolist() == [200, 100, 100]
    assert polygons.crs.to_epsg() == 32632


def test_a_grid_in_degrees_is_refused():
    classes = np.zeros((2, 2), dtype=np.uint8)
    grid = Grid(CRS.from_epsg(4326), Affine(1e-5, 0, 9, 0, -1e-5, 48), 2, 2)
    with pytest.raises(ValueError, match="in metres, not WGS 84"):
        polygonise(classes, None, grid, TABLE)
