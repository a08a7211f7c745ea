"""Local scenes on other grids, by other scales and under masks; and every real image there is."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import CRS, Transformer
from rasterio.enums import ColorInterp

from tests.unit.imagery.local.test_raster_copy import TRANSFORM, UTM, copied, noise, write
from urbanseg.config.scene import LocalScene
from urbanseg.errors import PipelineError
from urbanseg.imagery.local import raster_copy
from urbanseg.io import raster


def scl(tmp_path: Path) -> np.ndarray:
    with raster.reading(tmp_path / "out/scl.tif") as file:
        return file.read_band()


def test_a_band_is_found_by_its_description(tmp_path: Path) -> None:
    values = noise("uint16")
    path = write(tmp_path / "in.tif", values)
    with rasterio.open(path, "r+") as file:
        file.descriptions = ("Red", "NIR", "SWIR 1")
    got, _, info = copied(tmp_path, path, bands={"B11": "swir 1", "B04": "Red", "B08": 2})
    np.testing.assert_array_equal(got, values[[2, 0, 1]])
    assert info.descriptions == ("B11", "B04", "B08")
    with pytest.raises(PipelineError, match=r"no band described as 'green', .* are red, nir, swir 1"):
        copied(tmp_path, path, bands={"B03": "green"})


@pytest.mark.parametrize(
    ("dtype", "scale", "offset"),
    [("float32", 10_000, None), ("uint16", None, -1000), ("uint16", 0.275, -2000)],
)
def test_scale_and_offset_give_reflectance(
    tmp_path: Path, dtype: str, scale: float | None, offset: float | None
) -> None:
    values = noise("float64") / 200 if dtype == "float32" else noise("float64") * 60 + 500
    values = values.astype(dtype)
    values[0, :5] = 0
    path = write(tmp_path / "in.tif", values, nodata=0)
    got, valid, info = copied(tmp_path, path, scale=scale, offset=offset)
    exact = np.round(values[0].astype(float) * (scale or 1) + (offset or 0))
    assert info.dtype == "uint16"
    assert info.nodata == 0
    np.testing.assert_array_equal(valid, values[0] != 0)
    np.testing.assert_array_equal(got[0][valid], np.clip(exact, 1, 65535)[valid])


def test_a_raster_in_degrees_goes_to_its_utm_zone(tmp_path: Path) -> None:
    values = noise("uint8") + 1
    place = Affine(1e-5, 0, 55.001, 0, -1e-5, 25.001)
    got, valid, info = copied(
        tmp_path, write(tmp_path / "in.tif", values, crs="EPSG:4326", transform=place), resampling="nearest"
    )
    assert info.grid.crs == CRS.from_epsg(32640)
    assert info.grid.resolution == pytest.approx(1.06, abs=0.02)
    assert not valid.all()
    rows, cols = np.nonzero(valid)
    x, y = info.grid.transform @ (cols + 0.5, rows + 0.5)
    lon, lat = Transformer.from_crs(32640, 4326, always_xy=True).transform(x, y)
    col, row = ~place @ (lon, lat)
    there = values[0][np.clip(row.astype(int), 0, 59), np.clip(col.astype(int), 0, 79)]
    assert (there == got[0][valid]).mean() > 0.98


@pytest.mark.parametrize(
    "profile",
    [
        {"crs": "EPSG:2263", "transform": Affine(6, 0, 990_000, 0, -6, 200_000)},
        {"transform": TRANSFORM @ Affine.rotation(20)},
        {"transform": Affine(2, 0, 330_000, 0, 2, 2_790_000)},
    ],
    ids=["feet", "rotated", "flipped"],
)
def test_what_is_not_metric_and_north_up_is_warped(tmp_path: Path, profile: dict[str, Any]) -> None:
    values = np.full((3, 60, 80), 77, np.uint8)
    got, valid, info = copied(tmp_path, write(tmp_path / "in.tif", values, **profile))
    assert info.grid.is_metric
    assert info.grid.transform.e < 0 < info.grid.transform.a
    assert (got[0][valid] == 77).all()
    height, width = info.grid.pixel_m
    area = 60 * 80 * (6 * 0.3048006) ** 2 if "crs" in profile else 60 * 80 * 4
    assert valid.sum() * height * width == pytest.approx(area, rel=0.02)


def test_a_resolution_is_asked_for_and_edges_are_its_multiples(tmp_path: Path) -> None:
    values = noise("float32")
    got, valid, info = copied(
        tmp_path, write(tmp_path / "in.tif", values), resolution_m=6, resampling="average"
    )
    assert info.grid.shape == (20, 27)
    assert [edge % 6 for edge in info.grid.bounds] == [0, 0, 0, 0]
    blocks = values[0, :, :78].reshape(20, 3, 26, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(got[0, :, :26], blocks, rtol=1e-5)
    assert valid[:, :26].all()


def test_the_corners_of_a_warped_floating_point_raster_are_missing(tmp_path: Path) -> None:
    path = write(
        tmp_path / "in.tif", np.zeros((1, 60, 80), np.float32), transform=TRANSFORM @ Affine.rotation(30)
    )
    got, valid, info = copied(tmp_path, path)
    assert np.isnan(info.nodata or 0)
    assert not valid[0, 0]
    assert (got[0][valid] == 0).all()
    assert valid.sum() == pytest.approx(60 * 80, rel=0.03)


def test_missing_pixels_stay_missing_on_another_grid(tmp_path: Path) -> None:
    values = noise("uint8") + 1
    values[:, :30] = 0
    path = write(tmp_path / "in.tif", values, nodata=0)
    _, valid, info = copied(tmp_path, path, crs="EPSG:32639", resampling="bilinear")
    assert info.nodata == 0
    assert 0.3 < valid.mean() < 0.55


def test_the_alpha_band_says_what_is_missing_on_another_grid(tmp_path: Path) -> None:
    values = noise("uint8", count=4)
    values[:3] = 0
    values[3] = 255
    values[3, :, :40] = 0
    path = write(tmp_path / "in.tif", values, photometric="RGB")
    with rasterio.open(path, "r+") as file:
        file.colorinterp = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
    got, valid, _ = copied(tmp_path, path, resolution_m=1, bands={"red": 1, "blue": 3})
    assert (got[:, valid] == 1).all()
    np.testing.assert_array_equal(valid, np.repeat(np.repeat(values[3] > 0, 2, 0), 2, 1))


def test_a_bbox_cuts_the_new_grid(tmp_path: Path) -> None:
    path = write(tmp_path / "in.tif", noise("uint8"))
    to_degrees = Transformer.from_crs(UTM, 4326, always_xy=True)
    (west, east), (south, north) = to_degrees.transform([330_040, 330_080], [2_789_920, 2_789_960])
    _, _, info = copied(tmp_path, path, resolution_m=4, bbox=[west, south, east, north])
    assert info.grid.height * info.grid.width == pytest.approx(121, abs=23)


@pytest.mark.parametrize("kind", ["cloud", "valid", "scl"])
def test_a_mask_on_its_own_grid_is_brought_to_the_scenes(tmp_path: Path, kind: str) -> None:
    values = noise("uint8") + 1
    path = write(tmp_path / "in.tif", values)
    codes = np.full((2, 15, 20), 4, np.uint8)
    codes[1, :5] = 9
    mask = write(tmp_path / "mask.tif", codes, transform=TRANSFORM @ Affine.scale(4), nodata=0)
    chosen = {"cloud": [9, 3], "valid": [4], "scl": None}[kind]
    settings = {"path": mask, "kind": kind, "band": 2, "values": chosen}
    got, valid, info = copied(tmp_path, path, mask=settings)
    cloudy = np.zeros((60, 80), bool)
    cloudy[:20] = True
    if kind == "valid":
        np.testing.assert_array_equal(valid, ~cloudy)
        assert info.nodata == 0
        assert not (tmp_path / "out/scl.tif").exists()
    else:
        assert valid.all()
        np.testing.assert_array_equal(scl(tmp_path), np.where(cloudy, 9, 7 if kind == "cloud" else 4))
    np.testing.assert_array_equal(got[0][valid], values[0][valid])


def test_under_a_validity_mask_dark_ground_stays_data(tmp_path: Path) -> None:
    path = write(tmp_path / "in.tif", np.zeros((3, 60, 80), np.uint8))
    mask = write(tmp_path / "mask.tif", np.eye(60, 80, dtype=np.uint8)[np.newaxis])
    got, valid, _ = copied(tmp_path, path, mask={"path": mask, "kind": "valid"})
    np.testing.assert_array_equal(got[0], np.eye(60, 80))
    np.testing.assert_array_equal(valid, np.eye(60, 80) > 0)


def test_a_mask_without_that_band_or_a_grid_in_degrees_to_match_is_one_sentence(tmp_path: Path) -> None:
    path = write(tmp_path / "in.tif", noise("uint8"))
    with pytest.raises(PipelineError, match=r"in.tif has 3 bands, but mask.band asks for band 4"):
        copied(tmp_path, path, mask={"path": path, "kind": "cloud", "band": 4})
    degrees = write(
        tmp_path / "like.tif", noise("uint8"), crs="EPSG:4326", transform=Affine(1e-5, 0, 55, 0, -1e-5, 25)
    )
    with pytest.raises(PipelineError, match=r"like.tif is no metric, north-up raster"):
        copied(tmp_path, path, like=degrees)


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"like": "x.tif", "crs": UTM}, "like takes the grid of another raster"),
        ({"crs": "EPSG:4326"}, "must be a projected system with metres"),
        ({"crs": "EPSG:2263"}, "must be a projected system with metres"),
        ({"crs": "Gauss"}, "must name a coordinate reference system"),
        ({"mask": {"path": "x.tif", "kind": "scl", "values": [1]}}, "remove values"),
    ],
)
def test_contradictions_in_the_parameters_are_refused(params: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        LocalScene.model_validate({"provider": "local", "path": "in.tif", "bands": {"red": 1}} | params)


RGBN = {"red": 1, "green": 2, "blue": 3, "nir": 4}


def test_two_real_dates_whose_grids_differ_by_a_metre_come_onto_one_grid(
    shared: Path, tmp_path: Path
) -> None:
    old, new = sorted((shared / "naip").glob("*.tif"))
    first, _, grid = copied(tmp_path, old, bands=RGBN)
    second, valid, other = copied(tmp_path, new, bands=RGBN, like=old, resampling="nearest")
    assert grid.grid.same_as(other.grid)
    assert first.shape == second.shape == (4, 723, 934)
    assert other.dtype == "uint8"
    assert valid.mean() > 0.99
    itself, _, apart = copied(tmp_path, new, bands=RGBN)
    assert not apart.grid.same_as(grid.grid)
    assert (itself[:, 1:-1, 1:-1] == second[:, 1:-1, 1:-1]).mean() > 0.95  # one metre of a 5 m pixel


def test_the_real_scene_in_degrees_with_an_alpha_band_becomes_metric(shared: Path, tmp_path: Path) -> None:
    (path,) = (shared / "vegas").glob("*.tif")
    got, valid, info = copied(tmp_path, path, bands={"red": 1, "green": 2, "blue": 3})
    assert info.grid.crs == CRS.from_epsg(32611)
    assert info.grid.resolution == pytest.approx(0.27, abs=0.01)
    with rasterio.open(path) as source:
        share = (source.dataset_mask() > 0).mean() * 1300 * 1300
        seen = source.read([1, 2, 3])[:, source.dataset_mask() > 0]
    width, height = 1300 * 2.7e-6 * 111_320 * np.cos(np.radians(36.24)), 1300 * 2.7e-6 * 110_970
    measured = valid.sum() * info.grid.resolution**2
    assert measured == pytest.approx(share / 1300**2 * width * height, rel=0.01)
    np.testing.assert_allclose(got[:, valid].mean(axis=1), np.maximum(seen, 1).mean(axis=1), rtol=0.01)


def test_the_real_panchromatic_scene_keeps_its_16_bits(shared: Path, tmp_path: Path) -> None:
    (path,) = (shared / "atlanta").glob("*.tif")
    got, valid, info = copied(tmp_path, path, bands={"pan": 1})
    with rasterio.open(path) as source:
        np.testing.assert_array_equal(got, source.read())
        np.testing.assert_array_equal(valid, source.dataset_mask() > 0)
    assert info.dtype == "uint16"
    assert info.descriptions == ("pan",)


def test_the_real_scene_of_dubai_is_copied_and_cropped(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raster_copy, "WINDOW", 512)
    path = shared / "dubai_scene/scene.tif"
    to_degrees = Transformer.from_crs(32640, 4326, always_xy=True)
    (west, east), (south, north) = to_degrees.transform([330_400, 330_800], [2_779_300, 2_779_700])
    bands = {"red": 1, "green": 2, "blue": 3}
    got, _, info = copied(tmp_path, path, bands=bands, bbox=[west, south, east, north])
    left, _, _, top = info.grid.bounds
    row, col = round((2_780_000 - top) * 2), round((left - 330_000) * 2)
    with rasterio.open(path) as source:
        there = source.read()[:, row : row + info.grid.height, col : col + info.grid.width]
    np.testing.assert_array_equal(got, there)
    assert info.grid.height > 780
