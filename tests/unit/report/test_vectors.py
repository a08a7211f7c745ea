import base64
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from urbanseg.classes import ClassTable, LandClass
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid
from urbanseg.report.vectors import STEP, draw, points_of, read_vectors, varints

COLUMNS = {"class_id": 30, "area_m2": 100.0, "confidence": 0.5}
TABLE = ClassTable((LandClass(10, "trees", "#006400"), LandClass(30, "grass", "#ffff4c")))


def numbers(packed: bytes) -> list[int]:
    found, value, shift = [], 0, 0
    for octet in packed:
        value |= (octet & 127) << shift
        shift += 7
        if octet < 128:
            found.append((value >> 1) ^ -(value & 1))
            value, shift = 0, 0
    return found


def squares(count: int, grid: Grid) -> gpd.GeoDataFrame:
    """A row of squares of one pixel, with an octagon before them."""
    left, _, _, top = grid.bounds
    boxes = [shapely.box(left + 10 * i, top - 10, left + 10 * i + 10, top) for i in range(count)]
    octagon = shapely.Point(left + 300, top - 200).buffer(100, quad_segs=2)
    return gpd.GeoDataFrame(COLUMNS, geometry=[octagon, *boxes], index=range(count + 1), crs=grid.crs)


@given(arrays(np.int64, st.integers(1, 30), elements=st.integers(-(2**40), 2**40)))
def test_packed_numbers_are_read_back(values: np.ndarray) -> None:
    assert numbers(varints(values)) == values.tolist()


def test_a_polygon_is_packed_in_pixels_of_the_picture(grid: Grid) -> None:
    left, _, _, top = grid.bounds
    hole = [(left + 60, top - 60), (left + 80, top - 60), (left + 80, top - 80), (left + 60, top - 80)]
    shape = shapely.Polygon(shapely.box(left + 20, top - 120, left + 120, top - 20).exterior.coords, [hole])
    road = gpd.GeoDataFrame(
        {"width_m": [7.5]}, geometry=[shapely.LineString([(left, top), (left + 40, top)])], crs=grid.crs
    )
    cover = gpd.GeoDataFrame(COLUMNS, geometry=[shape], index=[0], crs=grid.crs)
    found = draw(cover, road, grid, 1000, TABLE)
    assert numbers(base64.b64decode(found.roads)) == [1, 75, 1, 2, 0, 0, round(4 / STEP), 0]
    count, kind, area, confidence, rings, corners, *_ = numbers(base64.b64decode(found.polygons))
    assert (count, kind, area, confidence, rings, corners) == (1, 1, 100, 50, 2, 4)


def test_a_large_map_is_drawn_as_far_as_there_is_room_and_says_so(grid: Grid) -> None:
    all_of_it, part = (draw(squares(59, grid), None, grid, points, TABLE) for points in (1000, 100))
    assert all_of_it.shown == (60, 0)
    assert all_of_it.note.startswith("Drawn here: all 60 polygons; details of outlines below 5 m")
    assert 1 < part.shown[0] < 60
    assert "19 of 60 polygons, the smallest left out; details of outlines below" in part.note
    assert part.roads == ""


@pytest.mark.parametrize("cities", [1, 4, 100])
def test_all_cities_of_a_page_share_its_room(cities: int) -> None:
    assert points_of(cities) * cities <= points_of(1) * 4


def test_a_damaged_map_is_named_and_a_missing_one_is_none(grid: Grid, tmp_path: Path) -> None:
    path = tmp_path / "demo.gpkg"
    assert read_vectors([path], grid, TABLE) is None
    path.write_text("no map")
    with pytest.raises(PipelineError, match=r"demo\.gpkg is no map .*run the vectorize stage again"):
        read_vectors([path], grid, TABLE)


@pytest.mark.parametrize("ending", ["gpkg", "geojson", "fgb"])
def test_every_format_gives_the_same_polygons(grid: Grid, tmp_path: Path, ending: str) -> None:
    cover = squares(3, grid)
    path = tmp_path / f"demo.{ending}"
    layer = {"layer": "land_cover"} if ending == "gpkg" else {}
    (cover.to_crs(4326) if ending == "geojson" else cover).to_file(path, **layer)
    found = read_vectors([path], grid, TABLE)
    assert found is not None
    assert found.shown == (4, 0)
    if ending != "fgb":  # which has an order of its own
        assert found.polygons == draw(cover, None, grid, 1000, TABLE).polygons
