"""Waters of the embedded city, their banks, bridges and tunnels."""

from collections.abc import Sequence

import numpy as np
import shapely
import shapely.ops
from numpy.typing import NDArray
from shapely import LineString, Polygon
from shapely.geometry.base import BaseGeometry

from urbanseg.osm.simulated.plan import OUTSIDE, Bounds, Feature, Polygons, Rng, Road, Waves, lines
from urbanseg.osm.simulated.styles import Style

BANK = 22.0
"""Width of the green strip along open water, in metres."""

CANAL_WIDTH = 34.0
LONGEST_BRIDGE = 420.0
"""Roads that would run along a water for longer than this, in metres, end at its bank."""


def running(bounds: Bounds, style: Style, rng: Rng) -> list[Feature]:
    """The river, and the canal if the style has one.

    Args:
        bounds: left, bottom, right and top in metres.
        style: widths and tags.
        rng: draws the meanders and the island.

    Returns:
        The areas, then their axes.
    """
    top = bounds[3]
    width = style.river_width
    axis = _river_axis(bounds, rng)
    surface = _ribbon(axis, width, 0.28, rng) - _island(axis, width, rng)
    features: list[Feature] = [
        (surface, dict(style.river_tags)),
        (axis, {"waterway": "river", "name": "Ael"}),
    ]
    if style.canal:
        mouth = axis.interpolate(0.62, normalized=True)
        bend = Waves(rng, 3000, 3)
        y = np.arange(mouth.y, top + OUTSIDE, 60.0)
        x = mouth.x + 0.35 * (y - mouth.y) + 160 * (bend(y, y * 0) - bend(y[:1], y[:1] * 0))
        canal = LineString(np.stack([x, y], axis=1))
        basin = canal.buffer(CANAL_WIDTH / 2, cap_style="flat") - surface
        features.insert(1, (basin, {"natural": "water", "water": "canal"}))
        features.append((canal, {"waterway": "canal"}))
    return features


def _river_axis(bounds: Bounds, rng: Rng) -> LineString:
    """A meandering line from the left edge to the right."""
    left, bottom, right, top = bounds
    x = np.arange(left - OUTSIDE, right + OUTSIDE, 30.0)
    bend, fine = Waves(rng, 5200, 3), Waves(rng, 1500, 3)
    reach = (top - bottom) / 10
    y = bottom + 0.42 * (top - bottom) + reach * (bend(x, x * 0) + 0.14 * fine(x, x * 0))
    return LineString(np.stack([x, y], axis=1))


def _ribbon(axis: LineString, width: float, vary: float, rng: Rng) -> BaseGeometry:
    """The axis widened to `width`, which varies by the relative deviation `vary`."""
    points = shapely.get_coordinates(axis)
    tangent = np.gradient(points, axis=0)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1) / np.hypot(*tangent.T)[:, None]
    swell = Waves(rng, 1800, 3)(points[:, 0], points[:, 1] * 0)
    half = width / 2 * (1 + vary * np.clip(swell, -1.6, 1.6))[:, None]
    return Polygon(np.concatenate([points + half * normal, (points - half * normal)[::-1]])).buffer(0)


def _island(axis: LineString, width: float, rng: Rng) -> BaseGeometry:
    """A long island to the left of midstream, where the axis passes it, at a random place."""
    start = rng.uniform(0.3, 0.6) * axis.length
    spine = shapely.ops.substring(axis, start, start + 5 * width)
    return shapely.offset_curve(spine, 0.27 * width).buffer(0.13 * width)


def lakes(cells: Polygons, style: Style, taken: BaseGeometry, rng: Rng) -> list[Feature]:
    """Lakes in some of the cells, at a distance from other waters.

    Args:
        cells: between the arterials.
        style: share and size of the lakes.
        taken: the other waters.
        rng: draws cells, sizes and outlines.

    Returns:
        The lakes with their tags.
    """
    keep_off = taken.buffer(60)
    shapely.prepare(keep_off)
    features: list[Feature] = []
    for cell in cells:
        if rng.random() < style.lake_share and cell.area > 80_000:
            shore = _lake(cell, style.lake_size, rng)
            if not keep_off.intersects(shore):
                tags = {"natural": "water", "water": "lake" if rng.random() < 0.7 else "reservoir"}
                features.append((shore - _islet(shore, rng), tags))
    return features


def _lake(cell: Polygon, size: tuple[float, float], rng: Rng) -> Polygon:
    """A lake near the middle of a cell; `size` is its radius over that of the inscribed circle."""
    inscribed = shapely.maximum_inscribed_circle(cell, tolerance=5)
    middle = shapely.get_coordinates(inscribed)[0] + 0.25 * inscribed.length * rng.uniform(-1, 1, 2)
    radius = min(inscribed.length * rng.uniform(*size), 420)
    return Polygon(middle + radius * _outline(rng))


def _outline(rng: Rng, corners: int = 72) -> NDArray[np.float64]:
    """An irregular closed outline of about unit radius, longer than wide: ``(corners, 2)``."""
    turn = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    shore = np.ones_like(turn)
    for k in range(2, 8):
        shore += 0.34 / k * rng.normal() * np.cos(k * turn + rng.uniform(0, 2 * np.pi))
    shore = np.clip(shore, 0.4, 1.4)
    points = np.stack([shore * np.cos(turn), rng.uniform(0.55, 1.0) * shore * np.sin(turn)], axis=1)
    angle = rng.uniform(0, np.pi)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(points @ rotation.T)


def _islet(shore: Polygon, rng: Rng) -> BaseGeometry:
    """An island in every other large lake, which makes it a relation with a hole."""
    if shore.area < 120_000 or rng.random() < 0.5:
        return Polygon()
    radius = np.sqrt(shore.area / np.pi)
    angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.5) * radius
    middle = np.array([shore.centroid.x, shore.centroid.y]) + reach * np.array([np.cos(angle), np.sin(angle)])
    islet = Polygon(middle + rng.uniform(0.1, 0.28) * radius * _outline(rng, 24))
    return islet if shore.buffer(-30).contains(islet) else Polygon()


def banks(waters: Sequence[Feature], rng: Rng) -> list[Feature]:
    """Strips along open water: grass or park mostly, here and there a beach or reeds."""
    kinds = [
        {"landuse": "grass"},
        {"leisure": "park"},
        {"natural": "wetland", "wetland": "reedbed"},
        {"natural": "beach", "surface": "sand"},
    ]
    features: list[Feature] = []
    for shore, _ in waters:
        if shapely.get_dimensions(shore) == 2:
            tags = kinds[int(rng.choice(len(kinds), p=(0.5, 0.26, 0.12, 0.12)))]
            features += [(part, dict(tags)) for part in shapely.get_parts(shore.buffer(BANK) - shore)]
    return features


def bridged(roads: Sequence[Road], water: BaseGeometry) -> list[Road]:
    """Roads with the stretches over water as bridges of their own."""
    wide = water.buffer(8)
    shapely.prepare(wide)
    cut: list[Road] = []
    for road in roads:
        if "tunnel" in road.tags or not wide.intersects(road.line):
            cut.append(road)
            continue
        over = road.tags | {"bridge": "yes", "layer": "1"}
        spans = lines(road.line & wide)
        cut += [Road(part, over, road.width) for part in spans if part.length < LONGEST_BRIDGE]
        cut += [Road(part, road.tags, road.width) for part in lines(road.line - wide)]
    return cut


def tunnelled(roads: Sequence[Road], water: BaseGeometry) -> list[Road]:
    """The same roads; 500 m of the first trunk road that keeps clear of water go underground."""
    done: list[Road] = []
    for i, road in enumerate(roads):
        below = shapely.ops.substring(road.line, 700, 1200)
        if road.tags["highway"] != "trunk" or road.line.length < 2500 or below.intersects(water):
            done.append(road)
            continue
        under = road.tags | {"tunnel": "yes", "layer": "-1"}
        for span, tags in (
            ((0, 700), road.tags),
            ((700, 1200), under),
            ((1200, road.line.length), road.tags),
        ):
            line = LineString(shapely.get_coordinates(shapely.ops.substring(road.line, *span)))
            done.append(Road(line, tags, road.width))
        return [*done, *roads[i + 1 :]]
    return done
