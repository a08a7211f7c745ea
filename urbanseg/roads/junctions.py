"""Junctions of a road network as a cartographer draws them.

Thinning makes two junctions of a crossing where its arms don't meet in one pixel, and bends roads towards the
middle of a junction. Two T-junctions that are closer than roads are wide become a crossing if its
roads lead straight on, and roads run straight into junctions. Where pixels between the carriageways of a
road are mistaken for road again and again, its skeleton is a ladder, whose inner rungs go.
"""

from typing import Any

import networkx as nx
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import LineString

from urbanseg.roads.skeleton import RoadGraph, dissolve

Floats = NDArray[np.float64]


STRAIGHT = 0.5
"""Roads run straight within this part of `reach` around a junction."""

AHEAD = 2.0
"""The direction of a road is that to its point this many times `reach` away."""

NARROW = 3.0
"""Loops and pairs of edges that are shorter around than this many times `reach` are artefacts."""

BEND_DEG = 35.0
"""At a crossing, roads go straight on to this angle."""


RUNG_M = 16.0
"""Longest rung of a ladder: how far apart carriageways lie."""

SPACING_M = 40.0
"""Openings between carriageways that are further apart are real."""


def tidy_junctions(graph: RoadGraph, points: Floats, reach: float) -> Floats:
    """Make crossings of T-junctions that are close together, and straighten the roads that end at junctions.

    Two T-junctions become a crossing, once, if both its roads lead straight on through it. Loops that go
    around less than a junction go, and so do the inner rungs of ladders.

    Args:
        graph: edges hold `line` (from the node `start` to the other) and `length`; changed in place.
        points: ``(n, 2)`` of the nodes.
        reach: how far apart junctions are two, in the unit of the points.

    Returns:
        The points of the nodes, of which merged ones have moved.
    """
    points = points.copy()
    _drop_rungs(graph)
    moved: set[int] = set()
    short = [
        (data["length"], u, v)
        for u, v, data in graph.edges(data=True)
        if u != v and data["length"] <= reach and graph.degree(u) == graph.degree(v) == 3
    ]
    for _, u, v in sorted(short):
        if not moved & {u, v} and _is_crossing(graph, u, v, points, reach):
            moved |= {u, v}
            points[u] = points[[u, v]].mean(axis=0)
            _merge(graph, u, v, reach)
    _drop_narrow_loops(graph, NARROW * reach)
    for node in list(graph):
        dissolve(graph, node)
    for u, v, data in graph.edges(data=True):
        cut = [STRAIGHT * reach if graph.degree(node) > 2 else 0.0 for node in (u, v)]
        _redraw(data, u, v, points, cut)
    return points


def _is_crossing(graph: RoadGraph, u: int, v: int, points: Floats, reach: float) -> bool:
    """Whether the four roads at two junctions are two that lead straight on."""
    middle = points[[u, v]].mean(axis=0)
    steps = []
    for node, other in ((u, v), (v, u)):
        for one, two, data in graph.edges(node, data=True):
            if {one, two} != {node, other}:
                steps.append(_point_ahead(data, node, AHEAD * reach) - middle)
    if len(steps) != 4:
        return False
    ahead = np.array(steps) / np.maximum(np.hypot(*np.array(steps).T), 1e-9)[:, np.newaxis]
    cosine, straight = ahead @ ahead.T, -np.cos(np.radians(BEND_DEG))
    return any(max(cosine[0, i], cosine[j, k]) <= straight for i, j, k in ((1, 2, 3), (2, 1, 3), (3, 1, 2)))


def _merge(graph: RoadGraph, kept: int, gone: int, reach: float) -> None:
    """Let the edges of one node end at another; short ones between the two go."""
    for u, v, data in list(graph.edges(gone, data=True)):
        other = v if u == gone else u
        is_loop = other in (kept, gone)
        if not is_loop or data["length"] > reach:
            start = kept if data["start"] == gone else data["start"]
            graph.add_edge(kept, kept if is_loop else other, **(data | {"start": start}))
    graph.remove_node(gone)


def _redraw(data: dict[str, Any], u: int, v: int, points: Floats, straight: list[float]) -> None:
    """Lead an edge to its nodes, without its vertices closer to them than given."""
    forward = data["start"] == u
    ends, cut = (points[[u, v]], straight) if forward else (points[[v, u]], straight[::-1])
    inner = shapely.get_coordinates(data["line"])[1:-1]
    far = [np.hypot(*(inner - end).T) > limit for end, limit in zip(ends, cut, strict=True)]
    first = int(np.argmax(far[0])) if far[0].any() else len(inner)
    last = len(inner) - int(np.argmax(far[1][::-1])) if far[1].any() else 0
    middle = inner[first : max(first, last)]
    if u == v and len(middle) < 2:
        middle = inner
    data["line"] = line = LineString(np.concatenate([ends[:1], middle, ends[1:]]))
    data["length"] = line.length


def _drop_narrow_loops(graph: RoadGraph, around: float) -> None:
    """Of edges between the same junctions that go around next to nothing, keep the shortest."""
    for u, v in sorted({(u, v) for u, v, key in graph.edges(keys=True) if key}):
        sizes = sorted((data["length"], key) for key, data in graph[u][v].items())
        for length, key in sizes[0 if u == v else 1 :]:
            if length + (0 if u == v else sizes[0][0]) <= around:
                graph.remove_edge(u, v, key)


def _drop_rungs(graph: RoadGraph) -> None:
    """Remove the inner rungs of ladders: short roads between the same two roads, one after the other.

    A rung ends at both roads; where a road goes on beyond, it is none. The first and the last rung of a
    ladder stay, so roads that are joined stay joined.
    """
    stems = {node: _stem(graph, node) for node, degree in graph.degree() if degree == 3}
    rungs = [
        (u, v, key)
        for u, v, key, data in graph.edges(keys=True, data=True)
        if data["length"] <= RUNG_M and {stems.get(u), stems.get(v)} == {(*sorted((u, v)), key)}
    ]
    across = {node: other for u, v, _ in rungs for node, other in ((u, v), (v, u))}
    number = {node: i for i, (u, v, _) in enumerate(rungs) for node in (u, v)}
    ladders: nx.Graph[int] = nx.Graph()
    for i, (u, v, _) in enumerate(rungs):
        ladders.add_edges_from((i, number[node]) for node in _next_rungs(graph, u, v, across))
    for ladder in nx.connected_components(ladders):
        inner = sorted(i for i in ladder if ladders.degree(i) > 1)
        for i in inner[len(inner) == len(ladder) :]:  # of a ring of rungs one stays
            u, v, key = rungs[i]
            graph.remove_edge(u, v, key)
            dissolve(graph, u)
            dissolve(graph, v)


def _stem(graph: RoadGraph, node: int) -> tuple[int, int, int] | None:
    """Of three edges at a node, that which ends there, the others leading straight on; None if none does."""
    names, arms = [], []
    for u, v, key, data in graph.edges(node, keys=True, data=True):
        step = _point_ahead(data, node, RUNG_M) - _point_ahead(data, node, 0.0)
        names.append((*sorted((u, v)), key))
        arms.append(step / max(float(np.hypot(*step)), 1e-9))
    if len(arms) != 3:
        return None
    cosines = [arms[1] @ arms[2], arms[0] @ arms[2], arms[0] @ arms[1]]
    i = int(np.argmin(cosines))
    return names[i] if cosines[i] <= -np.cos(np.radians(BEND_DEG)) else None


def _next_rungs(graph: RoadGraph, u: int, v: int, across: dict[int, int]) -> set[int]:
    """The rungs before and after that from u to v: their ends on the side of u."""
    beyond = [
        {other for _, other, data in graph.edges(node, data=True) if data["length"] <= SPACING_M} - {u, v}
        for node in (u, v)
    ]
    return {node for node in beyond[0] if across.get(node) in beyond[1]}


def _point_ahead(data: dict[str, Any], node: int, distance: float) -> Floats:
    """The point of an edge that far from one of its nodes, or its other end."""
    along = distance if data["start"] == node else data["length"] - distance
    place = data["line"].interpolate(min(max(along, 0.0), data["length"]))
    return np.array([place.x, place.y])
