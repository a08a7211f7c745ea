"""Wrong input, stage by stage: one sentence, exit code 1, nothing half-written; or it simply works."""

import contextlib
import importlib
import io
import json
import logging
import resource
import shutil
import subprocess
import sys

import numpy as np
import osmium
import pytest
import rasterio
import yaml
from affine import Affine
from pyproj import CRS

from tests.conftest import ROOT
from tests.pipeline.project import environment, small_params
from urbanseg.grid import Grid
from urbanseg.io import cog

GRID = Grid(CRS(32632), Affine(10, 0, 500000, 0, -10, 5400000), 96, 160)
BANDS = ["blue", "green", "red", "nir"]


class Town:
    """A folder with one city, `town`, made of a local scene and classified raster."""

    def __init__(self, folder):
        self.folder = folder
        rng = np.random.default_rng(0)
        labels = rng.integers(0, 3, (6, 10)).repeat(16, axis=0).repeat(16, axis=1).astype(np.uint8)
        pixels = (1000 + 1000 * labels.astype(int) + rng.normal(0, 50, (4, *GRID.shape))).astype(np.uint16)
        self.write("scene.tif", pixels, nodata=0, descriptions=BANDS)
        self.write("labels.tif", labels[None], nodata=255)
        self.params = small_params()
        self.params["cities"] = {
            "town": {
                "title": "Town",
                "role": "train",
                "inputs": "scene.tif",
                "scene": {
                    "provider": "local",
                    "path": "scene.tif",
                    "bands": {name: i + 1 for i, name in enumerate(BANDS)},
                },
                "osm": {"provider": "none"},
                "labels": {
                    "source": "raster",
                    "path": "labels.tif",
                    "remap": {0: "other", 1: "building", 2: "road"},
                },
            }
        }
        shutil.copytree(ROOT / "stages", folder / "stages", ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "urbanseg").symlink_to(ROOT / "urbanseg")

    @property
    def city(self):
        return self.params["cities"]["town"]

    def write(self, name, pixels, grid=GRID, **options):
        height, width = pixels.shape[1:]
        grid = Grid(grid.crs, grid.transform, height, width)
        with cog.writing(
            self.folder / name, grid, dtype=pixels.dtype, count=len(pixels), **options
        ) as writer:
            writer.write(pixels)

    def write_params(self):
        (self.folder / "params.yaml").write_text(yaml.safe_dump(self.params, sort_keys=False))

    def run(self, stage):
        """Run a stage in this process; its exit code, and what it says."""
        self.write_params()
        words = [] if stage in {"dataset", "train", "export"} else ["town"]
        said, code = io.StringIO(), 0
        log, arguments = logging.StreamHandler(said), sys.argv
        logging.root.addHandler(log)
        try:
            sys.argv = [stage, *words]
            with contextlib.chdir(self.folder):
                importlib.import_module(f"stages.{stage}").main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
            print("" if isinstance(end.code, int) else end.code, file=said)
        finally:
            sys.argv = arguments
            logging.root.removeHandler(log)
        return code, said.getvalue()

    def run_apart(self, stage, *words, limit_bytes=None):
        """Run a stage in a process of its own, which may write files of so many bytes; see `run`."""
        self.write_params()

        def limit():
            if limit_bytes:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

        done = subprocess.run(
            [sys.executable, "-m", f"stages.{stage}", *words],
            cwd=self.folder,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=limit,
        )
        return done.returncode, done.stderr

    def files(self):
        return sorted(
            str(p.relative_to(self.folder)) for p in (self.folder / "data").rglob("*") if p.is_file()
        )


@pytest.fixture
def town(tmp_path):
    return Town(tmp_path)


def refused(town, stage, *words, **options):
    """The sentence with which a stage refuses; checks that it is one, and that nothing was written."""
    before = town.files()
    code, said = town.run_apart(stage, *words, **options) if words else town.run(stage)
    assert code == 1, said
    assert "Traceback" not in said
    sentence = [line for line in said.splitlines() if line.startswith("error: ")]
    assert len(sentence) == 1, said
    assert town.files() == before
    return sentence[0]


def prepare(town, *stages):
    said = ""
    for stage in stages:
        code, said = town.run(stage)
        assert code == 0, said
    return said


def test_an_unknown_city(town):
    assert "no city 'paris' under cities; the cities are town" in refused(town, "scene", "paris")


def test_a_missing_scene(town):
    (town.folder / "scene.tif").unlink()
    assert "scene.tif does not exist" in refused(town, "scene", "town")


def test_a_truncated_scene(town):
    path = town.folder / "scene.tif"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "scene.tif" in refused(town, "scene")


def test_a_scene_without_crs(town):
    with rasterio.open(town.folder / "scene.tif") as source:
        profile, pixels = source.profile | {"driver": "GTiff", "crs": None}, source.read()
    with rasterio.open(town.folder / "scene.tif", "w", **profile) as target:
        target.write(pixels)
    assert "scene.tif has an affine transform, but no coordinate reference system" in refused(town, "scene")


def test_a_scene_that_is_all_nodata(town):
    town.write("scene.tif", np.zeros((4, *GRID.shape), np.uint16), nodata=0, descriptions=BANDS)
    assert "scene.tif" in refused(town, "scene")


def test_an_area_outside_the_scene(town):
    town.city["scene"]["bbox"] = [100.0, 10.0, 100.1, 10.1]
    assert "scene.tif" in refused(town, "scene")


def test_a_band_the_file_does_not_have(town):
    town.city["scene"]["bands"]["swir"] = 9
    assert "9" in refused(town, "scene")


def test_scene_and_labels_on_different_grids_where_the_same_is_asked_for(town):
    town.city["labels"]["same_grid"] = True
    moved = Grid(GRID.crs, Affine(10, 0, 500003, 0, -10, 5400000), *GRID.shape)
    town.write("labels.tif", np.ones((1, *GRID.shape), np.uint8), moved)
    prepare(town, "scene")
    assert "lie on different grids" in refused(town, "labels")


def test_labels_that_are_all_unknown(town):
    town.write("labels.tif", np.full((1, *GRID.shape), 77, np.uint8))
    prepare(town, "scene")
    assert "values that remap lacks: 77 (100.00%); add them to remap" in refused(town, "labels")


def test_an_extract_with_none_of_the_classes(town):
    town.city["osm"] = {"provider": "pbf", "path": "empty.osm.pbf"}
    west, south = 9.0, 48.75
    with osmium.SimpleWriter(str(town.folder / "empty.osm.pbf")) as writer:
        for i in range(3):
            writer.add_node(osmium.osm.mutable.Node(id=i + 1, location=(west + i * 1e-3, south)))
        writer.add_way(osmium.osm.mutable.Way(id=1, nodes=[1, 2, 3], tags={"boundary": "administrative"}))
    prepare(town, "scene")
    assert "empty.osm.pbf" in refused(town, "osm")


def test_a_scene_wholly_under_clouds(town):
    town.params["cities"] = {"town": small_params()["cities"]["oasis"]}
    town.city["scene"]["cloud_share"] = 1.0
    assert "cloud" in refused(town, "scene")


@pytest.mark.parametrize("stage", ["scene", "labels", "tiles"])
def test_a_disk_that_is_full(town, stage):
    stages = ["scene", "labels", "tiles"]
    prepare(town, *stages[: stages.index(stage)])
    assert "cannot be written" in refused(town, stage, "town", limit_bytes=300)


def test_a_city_smaller_than_a_tile_and_without_some_classes_makes_a_dataset(town):
    town.params["tiles"] |= {"size": 256, "overlap": 128, "block": 256}
    said = prepare(town, "scene", "labels", "tiles", "dataset")
    assert "the class water has no pixel here" in said


@pytest.mark.slow
def test_a_city_smaller_than_a_tile_and_without_some_classes_goes_through(town):
    town.params["tiles"] |= {"size": 256, "overlap": 128, "block": 256}
    town.params["predict"] |= {"size": 256, "overlap": 128}
    prepare(town, "scene", "labels", "tiles", "dataset")
    prepare(town, "train", "predict", "vectorize", "evaluate")
    scores = json.loads((town.folder / "metrics/town.json").read_text())
    assert scores["test_pixels"] > 0
    assert "vegetation" in scores["absent"] or scores["classes"]["vegetation"]["iou"] == 0
