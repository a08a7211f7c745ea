"""Layout of the embedded city: from arterials and waters to a list of tagged features."""

from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.stats import norm
from shapely import LineString, Polygon
from shapely.geometry.base import BaseGeometry

from urbanseg.osm.simulated import plan, waters
from urbanseg.osm.simulated.blocks import USES
from urbanseg.osm.simulated.plan import Bounds, Feature, Polygons, Rng, Road
from urbanseg.osm.simulated.streets import clear, noded, subdivide
from urbanseg.osm.simulated.styles import STYLES, District, Style, Weights

STREAMS = ("roads", "kinds", "river", "lakes", "streets", "uses", "blocks", "greens")
"""Parts of the plan, each with its own random stream, so that a change of one leaves the others."""

MIN_DISTRICT_M2 = 6000.0
"""Smaller pieces of land between arterials and water belong to no district."""

COLLECTOR = {"highway": "tertiary", "width": "18"}
"""Tags of the first street that divides a large built district."""

WIDTHS_M = {"footway": 4.0, "track": 5.0}
"""Widths of ways that carry no width tag."""

CLUSTERING = 0.55
"""Share of the variance of a block's use that it has in common with the blocks around it."""


def lay_out(style: str, seed: int, bounds: Bounds) -> list[Feature]:
    """Generate a city: shapes in the coordinates of `bounds`, with OpenStreetMap tags.

    Args:
        style: name of a style (``river``, ``oasis``).
        seed: the same seed gives the same city.
        bounds: left, bottom, right and top in metres, in any metric CRS.

    Returns:
        Polygons, multipolygons and lines with their tags, ordered.
    """
    how = STYLES[style]
    rng = {name: np.random.default_rng([seed, i]) for i, name in enumerate(STREAMS)}
    main = plan.arterials(bounds, how, rng["roads"])
    rail = plan.railway(bounds, rng["roads"])
    cells = plan.cells(bounds, [*(road.line for road in main), rail])
    kinds = _kinds(cells, bounds, how, rng["kinds"])

    wet = waters.running(bounds, how, rng["river"])
    wet += waters.lakes(cells, how, _surface(wet), rng["lakes"])
    sea = _surface(wet)
    main = waters.bridged(waters.tunnelled(main, sea), sea)

    districts, kinds = _land(cells, kinds, sea)
    streets, pieces, piece_kinds = _subdivided(districts, kinds, how, rng["streets"])
    blocks, kinds_of_blocks = _blocks(pieces, piece_kinds, [*main, *streets, Road(rail, {}, 16)])
    passing = [road for road in main if "layer" in road.tags]
    level = noded([road for road in [*main, *streets] if "layer" not in road.tags])
    return [
        *_grounds(districts, kinds, how),
        *waters.banks(wet, rng["greens"]),
        *_used(blocks, kinds_of_blocks, how, rng),
        *wet,
        *_tree_rows(level, how.tree_lined, rng["greens"]),
        *((road.line, dict(road.tags)) for road in level + passing),
        (rail, {"railway": "rail", "gauge": "1435"}),
    ]


def _surface(features: Sequence[Feature]) -> BaseGeometry:
    return shapely.union_all([shape for shape, _ in features if shapely.get_dimensions(shape) == 2])


def _draw(weights: Weights, u: float) -> str:
    """The name at quantile `u` of a table of weights."""
    steps = np.cumsum(list(weights.values()))
    return list(weights)[int(np.searchsorted(steps, u * steps[-1], side="right"))]


def _kinds(cells: Polygons, bounds: Bounds, style: Style, rng: Rng) -> list[str]:
    """Kind of district of each cell, by its distance from the centre."""
    left, bottom, right, top = bounds
    offset = shapely.get_coordinates(shapely.centroid(cells)) - [(left + right) / 2, (bottom + top) / 2]
    distance = np.hypot(*offset.T) / (np.hypot(right - left, top - bottom) / 2)
    zones = [next(weights for reach, weights in style.zones if d < reach) for d in distance]
    return [_draw(zone, u) for zone, u in zip(zones, rng.random(len(zones)), strict=True)]


def _land(cells: Polygons, kinds: Sequence[str], water: BaseGeometry) -> tuple[list[Polygon], list[str]]:
    """What water and its banks leave of each cell."""
    wet = water.buffer(waters.BANK)
    shapely.prepare(wet)
    land = [
        (part, kind)
        for cell, kind in zip(cells, kinds, strict=True)
        for part in shapely.get_parts(cell.difference(wet) if wet.intersects(cell) else cell)
        if isinstance(part, Polygon) and part.area > MIN_DISTRICT_M2
    ]
    return [part for part, _ in land], [kind for _, kind in land]


def _subdivided(
    districts: Sequence[Polygon], kinds: Sequence[str], style: Style, rng: Rng
) -> tuple[list[Road], list[Polygon], list[str]]:
    """Streets, and the pieces of land that they cut, with the kind of their district."""
    streets: list[Road] = []
    pieces: list[Polygon] = []
    piece_kinds: list[str] = []
    for district, kind in zip(districts, kinds, strict=True):
        table = style.districts[kind]
        cuts, parts = subdivide(district, table.block_ha * 1e4, regular=table.regular, rng=rng)
        streets += [_street(line, table, collects=depth == 0 and len(parts) > 6) for line, depth in cuts]
        pieces += parts
        piece_kinds += [kind] * len(parts)
    return streets, pieces, piece_kinds


def _grounds(districts: Sequence[Polygon], kinds: Sequence[str], style: Style) -> list[Feature]:
    """Districts as they are mapped as a whole."""
    grounds = [dict(style.districts[kind].ground) for kind in kinds]
    return [(district, tags) for district, tags in zip(districts, grounds, strict=True) if tags]


def _street(line: LineString, table: District, *, collects: bool) -> Road:
    if collects and table.street["highway"] in {"residential", "unclassified"}:
        return Road(line, dict(COLLECTOR), float(COLLECTOR["width"]))
    width = table.street.get("width")
    return Road(line, dict(table.street), float(width) if width else WIDTHS_M[table.street["highway"]])


def _blocks(
    pieces: Sequence[Polygon], kinds: Sequence[str], roads: Sequence[Road]
) -> tuple[Polygons, list[str]]:
    """What the roads leave of each piece, with the kind of its district."""
    cleared = clear(pieces, roads)
    blocks = np.array([part for parts in cleared for part in parts], dtype=object)
    return blocks, [kind for parts, kind in zip(cleared, kinds, strict=True) for _ in parts]


def _used(blocks: Polygons, kinds: Sequence[str], style: Style, rng: dict[str, Rng]) -> list[Feature]:
    """What stands on the blocks: each draws a use from its district's table.

    The draw is a Gaussian copula: partly a smooth function of place, so that blocks of
    like use lie together as they do in towns.
    """
    x, y = shapely.get_coordinates(shapely.centroid(blocks)).T
    around = plan.Waves(rng["uses"], 700, 10)(x, y)
    own = rng["uses"].standard_normal(len(blocks))
    quantile: NDArray[np.float64] = norm.cdf(np.sqrt(CLUSTERING) * around + np.sqrt(1 - CLUSTERING) * own)
    uses = np.array([_draw(style.districts[kind].uses, u) for kind, u in zip(kinds, quantile, strict=True)])
    features: list[Feature] = []
    for use in np.unique(uses):
        features += USES[use](blocks[uses == use], rng["blocks"])
    return features


def _tree_rows(roads: Sequence[Road], share: float, rng: Rng) -> list[Feature]:
    """Rows of trees along both kerbs of some streets."""
    lined = [
        road
        for road in roads
        if road.tags["highway"] in {"residential", "tertiary"} and road.line.length > 60
    ]
    chosen = [road for road, u in zip(lined, rng.random(len(lined)), strict=True) if u < share]
    features: list[Feature] = []
    for side in (-1, 1):
        lines = np.array([road.line for road in chosen], dtype=object)
        offset = np.array([side * (road.width / 2 - 1) for road in chosen])
        rows = shapely.get_parts(shapely.offset_curve(lines, offset))
        features += [(row, {"natural": "tree_row"}) for row in rows if row.length > 30]
    return features
