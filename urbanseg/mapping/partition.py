"""The partition of a class raster: its regions, and the corners at which their outlines turn or meet.

A corner depends on the four pixels around it, so a raster is processed strip by strip, in
threads; only the corners stay in memory, 24 bytes each, and not the pixels. Regions that
strips have cut are joined by connected components. The partition does not depend on the
height of the strips.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph
from tqdm import tqdm

from urbanseg.classes import IGNORE
from urbanseg.grid import Window, strips

OUTSIDE = 254
"""Class of region 0, which surrounds the raster."""

UPPER_LEFT, UPPER_RIGHT, LOWER_LEFT, LOWER_RIGHT = range(4)
"""Columns of `Partition.around`."""

Pixels = tuple[NDArray[np.uint8], NDArray[np.uint8] | None]
Read = Callable[[Window], Pixels]
"""Classes and confidence (or None) of a window, ``(height, width)`` uint8 each."""


@dataclass(frozen=True)
class Partition:
    """Regions that tile a rectangle of pixels, and the corners of their outlines.

    Regions are 4-connected; unknown pixels make regions of class `IGNORE`. Region 0 is what
    lies outside the raster; the others are in row-major order of their first pixels.
    """

    width: int  # of the raster
    ids: NDArray[np.uint8]  # class of each region
    pixels: NDArray[np.int64]  # of each region; none outside
    known: NDArray[np.int64]  # its pixels with a confidence
    certainty: NDArray[np.int64]  # sum of their confidences
    place: NDArray[np.int64]  # of each corner, ascending: row × (width + 1) + column
    around: NDArray[np.int32]  # (corners, 4): regions of the pixels around it

    @cached_property
    def rows(self) -> NDArray[np.int32]:
        """Row of each corner, in pixel sides from the upper edge."""
        return np.asarray(self.place // (self.width + 1), dtype=np.int32)

    @cached_property
    def cols(self) -> NDArray[np.int32]:
        """Column of each corner, in pixel sides from the left edge."""
        return np.asarray(self.place - self.rows * np.int64(self.width + 1), dtype=np.int32)

    @cached_property
    def down(self) -> NDArray[np.int32]:
        """The next corner below each; meaningless where no border leads down."""
        in_row = np.searchsorted(self.place, np.arange(self.rows.max(initial=0) + 2) * (self.width + 1))
        by_row = sparse.csr_array(
            (np.arange(len(self.place), dtype=np.int32), self.cols, in_row),
            shape=(len(in_row) - 1, self.width + 1),
        )
        by_column = by_row.tocsc().data
        below = np.zeros(len(by_column), dtype=np.int32)
        below[by_column[:-1]] = by_column[1:]
        return below

    def borders(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Corners from which a border runs to the right, and those from which one runs down.

        The first ends at the next corner, the second at the one `down` names.
        """
        right = np.flatnonzero(self.around[:, UPPER_RIGHT] != self.around[:, LOWER_RIGHT])
        below = np.flatnonzero(self.around[:, LOWER_LEFT] != self.around[:, LOWER_RIGHT])
        return right, below

    def merged(self, moved: NDArray[np.int32], ids: NDArray[np.uint8]) -> "Partition":
        """Each region `r` becomes part of region ``moved[r]``, which has the class ``ids[moved[r]]``.

        Regions that are joined must touch along a side, and those of one class that touch must be
        joined. Corners at which the outline no longer turns vanish.
        """
        around = moved[self.around]
        upper_left, upper_right, lower_left, lower_right = around.T
        turns = ((upper_left != upper_right) | (lower_left != lower_right)) & (
            (upper_left != lower_left) | (upper_right != lower_right)
        )
        return _renumber(
            self.width,
            ids,
            [np.bincount(moved, each, len(ids)) for each in (self.pixels, self.known, self.certainty)],
            self.place[turns],
            around[turns],
            outside=int(moved[0]),
        )


class TooManyRegionsError(Exception):
    """A raster has more regions than its reader wants to hold in memory."""


def partition_raster(
    read: Read, shape: tuple[int, int], rows: int = 256, threads: int = 2, most: int | None = None
) -> Partition:
    """The partition of a class raster, read in full-width strips.

    Memory is bounded by a few strips and the corners: about 200 bytes for each.

    Args:
        read: pixels of a window; called from one thread, top to bottom. The classes are below 254, or
            `IGNORE` where unknown; confidences are 0–254, 255 where unknown.
        shape: ``(height, width)`` of the raster.
        rows: height of a strip.
        threads: strips worked on at once.
        most: regions in all strips together that are held; any number if None.

    Returns:
        The regions in row-major order of their first pixels, whatever the height of the strips.

    Raises:
        TooManyRegionsError: as soon as there are more than `most`.
    """
    pieces: list[_Strip] = []
    for piece in _in_threads(_with_margins(read, shape, rows), threads):
        pieces.append(piece)
        if most is not None and sum(len(each.ids) for each in pieces) > most:
            raise TooManyRegionsError
    offsets = np.cumsum([0, *(len(piece.ids) for piece in pieces)])
    links = [np.stack([offsets[:-1], np.zeros(len(pieces), dtype=np.int64)])]
    for above, below, first, second in zip(pieces, pieces[1:], offsets, offsets[1:], strict=False):
        pairs = np.stack([above.bottom + first, below.top + second])
        links.append(pairs[:, np.any(np.diff(pairs, prepend=-1), axis=0)])
    start, end = np.concatenate(links, axis=1)
    count, moved = components(start, end, int(offsets[-1]))
    ids = np.zeros(count, dtype=np.uint8)
    ids[moved] = np.concatenate([piece.ids for piece in pieces])
    around = [
        moved[first : first + len(piece.ids)][piece.around]
        for piece, first in zip(pieces, offsets, strict=False)
    ]
    sums = np.concatenate([piece.sums for piece in pieces], axis=1)
    return _renumber(
        shape[1],
        ids,
        [np.bincount(moved, each, count) for each in sums],
        np.concatenate([piece.place for piece in pieces]),
        np.concatenate(around),
        outside=int(moved[0]),
    )


def components(
    start: NDArray[np.integer], end: NDArray[np.integer], count: int
) -> tuple[int, NDArray[np.int32]]:
    """Connected components of an undirected graph.

    Args:
        start: first node of each link.
        end: second node of each link.
        count: number of nodes.

    Returns:
        Number of components, and ``(count,)`` int32, the component of each node.
    """
    links = sparse.coo_array((np.ones(len(start), dtype=np.int8), (start, end)), shape=(count, count))
    number, component = csgraph.connected_components(links, directed=False)
    return int(number), component


@dataclass(frozen=True)
class _Strip:
    """The regions and corners of one strip, and which regions lie along its upper and lower edge."""

    ids: NDArray[np.uint8]
    sums: NDArray[np.int64]  # (3, regions): pixels, pixels with a confidence, sum of confidences
    place: NDArray[np.int64]
    around: NDArray[np.int32]
    top: NDArray[np.int32]  # regions of the last row of the strip above, as this strip numbers them
    bottom: NDArray[np.int32]  # regions of the last row


_Job = tuple[NDArray[np.uint8], NDArray[np.uint8] | None, int]
"""Classes of a strip and its margins, confidences of the strip alone, and its first row."""


def _with_margins(read: Read, shape: tuple[int, int], rows: int) -> Iterator[_Job]:
    """Strips with the row above, a column on either side, and below the last of them one row."""
    height, width = shape
    above = np.full((1, width + 2), OUTSIDE, dtype=np.uint8)
    for strip in tqdm(list(strips(shape, rows)), desc="polygons", unit="strip", delay=1):
        classes, confidence = read(strip)
        sides = np.pad(classes, ((0, strip.row + strip.height == height), (1, 1)), constant_values=OUTSIDE)
        yield np.concatenate([above, sides]), confidence, strip.row
        above = sides[-1:]


def _partition_strip(job: _Job) -> _Strip:
    """Regions and corners of one strip.

    Along the flattened pixels lie runs of one class; a run may go on in the next row only
    through the columns outside the raster, which are one region anyway. Runs that touch the
    one below are linked, and the components of the links are the regions.
    """
    padded, confidence, row = job
    width = padded.shape[1]
    pixels = padded.ravel()
    changes = np.zeros(len(pixels), dtype=bool)  # from the pixel to the left
    np.not_equal(pixels[1:], pixels[:-1], out=changes[1:])
    differs = pixels[width:] != pixels[:-width]  # from the pixel below
    run = np.cumsum(changes, dtype=np.int32)
    starts = np.concatenate([[0], np.flatnonzero(changes)])
    touching = np.flatnonzero(~differs & (changes[width:] | changes[:-width]))
    count, region = components(run[touching], run[touching + width], len(starts))

    ids = np.zeros(count, dtype=np.uint8)
    ids[region] = pixels[starts]
    corners = np.flatnonzero((changes[1:-width] | changes[width + 1 :]) & (differs[:-1] | differs[1:]))
    around = np.stack([region[run[corners + step]] for step in (0, 1, width, width + 1)], axis=1)
    local_row = corners // width
    return _Strip(
        ids=ids,
        sums=_sums(starts, region, confidence, padded.shape, count),
        place=(row + local_row) * np.int64(width - 1) + corners - local_row * width,
        around=around,
        top=region[run[:width]],
        bottom=region[run[-width:]],
    )


def _sums(
    starts: NDArray[np.int64],
    region: NDArray[np.int32],
    confidence: NDArray[np.uint8] | None,
    shape: tuple[int, int],
    count: int,
) -> NDArray[np.int64]:
    """Pixels, pixels with a confidence, and sum of confidences of each region: ``(3, count)``."""
    own = starts >= shape[1]  # the row above is counted by the strip that it belongs to
    lengths = np.diff(starts, append=shape[0] * shape[1])
    sums = np.zeros((3, count), dtype=np.int64)
    sums[0] = np.bincount(region[own], lengths[own], count)
    if confidence is not None:
        values = np.full(shape, IGNORE, dtype=np.uint8)
        values[1 : 1 + len(confidence), 1:-1] = confidence
        flat = values.ravel()
        unknown = flat == IGNORE
        flat[unknown] = 0
        total = np.add.reduceat(flat, starts, dtype=np.int64)
        known = lengths - np.add.reduceat(unknown, starts, dtype=np.int64)
        sums[1] = np.bincount(region[own], known[own], count)
        sums[2] = np.bincount(region[own], total[own], count)
    return sums


def _renumber(
    width: int,
    ids: NDArray[np.uint8],
    sums: Iterable[NDArray[Any]],
    place: NDArray[np.int64],
    around: NDArray[np.int32],
    outside: int,
) -> Partition:
    """The partition with its regions in order.

    Above and left of a region's first pixel lie others, so there is a corner there, and the
    region is not below and to the right of any corner before it.
    """
    first = np.full(len(ids), len(place), dtype=np.int64)
    first[around[::-1, LOWER_RIGHT]] = np.arange(len(place))[::-1]
    first[outside] = -1
    order = np.argsort(first, kind="stable")
    number = np.empty(len(ids), dtype=np.int32)
    number[order] = np.arange(len(ids), dtype=np.int32)
    pixels, known, certainty = (each[order].astype(np.int64) for each in sums)
    pixels[0] = 0  # the margins of strips, which are no pixels
    return Partition(width, ids[order], pixels, known, certainty, place, number[around])


def _in_threads(jobs: Iterable[_Job], threads: int) -> Iterator[_Strip]:
    """Strips in the order of the jobs; no more jobs are made than threads can take."""
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[_Strip]] = deque()
        for job in jobs:
            waiting.append(pool.submit(_partition_strip, job))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
