"""Straight walls along the outlines of buildings: the fewest that explain the sides of the pixels.

An outline is cut where the sum of two costs is least: the squared distance of the sides' middles from
the line through each piece, in units of the outline's own noise, and a price for each wall. That is
the minimum description length of a polygon (Rissanen 1978), found by dynamic programming over
all pairs of places (Perez and Vidal 1994, "Optimum polygonal approximation of digitized curves"). A
wall along one of the building's common directions is cheaper than another.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

Complexes = NDArray[np.complex128]
Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

STAIRCASE = 0.04
"""Mean squared distance, in square pixels, that costs nothing: sides of pixels lie beside any line."""
STAIRCASE_SHARE = 0.05
"""Share of the squares that is paid all the same, so that walls end at their corners."""
LEAST_NOISE = 0.05
"""Least variance, in square pixels, that an outline has about its walls."""
NOISE_WINDOW = 17
"""Sides over which the noise is measured, about a line of their own; less where an outline is short."""
STRAIGHT_SHARE = 25
"""Percentile of the noise in all windows that is taken: those with a corner have more."""
ALL_CUTS = 200
"""Outlines of no more sides may be cut between any two of them; longer ones near their corners alone, …"""
CORNER_TOLERANCE = 1.0
"""… which Douglas and Peucker (1973) leave at this tolerance, in pixels."""
TABLE_SIZE = 4_000_000
"""Pairs of places whose costs are held in memory at once."""

DIRECTIONS = np.exp(0.25j * np.pi * np.array([0, 2, 1, 3]))
"""Kinds of walls: along the common directions, then at 45° to them; a further kind is along none."""
FREE = len(DIRECTIONS)
PRICES = (18.0, 18.0, 26.0, 26.0, 25.0)
"""Of a wall of each kind."""


@dataclass(frozen=True)
class Sides:
    """The sides of pixels along a ring, and sums of moments that give those of any piece at once."""

    starts: Complexes  # (n,) where each side begins
    cuts: Indices  # sides before which the ring may be cut, ascending, the first of them 0
    sums: Floats  # (6, 2n + 1) of 1, x, y, x², y², xy over the first sides, walking round twice

    @classmethod
    def of(cls, ring: Complexes) -> "Sides":
        """The sides of a ring, whose vertices are in pixels, the first not repeated."""
        step = np.roll(ring, -1) - ring
        pieces = np.maximum(1, np.rint(np.abs(step))).astype(np.int64)
        of = np.repeat(np.arange(len(ring)), pieces)
        place = np.arange(len(of)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        starts = ring[of] + step[of] * place / pieces[of]
        weight = np.tile((np.abs(step) / pieces)[of], 2)
        middle = np.tile(starts + step[of] / pieces[of] / 2, 2)
        x, y = middle.real, middle.imag
        moments = np.stack([np.ones(len(x)), x, y, x * x, y * y, x * y]) * weight
        cuts = np.arange(len(of)) if len(of) <= ALL_CUTS else _cuts(ring, pieces)
        return cls(starts, cuts, np.concatenate([np.zeros((6, 1)), np.cumsum(moments, axis=1)], axis=1))

    @property
    def length(self) -> float:
        """Length of the ring in pixels."""
        return float(self.sums[0, len(self.starts)])

    def piece(self, begin: Any, end: Any) -> "Piece":
        """Moments of the sides from `begin` to before `end`."""
        length, x, y, xx, yy, xy = np.take(self.sums, end, axis=1) - np.take(self.sums, begin, axis=1)
        known = np.maximum(length, 1e-9)
        return Piece(length, x / known, y / known, xx - x * x / known, yy - y * y / known, xy - x * y / known)

    def noise(self) -> float:
        """Variance of the sides about straight walls, in square pixels."""
        count = len(self.starts)
        window = min(NOISE_WINDOW, 2 * max(2, count // 10) + 1)
        if count <= window:
            return LEAST_NOISE
        begin = np.arange(count)
        piece = self.piece(begin, begin + window)
        return max(LEAST_NOISE, float(np.percentile(piece.about_itself() / piece.length, STRAIGHT_SHARE)))


def _cuts(ring: Complexes, pieces: Indices) -> Indices:
    """Sides at the corners of a ring and next to them, and the first one."""
    closed = np.append(ring, ring[0])
    line = shapely.simplify(
        shapely.linestrings(np.column_stack([closed.real, closed.imag])), CORNER_TOLERANCE
    )
    kept = np.isin(ring, shapely.get_coordinates(line) @ np.array([1, 1j]))
    corners = (np.cumsum(pieces) - pieces)[kept]
    near = (corners[:, np.newaxis] + np.array([-1, 0, 1])) % pieces.sum()
    return np.unique(np.append(near, 0))


@dataclass(frozen=True)
class Piece:
    """Length, centre and central second moments of pieces of a ring, in pixels; arrays of one shape."""

    length: Any
    x: Any
    y: Any
    xx: Any
    yy: Any
    xy: Any

    def about(self, direction: Any) -> Any:
        """Sum of squared distances from the line through the centre in a direction of size 1."""
        along, across = direction.real, direction.imag
        return np.maximum(across**2 * self.xx - 2 * along * across * self.xy + along**2 * self.yy, 0)

    def about_itself(self) -> Any:
        """The same for the line that makes it least."""
        spread = np.hypot(self.xx - self.yy, 2 * self.xy)
        return np.maximum((self.xx + self.yy - spread) / 2, 0)

    def moment(self) -> Any:
        """A complex number whose argument is twice the direction of that line."""
        return (self.xx - self.yy) + 2j * self.xy


@dataclass(frozen=True)
class Walls:
    """Walls around a ring, one after the other: of sides ``begin[i]`` to ``end[i]``, which may pass n."""

    begin: Indices
    end: Indices
    kind: Indices  # index of `DIRECTIONS`, or `FREE`
    cost: float  # of all of them


def free_walls(rings: Sequence[Sides]) -> list[Walls]:
    """Walls in any direction. A ring's first side is the first of a wall, whether or not it is a corner."""
    starts = np.zeros(len(rings), dtype=np.int64)
    return _cheapest(rings, starts, np.ones(len(rings)), [[FREE]])[0]


def regular_walls(
    rings: Sequence[Sides], starts: Indices, turns: Complexes, least_noise: float = LEAST_NOISE
) -> tuple[list[Walls], list[Walls]]:
    """Walls of which no two in a row have the same common direction.

    Args:
        rings: the sides of each.
        starts: ``(rings,)`` side at which a wall begins.
        turns: ``(rings,)`` common direction, of size 1.
        least_noise: variance, in square pixels, that outlines have about their walls at least.

    Returns:
        The walls of each ring along its common directions alone, and those of which some may be free.
    """
    regular = list(range(FREE))
    strict, loose = _cheapest(rings, starts, turns, [regular, [*regular, FREE]], least_noise)
    return strict, loose


def _cheapest(
    rings: Sequence[Sides],
    starts: Indices,
    turns: NDArray[Any],
    choices: list[list[int]],
    least_noise: float = LEAST_NOISE,
) -> list[list[Walls]]:
    """The walls that cost least, for each choice of kinds; rings of like length at once."""
    kinds = choices[-1]
    found: list[dict[int, Walls]] = [{} for _ in choices]
    for batch in _batches([len(_places(ring, 0)) for ring in rings]):
        places = [_places(rings[i], int(starts[i])) for i in batch]
        size = max(len(each) for each in places)
        costs = np.zeros((len(batch), len(kinds), size, size), dtype=np.float32)
        for row, (i, at) in enumerate(zip(batch, places, strict=True)):
            costs[row, :, : len(at), : len(at)] = _costs(rings[i], at, complex(turns[i]), kinds, least_noise)
        for choice, chosen in zip(choices, found, strict=True):
            kind = np.array(choice)
            total, before, kind_before = _cheapest_ways(costs[:, : len(kind)], is_free=kind == FREE)
            for row, (i, at) in enumerate(zip(batch, places, strict=True)):
                chosen[i] = _walk_back(total[row], before[row], kind_before[row], at, kind)
    return [[chosen[i] for i in range(len(rings))] for chosen in found]


def _walk_back(total: Floats, before: Indices, kind_before: Indices, places: Indices, kind: Indices) -> Walls:
    """The walls of a ring, from the last one to the first; see `_cheapest_ways`."""
    last = len(places) - 1
    row = int(total[:, last].argmin())
    cost = float(total[row, last])
    walls = []
    while last:
        first = int(before[row, last])
        walls.append((places[first], places[last], kind[row]))
        row, last = int(kind_before[row, first]), first
    begin, end, kinds = np.array(walls[::-1], dtype=np.int64).T
    return Walls(begin, end, kinds, cost)


def _batches(sizes: Sequence[int]) -> Iterator[list[int]]:
    """Rings by size, as many at once as a table holds."""
    batch: list[int] = []
    for i in np.argsort(sizes, kind="stable").tolist():
        if batch and (len(batch) + 1) * sizes[i] ** 2 * (FREE + 1) > TABLE_SIZE:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def _places(ring: Sides, start: int) -> Indices:
    """Where the ring may be cut, from the start until it is reached again."""
    count = len(ring.starts)
    later = ring.cuts[ring.cuts >= start % count]
    earlier = ring.cuts[ring.cuts < start % count]
    return start - start % count + np.concatenate([later, earlier + count, [start % count + count]])


def _costs(
    ring: Sides, places: Indices, turn: complex, kinds: list[int], least_noise: float
) -> NDArray[np.float32]:
    """Cost of a wall up to each place from each earlier one: ``(kinds, places, places)``."""
    piece = ring.piece(places[np.newaxis], places[:, np.newaxis])
    allowed, noise = STAIRCASE * piece.length, max(least_noise, ring.noise())
    costs = np.empty((len(kinds), *piece.length.shape), dtype=np.float32)
    for row, kind in enumerate(kinds):
        squares = piece.about_itself() if kind == FREE else piece.about(turn * complex(DIRECTIONS[kind]))
        costs[row] = PRICES[kind] + (np.maximum(squares - allowed, 0) + STAIRCASE_SHARE * squares) / noise
    return costs


def _cheapest_ways(costs: NDArray[np.float32], is_free: NDArray[np.bool_]) -> tuple[Floats, Indices, Indices]:
    """Cost of the cheapest walls up to each place, of which the last is of each kind; and how they get there.

    Args:
        costs: ``(rings, kinds, places, places)`` of a wall that ends at the one and begins at the other.
        is_free: ``(kinds,)`` whether two such walls may follow each other.

    Returns:
        The cost, the place where the last wall begins, and for each place and kind the kind of the wall
        that ends there if that kind follows: ``(rings, kinds, places)`` each.
    """
    count, kinds, size, _ = costs.shape
    total = np.zeros((count, kinds, size))
    before, kind_before = np.zeros((2, count, kinds, size), dtype=np.int64)
    arrival = np.zeros((count, kinds, size), dtype=np.float32)  # at a place, if a wall of the kind follows
    rows = np.arange(count)
    for place in range(1, size):
        ways = arrival[:, :, :place] + costs[:, :, place, :place]
        begin = ways.argmin(axis=2)
        before[:, :, place] = begin
        now = np.take_along_axis(ways, begin[:, :, np.newaxis], axis=2)[:, :, 0]
        total[:, :, place] = now
        first = now.argmin(axis=1)
        arrival[:, :, place], kind_before[:, :, place] = now[rows, first, np.newaxis], first[:, np.newaxis]
        if kinds > 1:
            others = now.copy()
            others[rows, first] = np.inf
            second = others.argmin(axis=1)
            bound = rows[~is_free[first]]
            arrival[bound, first[bound], place] = now[bound, second[bound]]
            kind_before[bound, first[bound], place] = second[bound]
    return total, before, kind_before
