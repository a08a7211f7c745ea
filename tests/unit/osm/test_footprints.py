"""Lines cover ground by their width in metres, whatever the CRS."""

import json

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS

from urbanseg import osm
from urbanseg.config.labels import LabelParams
from urbanseg.grid import Grid

PARAMS = LabelParams(
    supersample=5,
    priority=["road"],
    min_share={"road": 0.4},
    line_width_m={"primary": 16},
    default_line_width_m=6,
    lane_width_m=3.5,
    unmapped_cell_m=0,
    ignore_scl=[],
    cloud_dilation_m=0,
)
UTM = CRS.from_epsg(32635)


def street(length: float = 1000.0) -> gpd.GeoDataFrame:
    line = shapely.LineString([(386_000, 6_672_000), (386_000 + length, 6_672_000)])
    park = shapely.box(386_000, 6_672_000, 386_100, 6_672_100)
    rows = {"class": ["road", "vegetation"], "tags": ['{"highway": "primary"}', "{}"]}
    return gpd.GeoDataFrame(rows, geometry=[line, park], crs=UTM).to_crs(4326)


@pytest.mark.parametrize("epsg", [32635, 3035, 3857, 4326])
def test_a_street_is_as_wide_on_the_ground_in_any_crs(epsg: int) -> None:
    made = osm.polygons(street(), CRS.from_epsg(epsg), PARAMS)
    assert made.crs == CRS.from_epsg(epsg)
    assert made["class"].tolist() == ["road", "vegetation"]
    on_the_ground = made.to_crs(32635).geometry
    assert on_the_ground.area[0] == pytest.approx(1000 * 16 + np.pi * 8**2, rel=0.01)
    assert on_the_ground.area[1] == pytest.approx(100 * 100, rel=0.001)


def test_round_ends_leave_no_notch_where_two_ways_meet_at_an_angle() -> None:
    ways = [shapely.LineString([(0, 0), (100, 0)]), shapely.LineString([(100, 0), (150, 80)])]
    rows = {"class": ["road"] * 2, "tags": ['{"highway": "primary"}'] * 2}
    frame = gpd.GeoDataFrame(
        rows, geometry=[shapely.affinity.translate(w, 386_000, 6_672_000) for w in ways], crs=UTM
    )
    covered = osm.polygons(frame, UTM, PARAMS).union_all()
    outer_corner = shapely.Point(386_100 + 7 * np.sin(0.5), 6_672_000 - 7 * np.cos(0.5))
    assert covered.contains(outer_corner)


def test_widths_that_cannot_be_read_are_counted_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    texts = ["narrow", "narrow", "20,5", ""]
    tags = [json.dumps({"highway": "primary", "width": text}) for text in texts]
    lines = [shapely.LineString([(386_000, y), (387_000, y)]) for y in (0, 1000, 2000, 3000)]
    frame = gpd.GeoDataFrame({"class": ["road"] * 4, "tags": tags}, geometry=lines, crs=UTM)
    made = osm.polygons(frame, UTM, PARAMS)
    assert np.round(made.area / 1000, 1).tolist() == [16.2, 16.2, 20.8, 16.2]
    assert "2 of 4 lines have a width that says none ('narrow')" in caplog.text


def test_the_area_of_interest_is_the_scene_with_a_margin() -> None:
    grid = Grid(UTM, Affine(10, 0, 386_000, 0, -10, 6_673_000), 100, 50)
    west, south, east, north = osm.area_of_interest(grid)
    scene = gpd.GeoSeries([shapely.box(*grid.bounds).buffer(150)], crs=UTM).to_crs(4326)
    far = gpd.GeoSeries([shapely.box(*grid.bounds).buffer(300)], crs=UTM).to_crs(4326)
    wanted = shapely.box(west, south, east, north)
    assert wanted.contains(scene[0])
    assert not wanted.contains(far[0])
