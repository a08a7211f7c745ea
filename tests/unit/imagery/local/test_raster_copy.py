"""Any GeoTIFF becomes a scene, with its missing pixels missing, or one sentence says why not."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import Transformer
from rasterio.enums import ColorInterp

from urbanseg.config.scene import LocalScene
from urbanseg.errors import PipelineError
from urbanseg.imagery.local import raster_copy
from urbanseg.io import raster

UTM = "EPSG:32640"
TRANSFORM = Affine(2, 0, 330_000, 0, -2, 2_790_000)


def write(path: Path, values: np.ndarray, **profile: Any) -> Path:
    """A GeoTIFF of ``(bands, height, width)`` values."""
    count, height, width = values.shape
    settings = {"crs": UTM, "transform": TRANSFORM, "dtype": values.dtype.name} | profile
    with rasterio.open(
        path, "w", driver="GTiff", count=count, height=height, width=width, **settings
    ) as file:
        file.write(values)
    return path


def noise(dtype: str, count: int = 3, height: int = 60, width: int = 80) -> np.ndarray:
    rng = np.random.default_rng(3)
    return (rng.random((count, height, width)) * 200).astype(dtype)


def copied(tmp_path: Path, path: Path, **params: Any) -> tuple[np.ndarray, np.ndarray, raster.RasterInfo]:
    """Values, validity and description of the copy."""
    scene = LocalScene.model_validate({"provider": "local", "path": path, "bands": {"red": 1}} | params)
    target = tmp_path / "out" / "scene.tif"
    target.parent.mkdir(exist_ok=True)
    grid = raster_copy.copy(scene, target, target.with_name("scl.tif"))
    with raster.reading(target) as file:
        assert file.grid.same_as(grid)
        return file.read(), file.valid(), file.info


@pytest.mark.parametrize("dtype", raster_copy.DTYPES)
def test_pixels_are_copied_as_they_are_band_by_name(dtype: str, tmp_path: Path) -> None:
    values = noise(dtype)
    got, valid, info = copied(tmp_path, write(tmp_path / "in.tif", values), bands={"nir": 3, "red": 1})
    np.testing.assert_array_equal(got, values[[2, 0]])
    assert valid.all()
    assert info.descriptions == ("nir", "red")
    assert info.dtype == dtype


def test_the_fourth_band_of_an_8_bit_scene_is_not_taken_for_alpha(tmp_path: Path) -> None:
    values = noise("uint8", count=4)
    values[3, :20] = 0
    path = write(tmp_path / "in.tif", values, photometric="minisblack")
    got, valid, _ = copied(tmp_path, path, bands={"red": 1, "green": 2, "blue": 3, "nir": 4})
    np.testing.assert_array_equal(got, values)
    assert valid.all()


def test_a_scene_larger_than_a_window_is_copied_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raster_copy, "WINDOW", 16)
    values = noise("uint8")
    got, _, _ = copied(tmp_path, write(tmp_path / "in.tif", values), bands={"a": 1, "b": 2, "c": 3})
    np.testing.assert_array_equal(got, values)


def test_the_nodata_value_of_the_file_is_kept_and_that_of_the_parameters_wins(tmp_path: Path) -> None:
    values = noise("uint16") + 1
    values[0, :10], values[0, 10:20] = 7, 9
    path = write(tmp_path / "in.tif", values, nodata=7)
    _, valid, info = copied(tmp_path, path)
    assert info.nodata == 7
    np.testing.assert_array_equal(valid, values[0] != 7)
    got, valid, info = copied(tmp_path, path, nodata=9)
    assert info.nodata == 9
    np.testing.assert_array_equal(valid, values[0] != 9)
    np.testing.assert_array_equal(got[0], values[0])


def test_pixels_under_an_alpha_band_become_nodata_and_black_ones_stay_data(tmp_path: Path) -> None:
    values = noise("uint8", count=4)
    values[:3, 30:] = 0
    values[3] = 255
    values[3, :, :25] = 0
    path = write(tmp_path / "in.tif", values, photometric="RGB")
    with rasterio.open(path, "r+") as file:
        file.colorinterp = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
    got, valid, info = copied(tmp_path, path, bands={"red": 1, "green": 2, "blue": 3})
    assert info.nodata == 0
    np.testing.assert_array_equal(valid, values[3] > 0)
    assert (got[:, 30:, 25:] == 1).all()
    bright = (values[:3] > 0) & (values[3] > 0)
    np.testing.assert_array_equal(got[bright], values[:3][bright])


def test_a_mask_of_a_floating_point_file_becomes_nan(tmp_path: Path) -> None:
    values = noise("float32") - 100
    path = write(tmp_path / "in.tif", values)
    mask = np.full(values.shape[1:], 255, np.uint8)
    mask[5:9] = 0
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as file:
        file.write_mask(mask)
    got, valid, info = copied(tmp_path, path)
    assert info.nodata is not None
    assert np.isnan(info.nodata)
    np.testing.assert_array_equal(valid, mask > 0)
    np.testing.assert_array_equal(got[0][valid], values[0][valid])


def test_a_bbox_takes_all_whole_pixels_that_it_touches(tmp_path: Path) -> None:
    values = noise("uint8")
    path = write(tmp_path / "in.tif", values)
    x, y = [330_041.0, 330_079.0], [2_789_921.0, 2_789_961.0]
    lon, lat = Transformer.from_crs(UTM, 4326, always_xy=True).transform(x, y)
    got, _, info = copied(tmp_path, path, bbox=[lon[0], lat[0], lon[1], lat[1]])
    left, bottom, right, top = info.grid.bounds
    assert left <= x[0] < x[1] <= right
    assert bottom <= y[0] < y[1] <= top
    assert (right - left, top - bottom) == pytest.approx((40, 42), abs=4)
    row, col = round((2_790_000 - top) / 2), round((left - 330_000) / 2)
    np.testing.assert_array_equal(
        got[0], values[0, row : row + info.grid.height, col : col + info.grid.width]
    )


def test_a_bbox_that_reaches_over_the_edge_is_cut_to_the_data(tmp_path: Path) -> None:
    values = noise("uint8")
    got, _, info = copied(tmp_path, write(tmp_path / "in.tif", values), bbox=[50, 20, 60, 30])
    assert info.grid.shape == (60, 80)
    np.testing.assert_array_equal(got[0], values[0])


@pytest.mark.parametrize(
    ("profile", "params", "sentence"),
    [
        ({}, {"bbox": [10, 10, 11, 11]}, "bbox 10, 10, 11, 11 lies outside .*in.tif, which covers 5"),
        ({}, {"bands": {"red": 1, "nir": 4}}, r"in.tif has 3 bands, but bands.nir asks for band 4"),
        ({}, {"nodata": -5}, r"nodata -5 is no uint8 value"),
        ({}, {"nodata": 1.5}, r"nodata 1.5 is no uint8 value"),
        ({"nodata": 77}, {}, "every pixel is nodata"),
        ({"crs": None}, {}, "no coordinate reference system"),
    ],
)
def test_what_cannot_be_a_scene_is_refused_in_one_sentence_and_leaves_nothing(
    profile: dict[str, Any], params: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "in.tif", np.full((3, 60, 80), 77, np.uint8), **profile)
    with pytest.raises(PipelineError, match=sentence):
        copied(tmp_path, path, **params)
    assert not list((tmp_path / "out").iterdir())


def test_complex_values_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "in.tif", np.ones((1, 8, 8), np.complex64))
    with pytest.raises(PipelineError, match="complex64 values; convert it"):
        copied(tmp_path, path)


def test_missing_and_truncated_files_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"absent.tif does not exist"):
        copied(tmp_path, tmp_path / "absent.tif")
    path = write(
        tmp_path / "in.tif", noise("uint8", height=600, width=600), tiled=True, blockxsize=64, blockysize=64
    )
    path.write_bytes(path.read_bytes()[:150_000])
    with pytest.raises(PipelineError, match=r"truncated or damaged|may be damaged"):
        copied(tmp_path, path)
    assert not list((tmp_path / "out").iterdir())


def test_the_real_four_band_scene_is_copied_in_its_own_type(shared: Path, tmp_path: Path) -> None:
    path = min((shared / "naip").glob("*.tif"))
    got, valid, info = copied(tmp_path, path, bands={"red": 1, "green": 2, "blue": 3, "nir": 4})
    with rasterio.open(path) as source:
        np.testing.assert_array_equal(got, source.read())
        np.testing.assert_array_equal(valid, source.dataset_mask() > 0)
        assert info.grid.transform == source.transform
    assert info.dtype == "uint8"
