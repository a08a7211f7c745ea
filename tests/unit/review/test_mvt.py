"""Vector tiles as GDAL reads them: the shapes that were written, in the steps of the tile."""

import numpy as np
import pyogrio
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("fastapi", reason="the extra review is not installed")

from urbanseg.review import mvt

TILE = shapely.box(0, 0, mvt.EXTENT, mvt.EXTENT)  # to which GDAL cuts
SIDE = 2 * 20037508.342789244  # of the tile of zoom 0, in metres


def read(tile, folder):
    """Features by their number, in the steps of the tile."""
    file = folder / "0.pbf"
    file.write_bytes(tile)
    found = pyogrio.read_dataframe(f"MVT:{file}", X="0", Y="0", Z="0", layer="things", read_geometry=True)
    steps = mvt.EXTENT / SIDE
    shapes = shapely.transform(
        found.geometry.to_numpy(), lambda xy: (xy - (-SIDE / 2, SIDE / 2)) * (steps, -steps)
    )
    return dict(zip(found["mvt_id"], shapes, strict=True)), found.set_index("mvt_id")


def written(shapes, rows=None):
    return mvt.layer("things", np.array(shapes), range(len(shapes)), rows or [{}] * len(shapes))


POLYGONS = [
    shapely.box(0, 0, 10, 20),
    shapely.box(100, 100, 200, 200) - shapely.box(120, 120, 140, 150) - shapely.box(160, 160, 170, 170),
    shapely.union_all([shapely.box(300, 0, 310, 10), shapely.box(400, 0, 410, 4096)]),
    shapely.box(-64, 4000, 4160, 4160),
]


def test_polygons_with_holes_and_parts_are_read_as_they_were_written(tmp_path):
    turned = [shapely.reverse(shape) for shape in POLYGONS]
    for shapes in (POLYGONS, turned):
        found, _ = read(written(shapes), tmp_path)
        assert len(found) == len(shapes)
        for number, shape in enumerate(shapes):
            assert found[number].is_valid
            assert found[number].symmetric_difference(shape & TILE).area < 0.01


def test_lines_are_read_as_they_were_written(tmp_path):
    lines = [
        shapely.LineString([(0, 0), (5, 5), (5, 5), (9, 5)]),
        shapely.MultiLineString([[(10, 10), (20, 10)], [(30, 30), (4000, 30), (4000, 31)]]),
    ]
    found, _ = read(written(lines), tmp_path)
    for number, line in enumerate(lines):
        assert found[number].hausdorff_distance(line) < 0.01
        assert found[number].length == pytest.approx(line.length, abs=0.01)


def test_what_has_no_extent_is_left_out_and_the_others_keep_their_attributes(tmp_path):
    shapes = [
        shapely.box(3, 3, 3.2, 3.2),
        shapely.Polygon(),
        shapely.box(8, 8, 90, 90) - shapely.box(20, 20, 20.3, 20.3),
        shapely.GeometryCollection([shapely.LineString([(0, 0), (9, 9)]), shapely.box(50, 0, 60, 10)]),
    ]
    rows = [{"class": name, "share": 0.5 * n, "count": -n} for n, name in enumerate(("a", "b", "wäter", "d"))]
    found, table = read(written(shapes, rows), tmp_path)
    assert sorted(found) == [2, 3]
    assert shapely.get_num_interior_rings(shapely.get_parts(found[2])).sum() == 0
    assert table.loc[2, ["class", "share", "count"]].tolist() == ["wäter", 1.0, -2]
    assert found[3].area == pytest.approx(100, abs=0.1)


def test_a_tile_of_nothing_is_a_layer_without_features():
    for shapes in ([shapely.Polygon()], [shapely.LineString()], [shapely.box(1, 1, 1.1, 1.1)]):
        assert b"things" in written(shapes)


@given(st.lists(st.integers(0, (1 << 62) - 1), min_size=1, max_size=20))
def test_numbers_in_bulk_are_as_one_by_one(numbers):
    data, ends = mvt._varints(np.array(numbers))
    assert data == b"".join(map(mvt._varint, numbers))
    assert ends[-1] == len(data)
