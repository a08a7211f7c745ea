"""Vector tiles of a map's polygons and roads, cut from its GeoPackage by the spatial index that it has."""

import math
from collections.abc import Callable, Hashable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import shapely
from pyproj import Transformer

from urbanseg.io.vector_files import require_plain
from urbanseg.review import mvt
from urbanseg.review.frames import HALF, MERCATOR, Bounds, Frame
from urbanseg.review.readers import state

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "land_cover": {
        "class_name": "class",
        "class_id": "class_id",
        "area_m2": "area_m2",
        "confidence": "confidence",
    },
    "road_edges": {"width_m": "width_m", "length_m": "length_m"},
}
"""Columns of each layer that the tiles carry, where the map has them, and their names there."""

LAND_COVER = "land_cover"

KINDS = {LAND_COVER: "polygons", "road_edges": "lines"}

FEATURES_OF_A_TILE = 1500
"""From the zoom at which a tile has no more on average, features are drawn; farther away rasters are."""

MARGIN = 64
"""Steps around a tile that its geometries reach over its edge, so that outlines do not show there."""


def layers(path: Path, frame: Frame) -> list[dict[str, Any]]:
    """Layers of a map that exist, and the zoom from which their tiles are."""
    if not path.is_file():
        return []
    require_plain(path)
    found = []
    present = {name for name, _ in pyogrio.list_layers(path)}
    for name, kind in KINDS.items():
        if name in present:
            count = int(pyogrio.read_info(path, layer=name, force_feature_count=True)["features"])
            if count:
                found.append({"name": name, "kind": kind, "minzoom": least_zoom(count, frame.mercator)})
    return found


def least_zoom(count: int, mercator: Bounds) -> int:
    """The zoom at which features that are spread evenly are no more than `FEATURES_OF_A_TILE` in each."""
    area = (mercator[2] - mercator[0]) * (mercator[3] - mercator[1])
    side = math.sqrt(area * FEATURES_OF_A_TILE / count)
    return max(0, math.ceil(math.log2(2 * HALF / side)))


def tile(path: Path, name: str, frame: Frame, bounds: Bounds) -> bytes | None:
    """A vector tile; None where nothing lies.

    Args:
        path: of the GeoPackage.
        name: of a layer.
        frame: of the scene.
        bounds: of the tile in Web Mercator.
    """
    side = bounds[2] - bounds[0]
    around = side * MARGIN / mvt.EXTENT
    wider = (bounds[0] - around, bounds[1] - around, bounds[2] + around, bounds[3] + around)
    crs, columns = _described(path, state(path), name)
    box, places = _between(frame, crs, wider)
    if not all(map(math.isfinite, box)):
        return None
    _, fids, wkb, fields = pyogrio.raw.read(path, layer=name, columns=columns, bbox=box, return_fids=True)
    if not len(wkb):
        return None
    steps, edge = mvt.EXTENT / side, mvt.EXTENT + MARGIN
    # what reaches far beyond the tile is cut before its corners are computed
    shapes = shapely.transform(
        shapely.clip_by_rect(shapely.from_wkb(wkb), *box),
        lambda xy: (places(xy) - (bounds[0], bounds[3])) * (steps, -steps),
    )
    shapes = shapely.clip_by_rect(shapes, -MARGIN, -MARGIN, edge, edge)
    shapes = shapely.simplify(shapes, 1.0, preserve_topology=False)
    names, ids = ["fid", *(COLUMNS[name][column] for column in columns)], _plain(fids)
    rows = [dict(zip(names, row, strict=True)) for row in zip(ids, *map(_plain, fields), strict=True)]
    return mvt.layer(name, shapes, ids, rows)


@lru_cache(maxsize=64)
def _described(path: Path, _: Hashable, name: str) -> tuple[str, list[str]]:
    """CRS of a layer, and those of `COLUMNS` that it has; asked once for each state of the file."""
    info = pyogrio.read_info(path, layer=name)
    return info["crs"], [column for column in COLUMNS[name] if column in info["fields"]]


def polygon_at(path: Path, frame: Frame, place: shapely.Point) -> tuple[Any, str] | None:
    """The whole polygon of land cover that holds a place, and the name of its class; None where none lies.

    Args:
        path: of the GeoPackage.
        frame: of the scene.
        place: in the scene's CRS, as is the polygon that comes back.
    """
    crs, _ = _described(path, state(path), LAND_COVER)
    there, back = _to_map(frame, crs)
    point = shapely.transform(place, there)
    box = (point.x, point.y, point.x, point.y)
    _, _, wkb, fields = pyogrio.raw.read(path, layer=LAND_COVER, columns=["class_name"], bbox=box)
    shapes = shapely.from_wkb(wkb)
    hits = np.flatnonzero(shapely.intersects(shapes, point))
    if not hits.size:
        return None
    return shapely.transform(shapes[hits[0]], back), str(fields[0][hits[0]])


def _to_map(frame: Frame, crs: str) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """The way from the scene's coordinates to those of its map, and the way back."""
    if frame.is_placed:
        ways = Transformer.from_crs(frame.grid.crs, crs, always_xy=True)
        return (
            lambda xy: np.column_stack(ways.transform(xy[:, 0], xy[:, 1])),
            lambda xy: np.column_stack(ways.transform(xy[:, 0], xy[:, 1], direction="INVERSE")),
        )
    origin = frame.grid.transform @ (0, 0)
    return lambda xy: np.subtract(xy, origin), lambda xy: np.add(xy, origin)


def _between(frame: Frame, crs: str, bounds: Bounds) -> tuple[Bounds, Callable[[Any], Any]]:
    """Bounds of Web Mercator in a map's coordinates, and the way from those to Web Mercator.

    The vectors of a map that is nowhere have their origin at its upper left corner.
    """
    if frame.is_placed:
        to_tiles: Any = Transformer.from_crs(crs, MERCATOR, always_xy=True)
        box = to_tiles.transform_bounds(*bounds, direction="INVERSE", densify_pts=5)
        return box, lambda xy: np.column_stack(to_tiles.transform(xy[:, 0], xy[:, 1]))
    x, y = frame.grid.transform @ (0, 0)
    return (bounds[0] - x, bounds[1] - y, bounds[2] - x, bounds[3] - y), lambda xy: np.add(xy, (x, y))


def _plain(column: Any) -> list[Any]:
    """Values of a column as texts and numbers of Python, measures with two decimals at most."""
    if column.dtype.kind == "f":
        return [round(value, 3) if math.isfinite(value) else 0.0 for value in column.tolist()]
    if column.dtype.kind in "iu":
        return [int(value) for value in column.tolist()]
    return ["" if value is None else str(value) for value in column.tolist()]
