"""Bridges that may lead a dead end over a gap: least-cost paths across the pixels.

From each dead end, costs are accumulated over the surroundings, which are cheap where a road was missed
(`urbanseg.roads.surface`) and dearer the more a path turns away from the road's direction. The
cheapest pixel of each road in reach is where a bridge may end. Dead ends are looked at by
blocks of pixels, so memory doesn't grow with the raster.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize
from shapely import LineString
from skimage.graph import MCP_Geometric

from urbanseg.config.vectorize import RoadParams
from urbanseg.grid import Window
from urbanseg.roads.skeleton import RoadGraph
from urbanseg.roads.surface import Surface, by_block

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TURN = 4.0
"""How much dearer a path is for each unit of 1 − cos of its angle with the road's direction."""

STRAIGHTEN_PX = 1.2
"""Tolerance that straightens the steps of a path along pixels."""

LEAST_SURE = 0.25
"""Roads less sure than this count as this sure: a bridge from them costs four times as much."""

STOP = 2
"""What tells scikit-image's search to look at no further pixel."""

REACH = 2.0
"""Bridges are looked for as far from a dead end as this many times `max_gap_m`, if costs are low."""


@dataclass(frozen=True)
class Edges:
    """A graph's edges and nodes as arrays."""

    lines: NDArray[np.object_]
    ends: Ints  # (edges, 2)
    length: Floats  # (edges,)
    points: Floats  # (nodes, 2)

    @classmethod
    def of(cls, graph: RoadGraph) -> "Edges":
        """The arrays of a graph whose nodes are 0 … n-1."""
        rows = list(graph.edges(data=True))
        return cls(
            np.array([data["geometry"] for *_, data in rows], dtype=object),
            np.array([(u, v) for u, v, _ in rows], dtype=np.int64).reshape(-1, 2),
            np.array([data["length"] for *_, data in rows], dtype=np.float64),
            np.array([(data["x"], data["y"]) for _, data in graph.nodes(data=True)]).reshape(-1, 2),
        )


@dataclass(frozen=True)
class Bridge:
    """A path from a dead end to a place on an edge, or to one of its nodes.

    Attributes:
        tip: the node it starts at.
        edge: that it leads to.
        node: that it ends at; -1 between the edge's nodes.
        at: distance of its end along the edge.
        line: its course, from there.
        cost: its length, each part weighted by the surface.
    """

    tip: int
    edge: int
    node: int
    at: float
    line: LineString
    cost: float


@dataclass(frozen=True)
class _Tips:
    """Dead ends: their nodes, the edge of each, and the direction in which its road would go on."""

    node: Ints
    edge: Ints
    ahead: Floats  # (n, 2)


class _Paths(MCP_Geometric):  # type: ignore[misc]  # scikit-image has no types
    """Least-cost paths as far as they may cost; pixels beyond are not looked at."""

    limit = np.inf

    def goal_reached(self, index: int, cumcost: float) -> int:  # noqa: ARG002, as scikit-image calls it
        return STOP if cumcost > self.limit else 0


def find_bridges(graph: RoadGraph, edges: Edges, surface: Surface, rules: RoadParams) -> list[Bridge]:
    """All bridges that are cheap and straight enough, dead end by dead end.

    Args:
        graph: in the surface's CRS.
        edges: of the graph.
        surface: what a path costs.
        rules: a bridge costs at most `max_gap_m`, and its ends deviate at most `max_angle_deg` from the
            directions of the roads that it joins, unless it is shorter than `snap_m`.
    """
    tips = _dead_ends(graph, edges, rules.max_gap_m)
    if not len(tips.node) or not rules.max_gap_m:
        return []
    search = _Search(edges, _doubt(edges, surface), tips, surface, rules)
    reach_px = int(np.ceil(REACH * rules.max_gap_m / surface.resolution)) + 1
    cells = surface.pixels_of(edges.points[tips.node])
    tree = shapely.STRtree(edges.lines)
    found: list[list[Bridge]] = [[] for _ in tips.node]
    for members, window in by_block(cells):
        ground = _Ground.of(window.grown(reach_px, surface.shape)[0], edges, tree, surface)
        for i in members.tolist():
            found[i] = search.bridges(i, cells[i], ground.around(cells[i], reach_px))
    return [bridge for some in found for bridge in some]


def _doubt(edges: Edges, surface: Surface) -> Floats:
    """By how much bridges from each edge are dearer because it may be no road: ``(edges,)``."""
    sure = surface.sure_lengths(edges.lines) / np.maximum(edges.length, 1e-9)
    return np.asarray(1 / np.maximum(sure, LEAST_SURE))


def _dead_ends(graph: RoadGraph, edges: Edges, look_back: float) -> _Tips:
    degree = np.bincount(edges.ends.ravel(), minlength=len(graph))
    edge, side = np.nonzero(degree[edges.ends] == 1)
    nodes = edges.ends[edge, side]
    back = np.minimum(look_back, edges.length[edge])
    at = np.where(side == 0, back, edges.length[edge] - back)
    before = shapely.get_coordinates(shapely.line_interpolate_point(edges.lines[edge], at)).reshape(-1, 2)
    step = edges.points[nodes] - before
    return _Tips(nodes, edge, step / np.maximum(np.hypot(*step.T), 1e-9)[:, np.newaxis])


@dataclass(frozen=True)
class _Ground:
    """The surroundings of some dead ends: costs, and which edge runs through each pixel."""

    window: Window
    costs: Floats
    owner: Ints  # number of the edge; -1 for none

    @classmethod
    def of(cls, window: Window, edges: Edges, tree: shapely.STRtree, surface: Surface) -> "_Ground":
        transform = surface.transform @ Affine.translation(window.col, window.row)
        corners = [(col, row) for row in (0, window.height) for col in (0, window.width)]
        x, y = np.transpose([transform @ corner for corner in corners])
        near = np.sort(tree.query(shapely.box(x.min(), y.min(), x.max(), y.max())))
        owner = np.full((window.height, window.width), -1, np.int32)
        if len(near):
            rasterize(zip(edges.lines[near], near.tolist(), strict=True), out=owner, transform=transform)
        return cls(window, surface.costs(window), owner.astype(np.int64))

    def around(self, cell: Ints, reach_px: int) -> "_Ground":
        """The part within reach of a pixel of the raster."""
        row, col = (cell - np.array(self.window[:2])).tolist()
        part, _ = Window(row, col, 1, 1).grown(reach_px, self.costs.shape)
        moved = Window(part.row + self.window.row, part.col + self.window.col, part.height, part.width)
        return _Ground(moved, self.costs[part.slices], self.owner[part.slices])


@dataclass(frozen=True)
class _Search:
    """What is the same for all dead ends."""

    edges: Edges
    doubt: Floats  # (edges,)
    tips: _Tips
    surface: Surface
    rules: RoadParams

    @cached_property
    def ahead(self) -> dict[int, Floats]:
        """The direction of the road that ends at a node."""
        return dict(zip(self.tips.node.tolist(), self.tips.ahead, strict=True))

    def bridges(self, i: int, cell: Ints, ground: _Ground) -> list[Bridge]:
        """The bridges of a dead end: to each edge in reach the cheapest, the cheapest of all first.

        Args:
            i: number of the dead end.
            cell: row and column of its pixel in the raster.
            ground: its surroundings.
        """
        start = tuple((cell - np.array(ground.window[:2])).tolist())
        paths = _Paths(ground.costs * self._turning(i, ground), sampling=self.surface.pixel)
        paths.limit = self.rules.max_gap_m
        total, _ = paths.find_costs([start])
        found = []
        for pixel in self._ends(i, total, ground):
            edge = int(ground.owner[pixel])
            cost = float(total[pixel] * self.doubt[self.tips.edge[i]])
            if cost > self.rules.max_gap_m:
                continue
            steps = np.array(paths.traceback(pixel)) + np.array(ground.window[:2])
            x, y = self.surface.transform @ (steps.T[1] + 0.5, steps.T[0] + 0.5)
            bridge = self._lead(i, edge, np.column_stack([x, y]), cost)
            if bridge is not None:
                found.append(bridge)
        return found

    def _turning(self, i: int, ground: _Ground) -> Floats:
        """By how much paths are dearer where they turn away from a road's direction, by pixel."""
        rows, cols = np.indices(ground.costs.shape) + 0.5
        x, y = self.surface.transform @ (cols + ground.window.col, rows + ground.window.row)
        start = self.edges.points[self.tips.node[i]]
        step = np.stack([np.asarray(x) - start[0], np.asarray(y) - start[1]])
        distance = np.hypot(*step)
        along = np.tensordot(self.tips.ahead[i], step, 1) / np.maximum(distance, 1e-9)
        return np.asarray(1 + TURN * (1 - np.where(distance < self.surface.resolution, 1, along)))

    def _ends(self, i: int, total: Floats, ground: _Ground) -> list[tuple[int, int]]:
        """The cheapest pixel of each edge, the cheapest of all first; of the road's own, its other end."""
        own, limit = int(self.tips.edge[i]), self.rules.max_gap_m
        within = np.flatnonzero((ground.owner >= 0) & (ground.owner != own) & (total <= limit))
        order = within[np.argsort(total.ravel()[within], kind="stable")]
        _, first = np.unique(ground.owner.ravel()[order], return_index=True)
        rows, cols = np.unravel_index(order[np.sort(first)], total.shape)
        ends = list(zip(rows.tolist(), cols.tolist(), strict=True))
        other = int(self.edges.ends[own].sum() - self.tips.node[i])
        place = self.surface.pixels_of(self.edges.points[[other]])[0] - np.array(ground.window[:2])
        row, col = place.tolist()
        if 0 <= row < total.shape[0] and 0 <= col < total.shape[1] and ground.owner[row, col] == own:
            ends += [(row, col)] if total[row, col] <= limit else []
        return ends

    def _lead(self, i: int, edge: int, course: Floats, cost: float) -> Bridge | None:
        """The bridge along the centres of some pixels; None if it bends too much."""
        tip, line, length = int(self.tips.node[i]), self.edges.lines[edge], float(self.edges.length[edge])
        if edge == self.tips.edge[i]:  # a road may close a ring with itself
            at = length if self.edges.ends[edge, 0] == tip else 0.0
        else:
            at = float(shapely.line_locate_point(line, shapely.Point(course[-1])))
            snap = self.rules.snap_m
            at = 0.0 if at <= snap else length if at >= length - snap else at
        node = int(self.edges.ends[edge, 0 if at == 0 else 1]) if at in (0.0, length) else -1
        start, end = self.edges.points[[tip]], shapely.get_coordinates(line.interpolate(at))
        step = end - start
        width = float(np.hypot(*step[0]))
        facing = self.ahead.get(node)
        back = 0.0 if facing is None else float(_angle(facing[np.newaxis], -step)[0])
        bend = max(back, float(_angle(self.tips.ahead[[i]], step)[0]))
        if node == tip or width == 0 or (width > self.rules.snap_m and bend > self.rules.max_angle_deg):
            return None
        path = LineString(np.concatenate([start, course[1:-1], end]))
        straightened = shapely.simplify(path, STRAIGHTEN_PX * self.surface.resolution)
        return Bridge(tip, edge, node, at, straightened, cost)


def _angle(a: Floats, b: Floats) -> Floats:
    """Degrees between vectors ``(n, 2)``; 0 where one is none."""
    cross = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    degrees: Floats = np.degrees(np.abs(np.arctan2(cross, (a * b).sum(axis=1))))
    return degrees
