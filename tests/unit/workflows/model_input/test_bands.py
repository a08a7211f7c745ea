"""Bands are found however files name them, and never taken for others."""

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp

from tests.unit.workflows.model_input.conftest import RGB, S2, reflectance, write
from urbanseg.errors import PipelineError
from urbanseg.workflows.model_input.bands import known_as
from urbanseg.workflows.model_input.products import OLI

DN = (reflectance() * 1e4).astype("uint16")
R, G, B = ColorInterp.red, ColorInterp.green, ColorInterp.blue


def found(opened, path, spec=S2, **options):
    """The band of the image that each band of the model is."""
    with opened(path, spec, **options) as image:
        return [int(text.split()[1]) for text in image.report.bands.values()]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("B02", "blue"), ("b2", "blue"), ("Band 2", "blue"), ("BAND_08", "nir"), ("Blue", "blue"),
        ("NIR", "nir"),
        ("Near Infrared", "nir"), ("near-infrared band", "nir"), ("B2, central wavelength 490 nm", "blue"),
        ("B8, central wavelength 842 nm", "nir"), ("Sentinel-2 B04", "red"), ("B04_10m", "red"),
        ("T32TMT_20220601T103031_B08_10m", "nir"), ("B02 (blue)", "blue"), ("Band 4 - Red", "red"),
        ("Red Edge 1", "rededge"), ("red_edge", "rededge"), ("B8A", "nir08"), ("coastal_blue", "coastal"),
        ("surface reflectance green", "green"), ("B02_median", "blue"), ("SCL", "scl"),
        ("red minus nir", "red minus nir"), ("ndvi", "ndvi"), ("elevation", "elevation"),
    ],
)  # fmt: skip
def test_names_of_bands_are_read(text, name):
    assert known_as(text, {}).replace("_", " ") == name.replace("_", " ")


@pytest.mark.parametrize(
    ("text", "name"), [("SR_B5", "nir"), ("B05", "nir"), ("SR_B4", "red"), ("red", "red")]
)
def test_names_of_bands_of_landsat_are_its_own(text, name):
    assert known_as(text, OLI) == name


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["nir", "red", "green", "blue"], [4, 3, 2, 1]),
        (["B2", "B3", "B4", "B8"], [1, 2, 3, 4]),
        (["Band 8", "Band 4", "Band 3", "Band 2"], [4, 3, 2, 1]),
        (["B2, central wavelength 490 nm", "B3, central wavelength 560 nm",
          "B4, central wavelength 665 nm", "B8, central wavelength 842 nm"], [1, 2, 3, 4]),
        (["coastal_blue", "blue", "green_i", "green", "yellow", "red", "rededge", "nir"], [2, 4, 6, 8]),
        (["B03", "B02", "B04", "B8A"], [2, 1, 3, 4]),
        (["Blue", "GREEN", "red", "Nir"], [1, 2, 3, 4]),
        (["blue ", "B3", "b04", "B08"], [1, 2, 3, 4]),
    ],
)  # fmt: skip
def test_descriptions_count(opened, tmp_path, names, expected):
    path = write(tmp_path / "a.tif", np.resize(DN, (len(names), *DN.shape[1:])), names)
    assert found(opened, path, scale="1", force=True) == expected


def test_metadata_and_wavelengths_of_bands_count(opened, tmp_path):
    path = write(tmp_path / "a.tif", DN)
    with rasterio.open(path, "r+") as file:
        for number, name in enumerate(("nir", "red", "green", "blue"), start=1):
            file.update_tags(number, **{"eo:common_name": name})
    assert found(opened, path, force=True) == [4, 3, 2, 1]
    path = write(tmp_path / "b.tif", DN)
    with rasterio.open(path, "r+") as file:
        for number, centre in enumerate((835, 660, 555, 0.482), start=1):
            file.update_tags(number, wavelength=centre)
    assert found(opened, path, force=True) == [4, 3, 2, 1]


def test_colours_count_for_what_no_description_names(opened, tmp_path):
    picture = (DN[:3] // 20).astype("uint8")
    plain = write(tmp_path / "a.tif", picture, pixel=0.5, colors=[B, G, R])
    assert found(opened, plain, RGB) == [3, 2, 1]
    false = write(tmp_path / "b.tif", picture, ["nir", "red", "green"], pixel=0.5, colors=[R, G, B])
    with pytest.raises(PipelineError, match="blue is missing"):
        found(opened, false, RGB)


def test_colours_count_where_descriptions_only_number_the_bands(opened, tmp_path):
    names = ["Band_1", "Band_2", "Band_3"]
    path = write(tmp_path / "a.tif", (DN[:3] // 20).astype("uint8"), names, pixel=0.5, colors=[B, G, R])
    assert found(opened, path, RGB) == [3, 2, 1]


def test_the_layout_of_a_known_product_counts(opened, tmp_path):
    naip = (np.resize(DN, (4, *DN.shape[1:])) // 20).astype("uint8")
    path = write(tmp_path / "m_4709963_se_14_1_20120731.tif", naip, pixel=0.6, photometric="minisblack")
    assert found(opened, path, RGB) == [1, 2, 3]
    nameless = write(tmp_path / "field.tif", naip, pixel=0.6, photometric="minisblack", alpha="no")
    with pytest.raises(PipelineError, match=r"say which is which with --bands.*red=1,green=2,blue=3"):
        found(opened, nameless, RGB)
    three = write(tmp_path / "three.tif", naip[:3], pixel=0.6, photometric="minisblack")
    assert found(opened, three, RGB) == [1, 2, 3]
    planet = write(
        tmp_path / "20230601_1_00_24_3B_AnalyticMS_SR_clip.tif", DN, pixel=3, photometric="minisblack"
    )
    assert found(opened, planet.rename(tmp_path / "20230601_3B_AnalyticMS_SR.tif")) == [1, 2, 3, 4]


TEN = ["B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"]
LEVELS = {"B05": 0.12, "B06": 0.26, "B07": 0.31, "B8A": 0.34, "B11": 0.2, "B12": 0.1, "B01": 0.03, "B09": 0.3}


def spectrum(names, levels=LEVELS):
    """Bands in the order of names: those of the model true, others at a level."""
    own = dict(zip(S2.bands, DN, strict=True))
    return np.stack([own.get(name, np.full_like(DN[0], levels.get(name, 0) * 1e4)) for name in names])


@pytest.mark.parametrize(
    "order",
    [
        TEN,
        ["B02", "B03", "B04", "B08", "B05", "B06", "B07", "B8A", "B11", "B12"],
        ["B01", *TEN[:8], "B09", *TEN[8:]],
        ["B01", *TEN[:8], "B09", "B10", *TEN[8:]],
    ],
    ids=["by wavelength", "by pixel size", "12", "13"],
)
def test_the_order_of_all_bands_of_sentinel_2_is_told(opened, tmp_path, order):
    path = write(tmp_path / "a.tif", spectrum(order))
    assert found(opened, path) == [order.index(band) + 1 for band in S2.bands]


def test_ten_bands_whose_order_cannot_be_told_are_refused(opened, tmp_path):
    with pytest.raises(PipelineError, match="--bands"):
        found(opened, write(tmp_path / "a.tif", spectrum(TEN, dict.fromkeys(LEVELS, 0.2))))


@pytest.mark.parametrize(
    ("pixels", "options", "why"),
    [
        (DN[:1], {}, "has a single band .* grey alone does not tell land cover"),
        ((DN[:3] // 20), {"dtype": "uint8", "photometric": "RGB"},
         "has the bands red, green, blue, but .* B08 is missing; name a model with --model"),
        (DN[:2] // 20, {"dtype": "uint8", "alpha": "yes"}, "has a single band"),
        (DN, {"photometric": "minisblack"}, "say which is which with --bands"),
        (DN, {"names": ["red", "green", "blue", "red"]}, "B08 is missing"),
        (DN, {"names": ["red", "green", "blue", "nir"], "dtype": "complex64"}, "complex64 values"),
        (np.concatenate([DN, DN[:1]]), {"names": ["red", "green", "blue", "nir", "red"]},
         "has 2 bands that are called red; say which one is meant with --bands"),
    ],
    ids=["grey", "photo", "grey with alpha", "nameless", "none", "complex", "twice"],
)  # fmt: skip
def test_what_lacks_a_band_is_refused_in_a_sentence(opened, tmp_path, pixels, options, why):
    pixels = pixels.astype(options.pop("dtype", "uint16"))
    path = write(tmp_path / "a.tif", pixels, **options)
    with pytest.raises(PipelineError, match=rf"a\.tif {why}|{why}"):
        found(opened, path)


def test_a_palette_is_told_what_to_do(opened, tmp_path):
    path = write(tmp_path / "a.tif", (DN[:1] // 40).astype("uint8"), photometric="palette")
    with rasterio.open(path, "r+") as file:
        file.write_colormap(1, {i: (i, i, i, 255) for i in range(256)})
    with pytest.raises(PipelineError, match="gdal_translate -expand rgb"):
        found(opened, path, RGB)


def test_bands_are_given_by_numbers_through_all_files(opened, tmp_path):
    files = [write(tmp_path / f"{name}.tif", DN[i : i + 1]) for i, name in enumerate("wxyz")]
    with opened(files, bands="blue=1,B03=2,red=3,nir=4") as image:
        np.testing.assert_array_equal(image.read(), DN)
    with pytest.raises(PipelineError, match="has 4 bands; --bands asks for 5"):
        opened(files, bands="blue=1,B03=2,red=3,nir=5").__enter__()
