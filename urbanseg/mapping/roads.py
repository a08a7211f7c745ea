"""Road layers of the map: a road graph as a table of lines with widths and a table of points.

The graph itself comes from `urbanseg.roads.skeleton` and `urbanseg.roads.repair`. The tables make it
again, for example with networkx: ``nx.from_pandas_edgelist(edges, "u", "v", True, nx.MultiGraph)``.
"""

from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from scipy import ndimage

from urbanseg.grid import Grid, Window
from urbanseg.roads.skeleton import RoadGraph
from urbanseg.roads.thinning import ReadMask

BLOCK_PX = 512
"""Side of the blocks in which widths are measured."""

WIDEST_PX = 128
"""Roads wider than this count as this wide."""

LINES_AT_ONCE = 50_000
"""Lines whose points are held in memory together."""


def road_layers(graph: RoadGraph, read: ReadMask, grid: Grid) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """Edges and nodes of a road graph as tables.

    Args:
        graph: as `urbanseg.roads.skeleton.road_graph` makes it, in a CRS in metres.
        read: a window of the mask, True on road; the widths are measured on it.
        grid: of the mask.

    Returns:
        Edges with `edge_id`, `u`, `v` (node ids; int32), `length_m`, `width_m` and a LineString, and
        nodes with `node_id`, `degree` (int32) and a Point.
    """
    rows = list(graph.edges(data=True))
    lines = np.array([data["geometry"] for *_, data in rows], dtype=object)
    edges = gpd.GeoDataFrame(
        {
            "edge_id": np.arange(len(rows), dtype=np.int32),
            "u": np.array([u for u, _, _ in rows], dtype=np.int32),
            "v": np.array([v for _, v, _ in rows], dtype=np.int32),
            "length_m": np.array([data["length"] for *_, data in rows], dtype=np.float64),
            "width_m": road_widths(lines, read, grid),
        },
        geometry=lines,
        crs=grid.crs,
    )
    points = np.array([(data["x"], data["y"]) for _, data in graph.nodes(data=True)]).reshape(-1, 2)
    nodes = gpd.GeoDataFrame(
        {
            "node_id": np.array(list(graph), dtype=np.int32),
            "degree": np.array([degree for _, degree in graph.degree()], dtype=np.int32),
        },
        geometry=shapely.points(points),
        crs=grid.crs,
    )
    return edges, nodes


def road_widths(lines: NDArray[np.object_], read: ReadMask, grid: Grid) -> NDArray[np.float64]:
    """Width of the road under each line, in metres: the median over points a pixel apart.

    Twice the distance from the middle of the road to its edge; points off the road, where a
    gap was bridged, don't count. A line that is nowhere on a road is one pixel wide.

    Args:
        lines: ``(n,)`` shapely lines in the CRS of `grid`.
        read: a window of the mask, True on road.
        grid: of the mask.

    Returns:
        ``(n,)`` float64.
    """
    found: list[NDArray[np.floating[Any]]] = [np.empty(0)]
    for first in range(0, len(lines), LINES_AT_ONCE):
        some = lines[first : first + LINES_AT_ONCE]
        owner, cells = _points_along(some, grid)
        widths = pd.Series(_widths_at(cells, read, grid))
        medians = widths[widths > 0].groupby(owner[widths > 0]).median()
        found.append(medians.reindex(range(len(some)), fill_value=grid.resolution).to_numpy())
    return np.concatenate(found)


def _points_along(lines: NDArray[np.object_], grid: Grid) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Points a pixel apart: the line that each lies on, and its pixel as ``(n, 2)`` row and column."""
    length = shapely.length(lines)
    count = np.maximum(1, np.ceil(length / grid.resolution)).astype(np.int64)
    owner = np.repeat(np.arange(len(lines)), count)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count) + 0.5
    points = shapely.line_interpolate_point(lines[owner], place * (length / count)[owner])
    cols, rows = ~grid.transform @ shapely.get_coordinates(points).T
    cells = np.floor(np.column_stack([rows, cols])).astype(np.int64)
    return owner, np.clip(cells, 0, np.array(grid.shape) - 1)


def _widths_at(cells: NDArray[np.int64], read: ReadMask, grid: Grid) -> NDArray[np.float64]:
    """Width of the road at each pixel in metres; 0 off the road. Memory is bounded by the block."""
    widths = np.zeros(len(cells))
    across = grid.width // BLOCK_PX + 1
    block = cells[:, 0] // BLOCK_PX * across + cells[:, 1] // BLOCK_PX
    order = np.argsort(block, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(block[order])) + 1):
        if not len(members):
            continue
        (top, left), (bottom, right) = cells[members].min(axis=0), cells[members].max(axis=0) + 1
        area, _ = Window(int(top), int(left), int(bottom - top), int(right - left)).grown(
            WIDEST_PX, grid.shape
        )
        rows, cols = cells[members].T
        widths[members] = _ridge(read(area), grid.pixel_m)[rows - area.row, cols - area.col]
    return widths


def _ridge(mask: NDArray[np.bool_], pixel_m: tuple[float, float]) -> NDArray[np.float64]:
    """Width of the road around each pixel in metres, ``(height, width)``.

    Pixels are halved first: the middle of a road of an even number of pixels lies between
    two of them, and of halves there are always two in the middle, whose distance to the
    centres of the halves beyond the edge is just half the width.
    """
    halves = np.pad(np.repeat(np.repeat(mask, 2, axis=0), 2, axis=1), 2)
    distance = ndimage.distance_transform_edt(halves, sampling=(pixel_m[0] / 2, pixel_m[1] / 2))
    height, width = (side // 2 for side in halves.shape)
    largest = distance.reshape(height, 2, width, 2).max(axis=(1, 3))
    return np.asarray(2 * ndimage.maximum_filter(largest, size=3)[1:-1, 1:-1])
