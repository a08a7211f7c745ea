"""Kinds of images that `urbanseg map` takes, and what it says of those that it refuses."""

from shutil import copytree

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image
from pyproj import CRS
from rasterio.control import GroundControlPoint
from scipy.ndimage import gaussian_filter

from tests.conftest import ROOT
from tests.unit.workflows.painted import CLASSES, sign, write_model
from urbanseg import paths
from urbanseg.cli.main import execute
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid
from urbanseg.infer import backends
from urbanseg.io import cog, raster
from urbanseg.model import domain
from urbanseg.model.spec import FILE, read_spec

HEIGHT, WIDTH = 70, 90

pytestmark = [
    pytest.mark.usefixtures("elsewhere"),
    pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning"),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model") / "onnx", mean=[120.0] * 3)


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 255, (3, HEIGHT, WIDTH)).astype(np.uint8)


def run(*words):
    execute(["map", *map(str, words), "--only", "classes,confidence"])


def write_geotiff(path, pixels, names=(), nodata=None):
    grid = Grid(CRS.from_epsg(32640), Affine(0.5, 0, 320000, 0, -0.5, 2780000), *pixels.shape[1:])
    with cog.writing(
        path, grid, dtype=pixels.dtype, count=len(pixels), descriptions=names, nodata=nodata
    ) as writer:
        writer.write(pixels)
    return grid


def test_a_geotiff_keeps_its_place_and_gives_what_the_same_png_gives(model, pixels, tmp_path):
    Image.fromarray(pixels.transpose(1, 2, 0)).save("photo.png")
    grid = write_geotiff(tmp_path / "scene.tif", pixels[::-1], ["blue", "green", "red"])
    run("photo.png", "a", "--model", model)
    run("scene.tif", "b", "--model", model)
    with raster.reading(tmp_path / "b/classes.tif") as placed, rasterio.open("a/classes.tif") as lost:
        assert placed.grid.same_as(grid)
        np.testing.assert_array_equal(placed.read_band(), lost.read(1))


def test_bands_can_be_said_by_hand_and_nodata_stays_unknown(model, pixels, tmp_path):
    stack = np.maximum(pixels, 1)[[2, 0, 1]]
    stack[:, :30] = 0
    write_geotiff(tmp_path / "scene.tif", stack, nodata=0)
    run("scene.tif", "out", "--model", model, "--bands", "red=2,green=3,blue=1")
    with rasterio.open("out/classes.tif") as classes:
        found = classes.read(1)
    assert (found[:30] == 255).all()
    assert (found[30:] < len(CLASSES)).all()


def test_a_missing_band_is_named_with_the_option_that_helps(model, pixels, tmp_path):
    write_geotiff(tmp_path / "scene.tif", pixels, ["red", "nir", "swir16"])
    with pytest.raises(PipelineError, match=r"green, blue is missing; say which is which with --bands"):
        run("scene.tif", "out", "--model", model)
    write_geotiff(tmp_path / "scene.tif", pixels[:2], ["red", "nir"])
    with pytest.raises(PipelineError, match=r"green, blue is missing; name a model with --model"):
        run("scene.tif", "out", "--model", model)
    with pytest.raises(PipelineError, match="has 2 bands; --bands asks for 3"):
        run("scene.tif", "out", "--model", model, "--bands", "red=1,green=2,blue=3")


@pytest.mark.parametrize(
    ("change", "size"),
    [
        (lambda p: p.astype(np.uint16) * 40, "far larger than"),
        (lambda p: (p / 2550).astype(np.float32), "far smaller than"),
        (lambda p: (p * 0.2 - 500).astype(np.float32), "far from"),
    ],
)
def test_an_image_in_other_units_is_refused_unless_forced(model, pixels, tmp_path, caplog, change, size):
    write_geotiff(tmp_path / "scene.tif", change(pixels), ["red", "green", "blue"])
    with pytest.raises(PipelineError, match=rf"scene\.tif holds values {size}.*against 120 ± 60.*--force"):
        run("scene.tif", "out", "--model", model)
    assert not (tmp_path / "out").exists()
    if size == "far from":
        run("scene.tif", "out", "--model", model, "--force")
        assert "the band red is around" in caplog.text
        assert "trained on 120 ± 60" in caplog.text


def test_an_image_that_is_unlike_the_training_is_warned_of_and_far_from_it_refused(
    model, pixels, tmp_path, caplog
):
    model = copytree(model, tmp_path / "onnx")
    spec = read_spec(model)
    smooth = np.stack(
        [gaussian_filter(np.random.default_rng(i).normal(size=(256, 256)), 3) for i in range(3)]
    )
    training = 120 + 60 * smooth / smooth.std()
    known = domain.statistics(domain.tiles(training, np.ones((256, 256), bool)), spec)
    domain.write(model, known)
    sign(model)
    for name, image in (("noise", pixels), ("alike", training), ("unlike", 100 + 0.4 * training)):
        write_geotiff(tmp_path / f"{name}.tif", image.clip(0, 255).astype(np.uint8), ["red", "green", "blue"])
    with pytest.raises(
        PipelineError, match=r"noise\.tif is nothing like .* \(distance \d.*pixel to pixel.*--force"
    ):
        run("noise.tif", "out", "--model", model)
    assert not (tmp_path / "out").exists()
    run("noise.tif", "out", "--model", model, "--force")
    assert "nothing like" in caplog.text
    caplog.clear()
    run("alike.tif", "out", "--model", model)
    assert "what the model was trained on" not in caplog.text
    run("unlike.tif", "out", "--model", model)
    assert "unlike.tif is unlike what the model was trained on (distance " in caplog.text
    assert "look at the result" in caplog.text


@pytest.mark.parametrize("missing", [np.nan, np.inf, np.finfo(np.float32).min])
def test_what_is_no_number_stays_unknown(model, pixels, tmp_path, missing):
    stack = pixels.astype(np.float32)
    stack[:, :30] = missing
    stack[1, 30:40] = missing
    write_geotiff(tmp_path / "scene.tif", stack, ["red", "green", "blue"])
    run("scene.tif", "out", "--model", model)
    with rasterio.open("out/classes.tif") as classes:
        found = classes.read(1)
    assert (found[:40] == 255).all()
    assert (found[40:] < len(CLASSES)).all()


def test_water_that_is_nodata_in_one_band_gets_a_class(model, pixels, tmp_path):
    stack = np.maximum(pixels, 1)
    stack[0, :20] = 0
    stack[:, 40:] = 0
    write_geotiff(tmp_path / "scene.tif", stack, ["red", "green", "blue"], nodata=0)
    run("scene.tif", "out", "--model", model)
    with rasterio.open("out/classes.tif") as classes:
        found = classes.read(1)
    assert (found[:40] < len(CLASSES)).all()
    assert (found[40:] == 255).all()


def test_bands_in_a_file_each_in_degrees_are_mapped_on_their_own_pixels(model, pixels, tmp_path):
    folder = tmp_path / "scene"
    folder.mkdir()
    place = Affine(1e-5, 0, 55.0, 0, -1e-5, 25.0)
    scl = np.where(np.arange(WIDTH) < 20, 9, 4) * np.ones((HEIGHT, 1))
    for name, band in zip(("B04", "B03", "B02", "SCL"), [*pixels, scl.astype(np.uint8)], strict=True):
        with rasterio.open(
            folder / f"{name}.tif", "w", driver="GTiff", count=1, height=HEIGHT, width=WIDTH, dtype="uint8",
            crs=CRS(4326), transform=place,
        ) as file:  # fmt: skip
            file.write(band, 1)
    run(folder, "out", "--model", model)
    with rasterio.open("out/classes.tif") as classes:
        found = classes.read(1)
        assert classes.transform.almost_equals(place)
        assert classes.crs.to_epsg() == 4326
    assert found.shape == (HEIGHT, WIDTH)
    assert (found[:, :20] == 255).all()
    assert (found[:, 50:] < len(CLASSES)).mean() > 0.97
    with rasterio.open("out/confidence.tif") as confidence:
        np.testing.assert_array_equal(confidence.read(1) == 255, found == 255)


@pytest.mark.parametrize("side", [16, 33])
def test_small_images_have_a_map(model, pixels, side):
    Image.fromarray(pixels[:, :side, :side].transpose(1, 2, 0)).save("photo.png")
    run("photo.png", "out", "--model", model)
    with rasterio.open("out/classes.tif") as classes:
        assert (classes.read(1) < len(CLASSES)).all()
        assert classes.shape == (side, side)


def test_a_scale_is_applied(model, pixels, tmp_path):
    write_geotiff(tmp_path / "a.tif", pixels, ["red", "green", "blue"])
    write_geotiff(tmp_path / "b.tif", pixels.astype(np.uint16) * 40 + 100, ["red", "green", "blue"])
    run("a.tif", "a", "--model", model)
    run("b.tif", "b", "--model", model, "--scale", "0.025,-2.5")
    with rasterio.open("a/classes.tif") as one, rasterio.open("b/classes.tif") as other:
        assert (one.read(1) == other.read(1)).mean() > 0.999


AFFINE = Affine(0.5, 0.1, 320000, 0.1, -0.5, 2780000)


def test_an_affine_without_a_crs_is_kept(model, pixels, tmp_path, caplog):
    image = pixels.transpose(1, 2, 0)
    Image.fromarray(image).save("photo.jpg", quality=95)
    a, b, _, d, e, _ = AFFINE[:6]
    centre = AFFINE @ (0.5, 0.5)
    (tmp_path / "photo.jgw").write_text("\n".join(map(str, (a, d, b, e, *centre))))
    profile = {"count": 3, "height": HEIGHT, "width": WIDTH, "dtype": "uint8"}
    with rasterio.open(
        "scene.tif", "w", driver="GTiff", transform=AFFINE, photometric="RGB", **profile
    ) as file:
        file.write(pixels)
    for name in ("photo.jpg", "scene.tif"):
        run(name, name[:5], "--model", model)
        with rasterio.open(f"{name[:5]}/classes.tif") as classes:
            assert classes.transform.almost_equals(AFFINE, 1e-6)
            assert classes.crs is None
        assert f"{name} has no coordinate reference system; the result keeps its coordinates" in caplog.text


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_ground_control_points_place_the_result(model, pixels, tmp_path, caplog):
    corners = [(0, 0), (0, WIDTH), (HEIGHT, 0), (HEIGHT, WIDTH)]
    points = [GroundControlPoint(row, col, *(AFFINE @ (col, row)), 0.0) for row, col in corners]
    profile = {"count": 3, "height": HEIGHT, "width": WIDTH, "dtype": "uint8", "photometric": "RGB"}
    with rasterio.open("photo.tif", "w", driver="GTiff", **profile) as file:
        file.write(pixels)
        file.gcps = points, rasterio.crs.CRS.from_epsg(32640)
    caplog.set_level("INFO")
    run("photo.tif", "out", "--model", model)
    with raster.reading(tmp_path / "out/classes.tif") as classes:
        assert classes.grid.crs.to_epsg() == 32640
        assert classes.grid.centre == pytest.approx(AFFINE @ (WIDTH / 2, HEIGHT / 2), abs=1)
        known = classes.read_band() != 255
        area = known.sum() * classes.grid.resolution**2
    assert area == pytest.approx(WIDTH * HEIGHT * abs(AFFINE.determinant), rel=0.05)
    assert "warped by its ground control points to WGS 84 / UTM zone 40N" in caplog.text
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        ".urbanseg.json", "classes.tif", "classes.tif.aux.xml", "classes.qml", "confidence.tif",
        "confidence.qml",
    }  # fmt: skip


def test_it_runs_on_the_back_end_of_the_parameters(pixels, tmp_path):
    text = (ROOT / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text.replace("  backend: torch ", "  backend: onnx "))
    Image.fromarray(pixels.transpose(1, 2, 0)).save("photo.png")
    for path in write_model(paths.MODEL).iterdir():
        if path.name != FILE:
            path.unlink()
    with pytest.raises(PipelineError, match=r"onnx/segmenter\.onnx does not exist; add onnx to export\.form"):
        run("photo.png", "out", "--model", "project")
    exported = write_model(paths.EXPORT / "onnx")
    sign(exported, backends.digest(paths.MODEL))
    run("photo.png", "out", "--model", "project")
    with rasterio.open("out/classes.tif") as classes:
        assert classes.shape == (HEIGHT, WIDTH)


def test_an_exported_model_runs_by_its_own_back_end_alone(model, pixels, tmp_path):
    Image.fromarray(pixels.transpose(1, 2, 0)).save("photo.png")
    run("photo.png", "out", "--model", model, "--backend", "onnx")
    with pytest.raises(PipelineError, match="onnx holds the format onnx, which no other back end runs"):
        run("photo.png", "other", "--model", model, "--backend", "openvino")
    assert not (tmp_path / "other").exists()
