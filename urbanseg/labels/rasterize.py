"""Labels from polygons: rasterized on a supersampled grid, then reduced by the share of each class.

All of it works window by window, and the labels do not depend on how a scene is divided
into windows. `urbanseg.osm.footprints` makes the polygons.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio import features

from urbanseg.classes import IGNORE, ClassTable
from urbanseg.config.labels import IGNORE_NAME, LabelParams
from urbanseg.grid import Grid, Window, blocks
from urbanseg.labels.layers import LabelArray, Labeller, Mask, Masker

FINE_SIDE = 2560
"""Windows are chosen so that they have about this many fine pixels a side."""
SUBPIXELS = 2.0**20
"""Vertices are snapped to this many steps per fine pixel; see `to_pixel_polygons`."""
TOLERANCE = 1e-9
"""Relative difference below which two shares are the same."""
NOTHING = 253
"""Value of fine pixels whose centre is in no polygon; class ids are far below."""
HALF = 0.5
"""Minimum share of what `labels.min_share` doesn't list: `other` and `ignore`, drawn by hand."""


@dataclass(frozen=True)
class PixelPolygons:
    """Polygons in pixel coordinates of a grid `factor` times finer; see `to_pixel_polygons`.

    Attributes:
        shapes: polygons, those that win last.
        ids: pixel value of each, uint8.
        tree: the same polygons, to be found by place.
        factor: fine pixels per scene pixel and axis.
    """

    shapes: NDArray[Any]
    ids: LabelArray
    tree: shapely.STRtree
    factor: int

    def near(self, window: Window) -> NDArray[np.intp]:
        """Indices of the polygons whose bounds intersect `window` (of scene pixels), in order."""
        top, left, height, width = (side * self.factor for side in window)
        return np.sort(self.tree.query(shapely.box(left, top, left + width, top + height)))


def to_pixel_polygons(shapes: NDArray[Any], ids: LabelArray, grid: Grid, factor: int) -> PixelPolygons:
    """Bring polygons into pixel coordinates of a grid `factor` times finer than `grid`.

    Vertices are snapped to odd multiples of 2⁻²¹ fine pixels. Two things follow: moving
    them to a window's origin is exact in floating point, so that every window rasterizes
    the same polygon; and none lies on a pixel centre, where belonging would be a tie.

    Args:
        shapes: ``(n,)`` polygons in the grid's CRS; where they overlap, the last wins.
        ids: ``(n,)`` pixel values, uint8.
        grid: the scene's grid.
        factor: fine pixels per scene pixel and axis.

    Returns:
        The polygons in pixel coordinates.
    """
    a, b, c, d, e, f = (~grid.finer(factor).transform)[:6]

    def to_pixels(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        fine = np.column_stack([xy @ (a, b) + c, xy @ (d, e) + f])
        return (np.floor(fine * SUBPIXELS) + 0.5) / SUBPIXELS

    moved = shapely.transform(shapes, to_pixels)
    return PixelPolygons(moved, ids, shapely.STRtree(moved), factor)


def class_polygons(
    polygons: gpd.GeoDataFrame, grid: Grid, ids: Mapping[str, int], priority: Sequence[str], factor: int
) -> PixelPolygons:
    """Polygons with a class in pixel coordinates of the fine grid, by priority.

    Args:
        polygons: `class` and `geometry` in the grid's CRS.
        grid: the scene's grid.
        ids: pixel value of each class.
        priority: classes, highest first; all that occur.
        factor: fine pixels per scene pixel and axis.

    Returns:
        The polygons in pixel coordinates, those of the lowest priority first.
    """
    values = polygons["class"].map(ids).to_numpy(dtype=np.uint8)
    rank = polygons["class"].map({name: place for place, name in enumerate(priority)}).to_numpy(dtype=int)
    order = np.argsort(-rank, kind="stable")
    return to_pixel_polygons(polygons.geometry.to_numpy()[order], values[order], grid, factor)


def rasterize_window(polygons: PixelPolygons, window: Window, fill: int = 0) -> LabelArray:
    """Pixel values on the fine grid inside `window`.

    Args:
        polygons: in pixel coordinates.
        window: of scene pixels.
        fill: value of the pixels whose centre is in no polygon.

    Returns:
        ``(height × factor, width × factor)`` uint8.
    """
    factor = polygons.factor
    shape = window.height * factor, window.width * factor
    near = polygons.near(window)
    if not near.size:
        return np.full(shape, fill, np.uint8)
    origin = Affine.translation(window.col * factor, window.row * factor)
    pairs = zip(polygons.shapes[near], polygons.ids[near].tolist(), strict=True)
    return np.asarray(features.rasterize(pairs, shape, fill=fill, transform=origin, dtype="uint8"))


def reduce(
    fine: LabelArray,
    factor: int,
    min_shares: Mapping[int, float],
    priority: Sequence[int],
    background: int = 0,
) -> LabelArray:
    """Class of each scene pixel from the fine pixels inside it.

    The rule: the share of the fine pixels that each class holds is counted. A class is a
    candidate if its share is at least its minimum share. Of the candidates, the one that
    is furthest above its own minimum (largest share / minimum share) gets the pixel;
    between equals, the one of higher priority. Without a candidate the pixel is `background`.

    Args:
        fine: ``(height × factor, width × factor)`` pixel values, uint8.
        factor: fine pixels per scene pixel and axis.
        min_shares: minimum share (0–1] of each pixel value that can win.
        priority: the same pixel values, highest priority first.
        background: pixel value where no class is a candidate.

    Returns:
        ``(height, width)`` uint8.
    """
    height, width = fine.shape[0] // factor, fine.shape[1] // factor
    cells = fine.reshape(height, factor, width, factor)
    result = np.full((height, width), background, np.uint8)
    best = np.full((height, width), 1 - 2 * TOLERANCE)
    for value in priority:
        count = np.count_nonzero(cells == value, axis=(1, 3))
        excess = count / (factor**2 * min_shares[value])
        wins = excess > best * (1 + TOLERANCE)
        result[wins], best[wins] = value, excess[wins]
    return result


def rasterize_scene(
    polygons: gpd.GeoDataFrame, grid: Grid, classes: ClassTable, params: LabelParams
) -> LabelArray:
    """Labels of a whole scene: rasterized on the fine grid, reduced by the rule of `reduce`.

    Args:
        polygons: `class` and `geometry` in the grid's CRS; see `polygons`.
        grid: the scene's grid.
        classes: the class table.
        params: supersampling, priorities and minimum shares.

    Returns:
        ``(height, width)`` uint8 class ids.
    """
    label = labeller(polygons, grid, classes, params)
    result = np.zeros(grid.shape, np.uint8)
    for window in windows(grid.shape, params):
        result[window.slices] = label(window)
    return result


def labeller(
    polygons: gpd.GeoDataFrame,
    grid: Grid,
    classes: ClassTable,
    params: LabelParams,
    extent: Sequence[float] | Sequence[Sequence[float]] | None = None,
    *,
    background: str = "other",
    ignored: int = IGNORE,
) -> Labeller:
    """The function that labels a window; see `rasterize_scene`.

    Pixels outside the `extent` of the extract (west, south, east, north in degrees, or
    several such boxes), and cells of ``params.unmapped_cell_m`` that no polygon meets, are
    `IGNORE`: there, the absence of features says nothing.

    Args:
        polygons: `class` (a class, or ``ignore``) and `geometry` in the grid's CRS.
        grid: the scene's grid.
        classes: the class table.
        params: supersampling, priorities and minimum shares; classes that they don't list
            come last and need half of a pixel.
        extent: what the polygons' source covers.
        background: class, or ``ignore``, where no polygon is.
        ignored: pixel value of polygons of the class ``ignore``.

    Returns:
        The function that labels a window.
    """
    ids = {name: classes.id_of(name) for name in classes.names} | {IGNORE_NAME: ignored}
    order = [*params.priority, *(name for name in ids if name not in params.priority)]
    in_pixels = class_polygons(polygons, grid, ids, order, params.supersample)
    present = [ids[name] for name in order if ids[name] in in_pixels.ids]
    min_shares = {ids[name]: params.min_share.get(name, HALF) for name in order}
    elsewhere = IGNORE if background == IGNORE_NAME else ids[background]
    cell = max(1, round(params.unmapped_cell_m / max(grid.pixel_m)))
    known = covered(extent, grid) if extent else None

    def label(window: Window) -> LabelArray:
        values = reduce(
            rasterize_window(in_pixels, window, NOTHING),
            in_pixels.factor,
            min_shares,
            present,
            elsewhere,
        )
        if params.unmapped_cell_m > 0:
            values[unmapped(in_pixels, window, cell)] = IGNORE
        if known is not None:
            values[~known(window)] = IGNORE
        return values

    return label


def windows(shape: tuple[int, int], params: LabelParams) -> list[Window]:
    """Windows that partition a scene, small enough for their fine pixels to fit in memory."""
    return blocks(shape, max(1, FINE_SIDE // params.supersample))


def unmapped(polygons: PixelPolygons, window: Window, cell: int) -> Mask:
    """Which pixels of `window` lie in a cell that no polygon intersects.

    Args:
        polygons: the polygons.
        window: the pixels asked for.
        cell: side of a cell in scene pixels; cells start at the scene's upper left corner.

    Returns:
        ``(height, width)`` bool.
    """
    first = window.row // cell, window.col // cell
    rows = np.arange(first[0], -(-(window.row + window.height) // cell))
    cols = np.arange(first[1], -(-(window.col + window.width) // cell))
    side = cell * polygons.factor
    top, left = (axis * side for axis in np.meshgrid(rows, cols, indexing="ij"))
    cells = shapely.box(left, top, left + side, top + side).ravel()
    empty = np.ones(cells.size, bool)
    empty[polygons.tree.query(cells, predicate="intersects")[0]] = False
    whole = empty.reshape(top.shape).repeat(cell, axis=0).repeat(cell, axis=1)
    row, col = window.row - first[0] * cell, window.col - first[1] * cell
    return whole[row : row + window.height, col : col + window.width]


def covered(extent: Sequence[float] | Sequence[Sequence[float]], grid: Grid) -> Masker:
    """The function that says which pixels of a window an extract covers.

    Args:
        extent: west, south, east, north of the extract in degrees, or several such boxes.
        grid: the scene's grid.
    """
    boxes = [shapely.segmentize(shapely.box(*box), 0.01) for box in np.reshape(extent, (-1, 4)).tolist()]
    outlines = gpd.GeoSeries(boxes, crs=4326).to_crs(grid.crs)
    polygons = to_pixel_polygons(outlines.to_numpy(), np.ones(len(boxes), np.uint8), grid, 1)
    return lambda window: rasterize_window(polygons, window) > 0
