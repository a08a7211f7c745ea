"""A small project with a scene, labels, a prediction and a map, as the stages would leave them."""

import shutil
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely
from affine import Affine
from pyproj import CRS

from tests.conftest import ROOT
from urbanseg import paths
from urbanseg.classes import IGNORE, ClassTable
from urbanseg.config.params import load
from urbanseg.grid import Grid
from urbanseg.infer.decode import Decoder
from urbanseg.io import cog, files
from urbanseg.mapping.vector_layers import write_layer

HEIGHT, WIDTH = 192, 256
GRID = Grid(CRS.from_epsg(32632), Affine(10, 0, 500_000, 0, -10, 5_400_000), HEIGHT, WIDTH)


def probabilities(table: ClassTable, seed: int = 3) -> np.ndarray:
    """``(classes, height, width)`` float32 that add up to 1; patches of 16 pixels have one likely class."""
    rng = np.random.default_rng(seed)
    patches = rng.integers(0, len(table), (HEIGHT // 16, WIDTH // 16))
    likely = np.kron(patches, np.ones((16, 16), int))
    scores = rng.random((len(table), HEIGHT, WIDTH)).astype(np.float32)
    np.put_along_axis(scores, likely[None], 2.5, axis=0)
    return scores / scores.sum(axis=0)


def write_town(root: Path, *, city: str = "demo", rasters: bool = True) -> Path:
    """Write the project into a folder, and return that."""
    root.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "params.yaml", root)
    table = load(root / "params.yaml").class_table
    scores = probabilities(table)
    layers = Decoder(extras=("probabilities", "entropy"))(scores.copy())
    labels = layers["classes"].copy()
    labels[:40, :40], labels[100:120] = 0, IGNORE
    split = np.zeros(GRID.shape, np.uint8)
    split[:, WIDTH // 2 :] = 2
    bands = (1000 + 500 * np.stack([scores[i] for i in (4, 3, 2, 1)])).astype(np.uint16)
    names = ["B02", "B03", "B04", "B08"]
    _write(root / paths.scene(city), bands, dtype="uint16", count=4, descriptions=names, nodata=0)
    if not rasters:
        return root
    share = {"dtype": "uint8", "nodata": IGNORE}
    _write(root / paths.labels(city), labels, **share, classes=table)
    _write(root / paths.split(city), split, dtype="uint8")
    folder = root / paths.prediction_dir(city)
    _write(folder / "classes.tif", layers["classes"], **share, classes=table, resampling="mode")
    for name in ("confidence", "entropy"):
        _write(folder / f"{name}.tif", layers[name], **share)
    _write(folder / "probabilities.tif", layers["probabilities"], **share, count=len(table))
    files.write_json(root / paths.item(city), {"properties": {"attribution": "Made for a test"}})
    write_map(root / paths.geopackage(city), table)
    return root


def write_map(path: Path, table: ClassTable) -> None:
    """A GeoPackage with a polygon for each patch, and two roads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    left, _, _, top = GRID.bounds
    cells = [(row, col) for row in range(HEIGHT // 16) for col in range(WIDTH // 16)]
    shapes = [
        shapely.box(left + 160 * col, top - 160 * (row + 1), left + 160 * (col + 1), top - 160 * row)
        for row, col in cells
    ]
    ids = [number % len(table) for number in range(len(cells))]
    polygons = gpd.GeoDataFrame(
        {
            "class_id": ids,
            "class_name": [table.names[i] for i in ids],
            "area_m2": 25600.0,
            "confidence": 0.5,
        },
        geometry=shapes,
        crs=GRID.crs,
    )
    lines = [
        shapely.LineString([(left, top - 500), (left + 2560, top - 500)]),
        shapely.LineString([(left + 900, top), (left + 900, top - 1920)]),
    ]
    roads = gpd.GeoDataFrame(
        {"width_m": [8.0, 12.0], "length_m": [2560.0, 1920.0]}, geometry=lines, crs=GRID.crs
    )
    write_layer(polygons, path, "land_cover")
    write_layer(roads, path, "road_edges", append=True)


def _write(path: Path, values: np.ndarray, **profile) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with cog.writing(path, GRID, **profile) as writer:
        writer.write(values)
