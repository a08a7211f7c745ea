"""Polygons of a large class raster, against rasterio's shapes and a feature-by-feature writer.

``python -m bench.vectorize [--side 8192] [--noise 0.005]``

Both read the same GeoTIFF of blobs with salt and pepper and write a GeoPackage with the
same four columns and no spatial index. The reference takes ``rasterio.features.shapes``,
which holds the raster whole, and writes one row after the other through sqlite3, the
fastest writer a loop in Python can have. Each run is a process of its own, so that its
peak memory is its own. Ours is repeated on a raster of the same width and four times the
height of the small one; then the real scene of Dubai, where it is there. The last line
is one JSON object.
"""

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import rasterio
import rasterio.features
import shapely
import shapely.geometry
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS
from scipy import ndimage

from urbanseg import raster
from urbanseg.classes import IGNORE, ClassTable, LandClass
from urbanseg.grid import Grid, Window
from urbanseg.mapping.mosaic import Pixels
from urbanseg.mapping.polygons import CleanUp, land_cover

CLASSES = 6
TABLE = ClassTable(tuple(LandClass(i, f"class{i}", "#000000") for i in range(CLASSES)))
REAL = Path(__file__).parents[2] / "shared/data/dubai_scene/labels.tif"
LAYER = "land_cover"
TIDY = CleanUp(min_area=500, min_hole=500, simplify=12, smooth=("class3", "class4", "class5"))


def main() -> None:
    """Make rasters, run both on them, check what ours made, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=8192, help="pixels")
    parser.add_argument("--noise", type=float, default=0.005, help="share of salt and pepper")
    parser.add_argument("--run", nargs=3, metavar=("WAY", "RASTER", "GPKG"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.run:
        WAYS[asked.run[0]](Path(asked.run[1]), Path(asked.run[2]))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole, part = folder / "noisy.tif", folder / "half.tif"
        classes = noisy(asked.side, asked.noise)
        write(whole, classes)
        write(part, classes[: asked.side // 4])
        figures = compare("noisy", whole, folder)
        quarter, _ = measure("ours", part, folder / "part.gpkg")
        figures["noisy_peak_growth_at_4x_height"] = figures["noisy_ours_gb"] / quarter[1]
        tidy, _ = measure("tidy", whole, folder / "tidy.gpkg")
        figures["noisy_tidy_s"], figures["noisy_tidy_gb"] = tidy
        figures |= {f"tidy_{key}": value for key, value in check(folder / "tidy.gpkg").items()}
        if REAL.exists():
            figures |= compare("dubai", REAL, folder)
    print(json.dumps({key: round(value, 3) for key, value in figures.items()}))


def compare(name: str, source: Path, folder: Path) -> dict[str, float]:
    """Seconds, memory and agreement of both ways on one raster."""
    mine, theirs = folder / f"{name}_ours.gpkg", folder / f"{name}_reference.gpkg"
    (seconds, memory), (slow, heavy) = (
        measure("ours", source, mine)[0],
        measure("reference", source, theirs)[0],
    )
    areas = [area_by_class(path) for path in (mine, theirs)]
    figures = {
        "speedup": slow / seconds,
        "ours_s": seconds,
        "reference_s": slow,
        "ours_gb": memory,
        "reference_gb": heavy,
        "same_area_per_class": float(np.array_equal(*areas)),
    }
    figures |= check(mine)
    print(f"{name}: {slow / seconds:.1f} times faster ({seconds:.1f} s against {slow:.1f} s)")
    return {f"{name}_{key}": value for key, value in figures.items()}


def measure(way: str, source: Path, target: Path) -> tuple[tuple[float, float], Path]:
    """Seconds from raster to file, and peak resident memory in GB, of a process of its own."""
    command = [sys.executable, "-m", "bench.vectorize", "--run", way, str(source), str(target)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    seconds = float(process.stdout.read())
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{way} failed on {source}")
    return (seconds, usage.ru_maxrss / 1e6), target


def ours(source: Path, target: Path, clean_up: CleanUp = CleanUp()) -> None:
    """By strips, and one bulk write."""
    started = time.perf_counter()
    with raster.reading(source) as file:

        def read(window: Window) -> Pixels:
            return file.read_band(window), None

        polygons = land_cover(read, file.grid, TABLE, clean_up)
    columns = polygons[["class_id", "class_name", "area_m2", "geometry"]]
    pyogrio.write_dataframe(
        columns, target, layer=LAYER, use_arrow=True, layer_options={"SPATIAL_INDEX": "NO"}
    )
    print(time.perf_counter() - started)


def reference(source: Path, target: Path) -> None:
    """``rasterio.features.shapes``, and a row for each feature."""
    started = time.perf_counter()
    with rasterio.open(source) as file:
        classes, crs, transform = file.read(1), file.crs, file.transform
    empty = gpd.GeoDataFrame(
        {"class_id": np.empty(0, np.int16), "class_name": np.empty(0, object), "area_m2": np.empty(0)},
        geometry=[],
        crs=crs,
    )
    pyogrio.write_dataframe(
        empty, target, layer=LAYER, geometry_type="Polygon", layer_options={"SPATIAL_INDEX": "NO"}
    )
    header = b"GP\x00\x01" + int(crs.to_epsg()).to_bytes(4, "little")
    with sqlite3.connect(target) as database:
        for outline, value in rasterio.features.shapes(classes, classes != IGNORE, 4, transform):
            polygon = shapely.geometry.shape(outline)
            row = int(value), TABLE.names[int(value)], polygon.area, header + polygon.wkb
            database.execute(
                f"INSERT INTO {LAYER} (class_id, class_name, area_m2, geom) VALUES (?, ?, ?, ?)", row
            )
    print(time.perf_counter() - started)


WAYS = {"ours": ours, "reference": reference, "tidy": lambda source, target: ours(source, target, TIDY)}


def noisy(side: int, noise: float, seed: int = 7) -> NDArray[np.uint8]:
    """Six classes in blobs of about 400 m with salt and pepper."""
    rng = np.random.default_rng(seed)
    coarse = -(-side // 8)
    best = np.full((side, side), -np.inf, dtype=np.float32)
    classes = np.zeros((side, side), dtype=np.uint8)
    for i in range(CLASSES):
        field = ndimage.gaussian_filter(rng.standard_normal((coarse, coarse), dtype=np.float32), 3)
        fine = ndimage.zoom(field, 8, order=1)[:side, :side]
        above = fine > best
        best[above], classes[above] = fine[above], i
    dots = rng.random((side, side), dtype=np.float32) < noise
    classes[dots] = rng.integers(0, CLASSES, dots.sum(), dtype=np.uint8)
    return classes


def write(path: Path, classes: NDArray[np.uint8]) -> None:
    """A tiled GeoTIFF with pixels of 10 m."""
    grid = Grid(CRS.from_epsg(32632), Affine(10, 0, 500_000, 0, -10, 5_400_000), *classes.shape)
    with raster.writing(path, grid, dtype="uint8", nodata=IGNORE) as file:
        file.write(classes)


def area_by_class(path: Path) -> NDArray[np.float64]:
    """Area of each class by its geometries, m²."""
    table = pyogrio.read_dataframe(path, columns=["class_id"], use_arrow=True)
    return np.bincount(table["class_id"], shapely.area(table.geometry), CLASSES)


def check(path: Path) -> dict[str, float]:
    """Share of valid geometries, and of sides on which no neighbour, or more than one, lies.

    In valid polygons that neither overlap nor leave a gap, each directed side has its
    reverse exactly once in another polygon, unless it is on the edge of the whole.
    """
    polygons = pyogrio.read_dataframe(path, columns=["class_id"], use_arrow=True).geometry.to_numpy()
    points, rings = shapely.get_coordinates(shapely.get_parts(shapely.get_rings(polygons)), return_index=True)
    vertex = np.unique(points, axis=0, return_inverse=True)[1].astype(np.int64).ravel()
    same = rings[1:] == rings[:-1]
    start, end = vertex[:-1][same], vertex[1:][same]
    count = int(vertex.max()) + 1
    forth, back = start * count + end, end * count + start
    unique, times = np.unique(forth, return_counts=True)
    unmatched = ~np.isin(back, unique, assume_unique=False)
    edge = points[:-1][same][unmatched], points[1:][same][unmatched]
    inside = np.hypot(*(edge[1] - edge[0]).T).sum()
    return {
        "polygons": float(len(polygons)),
        "valid": float(shapely.is_valid(polygons).mean()),
        "sides_twice": float((times > 1).sum()),
        "open_edge_km": float(inside / 1000),
    }


if __name__ == "__main__":
    main()
