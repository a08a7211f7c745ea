"""Where pieces of roads end on sides of cells, and which of them go on in another piece."""

from dataclasses import dataclass, replace

import numpy as np
import shapely
from numpy.typing import NDArray

from urbanseg.region.dataset import Geometries, Ids, Layout, geometries, read_cell
from urbanseg.region.seams_contacts import components

COLUMNS = ("length_m", "width_m", "geometry")
"""Columns of a cell's file."""

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
End = tuple[int, bool]
"""A piece, and whether it is its last point, not its first."""


@dataclass(frozen=True)
class Pieces:
    """Pieces of one cell, and where they end: ends at one place are one, in the order of x and y."""

    id: Ids
    lines: Geometries
    length: Floats
    width: Floats
    points: Floats  # (places, 2)
    ends: NDArray[np.int64]  # (pieces, 2): place where each begins and ends
    on_side: Flags  # (places,): whether it lies on a side of the cell


@dataclass(frozen=True)
class Ends:
    """Ends of pieces on sides of cells: ``(n,)`` each, ordered by piece and end."""

    piece: Ids
    is_last: Flags  # whether it is where the line ends, not where it begins
    points: Floats  # (n, 2)
    node: Ids  # id of the node there, the lowest of all cells
    degree: NDArray[np.int64]  # how many pieces end there
    partner: NDArray[np.int64]  # the end that is joined to it, or -1


@dataclass(frozen=True)
class Chains:
    """Pieces that are joined to others: ``(n,)`` each, ordered by `target`, `edge` and `piece`."""

    piece: Ids
    edge: Ids  # id of the edge: the lowest among its pieces
    target: NDArray[np.int64]  # file that the edge goes to

    def of_file(self, number: int) -> "Chains":
        """Those that go to a file."""
        chosen = slice(*np.searchsorted(self.target, [number, number + 1]).tolist())
        return Chains(self.piece[chosen], self.edge[chosen], self.target[chosen])


def read_pieces(layout: Layout, cell: int) -> Pieces:
    """The roads of a cell.

    Args:
        layout: the cells.
        cell: which one.
    """
    part = layout.parts[cell]
    table = read_cell(part, COLUMNS)
    lines = geometries(table)
    both = np.stack([shapely.get_point(lines, 0), shapely.get_point(lines, -1)], axis=1)
    points, place = np.unique(
        shapely.get_coordinates(both.ravel()).reshape(-1, 2), axis=0, return_inverse=True
    )
    left, bottom, right, top = part.bounds
    return Pieces(
        layout.first_ids[cell] + np.arange(len(lines)),
        lines,
        table["length_m"].to_numpy().astype(np.float64),
        table["width_m"].to_numpy().astype(np.float64),
        points,
        place.reshape(-1, 2),
        np.isin(points[:, 0], (left, right)) | np.isin(points[:, 1], (bottom, top)),
    )


def find_ends(layout: Layout) -> Ends:
    """All ends of pieces on sides of cells; just two at one place are joined."""
    found = []
    for cell, first in enumerate(layout.first_ids):
        pieces = read_pieces(layout, cell)
        row, end = np.nonzero(pieces.on_side[pieces.ends])
        place = pieces.ends[row, end]
        found.append((pieces.id[row], end == 1, pieces.points[place], first + place))
    if not found:
        none = np.zeros(0, np.int64)
        return Ends(none, none.astype(bool), np.zeros((0, 2)), none, none, none)
    piece, is_last, points, own = (np.concatenate(each) for each in zip(*found, strict=True))
    _, place, count = np.unique(points, axis=0, return_inverse=True, return_counts=True)
    place = place.ravel()
    node = np.full(len(count), np.iinfo(np.int64).max)
    np.minimum.at(node, place, own)
    order = np.argsort(place, kind="stable")
    one, other = order[count[place[order]] == 2].reshape(-1, 2).T
    partner = np.full(len(piece), -1)
    partner[one], partner[other] = other, one
    return Ends(piece, is_last, points, node[place], count[place], partner)


def find_chains(layout: Layout, ends: Ends) -> tuple[Ends, Chains]:
    """Pieces that are joined, over as many cells as it takes.

    Args:
        layout: the cells.
        ends: of pieces on sides of cells.

    Returns:
        The ends, of which those where a ring of joined pieces is to begin are joined no more; and the chains.
    """
    joined = np.flatnonzero(ends.partner >= 0)
    ids, place = np.unique(ends.piece[joined], return_inverse=True)
    other = np.searchsorted(ids, ends.piece[ends.partner[joined]])
    edge = components(place, other, len(ids))
    lowest = np.unique(edge, return_index=True)[1]  # ids ascend
    is_ring = np.bincount(edge[place], minlength=len(lowest)) == 2 * np.bincount(edge, minlength=len(lowest))
    begins = np.isin(ends.piece, ids[lowest[is_ring]]) & ~ends.is_last
    partner = ends.partner.copy()
    partner[partner[begins]] = -1
    partner[begins] = -1
    target = layout.file[layout.cells_of(ids[lowest])][edge]
    name = ids[lowest][edge]
    order = np.lexsort((ids, name, target))
    return replace(ends, partner=partner), Chains(ids[order], name[order], target[order])


def nodes_of(pieces: Pieces, ends: Ends, first_id: int) -> Ids:
    """Ids of the nodes where the pieces of a cell begin and end, ``(pieces, 2)``.

    Args:
        pieces: of the cell.
        ends: on sides of all cells.
        first_id: of the cell.
    """
    found = first_id + pieces.ends
    own = slice(*np.searchsorted(ends.piece, [first_id, first_id + len(pieces.id)]).tolist())
    found[ends.piece[own] - first_id, ends.is_last[own].astype(int)] = ends.node[own]
    return np.asarray(found, np.int64)


def joints(ends: Ends, chains: Chains) -> dict[End, End]:
    """Which end each end of the pieces of chains is joined to, of those that are."""
    piece = np.sort(chains.piece)
    first, end = (np.searchsorted(ends.piece, piece, side) for side in ("left", "right"))
    chosen = np.concatenate([first, end - 1])  # a piece has one end on a side, or two
    chosen = chosen[ends.partner[chosen] >= 0]
    other = ends.partner[chosen]
    mine = zip(ends.piece[chosen].tolist(), ends.is_last[chosen].tolist(), strict=True)
    theirs = zip(ends.piece[other].tolist(), ends.is_last[other].tolist(), strict=True)
    return dict(zip(mine, theirs, strict=True))


def among(ids: Ids, ordered: Ids) -> Flags:
    """Whether each of a few ids is among many that ascend."""
    place = np.minimum(np.searchsorted(ordered, ids), max(0, len(ordered) - 1))
    return np.asarray(ordered[place] == ids) if len(ordered) else np.zeros(len(ids), bool)
