"""Outlines of the regions of a partition, traced from corner to corner.

Between corners run straight borders; each has two sides, each side has a successor around
its region, and the cycles of that permutation are the rings: array operations throughout,
no loop over polygons. Neighbours share every vertex, so no gap opens between
them when they are reprojected or simplified together.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import shapely
from affine import Affine
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph

from urbanseg.mapping.partition import LOWER_LEFT, LOWER_RIGHT, UPPER_LEFT, UPPER_RIGHT, Partition

OWN = np.array([UPPER_LEFT, UPPER_RIGHT, LOWER_RIGHT, LOWER_LEFT])
"""By heading (east, south, west, north): the pixel to the left behind a corner one arrives at."""
AHEAD = np.roll(OWN, -1)
"""The pixel to the left ahead."""
ACROSS = np.roll(OWN, -2)
"""The pixel to the right ahead."""


@dataclass(frozen=True)
class Rings:
    """Closed outlines, ordered by region, shells first; a vertex of each ring after the other.

    Walking along a ring, its region lies to the left. A ring's first vertex is not repeated.
    """

    points: NDArray[np.float64]  # (vertices, 2): column, row
    offsets: NDArray[np.int64]  # (rings + 1,): where each ring begins, and the end
    region: NDArray[np.int32]  # (rings,)
    is_hole: NDArray[np.bool_]  # (rings,)
    corner: NDArray[np.int32]  # (vertices,): the partition's corner that a vertex is, or -1
    across: NDArray[np.int32]  # (vertices,): region on the right of the side that begins here

    def areas(self) -> NDArray[np.float64]:
        """Area enclosed by each ring, in pixels, by the shoelace formula."""
        x, y = self.points.T
        following = self.following()
        cross = x * y[following] - x[following] * y
        return np.asarray(np.abs(np.add.reduceat(cross, self.offsets[:-1])) / 2)

    def following(self) -> NDArray[np.int64]:
        """Index of the vertex after each vertex of the same ring."""
        following = np.arange(1, len(self.points) + 1)
        following[self.offsets[1:] - 1] = self.offsets[:-1]
        return following

    def preceding(self) -> NDArray[np.int64]:
        """Index of the vertex before each vertex of the same ring."""
        preceding = np.arange(-1, len(self.points) - 1)
        preceding[self.offsets[:-1]] = self.offsets[1:] - 1
        return preceding

    def with_points(self, points: NDArray[np.float64], lengths: NDArray[np.int64]) -> "Rings":
        """The same rings with other vertices, ``lengths`` of them in each, none of which is a corner."""
        unknown = np.full(len(points), -1, dtype=np.int32)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        return replace(self, points=points, offsets=offsets, corner=unknown, across=unknown)

    def polygons(self, transform: Affine) -> NDArray[np.object_]:
        """A shapely Polygon for each region that has a ring, in the order of regions."""
        if not len(self.region):
            return np.empty(0, dtype=object)
        offsets = self.offsets + np.arange(len(self.offsets))
        closed = np.empty((offsets[-1], 2))
        at = np.arange(len(self.points)) + np.repeat(np.arange(len(self.region)), np.diff(self.offsets))
        closed[at] = self._placed(transform)
        closed[offsets[1:] - 1] = closed[offsets[:-1]]
        firsts = np.flatnonzero(np.diff(self.region, prepend=-1, append=-1))
        return np.asarray(shapely.from_ragged_array(shapely.GeometryType.POLYGON, closed, (offsets, firsts)))

    def wkb(self, transform: Affine) -> pa.LargeBinaryArray:
        """The same polygons as well-known binary (OGC 06-103r4), without making an object of any.

        A polygon is a byte for the order of bytes, its type (3) and its number of rings; a
        ring is its number of points, and those, the first one again at the end.
        """
        firsts = np.flatnonzero(np.diff(self.region, prepend=-1))
        counts = np.diff(self.offsets) + 1
        sizes = 4 + 16 * counts
        sizes[firsts] += 9
        ends = np.cumsum(sizes)
        starts = ends - 16 * counts  # of the points of each ring
        heads = starts[firsts] - 13
        total = int(ends[-1]) if len(ends) else 0
        buffer = np.empty(total, dtype=np.uint8)
        buffer[heads] = 1
        _put(buffer, heads + 1, np.full(len(heads), 3, dtype="<u4"))
        _put(buffer, heads + 5, np.diff(firsts, append=len(counts)).astype("<u4"))
        _put(buffer, starts - 4, counts.astype("<u4"))
        points = self._placed(transform).astype("<f8", copy=False).view("V16")[:, 0]
        vertices = np.repeat(starts - 16 * self.offsets[:-1], counts - 1) + 16 * np.arange(len(points))
        _put(buffer, vertices, points)
        _put(buffer, ends - 16, points[self.offsets[:-1]])
        bounds = pa.py_buffer(np.append(heads, total))
        return pa.LargeBinaryArray.from_buffers(
            pa.large_binary(), len(heads), [None, bounds, pa.py_buffer(buffer)]
        )

    def _placed(self, transform: Affine) -> NDArray[np.float64]:
        """The vertices in the CRS: ``(vertices, 2)``, x and y."""
        x, y = self.points.T
        a, b, c, d, e, f = transform[:6]
        placed = np.empty((len(x), 2))
        placed[:, 0], placed[:, 1] = a * x + b * y + c, d * x + e * y + f
        return placed


def _put(buffer: NDArray[np.uint8], at: NDArray[np.int64], values: NDArray[Any]) -> None:
    """Write the bytes of each of the `values` into a buffer, from byte ``at[i]`` on."""
    size = values.dtype.itemsize
    places: NDArray[Any] = np.ndarray(max(len(buffer) - size + 1, 0), f"V{size}", buffer, strides=(1,))
    places[at] = values.view(places.dtype)


def trace(partition: Partition, wanted: NDArray[np.bool_]) -> Rings:
    """Rings around the `wanted` regions.

    Polygons of them are valid and cover their pixels exactly; where a region touches itself
    at a corner, the area so enclosed is a hole. With a north-up transform, shells run
    counter-clockwise and holes clockwise.

    Args:
        partition: with at least one region besides the outside.
        wanted: ``(regions,)`` bool.
    """
    corner, region, across, following, heads = _sides(partition, wanted)
    ring, place, lengths = _cycles(following, heads)
    col, row = partition.cols[corner], partition.rows[corner]
    swept = np.multiply(col, row[following] - row, dtype=np.float64)  # ∮ x dy, by Green's theorem
    is_hole = np.bincount(ring, swept, len(lengths)) > 0  # rows count downwards, so shells are negative
    of_ring = np.empty(len(lengths), dtype=np.int32)
    of_ring[ring] = region
    order = np.lexsort((is_hole, of_ring))

    offsets = np.concatenate([[0], np.cumsum(lengths[order])])
    begin = np.empty(len(lengths), dtype=np.int64)
    begin[order] = offsets[:-1]
    walked = np.empty(len(ring), dtype=np.int64)
    walked[begin[ring] + place] = np.arange(len(ring))
    points = np.empty((len(walked), 2))
    points[:, 0], points[:, 1] = col[walked], row[walked]
    return Rings(
        points=points,
        offsets=offsets,
        region=of_ring[order],
        is_hole=is_hole[order],
        corner=corner[walked],
        across=across[walked],
    )


def _sides(
    partition: Partition, wanted: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], int]:
    """Sides of borders: corner where each starts, its region, the one across, the side after it.

    The last value is how many of them, the first ones, run east.

    At its end a side turns right where the pixel ahead, across the border, is of its region
    too; else it goes straight on where the pixel ahead on its own side is; else it turns
    left. Turning right first splits the outline of a region that touches itself at a corner
    into shell and hole, where turning left would make one ring that is not simple.
    """
    count, around = len(partition.place), partition.around
    right, below = partition.borders()
    under = partition.down[below]
    # In the order east, south, west, north, so that the next heading is a turn to the right.
    walks: list[tuple[NDArray[Any], NDArray[Any]]] = [
        (right, right + 1),
        (below, under),
        (right + 1, right),
        (under, below),
    ]
    number = np.full(4 * count, -1, dtype=np.int32)
    kept: list[tuple[int, NDArray[Any], NDArray[Any], NDArray[np.int32]]] = []
    total = 0
    for heading, (start, end) in enumerate(walks):
        own = around[end, OWN[heading]]
        taken = wanted[own]
        kept.append((heading, start[taken], end[taken], own[taken]))
        size = len(kept[-1][1])
        number[heading * count + kept[-1][1]] = np.arange(total, total + size, dtype=np.int32)
        total += size

    following = []
    for heading, _, end, own in kept:
        turn = np.where(
            around[end, ACROSS[heading]] == own, 1, np.where(around[end, AHEAD[heading]] == own, 0, 3)
        )
        following.append(number[(heading + turn) % 4 * count + end])
    across = [around[end, OWN[heading - 1]] for heading, _, end, _ in kept]
    return (
        np.concatenate([start for _, start, _, _ in kept]).astype(np.int32),
        np.concatenate([own for *_, own in kept]),
        np.concatenate(across),
        np.concatenate(following),
        len(kept[0][1]),
    )


def _cycles(
    following: NDArray[np.int32], heads: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]:
    """Ring of each side, its place along the ring, and the length of each ring.

    The first `heads` sides run east, and every ring has one of those. From all of them at
    once one walks to the next, so that only they remain to be put in order (the splitters
    of Helman and JáJá 1999); that is done by `_rank_cycles`.
    """
    size = len(following)
    head = np.empty(size, dtype=np.int32)
    place = np.zeros(size, dtype=np.int32)
    head[:heads] = np.arange(heads)
    after, gap = np.empty(heads, dtype=np.int32), np.empty(heads, dtype=np.int32)
    walker, here, step = np.arange(heads, dtype=np.int32), following[:heads], 1
    while len(walker):
        arrived = here < heads
        after[walker[arrived]], gap[walker[arrived]] = here[arrived], step
        walker, here = walker[~arrived], here[~arrived]
        head[here], place[here] = walker, step
        here = following[here]
        step += 1
    ring, begin, lengths = _rank_cycles(after, gap)
    return ring[head], begin[head] + place, lengths


def _rank_cycles(
    after: NDArray[np.int32], gap: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]:
    """Cycle of each element of a permutation, its distance from the cycle's first element, and lengths.

    Found by pointer jumping (Wyllie 1979): each element stores the distance back to another one,
    which doubles in every round. `gap` is the distance from an element to the next.
    """
    size = len(after)
    links = sparse.csr_array((np.ones(size, dtype=np.int8), after, np.arange(size + 1)), shape=(size, size))
    count, cycle = csgraph.connected_components(links, directed=False)
    first = np.empty(count, dtype=np.int32)
    first[cycle[::-1]] = np.arange(size, dtype=np.int32)[::-1]

    goal = first[cycle]
    back, place = np.empty(size, dtype=np.int32), np.empty(size, dtype=np.int32)
    back[after] = np.arange(size, dtype=np.int32)
    place[after] = gap
    back[first], place[first] = first, 0
    under_way = np.flatnonzero(back != goal)
    while len(under_way):
        target = back[under_way]
        jump, reach = place[target], back[target]
        place[under_way] += jump
        back[under_way] = reach
        under_way = under_way[reach != goal[under_way]]
    return cycle, place, np.bincount(cycle, gap, count).astype(np.int64)
