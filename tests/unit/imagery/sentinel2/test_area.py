"""An area of interest is a box, a file or a place, and gets an aligned grid."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer

from urbanseg.config.scene import AreaParams, Retry
from urbanseg.errors import PipelineError
from urbanseg.imagery.sentinel2 import area

QUICK = Retry(attempts=1, wait_s=0)


def from_file(path: Path) -> area.Area:
    return area.find(AreaParams(file=path), QUICK)


@given(
    st.floats(-179, 178),
    st.floats(-79, 79),
    st.floats(0.001, 0.3),
    st.floats(0.001, 0.3),
    st.sampled_from([5, 10, 60]),
)
def test_a_grid_covers_its_area_and_is_aligned(
    west: float, south: float, width: float, height: float, resolution: float
) -> None:
    box = shapely.box(west, south, west + width, south + height)
    grid = area.grid(area.Area("x", box), None, resolution)
    left, bottom, right, top = grid.bounds
    assert {edge % resolution for edge in grid.bounds} == {0}
    edge = shapely.get_coordinates(shapely.segmentize(box, 0.002))
    x, y = Transformer.from_crs(4326, grid.crs, always_xy=True).transform(edge[:, 0], edge[:, 1])
    slack = 2  # metres that a parallel bends between the points it is followed by
    assert left <= x.min() + slack
    assert right >= x.max() - slack
    assert bottom <= y.min() + slack
    assert top >= y.max() - slack
    assert x.min() - left < resolution + slack
    assert top - y.max() < resolution + slack


def test_edges_on_the_grid_gain_no_pixel() -> None:
    to_degrees = Transformer.from_crs(32632, 4326, always_xy=True)
    ring = np.array([(500_000, 5_400_000), (500_000, 5_399_000), (501_000, 5_399_000), (501_000, 5_400_000)])
    shape = shapely.Polygon(np.column_stack(to_degrees.transform(ring[:, 0], ring[:, 1])))
    assert area.grid(area.Area("x", shape), "EPSG:32632", 10).shape == (100, 100)


def test_an_area_as_large_as_a_country_is_one_sentence() -> None:
    with pytest.raises(
        PipelineError, match=r"the area Utopia is .* pixels of 10 m, more than 60000 on a side"
    ):
        area.grid(area.Area("Utopia", shapely.box(0, 40, 12, 50)), None, 10)


def test_a_file_of_any_format_and_crs_gives_the_union_of_its_polygons(tmp_path: Path) -> None:
    shapes = [shapely.box(9, 48, 9.1, 48.1), shapely.box(9.05, 48, 9.2, 48.1), shapely.Point(0, 0)]
    frame = gpd.GeoDataFrame(geometry=shapes, crs=4326).to_crs(32632)
    frame.to_file(tmp_path / "area.gpkg")
    found = from_file(tmp_path / "area.gpkg")
    assert found.name == "area.gpkg"
    assert found.shape.area == pytest.approx(0.02, rel=1e-3)
    assert found.shape.bounds == pytest.approx((9, 48, 9.2, 48.1), abs=1e-6)


def test_clouds_are_counted_inside_the_polygon() -> None:
    triangle = area.Area("x", shapely.Polygon([(9, 48), (9.1, 48), (9, 48.1)]))
    inside = area.inside(triangle, area.grid(triangle, None, 60))
    assert inside.mean() == pytest.approx(0.5, abs=0.02)
    assert inside[-2, 1]
    assert not inside[1, -2]


@pytest.mark.parametrize(
    ("write", "sentence"),
    [
        (lambda _: None, "does not exist; correct area.file"),
        (lambda path: path.write_text("{"), "is not a vector file"),
        (
            lambda path: gpd.GeoDataFrame(geometry=[shapely.LineString([(0, 0), (1, 1)])], crs=4326).to_file(
                path
            ),
            "holds no polygon; draw the area",
        ),
        (
            lambda path: path.write_text('{"type": "FeatureCollection", "features": []}'),
            r"holds no polygon|holds no shapes",
        ),
    ],
)
def test_a_file_without_an_area_is_one_sentence(tmp_path: Path, write, sentence: str) -> None:
    path = tmp_path / "area.geojson"
    write(path)
    with pytest.raises(PipelineError, match=sentence):
        from_file(path)


def test_a_crs_whose_metre_is_none_on_the_ground_is_refused() -> None:
    place = area.Area("Oslo", shapely.box(10.7, 59.9, 10.8, 59.95))
    with pytest.raises(PipelineError, match=r"EPSG:3857 is not metric at Oslo: its metre is 0.50"):
        area.grid(place, "EPSG:3857", 10)
    assert area.grid(place, "EPSG:25832", 10).is_metric
    quito = area.Area("Quito", shapely.box(-78.6, -0.3, -78.4, -0.1))
    assert area.grid(quito, "EPSG:3857", 10).is_metric
