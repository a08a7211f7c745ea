"""Small regions of a partition: slivers are merged, holes are filled.

Both work on the region adjacency graph, a sparse matrix of shared borders read off the
partition's corners; no pixel is touched.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from urbanseg.classes import IGNORE
from urbanseg.mapping.outlines import trace
from urbanseg.mapping.partition import LOWER_LEFT, LOWER_RIGHT, OUTSIDE, UPPER_RIGHT, Partition, components

Limits = NDArray[np.float64]
"""``(256,)``: pixels, by class."""


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
    regions = _Regions(partition.ids, partition.pixels, *_borders(partition))
    now = np.arange(len(partition.ids), dtype=np.int32)
    while len(leaving := regions.leaving(min_pixels)):
        regions, moved = regions.merge(leaving)
        now = moved[now]
    return partition.merged(now, regions.ids)


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
class _Regions:
    """A region adjacency graph: each border is listed from both of its sides."""

    ids: NDArray[np.uint8]  # class of each region
    sizes: NDArray[np.int64]  # pixels of each region
    near: NDArray[np.int32]  # region of each border, ascending
    far: NDArray[np.int32]  # the region on its other side
    shared: NDArray[np.int32]  # its length in pixel sides

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

    def merge(self, leaving: NDArray[np.int64]) -> tuple["_Regions", NDArray[np.int32]]:
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
        sizes = np.bincount(moved, self.sizes, count).astype(np.int64)
        borders = _collect(moved[self.near], moved[self.far], self.shared, count)
        return _Regions(new_ids, sizes, *borders), moved


def _borders(partition: Partition) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Near and far region and length of each border between regions of known class, from both sides."""
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
    one, other, length = one[taken], other[taken], length[taken]
    return _collect(
        np.concatenate([one, other]), np.concatenate([other, one]), np.tile(length, 2), len(partition.ids)
    )


def _collect(
    near: NDArray[np.int32], far: NDArray[np.int32], shared: NDArray[np.int32], count: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
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
