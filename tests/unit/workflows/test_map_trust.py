"""A model with a calibration says beforehand how good its map will be, and which classes a pixel may have."""

import json
import logging
import shutil

import numpy as np
import pytest
import rasterio

import urbanseg
from tests.unit.workflows.painted import CLASSES, grid, sign, write_image
from urbanseg.calibration import stored
from urbanseg.calibration.forecast import BINS
from urbanseg.calibration.stored import Calibration
from urbanseg.errors import PipelineError

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture
def calibrated(model, tmp_path):
    """The model with a calibration by which a third of each class is another's."""
    folder = shutil.copytree(model, tmp_path / "calibrated")
    sign(folder, "1" * 64)
    n = len(CLASSES)
    table = np.full((n, BINS, n), 1 / 9)
    table[np.arange(n), :, np.arange(n)] = 2 / 3
    forecast = stored.make_forecast(table, 0.0, 1.0, 0.07)
    known = Calibration(tuple(CLASSES), (1.0,) * n, 0.9, 0.0, (0.2,) * 3 + (1.0,), forecast, "1" * 64)
    stored.write(folder, known)
    return folder


def test_the_forecast_stands_in_the_log_the_report_the_item_and_the_summary(calibrated, tmp_path, caplog):
    write_image(tmp_path / "town.tif", grid())
    with caplog.at_level(logging.INFO, logger="urbanseg"):
        result = urbanseg.map_image(tmp_path / "town.tif", tmp_path / "out", model=calibrated)
    item = json.loads((result.folder / "item.json").read_text())
    expected = item["properties"]["urbanseg:expected_miou"]
    low, high = item["properties"]["urbanseg:expected_miou_interval"]
    assert result.expected_miou.miou == pytest.approx(expected, abs=1e-4)
    assert 0.2 < expected < 0.6
    assert (low, high) == pytest.approx((expected - 0.07, expected + 0.07), abs=2e-4)
    said = f"expected mean IoU {expected:.2f} ({low:.2f} to {high:.2f}), from how confident the model is"
    assert any(record.getMessage().startswith(said) for record in caplog.records)
    page = (result.folder / "report.html").read_text()
    assert f"E{said[1:]}" in page
    assert f"{expected:.2f} ({low:.2f}–{high:.2f})" in page


def test_the_sets_of_a_map_hold_its_classes_and_are_named_where_they_lie(calibrated, tmp_path):
    write_image(tmp_path / "town.tif", grid())
    result = urbanseg.map_image(tmp_path / "town.tif", tmp_path / "out", model=calibrated)
    with rasterio.open(result.folder / "set.tif") as file:
        size, alternatives = file.read()
        assert file.descriptions == ("size", "alternatives: sum of 1 building, 2 vegetation, 4 water, 8 road")
    roads = result.classes == CLASSES.index("road")
    assert set(size[roads]) == {1}
    assert set(size[~roads]) == {2}  # roads are in each set, by their threshold
    np.testing.assert_array_equal(alternatives, (1 << result.classes) | 8)
    assert "set.tif" in json.loads((result.folder / "item.json").read_text())["assets"]
    assert (result.folder / "set.qml").exists()


def test_without_a_calibration_there_are_neither(model, tmp_path):
    write_image(tmp_path / "town.tif", grid())
    result = urbanseg.map_image(tmp_path / "town.tif", tmp_path / "out", model=model)
    assert not (result.folder / "set.tif").exists()
    assert "xpected mean IoU" not in (result.folder / "report.html").read_text()


def test_a_calibration_beside_another_model_is_refused(calibrated, tmp_path):
    sign(calibrated, "2" * 64)
    write_image(tmp_path / "town.tif", grid())
    with pytest.raises(PipelineError, match=r"calibration\.json is of another model; remove it, or get"):
        urbanseg.map_image(tmp_path / "town.tif", model=calibrated)
