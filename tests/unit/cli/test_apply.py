import numpy as np
import pytest
import rasterio
import segmentation_models_pytorch as smp
import torch
from affine import Affine
from PIL import Image
from pyproj import CRS
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp
from scipy.ndimage import gaussian_filter

from tests.conftest import ROOT
from urbanseg import paths
from urbanseg.cli.main import execute
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid
from urbanseg.infer import backends, export
from urbanseg.infer.images import class_table, other_units, parse_bands, select_bands
from urbanseg.infer.predictor import TorchPredictor
from urbanseg.io import cog, raster
from urbanseg.model import domain, segmenter
from urbanseg.model.card import Card
from urbanseg.model.spec import Spec
from urbanseg.workflows.model_input import bands
from urbanseg.workflows.model_input.opening import open_for_model
from urbanseg.workflows.model_input.sources import gather

NAMES = ["other", "building", "road"]
HEIGHT, WIDTH = 70, 90


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(1)
    network = smp.Unet(
        "resnet18", encoder_weights=None, encoder_depth=3, decoder_channels=(16, 8, 8), classes=3
    )
    spec = segmenter.Spec(
        ["red", "green", "blue"], [120.0] * 3, [60.0] * 3, NAMES, "Unet", "resnet18", made_with={"torch": "2"}
    )
    folder = tmp_path_factory.mktemp("model") / "segmenter"
    segmenter.save(folder, segmenter.Segmenter(network, 1), spec, Card(cities=["x"]))
    return folder


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 255, (3, HEIGHT, WIDTH)).astype(np.uint8)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run(*words):
    execute(["apply", *map(str, words)])


def write_geotiff(path, pixels, names=(), nodata=None):
    grid = Grid(CRS.from_epsg(32640), Affine(0.5, 0, 320000, 0, -0.5, 2780000), *pixels.shape[1:])
    with cog.writing(
        path, grid, dtype=pixels.dtype, count=len(pixels), descriptions=names, nodata=nodata
    ) as writer:
        writer.write(pixels)
    return grid


def test_an_image_without_a_place_gets_classes_confidence_and_a_picture(model, pixels, tmp_path):
    Image.fromarray(pixels.transpose(1, 2, 0)).save("photo.png")
    run("photo.png", tmp_path / "out", "--model", model)
    with raster.reading(tmp_path / "out/classes.tif") as classes:
        assert classes.grid.shape == (HEIGHT, WIDTH)
        found = classes.read_band()
        assert classes.dataset.colormap(1)[1][:3] != (0, 0, 0)
    assert found.max() < len(NAMES)
    with Image.open(tmp_path / "out/preview.png") as picture:
        assert picture.size == (WIDTH, HEIGHT)
    assert raster.describe(tmp_path / "out/confidence.tif").dtype == "uint8"


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
    assert (found[30:] < len(NAMES)).all()


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


def test_a_single_band_in_other_units_is_warned_of(model, pixels, tmp_path, caplog):
    stack = pixels.astype(np.uint16)
    stack[0] *= 40
    write_geotiff(tmp_path / "scene.tif", stack, ["red", "green", "blue"])
    with open_for_model(gather([tmp_path / "scene.tif"])[0], segmenter.load(model)[1], scale="1") as image:
        assert len(image.report.warnings) == 1
    assert "the band red is around" in caplog.text
    assert "the band blue is around" not in caplog.text


def test_an_image_that_is_unlike_the_training_is_warned_of_and_far_from_it_refused(
    model, pixels, tmp_path, caplog
):
    spec = segmenter.load(model)[1]
    smooth = np.stack(
        [gaussian_filter(np.random.default_rng(i).normal(size=(256, 256)), 3) for i in range(3)]
    )
    training = 120 + 60 * smooth / smooth.std()
    known = domain.statistics(domain.tiles(training, np.ones((256, 256), bool)), spec)
    (tmp_path / paths.EXPORT).mkdir(parents=True)  # as the export stage leaves them
    domain.write(tmp_path / paths.EXPORT, {"segmenter_sha256": backends.digest(model)} | known)
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


REFLECTANCE = Spec(
    ["B02", "B03", "B04", "B08"],
    [1105.1, 1278.8, 1289.1, 2552.4],
    [588.6, 661.7, 848.8, 1140.7],
    NAMES, "Unet", "resnet18",
)  # fmt: skip
"""Bands of the embedded city as it was trained on."""


@pytest.mark.parametrize(
    ("medians", "spread"),
    [
        ((909, 1077, 1076, 2552), 0.3),  # the embedded city
        ((1615, 1796, 1970, 2726), 0.2),  # the oasis
        ((430, 770, 410, 4940), 0.3),  # Aberystwyth
        ((450, 300, 150, 80), 0.1),  # the open sea
        ((2200, 2900, 3800, 4600), 0.1),  # sand
        ((8200, 8000, 7900, 6500), 0.1),  # half of it snow
    ],
    ids=str,
)
def test_true_scenes_of_other_places_are_in_the_same_units(medians, spread):
    rng = np.random.default_rng(0)
    sample = [middle * rng.lognormal(0, spread, 4000) for middle in medians]
    assert other_units(sample, REFLECTANCE) is None
    for factor in (1e-4, 1e-1 if max(medians) < 5000 else 1e-2, 100):
        assert "in other units" in (other_units([band * factor for band in sample], REFLECTANCE) or "")


def test_the_real_scenes_are_told_from_their_scaled_copies(shared):
    folder = shared / "s2_aberystwyth"
    with raster.reading(folder / "sen2_20210527_aber.tif") as image:
        sample = image.decimated(400, [1, 2, 3, 7]).data.reshape(4, -1).astype(float)
        assert "far smaller" in other_units(list(sample), REFLECTANCE)
        assert other_units(list(sample * 10), REFLECTANCE) is None
    for path in (shared / "naip").glob("*.tif"):
        with (
            pytest.raises(PipelineError, match=r"far smaller than .* B02 .* against 1105 ± 588.6"),
            open_for_model(gather([path])[0], REFLECTANCE),
        ):
            pass


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
    assert (found[40:] < len(NAMES)).all()


def test_water_that_is_nodata_in_one_band_gets_a_class(model, pixels, tmp_path):
    stack = np.maximum(pixels, 1)
    stack[0, :20] = 0
    stack[:, 40:] = 0
    write_geotiff(tmp_path / "scene.tif", stack, ["red", "green", "blue"], nodata=0)
    run("scene.tif", "out", "--model", model)
    with rasterio.open("out/classes.tif") as classes:
        found = classes.read(1)
    assert (found[:40] < len(NAMES)).all()
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
    assert (found[:, 50:] < len(NAMES)).mean() > 0.97
    with rasterio.open("out/confidence.tif") as confidence:
        np.testing.assert_array_equal(confidence.read(1) == 255, found == 255)


def test_several_images_are_refused(model, pixels, tmp_path):
    for name in "abcd":
        Image.fromarray(pixels.transpose(1, 2, 0)).save(f"{name}.png")
    with pytest.raises(PipelineError, match=r"4 images are given \(a, b, c …\), but apply takes one"):
        run(tmp_path, "out", "--model", model)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("side", [16, 33])
def test_small_images_have_a_map(model, pixels, side):
    Image.fromarray(pixels[:, :side, :side].transpose(1, 2, 0)).save("photo.png")
    run("photo.png", "out", "--model", model)
    with rasterio.open("out/classes.tif") as classes:
        assert (classes.read(1) < len(NAMES)).all()
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
        "confidence.qml", "preview.png",
    }  # fmt: skip


def test_a_placeholder_is_said_in_the_log(model, pixels, tmp_path, caplog):
    Image.fromarray(pixels.transpose(1, 2, 0)).save("photo.png")
    run("photo.png", tmp_path / "out", "--model", model)
    assert "photo.png has no coordinate reference system and no georeference: the result gets" in caplog.text
    assert "EPSG:32631" in caplog.text


@pytest.mark.parametrize(
    "names", [["Blue", "GREEN", "red"], ["B2", "b03", "B04"], ["b02", "B3", "Red"], ["blue ", "Green", "B4"]]
)
def test_bands_are_found_by_any_of_their_names(pixels, tmp_path, names):
    write_geotiff(tmp_path / "scene.tif", pixels, names)
    with raster.reading(tmp_path / "scene.tif") as image:
        spec = Spec(["B04", "green", "BLUE"], [0] * 3, [1] * 3, NAMES, "Unet", "resnet18")
        assert [place.number for place in bands.find([image], spec)] == [3, 2, 1]
        assert select_bands(image.info.descriptions, spec, "scene") == [3, 2, 1]


def test_colours_count_where_descriptions_say_nothing(model, tmp_path):
    profile = {"count": 3, "height": HEIGHT, "width": WIDTH, "dtype": "uint8", "crs": CRS(32640)}
    with rasterio.open("scene.tif", "w", driver="GTiff", transform=AFFINE, **profile) as file:
        file.descriptions = ["Band_1", "Band_2", "Band_3"]
        file.colorinterp = [ColorInterp.blue, ColorInterp.green, ColorInterp.red]
    with raster.reading(tmp_path / "scene.tif") as image:
        assert [place.number for place in bands.find([image], segmenter.load(model)[1])] == [3, 2, 1]


def test_a_photo_for_a_model_of_four_bands_is_told_what_to_do(pixels, tmp_path):
    Image.fromarray(pixels.transpose(1, 2, 0)).save("photo.png")
    with (
        raster.reading(tmp_path / "photo.png", CRS(32631)) as image,
        pytest.raises(
            PipelineError, match=r"red, green, blue, but .* B08 is missing; name a model with --model"
        ),
    ):
        bands.find([image], REFLECTANCE)


def test_it_runs_on_the_back_end_of_the_parameters(model, pixels, tmp_path, monkeypatch):
    text = (ROOT / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text.replace("  backend: torch ", "  backend: onnx "))
    Image.fromarray(pixels.transpose(1, 2, 0)).save("photo.png")
    with pytest.raises(PipelineError, match=r"onnx/segmenter\.onnx does not exist; add onnx to export\.form"):
        run("photo.png", "out", "--model", model)
    network, spec = segmenter.load(model)
    paths.EXPORT.mkdir(parents=True)
    export.write(paths.EXPORT, ["onnx"], model, network, spec, list)
    monkeypatch.setattr(TorchPredictor, "__call__", None)
    run("photo.png", "out", "--model", model)
    assert raster.describe(tmp_path / "out/classes.tif").grid.shape == (HEIGHT, WIDTH)


def test_an_exported_model_runs_by_its_own_back_end_alone(model, pixels, tmp_path):
    network, spec = segmenter.load(model)
    export.write(tmp_path, ["onnx"], model, network, spec, list)
    Image.fromarray(pixels.transpose(1, 2, 0)).save("photo.png")
    run("photo.png", "out", "--model", "onnx", "--backend", "onnx")
    with pytest.raises(PipelineError, match="onnx holds the format onnx, which no other back end runs"):
        run("photo.png", "other", "--model", "onnx", "--backend", "openvino")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("text", ["red", "red=a", "=1", "red=1;green=2"])
def test_bands_that_do_not_read_are_refused(text):
    with pytest.raises(PipelineError, match="--bands must read like red=1"):
        parse_bands(text)


def test_classes_without_colours_get_distinct_ones():
    table = class_table([f"class{i}" for i in range(12)], None)
    assert len({c.color for c in table}) == 12
    assert class_table(table.names, table) is table


@pytest.mark.parametrize("name", ["thesis.txt", "classes.tif"])
def test_files_of_somebody_else_in_the_folder_are_kept(model, pixels, tmp_path, name):
    Image.fromarray(pixels.transpose(1, 2, 0)).save("photo.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("mine")
    with pytest.raises(PipelineError, match=f"out holds {name}"):
        run("photo.png", "out", "--model", model)
    assert (tmp_path / "out" / name).read_text() == "mine"
    assert len(list((tmp_path / "out").iterdir())) == 1
