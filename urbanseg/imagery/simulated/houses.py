"""Houses that the map lacks, and what surrounds houses: plots, yards, farms and trees."""

import json

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

Shapes = NDArray[np.object_]

LINED = ("residential", "living_street")
"""Streets along which houses stand."""
KEEP_OFF = ("building", "road", "square", "rail", "water", "stream", "sea", "parking", "park", "forest",
            "pitch", "cemetery", "garden", "allotments", "farmland", "wetland")  # fmt: skip
"""Surfaces on which no further house is built."""
BARE_SHARE = 0.15
"""A street with fewer houses than this share of what it has room for lacks them on the map."""
LARGE_M2 = 700.0
"""Buildings above this have a yard, smaller ones a garden."""
FARMS = 0.035
"""Share of the parcels with a farm."""


def along_streets(mapped: gpd.GeoDataFrame, share: float, rng: np.random.Generator) -> Shapes:
    """Houses on both sides of the streets along which the map has hardly any.

    Args:
        mapped: polygons with `class` and `tags`; streets are roads as wide as they are drawn.
        share: of the room for houses that is filled.
        rng: draws sizes and gaps.

    Returns:
        ``(n,)`` rectangles.
    """
    tags = mapped["tags"].to_numpy()
    is_street = (mapped["class"] == "road").to_numpy() & np.array(
        [json.loads(text).get("highway") in LINED for text in tags], bool
    )
    streets = mapped.geometry.to_numpy()[is_street]
    if not share or not len(streets):
        return np.array([], dtype=object)
    buildings = mapped.geometry.to_numpy()[(mapped["class"] == "building").to_numpy()]
    near = shapely.buffer(streets, 30, quad_segs=2)
    street, _ = shapely.STRtree(buildings).query(near, predicate="intersects") if len(buildings) else ([], [])
    count = np.bincount(street, minlength=len(streets)) if len(street) else np.zeros(len(streets))
    room = shapely.length(streets) / 2 / 18
    bare = streets[count < BARE_SHARE * 2 * room]
    outlines = shapely.get_parts(shapely.boundary(shapely.simplify(bare, 1)))
    centres, along = _stations(outlines, rng.uniform(14, 26), rng)
    stays = rng.random(len(centres)) < share
    houses = _rectangles(centres[stays], along[stays], rng)
    taken = mapped.geometry.to_numpy()[mapped["class"].isin(KEEP_OFF).to_numpy()]
    free = np.ones(len(houses), bool)
    free[shapely.STRtree(taken).query(houses, predicate="intersects")[1 - 1]] = False
    return _apart(houses[free])


def plots(buildings: Shapes, rng: np.random.Generator) -> dict[str, Shapes]:
    """Gardens around houses and yards around large buildings, as `plot` and `apron`."""
    is_large = shapely.area(buildings) > LARGE_M2
    around = rng.uniform(5, 16, len(buildings))
    grown = shapely.buffer(
        shapely.oriented_envelope(buildings), around, join_style="mitre", cap_style="square"
    )
    return {"plot": grown[~is_large], "apron": grown[is_large]}


def farms(parcels: list[BaseGeometry], rng: np.random.Generator) -> Shapes:
    """Barns and houses in groups of two to six, in a few of the parcels."""
    wide = [parcel for parcel in parcels if parcel.area > 6_000]
    chosen = [parcel for parcel in wide if rng.random() < FARMS]
    found = []
    for parcel in chosen:
        middle = np.array(parcel.representative_point().coords[0])
        number, angle = int(rng.integers(2, 7)), rng.uniform(0, np.pi)
        places = middle + rng.normal(0, 22, (number, 2))
        turned = np.full(number, angle) + rng.integers(0, 2, number) * np.pi / 2
        along = np.column_stack([np.cos(turned), np.sin(turned)])
        size = np.column_stack([rng.uniform(10, 45, number), rng.uniform(7, 22, number)])
        found.append(_boxes(places, along, size))
    return _apart(np.concatenate(found)) if found else np.array([], dtype=object)


def trees(grounds: Shapes, buildings: Shapes, rng: np.random.Generator) -> Shapes:
    """Crowns of single trees, off the buildings.

    Args:
        grounds: gardens and town blocks.
        buildings: on which no tree stands.
        rng: draws places and sizes.

    Returns:
        ``(n,)`` polygons.
    """
    if not len(grounds):
        return np.array([], dtype=object)
    density = rng.uniform(0.1, 1.2)
    number = rng.poisson(density * np.clip(shapely.area(grounds) / 700, 0.2, 8))
    left, bottom, right, top = shapely.bounds(np.repeat(grounds, number)).T
    x, y = left + (right - left) * rng.random(len(left)), bottom + (top - bottom) * rng.random(len(left))
    crowns = shapely.buffer(shapely.points(x, y), rng.uniform(1.5, 5.5, len(x)), quad_segs=2)
    hit = shapely.STRtree(buildings).query(shapely.points(x, y), predicate="intersects")[0]
    return np.delete(crowns, hit)


def _stations(
    lines: Shapes, spacing: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places beside outlines of streets, on their outer side, and the direction along them."""
    lengths = shapely.length(lines)
    number = np.maximum(0, lengths // spacing).astype(int)
    line = np.repeat(np.arange(len(lines)), number)
    rank = np.arange(len(line)) - np.repeat(np.cumsum(number) - number, number)
    at = (rank + 0.5 + rng.uniform(-0.1, 0.1, len(line))) * spacing
    here = shapely.get_coordinates(shapely.line_interpolate_point(lines[line], at))
    there = shapely.get_coordinates(shapely.line_interpolate_point(lines[line], at + 1.5))
    along = there - here
    size = np.hypot(*along.T)
    good = size > 0.2
    along, here = along[good] / size[good, np.newaxis], here[good]
    # exteriors of shapely buffers run clockwise or not; both sides are tried by the sign
    normal = np.column_stack([-along[:, 1], along[:, 0]])
    setback = rng.uniform(9, 13, len(here))[:, np.newaxis]
    return np.concatenate([here + normal * setback, here - normal * setback]), np.concatenate([along, along])


def _rectangles(centres: NDArray[np.float64], along: NDArray[np.float64], rng: np.random.Generator) -> Shapes:
    size = np.column_stack([rng.uniform(8, 15, len(centres)), rng.uniform(7, 11, len(centres))])
    return _boxes(centres, along, size)


def _boxes(centres: NDArray[np.float64], along: NDArray[np.float64], size: NDArray[np.float64]) -> Shapes:
    """Rectangles by their centres, directions, and lengths along and across, in metres."""
    across = np.column_stack([-along[:, 1], along[:, 0]])
    corners = [
        centres + along * (sx * size[:, :1] / 2) + across * (sy * size[:, 1:] / 2)
        for sx, sy in ((-1, -1), (1, -1), (1, 1), (-1, 1))
    ]
    return np.asarray(shapely.polygons(np.stack(corners, axis=1)), dtype=object)


def _apart(houses: Shapes) -> Shapes:
    """The houses that no earlier one overlaps."""
    if not len(houses):
        return houses
    first, second = shapely.STRtree(houses).query(houses, predicate="intersects")
    gone = np.zeros(len(houses), bool)
    for a, b in sorted(zip(first.tolist(), second.tolist(), strict=True)):
        if a < b and not gone[a]:
            gone[b] = True
    return houses[~gone]
