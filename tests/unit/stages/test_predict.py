"""The predict stage matches the model's classes with those of params.yaml by name."""

import json
import sys

import numpy as np
import pytest
import torch
from affine import Affine
from pyproj import CRS
from ruamel.yaml import YAML

from stages import predict
from tests.conftest import ROOT
from urbanseg import paths
from urbanseg.calibration import stored
from urbanseg.calibration.conformal import holds
from urbanseg.calibration.forecast import BINS
from urbanseg.calibration.stored import Calibration
from urbanseg.grid import Grid
from urbanseg.infer.backends import digest
from urbanseg.io import cog, raster
from urbanseg.learn import architectures
from urbanseg.model import segmenter
from urbanseg.model.card import Card
from urbanseg.model.spec import FILE, Spec

GRID = Grid(CRS.from_epsg(32632), Affine(10, 0, 500_000, 0, -10, 5_400_000), 64, 96)
BANDS = ["B02", "B03", "B04", "B08"]
CLASSES = ["other", "building", "road", "vegetation", "water", "bare_soil"]


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["predict", "demo"])
    write_params(CLASSES)
    pixels = np.random.default_rng(0).integers(1, 4000, (4, *GRID.shape)).astype(np.uint16)
    paths.scene_dir("demo").mkdir(parents=True)
    with cog.writing(
        paths.scene("demo"), GRID, dtype="uint16", count=4, nodata=0, descriptions=BANDS
    ) as file:
        file.write(pixels)
    save(CLASSES)


def write_params(classes, **changes):
    yaml = YAML()
    params = yaml.load((ROOT / "params.yaml").read_text())
    known = dict(params["classes"])
    params["classes"] = {name: {**known[name], "id": i} for i, name in enumerate(classes)}
    params["predict"] |= {"threads": 1, "size": 64, "overlap": 32, "device": "cpu"} | changes
    with paths.PARAMS.open("w", encoding="utf-8") as file:
        yaml.dump(params, file)


def save(classes, sure_of=None):
    torch.manual_seed(0)
    network = architectures.build("Unet", "tu-test_resnet", 4, len(classes), [16, 16, 8, 8, 8]).eval()
    if sure_of:
        network.segmentation_head[0].bias.data[classes.index(sure_of)] = 100
    spec = Spec(BANDS, [2000.0] * 4, [1000.0] * 4, classes, "Unet", "tu-test_resnet")
    segmenter.save(paths.MODEL, segmenter.Segmenter(network, 1), spec, Card(cities=["x"]))


def names():
    """Name of the class of each pixel, as a reader of the file sees it."""
    predict.main()
    with raster.reading(paths.prediction("demo")) as found:
        listed = dict(enumerate(YAML(typ="safe").load(paths.PARAMS.read_text())["classes"]))
        return np.vectorize(listed.get)(found.read_band())


def test_another_order_of_classes_is_another_value_of_the_same_class():
    expected = names()
    assert len(set(expected.flat)) > 1
    write_params([CLASSES[i] for i in (0, 4, 2, 1, 5, 3)])
    np.testing.assert_array_equal(names(), expected)


def test_a_model_of_one_class_gets_the_value_of_that_class():
    save(["other", "water"], sure_of="water")
    assert set(names().flat) == {"water"}


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda: save([*CLASSES[:-1], "forest"]), r"segmenter tells apart .* without forest; name them"),
        (lambda: reorder(CLASSES[::-1]), r"segmenter\.json is damaged, or was changed since it was saved"),
        (lambda: (paths.MODEL / "model.safetensors").write_bytes(b""), "holds no complete model"),
    ],
)
def test_a_model_of_other_classes_or_a_damaged_one_is_one_sentence(damage, said):
    damage()
    with pytest.raises(SystemExit, match=said) as caught:
        predict.main()
    assert str(caught.value).isprintable()
    assert not paths.prediction_dir("demo").exists()


def reorder(classes):
    spec = json.loads((paths.MODEL / FILE).read_text())
    (paths.MODEL / FILE).write_text(json.dumps(spec | {"classes": classes}))


def calibrate(model):
    """Write a calibration beside the exports that makes everything less certain."""
    n = len(CLASSES)
    forecast = stored.make_forecast(np.full((n, BINS, n), 1 / n), 0.1, 1.0, 0.2)
    known = Calibration(tuple(CLASSES), (3.0,) * n, 0.9, 0.0, (0.9,) * n, forecast, model)
    paths.EXPORT.mkdir(parents=True, exist_ok=True)
    stored.write(paths.EXPORT, known)


def layers():
    predict.main()
    found = {}
    for path in sorted(paths.prediction_dir("demo").glob("*.tif")):
        with raster.reading(path) as layer:
            found[path.stem] = layer.read()
    return found


def test_a_calibration_changes_the_confidence_and_not_the_classes_and_lies_beside_the_map():
    plain = layers()
    assert not (paths.prediction_dir("demo") / stored.FILE).exists()
    calibrate(digest(paths.MODEL))
    found = layers()
    np.testing.assert_array_equal(found["classes"], plain["classes"])
    assert found["confidence"].mean() < plain["confidence"].mean()
    order = [CLASSES[i] for i in (0, 4, 2, 1, 5, 3)]
    write_params(order, rasters=["set"])
    found = layers()
    assert found["set"].shape == (2, *GRID.shape)
    assert found["set"][0].min() >= 1
    assert holds(found["set"], found["classes"][0]).all()
    beside = stored.read(paths.prediction_dir("demo"))
    assert beside.classes == tuple(order)
    assert (paths.prediction_dir("demo") / "set.qml").read_text().count("paletteEntry") == len(CLASSES)


def test_the_calibration_of_another_model_or_one_that_is_not_wanted_counts_for_nothing():
    plain = layers()
    calibrate("0" * 64)
    np.testing.assert_array_equal(layers()["confidence"], plain["confidence"])
    calibrate(digest(paths.MODEL))
    write_params(CLASSES, calibrate=False)
    np.testing.assert_array_equal(layers()["confidence"], plain["confidence"])
    write_params(CLASSES, calibrate=False, rasters=["set"])
    with pytest.raises(SystemExit, match=r"set predict\.calibrate to true"):
        predict.main()
