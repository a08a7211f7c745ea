"""Footprints of the buildings on a block. Geometry only, computed for many blocks at once.

A pattern is placed in the frame of each block's oriented bounding box and clipped to the
block, so that buildings are aligned with the streets.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from urbanseg.osm.simulated.plan import Rng

Polygons = NDArray[np.object_]
Range = tuple[float, float]


MIN_COURT_M2 = 250.0
MAX_STRETCH = 1.3
"""By how much a pattern may grow to fill its block."""


@dataclass(frozen=True)
class Rows:
    """Buildings in parallel rows: ranges of sizes and distances, in metres.

    `shrink` is the range of random factors on each building's own length and depth.
    """

    depth: Range
    gap: Range
    length: Range
    passage: Range
    setback: float
    shrink: Range = (1.0, 1.0)


def rows(blocks: Polygons, pattern: Rows, rng: Rng) -> Polygons:
    """Rows of buildings along the longer side of each block, clipped to it.

    Buildings of which less than half is left after clipping are left out.

    Args:
        blocks: polygons.
        pattern: sizes and distances.
        rng: draws from their ranges.

    Returns:
        The footprints of all blocks.
    """
    corners = shapely.get_coordinates(shapely.oriented_envelope(blocks)).reshape(-1, 5, 2)
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 1]
    swap = np.hypot(*first.T) < np.hypot(*second.T)
    long, short = np.where(swap[:, None], second, first), np.where(swap[:, None], first, second)
    length, width = np.hypot(*long.T), np.hypot(*short.T)
    along, across = long / length[:, None], short / width[:, None]
    centre = corners[:, :4].mean(axis=1)

    block, u, v, half_u, half_v = _places(length, width, pattern, rng)
    shrink = rng.uniform(*pattern.shrink, (2, len(block)))
    half_u, half_v = half_u * shrink[0], half_v * shrink[1]
    middle = centre[block] + u[:, None] * along[block] + v[:, None] * across[block]
    reach_u, reach_v = half_u[:, None] * along[block], half_v[:, None] * across[block]
    ring = np.stack(
        [
            middle - reach_u - reach_v,
            middle + reach_u - reach_v,
            middle + reach_u + reach_v,
            middle - reach_u + reach_v,
        ],
        axis=1,
    )
    footprints = shapely.polygons(ring)
    inner = shapely.buffer(blocks, -pattern.setback, join_style="mitre")
    clipped = _polygons(shapely.intersection(footprints, inner[block]))
    return (
        clipped[shapely.area(clipped) > 0.5 * np.median(shapely.area(footprints))]
        if len(clipped)
        else clipped
    )


def _places(
    length: NDArray[np.float64], width: NDArray[np.float64], pattern: Rows, rng: Rng
) -> tuple[NDArray[Any], ...]:
    """Block index, offset from its centre along and across, and half sizes of each building."""
    count = len(length)
    depth, gap = rng.uniform(*pattern.depth, count), rng.uniform(*pattern.gap, count)
    size, passage = rng.uniform(*pattern.length, count), rng.uniform(*pattern.passage, count)
    free_u, free_v = length - 2 * pattern.setback, width - 2 * pattern.setback
    row_count = np.maximum(1, np.floor((free_v + gap) / (depth + gap))).astype(int)
    col_count = np.maximum(1, np.floor((free_u + passage) / (size + passage))).astype(int)
    # What is left over goes to sizes and distances alike, so that buildings reach the streets.
    stretch_v = np.clip((free_v + gap) / (row_count * (depth + gap)), 1, MAX_STRETCH)
    stretch_u = np.clip((free_u + passage) / (col_count * (size + passage)), 1, MAX_STRETCH)
    depth, gap, size, passage = depth * stretch_v, gap * stretch_v, size * stretch_u, passage * stretch_u
    number = row_count * col_count
    block = np.repeat(np.arange(count), number)
    serial = np.arange(len(block)) - np.repeat(np.cumsum(number) - number, number)
    row, col = serial // col_count[block], serial % col_count[block]
    pitch_v, pitch_u = (depth + gap)[block], (size + passage)[block]
    v = (row - (row_count[block] - 1) / 2) * pitch_v
    u = (col - (col_count[block] - 1) / 2) * pitch_u
    return block, u, v, size[block] / 2, depth[block] / 2


def perimeter(blocks: Polygons, depth: Range, setback: float, rng: Rng) -> Polygons:
    """Closed rings of buildings around a courtyard; most are opened by two passages.

    Blocks too small for a courtyard are built over whole.

    Args:
        blocks: polygons.
        depth: range of the depth of the buildings in metres.
        setback: distance from the edge of the block in metres.
        rng: draws depths and passages.

    Returns:
        The footprints of all blocks.
    """
    outer = shapely.buffer(blocks, -setback, join_style="mitre")
    depths = rng.uniform(*depth, len(blocks))
    court = shapely.buffer(outer, -depths, join_style="mitre")
    court[shapely.area(court) < MIN_COURT_M2] = shapely.Polygon()
    rings = shapely.difference(outer, court)
    open_ = rng.random(len(blocks)) < 0.6
    rings[open_] = shapely.difference(rings[open_], _passages(blocks[open_], rng))
    parts = _polygons(rings)
    return parts[shapely.area(parts) > 150]


def _passages(blocks: Polygons, rng: Rng) -> Polygons:
    """A cross of two lanes through the middle of each block."""
    corners = shapely.get_coordinates(shapely.oriented_envelope(blocks)).reshape(-1, 5, 2)[:, :4]
    middle = np.roll(corners, -1, axis=1) / 2 + corners / 2
    shift = rng.uniform(-0.25, 0.25, (len(blocks), 2, 1))
    side = corners[:, :2] - np.roll(corners, 1, axis=1)[:, :2]
    ends = np.stack([middle[:, :2] + shift * side[:, ::-1], middle[:, 2:] + shift * side[:, ::-1]], axis=2)
    lanes = np.asarray(shapely.multilinestrings(np.asarray(shapely.linestrings(ends))))
    return np.asarray(shapely.buffer(lanes, 5.0, cap_style="flat"))


def _polygons(geometries: Polygons) -> Polygons:
    parts = shapely.get_parts(geometries)
    return np.asarray(parts[(shapely.get_type_id(parts) == 3) & (shapely.area(parts) > 0)])
