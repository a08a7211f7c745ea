"""Regularization of buildings: the best rectilinear shape for a jagged outline.

Each outline gives several candidates: its walls, found by Douglas and Peucker (1973) at a few
tolerances and turned to the nearer of two perpendicular directions, and the rectangle around
it. The one with the least difference from the outline plus a cost for each corner is taken; a
shape that is not rectilinear keeps its outline. `urbanseg.mapping.coverage_insert` puts the
results into the map without gaps or overlaps.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

WALL_TOLERANCES = (1.5, 2.0, 3.0)
"""Tolerances at which walls are looked for, in pixels: those of a staircase lie within √2 of a line."""
MIN_AGREEMENT = 0.5
"""Least agreement of walls on two perpendicular directions; it is 1 for a rectangle, 0 for a circle."""
DIFFERENCE_LIMIT = 0.1
"""Largest symmetric difference of a shape and its outline, as a share of the area, …"""
STAIRCASE_ALLOWANCE = 0.25
"""… to which so many pixels times the length of the outline are added: what its staircases make …"""
MAX_DIFFERENCE = 0.3
"""… up to this share."""
AREA_LIMIT = 0.1
"""Largest change of the area, as a share of it."""
CORNER_COST = 0.5
"""Cost of a corner: the difference, in square pixels, that it must reduce."""
MIN_WALL = 1.5
"""Shorter walls, in pixels, are left out, and their neighbours become one."""
MAX_LINES = 1000
"""Rings with more lines are no buildings and are skipped: dropping lines takes quadratic time."""
SAME = 1e-6
"""Coordinates that are no further apart, in pixels, are the same."""

Complexes = NDArray[np.complex128]


def regularize(polygons: NDArray[np.object_], tolerance: float) -> NDArray[np.object_]:
    """Polygons with right angles only that look like the given ones.

    The directions of a polygon are those of its walls, weighted by the square of their
    lengths as the variance of a wall's direction falls with it: ¼·arg Σ l²·e^{4iθ}. Each wall
    lies at the mean offset of the stretch of the outline it stands for, so that the area is
    nearly kept.

    Args:
        polygons: ``(n,)`` valid shapely Polygons.
        tolerance: side of a pixel, in units of the CRS.

    Returns:
        ``(n,)`` valid Polygons; None where none is close enough.
    """
    found: list[tuple[int, shapely.Polygon]] = []
    simpler = [shapely.simplify(polygons, tolerance * wall_tolerance) for wall_tolerance in WALL_TOLERANCES]
    envelopes = shapely.oriented_envelope(polygons)
    for index, polygon in enumerate(polygons):
        outlines = [each[index] for each in simpler]
        found += [(index, shape) for shape in _candidates(polygon, outlines, envelopes[index], tolerance)]
    return _best(polygons, found, tolerance)


def _best(
    polygons: NDArray[np.object_], found: list[tuple[int, shapely.Polygon]], tolerance: float
) -> NDArray[np.object_]:
    """The best acceptable candidate for each polygon, of equal ones the first."""
    best = np.full(len(polygons), None, dtype=object)
    index = np.array([i for i, _ in found], dtype=np.int64)
    shapes = np.array([shape for _, shape in found], dtype=object)
    valid = shapely.is_valid(shapes)
    index, shapes = index[valid], shapes[valid]
    outlines = polygons[index]
    areas = shapely.area(outlines)
    difference = shapely.area(shapely.symmetric_difference(shapes, outlines))
    limit = DIFFERENCE_LIMIT * areas + STAIRCASE_ALLOWANCE * tolerance * shapely.length(outlines)
    fits = difference <= np.minimum(limit, MAX_DIFFERENCE * areas)
    fits &= np.abs(shapely.area(shapes) - areas) <= AREA_LIMIT * areas
    cost = difference + CORNER_COST * tolerance**2 * shapely.get_num_coordinates(shapes)
    order = np.lexsort((np.arange(len(cost)), cost, index))
    order = order[fits[order]]
    first = order[np.diff(index[order], prepend=-1) > 0]
    best[index[first]] = shapes[first]
    return best


def _candidates(
    polygon: shapely.Polygon,
    simpler: list[shapely.Polygon],
    envelope: shapely.Polygon,
    tolerance: float,
) -> Iterator[shapely.Polygon]:
    """Rectilinear shapes for one polygon, none if its walls have no common directions."""
    rings = [_points(ring) for ring in (polygon.exterior, *polygon.interiors)]
    for place, outline in enumerate(simpler):
        if len(outline.interiors) != len(polygon.interiors):
            continue
        kept = [
            np.flatnonzero(np.isin(ring, _points(simple)))
            for ring, simple in zip(rings, (outline.exterior, *outline.interiors), strict=True)
        ]
        vote, agreement = _dominant_direction(
            [_Walls(ring, at) for ring, at in zip(rings, kept, strict=True)]
        )
        if place == 0:
            if agreement < MIN_AGREEMENT:
                return
            yield from _build_shapes(rings, None, vote, tolerance)
            side = np.diff(_points(envelope.exterior)[:2])[0]
            yield from _build_shapes(rings, None, (side / abs(side)) ** 4, tolerance)
        yield from _build_shapes(rings, kept, vote, tolerance)


def _points(ring: shapely.LinearRing) -> Complexes:
    """Vertices of a ring as complex numbers, the first one not repeated."""
    points = shapely.get_coordinates(ring)[:-1]
    return np.asarray(points[:, 0] + 1j * points[:, 1])


@dataclass(frozen=True)
class _Walls:
    """A ring seen as walls, each from one kept vertex to the next."""

    ring: Complexes  # unclosed
    kept: NDArray[np.int64]  # ascending

    def sides(self) -> tuple[Complexes, Complexes, NDArray[np.int64]]:
        """Middle and step of each side of the ring, from the first kept vertex on; where walls begin."""
        turned = np.roll(self.ring, -self.kept[0])
        step = np.roll(turned, -1) - turned
        return turned + step / 2, step, self.kept - self.kept[0]

    def lengths(self) -> NDArray[np.float64]:
        """Distance from each kept vertex to the next."""
        at = self.ring[self.kept]
        return np.asarray(np.abs(np.roll(at, -1) - at))

    def moments(self) -> Complexes:
        """Second moment of each wall's stretch about its middle: its argument is twice the direction."""
        middle, step, first = self.sides()
        middle = middle - self.ring[0]  # else the squares of coordinates would cancel
        length = np.abs(step)
        weight, weighted = np.add.reduceat(length, first), np.add.reduceat(length * middle, first)
        total = np.add.reduceat(length * (middle**2 + step**2 / 12), first)
        return np.asarray(total - weighted**2 / weight)


def _dominant_direction(walls: list[_Walls]) -> tuple[complex, float]:
    """Mean of e^{4iθ} over walls, of size 1, and the walls' agreement with it: 0 for none, 1 for all."""
    moments = np.concatenate([each.moments() for each in walls])
    lengths = np.concatenate([each.lengths() for each in walls])
    sizes = np.abs(moments)
    known = sizes > 0
    votes = (moments[known] / sizes[known]) ** 2
    total = np.sum(votes * lengths[known] ** 2)
    if not abs(total):
        return 1.0 + 0j, 0.0
    vote = total / abs(total)
    return complex(vote), float(np.sum((votes * vote.conjugate()).real * lengths[known]) / lengths.sum())


def _build_shapes(
    rings: list[Complexes], kept: list[NDArray[np.int64]] | None, vote: complex, tolerance: float
) -> Iterator[shapely.Polygon]:
    """The polygon with walls in the directions of the vote: with the kept ones, or a rectangle of them."""
    turn = np.exp(0.25j * np.angle(vote))
    if abs(turn.imag) < SAME:
        turn = 1 + 0j  # along the sides of pixels, where shapes and their neighbours share lines
    origin = rings[0][0]
    made = []
    for number, ring in enumerate(rings):
        local = (ring - origin) * turn.conjugate()
        corners = None if kept is None else _rectilinear(_Walls(local, kept[number]), tolerance)
        if corners is None and (kept is None or number > 0):
            corners = _rectangle(local)
        if corners is None:
            return
        points = corners * turn + origin
        if turn == 1:
            points = _snap_to_known(points.real, ring.real, tolerance) + 1j * _snap_to_known(
                points.imag, ring.imag, tolerance
            )
        made.append(np.column_stack([points.real, points.imag]))
    yield shapely.Polygon(made[0], made[1:])


def _rectangle(ring: Complexes) -> Complexes:
    """The upright rectangle around a ring, made smaller by the same on all sides to the ring's area."""
    following = np.roll(ring, -1)
    area = abs(np.sum((ring.conjugate() * following).imag)) / 2
    left, right, low, high = ring.real.min(), ring.real.max(), ring.imag.min(), ring.imag.max()
    width, height = right - left, high - low
    inset = (width + height - np.sqrt((width - height) ** 2 + 4 * area)) / 4
    left, right, low, high = left + inset, right - inset, low + inset, high - inset
    return np.array([left + 1j * low, right + 1j * low, right + 1j * high, left + 1j * high])


def _rectilinear(walls: _Walls, tolerance: float) -> Complexes | None:
    """Corners of a ring whose walls run along the axes; None if it has fewer than four, or too many."""
    middle, step, first = walls.sides()
    wall_step = np.add.reduceat(step, first)
    is_horizontal = np.abs(wall_step.real) >= np.abs(wall_step.imag)  # along the real axis
    turns = np.flatnonzero(is_horizontal != np.roll(is_horizontal, 1))
    if not 4 <= len(turns) <= MAX_LINES:
        return None
    begin = first[turns[0]]  # where a wall turns, so that no line is cut by the start of the ring
    middle, step, starts = np.roll(middle, -begin), np.roll(step, -begin), first[turns] - begin
    is_horizontal = is_horizontal[turns]
    length = np.where(
        is_horizontal, np.add.reduceat(np.abs(step.real), starts), np.add.reduceat(np.abs(step.imag), starts)
    )
    moment = np.where(
        is_horizontal,
        np.add.reduceat(np.abs(step.real) * middle.imag, starts),
        np.add.reduceat(np.abs(step.imag) * middle.real, starts),
    )
    is_horizontal, offset = _drop_short(is_horizontal, length, moment, MIN_WALL * tolerance)
    ahead = np.roll(offset, -1)
    return np.where(is_horizontal, ahead + 1j * offset, offset + 1j * ahead)


def _drop_short(
    is_horizontal: NDArray[np.bool_],
    length: NDArray[np.float64],
    moment: NDArray[np.float64],
    shortest: float,
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Directions and mean offsets of lines, of which short ones are left out, the shortest first.

    Lines before and after one that is left out become one; four remain at least.
    """
    while True:
        offset = moment / length
        sizes = np.abs(np.roll(offset, -1) - np.roll(offset, 1))
        short = int(np.argmin(sizes))
        if sizes[short] >= shortest or len(offset) <= 4:
            return is_horizontal, offset
        before, after = (short - 1) % len(offset), (short + 1) % len(offset)
        length[before] += length[after]
        moment[before] += moment[after]
        kept = ~np.isin(np.arange(len(offset)), (short, after))
        is_horizontal, length, moment = is_horizontal[kept], length[kept], moment[kept]


def _snap_to_known(
    values: NDArray[np.float64], known: NDArray[np.float64], tolerance: float
) -> NDArray[np.float64]:
    """Values, those within rounding of a known one replaced by it."""
    known = np.unique(known)
    after = np.clip(np.searchsorted(known, values), 1, len(known) - 1)
    nearest = np.where(values - known[after - 1] < known[after] - values, known[after - 1], known[after])
    return np.where(np.abs(nearest - values) <= SAME * tolerance, nearest, values)
