"""Images as data sets publish them: a band a file, several dates, clouds, sizes, and what is broken."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from urbanseg.config.folder import FolderScene
from urbanseg.errors import PipelineError
from urbanseg.imagery.local import image_files, image_folder
from urbanseg.io import raster

SPLITS = {"train": None, "val": ["b"], "test": ["c"]}


def write(path: Path, values: Any, dtype: str = "uint16", **profile: Any) -> None:
    """A GeoTIFF of ``(height, width)`` or ``(bands, height, width)``."""
    pixels = np.asarray(values, dtype)
    pixels = pixels[None] if pixels.ndim == 2 else pixels
    path.parent.mkdir(parents=True, exist_ok=True)
    size = {"count": len(pixels), "height": pixels.shape[1], "width": pixels.shape[2], "dtype": dtype}
    placed = {"crs": "EPSG:32633", "transform": from_origin(300_000, 5_400_000, 10, 10)}
    with rasterio.open(path, "w", driver="GTiff", **size, **placed, **profile) as out:
        out.write(pixels)


def scene(**about: Any) -> FolderScene:
    return FolderScene.model_validate({"provider": "folder", "resolution_m": 10, "splits": SPLITS} | about)


def laid(params: FolderScene, folder: Path) -> tuple[dict[str, np.ndarray], raster.RasterInfo, Path]:
    """The pixels of each image on the sheet, what the sheet is like, and where its clouds are."""
    images, files = image_folder.plan(params)
    target, scl = folder / "out.tif", folder / "scl.tif"
    image_folder.copy(images, files, params, target, scl)
    with raster.reading(target) as sheet:
        return {image.name: sheet.read(image.window) for image in images}, sheet.info, scl


@pytest.fixture
def by_band(tmp_path: Path) -> FolderScene:
    """Three images in the layout of BigEarthNet: 10 m bands of 120 pixels, 20 m bands of 60."""
    for number, name in enumerate("abc"):
        for band, side in {"B02": 120, "B8A": 60}.items():
            values = np.arange(side * side).reshape(side, side) % 251 + 100 * number + 1
            write(tmp_path / name / f"{name}_{band}.tif", values)
    return scene(images=f"{tmp_path}/{{id}}/{{id}}_{{band}}.tif", bands={"blue": "B02", "nir08": "B8A"})


def test_bands_in_files_of_their_own_are_put_together_at_the_finest_resolution(by_band, tmp_path):
    found, info, _ = laid(by_band, tmp_path)
    assert set(found) == {"a", "b", "c"}
    assert info.descriptions == ("blue", "nir08")
    assert (info.dtype, info.nodata) == ("uint16", 0)
    with rasterio.open(tmp_path / "b/b_B02.tif") as own, rasterio.open(tmp_path / "b/b_B8A.tif") as coarse:
        np.testing.assert_array_equal(found["b"][0], own.read(1))
        means = found["b"][1].reshape(60, 2, 60, 2).mean(axis=(1, 3))
        assert np.median(np.abs(means - coarse.read(1))) <= 1


def test_an_image_without_one_of_its_bands_is_named_or_skipped(by_band, tmp_path, caplog):
    (tmp_path / "a/a_B8A.tif").unlink()
    with pytest.raises(
        PipelineError, match=r"the image a of .* has no file of nir08; add it, or set scene\.skip"
    ):
        image_folder.plan(by_band)
    with caplog.at_level(logging.WARNING):
        images, _ = image_folder.plan(by_band.model_copy(update={"skip": ["damaged"]}))
    assert [image.name for image in images] == ["b", "c"]
    assert "1 images are skipped as incomplete: a (no file of nir08)" in caplog.text


def test_damaged_images_and_duplicates_are_listed_and_skipped(tmp_path, caplog):
    for name, value in {"a": 1, "b": 2, "c": 3, "d": 1}.items():
        write(tmp_path / f"{name}.tif", np.full((64, 64), value))
    (tmp_path / "e.tif").write_bytes((tmp_path / "a.tif").read_bytes()[:3000])
    params = scene(images=f"{tmp_path}/{{id}}.tif", bands={"grey": 1})
    with pytest.raises(PipelineError, match=r"e\.tif"):
        laid(params, tmp_path / "out")
    with caplog.at_level(logging.WARNING):
        images, _ = image_folder.plan(params.model_copy(update={"skip": ["damaged", "duplicates"]}))
    assert [image.name for image in images] == ["a", "b", "c"]
    assert "1 images are skipped as duplicates: d (the same bytes as a)" in caplog.text
    assert "1 images are skipped as damaged: e (" in caplog.text


@pytest.mark.parametrize(
    ("dtype", "values", "missing"),
    [
        ("uint8", [0, 7, 255], 0),
        ("uint16", [0, 7, 65535], 0),
        ("int16", [-32768, -5, 900], -32768),
        ("float32", [-25.5, 0, 3e4], np.nan),
    ],
)
def test_every_type_keeps_its_values_and_has_one_that_is_missing(tmp_path, dtype, values, missing):
    for name in "abc":
        write(tmp_path / f"{name}.tif", np.array(values)[:, None].repeat(3, 1), dtype)
    params = scene(images=f"{tmp_path}/{{id}}.tif", bands={"grey": 1})
    found, info, _ = laid(params, tmp_path)
    assert info.dtype == dtype
    np.testing.assert_equal(info.nodata, missing)
    raised = [values[0] + (dtype != "float32") * (values[0] == missing), *values[1:]]
    np.testing.assert_array_equal(found["a"][0, :, 0], np.array(raised, dtype))
    with raster.reading(tmp_path / "out.tif") as sheet:
        assert int(sheet.valid().sum()) == 27


def test_dates_are_samples_or_bands_or_a_median_without_clouds(tmp_path):
    for place in "abc":
        for number, date in enumerate(("20160401", "20160501", "20160601")):
            write(tmp_path / f"{place}_{date}.tif", np.full((64, 64), 10 * (number + 1)))
            mask = np.zeros((64, 64))
            mask[:8] = 3 if number == 1 else 0
            mask[0] = 3
            write(tmp_path / f"clouds/{place}_{date}.tif", mask, "uint8")
    pattern = f"{tmp_path}/{{id}}_{{date}}.tif"
    clouds = {"images": f"{tmp_path}/clouds/{{id}}_{{date}}.tif", "values": [1, 2, 3]}
    about = {"images": pattern, "bands": {"grey": 1}, "clouds": clouds}

    each, _, scl = laid(scene(**about), tmp_path / "each")
    assert len(each) == 9
    assert each["a/20160501"].max() == 20
    with raster.reading(scl) as codes:
        values, counts = np.unique(codes.read_band(), return_counts=True)
    assert dict(zip(values.tolist(), counts.tolist(), strict=True))[9] == 3 * 64 * (8 + 1 + 1)

    stacked, info, _ = laid(scene(**about, dates="stack"), tmp_path / "stack")
    assert info.descriptions == ("grey_1", "grey_2", "grey_3")
    assert stacked["b"][:, 5, 5].tolist() == [10, 20, 30]

    median, _, scl = laid(scene(**about, dates="median"), tmp_path / "median")
    assert sorted(median) == ["a", "b", "c"]
    assert median["c"][0, [20, 4], 0].tolist() == [20, 20]
    with raster.reading(scl) as codes:
        assert int((codes.read_band() == 9).sum()) == 3 * 64


def test_images_are_resampled_so_that_their_longest_side_is_as_long_as_is_asked_for(tmp_path):
    for name, shape in {"a": (90, 160), "b": (64, 64), "c": (9, 7)}.items():
        write(tmp_path / f"{name}.tif", np.full(shape, 9), "uint8")
    params = scene(images=f"{tmp_path}/{{id}}.tif", bands={"grey": 1}, resample_px=80)
    found, _, _ = laid(params, tmp_path)
    assert {name: pixels.shape[1:] for name, pixels in found.items()} == {
        "a": (45, 80),
        "b": (80, 80),
        "c": (80, 62),
    }
    assert all((pixels == 9).all() for pixels in found.values())


def test_a_sensor_beside_another_has_patterns_of_its_own(tmp_path):
    for place in "abc":
        write(tmp_path / f"s2/{place}.tif", np.stack([np.full((64, 64), k) for k in (3, 4)]))
        write(tmp_path / f"s1/s1_{place}.tif", np.full((2, 32, 32), -12.5), "float32")
    bands = {"B02": 1, "B03": 2, "VV": {"images": f"{tmp_path}/s1/s1_{{id}}.tif", "band": 2}}
    found, info, _ = laid(scene(images=f"{tmp_path}/s2/{{id}}.tif", bands=bands), tmp_path)
    assert info.dtype == "float32"
    assert found["a"][:, 9, 9].tolist() == [3, 4, -12.5]


def test_256_bands_lie_on_one_sheet(tmp_path):
    for name in "abc":
        write(tmp_path / f"{name}.tif", np.arange(256)[:, None, None].repeat(8, 1).repeat(8, 2) + 1)
    params = scene(images=f"{tmp_path}/{{id}}.tif", bands={f"b{i}": i for i in range(1, 257)})
    found, info, _ = laid(params, tmp_path)
    assert (info.count, found["a"][255, 0, 0]) == (256, 256)


@pytest.mark.parametrize(
    ("about", "sentence"),
    [
        ({"images": "x/{id}.tif", "bands": {"blue": "B02"}}, "bands.blue is text"),
        ({"images": "x/{id}_{band}.tif", "bands": {"blue": 1}}, "each of bands must be the text"),
        ({"images": "x/{id}.tif", "bands": {"blue": 1}, "dates": "stack"}, r"images has no \{date\}"),
    ],
)
def test_patterns_that_contradict_each_other_are_refused(about, sentence):
    with pytest.raises(ValueError, match=sentence):
        scene(**about)


def test_pixels_that_are_not_there_take_no_part_in_a_median():
    parts = [
        image_files.Pixels(
            np.full((1, 2, 2), value, np.uint16), np.array(valid, bool).reshape(2, 2), np.zeros((2, 2), bool)
        )
        for value, valid in ((10, [1, 1, 0, 0]), (40, [1, 0, 1, 0]))
    ]
    found = image_files._median(parts)
    assert found.bands.ravel()[:3].tolist() == [25, 10, 40]
    assert found.valid.ravel().tolist() == [True, True, True, False]
