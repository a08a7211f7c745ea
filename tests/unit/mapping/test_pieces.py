"""Polygons and roads that are cut at the edges of cells fit together again."""

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from urbanseg.mapping.pieces import STEP_M, polygon_pieces, road_pieces

LEFT, RIGHT = (0.0, 0.0, 100.0, 100.0), (100.0, 0.0, 200.0, 100.0)
POINTS = st.lists(
    st.tuples(st.floats(1, 199), st.floats(1, 99)).map(lambda p: (round(p[0], 4), round(p[1], 4))),
    min_size=3, max_size=12, unique=True,
)  # fmt: skip


def table(shapes):
    return gpd.GeoDataFrame(
        {"class_id": np.arange(len(shapes)), "area_m2": shapely.area(shapes)},
        geometry=list(shapes),
        crs=32632,
    )


def roads(shapes):
    size = shapely.length(shapes)
    return gpd.GeoDataFrame({"length_m": size, "width_m": 5.0}, geometry=list(shapes), crs=32632)


def on_seam(pieces):
    points = shapely.get_coordinates(pieces.geometry.to_numpy())
    return np.unique(points[points[:, 0] == 100.0, 1])


@given(points=POINTS)
def test_the_parts_of_a_polygon_make_it_again(points):
    hull = shapely.convex_hull(shapely.MultiPoint(points))
    if hull.area < 1:
        return
    parts = [polygon_pieces(table([hull]), bounds) for bounds in (LEFT, RIGHT)]
    union = shapely.union_all([shape for each in parts for shape in each.geometry])
    assert shapely.symmetric_difference(union, hull).area < 0.1
    assert sum(each["area_m2"].sum() for each in parts) == pytest.approx(hull.area, abs=0.1)
    assert all(each.geometry.is_valid.all() for each in parts)
    if all(len(each) for each in parts):
        assert on_seam(parts[0]).tolist() == on_seam(parts[1]).tolist()
        assert (on_seam(parts[0]) % STEP_M == 0).all()


@given(points=POINTS)
def test_the_parts_of_a_road_end_at_the_same_points(points):
    line = shapely.LineString(points)
    parts = [road_pieces(roads([line, shapely.reverse(line)]), bounds) for bounds in (LEFT, RIGHT)]
    ends = [on_seam(each).tolist() for each in parts]
    crossings = shapely.intersection(line, shapely.LineString([(100, 0), (100, 100)]))
    if shapely.get_dimensions(crossings) == 0 and not any(x == 100 for x, _ in points):
        assert ends[0] == ends[1]
    total = sum(each["length_m"].sum() for each in parts)
    assert total == pytest.approx(2 * line.length, abs=0.1)


def test_a_road_along_a_seam_belongs_to_one_cell():
    line = shapely.LineString([(100, 10), (100, 60)])
    assert [len(road_pieces(roads([line]), bounds)) for bounds in (LEFT, RIGHT)] == [0, 1]


def test_what_lies_elsewhere_leaves_a_table_without_rows():
    far = shapely.box(500, 500, 600, 600)
    found = polygon_pieces(table([far]), LEFT)
    assert len(found) == 0
    assert list(found.columns) == ["class_id", "area_m2", "geometry"]
    assert found.crs == 32632
