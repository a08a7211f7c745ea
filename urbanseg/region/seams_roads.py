"""Roads of a region: pieces of the cells' road graphs, joined where they end on a seam between cells.

Of the whole region only the ends on sides of cells are in memory; a file of the data set is made at a time.
Where just two pieces end at a point of a seam, they are one edge; ends of edges are nodes.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from urbanseg.region.dataset import (
    FILE_BYTES,
    Geometries,
    Ids,
    Layout,
    Part,
    lay_out,
    write_dataset,
)
from urbanseg.region.seams_ends import (
    Chains,
    End,
    Ends,
    among,
    find_chains,
    find_ends,
    joints,
    nodes_of,
    read_pieces,
)
from urbanseg.region.seams_vertices import straight

Floats = NDArray[np.float64]
Guess = Callable[[Floats, float], NDArray[np.object_]]
"""What kind of road has a width, by the size of the pixels; see `urbanseg.mapping.roads.guess_highways`."""


def merge_roads(
    parts: Sequence[Part],
    edges: Path,
    nodes: Path,
    resolution: float,
    guess: Guess,
    file_bytes: int = FILE_BYTES,
) -> int:
    """Join the roads of cells, and write edges and nodes as two data sets of GeoParquet files.

    Pieces that end at the same point of a seam, just two of them, are one edge. Ids depend on the place of
    the cell and the place in it, not on the order of the cells. The same cells give the same bytes.

    Args:
        parts: the cells with their roads: `length_m`, `width_m` and LineStrings, clipped to the cell.
        edges: folder of the edges, which is replaced: `edge_id`, `u`, `v` (node ids; int64), `length_m`,
            `width_m` (mean by length), `highway_guess` and a LineString from `u` to `v`.
        nodes: folder of the nodes, which is replaced: `node_id` (int64), `degree` (int32) and a Point.
        resolution: side of a pixel, in metres.
        guess: gives `highway_guess`.
        file_bytes: geometry that a file of edges may hold, in bytes.

    Returns:
        The number of edges.

    Raises:
        ValueError: if the cells are not squares of one side at multiples of it, or one is there twice.
        PipelineError: if a cell's file cannot be read.
    """
    layout = lay_out(parts, file_bytes)
    ends = find_ends(layout)
    ends, chains = find_chains(layout, ends)

    def kind(width: Floats) -> NDArray[np.object_]:
        return guess(width, resolution)

    numbers, joined = range(layout.files), np.sort(chains.piece)
    write_dataset(nodes, (_nodes_of_file(layout, ends, number) for number in numbers))
    return write_dataset(
        edges, (_edges_of_file(layout, ends, chains, joined, number, kind) for number in numbers)
    )


def _nodes_of_file(layout: Layout, ends: Ends, number: int) -> gpd.GeoDataFrame:
    """Nodes inside the cells of a file, and those on sides whose id is of one of these cells."""
    own = (layout.file[layout.cells_of(ends.node)] == number) & (ends.partner < 0)
    ids, points, degrees = [ends.node[own]], [ends.points[own]], [ends.degree[own]]
    for cell in layout.in_file(number).tolist():
        pieces = read_pieces(layout, cell)
        inside = ~pieces.on_side
        ids.append(layout.first_ids[cell] + np.flatnonzero(inside))
        points.append(pieces.points[inside])
        degrees.append(np.bincount(pieces.ends.ravel(), minlength=len(inside))[inside])
    node, first = np.unique(np.concatenate(ids), return_index=True)
    return gpd.GeoDataFrame(
        {"node_id": node, "degree": np.concatenate(degrees)[first].astype(np.int32)},
        geometry=shapely.points(np.concatenate(points)[first]),
        crs=layout.crs,
    )


def _edges_of_file(
    layout: Layout,
    ends: Ends,
    chains: Chains,
    joined: Ids,
    number: int,
    kind: Callable[[Floats], NDArray[np.object_]],
) -> gpd.GeoDataFrame:
    """Edges whose lowest piece is of a cell of a file, in the order of their ids.

    Args:
        layout: the cells.
        ends: of pieces on sides of cells.
        chains: which pieces are joined.
        joined: ids of these, ascending.
        number: of the file.
        kind: what kind of road has a width.
    """
    edges = [_alone(layout, ends, joined, cell) for cell in layout.in_file(number).tolist()]
    edges.append(_joined(layout, ends, chains.of_file(number)))
    table = pd.concat([each for each in edges if len(each)] or edges[-1:], ignore_index=True)
    order = np.argsort(table["edge_id"].to_numpy(), kind="stable")
    table = table.iloc[order].reset_index(drop=True)
    guessed = pd.array(kind(table["width_m"].to_numpy()), dtype="str")
    shapes = table["geometry"].to_numpy()
    measures = table.drop(columns="geometry").assign(highway_guess=guessed)
    return gpd.GeoDataFrame(measures, geometry=shapes, crs=layout.crs)


def _alone(layout: Layout, ends: Ends, joined: Ids, cell: int) -> pd.DataFrame:
    """Pieces of a cell that nothing is joined to.

    Args:
        layout: the cells.
        ends: of pieces on sides of cells.
        joined: ids of the pieces that something is joined to, ascending.
        cell: which one.
    """
    pieces = read_pieces(layout, cell)
    alone = ~among(pieces.id, joined)
    nodes = nodes_of(pieces, ends, int(layout.first_ids[cell]))
    return _table(
        pieces.id[alone], nodes[alone], pieces.length[alone], pieces.width[alone], pieces.lines[alone]
    )


def _joined(layout: Layout, ends: Ends, chains: Chains) -> pd.DataFrame:
    """The edges that chains make, those of one file."""
    joined, own = joints(ends, chains), np.sort(chains.piece)
    lines: dict[int, Floats] = {}
    nodes: dict[int, list[int]] = {}
    measures: dict[int, tuple[float, float]] = {}
    for cell in np.unique(layout.cells_of(chains.piece)).tolist():
        pieces = read_pieces(layout, cell)
        first = int(layout.first_ids[cell])
        for i in np.flatnonzero(among(pieces.id, own)).tolist():
            piece = first + i
            lines[piece] = shapely.get_coordinates(pieces.lines[i])
            measures[piece] = float(pieces.length[i]), float(pieces.width[i])
        found = nodes_of(pieces, ends, first)
        nodes |= {first + i: pair for i, pair in enumerate(found.tolist()) if first + i in lines}
    starts = np.flatnonzero(np.diff(chains.edge, prepend=-1))
    sides = layout.lines()
    groups = [members.tolist() for members in np.split(chains.piece, starts)[1:]]
    made = [_chain(members, joined, lines, nodes, sides) for members in groups]
    width, length = np.empty((2, len(starts)))
    for number, members in enumerate(groups):
        lengths, widths = np.array([measures[piece] for piece in members]).T
        length[number] = lengths.sum()
        width[number] = (lengths * widths).sum() / lengths.sum()
    shapes = np.array([shapely.LineString(points) for _, points in made], dtype=object)
    ids = np.array([pair for pair, _ in made], np.int64).reshape(-1, 2)
    return _table(chains.edge[starts], ids, length, width, shapes)


def _chain(
    members: Sequence[int],
    joined: dict[End, End],
    lines: dict[int, Floats],
    nodes: dict[int, list[int]],
    sides: tuple[Floats, Floats],
) -> tuple[tuple[int, int], Floats]:
    """The nodes and the vertices of a chain of pieces, from the lowest piece that ends it.

    Args:
        members: ids of its pieces, ascending.
        joined: which end each end is joined to, of those that are.
        lines: vertices of each piece.
        nodes: where each piece begins and ends.
        sides: x of vertical sides of cells and y of horizontal ones.
    """
    piece, is_last = next((p, e) for p in members for e in (False, True) if (p, e) not in joined)
    start = nodes[piece][int(is_last)]
    points = []
    while True:
        points.append(lines[piece][::-1] if is_last else lines[piece])
        leaving = piece, not is_last
        if leaving not in joined:
            break
        piece, is_last = joined[leaving]
    end = nodes[leaving[0]][int(leaving[1])]
    whole = np.concatenate([points[0], *(each[1:] for each in points[1:])])
    joints = np.cumsum([len(each) - 1 for each in points])[:-1]
    gone = joints[straight(whole[joints - 1], whole[joints], whole[joints + 1], sides)]
    return (start, end), np.delete(whole, gone, axis=0)


def _table(ids: Ids, nodes: Ids, length: Floats, width: Floats, lines: Geometries) -> pd.DataFrame:
    """Rows of the edges; each runs from its lower node to the other, a loop by its second vertex.

    Args:
        ids: of the edges.
        nodes: ``(n, 2)`` where each begins and ends.
        length: in metres.
        width: in metres.
        lines: of the edges.
    """
    turned = nodes[:, 0] > nodes[:, 1]
    for i in np.flatnonzero(nodes[:, 0] == nodes[:, 1]):
        points = shapely.get_coordinates(lines[i])
        turned[i] = points[1].tolist() > points[-2].tolist()
    shapes = np.where(turned, shapely.reverse(lines), lines)
    return pd.DataFrame(
        {
            "edge_id": ids,
            "u": nodes.min(axis=1),
            "v": nodes.max(axis=1),
            "length_m": length,
            "width_m": width,
            "geometry": shapes,
        }
    )
