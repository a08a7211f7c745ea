"""Figures of blocks: the forecast is that of the model, of the pixels of each block."""

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.review.town import write_town
from urbanseg.calibration import stored
from urbanseg.calibration.forecast import BINS, LEVELS
from urbanseg.config.params import load
from urbanseg.review.blocks import as_features, by_confidence, measure
from urbanseg.review.readers import Readers
from urbanseg.review.scenes import city_scene


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    root = write_town(tmp_path_factory.mktemp("blocks") / "town")
    return city_scene("demo", load(root / "params.yaml"), root)


def calibration(names, right):
    """Of a model that is right at a share of the pixels, and says another class evenly elsewhere."""
    n = len(names)
    row = np.full((n, n), (1 - right) / (n - 1))
    np.fill_diagonal(row, right)
    table = np.repeat(row[:, None], BINS, axis=1)
    line = stored.make_forecast(table, 0.0, 1.0, 0.1)
    return stored.Calibration(tuple(names), (1.0,) * n, 0.9, 0.0, (0.5,) * n, line, "0")


def test_without_a_calibration_nothing_is_expected(scene):
    figures = measure(scene, Readers())
    assert np.isnan(figures.forecast).all()
    assert (
        as_features(figures, scene.frame(Readers()), scene.table.names)[0]["properties"]["forecast"] is None
    )


@pytest.mark.parametrize("right", [1.0, 0.6])
def test_the_forecast_of_a_block_is_that_of_its_pixels(scene, right):
    folder = scene.rasters["prediction"].parent
    known = calibration(scene.table.names, right)
    stored.write(folder, known)
    figures = measure(scene, Readers())
    if right == 1:
        assert np.allclose(figures.forecast, 1)
    else:
        assert (figures.forecast < 0.7).all()
    other = replace(known, classes=tuple(f"x{name}" for name in scene.table.names))
    stored.write(folder, other)
    assert np.isnan(measure(scene, Readers()).forecast).all(), "a model of other classes says nothing"
    (folder / stored.FILE).unlink()


def test_pixels_are_counted_by_class_and_confidence(scene):
    ids = scene.table.ids
    predicted = np.array([[ids[0], ids[2], 255, ids[2]]], np.uint8)
    counts = by_confidence(predicted, np.array([[10, 20, 30, 255]], np.uint8), scene)
    assert counts.shape == (len(ids), LEVELS)
    assert counts.sum() == 2
    assert counts[0, 10] == counts[2, 20] == 1
