"""Repair of a road network: gaps in the skeleton of a predicted mask are bridged.

Roads are interrupted by trees, shadows and misclassified pixels. A dead end is extended to a
road ahead of it if the gap is short and both have the same direction, the rule of Wiedemann &
Hinz 1999, "Automatic extraction and evaluation of road networks from satellite imagery";
short components that remain are removed. Both work on the graph, without pixels, so the map
and the metrics repair in the same way.
"""

from dataclasses import dataclass
from itertools import pairwise

import networkx as nx
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import LineString

from urbanseg.config.vectorize import RoadParams
from urbanseg.roads.skeleton import RoadGraph, dissolve, prune, renumber

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DETOUR = 4.0
"""A gap is left open if the roads at its two sides meet within this many times its width."""


def repair_network(graph: RoadGraph, rules: RoadParams) -> RoadGraph:
    """The network with its gaps bridged, spurs pruned and fragments removed.

    Gaps are bridged from the narrowest to the widest, and each dead end is used once; a
    bridge leads straight to another dead end, to a junction, or to a new junction in a road.

    Args:
        graph: as `urbanseg.roads.skeleton.road_graph` makes it; coordinates in metres.
        rules: `max_gap_m` and `max_angle_deg` bound the bridges, `snap_m` is the gap below
            which the direction doesn't matter, `min_spur_m` the shortest dead end and
            `min_length_m` the shortest network that are kept.

    Returns:
        A graph of the same kind.
    """
    edges = _Edges.of(graph)
    joined, points = _join(
        graph, edges, _select_bridges(graph, edges, _candidates(graph, edges, rules), rules)
    )
    prune(joined, rules.min_spur_m)
    _drop_fragments(joined, rules.min_length_m)
    return renumber(joined, points)


@dataclass(frozen=True)
class _Edges:
    """A graph's edges and nodes as arrays."""

    lines: NDArray[np.object_]
    ends: Ints  # (edges, 2)
    length: Floats  # (edges,)
    points: Floats  # (nodes, 2)

    @classmethod
    def of(cls, graph: RoadGraph) -> "_Edges":
        rows = list(graph.edges(data=True))
        return cls(
            np.array([data["geometry"] for *_, data in rows], dtype=object),
            np.array([(u, v) for u, v, _ in rows], dtype=np.int64).reshape(-1, 2),
            np.array([data["length"] for *_, data in rows], dtype=np.float64),
            np.array([(data["x"], data["y"]) for _, data in graph.nodes(data=True)]).reshape(-1, 2),
        )


@dataclass(frozen=True)
class _Gaps:
    """Possible bridges: from a dead end to a place on an edge, or to one of its nodes."""

    tip: Ints  # node
    edge: Ints  # that the bridge leads to
    node: Ints  # that it ends at; -1 between the edge's nodes
    at: Floats  # distance of its end along the edge
    point: Floats  # (n, 2) its end
    width: Floats
    angle: Floats  # degrees between the road's direction and the bridge

    def __getitem__(self, rows: NDArray[np.bool_] | Ints) -> "_Gaps":
        return _Gaps(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


def _candidates(graph: RoadGraph, edges: _Edges, rules: RoadParams) -> _Gaps:
    """Each dead end with each edge in reach: the nearest place on it, and the place straight ahead."""
    tips, own, ahead = _dead_ends(graph, edges, rules.max_gap_m)
    places = np.asarray(shapely.points(edges.points[tips]))
    row, edge = shapely.STRtree(edges.lines).query(places, predicate="dwithin", distance=rules.max_gap_m)
    start = edges.points[tips[row]]
    rays = shapely.linestrings(np.stack([start, start + rules.max_gap_m * ahead[row]], axis=1))
    hits = shapely.intersection(rays, edges.lines[edge])
    met = ~shapely.is_empty(hits) & (own[row] != edge)
    first = shapely.get_point(shapely.shortest_line(places[row[met]], hits[met]), 1)
    target = np.concatenate([places[row], first])
    row, edge = np.concatenate([row, row[met]]), np.concatenate([edge, edge[met]])
    length = edges.length[edge]
    # A road may close a ring with itself, but only at its other end.
    other_end = np.where(edges.ends[edge, 0] == tips[row], length, 0)
    at = np.where(own[row] == edge, other_end, shapely.line_locate_point(edges.lines[edge], target))
    at = np.where(at <= rules.snap_m, 0, np.where(at >= length - rules.snap_m, length, at))
    node = np.where(at == 0, edges.ends[edge, 0], np.where(at == length, edges.ends[edge, 1], -1))
    point = shapely.get_coordinates(shapely.line_interpolate_point(edges.lines[edge], at)).reshape(-1, 2)
    step = point - edges.points[tips[row]]
    gaps = _Gaps(tips[row], edge, node, at, point, np.hypot(*step.T), _angle(ahead[row], step))
    return gaps[_is_allowed(gaps, step, dict(zip(tips.tolist(), ahead, strict=True)), rules)]


def _dead_ends(graph: RoadGraph, edges: _Edges, look_back: float) -> tuple[Ints, Ints, Floats]:
    """Nodes of degree 1, the edge of each, and the direction ``(n, 2)`` in which its road ends."""
    degree = np.bincount(edges.ends.ravel(), minlength=len(graph))
    edge, side = np.nonzero(degree[edges.ends] == 1)
    tips = edges.ends[edge, side]
    back = np.minimum(look_back, edges.length[edge])
    at = np.where(side == 0, back, edges.length[edge] - back)
    before = shapely.get_coordinates(shapely.line_interpolate_point(edges.lines[edge], at)).reshape(-1, 2)
    step = edges.points[tips] - before
    return tips, edge, step / np.maximum(np.hypot(*step.T), 1e-9)[:, np.newaxis]


def _is_allowed(gaps: _Gaps, step: Floats, ahead: dict[int, Floats], rules: RoadParams) -> NDArray[np.bool_]:
    """Whether a gap is narrow, lies ahead of its road and, if another road ends there, ahead of that."""
    facing = np.array([ahead.get(node, (0.0, 0.0)) for node in gaps.node.tolist()]).reshape(-1, 2)
    is_end = facing.any(axis=1)
    back = np.where(is_end, _angle(facing, -step), 0.0)
    straight = (gaps.angle <= rules.max_angle_deg) & (back <= rules.max_angle_deg)
    near = (gaps.width > 0) & (gaps.width <= rules.max_gap_m)
    allowed: NDArray[np.bool_] = near & (straight | (gaps.width <= rules.snap_m)) & (gaps.node != gaps.tip)
    return allowed


def _angle(a: Floats, b: Floats) -> Floats:
    """Degrees between vectors ``(n, 2)``; 0 where one is none."""
    cross = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    degrees: Floats = np.degrees(np.abs(np.arctan2(cross, (a * b).sum(axis=1))))
    return degrees


def _select_bridges(graph: RoadGraph, edges: _Edges, gaps: _Gaps, rules: RoadParams) -> _Gaps:
    """The bridges that are built: narrow and straight first, none where the roads meet nearby anyway."""
    bend = gaps.angle / max(rules.max_angle_deg, 1.0)
    order = np.lexsort((gaps.edge, gaps.tip, gaps.width * (1 + bend)))
    dead_ends = {node for node, degree in graph.degree() if degree == 1}
    used: set[int] = set()
    kept = []
    for i in order.tolist():
        tip, node = int(gaps.tip[i]), int(gaps.node[i])
        if tip in used or (node in used and node in dead_ends):
            continue
        if _detour_length(graph, edges, gaps, i) <= DETOUR * gaps.width[i]:
            continue
        used |= {tip, node}
        kept.append(i)
    return gaps[np.array(kept, dtype=np.int64)]


def _detour_length(graph: RoadGraph, edges: _Edges, gaps: _Gaps, i: int) -> float:
    """Length of the way that exists from a dead end to the other side of its gap; inf if it is long."""
    reached = nx.single_source_dijkstra_path_length(
        graph, int(gaps.tip[i]), cutoff=DETOUR * gaps.width[i], weight="length"
    )
    (u, v), at = edges.ends[gaps.edge[i]].tolist(), gaps.at[i]
    rest = edges.length[gaps.edge[i]] - at
    return float(min(reached.get(u, np.inf) + at, reached.get(v, np.inf) + rest))


def _join(graph: RoadGraph, edges: _Edges, gaps: _Gaps) -> tuple[RoadGraph, Floats]:
    """Build the bridges; edges that one leads into are cut there. Also the points of all nodes."""
    inner = gaps.node < 0
    places, first, which = np.unique(
        np.column_stack([gaps.edge, gaps.at])[inner], axis=0, return_index=True, return_inverse=True
    )
    ends = gaps.node.copy()
    ends[inner] = len(graph) + which
    points = np.concatenate([edges.points, gaps.point[inner][first]])
    cuts: dict[int, list[tuple[float, int]]] = {}
    for node, (edge, at) in enumerate(places.tolist(), start=len(graph)):
        cuts.setdefault(int(edge), []).append((at, node))

    joined: RoadGraph = nx.MultiGraph()
    joined.add_nodes_from(range(len(points)))
    for edge, (line, (u, v)) in enumerate(zip(edges.lines, edges.ends.tolist(), strict=True)):
        _add(joined, line, [(0.0, u), *cuts.get(edge, ()), (line.length, v)], points)
    for tip, node in zip(gaps.tip.tolist(), ends.tolist(), strict=True):
        bridge = LineString(points[[tip, node]])
        _add(joined, bridge, [(0.0, tip), (bridge.length, node)], points)
    for node in list(joined):
        dissolve(joined, node)
    return joined, points


def _add(graph: RoadGraph, line: LineString, stops: list[tuple[float, int]], points: Floats) -> None:
    """Add a line, cut at the nodes that it passes: their distances along it, and their numbers."""
    vertices = shapely.get_coordinates(line)
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(vertices, axis=0).T))])
    for (low, u), (high, v) in pairwise(stops):
        inside = vertices[(along > low) & (along < high)]
        piece = LineString(np.concatenate([points[[u]], inside, points[[v]]]))
        graph.add_edge(u, v, line=piece, start=u, length=piece.length)


def _drop_fragments(graph: RoadGraph, min_length: float) -> None:
    """Remove connected parts whose edges are shorter together than `min_length`."""
    for part in list(nx.connected_components(graph)):
        if graph.subgraph(part).size(weight="length") < min_length:
            graph.remove_nodes_from(part)
