"""What stands on the ground of a simulated world: mapped features, and what no map shows.

Real extracts leave most of the countryside blank, lack houses, and lie some metres off; a
real image shows fields, hedges, yards, trees and farms. They are laid out here from the
world's seed, with polygons that know what they are, so that labels can be taken from the
ground itself (`write`) and hold no error of the map.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from urbanseg.grid import Grid
from urbanseg.imagery.simulated import shores
from urbanseg.imagery.simulated.cells import SNAP_M, clipped, outside, polygonal, voronoi
from urbanseg.imagery.simulated.houses import along_streets, farms, plots, trees
from urbanseg.imagery.simulated.scene_objects import areas
from urbanseg.imagery.simulated.surfaces import SURFACES
from urbanseg.imagery.simulated.world import World

Shapes = NDArray[np.object_]

MARGIN_M = 400.0
"""How far around the scene the ground is laid out: shadows and blur come from there."""
BLOCK_M = 90.0
"""Side of a town block of one ground."""
TOWN_M, GAP_M = 60.0, 35.0
"""Streets this far apart, and a little more, make a town; its outline is drawn back by the gap."""
LARGE_M2 = 30_000.0
"""Mapped fields and meadows above this are several."""
DIVIDED = ("farmland", "grass", "orchard", "scrub", "forest")
"""Surfaces that are divided into parcels where they are large."""
FIELDS = ("farmland", "grass", "orchard")
"""Surfaces with hedges and farms."""
THROUGH = ("building", "road", "footway", "square", "rail", "stream", "tree row", "parking", "pitch")
"""Surfaces under which or beside which the countryside goes on."""
RESERVED = '"landuse": "military"'
"""Tag of areas that look as the land around them does."""
STREETS = ("residential", "living_street", "pedestrian")
SMALL_M2 = 260.0
"""Buildings of no kind below this are houses."""
TRACKS = 0.04
"""Share of the field borders along which a track runs."""


def seen(features: gpd.GeoDataFrame, grid: Grid, world: World) -> gpd.GeoDataFrame:
    """The features that an image of a world shows, in place of those that a map has.

    Args:
        features: read with `surfaces.RULES`, in EPSG:4326.
        grid: of the scene, metric.
        world: that is seen.

    Returns:
        Polygons with `class` (a surface), `tags` (JSON) and `geometry` in the grid's CRS.
    """
    rng = np.random.default_rng([world.seed, 61])
    box = shapely.box(*grid.bounds).buffer(MARGIN_M, join_style="mitre")
    mapped = _shifted(_near(features, grid, box), world, rng)
    parts = [mapped]
    parts.append(
        _frame("building", along_streets(mapped, world.unmapped, rng), {"building": "house"}, mapped)
    )
    parts += [_frame(name, shapes, {}, mapped) for name, shapes in shores.along(mapped, rng).items()]
    if world.land:
        parts = _countryside(pd.concat(parts, ignore_index=True), box, world, rng)
    return gpd.GeoDataFrame(pd.concat(parts, ignore_index=True), geometry="geometry", crs=grid.crs)


def write(path: Path, ground: gpd.GeoDataFrame) -> None:
    """Write the ground as FlatGeobuf, with the attribute `surface`; `labels.source: vector` reads it.

    Args:
        path: of the file.
        ground: from `seen`.
    """
    ground = ground[ground["class"] != "tree"]
    parts, index = shapely.get_parts(ground.geometry.to_numpy(), return_index=True)
    polygons = shapely.multipolygons(parts, indices=index)
    frame = gpd.GeoDataFrame({"surface": ground["class"].to_numpy()}, geometry=polygons, crs=ground.crs)
    frame.to_file(path, driver="FlatGeobuf", engine="pyogrio")


def _near(features: gpd.GeoDataFrame, grid: Grid, box: shapely.Polygon) -> gpd.GeoDataFrame:
    """Features with a surface that meet the box, as polygons; small buildings are houses."""
    known = features[features["class"].isin(SURFACES.keys()) & ~features["tags"].str.contains(RESERVED)]
    frame = known.to_crs(grid.crs)
    frame = frame[shapely.intersects(frame.geometry.to_numpy(), box)]
    tags = [json.loads(text) for text in frame["tags"]]
    shapes = areas(frame.geometry.to_numpy(), tags)
    small = (frame["class"].to_numpy() == "building") & (shapely.area(shapes) < SMALL_M2)
    for tag, is_small in zip(tags, small, strict=True):
        if is_small and tag.get("building", "yes") in ("yes", "residential"):
            tag["building"] = "house"
    texts = [json.dumps(tag, sort_keys=True) for tag in tags]
    frame = gpd.GeoDataFrame(
        {"class": frame["class"].to_numpy(), "tags": texts}, geometry=shapes, crs=grid.crs
    )
    solid = shapely.get_dimensions(frame.geometry.to_numpy()) == 2
    return frame[solid & ~frame.geometry.is_empty].reset_index(drop=True)


def _shifted(mapped: gpd.GeoDataFrame, world: World, rng: np.random.Generator) -> gpd.GeoDataFrame:
    """The mapped features off by the world's shift, each building a little on its own; some have vanished."""
    is_building = (mapped["class"] == "building").to_numpy()
    stays = ~is_building | (rng.random(len(mapped)) >= world.vanished)
    mapped, is_building = mapped[stays].reset_index(drop=True), is_building[stays]
    shapes = mapped.geometry.to_numpy()
    own = rng.normal(0, world.shift_own, (len(mapped), 2)) * is_building[:, np.newaxis]
    xy, index = shapely.get_coordinates(shapes, return_index=True)
    moved = shapely.set_coordinates(shapes.copy(), xy + np.array(world.shift) + own[index])
    return mapped.set_geometry(gpd.GeoSeries(moved, crs=mapped.crs))


def _countryside(
    mapped: gpd.GeoDataFrame, box: shapely.Polygon, world: World, rng: np.random.Generator
) -> list[gpd.GeoDataFrame]:
    """Towns' ground, parcels, hedges, tracks, farms and trees where the map has nothing."""
    surfaces = mapped["class"].to_numpy()
    shapes = mapped.geometry.to_numpy()
    town = _town(mapped)
    solid = shapes[~np.isin(surfaces, [*THROUGH, *DIVIDED])]
    rail = shapely.buffer(shapes[surfaces == "rail"], 4)
    open_ground = [*solid, *rail, *([town] if not town.is_empty else [])]
    cells = voronoi(box, world.parcel_m, rng)
    fields = _parcels(cells, np.array(open_ground, dtype=object), world, rng)
    divided, kept = _divided(mapped, cells)
    found: dict[str, list[BaseGeometry]] = {}
    for name, shape in fields + divided:
        found.setdefault(name, []).append(shape)
    parts = [_frame(name, np.array(some, dtype=object), {}, mapped) for name, some in found.items()]
    parts += _borders([shape for name, shape in fields + divided if name in FIELDS], world, rng, mapped)
    steads = farms([shape for name, shape in fields if name in FIELDS], rng)
    parts.append(_frame("building", steads, {"building": "farm_auxiliary"}, mapped))
    buildings = np.concatenate([shapes[surfaces == "building"], steads])
    yards = plots(buildings, rng)
    parts += [_frame(name, some, {}, mapped) for name, some in yards.items()]
    blocks = clipped(voronoi(box, BLOCK_M, rng), town)
    parts.append(_frame("town block", blocks, {}, mapped))
    parts.append(_frame("tree", trees(np.concatenate([yards["plot"], blocks]), buildings, rng), {}, mapped))
    return [mapped[kept], *parts]


def _town(mapped: gpd.GeoDataFrame) -> BaseGeometry:
    """Where streets and buildings stand close: the ground between them is no countryside."""
    surfaces = mapped["class"].to_numpy()
    shapes = mapped.geometry.to_numpy()
    is_street = (surfaces == "road") & np.array(
        [json.loads(text).get("highway") in STREETS for text in mapped["tags"]], bool
    )
    built = shapely.buffer(shapes[surfaces == "building"], GAP_M, quad_segs=2)
    streets = shapely.buffer(shapely.simplify(shapes[is_street], 2), TOWN_M, quad_segs=2)
    ground = shapes[
        np.isin(surfaces, ["residential ground", "business ground", "industrial ground", "campus"])
    ]
    near = shapely.union_all(np.concatenate([built, streets]), grid_size=SNAP_M)
    return shapely.union_all(
        [shapely.buffer(near, -GAP_M + 10, quad_segs=2), *shapely.make_valid(ground)], grid_size=SNAP_M
    )


def _parcels(
    cells: Shapes, taken: Shapes, world: World, rng: np.random.Generator
) -> list[tuple[str, BaseGeometry]]:
    """Parcels outside what is taken, each with a surface: like ones lie together."""
    names, weights = list(world.land), np.array(list(world.land.values()))
    centres = shapely.get_coordinates(shapely.centroid(cells))
    chosen = _clustered(centres, weights / weights.sum(), world.parcel_m * 4, rng)
    return [(names[i], shape) for i, shape in zip(chosen, outside(cells, taken), strict=True)
            if not shape.is_empty]  # fmt: skip


def _clustered(
    centres: NDArray[np.float64], shares: NDArray[np.float64], size_m: float, rng: np.random.Generator
) -> NDArray[np.intp]:
    """An index for each place, by `shares`; neighbours within `size_m` often have the same."""
    hubs = rng.uniform(centres.min(axis=0), centres.max(axis=0),
                       (max(1, int(np.ptp(centres, axis=0).prod() / size_m**2)), 2))  # fmt: skip
    nearest = shapely.STRtree(np.asarray(shapely.points(hubs))).nearest(shapely.points(centres))
    of_hub = rng.choice(len(shares), len(hubs), p=shares)
    own = rng.choice(len(shares), len(centres), p=shares)
    return np.where(rng.random(len(centres)) < 0.55, of_hub[nearest], own)


def _divided(
    mapped: gpd.GeoDataFrame, cells: Shapes
) -> tuple[list[tuple[str, BaseGeometry]], NDArray[np.bool_]]:
    """Large mapped fields as parcels, and which of the mapped features stay as they are."""
    surfaces, shapes = mapped["class"].to_numpy(), mapped.geometry.to_numpy()
    is_large = np.isin(surfaces, DIVIDED) & (shapely.area(shapes) > LARGE_M2)
    large = shapely.make_valid(shapes[is_large], method="structure", keep_collapsed=False)
    tree = shapely.STRtree(cells)
    field, cell = tree.query(large, predicate="intersects")
    pieces = shapely.intersection(large[field], cells[cell], grid_size=SNAP_M)
    of_field = surfaces[is_large][field]
    parts = [(str(name), polygonal(piece)) for name, piece in zip(of_field, pieces, strict=True)]
    return [(name, piece) for name, piece in parts if not piece.is_empty], ~is_large


def _borders(
    fields: Sequence[BaseGeometry], world: World, rng: np.random.Generator, like: gpd.GeoDataFrame
) -> list[gpd.GeoDataFrame]:
    """Hedges and tracks along the borders of fields, side by side in whole runs."""
    if not fields:
        return []
    parts = shapely.get_parts(np.array(fields, dtype=object))
    rings = shapely.simplify(shapely.get_exterior_ring(parts), 6)
    xy, index = shapely.get_coordinates(rings, return_index=True)
    same = index[1:] == index[:-1]
    edges = np.asarray(shapely.linestrings(np.stack([xy[:-1][same], xy[1:][same]], axis=1)), dtype=object)
    draw, wide = rng.random(len(edges)), rng.uniform(1, 4, len(edges))
    hedges = shapely.buffer(edges[draw < world.hedges], wide[draw < world.hedges], quad_segs=2)
    is_track = draw > 1 - TRACKS
    tracks = shapely.buffer(edges[is_track], 1.8, cap_style="flat")
    return [_frame("hedge", hedges, {}, like), _frame("footway", tracks, {"highway": "track"}, like)]


def _frame(name: str, shapes: Shapes, tags: dict[str, str], like: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Features of one surface, as a table like another."""
    text = json.dumps(tags)
    return gpd.GeoDataFrame({"class": [name] * len(shapes), "tags": [text] * len(shapes)},
                            geometry=list(shapes), crs=like.crs)  # fmt: skip
