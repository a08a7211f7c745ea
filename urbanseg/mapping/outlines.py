"""Outlines of labelled regions, traced along the sides of their pixels.

The raster's sides become segments, each segment knows which one follows it around its
region, and the cycles of that permutation are the rings: array operations throughout, no
loop over polygons. Neighbours share every vertex, so no gap opens between them when they
are reprojected or simplified together.
"""

from dataclasses import dataclass

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph


def outlines(labels: NDArray[np.int32], transform: Affine) -> NDArray[np.object_]:
    """Polygon of each 4-connected region of a label raster.

    Polygons are valid and cover their pixels exactly; where a region touches itself at a
    corner, the area so enclosed is a hole. With a north-up transform, shells run
    counter-clockwise and holes clockwise.

    Args:
        labels: ``(height, width)`` int32; regions 1 … n, 4-connected; 0 is no region.
        transform: from ``(column, row)`` to CRS coordinates.

    Returns:
        ``(n,)`` shapely Polygons, region i at i-1.
    """
    count = int(labels.max(initial=0))
    if not count:
        return np.empty(0, dtype=object)
    sides = _trace(np.pad(labels, 1))
    ring, place, lengths = _rings(sides.following)

    x, y = sides.col.astype(np.float64), sides.row.astype(np.float64)
    cross = x * y[sides.following] - x[sides.following] * y
    is_hole = np.bincount(ring, cross) > 0  # rows count downwards, so shells are negative
    region = np.empty(len(lengths), dtype=np.int64)
    region[ring] = sides.region
    order = np.lexsort((is_hole, region))

    offsets = np.concatenate([[0], np.cumsum(lengths[order] + 1)])
    begin = np.empty(len(lengths), dtype=np.int64)
    begin[order] = offsets[:-1]
    points = np.empty((offsets[-1], 2))
    a, b, c, d, e, f = transform[:6]
    points[begin[ring] + place] = np.column_stack([a * x + b * y + c, d * x + e * y + f])
    points[offsets[1:] - 1] = points[offsets[:-1]]
    polygons = np.concatenate([[0], np.cumsum(np.bincount(region, minlength=count + 1)[1:])])
    return np.asarray(shapely.from_ragged_array(shapely.GeometryType.POLYGON, points, (offsets, polygons)))


@dataclass(frozen=True)
class _Sides:
    """Directed segments of outlines, each with its region on the left as one walks it."""

    region: NDArray[np.int32]
    row: NDArray[np.int32]  # of the vertex where it starts
    col: NDArray[np.int32]
    following: NDArray[np.int64]  # index of the next segment of the same ring


@dataclass(frozen=True)
class _Segments:
    """Straight borders between two regions, in row-major order: along rows, or columns."""

    line: NDArray[np.int64]  # row (or column) of vertices that it lies on
    start: NDArray[np.int64]  # column (or row) of its first vertex
    stop: NDArray[np.int64]  # and of its last
    before: NDArray[np.int32]  # region above (or left)
    after: NDArray[np.int32]  # region below (or right)


def _trace(labels: NDArray[np.int32]) -> _Sides:
    """Directed segments of a label raster with a margin of 0, and how they follow one another.

    At its end a segment turns right where the pixel ahead, across the border, is of its
    region too; else it goes straight on where the pixel ahead on its own side is; else it
    turns left. Turning right first splits the outline of a region that touches itself at
    a corner into shell and hole, where turning left would make one ring that is not simple.
    """
    height, width = labels.shape
    along, down = _segments(labels), _segments(np.ascontiguousarray(labels.T))
    sizes = [len(along.line), len(down.line)] * 2
    # In the order east, south, west, north, so that the next heading is a turn to the right.
    heading = np.repeat(np.arange(4, dtype=np.int8), sizes)
    region = np.concatenate([along.before, down.after, along.after, down.before])
    row = np.concatenate([along.line, down.start, along.line, down.stop])
    col = np.concatenate([along.start, down.line, along.stop, down.line])
    end_row = np.concatenate([along.line, down.stop, along.line, down.start])
    end_col = np.concatenate([along.stop, down.line, along.start, down.line])

    ahead_left = np.array([-width, 0, -1, -width - 1])  # offset of the pixel, by heading
    vertex = end_row * width + end_col
    pixels = labels.ravel()
    across = pixels[vertex + ahead_left[(heading + 1) % 4]] == region
    onward = pixels[vertex + ahead_left[heading]] == region
    turned = (heading + np.where(across, 1, np.where(onward, 0, 3))) % 4

    transposed = end_col * height + end_row
    starts = (
        (along.line * width + along.start, vertex),
        (down.line * height + down.start, transposed),
        (along.line * width + along.stop, vertex),
        (down.line * height + down.stop, transposed),
    )
    following = np.empty(len(region), dtype=np.int64)
    first = 0
    for direction, (keys, ends) in enumerate(starts):
        taken = turned == direction
        following[taken] = first + np.searchsorted(keys, ends[taken])
        first += len(keys)

    kept = region > 0
    number = np.cumsum(kept) - 1
    return _Sides(region[kept], row[kept] - 1, col[kept] - 1, number[following[kept]])


def _segments(labels: NDArray[np.int32]) -> _Segments:
    """Borders along rows; a segment ends where the region on either side changes."""
    above, below = labels[:-1], labels[1:]
    border = above != below
    change = (above[:, 1:] != above[:, :-1]) | (below[:, 1:] != below[:, :-1])
    line, start = np.nonzero(border[:, 1:] & change)
    stop = np.nonzero(border[:, :-1] & change)[1] + 1
    start += 1
    return _Segments(line + 1, start, stop, above[line, start], below[line, start])


def _rings(
    following: NDArray[np.int64],
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
    """Ring of each segment, its place along the ring, and the length of each ring.

    Places are found by pointer jumping (Wyllie 1979): each segment knows how far back
    another one lies, and in every round looks twice as far.
    """
    size = len(following)
    links = sparse.csr_array(
        (np.ones(size, dtype=np.int8), following, np.arange(size + 1)), shape=(size, size)
    )
    count, ring = csgraph.connected_components(links, directed=False)
    first = np.empty(count, dtype=np.int64)
    first[ring[::-1]] = np.arange(size)[::-1]

    back = np.empty(size, dtype=np.int64)
    back[following] = np.arange(size)
    back[first] = first
    place = np.ones(size, dtype=np.int64)
    place[first] = 0
    under_way = np.flatnonzero(back != first[ring])
    while len(under_way):
        target = back[under_way]
        jump, reach = place[target], back[target]
        place[under_way] += jump
        back[under_way] = reach
        under_way = under_way[reach != first[ring[under_way]]]
    return ring, place, np.bincount(ring, minlength=count)
