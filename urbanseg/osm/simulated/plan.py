"""The arterials of the embedded city, and the cells that they enclose.

Every arterial is displaced by one smooth random field, so that cells are irregular and no
two have the same direction.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray
from shapely import LineString
from shapely.geometry.base import BaseGeometry

from urbanseg.osm.simulated.styles import Style

Bounds = tuple[float, float, float, float]
Feature = tuple[BaseGeometry, dict[str, str]]
Polygons = NDArray[np.object_]
Rng = np.random.Generator

STEP = 45.0
"""Distance of the points of an arterial, in metres."""

OUTSIDE = 300.0
"""How far features that leave the city go on beyond its edge, in metres."""

ARTERIAL_TAGS: dict[str, tuple[float, dict[str, str]]] = {
    "motorway": (28, {"width": "28", "maxspeed": "100", "ref": "A 8"}),
    "trunk": (24, {"width": "24", "maxspeed": "70"}),
    "primary": (21, {"lanes": "6", "maxspeed": "50"}),
    "secondary": (18, {"width": "18 m", "maxspeed": "50"}),
}
"""Full width in metres and tags of arterials; width tags vary in format as in real data."""


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


def arterials(bounds: Bounds, style: Style, rng: Rng) -> list[Road]:
    """Rings, radials and a loose mesh of through roads, bent by one displacement field.

    Those that leave the city end `OUTSIDE` metres beyond its edge.

    Args:
        bounds: left, bottom, right and top in metres.
        style: radii, numbers, spacing and displacement.
        rng: draws the layout and the displacement.

    Returns:
        The roads with their tags and widths.
    """
    left, bottom, right, top = bounds
    centre = np.array([(left + right) / 2, (bottom + top) / 2]) + rng.uniform(-150, 150, 2)
    reach = float(np.hypot(right - left, top - bottom)) / 2 + OUTSIDE
    bend = Waves(rng, 3100), Waves(rng, 3100)
    paths = [
        *_rings(centre, style),
        *_radials(centre, reach, style, rng),
        *_mesh(centre, reach, style.arterial_spacing, rng),
    ]
    around = shapely.box(left - OUTSIDE, bottom - OUTSIDE, right + OUTSIDE, top + OUTSIDE)
    roads = []
    for kind, path in paths:
        width, tags = ARTERIAL_TAGS[kind]
        inside = _bent(path, bend, style.warp) & around
        roads += [Road(line, {"highway": kind, **tags}, width) for line in lines(inside)]
    return roads


def lines(geometry: BaseGeometry) -> list[LineString]:
    """The lines longer than a metre in the result of an overlay."""
    parts = shapely.get_parts(geometry)
    return [part for part in parts if isinstance(part, LineString) and part.length > 1]


Path = tuple[str, NDArray[np.float64]]


def _bent(path: NDArray[np.float64], bend: tuple[Waves, Waves], by: float) -> LineString:
    x, y = path.T
    offset = np.stack([bend[0](x, y), bend[1](x, y)], axis=1)
    return LineString(shapely.get_coordinates(LineString(path + by * offset).simplify(1.5)))


def _rings(centre: NDArray[np.float64], style: Style) -> list[Path]:
    """A primary road around the old town, a motorway around the city; wider than high."""
    turn = np.linspace(0, 2 * np.pi, 121)
    circle = np.stack([1.15 * np.cos(turn), 0.9 * np.sin(turn)], axis=1)
    kinds = ["primary", *["motorway"] * len(style.ring_radii)]
    return [(kind, centre + radius * circle) for kind, radius in zip(kinds, style.ring_radii, strict=False)]


def _radials(centre: NDArray[np.float64], reach: float, style: Style, rng: Rng) -> list[Path]:
    """Roads from the inner ring outwards, or from the centre where there is none."""
    inner = 0.95 * style.ring_radii[0] if style.ring_radii else 0.0
    first = rng.uniform(0, 2 * np.pi)
    steps = np.arange(inner, reach, STEP)[:, None]
    if len(steps) < 2:  # the inner ring fills the city
        return []
    paths = []
    for i in range(style.radials):
        angle = first + 2 * np.pi * (i + rng.uniform(-0.2, 0.2)) / style.radials
        kind = "trunk" if i % 2 else "primary"
        paths.append((kind, centre + steps * np.array([np.cos(angle), np.sin(angle)])))
    return paths


def _mesh(centre: NDArray[np.float64], reach: float, spacing: float, rng: Rng) -> list[Path]:
    """Two families of nearly parallel roads through the whole city, unevenly spaced."""
    paths = []
    steps = np.arange(-reach, reach, STEP)[:, None]
    direction = rng.uniform(0.15, 0.45)
    count = int(reach / spacing)
    for turn in (0.0, np.pi / 2 + rng.uniform(-0.12, 0.12)):
        along = np.array([np.cos(direction + turn), np.sin(direction + turn)])
        across = np.array([-along[1], along[0]])
        for i in range(-count, count + 1):
            offset = (i + 0.5 + rng.uniform(-0.25, 0.25)) * spacing
            kind = "primary" if i % 3 == 1 else "secondary"
            paths.append((kind, centre + offset * across + steps * along))
    return paths


def railway(bounds: Bounds, rng: Rng) -> LineString:
    """A main line from the lower left to the upper right."""
    left, bottom, right, top = bounds
    t = np.linspace(-0.05, 1.05, 160)
    bend = Waves(rng, 6000, 3)
    x = left + (right - left) * t
    y = bottom + (top - bottom) * (0.2 + 0.5 * t) + 0.05 * (top - bottom) * bend(x, x * 0)
    return LineString(np.stack([x, y], axis=1))


def cells(bounds: Bounds, lines: Sequence[LineString]) -> Polygons:
    """Polygons that the lines cut the city into, ordered by where they lie."""
    edge = shapely.box(*bounds)
    network = shapely.union_all([edge.exterior, *lines], grid_size=0.01)
    polygons = np.asarray(shapely.get_parts(shapely.polygonize([network])))
    polygons = polygons[shapely.contains(edge, shapely.point_on_surface(polygons))]
    middle = shapely.centroid(polygons)
    return np.asarray(polygons[np.lexsort([shapely.get_x(middle), shapely.get_y(middle)])])
