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

from urbanseg.grid import Grid
from urbanseg.roads.skeleton import RoadGraph
from urbanseg.roads.surface import by_block, pixels_of, points_along
from urbanseg.roads.thinning import ReadMask

HIGHWAYS = (
    (0.0, "service"),
    (5.5, "residential"),
    (9.0, "tertiary"),
    (11.5, "secondary"),
    (14.5, "primary"),
    (18.0, "trunk"),
)
"""Least width in metres of each value of `highway`, halfway between the typical widths under
`labels.line_width_m` in params.yaml."""

GUESS_UP_TO_M = 2.0
"""Side of the largest pixels in which these widths differ."""

TURN_DEG = 35.0
"""Roads that meet continue each other if they turn less than this."""

SMOOTHINGS = 2
"""How often widths are averaged along a road: over as many edges on both sides."""

WIDEST_PX = 128
"""Roads wider than this count as this wide."""

LINES_AT_ONCE = 50_000
"""Lines whose points are held in memory together."""


Floats = NDArray[np.float64]


def road_layers(graph: RoadGraph, read: ReadMask, grid: Grid) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """Edges and nodes of a road graph as tables.

    Args:
        graph: as `urbanseg.roads.skeleton.road_graph` makes it, in a CRS in metres.
        read: a window of the mask, True on road; the widths are measured on it.
        grid: of the mask.

    Returns:
        Edges with `edge_id`, `u`, `v` (node ids; int32), `length_m`, `width_m`, `highway_guess` and a
        LineString, and nodes with `node_id`, `degree` (int32) and a Point.
    """
    rows = list(graph.edges(data=True))
    lines = np.array([data["geometry"] for *_, data in rows], dtype=object)
    width = smooth_widths(graph, road_widths(lines, read, grid))
    edges = gpd.GeoDataFrame(
        {
            "edge_id": np.arange(len(rows), dtype=np.int32),
            "u": np.array([u for u, _, _ in rows], dtype=np.int32),
            "v": np.array([v for _, v, _ in rows], dtype=np.int32),
            "length_m": np.array([data["length"] for *_, data in rows], dtype=np.float64),
            "width_m": width,
            "highway_guess": pd.array(guess_highways(width, grid.resolution), dtype="str"),
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


def smooth_widths(graph: RoadGraph, width: Floats) -> Floats:
    """Widths that change gradually along a road, whose edges lead straight on into each other.

    Args:
        graph: edges hold `geometry` (from the lower node to the other) and `length`.
        width: ``(n,)`` of each edge, in the graph's order.

    Returns:
        ``(n,)``: the mean over an edge and those that continue it, weighted by their lengths.
    """
    length = np.array([data["length"] for *_, data in graph.edges(data=True)])
    near, far = straight_on(graph, width).T
    for _ in range(SMOOTHINGS):
        total, weight = width * length, length.copy()
        for one, other in ((near, far), (far, near)):
            np.add.at(total, one, (width * length)[other])
            np.add.at(weight, one, length[other])
        width = total / weight
    return width


def straight_on(graph: RoadGraph, width: Floats) -> NDArray[np.int64]:
    """Pairs of edges that continue each other at a node: ``(n, 2)`` numbers.

    Each end of an edge has one partner at most, the straightest, and turns less than `TURN_DEG`. The
    direction of an edge is that to its point twice its `width`, ``(n,)``, away.
    """
    arms: dict[int, list[tuple[int, Floats]]] = {}
    for i, (u, v, data) in enumerate(graph.edges(data=True)):
        line, reach = data["geometry"], min(2 * width[i], data["length"])
        for node, start, place in ((u, 0, reach), (v, -1, data["length"] - reach)):
            step = np.subtract(line.interpolate(place).coords[0], line.coords[start])
            arms.setdefault(node, []).append((i, step / max(np.hypot(*step), 1e-9)))
    pairs = []
    for at_node in arms.values():
        turns = sorted(
            (float(one @ other), i, j)
            for k, (i, one) in enumerate(at_node)
            for j, other in at_node[k + 1 :]
            if i != j
        )
        used: set[int] = set()
        for cosine, i, j in turns:
            if cosine < -np.cos(np.radians(TURN_DEG)) and not used & {i, j}:
                used |= {i, j}
                pairs.append((i, j))
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def guess_highways(width: Floats, pixel: float) -> NDArray[np.object_]:
    """A value of OpenStreetMap's `highway` for each width, by `HIGHWAYS`; no more than a guess.

    Args:
        width: ``(n,)`` in metres, as mapped.
        pixel: side of a pixel, in metres: a road covers pixels in part, so it is mapped too wide by
            half of one, on average.

    Returns:
        ``(n,)`` names; None where pixels are larger than `GUESS_UP_TO_M`, as the widths tell nothing.
    """
    if pixel > GUESS_UP_TO_M:
        return np.full(len(width), None, dtype=object)
    limits = np.array([limit for limit, _ in HIGHWAYS[1:]])
    names = np.array([name for _, name in HIGHWAYS], dtype=object)
    return np.asarray(names[np.searchsorted(limits, width - pixel / 2, side="right")])


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
        owner, points = points_along(some, grid.resolution)
        cells = pixels_of(points, grid.transform, grid.shape)
        widths = pd.Series(_widths_at(cells, read, grid))
        medians = widths[widths > 0].groupby(owner[widths > 0]).median()
        found.append(medians.reindex(range(len(some)), fill_value=grid.resolution).to_numpy())
    return np.concatenate(found)


def _widths_at(cells: NDArray[np.int64], read: ReadMask, grid: Grid) -> NDArray[np.float64]:
    """Width of the road at each pixel in metres; 0 off the road. Memory is bounded by the block."""
    widths = np.zeros(len(cells))
    for members, window in by_block(cells):
        area, _ = window.grown(WIDEST_PX, grid.shape)
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
