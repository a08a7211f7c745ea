"""Streets by recursive subdivision of districts: every cut is a street.

Recursive subdivision along the oriented bounding box gives the T-junctions and the
unequal blocks of grown towns (Vanegas et al. 2012, "Procedural Generation of Parcels in
Urban Modeling"); with a fixed direction it gives the regular ones of planned quarters.
"""

from collections.abc import Sequence

import numpy as np
import shapely
import shapely.ops
from numpy.typing import NDArray
from shapely import LineString, Polygon

from urbanseg.osm.simulated.plan import Rng, Road, lines

MIN_SIDE = 55.0
"""Pieces thinner than twice this are not cut further, in metres."""


def subdivide(
    district: Polygon, block_area: float, *, regular: bool, rng: Rng
) -> tuple[list[tuple[LineString, int]], list[Polygon]]:
    """Cut a district into blocks of about `block_area` m².

    Args:
        district: what to cut.
        block_area: pieces below 1.5 times this are left whole.
        regular: whether all cuts keep the district's direction.
        rng: draws where and how much bent the cuts are.

    Returns:
        The cuts with their depth (0 cuts the whole district), and the blocks.
    """
    streets: list[tuple[LineString, int]] = []
    blocks: list[Polygon] = []
    pending = [(district, 0)]
    direction = _direction(district) if regular else None
    while pending:
        piece, depth = pending.pop()
        cut = None
        if piece.area > 1.5 * block_area * rng.uniform(0.75, 1.35):
            cut = _cut(piece, direction or _direction(piece), regular=regular, rng=rng)
        if cut is None:
            blocks.append(piece)
            continue
        streets += [(part, depth) for part in lines(piece.intersection(cut))]
        parts = shapely.get_parts(shapely.ops.split(piece, cut))
        pending += [(part, depth + 1) for part in parts]
    return streets, blocks


def _direction(piece: Polygon) -> tuple[float, float]:
    """Unit vector along the longer side of the piece's oriented bounding box."""
    corners = shapely.get_coordinates(shapely.oriented_envelope(piece))
    sides = np.diff(corners[:3], axis=0)
    longer = sides[np.hypot(*sides.T).argmax()]
    x, y = longer / np.hypot(*longer)
    return float(x), float(y)


def _cut(piece: Polygon, direction: tuple[float, float], *, regular: bool, rng: Rng) -> LineString | None:
    """A line across the piece's longer side near its middle; None if it is too thin."""
    frame = np.array([direction, (-direction[1], direction[0])])
    local = shapely.get_coordinates(piece.exterior) @ frame.T
    low, high = local.min(axis=0), local.max(axis=0)
    long = int((high - low).argmax())
    if (high - low)[long] < 2 * MIN_SIDE:
        return None
    spread, bow = (0.05, 0.0) if regular else (0.13, 0.06)
    at = low[long] + (high - low)[long] * (0.5 + rng.uniform(-spread, spread))
    start, stop = low[1 - long] - 5, high[1 - long] + 5
    points = np.empty((9, 2))
    steps = np.linspace(0, 1, len(points))
    bend = rng.uniform(-bow, bow) * (stop - start)
    points[:, 1 - long] = start + steps * (stop - start)
    points[:, long] = at + bend * 4 * steps * (1 - steps)
    if bow == 0:
        points = points[[0, -1]]
    return LineString(points @ frame)


def clear(areas: Sequence[Polygon], roads: Sequence[Road]) -> list[list[Polygon]]:
    """What the roads leave of each area: its parts, those above 400 m²."""
    widths = np.array([road.width for road in roads])
    surfaces = shapely.buffer([road.line for road in roads], widths / 2, cap_style="flat", quad_segs=4)
    tree = shapely.STRtree(surfaces)
    area_index, road_index = tree.query(np.asarray(areas, dtype=object), predicate="intersects")
    order = np.argsort(area_index, kind="stable")
    chunks = np.split(road_index[order], np.searchsorted(area_index[order], np.arange(1, len(areas))))
    left = []
    for area, near in zip(areas, chunks, strict=True):
        rest = area.difference(shapely.union_all(surfaces[np.sort(near)])) if len(near) else area
        parts = shapely.get_parts(rest)
        left.append([part for part in parts if part.geom_type == "Polygon" and part.area > 400])
    return left


def noded(roads: Sequence[Road]) -> list[Road]:
    """The same roads cut where they meet, so that ways share their junction nodes.

    Coordinates are snapped to 5 cm, which closes the gaps that rounding leaves at
    T-junctions. Roads on bridges and in tunnels pass over and under: leave them out.
    """
    lines = np.array([road.line for road in roads], dtype=object)
    parts = shapely.get_parts(shapely.union_all(lines, grid_size=0.05))
    merged: NDArray[np.object_] = parts[shapely.length(parts) > 0.5]
    middle = shapely.line_interpolate_point(merged, 0.5, normalized=True)
    nearest = shapely.STRtree(lines).nearest(middle)
    return [Road(part, roads[i].tags, roads[i].width) for part, i in zip(merged, nearest, strict=True)]
