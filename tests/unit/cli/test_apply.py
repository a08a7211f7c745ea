import numpy as np
import pytest
import rasterio
import segmentation_models_pytorch as smp
import torch
from affine import Affine
from PIL import Image
from pyproj import CRS

from tests.conftest import ROOT
from urbanseg import paths
from urbanseg.cli.main import execute
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid
from urbanseg.infer import export
from urbanseg.infer.images import class_table, parse_bands
from urbanseg.infer.predictor import TorchPredictor
from urbanseg.io import cog, raster
from urbanseg.model import segmenter
from urbanseg.model.card import Card

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
    write_geotiff(tmp_path / "scene.tif", pixels[:2], ["red", "nir"])
    with pytest.raises(PipelineError, match=r"green, blue is missing; say which is which with --bands"):
        run("scene.tif", "out", "--model", model)
    with pytest.raises(PipelineError, match="has 2 bands; --bands asks for 3"):
        run("scene.tif", "out", "--model", model, "--bands", "red=1,green=2,blue=3")


def test_an_image_in_other_units_is_warned_of(model, pixels, tmp_path, caplog):
    write_geotiff(tmp_path / "scene.tif", pixels.astype(np.uint16) * 40, ["red", "green", "blue"])
    run("scene.tif", "out", "--model", model)
    assert "the band red is around" in caplog.text
    assert "trained on 120 ± 60" in caplog.text


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
