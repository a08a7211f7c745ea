"""Repair of a road network: gaps in the skeleton of a predicted mask are bridged.

Roads are interrupted by trees, shadows and misclassified pixels. A dead end is extended to a
road ahead of it, the rule of Wiedemann & Hinz 1999, "Automatic extraction and evaluation of road
networks from satellite imagery", on the least-cost path over the confidence of the prediction
(`urbanseg.roads.bridges`). Short dead ends and short networks that remain are removed; unsure
pixels count less for their length.
"""

from itertools import pairwise

import networkx as nx
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import LineString

from urbanseg.config.vectorize import RoadParams
from urbanseg.roads.bridges import Bridge, Edges, find_bridges
from urbanseg.roads.centring import centre
from urbanseg.roads.junctions import tidy_junctions
from urbanseg.roads.skeleton import RoadGraph, dissolve, prune, renumber
from urbanseg.roads.surface import Surface

Floats = NDArray[np.float64]

DETOUR = 4.0
"""A gap is left open if the roads at its two sides meet within this many times its length."""


def repair_network(graph: RoadGraph, surface: Surface, rules: RoadParams) -> RoadGraph:
    """The network with its gaps bridged, spurs and fragments removed, its junctions tidied, and centred.

    Gaps are bridged from the cheapest to the dearest, and each dead end is used once; a
    bridge leads to another dead end, to a junction, or to a new junction in a road.

    Args:
        graph: as `urbanseg.roads.skeleton.road_graph` makes it; coordinates in metres.
        surface: the pixels that the graph was made from.
        rules: `max_gap_m` and `max_angle_deg` bound the bridges, `snap_m` is the gap below
            which the direction doesn't matter, and the distance below which two junctions may be one,
            `min_spur_m` the shortest dead end and `min_length_m` the shortest network that are kept, in
            metres of sure road.

    Returns:
        A graph of the same kind.
    """
    edges = Edges.of(graph)
    bridges = _select(graph, edges, find_bridges(graph, edges, surface, rules))
    joined, points = _join(graph, edges, bridges)
    _weigh(joined, surface)
    prune(joined, rules.min_spur_m, by="sure")
    _drop_fragments(joined, rules.min_length_m)
    points = tidy_junctions(joined, points, rules.snap_m)
    return renumber(joined, centre(joined, points, surface))


def centre_network(graph: RoadGraph, surface: Surface) -> RoadGraph:
    """The network, of which edges and nodes are moved to the middle of the road as `repair_network` does.

    Args:
        graph: as `urbanseg.roads.skeleton.road_graph` makes it.
        surface: the pixels that it was made from.
    """
    joined, points = _join(graph, Edges.of(graph), [])
    return renumber(joined, centre(joined, points, surface))


def _weigh(graph: RoadGraph, surface: Surface) -> None:
    """Give edges the attribute `sure`, their length weighted by how sure it is."""
    rows = list(graph.edges(data=True))
    lines = np.array([data["line"] for *_, data in rows], dtype=object)
    for (*_, data), length in zip(rows, surface.sure_lengths(lines).tolist(), strict=True):
        data["sure"] = length


def _select(graph: RoadGraph, edges: Edges, bridges: list[Bridge]) -> list[Bridge]:
    """The bridges that are built: cheap ones first, none where the roads meet nearby anyway."""
    dead_ends = {node for node, degree in graph.degree() if degree == 1}
    used: set[int] = set()
    kept = []
    for bridge in sorted(bridges, key=lambda bridge: (bridge.cost, bridge.tip, bridge.edge)):
        if bridge.tip in used or (bridge.node in used and bridge.node in dead_ends):
            continue
        limit = DETOUR * bridge.line.length
        if _detour_length(graph, edges, bridge, limit) <= limit:
            continue
        used |= {bridge.tip, bridge.node}
        kept.append(bridge)
    return kept


def _detour_length(graph: RoadGraph, edges: Edges, bridge: Bridge, limit: float) -> float:
    """Length of the way that exists from a dead end to the other side of its gap; inf if it is long."""
    reached = nx.single_source_dijkstra_path_length(graph, bridge.tip, cutoff=limit, weight="length")
    u, v = edges.ends[bridge.edge].tolist()
    rest = edges.length[bridge.edge] - bridge.at
    return float(min(reached.get(u, np.inf) + bridge.at, reached.get(v, np.inf) + rest))


def _join(graph: RoadGraph, edges: Edges, bridges: list[Bridge]) -> tuple[RoadGraph, Floats]:
    """Build the bridges; edges that one leads into are cut there. Also the points of all nodes."""
    inner = sorted({(bridge.edge, bridge.at) for bridge in bridges if bridge.node < 0})
    number = {place: node for node, place in enumerate(inner, start=len(graph))}
    added = [shapely.line_interpolate_point(edges.lines[edge], at) for edge, at in inner]
    points = np.concatenate([edges.points, shapely.get_coordinates(added).reshape(-1, 2)])
    cuts: dict[int, list[tuple[float, int]]] = {}
    for (edge, at), node in number.items():
        cuts.setdefault(edge, []).append((at, node))

    joined: RoadGraph = nx.MultiGraph()
    joined.add_nodes_from(range(len(points)))
    for edge, (line, (u, v)) in enumerate(zip(edges.lines, edges.ends.tolist(), strict=True)):
        _add(joined, line, [(0.0, u), *cuts.get(edge, ()), (line.length, v)], points)
    for bridge in bridges:
        end = bridge.node if bridge.node >= 0 else number[bridge.edge, bridge.at]
        line = bridge.line
        _add(joined, line, [(0.0, bridge.tip), (line.length, end)], points)
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
    """Remove connected parts whose sure length is below `min_length`."""
    for part in list(nx.connected_components(graph)):
        if graph.subgraph(part).size(weight="sure") < min_length:
            graph.remove_nodes_from(part)
