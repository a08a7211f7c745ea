import json
import shutil
import sys
from contextlib import chdir
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS
from scipy import ndimage

from stages import evaluate
from tests.conftest import ROOT, shipped_params
from urbanseg import osm, paths
from urbanseg.classes import IGNORE
from urbanseg.config import params
from urbanseg.grid import Grid
from urbanseg.io import cog
from urbanseg.mapping.export import write_geopackage
from urbanseg.mapping.styles import layer_styles

SHAPE = (300, 260)


def kept(values: np.ndarray) -> np.ndarray:
    """An array that no test can change for the others."""
    values.flags.writeable = False
    return values


@pytest.fixture(scope="session")
def settings() -> params.Params:
    return shipped_params()


@pytest.fixture(scope="session")
def grid() -> Grid:
    return Grid(CRS.from_epsg(32632), Affine(10, 0, 500_000, 0, -10, 5_400_000), *SHAPE)


@pytest.fixture(scope="session")
def reference() -> np.ndarray:
    """Patches of five classes with a road grid; class 4 is absent, and a corner is unknown."""
    rng = np.random.default_rng(3)
    patches = ndimage.zoom(rng.choice([0, 1, 3, 5], (20, 20)), (15, 13), order=0).astype(np.uint8)
    patches[::50, :] = patches[:, ::40] = 2
    patches[:60, :60] = IGNORE
    return kept(patches)


@pytest.fixture(scope="session")
def predicted(reference) -> np.ndarray:
    """The reference with every tenth pixel taken for another class, and a strip without data."""
    rng = np.random.default_rng(4)
    wrong = rng.random(SHAPE) < 0.1
    values = np.where(wrong, rng.choice([0, 1, 2, 3, 5], SHAPE), reference).astype(np.uint8)
    values[reference == IGNORE] = 0
    values[-20:] = IGNORE
    return kept(values)


@pytest.fixture(scope="session")
def split() -> np.ndarray:
    """Training in the west, test in the east."""
    return kept(np.where(np.arange(SHAPE[1]) < 90, 0, 2) * np.ones((SHAPE[0], 1), int))


@pytest.fixture(scope="session")
def certainty(reference, predicted) -> np.ndarray:
    """Confidence of the prediction: higher where it is right; none where there is no data."""
    rng = np.random.default_rng(5)
    values = np.where(reference == predicted, rng.integers(150, 255, SHAPE), rng.integers(60, 200, SHAPE))
    return kept(np.where(predicted == IGNORE, IGNORE, values).astype(np.uint8))


@pytest.fixture(scope="session")
def city_files(tmp_path_factory, grid, reference, predicted, certainty, split) -> Path:
    """A folder with the labels, the map and the split of a city; to be copied."""
    folder = tmp_path_factory.mktemp("city")
    shutil.copy(ROOT / paths.PARAMS, folder / paths.PARAMS)
    for path, values in (
        (paths.labels("demo"), reference),
        (paths.prediction("demo"), predicted),
        (paths.confidence("demo"), certainty),
        (paths.split("demo"), split),
    ):
        with cog.writing(folder / path, grid, dtype="uint8", nodata=IGNORE) as target:
            target.write(values.astype(np.uint8))
    osm.write_features(folder / paths.osm("demo"), osm.table())
    return folder


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory, city_files) -> Path:
    """The same with what the evaluate stage writes; to be copied."""
    folder = tmp_path_factory.mktemp("evaluated")
    shutil.copytree(city_files, folder, dirs_exist_ok=True)
    with chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["evaluate", "demo"])
        evaluate.main()
    return folder


@pytest.fixture
def city(tmp_path, monkeypatch, city_files) -> str:
    """A city whose labels, map and split lie in a folder of their own, which is the current one."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(city_files, tmp_path, dirs_exist_ok=True)
    return "demo"


@pytest.fixture
def streets(grid) -> np.ndarray:
    """Streets each 500 m, which share a vertex where they cross, and beyond the scene."""
    left, bottom, right, top = grid.bounds
    east, north = np.arange(left - 250, right + 500, 500), np.arange(bottom - 250, top + 500, 500)
    lines = [[(x, y) for y in north] for x in east] + [[(x, y) for x in east] for y in north]
    return np.array([shapely.LineString(line) for line in lines], dtype=object)


@pytest.fixture
def houses(grid) -> np.ndarray:
    """Houses each 100 m; some lie across the borders of blocks, of the split, and of what is labelled."""
    left, bottom, right, top = grid.bounds
    x, y = np.meshgrid(np.arange(left + 53, right - 40, 100), np.arange(bottom + 53, top - 40, 100))
    return shapely.box(x, y, x + 30, y + 20).ravel()


@pytest.fixture
def delivered_city(city, grid, streets, houses, settings) -> str:
    """The city with a map that is an exact copy of its OpenStreetMap, from which its labels are made."""

    def in_degrees(shapes):
        return gpd.GeoSeries(shapes, crs=grid.crs).to_crs(4326)

    rows = [("road", "way", i, '{"highway": "service"}', s) for i, s in enumerate(in_degrees(streets))]
    rows += [("building", "way", i, '{"building": "yes"}', s) for i, s in enumerate(in_degrees(houses), 900)]
    osm.write_features(paths.osm(city), osm.table(rows))
    write_vectors(city, grid, settings, streets, houses)
    return city


def write_vectors(city, grid, settings, streets, houses) -> None:
    """Write a GeoPackage of some roads and buildings, as the vectorize stage does."""

    def frame(shapes, **columns):
        return gpd.GeoDataFrame(columns, geometry=list(shapes), crs=grid.crs, index=range(len(shapes)))

    path = paths.geopackage(city)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    write_geopackage(
        path,
        {
            "land_cover": frame(houses, class_id=1),
            "road_edges": frame(streets, edge_id=range(len(streets))),
            "road_nodes": frame([shapely.Point(grid.centre)], node_id=0),
        },
        layer_styles(settings.class_table),
    )


@pytest.fixture
def scored(city, evaluated) -> dict:
    """What the evaluate stage writes for the city."""
    shutil.copytree(evaluated, ".", dirs_exist_ok=True)
    return json.loads(paths.metrics(city).read_text())
