"""What is missing, and the type of a scene, is said by all its chosen bands, never by the first alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import Transformer
from rasterio.enums import ColorInterp

from tests.unit.imagery.local.test_raster_copy import TRANSFORM, UTM, copied, noise, write
from urbanseg.io import raster

LOWEST = np.finfo(np.float32).min
WARPED: dict[str, Any] = {"resolution_m": 1}
"""Each rule holds for a scene that is warped, too: here onto pixels a quarter as large."""


def stack(folder: Path, bands: list[tuple[np.ndarray, float | None]], place: str | None = None) -> Path:
    """A VRT of bands with a type and a nodata value each."""
    types = {"uint8": "Byte", "uint16": "UInt16", "int16": "Int16", "float32": "Float32"}
    text = place or f"<SRS>{UTM}</SRS><GeoTransform>330000,2,0,2790000,0,-2</GeoTransform>"
    for number, (values, nodata) in enumerate(bands, start=1):
        write(folder / f"{number}.tif", values[np.newaxis])
        tag = "" if nodata is None else f"<NoDataValue>{nodata}</NoDataValue>"
        text += (
            f'<VRTRasterBand dataType="{types[values.dtype.name]}" band="{number}">{tag}<SimpleSource>'
            f'<SourceFilename relativeToVRT="1">{number}.tif</SourceFilename><SourceBand>1</SourceBand>'
            "</SimpleSource></VRTRasterBand>"
        )
    height, width = bands[0][0].shape
    path = folder / "stack.vrt"
    path.write_text(f'<VRTDataset rasterXSize="{width}" rasterYSize="{height}">{text}</VRTDataset>')
    return path


@pytest.mark.parametrize("warp", [{}, WARPED], ids=["as it is", "warped"])
@pytest.mark.parametrize(
    ("types", "bands", "dtype"),
    [
        (("uint8", "uint16", "uint16"), {"red": 2, "nir": 3}, "uint16"),
        (("uint8", "uint16", "uint16"), {"scl": 1, "nir": 3}, "uint16"),
        (("uint16", "uint8", "uint8"), {"red": 2}, "uint8"),
        (("uint8", "uint16", "float32"), {"red": 2, "height": 3}, "float32"),
        (("int16", "uint16", "uint16"), {"a": 1, "b": 2}, "int32"),
    ],
    ids=str,
)
def test_the_type_holds_all_chosen_bands(
    types: tuple[str, ...], bands: dict[str, int], dtype: str, warp: dict[str, Any], tmp_path: Path
) -> None:
    values = [noise(name, 1)[0] + (40_000 if name == "uint16" else 1) for name in types]
    values = [band.astype(name) for band, name in zip(values, types, strict=True)]
    path = stack(tmp_path, [(band, None) for band in values])
    got, valid, info = copied(tmp_path, path, bands=bands, resampling="nearest", **warp)
    assert info.dtype == dtype
    assert valid.all()
    factor = 2 if warp else 1
    for found, number in zip(got, bands.values(), strict=True):
        np.testing.assert_array_equal(found[::factor, ::factor], values[number - 1])


@pytest.mark.parametrize("warp", [{}, WARPED], ids=["as it is", "warped"])
def test_each_band_has_its_own_nodata_value(warp: dict[str, Any], tmp_path: Path) -> None:
    codes, red, nir = (noise(name, 1)[0] + 1 for name in ("uint8", "uint16", "float32"))
    codes[:] = 0
    red[:20] = 65535
    nir[:10] = -9999
    nir[30:40] = 65535
    path = stack(tmp_path, [(codes, 0), (red, 65535), (nir, -9999)])
    _, valid, info = copied(tmp_path, path, bands={"red": 2, "nir": 3}, resampling="nearest", **warp)
    factor = 2 if warp else 1
    assert not valid[: 10 * factor].any()
    assert valid[10 * factor :].all()
    assert np.isnan(info.nodata or 0)


@pytest.mark.parametrize("warp", [{}, WARPED], ids=["as it is", "warped"])
def test_water_that_is_nodata_in_one_band_is_data(warp: dict[str, Any], tmp_path: Path) -> None:
    values = noise("uint8") + 20
    values[0, 20:40] = 0
    values[:, 50:] = 0
    path = write(tmp_path / "in.tif", values, nodata=0)
    bands = {"red": 1, "green": 2, "blue": 3}
    got, valid, info = copied(tmp_path, path, bands=bands, resampling="nearest", **warp)
    factor = 2 if warp else 1
    assert valid[: 50 * factor].all()
    assert not valid[50 * factor :].any()
    assert info.nodata == 0
    np.testing.assert_array_equal(got[1, ::factor, ::factor], values[1])


@pytest.mark.parametrize("warp", [{}, WARPED], ids=["as it is", "warped"])
@pytest.mark.parametrize(
    ("nodata", "missing"),
    [
        (None, np.nan),
        (None, np.inf),
        (None, -np.inf),
        (None, LOWEST),
        (-3.40282e38, LOWEST),
        (-3.4028235e38, LOWEST),
        (-9999.9, -9999.9),
        (-9999.0, np.nan),
        (-1.7976931348623157e308, LOWEST),
    ],
)
def test_what_is_no_number_and_nodata_within_rounding_is_missing(
    nodata: float | None, missing: float, warp: dict[str, Any], tmp_path: Path
) -> None:
    values = noise("float32")
    values[:, :20] = missing
    path = stack(tmp_path, [(band, nodata) for band in values])
    got, valid, _ = copied(tmp_path, path, bands={"a": 1, "b": 2, "c": 3}, **warp)
    factor = 2 if warp else 1
    assert not valid[: 20 * factor].any()
    assert valid[21 * factor :].all()
    assert np.abs(got[:, valid]).max() <= 200


@pytest.mark.parametrize("nodata", [-9999, 300, 0.5])
def test_a_nodata_value_that_the_type_cannot_hold_marks_nothing(nodata: float, tmp_path: Path) -> None:
    path = stack(tmp_path, [(noise("uint8", 1)[0], nodata)])
    _, valid, info = copied(tmp_path, path)
    assert valid.all()
    assert info.nodata is None


@pytest.mark.parametrize("nodata", [0, None])
def test_alpha_and_nodata_hold_both(nodata: float | None, tmp_path: Path) -> None:
    values = noise("uint8", count=4) + 1
    values[3] = 255
    values[3, :10] = 0
    values[:3, 10:20] = 0
    path = write(tmp_path / "in.tif", values, photometric="RGB", nodata=nodata)
    with rasterio.open(path, "r+") as file:
        file.colorinterp = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
    _, valid, _ = copied(tmp_path, path, bands={"red": 1, "green": 2, "blue": 3})
    assert not valid[:10].any()
    assert valid[10:20].all() == (nodata is None)
    assert valid[20:].all()


def test_a_chosen_band_is_no_alpha_whatever_the_file_calls_it(tmp_path: Path) -> None:
    values = noise("uint8", count=4) + 1
    values[3, :10] = 0
    path = write(tmp_path / "in.tif", values, photometric="RGB", alpha="yes")
    got, valid, _ = copied(tmp_path, path, bands={"red": 1, "nir": 4})
    assert valid.all()
    np.testing.assert_array_equal(got, values[[0, 3]])


def test_negative_values_under_a_mask_stay(tmp_path: Path) -> None:
    path = write(tmp_path / "in.tif", noise("int16") - 100)
    mask = np.full((60, 80), 255, np.uint8)
    mask[:5] = 0
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as file:
        file.write_mask(mask)
        values = file.read(1)
    got, valid, _ = copied(tmp_path, path)
    np.testing.assert_array_equal(valid, mask > 0)
    np.testing.assert_array_equal(got[0][valid], np.where(values == 0, 1, values)[valid])


@pytest.mark.parametrize(
    ("resolution", "rule"), [(1, "bilinear"), (2.01, "bilinear"), (4, "average"), (7, "average")]
)
def test_finer_pixels_are_interpolated_and_coarser_ones_averaged(
    resolution: float, rule: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "in.tif", noise("float32"))
    by_itself, *_ = copied(tmp_path, path, resolution_m=resolution)
    chosen, *_ = copied(tmp_path, path, resolution_m=resolution, resampling=rule)
    nearest, *_ = copied(tmp_path, path, resolution_m=resolution, resampling="nearest")
    np.testing.assert_array_equal(by_itself, chosen)
    assert not np.array_equal(by_itself, nearest, equal_nan=True)


def test_an_area_of_a_warped_scene_is_as_in_the_whole(tmp_path: Path) -> None:
    path = write(tmp_path / "in.tif", noise("uint8", 1, 300, 400), transform=TRANSFORM @ Affine.rotation(20))
    whole, _, around = copied(tmp_path, path)
    window = raster.Window(150, 200, 40, 50)
    part = around.grid.window(window)
    to_degrees = Transformer.from_crs(UTM, 4326, always_xy=True).transform_bounds(*part.bounds)
    got, _, info = copied(tmp_path, path, bbox=to_degrees)
    row, col = (round(v) for v in (~around.grid.transform @ (info.grid.transform @ (0, 0)))[::-1])
    np.testing.assert_array_equal(got[0], whole[0, row : row + got.shape[1], col : col + got.shape[2]])
    assert got.shape[1] < 60
