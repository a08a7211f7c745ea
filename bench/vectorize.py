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

from urbanseg.classes import IGNORE, ClassTable, LandClass
from urbanseg.grid import Grid
from urbanseg.io import cog, raster
from urbanseg.mapping.partition import Read
from urbanseg.mapping.polygons import land_cover, pixel_cover
from urbanseg.mapping.tidiness import tidy_for
from urbanseg.mapping.vector_map import clean_up

CLASSES = 6
TABLE = ClassTable(tuple(LandClass(i, f"class{i}", "#000000") for i in range(CLASSES)))
REAL = Path(__file__).parents[2] / "shared/data/dubai_scene/labels.tif"
LAYER = "land_cover"
INSERT = "INSERT INTO land_cover (class_id, class_name, area_m2, geom) VALUES (?, ?, ?, ?)"
TIDY = clean_up(tidy_for(10, TABLE.kinds))
"""What the parameters choose by default for these pixels."""


def main() -> None:
    """Make rasters, run both on them, check what ours made, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=8192, help="pixels")
    parser.add_argument("--noise", type=float, default=0.005, help="share of salt and pepper")
    parser.add_argument("--run", nargs=3, metavar=("WAY", "RASTER", "GPKG"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.run:
        run(asked.run[0], Path(asked.run[1]), Path(asked.run[2]))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole, part = folder / "noisy.tif", folder / "part.tif"
        classes = noisy(asked.side, asked.noise)
        write(whole, classes)
        write(part, classes[: asked.side // 4])
        figures = compare("noisy", whole, folder)
        *_, small = measure("ours", part, folder / "part.gpkg")
        figures["noisy_ours_gb_quarter"] = small
        figures["tidy_s"], figures["tidy_cpu_s"], figures["tidy_gb"] = measure(
            "tidy", whole, folder / "tidy.gpkg"
        )
        figures |= {f"tidy_{key}": value for key, value in check(folder / "tidy.gpkg").items()}
        if REAL.exists():
            figures |= compare("dubai", REAL, folder)
    print(json.dumps({key: round(value, 3) for key, value in figures.items()}))


def compare(name: str, source: Path, folder: Path) -> dict[str, float]:
    """Seconds, memory and agreement of both ways on one raster."""
    mine, theirs = folder / f"{name}_ours.gpkg", folder / f"{name}_reference.gpkg"
    seconds, cpu, memory = measure("ours", source, mine)
    slow, slow_cpu, heavy = measure("reference", source, theirs)
    areas = [area_by_class(path) for path in (mine, theirs)]
    figures = {
        "speedup": slow / seconds,
        "speedup_cpu": slow_cpu / cpu,
        "ours_s": seconds,
        "reference_s": slow,
        "ours_cpu_s": cpu,
        "reference_cpu_s": slow_cpu,
        "ours_gb": memory,
        "reference_gb": heavy,
        "same_area_per_class": float(np.array_equal(*areas)),
    }
    figures |= check(mine)
    print(
        f"{name}: {slow / seconds:.1f} times faster ({seconds:.1f} s against {slow:.1f} s), "
        f"{slow_cpu / cpu:.1f} times by processor time ({cpu:.1f} s against {slow_cpu:.1f} s)"
    )
    return {f"{name}_{key}": value for key, value in figures.items()}


def measure(way: str, source: Path, target: Path) -> tuple[float, float, float]:
    """Seconds from raster to file, of the clock and of processors, and peak GB, of a process of its own."""
    command = [sys.executable, "-m", "bench.vectorize", "--run", way, str(source), str(target)]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    return float(said[0]), float(said[1]), int(said[2]) / 1e6


def run(way: str, source: Path, target: Path) -> None:
    """Go one way in this process; print seconds, processor seconds and peak resident memory in kB.

    The kernel's own account of the process (``VmHWM``) is read, because ``ru_maxrss`` starts
    from the memory of the process that forked this one.
    """
    started, worked = time.perf_counter(), time.process_time()
    WAYS[way](source, target)
    seconds, cpu = time.perf_counter() - started, time.process_time() - worked
    status = dict(
        line.split(":", 1) for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    )
    print(seconds, cpu, status["VmHWM"].split()[0])


def ours(source: Path, target: Path) -> None:
    """By strips, and one bulk write."""
    with raster.reading(source) as file:
        polygons = pixel_cover(reader(file), file.grid, TABLE)
        crs = file.grid.crs.to_wkt()
    pyogrio.write_arrow(
        polygons.select(["class_id", "class_name", "area_m2", "geometry"]),
        target,
        layer=LAYER,
        geometry_name="geometry",
        geometry_type="Polygon",
        crs=crs,
        layer_options={"SPATIAL_INDEX": "NO"},
    )


def tidy(source: Path, target: Path) -> None:
    """With clean-up, through shapely."""
    with raster.reading(source) as file:
        polygons = land_cover(reader(file), file.grid, TABLE, TIDY)
    columns = polygons[["class_id", "class_name", "area_m2", "geometry"]]
    pyogrio.write_dataframe(
        columns, target, layer=LAYER, use_arrow=True, layer_options={"SPATIAL_INDEX": "NO"}
    )


def reader(file: raster.Reader) -> Read:
    """Classes of a window, without a confidence."""
    return lambda window: (file.read_band(window), None)


def reference(source: Path, target: Path) -> None:
    """``rasterio.features.shapes``, and a row for each feature."""
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
            database.execute(INSERT, row)


WAYS = {"ours": ours, "reference": reference, "tidy": tidy}


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
    with cog.writing(path, grid, dtype="uint8", nodata=IGNORE) as file:
        file.write(classes)


def area_by_class(path: Path) -> NDArray[np.float64]:
    """Area of each class by its geometries, m²."""
    table = pyogrio.read_dataframe(path, columns=["class_id"], use_arrow=True)
    return np.bincount(table["class_id"], shapely.area(table.geometry), CLASSES)


def check(path: Path) -> dict[str, float]:
    """Whether the polygons are valid, don't overlap and leave no gap.

    Walked with the polygon to the left, each side occurs once, and its reverse occurs in the
    neighbour, unless it is on the edge of the whole: the length of the sides without a
    neighbour is that of the raster's frame and around its unknown pixels.
    """
    polygons = pyogrio.read_dataframe(path, columns=["class_id"], use_arrow=True).geometry.to_numpy()
    points, rings = shapely.get_coordinates(shapely.get_rings(polygons), return_index=True)
    vertex = np.unique(points @ np.array([1, 1j]), return_inverse=True)[1].astype(np.int64)
    same = rings[1:] == rings[:-1]
    start, end = vertex[:-1][same], vertex[1:][same]
    count = int(vertex.max()) + 1
    forth, back = start * count + end, end * count + start
    unique, times = np.unique(forth, return_counts=True)
    open_side = ~np.isin(back, unique)
    lengths = np.hypot(*(points[1:] - points[:-1])[same][open_side].T)
    return {
        "polygons": float(len(polygons)),
        "valid": float(shapely.is_valid(polygons).mean()),
        "sides_shared_by_more_than_two": float((times > 1).sum()),
        "open_edge_km": float(lengths.sum() / 1000),
    }


if __name__ == "__main__":
    main()
