"""The insides of buildings, of their footprints: what is left of each without the pixels at its border.

Where two buildings share a wall, the pixels on both sides of it are border, so that the insides of attached
buildings do not touch. A footprint that lies in another, as parts of a building do, has no wall of its own.
"""

from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio import features

from urbanseg.classes import IGNORE
from urbanseg.grid import Grid, Window
from urbanseg.labels.layers import LabelArray
from urbanseg.labels.rasterize import PixelPolygons, to_pixel_polygons

PART = 0.9
"""A footprint of which another covers this share is a part of that."""


def whole(footprints: NDArray[Any]) -> NDArray[Any]:
    """The footprints that are no part of a larger one, which comes first of two that are equal.

    Args:
        footprints: ``(n,)`` polygons.

    Returns:
        ``(m,)`` of them, in their order.
    """
    area = shapely.area(footprints)
    rank = np.empty(len(footprints), np.intp)
    rank[np.argsort(-area, kind="stable")] = np.arange(len(footprints))
    small, large = shapely.STRtree(footprints).query(footprints, predicate="intersects")
    below = rank[small] > rank[large]
    small, large = small[below], large[below]
    shared = shapely.area(shapely.intersection(footprints[small], footprints[large]))
    kept = np.ones(len(footprints), bool)
    kept[small[shared >= PART * area[small]]] = False
    return footprints[kept & (area > 0)]


def in_pixels(footprints: NDArray[Any], grid: Grid) -> PixelPolygons:
    """Footprints in pixel coordinates of the grid, without those that are parts of others.

    Args:
        footprints: ``(n,)`` polygons in the grid's CRS.
        grid: of the scene.
    """
    kept = whole(footprints)
    return to_pixel_polygons(kept, np.zeros(len(kept), np.uint8), grid, 1)


def numbered(footprints: PixelPolygons, window: Window) -> NDArray[np.int32]:
    """Number from 1 of the footprint in which the centre of each pixel lies, 0 elsewhere.

    Args:
        footprints: of `in_pixels`.
        window: of scene pixels.

    Returns:
        ``(height, width)`` int32; where footprints overlap, the last wins.
    """
    near, shape = footprints.near(window), (window.height, window.width)
    if not near.size:
        return np.zeros(shape, np.int32)
    origin = Affine.translation(window.col, window.row)
    pairs = zip(footprints.shapes[near], (near + 1).tolist(), strict=True)
    return np.asarray(features.rasterize(pairs, shape, transform=origin, dtype="int32"))


def cores(footprints: PixelPolygons, window: Window, labels: LabelArray, buildings: list[int]) -> LabelArray:
    """The insides of buildings of a window.

    Args:
        footprints: of `in_pixels`.
        window: of scene pixels.
        labels: ``(height, width)`` of the window.
        buildings: pixel values of the classes of buildings.

    Returns:
        ``(height, width)`` uint8: 1 where the four neighbours of a pixel are of its own footprint and it is
        labelled a building, `IGNORE` where the labels are, 0 elsewhere.
    """
    around = numbered(footprints, Window(window.row - 1, window.col - 1, window.height + 2, window.width + 2))
    own = around[1:-1, 1:-1]
    inside = own > 0
    for beside in (around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:]):
        inside &= beside == own
    inside &= np.isin(labels, buildings)
    return np.where(labels == IGNORE, IGNORE, inside).astype(np.uint8)
