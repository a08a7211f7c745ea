"""Regularization of buildings: few straight walls, along common directions, for a jagged outline.

`urbanseg.mapping.walls` finds the walls. A building has two perpendicular directions, and others at
45° to them; walls that nearly follow one of them do. Each wall lies at the mean offset of the sides
of pixels it stands for, so that the area is nearly kept, and ends where it meets the next. Round
buildings become circles. `urbanseg.mapping.coverage_insert` puts the results into the map without
gaps or overlaps.
"""

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from urbanseg.mapping.walls import (
    DIRECTIONS,
    FREE,
    PRICES,
    STAIRCASE,
    Complexes,
    Indices,
    Sides,
    Walls,
    free_walls,
    regular_walls,
)

DIFFERENCE_LIMIT = 0.1
"""Largest symmetric difference of a shape and its outline, as a share of the area, …"""
STAIRCASE_ALLOWANCE = 0.5
"""… to which so many pixels times the length of the outline are added: what ragged sides make …"""
MAX_DIFFERENCE = 0.3
"""… up to this share."""
AREA_LIMIT = 0.1
"""Largest change of the area, as a share of it."""
HAND = 0.2
"""Mean squared distance, in square pixels, by which what is drawn by hand misses a right angle."""
REGULARITY = 1.2
"""How much more walls along common directions alone may cost than those of which some have their own."""
LEAST_TURN = np.sin(np.radians(10))
"""Walls that turn by a smaller angle do not meet in a point that can be trusted, …"""
FARTHEST = 4.0
"""… nor do those that meet further from where the outline changes from one to the other, in pixels."""
FEWEST = 4
"""Fewer walls make no building."""
CIRCLE_PRICE = 1.5 * PRICES[0]
"""Price of a circle."""
SMALLEST_RADIUS = 3.0
"""Of a circle, in pixels; smaller ones can't be told from squares."""
SAGITTA = 0.2
"""Distance of a drawn circle from a true one, in pixels."""
PARALLEL = 0.25
"""A direction in which no wall deviates by more pixels from the sides of pixels is theirs."""
MAX_CUTS = 600
"""Outlines with more places where they may be cut are no buildings: time grows with the square."""
SAME = 1e-6
"""Coordinates that are no further apart, in pixels, are the same."""


def regularize(polygons: NDArray[np.object_], tolerance: float) -> NDArray[np.object_]:
    """Polygons of straight walls that look like the given ones.

    The common directions of a polygon are those of its walls, weighted by the square of their
    lengths as the variance of a wall's direction falls with it: ¼·arg Σ l²·e^{4iθ}.

    Args:
        polygons: ``(n,)`` valid shapely Polygons along the sides of pixels.
        tolerance: side of a pixel, in units of the CRS.

    Returns:
        ``(n,)`` valid Polygons; None where none is close enough.
    """
    buildings = [_Building.of(index, polygon, tolerance) for index, polygon in enumerate(polygons)]
    buildings = [each for each in buildings if each.has_sides]
    rings = [ring for each in buildings for ring in each.rings]
    owner = np.repeat(np.arange(len(buildings)), [len(each.rings) for each in buildings])
    walls, turns = _choose_walls(rings, owner, len(buildings))
    shapes = np.full(len(polygons), None, dtype=object)
    first = np.searchsorted(owner, np.arange(len(buildings) + 1))
    for number, building in enumerate(buildings):
        own = walls[first[number] : first[number + 1]]
        shapes[building.index] = building.drawn(own, complex(turns[number]))
    return _acceptable(polygons, shapes, tolerance)


def _choose_walls(rings: list[Sides], owner: Indices, count: int) -> tuple[list[Walls], Complexes]:
    """Walls of each ring, and the common direction of each of `count` buildings, of size 1.

    Walls along common directions alone are taken if they cost little more than those of which some may
    be free, or if they are no more of them and lie as close as a hand draws.
    """
    free = free_walls(rings)
    starts = np.array([_middle_corner(walls) for walls in free], dtype=np.int64)
    turns = _turns(rings, free, owner, count)
    strict, _ = regular_walls(rings, starts, turns[owner])
    turns = _refined(rings, strict, turns, owner)
    strict, loose = regular_walls(rings, starts, turns[owner])
    costs = [np.bincount(owner, [each.cost for each in walls], count) for walls in (strict, loose)]
    walls = _where(costs[0] <= REGULARITY * costs[1], strict, loose, owner)

    tolerant, _ = regular_walls(rings, starts, turns[owner], HAND)
    numbers = [np.bincount(owner, [len(each.kind) for each in found], count) for found in (tolerant, walls)]
    lengths = np.array([ring.length for ring in rings])
    squares, noise, length = (
        np.bincount(owner, each, count)
        for each in (_squares(rings, tolerant, turns[owner]), lengths * [r.noise() for r in rings], lengths)
    )
    is_close = squares - noise <= HAND * length
    walls = _where(is_close & (numbers[0] <= numbers[1]), tolerant, walls, owner)
    return walls, _refined(rings, walls, turns, owner)


def _where(
    is_first: NDArray[np.bool_], first: list[Walls], second: list[Walls], owner: Indices
) -> list[Walls]:
    """The first walls for the rings of some buildings, the second for the others."""
    return [a if mine else b for a, b, mine in zip(first, second, is_first[owner].tolist(), strict=True)]


def _squares(rings: list[Sides], walls: list[Walls], turns: Complexes) -> list[float]:
    """Sum of squared distances from the walls of each ring, all along common directions."""
    return [
        float(ring.piece(found.begin, found.end).about(turn * DIRECTIONS[found.kind]).sum())
        for ring, found, turn in zip(rings, walls, turns, strict=True)
    ]


def _acceptable(
    polygons: NDArray[np.object_], shapes: NDArray[np.object_], tolerance: float
) -> NDArray[np.object_]:
    """The shapes that are valid and close to their polygons; None for the others."""
    ok = shapely.is_valid(shapes)
    made, outlines = shapes[ok], polygons[ok]
    areas = shapely.area(outlines)
    difference = shapely.area(shapely.symmetric_difference(made, outlines))
    limit = DIFFERENCE_LIMIT * areas + STAIRCASE_ALLOWANCE * tolerance * shapely.length(outlines)
    fits = difference <= np.minimum(limit, MAX_DIFFERENCE * areas)
    fits &= np.abs(shapely.area(made) - areas) <= AREA_LIMIT * areas
    ok[ok] = fits
    shapes[~ok] = None
    return shapes


def _middle_corner(walls: Walls) -> int:
    """The corner that is furthest along the ring from where it was cut."""
    half = (walls.begin[0] + walls.end[-1]) / 2
    return int(walls.begin[np.argmin(np.abs(walls.begin - half))])


def _turns(rings: list[Sides], walls: list[Walls], owner: Indices, count: int) -> Complexes:
    """The common direction of each building, of size 1, by the votes of its walls."""
    votes = np.zeros(count, dtype=np.complex128)
    for ring, found, building in zip(rings, walls, owner, strict=True):
        piece = ring.piece(found.begin, found.end)
        moment = piece.moment()
        size = np.abs(moment)
        known = size > 0
        votes[building] += np.sum((moment[known] / size[known]) ** 2 * piece.length[known] ** 2)
    return np.asarray(np.exp(0.25j * np.angle(votes)))


def _refined(rings: list[Sides], walls: list[Walls], turns: Complexes, owner: Indices) -> Complexes:
    """The common directions for which the squared distances from all walls along them are least."""
    moments = np.zeros(len(turns), dtype=np.complex128)
    longest = np.zeros(len(turns))
    for ring, found, building in zip(rings, walls, owner, strict=True):
        regular = found.kind < FREE
        piece = ring.piece(found.begin[regular], found.end[regular])
        moments[building] += np.sum(piece.moment() / DIRECTIONS[found.kind[regular]] ** 2)
        longest[building] = max(longest[building], piece.length.max(initial=0))
    refined = np.exp(0.5j * np.angle(moments))
    refined = np.where((refined / turns).real < 0, -refined, refined)
    strays = np.abs(np.angle(refined / turns)) > np.pi / 16
    refined = np.where(strays | (moments == 0), turns, refined)
    along_pixels = 1j ** np.rint(np.angle(refined) / (np.pi / 2))
    off = np.abs((refined / along_pixels).imag) * longest
    return np.asarray(np.where(off <= PARALLEL, 1, refined))


@dataclass(frozen=True)
class _Building:
    """A polygon and its rings in pixels, from its first vertex."""

    index: int
    origin: complex
    tolerance: float
    known: list[Complexes]  # vertices of its rings in the CRS
    rings: list[Sides]

    @classmethod
    def of(cls, index: int, polygon: shapely.Polygon, tolerance: float) -> "_Building":
        known = [_points(ring) for ring in (polygon.exterior, *polygon.interiors)]
        origin = complex(known[0][0])
        rings = [Sides.of((ring - origin) / tolerance) for ring in known]
        is_short = max(len(ring.cuts) for ring in rings) <= MAX_CUTS
        return cls(index, origin, tolerance, known, rings if is_short else [])

    @property
    def has_sides(self) -> bool:
        """Whether it is short enough to have its walls found."""
        return len(self.rings) > 0

    def drawn(self, walls: list[Walls], turn: complex) -> shapely.Polygon | None:
        """The polygon with the walls of its rings; None if it has too few."""
        drawn: list[NDArray[np.float64]] = []
        for ring, found, known in zip(self.rings, walls, self.known, strict=True):
            corners = _circle(ring, found)
            if corners is None:
                corners = _corners(ring, found, turn)
            if len(corners) < FEWEST and not drawn:
                return None
            points = known if len(corners) < FEWEST else corners * self.tolerance + self.origin
            if turn == 1:  # shapes and their neighbours share lines along the sides of pixels
                x, y = (
                    _snap_to_known(*axes, self.tolerance)
                    for axes in ((points.real, known.real), (points.imag, known.imag))
                )
                points = x + 1j * y
            drawn.append(np.column_stack([points.real, points.imag]))
        return shapely.Polygon(drawn[0], drawn[1:])


def _points(ring: shapely.LinearRing) -> Complexes:
    """Vertices of a ring as complex numbers, the first one not repeated."""
    points = shapely.get_coordinates(ring)[:-1]
    return np.asarray(points[:, 0] + 1j * points[:, 1])


def _corners(ring: Sides, walls: Walls, turn: complex) -> Complexes:
    """Where each wall meets the one before it, in pixels."""
    begin, end, kind = walls.begin, walls.end, walls.kind
    if len(kind) > 1 and kind[0] == kind[-1] < FREE:  # the ring was cut inside a wall
        begin, end, kind = begin[1:], np.append(end[1:-1], end[0] + len(ring.starts)), kind[1:]
        beyond = len(ring.starts) * (end > 2 * len(ring.starts))
        begin, end = begin - beyond, end - beyond
    piece = ring.piece(begin, end)
    centre, at = piece.x + 1j * piece.y, ring.starts[begin % len(ring.starts)]
    free = np.exp(0.5j * np.angle(piece.moment()))
    direction = np.where(kind < FREE, turn * np.append(DIRECTIONS, 1)[kind], free)
    centre_before, before = np.roll(centre, 1), np.roll(direction, 1)
    cross = (before.conjugate() * direction).imag
    meets = np.abs(cross) >= LEAST_TURN
    along = ((centre - centre_before).conjugate() * direction).imag / np.where(meets, cross, 1)
    meeting = centre_before + before * along
    near = (_foot(at, centre, direction) + _foot(at, centre_before, before)) / 2
    return np.where(meets & (np.abs(meeting - at) <= FARTHEST), meeting, near)


def _foot(point: Complexes, centre: Complexes, direction: Complexes) -> Complexes:
    """The nearest points of lines."""
    return np.asarray(centre + direction * ((point - centre) * direction.conjugate()).real)


def _circle(ring: Sides, walls: Walls) -> Complexes | None:
    """Corners of the circle through the middles of the sides, if it costs less than the walls.

    Its centre and radius come from linear least squares (Kåsa 1976); it is described by three numbers,
    as many as one and a half walls.
    """
    starts = ring.starts
    middle = (starts + np.roll(starts, -1)) / 2
    columns = np.column_stack([2 * middle.real, 2 * middle.imag, np.ones(len(middle))])
    x, y, rest = np.linalg.lstsq(columns, np.abs(middle) ** 2, rcond=None)[0]
    radius = np.sqrt(max(rest + x * x + y * y, 0.0))
    strays = np.sum((np.abs(middle - (x + 1j * y)) - radius) ** 2) - STAIRCASE * len(middle)
    if max(strays, 0) / ring.noise() + CIRCLE_PRICE >= walls.cost or radius < SMALLEST_RADIUS:
        return None
    count = 4 * int(np.ceil(np.pi / np.arccos(1 - SAGITTA / radius) / 4))
    step = 2 * np.pi / count
    radius *= np.sqrt(step / np.sin(step))  # of the corners, so that the area is the circle's
    angles = step * np.arange(count)
    turning = np.sum(middle.real * (np.roll(middle.imag, -1) - np.roll(middle.imag, 1)))
    return np.asarray(x + 1j * y + radius * np.exp(1j * angles * np.sign(turning)))


def _snap_to_known(
    values: NDArray[np.float64], known: NDArray[np.float64], tolerance: float
) -> NDArray[np.float64]:
    """Values, those within rounding of a known one replaced by it."""
    known = np.unique(known)
    after = np.clip(np.searchsorted(known, values), 1, len(known) - 1)
    nearest = np.where(values - known[after - 1] < known[after] - values, known[after - 1], known[after])
    return np.where(np.abs(nearest - values) <= SAME * tolerance, nearest, values)
