"""The sea as polygons. OpenStreetMap has it only as coastlines, with land on their left.

The coast is cut at a box, and coast and box together bound faces: a face to the right of
the coast is sea, one to its left is land (https://wiki.openstreetmap.org/wiki/Tag:natural%3Dcoastline).
A face whose coast has a loose end, crosses itself or gives both is unknown. Where no
coast meets the box, the nearest one determines on which side the box lies.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import shapely
from numpy.typing import NDArray

from urbanseg.osm.features import Bounds

Line = NDArray[np.float64]
"""Vertices in order, ``(n, 2)`` longitude and latitude in degrees; land is on the left."""
Edge = tuple[float, float, float, float]
"""A stretch of line between two vertices: x and y of its start and of its end."""

EDGE_M = 200.0
"""Loose ends this close to the side of the box are extended to it: an extract was cut there."""
DEGREE_M = 111_320.0
"""Length of a degree of latitude, and of longitude at the equator."""


@dataclass(frozen=True)
class Sea:
    """Land and sea in a box, by its coastlines.

    Attributes:
        water: polygons of sea.
        unknown: polygons that may be land or sea, because their coast is broken.
        loose: the loose ends and crossings that break it, as longitude and latitude.
    """

    water: list[shapely.Polygon]
    unknown: list[shapely.Polygon]
    loose: list[tuple[float, float]]


def sea(lines: Iterable[Line], box: Bounds) -> Sea:
    """The sea inside a box.

    Args:
        lines: coastlines, each whole or at least as far as it runs inside the box; also
            those outside it, of which the nearest decides if none is inside.
        box: west, south, east, north in degrees.

    Returns:
        Polygons that don't overlap, inside the box.
    """
    whole = [np.asarray(line, dtype=float) for line in lines]
    chains = [chain for line in whole for chain in clip(line, box)]
    if not chains:
        is_sea = bool(whole) and _is_sea(whole, box)
        return Sea([shapely.box(*box)] if is_sea else [], [], [])
    chains, loose = extended(chains, box)
    bounded, dangling = faces(chains, box)
    coast = {edge for chain in chains for edge in _edges(chain)}
    has_loose_end = _contain(bounded, dangling)
    water, unknown = [], []
    for face, is_loose in zip(bounded, has_loose_end, strict=True):
        sides = {side for ring in _rings(face) for edge in _edges(ring) if (side := _side(edge, coast, box))}
        if is_loose or sides - {"land", "sea"} or len(sides) != 1:
            unknown.append(face)
        elif sides == {"sea"}:
            water.append(face)
    return Sea(water, unknown, loose)


def clip(line: Line, box: Bounds) -> list[Line]:
    """The stretches of a line inside a box, in its direction (Liang and Barsky 1984).

    Where a stretch enters or leaves, one coordinate is exactly that of the box's side.
    Stretches that only touch the box are left out.
    """
    start, step = line[:-1], np.diff(line, axis=0)
    low, high = np.array(box[:2]), np.array(box[2:])
    with np.errstate(divide="ignore", invalid="ignore"):
        to_low, to_high = (low - start) / step, (high - start) / step
    still = step == 0
    inside = (start >= low) & (start <= high)
    entry = np.where(still, np.where(inside, -np.inf, np.inf), np.minimum(to_low, to_high))
    leave = np.where(still, np.where(inside, np.inf, -np.inf), np.maximum(to_low, to_high))
    first, last = np.maximum(entry.max(axis=1), 0), np.minimum(leave.min(axis=1), 1)
    stretches: list[list[NDArray[np.float64]]] = []
    for i in np.flatnonzero(first < last):
        begin = start[i] if first[i] == 0 else _on_side(start[i] + first[i] * step[i], box, entry[i].argmax())
        end = line[i + 1] if last[i] == 1 else _on_side(start[i] + last[i] * step[i], box, leave[i].argmin())
        if stretches and first[i] == 0 and np.array_equal(stretches[-1][-1], begin):
            stretches[-1].append(end)
        else:
            stretches.append([begin, end])
    return [np.array(stretch) for stretch in stretches]


def _on_side(point: NDArray[np.float64], box: Bounds, axis: np.intp) -> NDArray[np.float64]:
    """A point on the box's border: the coordinate of `axis` becomes that of the nearer side."""
    low, high = np.array(box[:2]), np.array(box[2:])
    point = np.clip(point, low, high)
    point[axis] = min((low[axis], high[axis]), key=lambda side: abs(side - point[axis]))
    return point


def extended(chains: Sequence[Line], box: Bounds) -> tuple[list[Line], list[tuple[float, float]]]:
    """Chains with loose ends near the border extended to it, and the loose ends that remain."""
    starts = Counter(tuple(chain[0].tolist()) for chain in chains)
    ends = Counter(tuple(chain[-1].tolist()) for chain in chains)
    extended, loose = [], []
    for chain in chains:
        first, last = tuple(chain[0].tolist()), tuple(chain[-1].tolist())
        parts = [chain]
        for point, is_loose in ((first, starts[first] != ends[first]), (last, starts[last] != ends[last])):
            if not is_loose or _is_on_border(point, box):
                continue
            border = _nearest_on_border(point, box)
            if _metres(point, border) <= EDGE_M:
                extension = np.array([border, point] if point == first else [point, border])
                parts = [extension, *parts] if point == first else [*parts, extension]
            else:
                loose.append(point)
        extended += parts
    return extended, loose


def faces(chains: Sequence[Line], box: Bounds) -> tuple[list[shapely.Polygon], list[shapely.LineString]]:
    """The faces that chains and box bound, and the chains' parts that bound none."""
    border = shapely.box(*box).exterior
    nodes = shapely.union_all([border, *(shapely.LineString(chain) for chain in chains)])
    parts = shapely.get_parts(nodes)
    polygons, cuts, dangles, _ = shapely.polygonize_full(parts)
    loose = [*shapely.get_parts(cuts), *shapely.get_parts(dangles)]
    return [shapely.orient_polygons(face) for face in shapely.get_parts(polygons)], loose


def _contain(faces: Sequence[shapely.Polygon], lines: Sequence[shapely.LineString]) -> NDArray[np.bool_]:
    """Which faces contain any of the lines."""
    containing = np.zeros(len(faces), bool)
    middles = shapely.line_interpolate_point(np.array(lines, dtype=object), 0.5, normalized=True)
    containing[shapely.STRtree(faces).query(middles, predicate="within")[1]] = True
    return containing


def _side(edge: Edge, coast: set[Edge], box: Bounds) -> str | None:
    """What is left of a face's edge: ``land``, ``sea``, ``both``, ``neither``; None on the box's border."""
    x, y, to_x, to_y = edge
    is_coast, is_reverse = edge in coast, (to_x, to_y, x, y) in coast
    if is_coast or is_reverse:
        return "both" if is_coast and is_reverse else "land" if is_coast else "sea"
    on_one_side = (x == to_x and x in (box[0], box[2])) or (y == to_y and y in (box[1], box[3]))
    return None if on_one_side else "neither"


def _is_sea(lines: Sequence[Line], box: Bounds) -> bool:
    """Whether the box's centre lies to the right of the nearest line.

    Nearest a vertex, the normals of both its edges are added up, which gives the right
    side where a single edge may not (Bærentzen and Aanæs 2005, doi:10.1109/TVCG.2005.49).
    """
    centre = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
    scale = np.array([np.cos(np.radians(centre[1])), 1.0])
    edges = np.concatenate([np.hstack([line[:-1], line[1:]]) for line in lines])
    start, step = (edges[:, :2] - centre) * scale, (edges[:, 2:] - edges[:, :2]) * scale
    length = np.maximum((step**2).sum(axis=1), 1e-30)
    nearest = start + np.clip(-(start * step).sum(axis=1) / length, 0, 1)[:, np.newaxis] * step
    distance = np.hypot(*nearest.T)
    touching = distance <= distance.min() + 1e-12
    normals = (np.column_stack([step[:, 1], -step[:, 0]]) / np.sqrt(length)[:, np.newaxis])[touching]
    return bool((-nearest[touching].mean(axis=0)) @ normals.sum(axis=0) > 0)


def _rings(face: shapely.Polygon) -> list[Line]:
    """Rings of an oriented polygon: its inside is on the left of all of them."""
    return [shapely.get_coordinates(ring) for ring in (face.exterior, *face.interiors)]


def _edges(line: Line) -> Iterable[Edge]:
    for start, end in pairwise(map(tuple, line.tolist())):
        yield (*start, *end)


def _is_on_border(point: Sequence[float], box: Bounds) -> bool:
    return point[0] in (box[0], box[2]) or point[1] in (box[1], box[3])


def _nearest_on_border(point: tuple[float, float], box: Bounds) -> tuple[float, float]:
    x, y = point
    candidates = [(box[0], y), (box[2], y), (x, box[1]), (x, box[3])]
    return min(candidates, key=lambda there: _metres(point, there))


def _metres(point: tuple[float, float], other: tuple[float, float]) -> float:
    east = (other[0] - point[0]) * np.cos(np.radians(point[1]))
    return float(np.hypot(east, other[1] - point[1]) * DEGREE_M)
