"""Regions for tests: a raster or lines cut into cells, whose vectors lie in files as cells leave them."""

from itertools import pairwise
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import shapely
from affine import Affine
from pyproj import CRS

from urbanseg.classes import IGNORE, ClassTable, LandClass
from urbanseg.grid import Grid
from urbanseg.mapping.polygons import polygonise
from urbanseg.region.seams import Part

UTM = CRS.from_epsg(32632)
PIXEL = 10.0
TABLE = ClassTable(tuple(LandClass(i, f"class{i}", "#000000") for i in range(4)))
ORIGIN = (100, 1000)
"""Column and row of the first cell."""


def bounds_of(col, row, side):
    left, bottom = (ORIGIN[0] + col) * side, (ORIGIN[1] + row) * side
    return (left, bottom, left + side, bottom + side)


def grid_of(bounds, shape):
    return Grid(UTM, Affine(PIXEL, 0, bounds[0], 0, -PIXEL, bounds[3]), *shape)


def polygon_cells(folder: Path, classes, confidence, size, missing=()):
    """Cut rasters into cells of `size` pixels; returns the parts, and the polygons of all at once.

    The first row of cells is the lowest. Missing cells are unknown in the whole, too.
    """
    rows, cols = (n // size for n in classes.shape)
    classes = classes.copy()
    parts = []
    for row in range(rows):
        for col in range(cols):
            window = np.s_[(rows - 1 - row) * size : (rows - row) * size, col * size : (col + 1) * size]
            if (col, row) in missing:
                classes[window] = IGNORE
                continue
            bounds = bounds_of(col, row, size * PIXEL)
            grid = grid_of(bounds, (size, size))
            table = polygonise(classes[window], confidence[window], grid, TABLE)
            table["pixels"] = np.round(table["area_m2"] / PIXEL**2).astype(np.int64)
            parts.append(write_part(folder, col, row, bounds, table))
    left, bottom, *_ = bounds_of(0, 0, size * PIXEL)
    frame = (left, bottom, left + cols * size * PIXEL, bottom + rows * size * PIXEL)
    return parts, polygonise(classes, confidence, grid_of(frame, classes.shape), TABLE)


def write_part(folder, col, row, bounds, table):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{col}_{row}.parquet"
    table.to_parquet(path)
    return Part(f"e{ORIGIN[0] + col:04d}n{ORIGIN[1] + row:04d}", bounds, path)


def pieces_of(line, side):
    """A line cut at multiples of `side`; on these, the other coordinate is a multiple of 2**-10."""
    points, cuts = [line[0]], []
    for start, end in pairwise(np.asarray(line)):
        found = []
        for axis in (0, 1):
            low, high = sorted((start[axis], end[axis]))
            for at in np.arange(np.floor(low / side) + 1, np.ceil(high / side)) * side:
                share = (at - start[axis]) / (end[axis] - start[axis])
                other = start[1 - axis] + share * (end[1 - axis] - start[1 - axis])
                place = (at, np.round(other * 1024) / 1024)
                found.append((share, place if axis == 0 else place[::-1]))
        for _, place in sorted(found):
            points.append(place)
            cuts.append(len(points) - 1)
        points.append(tuple(end))
    return [points[a : b + 1] for a, b in pairwise([0, *cuts, len(points) - 1])]


def road_cells(folder: Path, lines, widths, counts, side):
    """Lines cut at the sides of cells; none may run along one."""
    both = zip(lines, widths, strict=True)
    pieces = [(piece, width) for line, width in both for piece in pieces_of(line, side)]
    middle = np.array([np.add(*piece[:2]) / 2 for piece, _ in pieces])
    cells = np.floor(middle / side).astype(int) - ORIGIN
    parts = []
    for row in range(counts[1]):
        for col in range(counts[0]):
            own = [pieces[i] for i in np.flatnonzero((cells == (col, row)).all(axis=1))]
            shapes = np.array([shapely.LineString(piece) for piece, _ in own], dtype=object)
            table = gpd.GeoDataFrame(
                {"length_m": shapely.length(shapes), "width_m": np.array([width for _, width in own], float)},
                geometry=shapes,
                crs=UTM,
            )
            parts.append(write_part(folder, col, row, bounds_of(col, row, side), table))
    return parts


def read(folder):
    """The rows of a data set; geopandas takes longest to make a CRS of each file's metadata."""
    tables = [pq.read_table(path, partitioning=None) for path in sorted(folder.glob("*.parquet"))]
    table = pd.concat([each.drop_columns("bbox").to_pandas() for each in tables])
    return gpd.GeoDataFrame(table, geometry=shapely.from_wkb(table["geometry"]), crs=UTM)


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
