"""A scene lies where its file says, in metres on the ground; or a sentence says why not."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import CRS, Transformer
from rasterio.control import GroundControlPoint

from tests.unit.imagery.local.test_raster_copy import TRANSFORM, UTM, copied, noise, write
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid
from urbanseg.io import raster

MERCATOR = "EPSG:3857"
LOCAL = 'LOCAL_CS["site grid",UNIT["metre",1],AXIS["x",EAST],AXIS["y",NORTH]]'
GEOCENTRIC = "EPSG:4978"
MOON = (
    'GEOGCS["Moon",DATUM["Moon",SPHEROID["Moon",1737400,0]],PRIMEM["x",0],UNIT["degree",0.017453292519943]]'
)
CORNERS = [(0, 0), (0, 80), (60, 0), (60, 80), (30, 20)]


def place(crs: str, longitude: float, latitude: float, pixel: float) -> dict[str, Any]:
    x, y = Transformer.from_crs(4326, crs, always_xy=True).transform(longitude, latitude)
    return {"crs": crs, "transform": Affine(pixel, 0, x, 0, -pixel, y)}


@pytest.mark.parametrize(
    ("crs", "latitude", "is_metric"),
    [
        (MERCATOR, 0.5, True),
        (MERCATOR, 15, False),
        (MERCATOR, 60, False),
        ("EPSG:32632", 60, True),
        ("EPSG:3035", 52, True),
        ("EPSG:3395", 60, False),
        ("EPSG:2263", 40.7, False),
        ("EPSG:4326", 0, False),
    ],
)
def test_a_metric_grid_has_metres_on_the_ground(crs: str, latitude: float, is_metric: bool) -> None:
    at = place(crs, 9.5, latitude, 10 if crs != "EPSG:4326" else 1e-4)
    assert Grid(CRS(crs), at["transform"], 60, 80).is_metric == is_metric


def test_a_scene_in_web_mercator_far_north_has_the_area_that_it_has(tmp_path: Path) -> None:
    path = write(tmp_path / "in.tif", np.full((3, 60, 80), 9, np.uint8), **place(MERCATOR, 9.5, 60, 20))
    _, valid, info = copied(tmp_path, path)
    assert info.grid.crs == CRS.from_epsg(32632)
    assert valid.sum() * info.grid.resolution**2 == pytest.approx(60 * 80 * 10**2, rel=0.02)
    for asked in ({"crs": MERCATOR}, {"like": path}):
        with pytest.raises(PipelineError, match=r"2 m|0.5.* m on the ground|no metric"):
            copied(tmp_path, path, **asked)


def test_the_zone_is_that_of_the_area_and_not_of_the_whole_raster(tmp_path: Path) -> None:
    path = write(
        tmp_path / "in.tif",
        noise("uint8", 1, 20, 400) + 1,
        crs="EPSG:4326",
        transform=Affine(0.04, 0, 2, 0, -0.04, 50),
    )
    _, _, info = copied(tmp_path, path, bbox=[16.5, 49.5, 17, 49.8])
    assert info.grid.crs == CRS.from_epsg(32633)


def with_gcps(
    path: Path, values: np.ndarray, crs: str | None, points: list[tuple[int, int]] = CORNERS
) -> Path:
    turned = TRANSFORM @ Affine.rotation(10)
    to_crs = Transformer.from_crs(UTM, crs or UTM, always_xy=True)
    gcps = [
        GroundControlPoint(row, col, *to_crs.transform(*(turned @ (col, row))), 0.0) for row, col in points
    ]
    profile = {"count": len(values), "height": 60, "width": 80, "dtype": values.dtype.name}
    with rasterio.open(path, "w", driver="GTiff", **profile) as file:
        file.write(values)
        file.gcps = gcps, rasterio.crs.CRS.from_user_input(crs) if crs else rasterio.crs.CRS()
    return path


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("crs", [UTM, "EPSG:4326"])
def test_an_image_with_ground_control_points_is_warped_by_them(crs: str, tmp_path: Path) -> None:
    values = np.full((3, 60, 80), 9, np.uint8)
    path = with_gcps(tmp_path / "in.tif", values, crs)
    _, valid, info = copied(tmp_path, path)
    assert info.grid.crs == CRS.from_user_input(UTM)
    assert valid.sum() * info.grid.resolution**2 == pytest.approx(60 * 80 * 4, rel=0.03)
    centre = TRANSFORM @ Affine.rotation(10) @ (40, 30)
    assert info.grid.centre == pytest.approx(centre, abs=3)
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["scene.tif"]


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize(
    ("crs", "points", "sentence"),
    [
        (None, CORNERS, "ground control points, which are too few, on one line or without a coord"),
        (UTM, CORNERS[:2], "has 2 ground control points, which are too few"),
    ],
)
def test_ground_control_points_that_place_nothing_are_named(
    crs: str | None, points: list[tuple[int, int]], sentence: str, tmp_path: Path
) -> None:
    path = with_gcps(tmp_path / "in.tif", noise("uint8"), crs, points)
    with pytest.raises(PipelineError, match=sentence):
        copied(tmp_path, path)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_other_rasters_than_scenes_are_not_warped_by_control_points(tmp_path: Path) -> None:
    path = with_gcps(tmp_path / "in.tif", noise("uint8"), UTM)
    with pytest.raises(PipelineError, match=r"in.tif is placed by ground control points; warp it"):
        raster.describe(path)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        ({"crs": None}, "affine transform, but no coordinate reference system; assign"),
        ({"crs": None, "transform": None}, "no coordinate reference system and no georeference"),
        ({"transform": None}, "WGS 84 / UTM zone 40N, but no geotransform"),
        ({"crs": LOCAL}, "the local coordinate reference system 'site grid', which is nowhere on Earth"),
        ({"crs": GEOCENTRIC}, "local coordinate reference system 'WGS 84'"),
        ({"crs": MOON, "transform": Affine(1e-4, 0, 5, 0, -1e-4, 5)}, "lies nowhere on Earth"),
        ({"transform": Affine(2, 0, 3e30, 0, -2, 5e30)}, "lies nowhere on Earth"),
        ({"crs": "EPSG:4326", "transform": Affine(1, 0, 5, 0, -1, 500)}, "lies nowhere on Earth"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_raster_that_is_nowhere_is_refused_by_what_it_lacks(
    where: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "in.tif", noise("uint8"), **where)
    with pytest.raises(PipelineError, match=sentence):
        copied(tmp_path, path)


@pytest.mark.parametrize(
    "numbers",
    [
        "0,0,0,0,0,0",
        "330000,0,0,2790000,0,-2",
        "nan,2,0,nan,0,-2",
        "5,inf,0,5,0,-2",
        "5e5,1e-12,0,5e6,0,-1e-12",
    ],
)
def test_a_geotransform_without_a_size_or_place_is_refused(numbers: str, tmp_path: Path) -> None:
    write(tmp_path / "1.tif", noise("uint8"))
    path = tmp_path / "in.vrt"
    path.write_text(
        f'<VRTDataset rasterXSize="80" rasterYSize="60"><SRS>{UTM}</SRS>'
        f"<GeoTransform>{numbers}</GeoTransform>"
        '<VRTRasterBand dataType="Byte" band="1"><SimpleSource><SourceFilename relativeToVRT="1">1.tif'
        "</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    with pytest.raises(PipelineError, match="damaged geotransform"):
        copied(tmp_path, path)
