"""Polygons and roads of a city's map, as the report's page draws them: simplified, packed, bounded.

Coordinates are pixels of the page's pictures, in steps of `STEP`. They are packed as differences in
variable-length integers, as in Mapbox vector tiles ("Mapbox Vector Tile Specification" 2.1, section 4.3),
because as text they would be five times as long. `template/vectors.js` unpacks them.
"""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import shapely
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError, GeometryError

from urbanseg.classes import ClassTable
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid
from urbanseg.io import vector_drivers  # noqa: F401, no other driver is left

FORMATS = ("gpkg", "fgb", "geojson", "shapefile")
"""Files of the map that can be drawn, the best first: roads are in a GeoPackage alone."""
STEP = 0.25
"""Pixels of a picture: a sharper outline can't be seen before a pixel is four wide on the screen."""
POINTS = 200_000
"""Corners of polygons and roads that are drawn of a city, at most: about 600 kB of the page."""
PAGE_POINTS = 800_000
"""The same, of all cities of a page."""
TOLERANCES_PX = (0.5, 1.0, 2.0, 4.0)
"""Simplifications that are tried, the mildest first."""
ROAD_SHARE = 0.25
"""Of the corners that may be taken by roads."""
CLOSED = 4
"""Points of the shortest ring, whose first comes again as its last."""


@dataclass(frozen=True)
class VectorMap:
    """What the page draws of a map.

    Attributes:
        polygons: packed; base64.
        roads: packed likewise; empty if the files hold none.
        shown: polygons and roads that are drawn.
        of: polygons and roads that there are.
        simplified_m: details up to about this size are left out of outlines, in metres.
    """

    polygons: str
    roads: str
    shown: tuple[int, int]
    of: tuple[int, int]
    simplified_m: float

    @property
    def note(self) -> str:
        """What was left out, in a sentence."""
        parts = [
            f"{shown:,} of {of:,} {what}" if shown < of else f"all {of:,} {what}"
            for shown, of, what in zip(self.shown, self.of, ("polygons", "roads"), strict=True)
            if of
        ]
        left_out = ", the smallest left out" if self.shown != self.of else ""
        drawn = " and ".join(parts).replace(",", "\u202f")
        detail = f"details of outlines below {self.simplified_m:.3g} m are smoothed away"
        return f"Drawn here: {drawn}{left_out}; {detail}."


def points_of(cities: int) -> int:
    """How many corners each of so many cities may have on a page."""
    return min(POINTS, PAGE_POINTS // max(cities, 1))


def read_vectors(
    files: Iterable[Path], grid: Grid, table: ClassTable, points: int = POINTS
) -> VectorMap | None:
    """Read the map from the first file that exists; roads are in a GeoPackage alone.

    Args:
        files: of the map, the best first.
        grid: of the pictures.
        table: the classes.
        points: corners that are drawn, at most.

    Returns:
        The map, or None if there is no file.

    Raises:
        PipelineError: if the file is damaged.
    """
    path = next((path for path in files if path.is_file()), None)
    if path is None:
        return None
    try:
        names = pyogrio.list_layers(path)[:, 0].tolist()
        cover = gpd.read_file(path, layer="land_cover" if "land_cover" in names else names[0], use_arrow=True)
        roads = gpd.read_file(path, layer="road_edges", use_arrow=True) if "road_edges" in names else None
        return draw(cover, roads, grid, points, table)
    except (DataSourceError, DataLayerError, FeatureError, GeometryError, KeyError, IndexError) as error:
        raise PipelineError(f"{path} is no map ({error}); run the vectorize stage again") from error


def draw(
    cover: gpd.GeoDataFrame, roads: gpd.GeoDataFrame | None, grid: Grid, points: int, table: ClassTable
) -> VectorMap:
    """Pack the map.

    Args:
        cover: polygons with `class_id`, `area_m2` and `confidence`.
        roads: lines with `width_m`.
        grid: of the pictures.
        points: corners that are drawn, at most.
        table: the classes; the page knows them by their positions.
    """
    lines, widths, line_px = _lines(roads, grid, int(points * ROAD_SHARE))
    left = points - int(shapely.get_num_coordinates(lines).sum())
    shapes = _on(grid, cover)
    visible = (
        np.flatnonzero(shapely.area(shapes) >= 1) if len(shapes) > points // 8 else np.arange(len(shapes))
    )
    simple, tolerance = _simplified(shapes[visible], left, coverage=True)
    kept = _largest(simple, shapely.area(simple), left)
    rows = cover.iloc[visible[kept]]
    heads = np.column_stack(
        [
            table.position_lut[rows["class_id"].to_numpy()],
            np.rint(rows["area_m2"]),
            np.rint(100 * rows["confidence"].fillna(0)),
        ]
    )
    return VectorMap(
        polygons=pack([_rings(shape) for shape in simple[kept]], heads.astype(np.int64)),
        roads=pack([[shapely.get_coordinates(line)] for line in lines], np.rint(10 * widths)[:, np.newaxis])
        if len(lines)
        else "",
        shown=(len(kept), len(lines)),
        of=(len(cover), 0 if roads is None else len(roads)),
        simplified_m=max(tolerance, line_px) * grid.pixel_m[1],
    )


def pack(shapes: Sequence[Sequence[NDArray[np.float64]]], heads: NDArray[np.generic]) -> str:
    """Shapes of any number of parts as variable-length integers, in base64.

    Each shape is its row of `heads`, the number of parts, and of each part the number of points and
    their differences from the point before, in `STEP`.

    Args:
        shapes: parts ``(n, 2)`` in pixels of each shape.
        heads: ``(shapes, k)`` whole numbers that go before each.
    """
    numbers: list[NDArray[np.int64]] = [np.array([len(shapes)])]
    last = np.zeros((1, 2), np.int64)
    for head, parts in zip(heads.astype(np.int64), shapes, strict=True):
        numbers.append(np.append(head, len(parts)))
        for part in parts:
            steps = np.rint(part / STEP).astype(np.int64)
            numbers += [np.array([len(steps)]), np.diff(steps, axis=0, prepend=last).ravel()]
            last = steps[-1:]
    return b64encode(varints(np.concatenate(numbers))).decode()


def varints(values: NDArray[np.int64]) -> bytes:
    """Whole numbers, zigzag-coded, in groups of seven bits, the lowest first; bit 8 says that more follow."""
    coded = ((values << 1) ^ (values >> 63)).astype(np.uint64)
    groups = np.maximum(1, np.ceil(np.log2(coded.astype(np.float64) + 1) / 7).astype(np.int64))
    width = int(groups.max(initial=1))
    shifts = np.arange(width, dtype=np.uint64) * np.uint64(7)
    octets = ((coded[:, np.newaxis] >> shifts) & np.uint64(127)).astype(np.uint8)
    place = np.arange(width)
    octets[place < groups[:, np.newaxis] - 1] |= 128
    return octets[place < groups[:, np.newaxis]].tobytes()


def _on(grid: Grid, table: gpd.GeoDataFrame) -> NDArray[np.object_]:
    """Geometries in pixels of the grid."""
    shapes = table.geometry if table.crs is None else table.geometry.to_crs(grid.crs)
    a, b, c, d, e, f = tuple(~grid.transform)[:6]
    return np.asarray(shapes.affine_transform([a, b, d, e, c, f]).to_numpy())


def _lines(
    roads: gpd.GeoDataFrame | None, grid: Grid, points: int
) -> tuple[NDArray[np.object_], NDArray[np.float64], float]:
    """Lines of the roads (the longest, if all are too many), widths in metres, the tolerance in pixels."""
    if roads is None or roads.empty:
        return np.array([], object), np.zeros(0), 0.0
    simple, tolerance = _simplified(_on(grid, roads), points, coverage=False)
    kept = _largest(simple, shapely.length(simple), points)
    return simple[kept], roads["width_m"].fillna(0).to_numpy()[kept], tolerance


def _simplified(
    shapes: NDArray[np.object_], points: int, *, coverage: bool
) -> tuple[NDArray[np.object_], float]:
    """The shapes by the mildest of `TOLERANCES_PX` that leaves few enough points, and that tolerance.

    In a coverage, neighbours keep their common outline.
    """
    simplify = shapely.coverage_simplify if coverage else shapely.simplify
    simple, tolerance = shapes, 0.0
    for tolerance in TOLERANCES_PX:
        simple = simplify(shapes, tolerance)
        if shapely.get_num_coordinates(simple).sum() <= points:
            break
    return simple, tolerance


def _largest(shapes: NDArray[np.object_], sizes: NDArray[np.float64], points: int) -> NDArray[np.int64]:
    """Positions of the largest shapes that have so many points together, in their order."""
    order = np.argsort(-sizes, kind="stable")
    used = np.cumsum(shapely.get_num_coordinates(shapes)[order])
    return np.sort(order[used <= points])


def _rings(shape: shapely.Geometry) -> list[NDArray[np.float64]]:
    """Outlines and holes, without the last point, which is the first again."""
    rings = [ring for part in shapely.get_parts(shape) for ring in shapely.get_rings(part)]
    return [
        shapely.get_coordinates(ring)[:-1] for ring in rings if shapely.get_num_coordinates(ring) >= CLOSED
    ]
