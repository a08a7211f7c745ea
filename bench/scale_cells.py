"""Synthetic cells of a region: blobs and roads that go on in the neighbours, as a pattern that repeats."""

import math
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from affine import Affine
from pyproj import CRS
from scipy import ndimage

from urbanseg.classes import ClassTable, LandClass
from urbanseg.grid import Grid
from urbanseg.io.geoparquet import write_geoparquet
from urbanseg.mapping.polygons import polygonise
from urbanseg.region.seams import Part

SIDE_PX, PIXEL_M = 16, 10.0
SIDE_M = SIDE_PX * PIXEL_M
PERIOD = 3
"""Cells after which the pattern repeats itself, along both axes."""

CLASSES = ClassTable(tuple(LandClass(i, f"class{i}", "#000000") for i in range(5)))
FIRST = 1000
"""Column and row of the first cell."""


def parts_of(folder: Path, kind: str, count: int) -> list[Part]:
    """The first `count` cells, as a square.

    Args:
        folder: of `write_cells`.
        kind: ``polygons`` or ``roads``.
        count: of cells.
    """
    wide = math.isqrt(count)
    places = [(col, row) for col in range(wide) for row in range(wide)]
    return [
        Part(
            f"e{FIRST + col:04d}n{FIRST + row:04d}", bounds(col, row), folder / f"{kind}_{col}_{row}.parquet"
        )
        for col, row in places
    ]


def bounds(col: int, row: int) -> tuple[float, float, float, float]:
    """Of a cell."""
    left, bottom = (FIRST + col) * SIDE_M, (FIRST + row) * SIDE_M
    return (left, bottom, left + SIDE_M, bottom + SIDE_M)


def write_cells(folder: Path, count: int) -> None:
    """The files of a square of cells."""
    wide = math.isqrt(count)
    patterns = {(col, row): _tables(col, row) for col in range(PERIOD) for row in range(PERIOD)}
    for (col, row), tables in patterns.items():
        for kind, table in tables.items():
            path = folder / f"pattern_{kind}.parquet"
            write_geoparquet(table, path)
            pattern = pq.read_table(path).drop_columns("bbox")
            shapes = shapely.from_wkb(pattern["geometry"].to_numpy())
            for across in range(col, wide, PERIOD):
                for up in range(row, wide, PERIOD):
                    moved = shapely.transform(
                        shapes, lambda xy, by=(across - col, up - row): xy + np.multiply(by, SIDE_M)
                    )
                    column = pa.array(shapely.to_wkb(moved), pa.binary())
                    place = pattern.schema.get_field_index("geometry")
                    placed = pattern.set_column(place, pattern.schema.field(place), column)
                    pq.write_table(placed, folder / f"{kind}_{across}_{up}.parquet")


def _tables(col: int, row: int) -> dict[str, gpd.GeoDataFrame]:
    """Polygons and roads of a cell of the pattern."""
    side = SIDE_PX * PERIOD
    noise = ndimage.gaussian_filter(np.random.default_rng(7).normal(size=(side, side)), 2.5, mode="wrap")
    classes = np.digitize(noise, np.quantile(noise, [0.3, 0.55, 0.75, 0.9])).astype(np.uint8)
    own = np.s_[side - (row + 1) * SIDE_PX : side - row * SIDE_PX, col * SIDE_PX : (col + 1) * SIDE_PX]
    left, bottom, _, top = bounds(col, row)
    grid = Grid(CRS.from_epsg(32632), Affine(PIXEL_M, 0, left, 0, -PIXEL_M, top), SIDE_PX, SIDE_PX)
    polygons = polygonise(classes[own], np.full((SIDE_PX, SIDE_PX), 200, np.uint8), grid, CLASSES)
    polygons["pixels"] = np.round(polygons["area_m2"] / PIXEL_M**2).astype(np.int64)
    middle = (left + SIDE_M / 2 + 3, bottom + SIDE_M / 2 - 5)
    ends = [
        (left, bottom + 110),
        (left + SIDE_M, bottom + 110),
        (left + 130, bottom),
        (left + 130, bottom + SIDE_M),
    ]
    lines = np.array([shapely.LineString([middle, end]) for end in ends], dtype=object)
    roads = gpd.GeoDataFrame(
        {"length_m": shapely.length(lines), "width_m": np.full(4, 7.0)}, geometry=lines, crs=grid.crs
    )
    return {"polygons": polygons, "roads": roads}
