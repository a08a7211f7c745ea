"""Road networks: from a mask of road pixels to a graph of centre lines.

The mask is thinned to a skeleton (`urbanseg.roads.thinning`; Zhang & Suen 1984, "A fast parallel
algorithm for thinning digital patterns"), its end points and junctions become nodes, and the
pixel chains between them become edges. Centre lines that exist as vectors make the same kind
of graph. The map exports the graph, the metrics compare two of them. No file is read here.
"""

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import networkx as nx
import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph
from shapely import LineString

from urbanseg.roads.thinning import ReadMask, skeleton_pixels

RoadGraph: TypeAlias = "nx.MultiGraph[int]"

SIMPLIFY_PX = 0.9
"""Tolerance that straightens pixel chains, whose staircase would lengthen a straight line by
up to 8 %. It deviates less than this from the line; a loop around one pixel deviates more."""


def road_graph(mask: NDArray[np.bool_], transform: Affine, *, min_spur: float = 0.0) -> RoadGraph:
    """Graph of the centre lines of a road mask held in memory; see `centre_line_graph`.

    Args:
        mask: ``(height, width)`` bool, True on road.
        transform: from ``(column, row)`` to CRS coordinates.
        min_spur: shorter dead ends are pruned.
    """
    return centre_line_graph(lambda window: mask[window.slices], mask.shape, transform, min_spur=min_spur)


def centre_line_graph(
    read: ReadMask, shape: tuple[int, ...], transform: Affine, *, min_spur: float = 0.0
) -> RoadGraph:
    """Graph of the centre lines of a road mask, which is read by strips.

    Each 8-connected component of the mask is one connected component of the graph. Two
    nodes may be joined by several edges (a road around a block), and an edge may lead
    back to its node (a loop); a closed ring without a junction gets one node.

    Args:
        read: the mask by windows, True on road.
        shape: ``(height, width)`` of the mask.
        transform: from ``(column, row)`` to CRS coordinates.
        min_spur: shorter dead ends are pruned, shortest first, in units of the CRS;
            roads that end at both sides are kept, however short.

    Returns:
        A graph whose nodes 0 … n-1, numbered row by row, hold `x` and `y`, and whose edges
        hold `geometry` (LineString from the lower-numbered node to the other) and
        `length`; coordinates and lengths are in the CRS and its unit.
    """
    height, width = shape
    pixels = _touching_pixels(skeleton_pixels(read, (height, width)), width)
    nodes, chains = _cut(pixels)
    lines = _to_crs(shapely.simplify(chains.lines, SIMPLIFY_PX), transform)
    centres = _to_crs(shapely.points(nodes), transform)
    graph: RoadGraph = nx.MultiGraph()
    graph.add_nodes_from(range(len(nodes)))
    for u, v, line, length in zip(
        chains.start.tolist(), chains.end.tolist(), lines, shapely.length(lines).tolist(), strict=True
    ):
        graph.add_edge(u, v, line=line, start=u, length=length)
    prune(graph, min_spur)
    return renumber(graph, shapely.get_coordinates(centres))


def line_graph(lines: Sequence[LineString]) -> RoadGraph:
    """Graph of centre lines given as vectors, as OpenStreetMap and SpaceNet have them.

    Lines join where they share a vertex, at their ends or along them; lines that merely
    cross, as bridges do, don't join. A piece between two vertices that several lines
    share counts once.

    Args:
        lines: two-dimensional, in a metric CRS.

    Returns:
        A graph like `road_graph`'s; nodes are numbered by x, then y.
    """
    points, owner = shapely.get_coordinates(np.asarray(lines, dtype=object), return_index=True)
    places, vertex = np.unique(points, axis=0, return_inverse=True)
    steps = np.sort(np.column_stack([vertex[:-1], vertex[1:]])[owner[:-1] == owner[1:]], axis=1)
    steps = np.unique(steps[steps[:, 0] != steps[:, 1]], axis=0)
    pieces = shapely.linestrings(places[steps]) if len(steps) else np.empty(0, dtype=object)
    graph: RoadGraph = nx.MultiGraph()
    graph.add_nodes_from(np.unique(steps).tolist())
    for (u, v), line, length in zip(steps.tolist(), pieces, shapely.length(pieces).tolist(), strict=True):
        graph.add_edge(u, v, line=line, start=u, length=length)
    for node in list(graph):
        dissolve(graph, node)
    return renumber(graph, places)


@dataclass(frozen=True)
class _Pixels:
    """Skeleton pixels in row-major order and which of them touch."""

    points: NDArray[np.float64]  # (n, 2) column and row of the centres
    touching: sparse.csr_array  # (n, n) symmetric
    in_square: NDArray[np.bool_]  # (n,) part of a full 2 × 2 square, which thinning may leave


@dataclass(frozen=True)
class _Chains:
    """Pixel chains between nodes: the nodes they join, and their lines in pixels."""

    start: NDArray[np.int64]
    end: NDArray[np.int64]
    lines: NDArray[np.object_]


def _touching_pixels(skeleton: NDArray[np.int64], width: int) -> _Pixels:
    """Pixels touch by a side, or by a corner where no side does the same.

    Args:
        skeleton: ``(n,)`` ascending, row × width + column.
        width: of the raster.
    """
    rows, cols = np.divmod(skeleton, max(1, width))
    flat = skeleton + 2 * rows  # with a margin, so that rows do not touch around the edge

    def at(step: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The pixel a step further for each, and whether there is one."""
        place = np.searchsorted(flat, flat + step)
        return place, flat[np.minimum(place, len(flat) - 1)] == flat + step if len(flat) else place > 0

    below = width + 2
    (right, has_right), (down, has_down) = at(1), at(below)
    (diagonal, has_diagonal), (antidiagonal, has_antidiagonal) = at(below + 1), at(below - 1)
    in_square = np.zeros(len(flat), dtype=bool)
    full = has_right & has_down & has_diagonal
    for corner in (np.arange(len(flat)), right, down, diagonal):
        in_square[corner[full]] = True
    has_antidiagonal &= ~at(-1)[1] & ~has_down
    has_diagonal &= ~has_right & ~has_down
    steps = ((right, has_right), (down, has_down), (diagonal, has_diagonal), (antidiagonal, has_antidiagonal))
    near, far = (
        np.concatenate([np.flatnonzero(has) for _, has in steps]),
        np.concatenate([place[has] for place, has in steps]),
    )
    return _Pixels(np.column_stack([cols + 0.5, rows + 0.5]), _symmetric(near, far, len(flat)), in_square)


def _cut(pixels: _Pixels) -> tuple[NDArray[np.float64], _Chains]:
    """Cut the skeleton into nodes, ``(n, 2)`` column and row, and the chains between them."""
    degree = np.diff(pixels.touching.indptr)
    junction = (degree > 2) | pixels.in_square
    is_node = junction | (degree < 2)
    is_node[_ring_starts(pixels.touching, ~is_node)] = True

    near, far = _pairs(pixels.touching)
    cluster = _number_clusters(near, far, junction, is_node)
    members = cluster[is_node]
    centres = (
        np.column_stack(
            [np.bincount(members, axis) / np.bincount(members) for axis in pixels.points[is_node].T]
        )
        if len(members)
        else np.empty((0, 2))
    )

    direct = is_node[near] & is_node[far] & (near < far) & (cluster[near] != cluster[far])
    hops = np.column_stack([cluster[near[direct]], cluster[far[direct]]])
    hop_lines = shapely.linestrings(centres[hops]) if len(hops) else np.empty(0, dtype=object)
    start, end, lines = _trace(pixels, is_node, cluster, centres)
    return centres, _Chains(
        np.concatenate([hops[:, 0], start]),
        np.concatenate([hops[:, 1], end]),
        np.concatenate([hop_lines, lines]),
    )


def _ring_starts(touching: sparse.csr_array, on_chain: NDArray[np.bool_]) -> NDArray[np.int64]:
    """First pixel of each closed ring, that is of each chain that meets no node."""
    chain = np.flatnonzero(on_chain)
    inner = touching[chain][:, chain]
    total, label = csgraph.connected_components(inner, directed=False)
    closed = np.ones(total, dtype=bool)
    closed[label[np.diff(inner.indptr) < 2]] = False
    _, first = np.unique(label, return_index=True)
    return chain[first[closed]]


def _number_clusters(
    near: NDArray[np.int64], far: NDArray[np.int64], junction: NDArray[np.bool_], is_node: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Node of each pixel, -1 on chains: junction pixels that touch are one node."""
    both = junction[near] & junction[far]
    links = _symmetric(near[both], far[both], len(junction))
    _, label = csgraph.connected_components(links, directed=False)
    cluster = np.full(len(junction), -1)
    _, first, inverse = np.unique(label[is_node], return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    cluster[is_node] = rank[inverse]
    return cluster


def _trace(
    pixels: _Pixels,
    is_node: NDArray[np.bool_],
    cluster: NDArray[np.int64],
    centres: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.object_]]:
    """Order the pixels of each chain from one of its ends, and join the nodes at both."""
    chain = np.flatnonzero(~is_node)
    if not len(chain):
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, dtype=object)
    inner = pixels.touching[chain][:, chain]
    _, label = csgraph.connected_components(inner, directed=False)
    ends = np.flatnonzero(np.diff(inner.indptr) < 2)
    _, pick = np.unique(label[ends], return_index=True)
    steps = csgraph.dijkstra(inner, directed=False, indices=ends[pick], unweighted=True, min_only=True)
    order = np.lexsort((steps, label))
    label = label[order]
    first = np.flatnonzero(np.diff(label, prepend=-1))
    last = np.append(first[1:], len(label)) - 1

    outer = pixels.touching[chain[order]][:, np.flatnonzero(is_node)]
    nodes = cluster[is_node][outer.indices]
    # A chain of one pixel touches its two nodes with the same pixel: first and last differ.
    start, end = nodes[outer.indptr[first]], nodes[outer.indptr[last + 1] - 1]

    points = np.concatenate([centres[start], pixels.points[chain[order]], centres[end]])
    member = np.concatenate([label[first], label, label[first]])
    place = np.repeat([0, 1, 2], [len(first), len(label), len(first)])
    along = np.lexsort((np.arange(len(member)), place, member))
    return start, end, np.asarray(shapely.linestrings(points[along], indices=member[along]))


def prune(graph: RoadGraph, min_spur: float, by: str = "length") -> None:
    """Remove dead ends below `min_spur`, shortest first, and dissolve nodes of degree 2.

    Shortest first, because the skeleton forks at the end of a wide road: when the shorter
    branch is removed, the longer one has become the road's own end and is no spur.

    Args:
        graph: as `line_graph` builds it; changed in place.
        min_spur: limit of what is kept.
        by: the attribute of edges that is compared with it.
    """
    for node in list(graph):
        dissolve(graph, node)
    heap = [(size, node) for node in graph if (size := _spur_size(graph, node, by)) < min_spur]
    heapq.heapify(heap)
    while heap:
        size, tip = heapq.heappop(heap)
        if _spur_size(graph, tip, by) != size:
            continue  # it has become part of a longer edge
        base = next(iter(graph[tip]))
        graph.remove_node(tip)
        for end in dissolve(graph, base):
            if (size := _spur_size(graph, end, by)) < min_spur:
                heapq.heappush(heap, (size, end))


def _spur_size(graph: RoadGraph, tip: int, by: str) -> float:
    """Length, or another attribute, of the dead end from `tip` to a junction; infinite if it is none."""
    if tip not in graph or graph.degree(tip) != 1:
        return math.inf
    [(base, edges)] = graph[tip].items()
    [edge] = edges.values()
    return float(edge[by]) if graph.degree(base) > 1 else math.inf


def dissolve(graph: RoadGraph, node: int) -> tuple[int, ...]:
    """Join the two edges that meet at `node`, if there are just two; return their far ends.

    `length` and, where edges have it, `sure` of the new edge are the sums of both.
    """
    if graph.degree(node) != 2 or graph.has_edge(node, node):
        return ()
    (_, u, first), (_, v, second) = graph.edges(node, data=True)
    into = first["line"] if first["start"] == u else first["line"].reverse()
    out = second["line"] if second["start"] == node else second["line"].reverse()
    points = np.concatenate([shapely.get_coordinates(into), shapely.get_coordinates(out)[1:]])
    sizes = {key: first[key] + second[key] for key in ("length", "sure") if key in first}
    graph.remove_node(node)
    graph.add_edge(u, v, line=LineString(points), start=u, **sizes)
    return u, v


def renumber(graph: RoadGraph, centres: NDArray[np.float64]) -> RoadGraph:
    """The graph with nodes renumbered 0 … n-1, sorted edges, and public attributes only."""
    number = {node: i for i, node in enumerate(sorted(graph))}
    edges = []
    for u, v, data in graph.edges(data=True):
        low, high = sorted((number[u], number[v]))
        line = data["line"] if number[data["start"]] == low else data["line"].reverse()
        edges.append((low, high, data["length"], line))
    # Where parallel edges have one length, their points decide; in one call, because each is slow.
    keys = shapely.to_wkb(np.array([edge[3] for edge in edges], dtype=object))
    edges = [
        edge for edge, _ in sorted(zip(edges, keys, strict=True), key=lambda pair: (*pair[0][:3], pair[1]))
    ]
    result: RoadGraph = nx.MultiGraph()
    for node, i in number.items():
        result.add_node(i, x=float(centres[node, 0]), y=float(centres[node, 1]))
    for low, high, length, line in edges:
        result.add_edge(low, high, geometry=line, length=length)
    return result


def _symmetric(near: NDArray[np.int64], far: NDArray[np.int64], size: int) -> sparse.csr_array:
    """Symmetric adjacency matrix of `size` pixels from pairs given once."""
    rows, cols = np.concatenate([near, far]), np.concatenate([far, near])
    matrix = sparse.csr_array((np.ones(len(rows), np.int8), (rows, cols)), shape=(size, size))
    matrix.sort_indices()
    return matrix


def _pairs(matrix: sparse.csr_array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column of each entry, both ways round."""
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return rows, matrix.indices.astype(np.int64)


def _to_crs(geometries: Any, transform: Affine) -> NDArray[np.object_]:
    """Pixel coordinates to CRS coordinates."""
    a, b, c, d, e, f = transform[:6]
    return np.asarray(
        shapely.transform(
            geometries,
            lambda points: points @ np.array([[a, d], [b, e]]) + (c, f),
        )
    )
