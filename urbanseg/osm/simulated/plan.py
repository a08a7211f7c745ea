"""The bones of the embedded city: river, lakes, arterials, and the districts they enclose.

Nothing is laid on a grid: every arterial is bent by one smooth displacement field, as
terrain bends real ones, so districts are irregular and no two share a direction.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
import shapely.ops
from numpy.typing import ArrayLike, NDArray
from shapely import LineString, Polygon
from shapely.geometry.base import BaseGeometry

from urbanseg.osm.simulated.styles import Style

Bounds = tuple[float, float, float, float]
Feature = tuple[BaseGeometry, dict[str, str]]
Rng = np.random.Generator
Polygons = NDArray[np.object_]

BANK = 22.0
"""Width of the green strip along open water, in metres."""

MIN_DISTRICT = 6000.0
"""Smaller left-over cells between arterials become verges, in m²."""


@dataclass(frozen=True)
class Road:
    """A road's axis, its tags, and its full width in metres."""

    line: LineString
    tags: dict[str, str]
    width: float


class Waves:
    """A smooth random function of place, about standard normal: a sum of plane waves.

    Args:
        rng: draws directions, wavelengths and phases.
        wavelength: of the middle wave, in metres.
        count: number of waves.
    """

    def __init__(self, rng: Rng, wavelength: float, count: int = 6) -> None:
        angle = rng.uniform(0, 2 * np.pi, count)
        number = 2 * np.pi / (wavelength * rng.uniform(0.6, 1.6, count))
        self._x, self._y = number * np.cos(angle), number * np.sin(angle)
        self._phase = rng.uniform(0, 2 * np.pi, count)

    def __call__(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
        """Values at coordinates `x`, `y` of any one shape."""
        phases = np.multiply.outer(x, self._x) + np.multiply.outer(y, self._y) + self._phase
        return np.asarray(np.sin(phases).sum(-1) * np.sqrt(2 / len(self._phase)))


def river(bounds: Bounds, style: Style, rng: Rng) -> tuple[BaseGeometry, LineString]:
    """A meandering river from the left edge to the right: its surface and its axis."""
    left, bottom, right, top = bounds
    x = np.arange(left - 400, right + 400, 30.0)
    bend, fine, wide = Waves(rng, 5200, 3), Waves(rng, 1500, 3), Waves(rng, 1800, 3)
    reach = (top - bottom) / 10
    zero = np.zeros_like(x)
    y = bottom + 0.42 * (top - bottom) + reach * bend(x, zero) + 0.14 * reach * fine(x, zero)
    axis = shapely.linestrings(x, y)
    half = style.river_width / 2 * (1 + 0.28 * np.clip(wide(x, zero), -1.6, 1.6))
    slope = np.gradient(y, x)
    norm = np.hypot(1, slope)
    normal = np.stack([-slope / norm, 1 / norm], axis=1) * half[:, None]
    points = np.stack([x, y], axis=1)
    bank = np.concatenate([points + normal, (points - normal)[::-1]])
    surface = shapely.buffer(shapely.polygons(bank), 0)
    return surface - _island(axis, style.river_width, rng), axis


def _island(axis: LineString, width: float, rng: Rng) -> BaseGeometry:
    """A long island in midstream, at a random place."""
    start = rng.uniform(0.3, 0.6) * axis.length
    spine = shapely.ops.substring(axis, start, start + 5 * width)
    return spine.buffer(0.17 * width)


def arterials(bounds: Bounds, style: Style, rng: Rng) -> list[Road]:
    """Rings, radials and a loose mesh of through roads, bent by one displacement field.

    A road that continues across the edge does so by 400 m.
    """
    left, bottom, right, top = bounds
    centre = np.array([(left + right) / 2, (bottom + top) / 2]) + rng.uniform(-150, 150, 2)
    reach = float(np.hypot(right - left, top - bottom)) / 2 + 400
    shift_x, shift_y = Waves(rng, 3100), Waves(rng, 3100)

    def bent(points: NDArray[np.float64]) -> LineString:
        x, y = points[:, 0], points[:, 1]
        offset = np.stack([shift_x(x, y), shift_y(x, y)], axis=1)
        return shapely.linestrings(points + style.warp * offset).simplify(1.5)

    roads: list[Road] = []
    turn = np.linspace(0, 2 * np.pi, 121)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    for i, radius in enumerate(style.ring_radii):
        stretch = np.array([1.15, 0.9])
        kind = "primary" if i == 0 else "motorway"
        roads.append(_road(bent(centre + radius * stretch * circle), kind))
    inner = style.ring_radii[0] * 0.95 if style.ring_radii else 0.0
    first = rng.uniform(0, 2 * np.pi)
    for i in range(style.radials):
        angle = first + 2 * np.pi * (i + rng.uniform(-0.2, 0.2)) / style.radials
        steps = np.arange(inner, reach, 45.0)[:, None]
        ray = centre + steps * np.array([np.cos(angle), np.sin(angle)])
        roads.append(_road(bent(ray), "trunk" if i % 2 else "primary"))
    for offset, line in _mesh(centre, reach, style.arterial_spacing, rng):
        roads.append(_road(bent(line), "primary" if offset % 3 == 1 else "secondary"))
    return roads


def _mesh(
    centre: NDArray[np.float64], reach: float, spacing: float, rng: Rng
) -> list[tuple[int, NDArray[np.float64]]]:
    """Two families of nearly parallel lines through the whole scene, unevenly spaced."""
    lines = []
    steps = np.arange(-reach, reach, 45.0)
    direction = rng.uniform(0.15, 0.45)
    count = int(reach / spacing)
    for turn in (0.0, np.pi / 2 + rng.uniform(-0.12, 0.12)):
        along = np.array([np.cos(direction + turn), np.sin(direction + turn)])
        across = np.array([-along[1], along[0]])
        for i in range(-count, count + 1):
            offset = (i + 0.5 + rng.uniform(-0.25, 0.25)) * spacing
            lines.append((i, centre + offset * across + steps[:, None] * along))
    return lines


ARTERIAL_TAGS: dict[str, tuple[float, dict[str, str]]] = {
    "motorway": (28, {"width": "28", "maxspeed": "100", "ref": "A 8"}),
    "trunk": (24, {"width": "24", "maxspeed": "70"}),
    "primary": (21, {"lanes": "6", "maxspeed": "50"}),
    "secondary": (18, {"width": "18 m", "maxspeed": "50"}),
}
"""Full width in metres and tags of arterials; widths are written as people write them."""


def _road(line: LineString, kind: str) -> Road:
    width, tags = ARTERIAL_TAGS[kind]
    return Road(line, {"highway": kind, **tags}, width)


def cells(bounds: Bounds, lines: Sequence[LineString]) -> NDArray[np.object_]:
    """Polygons that the lines cut the scene into, ordered by where they lie."""
    edge = shapely.box(*bounds).exterior
    network = shapely.union_all([edge, *lines], grid_size=0.01)
    polygons = shapely.get_parts(shapely.polygonize([network]))
    inside = shapely.contains(shapely.box(*bounds), shapely.point_on_surface(polygons))
    polygons = polygons[inside]
    middle = shapely.centroid(polygons)
    return np.asarray(polygons[np.lexsort([shapely.get_x(middle), shapely.get_y(middle)])])


def lake(cell: Polygon, size: tuple[float, float], rng: Rng) -> Polygon:
    """A lake somewhere near the middle of a cell, its shore irregular.

    `size` is the range of its radius, as a share of the cell's inscribed circle.
    """
    radius_line = shapely.maximum_inscribed_circle(cell, tolerance=5)
    x, y = shapely.get_coordinates(radius_line)[0]
    radius = min(radius_line.length * rng.uniform(*size), 420)
    turn = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    shore = np.ones_like(turn)
    for k in (2, 3, 4, 5):
        shore += 0.3 / k * rng.normal() * np.cos(k * turn + rng.uniform(0, 2 * np.pi))
    shore = radius * np.clip(shore, 0.45, 1.35)
    stretch = rng.uniform(0.75, 1.0)
    points = np.stack([x + shore * np.cos(turn), y + stretch * shore * np.sin(turn)], axis=1)
    return shapely.polygons(points)
