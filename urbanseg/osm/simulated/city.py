"""Laying out the embedded city: from the plan's bones to a list of tagged features."""

import numpy as np
import shapely
import shapely.ops
from shapely import LineString, Polygon
from shapely.geometry.base import BaseGeometry

from urbanseg.osm.simulated import plan
from urbanseg.osm.simulated.blocks import USES
from urbanseg.osm.simulated.plan import Bounds, Feature, Rng, Road
from urbanseg.osm.simulated.streets import clear, noded, subdivide
from urbanseg.osm.simulated.styles import STYLES, District, Style

STAGES = ("water", "roads", "kinds", "lakes", "streets", "uses", "blocks", "greens")
"""Parts of the plan; each draws from its own random stream, so that one can change alone."""

LOCAL_ARTERIAL = {"highway": "tertiary", "width": "16"}
"""Tags of the first cut through a large built district."""


def lay_out(style: str, seed: int, bounds: Bounds) -> list[Feature]:
    """Draw a city: shapes in the coordinates of `bounds`, with OpenStreetMap tags.

    Args:
        style: name of a style (``river``, ``oasis``).
        seed: the same seed gives the same city.
        bounds: left, bottom, right and top in metres, in any metric CRS.

    Returns:
        Polygons, multipolygons and lines with their tags, ordered.
    """
    how = STYLES[style]
    streams = {name: np.random.default_rng([seed, i]) for i, name in enumerate(STAGES)}
    main = plan.arterials(bounds, how, streams["roads"])
    rail = _railway(bounds, streams["roads"])
    cells = plan.cells(bounds, [*(road.line for road in main), rail])
    kinds = _kinds(cells, bounds, how, streams["kinds"])
    waters = _waters(bounds, how, cells, kinds, streams)
    sea = shapely.union_all([shape for shape, _ in waters if shape.geom_type != "LineString"])
    main = _cut_bridges(_cut_tunnel(main, sea), sea)

    districts, kinds = _land(cells, kinds, sea)
    side_roads, blocks, block_kinds = _blocks(
        districts, kinds, how, [*main, _as_road(rail)], streams["streets"]
    )
    features = _grounds(districts, kinds, how, bounds)
    features += _banks(waters, streams["greens"])
    features += _used(blocks, block_kinds, how, streams)
    features += waters
    level = [road for road in main if "bridge" not in road.tags and "tunnel" not in road.tags]
    passing = [road for road in main if "bridge" in road.tags or "tunnel" in road.tags]
    features += [(road.line, dict(road.tags)) for road in noded([*level, *side_roads]) + passing]
    features.append((rail, {"railway": "rail", "gauge": "1435"}))
    return features


def _railway(bounds: Bounds, rng: Rng) -> LineString:
    """A main line from the lower left to the upper right."""
    left, bottom, right, top = bounds
    t = np.linspace(-0.05, 1.05, 160)
    bend = plan.Waves(rng, 6000, 3)
    x = left + (right - left) * t
    y = bottom + (top - bottom) * (0.2 + 0.5 * t) + 0.05 * (top - bottom) * bend(x, x * 0)
    return shapely.linestrings(x, y)


def _as_road(rail: LineString) -> Road:
    return Road(rail, {"railway": "rail"}, 16)


def _kinds(cells: plan.Polygons, bounds: Bounds, style: Style, rng: Rng) -> list[str]:
    """Kind of district of each cell, by its distance from the centre."""
    left, bottom, right, top = bounds
    middle = shapely.get_coordinates(shapely.centroid(cells)) - [(left + right) / 2, (bottom + top) / 2]
    distance = np.hypot(*middle.T) / (np.hypot(right - left, top - bottom) / 2)
    kinds = []
    for d in distance:
        weights = next(weights for reach, weights in style.zones if d < reach)
        share = np.array(list(weights.values()), dtype=float)
        kinds.append(str(rng.choice(list(weights), p=share / share.sum())))
    return kinds


def _waters(
    bounds: Bounds, style: Style, cells: plan.Polygons, kinds: list[str], streams: dict[str, Rng]
) -> list[Feature]:
    """River, canal and lakes as areas, and the axes of running water as lines."""
    surface, axis = plan.river(bounds, style, streams["water"])
    waters: list[Feature] = [(surface, dict(style.river_tags))]
    waters.append((axis, {"waterway": "river", "width": str(round(style.river_width))}))
    rng = streams["lakes"]
    for cell, kind in zip(cells, kinds, strict=True):
        if rng.random() > style.lake_share or cell.area < 80_000 or kind == "old_town":
            continue
        shore = plan.lake(cell, style.lake_size, rng)
        if not shore.intersects(surface.buffer(60)):
            island = _islet(shore, rng)
            waters.append((shore - island, {"natural": "water", "water": "lake"}))
    return waters


def _islet(shore: Polygon, rng: Rng) -> BaseGeometry:
    """An island in the larger lakes, so that they are relations with a hole."""
    if shore.area < 120_000:
        return Polygon()
    angle = rng.uniform(0, 2 * np.pi)
    reach = 0.35 * np.sqrt(shore.area / np.pi)
    centre = shore.centroid
    islet = shapely.Point(centre.x + reach * np.cos(angle), centre.y + reach * np.sin(angle)).buffer(
        0.13 * reach + 25
    )
    return islet if shore.contains(islet) else Polygon()


def _cut_bridges(roads: list[Road], water: BaseGeometry) -> list[Road]:
    """Roads with the stretches over water split off as bridges."""
    shapely.prepare(water)
    wide = water.buffer(8)
    cut: list[Road] = []
    for road in roads:
        if "tunnel" in road.tags or not water.intersects(road.line):
            cut.append(road)
            continue
        over = road.tags | {"bridge": "yes", "layer": "1"}
        cut += [Road(part, over, road.width) for part in shapely.get_parts(road.line & wide)]
        cut += [Road(part, road.tags, road.width) for part in shapely.get_parts(road.line - wide)]
    return cut


def _cut_tunnel(roads: list[Road], water: BaseGeometry) -> list[Road]:
    """The same roads; 500 m of the first radial that keeps clear of water run underground."""
    for i, road in enumerate(roads):
        if road.tags["highway"] not in {"trunk"} or road.line.length < 2500:
            continue
        start, below, end = (
            shapely.ops.substring(road.line, *at) for at in ((0, 700), (700, 1200), (1200, 1e9))
        )
        if below.intersects(water):
            continue
        under = road.tags | {"tunnel": "yes", "layer": "-1"}
        pieces = [
            Road(start, road.tags, road.width),
            Road(below, under, road.width),
            Road(end, road.tags, road.width),
        ]
        return [*roads[:i], *pieces, *roads[i + 1 :]]
    return roads


def _land(cells: plan.Polygons, kinds: list[str], water: BaseGeometry) -> tuple[list[Polygon], list[str]]:
    """Cells without water and its banks; scraps are left out."""
    banks = water.buffer(plan.BANK)
    shapely.prepare(banks)
    land, land_kinds = [], []
    for cell, kind in zip(cells, kinds, strict=True):
        for part in shapely.get_parts(cell.difference(banks) if banks.intersects(cell) else cell):
            if part.geom_type == "Polygon" and part.area > plan.MIN_DISTRICT:
                land.append(part)
                land_kinds.append(kind)
    return land, land_kinds


def _blocks(
    districts: list[Polygon], kinds: list[str], style: Style, main: list[Road], rng: Rng
) -> tuple[list[Road], list[Polygon], list[str]]:
    """Side roads, and the blocks between all roads with the kind of their district."""
    roads: list[Road] = []
    pieces: list[Polygon] = []
    piece_kinds: list[str] = []
    for district, kind in zip(districts, kinds, strict=True):
        table = style.districts[kind]
        streets, blocks = subdivide(district, table.block_ha * 1e4, regular=table.regular, rng=rng)
        built = table.ground is not None and "landuse" in table.ground and len(blocks) > 6
        roads += [_street(line, depth, table, widen=built) for line, depth in streets]
        pieces += blocks
        piece_kinds += [kind] * len(blocks)
    cleared = clear(pieces, [*main, *roads])
    blocks = [part for parts in cleared for part in parts]
    block_kinds = [kind for parts, kind in zip(cleared, piece_kinds, strict=True) for _ in parts]
    return roads, blocks, block_kinds


WIDTHS = {"footway": 4.0, "track": 5.0}
"""Widths of ways that carry no width tag, in metres."""


def _street(line: LineString, depth: int, table: District, *, widen: bool) -> Road:
    if depth == 0 and widen and table.street["highway"] in {"residential", "unclassified"}:
        return Road(line, dict(LOCAL_ARTERIAL), float(LOCAL_ARTERIAL["width"]))
    width = table.street.get("width")
    return Road(line, dict(table.street), float(width) if width else WIDTHS[table.street["highway"]])


def _grounds(districts: list[Polygon], kinds: list[str], style: Style, bounds: Bounds) -> list[Feature]:
    """The land use that districts are mapped with as a whole; a desert under everything."""
    features: list[Feature] = []
    if style.desert:
        features.append((shapely.box(*bounds), dict(style.outside or {})))
        features.clear()
    for district, kind in zip(districts, kinds, strict=True):
        ground = style.districts[kind].ground
        if ground is not None and "landuse" in ground and ground["landuse"] != "forest":
            features.append((district, dict(ground)))
    return features


def _banks(waters: list[Feature], rng: Rng) -> list[Feature]:
    """Strips along open water: grass mostly, here and there a beach or reeds."""
    features: list[Feature] = []
    shores = [shape for shape, _ in waters if shape.geom_type != "LineString"]
    for shore in shores:
        kind = rng.random()
        tags = {"landuse": "grass"} if kind < 0.6 else {"leisure": "park"}
        if kind > 0.88:
            tags = {"natural": "beach", "surface": "sand"}
        strip = shore.buffer(plan.BANK) - shore
        features += [(part, dict(tags)) for part in shapely.get_parts(strip)]
    return features


def _used(blocks: list[Polygon], kinds: list[str], style: Style, streams: dict[str, Rng]) -> list[Feature]:
    """What stands on the blocks: each draws a use from its district's table."""
    rng = streams["uses"]
    uses = []
    for kind in kinds:
        table = style.districts[kind].uses
        share = np.array(list(table.values()), dtype=float)
        uses.append(str(rng.choice(list(table), p=share / share.sum())))
    features: list[Feature] = []
    every = np.array(blocks, dtype=object)
    for use in sorted(set(uses)):
        chosen = every[[name == use for name in uses]]
        features += USES[use](chosen, streams["blocks"])
    return features
