from dataclasses import replace

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from affine import Affine
from geopandas.testing import assert_geodataframe_equal
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pyproj import CRS

from tests.conftest import NO_REAL_DATA, SHARED
from tests.unit.mapping.rasters import partitioned, rendered
from urbanseg.classes import IGNORE, ClassTable, LandClass
from urbanseg.grid import Grid
from urbanseg.mapping.polygons import CleanUp, area_by_class, land_cover, pixel_cover, polygonise

TABLE = ClassTable(
    (LandClass(0, "other", "#bdc3c7"), LandClass(1, "road", "#7f8c8d"), LandClass(2, "water", "#2980b9"))
)
SCENE = SHARED / "dubai_scene_small/labels.tif"
DUBAI = ClassTable(
    tuple(
        LandClass(i, name, "#bdc3c7")
        for i, name in enumerate(["other", "building", "road", "vegetation", "water", "bare_soil"])
    )
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
def test_the_arrow_table_holds_what_the_geodataframe_holds(raster):
    classes, confidence = raster
    grid = grid_of(classes)

    def read(window):
        return classes[window.slices], confidence[window.slices]

    table = pixel_cover(read, grid, TABLE, rows=5).to_pandas()
    table["geometry"] = shapely.from_wkb(table["geometry"])
    ours = gpd.GeoDataFrame(table, geometry="geometry", crs=grid.crs)
    assert_geodataframe_equal(ours, polygonise(classes, confidence, grid, TABLE), check_dtype=False)


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
    partition = partitioned(classes)
    labels = rendered(partition, classes.shape)
    polygons = polygonise(classes, confidence, grid_of(classes), TABLE)
    mapped = np.flatnonzero(partition.ids < len(TABLE))
    for i, mean in zip(mapped, polygons["confidence"], strict=True):
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


@given(rasters, st.integers(1, 12))
def test_the_map_is_the_same_for_strips_of_any_height(raster, rows):
    classes, confidence = raster
    clean_up = CleanUp(
        min_area={"road": 300, "water": 200}, min_hole=300, simplify=5, smooth=["water", "other"]
    )

    def read(window):
        return classes[window.slices], confidence[window.slices]

    grid = grid_of(classes)
    whole, cut = (land_cover(read, grid, TABLE, clean_up, height) for height in (100, rows))
    pd.testing.assert_frame_equal(whole, cut, check_exact=True)
    assert (shapely.to_wkb(whole.geometry) == shapely.to_wkb(cut.geometry)).all()


@given(rasters, st.floats(0, 30), st.sets(st.sampled_from(TABLE.names)))
def test_smoothing_and_simplifying_leave_no_gap_and_no_overlap(raster, tolerance, soft):
    classes, _ = raster
    exact = polygonise(classes, None, grid_of(classes), TABLE)
    made = polygonise(
        classes, None, grid_of(classes), TABLE, CleanUp(simplify=tolerance, smooth=sorted(soft))
    )
    assert made["class_id"].tolist() == exact["class_id"].tolist()
    assert made.geometry.is_valid.all()
    assert shapely.coverage_is_valid(made.geometry.to_numpy())
    assert made["area_m2"].to_numpy() == pytest.approx(made.area.to_numpy())
    if not (classes == IGNORE).any():
        assert made.area.sum() == pytest.approx(classes.size * 100)


def test_classes_that_are_not_in_the_table_are_refused():
    classes = np.array([[0, 9]], dtype=np.uint8)
    with pytest.raises(ValueError, match=r"holds \[9\], but the classes are 0 to 2"):
        polygonise(classes, None, grid_of(classes), TABLE)


def has_known_neighbour(polygons):
    """Which polygons share a side with another."""
    first, second = shapely.STRtree(polygons).query(polygons, predicate="intersects")
    shared = shapely.length(shapely.intersection(polygons[first], polygons[second])) > 1e-6
    return np.bincount(first[shared & (first != second)], minlength=len(polygons)) > 0


@given(
    shapes.flatmap(
        lambda shape: arrays.arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 1, 2, 2, 255]))
    ),
    st.sampled_from([0, 8, 12, 30]),
    st.sets(st.sampled_from(TABLE.names)),
    st.sets(st.sampled_from(TABLE.names)),
    st.sampled_from([0, 300, 600]),
)
def test_limits_hold_in_what_is_delivered(classes, tolerance, soft, square, hole):
    limits = {"other": 300, "road": 500, "water": 400}
    clean_up = CleanUp(limits, hole, tolerance, sorted(soft), sorted(square))
    confidence = np.arange(classes.size, dtype=np.uint8).reshape(classes.shape) % 255
    made = polygonise(classes, confidence, grid_of(classes), TABLE, clean_up)
    polygons = made.geometry.to_numpy()
    small = made["area_m2"] < made["class_name"].map(limits) * (1 - 1e-6)
    assert not small[has_known_neighbour(polygons)].any()
    rings = pd.Series(shapely.area([shapely.Polygon(ring) for p in polygons for ring in p.interiors]))
    if not (classes == IGNORE).any():
        assert not small.any() or len(made) == 1
        assert (rings >= hole * (1 - 1e-6)).all()
        assert made.area.sum() == pytest.approx(classes.size * 100)
        assert np.average(made["confidence"]) <= 1
    assert shapely.is_valid(polygons).all()
    assert shapely.coverage_is_valid(polygons)
    assert made["area_m2"].to_numpy() == pytest.approx(shapely.area(polygons))


def test_an_island_among_unknown_pixels_gets_the_outline_back_that_keeps_its_area():
    classes = np.full((12, 12), IGNORE, dtype=np.uint8)
    classes[3:6, 3:8] = classes[6, 3:5] = classes[2, 7] = 2
    pixels = int((classes == 2).sum())
    loose, kept = (
        polygonise(classes, None, grid_of(classes), TABLE, CleanUp(min_area=least, simplify=25))
        for least in (0, pixels * 100)
    )
    assert loose["area_m2"].tolist() < [pixels * 100]
    assert kept["area_m2"].tolist() == [pixels * 100]


def test_what_is_merged_after_simplification_counts_with_its_pixels_and_its_confidence():
    classes = np.zeros((10, 10), dtype=np.uint8)
    classes[3:6, 4:7] = 1
    classes[3, 4] = classes[5, 6] = 0
    confidence = np.where(classes == 1, 254, 127).astype(np.uint8)
    made = polygonise(
        classes, confidence, grid_of(classes), TABLE, CleanUp(min_area={"road": 700}, simplify=20)
    )
    [polygon] = made.itertuples()
    assert (polygon.class_name, polygon.area_m2) == ("other", 10_000)
    assert polygon.confidence == pytest.approx((93 * 127 + 7 * 254) / 100 / 254)


@given(rasters, st.sampled_from([0, 5]), st.sets(st.sampled_from(TABLE.names)), st.sampled_from([0, 400]))
def test_squaring_leaves_no_gap_and_no_overlap(raster, tolerance, square, least):
    classes, confidence = raster
    cleanest = CleanUp(min_area=least, simplify=tolerance)
    before = polygonise(classes, confidence, grid_of(classes), TABLE, cleanest)
    after = polygonise(classes, confidence, grid_of(classes), TABLE, replace(cleanest, square=sorted(square)))
    if not least:  # else what squaring makes too small is merged
        assert after.drop(columns=["area_m2", "geometry"]).equals(
            before.drop(columns=["area_m2", "geometry"])
        )
    assert after.geometry.is_valid.all()
    assert shapely.coverage_is_valid(after.geometry.to_numpy())
    assert after["area_m2"].sum() == pytest.approx(before["area_m2"].sum())
    if not square:
        assert (shapely.to_wkb(after.geometry) == shapely.to_wkb(before.geometry)).all()


@pytest.mark.skipif(not SCENE.exists(), reason=NO_REAL_DATA)
def test_buildings_of_a_real_city_get_few_straight_walls():
    with rasterio.open(SCENE) as source:
        classes = source.read(1)[800:, :800]
        grid = Grid(CRS.from_user_input(source.crs), source.transform, *classes.shape)
    clean_up = CleanUp(min_area=20, min_hole=20, simplify=1)
    before = polygonise(classes, None, grid, DUBAI, clean_up)
    after = polygonise(classes, None, grid, DUBAI, replace(clean_up, square=["building"]))
    assert shapely.coverage_is_valid(after.geometry.to_numpy())
    assert after.area.sum() == pytest.approx(before.area.sum())
    was, becomes = (table[table["class_name"] == "building"].geometry for table in (before, after))
    corners = [shapely.get_num_coordinates(each.to_numpy()).sum() for each in (was, becomes)]
    assert corners[1] < 0.7 * corners[0]
    assert np.mean([np.mean(np.abs(np.sin(2 * sides(polygon))) < 1e-6) for polygon in becomes]) > 0.25
    assert becomes.area.sum() == pytest.approx(was.area.sum(), rel=0.01)
    assert (becomes.symmetric_difference(was).area / was.area).max() < 0.15


def sides(polygon):
    """Directions of an outline's sides against the first, in radians."""
    steps = np.diff(np.asarray(polygon.exterior.coords) @ [1, 1j])
    return np.angle(steps / steps[0])
