"""What is fitted on labelled tiles by a model that is as sure as it is told to be."""

import numpy as np
import pandas as pd
import pytest
from scipy import special

from urbanseg.calibration.temperature import soften
from urbanseg.classes import IGNORE
from urbanseg.config.export import ExportParams
from urbanseg.model.spec import Spec
from urbanseg.workflows.calibrate_model import Tile, apart, calibrate
from urbanseg.workflows.image_shifts import SHIFTS

CLASSES = ["a", "b", "c"]
SPEC = Spec(["x", "y", "z"], [50.0] * 3, [20.0] * 3, CLASSES, "Unet", "none")
OPTIONS = {"formats": [], "check_tiles": 1, "calibration_tiles": 1, "min_equal": 1.0, "max_miou_loss": 0.0}
SURE = 2.5
"""How many times the model is too certain."""


def model(pixels):
    """Its bands are its logits; too certain by `SURE`."""
    return special.softmax(SURE * (pixels - 50) / 20, axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def tiles():
    rng = np.random.default_rng(0)
    found = []
    for group in range(20):
        pixels = rng.normal(50, 40, (3, 24, 24)).astype(np.float32)
        chances = special.softmax((pixels - 50) / 20, axis=0).cumsum(axis=0)
        labels = (rng.random((24, 24)) > chances).sum(axis=0).astype(np.uint8)
        labels[:2] = IGNORE
        found.append(Tile(pixels, labels, group))
    return found


@pytest.fixture(scope="module")
def fitted(tiles):
    return calibrate(
        model, SPEC, tiles, CLASSES, options=ExportParams(**OPTIONS, coverage=0.8), model="1" * 64
    )


def test_a_model_that_is_too_certain_gets_the_temperature_that_it_lacks(fitted):
    calibration, figures = fitted
    assert calibration.temperatures == pytest.approx((SURE,) * 3, rel=0.15)
    assert figures["ece_after"] < 0.02
    assert figures["ece_before"] > 0.1
    assert figures["nll_after"] < figures["nll_before"]


def test_sets_cover_each_class_on_blocks_that_they_were_not_fitted_on(fitted):
    _, figures = fitted
    assert min(figures["sets"]["classes"].values()) > 0.75
    assert 1 < figures["sets"]["mean_size"] < 2
    assert (figures["tiles"], figures["groups"]) == (20, 20)


def test_the_forecast_of_tiles_like_those_is_near_the_truth(tiles, fitted):
    calibration, _ = fitted
    answers = model(np.stack([tile.pixels for tile in tiles]))
    chances = np.concatenate([each.reshape(3, -1) for each in answers], axis=1)
    predicted = chances.argmax(axis=0).astype(np.uint8)
    confidence = np.rint(soften(chances, predicted, calibration.temperatures).max(axis=0) * 254).astype(int)
    counts = np.bincount(predicted * 255 + confidence, minlength=3 * 255).reshape(3, 255)
    expected = calibration.forecast(counts)
    labels = np.concatenate([tile.labels.ravel() for tile in tiles])
    ious = [
        ((predicted == i) & (labels == i)).sum()
        / (((predicted == i) | (labels == i)) & (labels != IGNORE)).sum()
        for i in range(3)
    ]
    assert expected.low <= np.mean(ious) <= expected.high
    assert expected.miou == pytest.approx(np.mean(ious), abs=0.05)


def test_labels_that_the_model_does_not_know_are_its_first_class(tiles):
    more = [
        Tile(tile.pixels, np.where(tile.labels == 0, 3, tile.labels).astype(np.uint8), tile.group)
        for tile in tiles
    ]
    options = ExportParams(**OPTIONS, coverage=0.8)
    found, _ = calibrate(model, SPEC, more, [*CLASSES, "new"], options=options, model="1" * 64)
    assert found == calibrate(model, SPEC, tiles, CLASSES, options=options, model="1" * 64)[0]


def test_tiles_that_share_a_pixel_are_not_both_taken_and_blocks_are_numbered():
    rows = [
        ("one", 0, 0, 8, 8, 0, 1.0), ("one", 0, 4, 8, 8, 0, 0.9), ("one", 0, 8, 8, 8, 1, 0.8),
        ("one", 8, 8, 8, 8, 1, 0.7), ("two", 0, 4, 8, 8, 0, 0.6),
    ]  # fmt: skip
    columns = ["city", "row", "col", "height", "width", "block", "valid_share"]
    table = pd.DataFrame(rows, columns=columns, index=[10, 11, 12, 13, 14])
    found = apart(table, 9)
    assert found.index.tolist() == [10, 12, 13, 14]
    assert found["group"].tolist() == [0, 1, 1, 2]
    assert apart(table, 2).index.tolist() == [10, 14]


@pytest.mark.parametrize("name", SHIFTS)
def test_a_change_keeps_the_shape_and_the_kind_and_is_the_same_each_time(name):
    image = np.random.default_rng(1).normal(50, 20, (3, 16, 16)).astype(np.float32)
    before = image.copy()
    found = SHIFTS[name](image, SPEC)
    assert (found.shape, found.dtype) == (image.shape, np.float32)
    np.testing.assert_array_equal(found, SHIFTS[name](image, SPEC))
    np.testing.assert_array_equal(image, before)
    assert np.array_equal(found, image) == (name == "as it is")
