"""A plan of a town of attached buildings: rows, courtyards, and houses with garages and sheds."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import shapely
from shapely import affinity
from shapely.geometry.base import BaseGeometry

Feature = tuple[BaseGeometry, dict[str, str]]
Rng = np.random.Generator
Box = tuple[float, float, float, float]
"""Left, bottom, right, top in metres."""

TURN_DEG = 17.0
"""By which the plan is turned, so that no wall runs along the pixels."""
STREET_M = 8.0
PAVEMENT_M = 3.0


def town(bounds: Box, seed: int) -> list[Feature]:
    """Streets, greens and whole buildings inside `bounds`, in metres."""
    rng = np.random.default_rng(seed)
    left, bottom, right, top = bounds
    middle, half = ((left + right) / 2, (bottom + top) / 2), 0.75 * max(right - left, top - bottom)
    across, along = (_steps(half, *steps, rng) for steps in ((75, 120), (55, 85)))
    features: list[Feature] = [
        *((shapely.LineString([(x, -half), (x, half)]), _street()) for x in across),
        *((shapely.LineString([(-half, y), (half, y)]), _street()) for y in along),
    ]
    inset = STREET_M / 2 + PAVEMENT_M
    for x, beside in pairwise(across):
        for y, above in pairwise(along):
            kind = KINDS[rng.choice(len(KINDS), p=[0.4, 0.3, 0.2, 0.1])]
            features += kind((x + inset, y + inset, beside - inset, above - inset), rng)
    turned = [
        (affinity.translate(affinity.rotate(shape, TURN_DEG, (0, 0)), *middle), tags)
        for shape, tags in features
    ]
    frame = shapely.box(*bounds)
    whole = [each for each in turned if "building" in each[1] and each[0].within(frame)]
    cut = [(shape.intersection(frame), tags) for shape, tags in turned if "building" not in tags]
    return [each for each in cut if not each[0].is_empty] + whole


def _rows(box: Box, rng: Rng) -> list[Feature]:
    """Terraces along two sides, gardens between them, sheds at their backs and in the gardens."""
    left, bottom, right, top = box
    features = [(shapely.box(*box), {"landuse": "grass"})]
    for street, inward in ((bottom, 1), (top, -1)):
        front, x, level = street + inward * rng.uniform(0, 4), left, int(rng.integers(2, 4))
        while x < right - 5:
            for _ in range(int(rng.integers(3, 10))):
                width, depth = rng.uniform(5, 8.5), rng.uniform(8, 11)
                if x + width > right:
                    break
                back = front + inward * depth
                features.append((_box(x, front, x + width, back), _building("terrace", level)))
                if rng.random() < 0.4:
                    size, gap = rng.uniform(2.5, 4, 2), float(rng.choice([0, 0, 6]))
                    near = back + inward * gap
                    features.append(
                        (_box(x, near, x + size[0], near + inward * size[1]), _building("shed", 1))
                    )
                x += width
            x += rng.uniform(3, 6)
    return features


def _courtyard(box: Box, rng: Rng) -> list[Feature]:
    """Houses around a yard, wall to wall, some with a wing into it."""
    left, bottom, right, top = box
    depth, level = rng.uniform(9, 12), int(rng.integers(3, 6))
    ground = {"landuse": "grass"} if rng.random() < 0.6 else {"landuse": "commercial"}
    features: list[Feature] = [(shapely.box(*box), ground)]
    for front, back, inward in ((bottom, bottom + depth, 1), (top, top - depth, -1)):
        for start, stop in _cuts(left, right, rng):
            features.append((_box(start, front, stop, back), _building("apartments", level)))
            if rng.random() < 0.35:
                wing = back + inward * rng.uniform(4, 8)
                features.append((_box(start, back, start + 5, wing), _building("apartments", level - 1)))
    for front, back in ((left, left + depth), (right, right - depth)):
        for start, stop in _cuts(bottom + depth, top - depth, rng):
            features.append((_box(front, start, back, stop), _building("apartments", level)))
    return features


def _detached(box: Box, rng: Rng) -> list[Feature]:
    """Houses in gardens, each with a garage at its side."""
    left, bottom, right, top = box
    features: list[Feature] = [(shapely.box(*box), {"landuse": "grass"})]
    for y in np.arange(bottom + 2, top - 12, rng.uniform(17, 22)):
        for x in np.arange(left + 2, right - 16, rng.uniform(17, 21)):
            width, depth = rng.uniform(8, 11), rng.uniform(8, 11)
            place = y + rng.uniform(0, 3)
            features.append((_box(x, place, x + width, place + depth), _building("house", 2)))
            if rng.random() < 0.7:
                side = x + width
                features.append((_box(side, place + 1, side + 3.5, place + 7), _building("garage", 1)))
    return features


def _park(box: Box, rng: Rng) -> list[Feature]:
    return [(shapely.box(*box), {"leisure": "park"} if rng.random() < 0.5 else {"landuse": "grass"})]


KINDS: tuple[Callable[[Box, Rng], list[Feature]], ...] = (_rows, _courtyard, _detached, _park)


def _steps(half: float, least: float, most: float, rng: Rng) -> list[float]:
    places = np.cumsum(rng.uniform(least, most, int(2 * half / least)))
    return [float(place - half) for place in places if place < 2 * half]


def _cuts(start: float, stop: float, rng: Rng) -> list[tuple[float, float]]:
    """Fronts of 9 to 18 m that fill a side."""
    count = max(1, round((stop - start) / rng.uniform(10, 16)))
    inner = np.linspace(start, stop, count + 1)
    inner[1:-1] += rng.uniform(-1.5, 1.5, count - 1)
    return list(zip(inner[:-1].tolist(), inner[1:].tolist(), strict=True))


def _box(x: float, y: float, other_x: float, other_y: float) -> shapely.Polygon:
    return shapely.box(min(x, other_x), min(y, other_y), max(x, other_x), max(y, other_y))


def _street() -> dict[str, str]:
    return {"highway": "residential", "width": f"{STREET_M:g}"}


def _building(kind: str, levels: int) -> dict[str, str]:
    return {"building": kind, "building:levels": str(levels)}
