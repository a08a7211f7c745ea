"""Small regions of a partition: slivers are merged, holes are filled.

Both work on the region adjacency graph, a sparse matrix of shared borders read off the
partition's corners; no pixel is touched.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from urbanseg.classes import IGNORE
from urbanseg.mapping.outlines import trace
from urbanseg.mapping.partition import LOWER_LEFT, LOWER_RIGHT, OUTSIDE, UPPER_RIGHT, Partition, components

Limits = NDArray[np.float64]
"""``(256,)``: areas, by class; in pixels where regions are of pixels."""


def merge_slivers(partition: Partition, min_pixels: Limits) -> Partition:
    """Merge regions that are too small for their class into the neighbour they share most border with.

    Among equal borders the larger neighbour wins, then the one that comes first. The
    smallest regions go first, so that small neighbours may grow together to one that
    stays; regions of one class that come to touch are one. It ends when no region is too
    small but those that touch nothing but unknown pixels or the outside. Unknown pixels
    neither absorb nor are absorbed.

    In one round all regions go that are smaller than each of their too-small neighbours:
    none of these touch, so the order within a round does not matter.
    """
    if (partition.pixels >= min_pixels[partition.ids]).all():
        return partition
    return partition.merged(*merge_regions(_adjacent(partition), min_pixels))


def fill_holes(partition: Partition, max_pixels: Limits) -> Partition:
    """Give holes of fewer pixels than the class around them may have to the region around them.

    A hole may hold several regions, and they holes of their own. Unknown pixels stay unknown,
    and the hole they lie in stays open.
    """
    while (fillable := (max_pixels[partition.ids] > 0) & (partition.ids < OUTSIDE)).any():
        rings = trace(partition, fillable)
        small = rings.is_hole & (rings.areas() < max_pixels[partition.ids[rings.region]])
        ring = np.repeat(np.arange(len(small)), np.diff(rings.offsets))
        small[ring[partition.ids[rings.across] == IGNORE]] = False
        inside = small[ring]
        if not inside.any():
            break
        around, within = rings.region[ring[inside]], rings.across[inside]
        count, moved = components(around, within, len(partition.ids))
        swallowed = np.zeros(len(partition.ids), dtype=bool)
        swallowed[within] = True
        ids = np.zeros(count, dtype=np.uint8)
        ids[moved[~swallowed]] = partition.ids[~swallowed]
        partition = partition.merged(moved, ids)
    return partition


@dataclass(frozen=True)
class Regions:
    """A region adjacency graph: each border is listed from both of its sides."""

    ids: NDArray[np.uint8]  # class of each region
    sizes: NDArray[Any]  # area of each region
    near: NDArray[np.int32]  # region of each border, ascending
    far: NDArray[np.int32]  # the region on its other side
    shared: NDArray[Any]  # its length

    @classmethod
    def of(
        cls,
        ids: NDArray[np.uint8],
        sizes: NDArray[Any],
        one: NDArray[np.integer],
        other: NDArray[np.integer],
        length: NDArray[Any],
    ) -> "Regions":
        """The graph of regions and the borders between them.

        Args:
            ids: class of each region.
            sizes: area of each region.
            one: region on the one side of each piece of a border, listed once.
            other: region on its other side.
            length: of the piece.
        """
        near, far = np.concatenate([one, other]), np.concatenate([other, one])
        return cls(ids, sizes, *_collect(near, far, np.tile(length, 2), len(ids)))

    def leaving(self, min_pixels: Limits) -> NDArray[np.int64]:
        """Regions to merge in this round."""
        small = self.sizes < min_pixels[self.ids]
        has_neighbour = np.zeros(len(small), dtype=bool)
        has_neighbour[self.near] = True
        rank = np.empty(len(small), dtype=np.int64)
        rank[np.lexsort((_scatter(len(small)), self.sizes))] = np.arange(len(small))
        after = small[self.far] & (rank[self.far] < rank[self.near])
        small[self.near[after]] = False
        return np.flatnonzero(small & has_neighbour)

    def merge(self, leaving: NDArray[np.int64]) -> tuple["Regions", NDArray[np.int32]]:
        """Merge the `leaving` regions; return the new graph, and each old region's new number."""
        leaves = np.zeros(len(self.ids), dtype=bool)
        leaves[leaving] = True
        mine = leaves[self.near]
        near, far = self.near[mine], self.far[mine]
        order = np.lexsort((-far, self.sizes[far], self.shared[mine], near))
        last = np.flatnonzero(np.diff(near[order], append=-1))
        ids = self.ids.copy()
        ids[leaving] = self.ids[far[order[last]]]

        alike = ids[near] == ids[far]
        count, moved = components(near[alike], far[alike], len(ids))
        new_ids = np.empty(count, dtype=np.uint8)
        new_ids[moved] = ids
        sizes = np.bincount(moved, self.sizes, count).astype(self.sizes.dtype)
        borders = _collect(moved[self.near], moved[self.far], self.shared, count)
        return Regions(new_ids, sizes, *borders), moved


def merge_regions(regions: Regions, least: Limits) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Merge regions that are too small for their class, as `merge_slivers` says.

    Args:
        regions: those with borders may be merged.
        least: sizes by class.

    Returns:
        The new number of each region, and the class of each new one.
    """
    now = np.arange(len(regions.ids), dtype=np.int32)
    while len(leaving := regions.leaving(least)):
        regions, moved = regions.merge(leaving)
        now = moved[now]
    return now, regions.ids


def _adjacent(partition: Partition) -> Regions:
    """The graph of a partition's regions of known class."""
    right, below = partition.borders()
    one = np.concatenate([partition.around[right, UPPER_RIGHT], partition.around[below, LOWER_LEFT]])
    other = np.concatenate([partition.around[right, LOWER_RIGHT], partition.around[below, LOWER_RIGHT]])
    length = np.concatenate(
        [
            partition.cols[right + 1] - partition.cols[right],
            partition.rows[partition.down[below]] - partition.rows[below],
        ]
    )
    unknown = (partition.ids == IGNORE) | (partition.ids == OUTSIDE)
    taken = ~(unknown[one] | unknown[other])
    return Regions.of(partition.ids, partition.pixels, one[taken], other[taken], length[taken])


def _collect(
    near: NDArray[np.integer], far: NDArray[np.integer], shared: NDArray[Any], count: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[Any]]:
    """Add up the borders between the same two regions; drop those within one."""
    between = near != far
    matrix = sparse.csr_array((shared[between], (near[between], far[between])), shape=(count, count))
    rows = np.repeat(np.arange(count, dtype=np.int32), np.diff(matrix.indptr))
    return rows, matrix.indices, matrix.data


def _scatter(count: int) -> NDArray[np.uint32]:
    """A fixed shuffle of 0 … count-1, to order regions of one size.

    In order of their numbers, one pixel after the other would have to wait for its left
    neighbour; Knuth's multiplicative hash lets a share of them go in every round.
    """
    return np.arange(count, dtype=np.uint32) * np.uint32(2654435761)
