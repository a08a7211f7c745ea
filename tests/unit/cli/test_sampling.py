"""Points are drawn, filled in, and come back as an accuracy table."""

import json
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
import yaml
from affine import Affine
from pyproj import CRS

from tests.conftest import ROOT
from urbanseg import paths
from urbanseg.classes import IGNORE
from urbanseg.cli.main import execute
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid
from urbanseg.io import cog, raster

GRID = Grid(CRS.from_epsg(32632), Affine(10, 0, 500_000, 0, -10, 5_400_000), 300, 200)
FILE = Path("checked.gpkg")


@pytest.fixture(autouse=True)
def city(tmp_path, monkeypatch):
    """A city of which half is vegetation; the lower half is test area."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    classes = np.full(GRID.shape, 3, np.uint8)
    classes[:, 100:] = np.arange(300)[:, np.newaxis] % 3
    classes[:10] = IGNORE
    split = np.repeat([0, 2], 150)[:, np.newaxis].repeat(200, axis=1).astype(np.uint8)
    for path, values in ((paths.prediction("demo"), classes), (paths.split("demo"), split)):
        with cog.writing(path, GRID, dtype="uint8", nodata=IGNORE) as file:
            file.write(values)


def call(verb, *words):
    execute([verb, *words])


def fill(truth):
    """Fill in the truth at each point."""
    points = pyogrio.read_dataframe(FILE, layer="points")
    rows, cols = (5_400_000 - points.geometry.y) // 10, (points.geometry.x - 500_000) // 10
    reference = truth[rows.astype(int), cols.astype(int)]
    with sqlite3.connect(FILE) as database:
        for (trigger,) in database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            database.execute(f"DROP TRIGGER {trigger}")
        filled = zip(reference.tolist(), points["point"].tolist(), strict=True)
        database.executemany("UPDATE points SET reference = ? WHERE point = ?", filled)
    database.close()


def test_a_map_with_known_errors_is_found_to_have_them(capsys):
    call("sample", "demo", str(FILE))
    with raster.reading(paths.prediction("demo")) as prediction:
        truth = prediction.read_band()
    truth[:, :50] = 4  # half of what is mapped as vegetation is water
    fill(truth)
    call("assess", "demo", str(FILE))
    page = capsys.readouterr().out
    assert page == FILE.with_suffix(".md").read_text()
    assert page.startswith("# Accuracy of Demo city (simulated)\n\n500 points, checked by eye. ")

    found = json.loads(FILE.with_suffix(".json").read_text())
    vegetation, water = found["classes"]["vegetation"], found["classes"]["water"]
    assert vegetation["mapped_ha"] == 290.0
    for estimate, true in (
        (vegetation["users_accuracy"], 0.5),
        (vegetation["adjusted_ha"], 145.0),
        (water["adjusted_ha"], 145.0),
        (found["overall_accuracy"], 0.75),
    ):
        assert abs(estimate["estimate"] - true) < 1.5 * estimate["margin"]
        assert 0 < estimate["margin"] < 0.15 * true
    assert water["producers_accuracy"]["estimate"] == 0
    assert found["classes"]["other"]["users_accuracy"] == {"estimate": 1.0, "margin": 0.0}
    assert found["classes"]["bare_soil"]["users_accuracy"]["estimate"] is None
    assert "| water | – | 0.0 ± 0.0 | 0.0 | " in page


def test_points_of_the_test_area_alone_lie_there():
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["sampling"]["area"] = "test"
    Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    call("sample", "demo", str(FILE))
    points = pyogrio.read_dataframe(FILE, layer="points")
    assert points.geometry.y.max() < 5_400_000 - 1500
    assert pyogrio.read_dataframe(FILE, layer="strata")["area_ha"].sum() == 300.0


def test_the_file_must_be_named():
    with pytest.raises(PipelineError, match="arguments are required: file"):
        call("sample", "demo")


def test_a_mapped_class_at_whose_points_nobody_can_tell_is_named():
    call("sample", "demo", str(FILE))
    with raster.reading(paths.prediction("demo")) as prediction:
        truth = prediction.read_band()
    truth[truth == 2] = IGNORE
    fill(truth)
    with pytest.raises(PipelineError, match="at no point mapped as road could anyone tell"):
        call("assess", "demo", str(FILE))


def test_notes_beside_the_points_are_not_overwritten_unasked():
    call("sample", "demo", str(FILE))
    with raster.reading(paths.prediction("demo")) as prediction:
        fill(prediction.read_band())
    notes = FILE.with_suffix(".md")
    notes.write_text("mine")
    with pytest.raises(PipelineError, match=r"\.md exists; .* --overwrite"):
        call("assess", "demo", str(FILE))
    assert notes.read_text() == "mine"
    assert not FILE.with_suffix(".json").exists()
    call("assess", "demo", str(FILE), "--overwrite")
    assert notes.read_text().startswith("# Accuracy")


def predicted(path, values, **profile):
    """A raster as other software writes it, in place of one of the pipeline's."""
    options = {"crs": GRID.crs.to_wkt(), "transform": GRID.transform, "dtype": values.dtype} | profile
    values = values.reshape(-1, *GRID.shape)
    path.unlink()
    with rasterio.open(path, "w", "GTiff", *GRID.shape[::-1], len(values), **options) as file:
        file.write(values)


@pytest.mark.parametrize(
    ("values", "profile", "sentence"),
    [
        (np.ones(GRID.shape, np.float32), {}, "pixels of the type float32"),
        (np.ones((3, *GRID.shape), np.uint8), {}, "has 3 bands"),
        (np.full(GRID.shape, 7, np.uint8), {}, "holds the value 7, but the classes"),
        (np.ones(GRID.shape, np.uint8), {"crs": None}, "no coordinate reference system"),
        (np.ones(GRID.shape, np.uint8), {"nodata": 1}, "holds no class in the map area"),
        (
            np.ones(GRID.shape, np.uint8),
            {"transform": GRID.transform @ Affine.translation(1, 0)},
            "lie on different grids",
        ),
    ],
)
def test_a_prediction_that_is_no_class_raster_is_one_sentence(values, profile, sentence):
    predicted(paths.prediction("demo"), values, **profile)
    with pytest.raises(PipelineError, match=sentence) as said:
        call("sample", "demo", str(FILE))
    assert str(paths.prediction("demo")) in str(said.value)
    assert not FILE.exists()
