"""Which polygons of neighbouring cells touch along the side between them, and so are one.

Cells are read once, in the order of their columns; of a cell only the stretches along its right and its upper
side are kept, until the neighbour there was read. What stays is two ids and two numbers for each contact.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph

from urbanseg.region.dataset import CELL_BITS, ROW_BITS, Geometries, Ids, Layout, geometries, read_cell

LEFT, BOTTOM, RIGHT, TOP = range(4)
"""Sides of a cell, in the order of its bounds."""

Places = NDArray[np.int64]


@dataclass(frozen=True)
class Stretches:
    """Where polygons of a cell run along one side of it: ``(n,)`` each, in ascending order, none overlaps."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    class_id: NDArray[np.int16]
    id: Ids
    vertices: NDArray[np.int32]  # of the polygon


@dataclass(frozen=True)
class Merged:
    """Parts that are merged with others: ``(n,)`` each, ordered by `target`, `polygon` and `id`."""

    id: Ids
    polygon: Ids  # id of the polygon that the part belongs to: the lowest among its parts
    target: Places  # file that the part goes to
    is_whole: NDArray[np.bool_]  # whether all parts of the polygon go there

    def of_file(self, number: int) -> "Merged":
        """Those that go to a file."""
        first, end = np.searchsorted(self.target, [number, number + 1])
        chosen = slice(first, end)
        return Merged(self.id[chosen], self.polygon[chosen], self.target[chosen], self.is_whole[chosen])


def find_merged(layout: Layout, most_vertices: int) -> Merged:
    """Parts of one class that touch along sides of cells, over as many cells as it takes.

    Args:
        layout: the cells.
        most_vertices: a polygon whose parts have more of them together is put together by file only.
    """
    one, other = np.empty((2, 0), np.int64), np.empty((2, 0), np.int64)  # ids and vertices
    if found := list(_all_contacts(layout)):
        one, other = (np.concatenate(each, axis=1) for each in zip(*found, strict=True))
    ids, first, place = np.unique(np.append(one[0], other[0]), return_index=True, return_inverse=True)
    vertices = np.append(one[1], other[1])[first]
    mine, theirs = place.reshape(2, -1)
    polygon = components(mine, theirs, len(ids))
    lowest = np.unique(polygon, return_index=True)[1]  # ids ascend
    total = np.bincount(polygon, vertices, len(lowest))
    file = layout.file[layout.cells_of(ids)]
    is_huge = (total > most_vertices)[polygon]
    target = np.where(is_huge, file, file[lowest][polygon])
    is_whole = ~is_huge
    name = ids[lowest][polygon]
    order = np.lexsort((ids, name, target))
    return Merged(ids[order], name[order], target[order], is_whole[order])


def components(one: Places, other: Places, count: int) -> Places:
    """Number of the connected component of each of `count` nodes.

    Args:
        one: node at one end of each link.
        other: node at its other end.
        count: of nodes.
    """
    graph = sparse.coo_array((np.ones(len(one), bool), (one, other)), shape=(count, count))
    return np.asarray(csgraph.connected_components(graph, directed=False)[1], np.int64)


def _all_contacts(layout: Layout) -> Iterator[tuple[Ids, Ids]]:
    """Contacts along each side that two cells share."""
    present = set(layout.first_ids.tolist())
    waiting: dict[tuple[int, int], Stretches] = {}
    for part, first_id in zip(layout.parts, layout.first_ids.tolist(), strict=True):
        table = read_cell(part, ["class_id", "geometry"])
        sides = stretches(geometries(table), table["class_id"].to_numpy(), part.bounds, first_id)
        for side in (LEFT, BOTTOM):
            if (theirs := waiting.pop((side, first_id), None)) is not None:
                yield contacts(theirs, sides[side])
        for side, across, step in ((RIGHT, LEFT, CELL_BITS + ROW_BITS), (TOP, BOTTOM, ROW_BITS)):
            if (neighbour := first_id + (1 << step)) in present:
                waiting[across, neighbour] = sides[side]


def stretches(
    shapes: Geometries, classes: NDArray[np.int16], bounds: tuple[float, float, float, float], first_id: int
) -> list[Stretches]:
    """Where polygons run along each side of their cell.

    Args:
        shapes: ``(n,)`` Polygons that are clipped to the cell.
        classes: ``(n,)`` of each.
        bounds: of the cell.
        first_id: of the first polygon; the others follow.

    Returns:
        By side, in the order of the bounds.
    """
    reached = shapely.bounds(shapes) == bounds
    near = np.flatnonzero(reached.any(axis=1))
    rings = shapely.get_exterior_ring(shapes[near])
    points, ring = shapely.get_coordinates(rings, return_index=True)
    same = ring[1:] == ring[:-1]
    start, end, owner = points[:-1][same], points[1:][same], near[ring[1:][same]]
    vertices = shapely.get_num_coordinates(shapes)
    found = []
    for side in range(4):
        axis = side % 2
        on = (start[:, axis] == bounds[side]) & (end[:, axis] == bounds[side])
        a, b, of = start[on, 1 - axis], end[on, 1 - axis], owner[on]
        order = np.argsort(np.minimum(a, b), kind="stable")
        low, high, of = np.minimum(a, b)[order], np.maximum(a, b)[order], of[order]
        found.append(Stretches(low, high, classes[of], first_id + of, vertices[of]))
    return found


def contacts(one: Stretches, other: Stretches) -> tuple[Ids, Ids]:
    """Pairs of polygons of one class that share a stretch longer than nothing.

    Args:
        one: along one side of a line.
        other: along its other side.

    Returns:
        ``(2, n)`` each: the polygon on one side with its number of vertices, and that on the other.
    """
    ends = np.unique(np.concatenate([one.low, one.high, other.low, other.high]))
    at = [np.searchsorted(each.low, ends[:-1], side="right") - 1 for each in (one, other)]
    inside = np.ones(len(ends) - 1 if len(ends) else 0, bool)
    for each, place in zip((one, other), at, strict=True):
        inside &= (place >= 0) & (ends[:-1] < np.append(each.high, -np.inf)[place])
    mine, theirs = (place[inside] for place in at)
    alike = one.class_id[mine] == other.class_id[theirs]
    mine, theirs = mine[alike], theirs[alike]
    _, first = np.unique(np.stack([one.id[mine], other.id[theirs]]), axis=1, return_index=True)
    mine, theirs = mine[first], theirs[first]
    return (
        np.stack([one.id[mine], one.vertices[mine].astype(np.int64)]),
        np.stack([other.id[theirs], other.vertices[theirs].astype(np.int64)]),
    )
