"""Regions of a class raster: 4-connected pixels of one class, and how slivers among them go.

Slivers are merged on the region adjacency graph, where a raster of millions of pixels is
a sparse matrix of shared borders; pixels are touched only to label them and to paint the
result. The raster and its int32 labels are held in memory whole.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph
from skimage.measure import label

from urbanseg.classes import IGNORE


def label_regions(classes: NDArray[np.uint8], ignore: int = IGNORE) -> NDArray[np.int32]:
    """Number the 4-connected regions of one class.

    Args:
        classes: ``(height, width)`` uint8.
        ignore: value that belongs to no region.

    Returns:
        ``(height, width)`` int32: 1 … n in row-major order of a region's first pixel, 0 where ignored.
    """
    shifted = classes.astype(np.int16) + 1
    shifted[classes == ignore] = 0
    labels = label(shifted, background=0, connectivity=1)  # type: ignore[no-untyped-call]
    return np.asarray(labels, dtype=np.int32)


def merge_slivers(classes: NDArray[np.uint8], min_pixels: float, ignore: int = IGNORE) -> NDArray[np.uint8]:
    """Merge regions below `min_pixels` into the neighbour they share most border with.

    Among equal borders the larger neighbour wins, then the one that comes first. The
    smallest regions go first, so that small neighbours may grow together to one that
    stays; regions of one class that come to touch are one. It ends when no region is too
    small but those that touch nothing but ignored pixels.

    In one round all regions go that are smaller than each of their too-small neighbours:
    none of these touch, so the order within a round does not matter.

    Args:
        classes: ``(height, width)`` uint8.
        min_pixels: regions with fewer pixels are merged.
        ignore: value that neither absorbs nor is absorbed.

    Returns:
        ``(height, width)`` uint8, ignored where and only where `classes` is.
    """
    labels = label_regions(classes, ignore)
    sizes = np.bincount(labels.ravel(), minlength=1)
    if (sizes[1:] >= min_pixels).all():
        return classes.copy()
    ids = np.zeros(len(sizes), dtype=np.uint8)
    ids[labels] = classes
    regions = _Regions(ids[1:], sizes[1:], *_borders(labels))
    now = np.arange(len(ids) - 1)
    while len(leaving := regions.leaving(min_pixels)):
        regions, moved = regions.merge(leaving)
        now = moved[now]
    return np.insert(regions.ids[now], 0, np.uint8(ignore))[labels]


@dataclass(frozen=True)
class _Regions:
    """A region adjacency graph: each border is listed from both of its sides."""

    ids: NDArray[np.uint8]  # class of each region
    sizes: NDArray[np.int64]  # pixels of each region
    near: NDArray[np.int32]  # region of each border, ascending
    far: NDArray[np.int32]  # the region on its other side
    shared: NDArray[np.int32]  # its length in pixel sides

    def leaving(self, min_pixels: float) -> NDArray[np.int64]:
        """Regions to merge in this round."""
        small = self.sizes < min_pixels
        has_neighbour = np.zeros(len(small), dtype=bool)
        has_neighbour[self.near] = True
        rank = np.empty(len(small), dtype=np.int64)
        rank[np.lexsort((_scatter(len(small)), self.sizes))] = np.arange(len(small))
        after = small[self.far] & (rank[self.far] < rank[self.near])
        small[self.near[after]] = False
        return np.flatnonzero(small & has_neighbour)

    def merge(self, leaving: NDArray[np.int64]) -> tuple["_Regions", NDArray[np.int64]]:
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
        links = sparse.coo_array(
            (np.ones(alike.sum(), dtype=np.int8), (near[alike], far[alike])), shape=(len(ids), len(ids))
        )
        count, moved = csgraph.connected_components(links, directed=False)
        new_ids = np.empty(count, dtype=np.uint8)
        new_ids[moved] = ids
        sizes = np.bincount(moved, self.sizes, count).astype(np.int64)
        borders = _collect(moved[self.near], moved[self.far], self.shared, count)
        return _Regions(new_ids, sizes, *borders), moved


def _borders(labels: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Near and far region (0-based) and length of each border, from both sides."""
    near, far = [], []
    for one, other in ((labels[:, :-1], labels[:, 1:]), (labels[:-1], labels[1:])):
        border = (one != other) & (one > 0) & (other > 0)
        near += [one[border] - 1, other[border] - 1]
        far += [other[border] - 1, one[border] - 1]
    starts, ends = np.concatenate(near), np.concatenate(far)
    return _collect(starts, ends, np.ones(len(starts), dtype=np.int32), int(labels.max(initial=0)))


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
