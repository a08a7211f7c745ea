import shutil
import sys
import zipfile

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import CRS

import stages.project
from tests.conftest import ROOT
from urbanseg import paths
from urbanseg.classes import IGNORE
from urbanseg.display.thumbnails import present_scene
from urbanseg.grid import Grid, Window
from urbanseg.io import cog
from urbanseg.metrics import block_tables
from urbanseg.metrics.block_counts import SIDES, CountsByBlock
from urbanseg.metrics.road_counts import ROAD_COUNTS
from urbanseg.workflows.city_project import error_codes, worst_blocks

GRID = Grid(CRS.from_epsg(32632), Affine(10, 0, 500_000, 0, -10, 5_400_000), 60, 80)


def counts(right, wrong):
    pixels = np.zeros((len(right), 2, 2), np.int64)
    pixels[:, 0, 0], pixels[:, 0, 1] = right, wrong
    cells = [Window(0, 20 * i, 20, 20) for i in range(len(right))]
    n = len(cells)
    return CountsByBlock(
        ("other", "building"),
        cells,
        pixels,
        np.zeros((n, len(SIDES), 2), np.int64),
        np.zeros((n, len(SIDES)), np.int64),
        cells[:1],
        np.zeros((1, len(ROAD_COUNTS))),
    )


def test_errors_are_told_apart_by_right_and_wrong_and_by_the_test():
    reference = np.array([[0, 0, 1, 1, IGNORE, 0]], np.uint8)
    mapped = np.array([[0, 1, 1, 0, 0, IGNORE]], np.uint8)
    split = np.array([[2, 2, 0, 1, 2, 2]], np.uint8)
    assert error_codes(reference, mapped, split).tolist() == [[0, 1, 2, 3, IGNORE, IGNORE]]


def test_the_worst_blocks_come_first_and_those_without_errors_or_with_few_pixels_not():
    found = worst_blocks(counts([300, 400, 10, 100], [100, 0, 20, 300]), GRID)
    assert [each.name for each in found] == ["1. 25% right", "2. 75% right"]
    assert found[0].bounds == (500_600, 5_399_800, 500_800, 5_400_000)
    assert worst_blocks(counts([400], [0]), GRID) == []


@pytest.mark.parametrize("has_map", [True, False])
def test_the_stage_writes_project_and_errors_and_nothing_else(tmp_path, monkeypatch, has_map):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["project", "demo"])
    files = (paths.prediction, paths.confidence, paths.labels, paths.split)
    for file, value in [*((file, 0) for file in files), (paths.labels, 1), (paths.scene, 9)]:
        with cog.writing(file("demo"), GRID, dtype="uint8") as raster:
            raster.write(np.full(GRID.shape, value, np.uint8))
    present_scene(paths.scene_dir("demo"))
    if has_map:
        paths.map_dir("demo").mkdir(parents=True)
        paths.geopackage("demo").touch()
    paths.evaluation_dir("demo").mkdir(parents=True)
    block_tables.write(paths.evaluation_dir("demo"), counts([300], [100]))
    stages.project.main()
    folder = paths.project_dir("demo")
    assert sorted(p.name for p in folder.iterdir()) == ["demo.qgz", "errors.qml", "errors.tif"]
    with rasterio.open(folder / "errors.tif") as errors:
        assert (errors.read(1) == 3).all()
    with zipfile.ZipFile(folder / "demo.qgz") as archive:
        text = archive.read("demo.qgs").decode()
    assert ("demo: roads" in text) is has_map
    assert "1. 75% right" in text
    assert "<datasource>../../scene/demo/scene.tif</datasource>" in text
    assert "<datasource>./errors.tif</datasource>" in text
    first = (folder / "demo.qgz").read_bytes()
    stages.project.main()
    assert (folder / "demo.qgz").read_bytes() == first
