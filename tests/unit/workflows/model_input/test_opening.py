"""Images of any grid come in the model's pixel sizes, under their masks, and results go back to their own."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp

from tests.conftest import whole_params
from tests.unit.io.counting import counting
from tests.unit.workflows.model_input.conftest import RGB, S2, UTM, reflectance, write
from urbanseg.classes import IGNORE
from urbanseg.errors import PipelineError
from urbanseg.grid import Window, strips
from urbanseg.infer.stitching import Strip
from urbanseg.labels.cloud_masks import DILATION_M, IGNORE_SCL
from urbanseg.model.spec import Spec
from urbanseg.workflows.model_input import resampling
from urbanseg.workflows.model_input.resampling import Resampled, resolution

NAMES = ["blue", "green", "red", "nir"]
TRUE = reflectance(120, 160)
DN = (TRUE * 1e4).astype("uint16")


def predicted(image, rows=64):
    """Strips as of a model that calls the darker pixels of the infrared 1."""
    for window in strips(image.grid.shape, rows):
        pixels, valid = image.read(window, image.bands), image.valid(window)
        classes = (pixels[-1] < 1200).astype(np.uint8)
        strip = Strip(window, {"classes": classes, "probabilities": np.stack([classes, 1 - classes])})
        strip.hide(~valid)
        yield strip


def on_own(image, rows=64):
    """The whole prediction on the image's own pixels."""
    parts = list(image.back(predicted(image, rows)))
    assert sum(part.window.height for part in parts) == image.own.height
    return np.concatenate([part.layers["classes"] for part in parts])


LAKE = TRUE[3] < 0.12
STATES = {
    "metric": {},
    "degrees": {"crs": "EPSG:4326", "transform": Affine(1.4e-4, 0, 9.1, 0, -9e-5, 48.8)},
    "web mercator": {"crs": "EPSG:3857", "transform": Affine(15, 0, 1_000_000, 0, -15, 6_200_000)},
    "rotated": {"transform": Affine(10, 0, 500_000, 0, -10, 5_400_000) @ Affine.rotation(25)},
    "south up": {"transform": Affine(10, 0, 500_000, 0, 10, 5_400_000)},
    "turned": {"transform": Affine(0, 10, 500_000, -10, 0, 5_400_000)},
    "fine": {"pixel": 2.5},
    "coarse": {"pixel": 30},
    "coarsest": {"pixel": 39},
    "in feet": {"crs": "EPSG:2263", "transform": Affine(33, 0, 990_000, 0, -33, 200_000)},
}


@pytest.mark.parametrize("state", STATES)
def test_results_go_back_to_the_pixels_of_the_image(opened, tmp_path, state):
    size = 4 if state == "fine" else 1
    pixels = np.repeat(np.repeat(DN, size, axis=1), size, axis=2)
    pixels[:, -9 * size :, 5 * size : 25 * size] = 0
    path = write(tmp_path / "a.tif", pixels, NAMES, nodata=0, **STATES[state])
    with opened(path) as image:
        classes = on_own(image)
        low, high = min(image.grid.pixel_m), max(image.grid.pixel_m)
        assert image.own.shape == pixels.shape[1:]
        assert (image.grid.same_as(image.own)) == (state == "metric")
    assert 4.9 <= low <= high <= 20.1
    lake = np.repeat(np.repeat(LAKE, size, axis=0), size, axis=1)
    missing = (pixels == 0).all(axis=0)
    np.testing.assert_array_equal(classes[missing], IGNORE)
    known = classes != IGNORE
    assert known[~missing].mean() > 0.985
    assert (classes == lake)[known].mean() > 0.96


@pytest.mark.parametrize("state", ["metric", "degrees", "rotated", "fine", "turned"])
def test_windows_are_parts_of_the_whole(opened, tmp_path, state):
    path = write(tmp_path / "a.tif", DN, NAMES, **STATES[state])
    with opened(path) as image:
        whole, valid = image.read(), image.valid()
        np.testing.assert_array_equal(on_own(image, 32), on_own(image, 1000))
        height, width = image.grid.shape
        for window in (Window(height // 2, width // 2, 7, 9), Window(height // 3, width // 3, 9, 13)):
            rows, cols = window.slices
            near = np.abs(image.read(window) - whole[:, rows, cols]) <= 0.02 * whole[:, rows, cols] + 1
            assert near[:, image.valid(window) & valid[rows, cols]].mean() > 0.97


def test_pixels_are_averaged_down_and_missing_ones_do_not_count(opened, tmp_path):
    fine = np.zeros((4, 64, 64), "uint16")
    fine[:, :, ::2], fine[:, :, 1::2] = 800, 2400
    fine[:, :8, 1::2] = 0
    fine[:, 8:16] = 0
    fine[:, 20:40, 30] = 60_000
    path = write(tmp_path / "a.tif", fine, NAMES, pixel=2.5, nodata=0)
    with opened(path, scale="1") as image:
        pixels, valid = image.read(), image.valid()
    assert image.grid.shape == (16, 16)
    np.testing.assert_allclose(pixels[:, :2], 800)
    np.testing.assert_array_equal(valid, np.arange(16)[:, None] // 2 != 1 + 0 * valid)
    np.testing.assert_allclose(pixels[:, 12:], 1600)


def test_memory_is_bounded_by_blocks(opened, tmp_path, monkeypatch):
    monkeypatch.setattr(resampling, "SOURCE_PX", 64 * 64)
    path = write(tmp_path / "a.tif", np.repeat(np.repeat(DN, 4, axis=1), 4, axis=2), NAMES, pixel=2.5)
    with opened(path) as image:
        source = image.source.source
        assert isinstance(source, Resampled)
        asked = []
        read = source.source.read
        monkeypatch.setattr(source.source, "read", lambda w: (asked.append(w.height * w.width), read(w))[1])
        first = image.read(Window(0, 0, 64, 160))
    assert max(asked) < 5 * 64 * 64
    np.testing.assert_allclose(first, (TRUE * 1e4)[:, :64], atol=1.1)


@pytest.mark.parametrize(
    ("pixel", "model", "why"),
    [
        (60, S2, r"has pixels of 60 m, but the model was trained on 10 m .* 6 times"),
        (5, RGB, r"has pixels of 5 m, but the model was trained on 0.5 m"),
        (0.1, S2, r"covers 12 × 16 m, which are fewer than 8 of the model's pixels of 10 m"),
    ],
)
def test_far_other_pixels_are_refused_unless_forced(opened, tmp_path, caplog, pixel, model, why):
    names = NAMES if model is S2 else ["red", "green", "blue"]
    pixels = DN if model is S2 else (DN[:3] // 20).astype("uint8")
    path = write(tmp_path / "a.tif", pixels, names, pixel=pixel)
    with pytest.raises(PipelineError, match=rf"a\.tif {why}.*--force"):
        opened(path, model).__enter__()
    with opened(path, model, force=True) as image:
        assert image.valid().any()
    assert "the model" in caplog.text


def test_much_finer_pixels_are_averaged_and_said(opened, tmp_path):
    with opened(write(tmp_path / "a.tif", DN, NAMES, pixel=1)) as image:
        assert image.grid.shape == (12, 16)
        assert "would see more of it" in image.report.warnings[-1]
        assert (image.report.pixel_m, image.report.model_pixel_m) == (1, 10)


@pytest.mark.parametrize(
    ("more", "pixel", "is_kept"),
    [
        ({}, 5, True), ({}, 20, True), ({}, 4.9, False), ({}, 21, False),
        ({"resolution_m": 20.0}, 40, True), ({"resolution_m": 20.0, "resolution_factor": 1.5}, 40, False),
        ({"resolution_m": 20.0, "resolution_factor": 1.0}, 20, True),
    ],
)  # fmt: skip
def test_the_range_of_a_model_counts(opened, tmp_path, more, pixel, is_kept):
    model = Spec(S2.bands, S2.mean, S2.std, S2.classes, "Unet", "x", **more)
    with opened(write(tmp_path / "a.tif", DN, NAMES, pixel=pixel), model) as image:
        assert image.grid.same_as(image.own) == is_kept
        if not is_kept:
            assert max(image.grid.pixel_m) == pytest.approx(resolution(model), rel=0.01)


@pytest.mark.parametrize("side", [16, 17, 31])
def test_small_images_are_read(opened, tmp_path, side):
    pixels = np.concatenate([DN[:, :8, :side], DN[:, 60 : 52 + side, :side]], axis=1)
    with opened(write(tmp_path / "a.tif", pixels, NAMES)) as image:
        np.testing.assert_array_equal(image.read(), pixels)


def test_bands_of_other_pixel_sizes_are_brought_to_the_finest(opened, tmp_path):
    half = DN.reshape(4, 60, 2, 80, 2).mean(axis=(2, 4)).astype("uint16")
    for name, band in zip(("B02", "B03", "B04"), DN, strict=False):
        write(tmp_path / f"{name}_10m.tif", band[None], nodata=0)
    write(tmp_path / "B8A_20m.tif", half[3:], pixel=20, nodata=0)
    with opened(tmp_path) as image:
        pixels, small = image.read(), image.decimated(50)
        assert image.grid.shape == (120, 160)
        assert "the narrow near infrared in its place" in image.report.bands["B08"]
    np.testing.assert_array_equal(pixels[:3], DN[:3])
    np.testing.assert_allclose(pixels[3, 1:-1, 1:-1].mean(), DN[3].mean(), rtol=0.02)
    assert small.shape == (4, 38, 50)


@pytest.mark.parametrize("place", ["beside", "inside", "given", "coarse", "degrees"])
def test_a_mask_hides_clouds_and_what_is_close(opened, tmp_path, place):
    scl = np.full((1, 120, 160), 5, "uint8")
    scl[:, 60:80, 40:60] = 9
    mask, options, pixels, names = tmp_path / "a_SCL.tif", {}, DN, NAMES
    if place == "inside":
        pixels, names = np.concatenate([DN, scl]).astype("uint16"), [*NAMES, "SCL"]
    elif place == "coarse":
        write(mask, scl[:, ::2, ::2], pixel=20)
    elif place == "given":
        options = {"mask": f"cloud={write(tmp_path / 'x.tif', (scl == 9).astype('uint8'))}"}
    else:
        write(mask, scl, **(STATES["degrees"] if place == "degrees" else {}))
    path = write(tmp_path / "a.tif", pixels, names, **(STATES["degrees"] if place == "degrees" else {}))
    with opened(path, **options) as image:
        classes = on_own(image)
        parts = np.concatenate([image.valid(w) for w in strips(image.grid.shape, 16)])
        np.testing.assert_array_equal(parts, image.valid())
        assert image.report.mask
    hidden = classes == IGNORE
    assert hidden[60:80, 40:60].all()
    assert hidden[70, 38]
    assert not hidden[70, 33]
    assert hidden.mean() < 0.05


def test_a_mask_elsewhere_is_refused(opened, tmp_path):
    path = write(tmp_path / "a.tif", DN, NAMES)
    far = write(tmp_path / "x.tif", np.ones((1, 9, 9), "uint8"), crs="EPSG:32640")
    with pytest.raises(PipelineError, match=r"x\.tif covers no part of .*a\.tif; .*--mask"):
        opened(path, mask=f"valid={far}").__enter__()


def picture(path, height=40, width=60, alpha=False):
    pixels = np.random.default_rng(0).integers(30, 220, (height, width, 3 + alpha)).astype("uint8")
    if alpha:
        pixels[:10, :, 3] = 0
    Image.fromarray(pixels).save(path)
    return pixels.transpose(2, 0, 1)


def test_an_image_without_a_place_keeps_its_pixels(opened, tmp_path):
    pixels = picture(tmp_path / "a.png", alpha=True)
    with opened(tmp_path / "a.png", RGB) as image:
        np.testing.assert_array_equal(image.read(), pixels[:3])
        np.testing.assert_array_equal(image.valid(), pixels[3] > 0)
        assert not image.report.is_placed
        assert image.report.pixel_m is None


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_the_pixel_size_of_an_image_without_a_place_can_be_said(opened, tmp_path):
    picture(tmp_path / "a.png", alpha=True)
    mask = np.zeros((1, 40, 60), "uint8")
    mask[:, 30:] = 1
    write(tmp_path / "m.tif", mask, crs=None, transform=Affine.identity())
    with opened(tmp_path / "a.png", RGB, pixel_m=0.2, mask=f"cloud={tmp_path / 'm.tif'}") as image:
        assert image.grid.shape == (16, 24)
        assert image.report.pixel_m == 0.2
        assert sum(image.own.pixel_m) == pytest.approx(0.4)
        classes = on_own(image)
    assert classes.shape == (40, 60)
    assert (classes[:10] == IGNORE).all()
    assert (classes[30:] == IGNORE).all()
    picture(tmp_path / "b.png", 41)
    with pytest.raises(PipelineError, match=r"m\.tif does not say where it lies and has 40 × 60 pixels"):
        opened(tmp_path / "b.png", RGB, mask=f"cloud={tmp_path / 'm.tif'}").__enter__()


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_ground_control_points_place_an_image_in_the_range_of_the_model(opened, tmp_path):
    path = write(tmp_path / "a.tif", DN, NAMES, crs=None, transform=Affine.identity())
    place = Affine(3, 0.2, 500_000, 0.2, -3, 5_400_000)
    corners = [(0, 0), (0, 160), (120, 0), (120, 160)]
    points = [GroundControlPoint(r, c, *(place @ (c, r)), 0.0) for r, c in corners]
    with rasterio.open(path, "r+") as file:
        file.gcps = points, rasterio.crs.CRS.from_epsg(32632)
    with opened(path, drafts=tmp_path) as image:
        assert image.report.is_placed
        assert image.report.model_pixel_m == 10
        classes = on_own(image)
    assert (classes == 1).sum() / (classes != IGNORE).sum() == pytest.approx(1 / 6, abs=0.02)
    assert [file.name for file in tmp_path.iterdir()] == ["a.tif"]


def test_alpha_of_an_image_in_degrees_is_respected(opened, tmp_path):
    pixels = np.full((4, 50, 60), 200, "uint8")
    pixels[:3, :, ::3] = 40
    pixels[3, :, 50:] = 0
    colors = [ColorInterp[name] for name in ("red", "green", "blue", "alpha")]
    transform = Affine(4e-6, 0, 9.1, 0, -4e-6, 48.8)
    path = write(tmp_path / "a.tif", pixels, crs="EPSG:4326", transform=transform, colors=colors)
    with opened(path, RGB) as image:
        classes = on_own(image)
    np.testing.assert_array_equal(classes[:, 50:], IGNORE)
    assert (classes[:, :50] != IGNORE).mean() > 0.97


def test_the_report_says_what_was_found(opened, tmp_path):
    with opened(write(tmp_path / "a.tif", DN, NAMES, crs=UTM)) as image:
        said = image.report.to_json()
    assert said["bands"]["B08"] == "band 4 of a.tif (by its description)"
    assert said["is_placed"] is True
    assert said["pixel_m"] == 10
    assert said["warnings"] == []


def test_bands_at_addresses_are_one_scene(opened, tmp_path):
    served = tmp_path / "served"
    for name, band in zip(("B02", "B03", "B04", "B08"), DN, strict=True):
        write(served / f"{name}.tif", band[None], nodata=0)
    with counting(tmp_path, str(served)) as server:
        addresses = [Path(f"{server.url}/{name}.tif") for name in ("B02", "B03", "B04", "B08")]
        with opened(addresses) as image:
            np.testing.assert_array_equal(image.read(), DN)
        assert {asked.split("/")[-1] for asked in server.asked()} == {path.name for path in addresses}


def test_what_masks_hide_by_default_is_what_the_pipeline_ignores():
    labels = whole_params()["labels"]
    assert list(IGNORE_SCL) == labels["ignore_scl"]
    assert labels["cloud_dilation_m"] == DILATION_M


@pytest.mark.parametrize(
    ("pattern", "bands", "mask", "stored", "nodata"),
    [
        ("HLS.L30.T32TMT.2020209T103031.v2.0.{}", ["B02", "B03", "B04", "B05"], ("Fmask", 2),
         lambda r: (r * 1e4).round().astype("int16"), -9999),
        ("HLS.S30.T32TMT.2020209T103031.v2.0.{}", ["B02", "B03", "B04", "B8A"], ("Fmask", 2),
         lambda r: (r * 1e4).round().astype("int16"), -9999),
        ("LC08_L2SP_194027_20200601_20200824_02_T1_{}", ["SR_B2", "SR_B3", "SR_B4", "SR_B5"], ("QA_PIXEL", 8),
         lambda r: ((r + 0.2) / 2.75e-5).round().astype("uint16"), 0),
        ("LT05_L2SP_194027_20000601_20200824_02_T1_{}", ["SR_B1", "SR_B2", "SR_B3", "SR_B4"], ("QA_PIXEL", 8),
         lambda r: ((r + 0.2) / 2.75e-5).round().astype("uint16"), 0),
        ("T32TMT_20190601T103031_{}_10m", ["B02", "B03", "B04", "B08"], ("SCL", 9),
         lambda r: (r * 1e4).round().astype("uint16"), None),
    ],
    ids=["HLS L30", "HLS S30", "Landsat 8", "Landsat 5", "Sentinel-2"],
)  # fmt: skip
def test_products_of_a_file_for_each_band_are_one_scene_with_their_mask(
    opened, tmp_path, pattern, bands, mask, stored, nodata
):
    values = stored(TRUE)
    values[:, :, :4] = nodata or 0
    for name, band in zip(bands, values, strict=True):
        write(tmp_path / f"{pattern.format(name)}.tif", band[None], nodata=nodata)
    codes = np.full((1, 120, 160), {"SCL": 4}.get(mask[0], 0), "uint16" if mask[0] == "QA_PIXEL" else "uint8")
    codes[:, 60:80, 40:60] = mask[1]
    write(tmp_path / f"{pattern.format(mask[0])}.tif", codes)
    with opened(tmp_path) as image:
        pixels, valid = image.read(), image.valid()
    np.testing.assert_allclose(pixels[:, :, 4:], (TRUE * 1e4)[:, :, 4:], atol=1)
    assert not valid[:, :4].any()
    assert not valid[60:80, 40:60].any()
    assert valid[:, 4:].mean() > 0.94
