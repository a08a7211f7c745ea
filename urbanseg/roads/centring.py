"""Roads moved to where they are: lines, junctions and dead ends by the probability of road around them.

A skeleton runs through the middle of pixels, bends at junctions, and ends before its road does. Here lines
move across their direction to the centre of mass of the probability, a junction to where the lines of its
roads meet, and a dead end along its road to where the probability falls to half.
"""

from dataclasses import dataclass, replace

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import LineString

from urbanseg.roads.skeleton import RoadGraph
from urbanseg.roads.surface import Surface

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ROUNDS = 3
"""How often lines move; each time by the probability where they are by then."""

ACROSS_PX = np.arange(-1.5, 1.75, 0.5)
"""Where the probability is looked at on both sides of a line, in pixels."""

SMOOTHINGS = 2
"""How often movements are averaged along a line, with those before and after."""

ARM_PX = (1.5, 5.0)
"""The part of a road, by the distance from its junction, whose direction leads there."""

STRAIGHT_PX = (0.7, ARM_PX[0])
"""No vertex lies closer to a dead end, and to a junction."""

STAY = 0.3
"""Weight of a junction's place against that of one road that leads to it."""

FARTHEST_PX = 1.5
"""Junctions move, and dead ends are led on, no further than this."""

STEP_PX = 0.25
"""Steps by which a dead end is led on."""

EDGE = 0.5
"""A road ends where the probability falls below this part of that at its dead end."""

STRAIGHTEN_PX = 0.2
"""Tolerance that takes away the vertices that movements made."""


@dataclass(frozen=True)
class _Vertices:
    """Vertices at steps of about a pixel along lines, one line after the other."""

    points: Floats  # (n, 2)
    is_inner: NDArray[np.bool_]  # (n,) False at both ends of a line
    first: Ints  # (lines + 1,) number of each line's first vertex

    @classmethod
    def of(cls, lines: NDArray[np.object_], step: float) -> "_Vertices":
        """Vertices of lines, two or more of each."""
        length = shapely.length(lines)
        count = np.maximum(2, np.ceil(length / step).astype(np.int64) + 1)
        first = np.concatenate([[0], np.cumsum(count)])
        place = np.arange(first[-1]) - np.repeat(first[:-1], count)
        at = place * np.repeat(length / (count - 1), count)
        points = shapely.line_interpolate_point(np.repeat(lines, count), at)
        is_inner = (place > 0) & (place < np.repeat(count - 1, count))
        return cls(shapely.get_coordinates(points).reshape(-1, 2), is_inner, first)

    def normals(self) -> Floats:
        """Unit vectors across the lines: ``(n, 2)``, by the vertices up to two before and two after."""
        number = np.arange(len(self.points))
        count = np.diff(self.first)
        first, last = (np.repeat(ends, count) for ends in (self.first[:-1], self.first[1:] - 1))
        step = self.points[np.minimum(number + 2, last)] - self.points[np.maximum(number - 2, first)]
        along = step / np.maximum(np.hypot(*step.T), 1e-9)[:, np.newaxis]
        return np.column_stack([-along[:, 1], along[:, 0]])

    def parts(self) -> list[Floats]:
        """The vertices of each line."""
        return np.split(self.points, self.first[1:-1])


def centre(graph: RoadGraph, points: Floats, surface: Surface) -> Floats:
    """Move the lines of a graph to the middle of their roads, and its nodes to where these meet or end.

    Args:
        graph: edges hold `line` (from the node `start` to the other) and `length`; changed in place.
        points: ``(n, 2)`` of the nodes.
        surface: the pixels that the graph was made from.

    Returns:
        The points of the nodes.
    """
    rows = list(graph.edges(data=True))
    if not rows:
        return points
    lines = np.array([data["line"] for *_, data in rows], dtype=object)
    pixel = surface.resolution
    parts = _moved(_Vertices.of(lines, pixel), surface).parts()
    arms: dict[int, list[Floats]] = {}
    for (u, v, data), part in zip(rows, parts, strict=True):
        start, end = (u, v) if data["start"] == u else (v, u)
        arms.setdefault(start, []).append(part)
        arms.setdefault(end, []).append(part[::-1])
    points = points.copy()
    for node, some in arms.items():
        if len(some) > 2:
            points[node] = _meeting(points[node], some, pixel)
    _lead_on(points, {node: some[0] for node, some in arms.items() if len(some) == 1}, surface)
    found = []
    for (u, v, data), part in zip(rows, parts, strict=True):
        ends = [u, v] if data["start"] == u else [v, u]
        reach = [(STRAIGHT_PX[len(arms[node]) > 2] if u != v else 0) * pixel for node in ends]
        found.append(_between(points[ends], part[1:-1], reach))
    whole = np.array(found, dtype=object)
    simple = shapely.simplify(whole, STRAIGHTEN_PX * pixel)
    drawn = np.where(shapely.length(simple) > 0, simple, whole)
    for (*_, data), line, length in zip(rows, drawn, shapely.length(drawn).tolist(), strict=True):
        data["line"], data["length"] = line, length
    return points


def _moved(vertices: _Vertices, surface: Surface) -> _Vertices:
    """Vertices moved across their lines to the centre of mass; ends of lines move as the next vertex."""
    inner = vertices.is_inner[1:-1]
    first, last = vertices.first[:-1], vertices.first[1:] - 1
    across = ACROSS_PX * surface.resolution
    for _ in range(ROUNDS):
        normals = vertices.normals()
        places = vertices.points[:, np.newaxis] + across[:, np.newaxis] * normals[:, np.newaxis]
        weight = surface.likeliness(places)
        weight -= weight.min(axis=1, keepdims=True)
        shift = weight @ across / np.maximum(weight.sum(axis=1), 1e-3)
        for _ in range(SMOOTHINGS):
            shift[first], shift[last] = shift[first + 1], shift[last - 1]
            shift[1:-1] = np.where(inner, (shift[:-2] + 2 * shift[1:-1] + shift[2:]) / 4, shift[1:-1])
        vertices = replace(vertices, points=vertices.points + shift[:, np.newaxis] * normals)
    return vertices


def _meeting(point: Floats, arms: list[Floats], resolution: float) -> Floats:
    """Where the lines of some roads meet, by least squares of the distance to each.

    Args:
        point: of the junction, x and y.
        arms: vertices of its roads, from the junction on.
        resolution: side of a pixel.
    """
    near, far = (limit * resolution for limit in ARM_PX)
    squares, target = STAY * np.eye(2), np.zeros(2)
    for arm in arms:
        offset = arm[: int(ARM_PX[1]) + 3] - point
        distance = np.hypot(*offset.T)
        part = offset[(distance >= near) & (distance <= far)]
        if len(part) < 2:
            continue
        middle = part.mean(axis=0)
        x, y = (part - middle).T
        along = np.arctan2(2 * x @ y, x @ x - y @ y) / 2  # of the line with the least squares of distances
        normal = np.array([-np.sin(along), np.cos(along)])
        squares += np.outer(normal, normal)
        target += normal * (normal @ middle)
    move = np.linalg.solve(squares, target)
    return np.asarray(point + move * min(1, FARTHEST_PX * resolution / max(float(np.hypot(*move)), 1e-9)))


def _lead_on(points: Floats, arms: dict[int, Floats], surface: Surface) -> None:
    """Move dead ends onto their lines, and along these to where the road ends.

    Args:
        points: of all nodes; changed in place.
        arms: vertices of the line of each dead end, from there on.
        surface: the probability.
    """
    steps = np.arange(0, FARTHEST_PX + STEP_PX, STEP_PX) * surface.resolution
    nodes = list(arms)
    before, ahead = np.zeros((len(nodes), 2)), np.zeros((len(nodes), 2))
    for i, arm in enumerate(arms.values()):
        before[i], after = arm[1], arm[min(3, len(arm) - 1)]
        step = (arm[1] if len(arm) > 3 else arm[0]) - after
        ahead[i] = step / max(float(np.hypot(*step)), 1e-9)
    along = np.maximum(((points[nodes] - before) * ahead).sum(axis=1), 0)
    ends = before + along[:, np.newaxis] * ahead
    places = ends[:, np.newaxis] + steps[:, np.newaxis] * ahead[:, np.newaxis]
    chance = surface.likeliness(places)
    beyond = (chance < EDGE * chance[:, :1]) | (chance == 0)
    beyond[:, 0] = False
    last = np.where(beyond.any(axis=1), beyond.argmax(axis=1) - 1, len(steps) - 1)
    points[nodes] = ends + steps[last, np.newaxis] * ahead


def _between(ends: Floats, inner: Floats, reach: list[float]) -> LineString:
    """The line from one node over some vertices to another, without those closer to a node than given."""
    for end, limit in zip(ends, reach, strict=True):
        inner = inner[np.hypot(*(inner - end).T) > limit]
    return LineString(np.concatenate([ends[:1], inner, ends[1:]]))
