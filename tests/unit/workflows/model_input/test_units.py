"""Every product's numbers become those of the model's training, or one sentence says why not."""

import numpy as np
import pytest
import rasterio

from tests.unit.workflows.model_input.conftest import RGB, S2, reflectance, write
from urbanseg.errors import PipelineError
from urbanseg.model.spec import Spec
from urbanseg.workflows.model_input.units import full, parse_scale

NAMES = ["blue", "green", "red", "nir"]
TRUE = reflectance() * 1e4


def bright(pixels=TRUE):
    """The same without a lake or shade."""
    return np.maximum(pixels, np.array([1100, 1300, 1500, 1900])[:, None, None])


@pytest.mark.parametrize(
    ("name", "stored", "said"),
    [
        ("a.tif", TRUE.astype("uint16"), "reflectance × 10000, as the darkest"),
        ("a.tif", (TRUE + 1000).astype("uint16"), r"reflectance × 10000 \+ 1000"),
        ("a.tif", (TRUE / 10).astype("uint16"), "reflectance × 1000:"),
        ("a.tif", (TRUE / 1e4).astype("float32"), "reflectance from 0 to 1"),
        ("a.tif", (TRUE / 1e4).astype("float64"), "reflectance from 0 to 1"),
        ("a.tif", (TRUE / 100).astype("float32"), "reflectance in percent"),
        ("a.tif", TRUE.astype("float32"), "reflectance × 10000"),
        ("S2A_MSIL2A_20210601T103031_N0300_R108_T32TMT_20210601T135300.tif", TRUE.astype("uint16"),
         "reflectance × 10000, by its processing baseline"),
        ("S2A_MSIL2A_20230601T103031_N0509_R108_T32TMT_20230601T135300.tif", (TRUE + 1000).astype("uint16"),
         r"reflectance × 10000 \+ 1000, by its processing baseline"),
        ("S2A_MSIL2A_20230601T103031_N0509_R108_T32TMT_20230601T135300.tif",
         (bright() + 1000).astype("uint16"), r"\+ 1000, by its processing baseline"),
        ("20230601_101112_00_2455_3B_AnalyticMS_SR.tif", TRUE.astype("uint16"), "in PlanetScope"),
        ("20230601_101112_00_2455_3B_AnalyticMS_SR_harmonized_clip.tif", bright().astype("uint16"),
         "in PlanetScope"),
        ("HLS.S30.T32TMT.2020209T103031.v2.0.tif", TRUE.astype("int16"), "in HLS S30"),
        ("LC08_L2SP_194027_20200601_20200824_02_T1_SR.tif", ((TRUE / 1e4 + 0.2) / 2.75e-5).astype("uint16"),
         "as in Landsat 8/9"),
    ],
)  # fmt: skip
def test_each_product_is_known_and_converted(opened, tmp_path, name, stored, said):
    truth = bright() if stored.min() in {1100, 2100} else TRUE
    stored = stored.copy()
    stored[:, :, :3] = -9999 if "HLS" in name else 0
    is_float = stored.dtype.kind == "f"
    if is_float:
        stored[:, :, :3] = np.nan
    path = write(tmp_path / name, stored, NAMES)
    with opened(path) as image:
        pixels, valid = image.read(), image.valid()
        assert image.own.same_as(image.grid)
        small = image.decimated(40)
        assert said.replace("\\", "") in image.report.units
    assert not valid[:, :3].any()
    assert valid[:, 3:].all()
    error = np.abs(pixels - truth)[:, valid]
    assert error.max() <= (10.1 if "1000:" in said else 1.1)
    assert np.ma.median(small) == pytest.approx(np.median(truth), rel=0.1)


@pytest.mark.parametrize("dtype", ["uint16", "int16"])
def test_scale_and_offset_of_the_metadata_count(opened, tmp_path, dtype):
    path = write(tmp_path / "a.tif", (TRUE / 2 + 500).astype(dtype), NAMES)
    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets = (2e-4,) * 4, (-0.1,) * 4
    with opened(path) as image:
        assert np.abs(image.read() - TRUE).max() < 2.1
        assert "its metadata say that a number times 0.0002 plus -0.1 is reflectance" in image.report.units


@pytest.mark.parametrize("tags", [{"PROCESSING_BASELINE": "05.09"}, {"BOA_ADD_OFFSET": "-1000"}])
def test_the_offset_of_the_metadata_counts(opened, tmp_path, tags):
    path = write(tmp_path / "a.tif", (bright() + 1000).astype("uint16"), NAMES)
    with rasterio.open(path, "r+") as file:
        file.update_tags(**tags)
    with opened(path) as image:
        np.testing.assert_array_equal(image.read(), bright().astype("uint16"))


@pytest.mark.parametrize(
    ("stored", "why"),
    [
        (bright(TRUE).astype("uint16"), r"--scale 1 or --scale 1,-1000, or add --force"),
        ((TRUE / 25).clip(0, 255).astype("uint8"), r"8 bits are no reflectance.*--model.*--scale"),
        ((TRUE * 30).clip(0, 65535).astype("uint16"), r"far larger than.*--scale"),
        ((TRUE / 15 + 110).astype("uint16"), r"far smaller than.*--scale"),  # a raw sensor with path radiance
    ],
    ids=["offset or not", "8 bits", "radiance", "raw"],
)
def test_what_is_ambiguous_is_refused_and_taken_with_scale_or_force(opened, tmp_path, caplog, stored, why):
    path = write(tmp_path / "a.tif", stored, NAMES)
    with pytest.raises(PipelineError, match=rf"a\.tif .*{why}"), opened(path):
        pass
    with opened(path, force=True) as image:
        np.testing.assert_array_equal(image.read(), stored)
    assert "mapped nevertheless" in caplog.text
    factor = float(np.median(TRUE) / np.median(stored))
    with opened(path, scale=f"{factor},0") as image:
        assert image.read().mean() == pytest.approx(stored.mean() * factor, rel=0.01)


@pytest.mark.parametrize("scale", ["100", "0.0001", "1,-9000"])
def test_a_scale_that_gives_other_units_is_refused(opened, tmp_path, scale):
    path = write(tmp_path / "a.tif", TRUE.astype("uint16"), NAMES)
    with pytest.raises(PipelineError, match=r"in other units, if its numbers are multiplied by"):
        opened(path, scale=scale).__enter__()


def test_radiance_of_planet_is_refused(opened, tmp_path):
    path = write(tmp_path / "20230601_1_00_24_3B_AnalyticMS_clip.tif", TRUE.astype("uint16"))
    with pytest.raises(PipelineError, match="PlanetScope radiance, no surface reflectance"):
        opened(path).__enter__()


def test_level_1c_is_warned_of(opened, tmp_path):
    path = write(tmp_path / "S2A_MSIL1C_20210601T103031_N0300_R108_T32TMT.tif", TRUE.astype("uint16"), NAMES)
    with opened(path) as image:
        assert "Level-1C" in image.report.warnings[0]


COLORS = (reflectance()[[2, 1, 0]] * 900).clip(5, 255).round()


@pytest.mark.parametrize(
    ("stored", "is_guess"),
    [
        (COLORS.astype("uint8"), False),
        (COLORS.astype("uint16"), True),
        ((COLORS / 255).astype("float32"), False),
        (COLORS.astype("float32"), True),
    ],
    ids=["uint8", "uint16", "0 to 1", "float"],
)
def test_colours_are_taken_as_8_bits(opened, tmp_path, stored, is_guess):
    path = write(tmp_path / "a.tif", stored, ["red", "green", "blue"], pixel=0.5)
    with opened(path, RGB) as image:
        np.testing.assert_allclose(image.read(), COLORS, atol=0.01)
        assert image.read().dtype == (np.float32 if stored.max() <= 1 else stored.dtype)
        assert any("are taken for" in image.report.units for _ in "x") == is_guess


@pytest.mark.parametrize("stored", [(COLORS * 64).astype("uint16"), (COLORS / 800).astype("float32")])
def test_colours_of_another_depth_are_refused_with_a_scale_that_works(opened, tmp_path, stored):
    path = write(tmp_path / "a.tif", stored, ["red", "green", "blue"], pixel=0.5)
    with pytest.raises(PipelineError, match=r"--scale \S+, which makes the brightest 2 % white") as caught:
        opened(path, RGB).__enter__()
    scale = str(caught.value).split("such as --scale ")[1].split(",")[0]
    with opened(path, RGB, scale=scale) as image:
        assert 100 < np.percentile(image.read(), 98) < 260


@pytest.mark.parametrize(
    ("text", "found"), [("10", (10, 0)), ("1,-1000", (1, -1000)), (" 2.5 , 1e2", (2.5, 100))]
)
def test_scales_are_read(text, found):
    assert parse_scale(text) == found


@pytest.mark.parametrize("text", ["x", "0", "-1", "1,2,3", "nan", "1,inf", ""])
def test_scales_that_do_not_read_are_refused(text):
    with pytest.raises(PipelineError, match="--scale must read like 10 or 1,-1000"):
        parse_scale(text)


def spec(bands, mean, **more):
    return Spec(bands, [float(mean)] * len(bands), [1.0] * len(bands), ["a", "b"], "Unet", "x", **more)


@pytest.mark.parametrize(
    ("model", "unit"),
    [
        (S2, "reflectance_10000"),
        (RGB, "uint8"),
        (spec(["red", "green", "blue"], 120), "uint8"),
        (spec(["B04", "B03", "B02"], 1200), "reflectance_10000"),
        (spec(["B04", "B08"], 0.2), "reflectance"),
        (spec(["red", "nir"], 120), None),
        (spec(["red", "green", "blue"], 0.4), None),
        (spec(["red", "green", "blue"], 0.4, units="reflectance"), "reflectance"),
    ],
)
def test_units_of_models_are_those_noted_or_told_by_their_means(model, unit):
    found = full(model)
    assert (found and found[0]) == unit


@pytest.mark.parametrize("dtype", ["uint16", "int16"])
def test_an_image_of_zeros_is_missing_everywhere(opened, tmp_path, dtype):
    with opened(write(tmp_path / "a.tif", np.zeros((4, 64, 64), dtype), NAMES)) as image:
        assert not image.valid().any()
        assert "holds no measurement" in image.report.units
