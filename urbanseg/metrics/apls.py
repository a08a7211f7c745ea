"""APLS: similarity of the shortest path lengths in the mapped and the reference road network.

Average Path Length Similarity of Van Etten et al. 2018, "SpaceNet: A Remote Sensing Dataset
and Challenge Series", with the rules of its reference implementation (CosmiQ Works' apls):
control points are the junctions and ends of a network and points between them; each is
snapped to the nearest edge of the other network; a path that exists in one network and
not in the other has the largest difference, 1. Sums of path differences add up over areas:
`PathSums.apls` of a sum is pooled over them; the paper takes the mean of the areas' own.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph

from urbanseg.roads.skeleton import RoadGraph

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SHORT = 0.75
"""An edge shorter than this part of the spacing gets no point in its middle."""

MOST_POINTS = 500
"""Control points of an area; of more, this many are taken at even steps, as paths grow with the square."""


@dataclass(frozen=True)
class PathSums:
    """Paths compared and the sum of their differences, from the reference and from the prediction."""

    reference_paths: int = 0
    reference_difference: float = 0.0
    predicted_paths: int = 0
    predicted_difference: float = 0.0

    def __add__(self, other: "PathSums") -> "PathSums":
        return PathSums(
            self.reference_paths + other.reference_paths,
            self.reference_difference + other.reference_difference,
            self.predicted_paths + other.predicted_paths,
            self.predicted_difference + other.predicted_difference,
        )

    @property
    def reference_to_prediction(self) -> float:
        """Similarity of the reference's paths in the prediction, 0–1; NaN if it has none."""
        return _similarity(self.reference_paths, self.reference_difference)

    @property
    def prediction_to_reference(self) -> float:
        """Similarity of the prediction's paths in the reference, 0–1; NaN if it has none."""
        return _similarity(self.predicted_paths, self.predicted_difference)

    @property
    def apls(self) -> float:
        """Harmonic mean of both: 1 perfect, 0 if one network has no path; NaN if neither has."""
        if not self.reference_paths + self.predicted_paths:
            return float("nan")
        if not self.reference_paths or not self.predicted_paths:
            return 0.0
        one, other = self.reference_to_prediction, self.prediction_to_reference
        return 2 * one * other / (one + other) if one + other > 0 else 0.0


@dataclass(frozen=True)
class _Network:
    """A road graph as arrays: edges, and the shortest path between any two nodes."""

    lines: NDArray[np.object_]
    ends: Ints  # (edges, 2)
    length: Floats  # (edges,)
    points: Floats  # (nodes, 2)
    between: Floats  # (nodes, nodes)


@dataclass(frozen=True)
class _Places:
    """Points on a network: each on an edge, at a distance from its start; edge -1: on a node or nowhere."""

    edge: Ints
    at: Floats
    node: Ints
    """The node a point lies on; -1 for points on edges and for points that were not snapped."""


def compare_paths(
    reference: RoadGraph, predicted: RoadGraph, *, snap_m: float, spacing_m: float, min_path_m: float
) -> PathSums:
    """Sums of the path differences in both directions.

    For control points a and b of one network, joined by a path of length L, with a' and b'
    snapped to the other network and joined there by L': ``min(1, |L - L'| / L)``, and 1 if a', b' or
    the path between them is missing. Paths shorter than `min_path_m` are skipped.

    Args:
        reference: nodes hold `x` and `y`, edges `geometry` (from the lower node to the
            other) and `length`; all in metres.
        predicted: same.
        snap_m: how far from a network a control point of the other may lie; 4 in the paper.
        spacing_m: largest distance of control points along an edge; 50 in the paper.
        min_path_m: 10 in the reference implementation.

    Returns:
        Number of paths and sum of differences in each direction; they add up over areas.
    """
    networks = _network(reference), _network(predicted)
    sums = [
        _differences(own, other, snap_m, spacing_m, min_path_m) for own, other in (networks, networks[::-1])
    ]
    return PathSums(*sums[0], *sums[1])


def control_points(graph: RoadGraph, spacing_m: float) -> Floats:
    """Where the control points of a road graph lie: ``(n, 2)`` x and y."""
    return _control_points(_network(graph), spacing_m)[1]


def _differences(
    own: _Network, other: _Network, snap_m: float, spacing_m: float, min_path_m: float
) -> tuple[int, float]:
    """Number of paths of `own`, and the sum of their differences in `other`; each path once."""
    places, points = _control_points(own, spacing_m)
    length = _distances(own, places)
    found = _distances(other, _snap(other, points, snap_m))
    compared = np.triu(np.isfinite(length) & (length >= min_path_m), k=1) & (length > 0)
    length, found = length[compared], found[compared]
    return len(length), float(np.minimum(1.0, np.abs(length - found) / length).sum())


def _network(graph: RoadGraph) -> _Network:
    edges = list(graph.edges(data=True))
    ends = np.array([sorted(edge[:2]) for edge in edges], np.int64).reshape(-1, 2)
    length = np.array([data["length"] for *_, data in edges], np.float64)
    lines = np.array([data["geometry"] for *_, data in edges], dtype=object)
    points = np.array([(data["x"], data["y"]) for _, data in graph.nodes(data=True)]).reshape(-1, 2)

    # Of parallel edges the shortest counts; adding them up, as sparse matrices do, would not.
    shortest = np.full((len(points), len(points)), np.inf)
    np.minimum.at(shortest, (ends[:, 0], ends[:, 1]), length)
    rows, cols = np.nonzero(np.isfinite(shortest))
    matrix = sparse.csr_array((shortest[rows, cols], (rows, cols)), shape=shortest.shape)
    between = csgraph.dijkstra(matrix, directed=False) if len(points) else np.zeros((0, 0))
    return _Network(lines, ends, length, points, between)


def _control_points(network: _Network, spacing_m: float) -> tuple[_Places, Floats]:
    """All nodes, and points that cut each edge into equal parts no longer than the spacing.

    An edge of up to the spacing gets one in its middle unless it is short.
    """
    edge, share = [], []
    for i, length in enumerate(network.length.tolist()):
        parts = max(ceil(length / spacing_m), 2) if length >= SHORT * spacing_m else 1
        edge += [i] * (parts - 1)
        share += [k / parts for k in range(1, parts)]
    nodes, on_edge = len(network.points), np.array(edge, np.int64)
    at = np.array(share) * network.length[on_edge]
    middles = shapely.get_coordinates(shapely.line_interpolate_point(network.lines[on_edge], at))
    points = np.concatenate([network.points, middles])
    places = _Places(
        np.concatenate([np.full(nodes, -1), on_edge]),
        np.concatenate([np.zeros(nodes), at]),
        np.concatenate([np.arange(nodes), np.full(len(on_edge), -1)]),
    )
    if len(points) <= MOST_POINTS:
        return places, points
    kept = np.linspace(0, len(points) - 1, MOST_POINTS).round().astype(np.int64)
    return _Places(places.edge[kept], places.at[kept], places.node[kept]), points[kept]


def _snap(network: _Network, points: Floats, snap_m: float) -> _Places:
    """The nearest place of the network to each point, nowhere if it is further than `snap_m`."""
    edge, at = np.full(len(points), -1), np.zeros(len(points))
    if len(network.lines):
        spots = np.asarray(shapely.points(points))
        tree = shapely.STRtree(network.lines)
        which, nearest = tree.query_nearest(spots, max_distance=snap_m, all_matches=False)
        edge[which] = nearest
        at[which] = shapely.line_locate_point(network.lines[nearest], spots[which])
    return _Places(edge, at, np.full(len(points), -1))


def _distances(network: _Network, places: _Places) -> Floats:
    """Length of the shortest way between any two places, ``(n, n)``; infinite where there is none.

    A way between two places leaves each edge by one of its ends, or stays on the edge.
    """
    n = len(places.edge)
    if not len(network.points):
        return np.full((n, n), np.inf)
    on_edge, on_node = places.edge >= 0, places.node >= 0
    ends = np.zeros((n, 2), np.int64)
    away = np.full((n, 2), np.inf)
    ends[on_edge] = network.ends[places.edge[on_edge]]
    away[on_edge, 0] = places.at[on_edge]
    away[on_edge, 1] = network.length[places.edge[on_edge]] - places.at[on_edge]
    ends[on_node], away[on_node] = places.node[on_node, np.newaxis], 0
    to_nodes = np.minimum(
        *(network.between.take(ends[:, i], axis=0) + away[:, i, np.newaxis] for i in range(2))
    )
    result: Floats = np.minimum(*(to_nodes.take(ends[:, j], axis=1) + away[:, j] for j in range(2)))
    one, other = np.nonzero(on_edge[:, np.newaxis] & (places.edge[:, np.newaxis] == places.edge))
    result[one, other] = np.minimum(result[one, other], np.abs(places.at[one] - places.at[other]))
    return result


def _similarity(paths: int, difference: float) -> float:
    return 1 - difference / paths if paths else float("nan")
