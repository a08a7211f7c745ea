"""What the rasters of a scene say of a shape: its pixels, the class that the map has there, the split."""

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.features import geometry_mask, shapes
from rasterio.io import DatasetReader
from scipy import ndimage
from skimage.segmentation import slic

from urbanseg.classes import IGNORE
from urbanseg.grid import SPLITS, Grid, Window
from urbanseg.io.raster import rasterio_window
from urbanseg.metrics.area import HECTARE_M2
from urbanseg.review.frames import Frame, window_within
from urbanseg.review.readers import read_decimated
from urbanseg.review.refusals import RefusedError

MOST_PIXELS = 1 << 22
"""Of a shape that are looked at one by one; of a larger one, every n-th is."""

FIRST_SIDE, LAST_SIDE = 256, 2048
"""Sides of the square, in pixels, in which a region is sought, until all of it lies within."""

SUPERPIXEL_PX, SUPERPIXEL_WINDOW = 12, 192
"""Side of a superpixel about, and of the square that is cut into them."""


def seen(dataset: DatasetReader, grid: Grid, shape: Any) -> NDArray[np.uint8]:
    """Values of the first band of a raster within a shape of its CRS, ``(pixels,)``.

    Args:
        dataset: an open raster of uint8.
        grid: where its pixels lie.
        shape: in the CRS of the grid.
    """
    window = window_within(grid, shape.bounds)
    if window is None:
        return np.zeros(0, np.uint8)
    values, _ = read_decimated(dataset, window, MOST_PIXELS, [1])
    part = grid.window(window)
    height, width = values.shape[1:]
    scale = part.transform.scale(window.width / width, window.height / height)
    inside = geometry_mask([shape], (height, width), part.transform @ scale, all_touched=False, invert=True)
    if not inside.any():  # narrower than a pixel
        inside = geometry_mask(
            [shape], (height, width), part.transform @ scale, all_touched=True, invert=True
        )
    return np.asarray(values[0][inside])


def most_frequent(values: NDArray[np.uint8]) -> int | None:
    """The class that most pixels have; None if none has one."""
    counts = np.bincount(values[values != IGNORE], minlength=1)
    return int(counts.argmax()) if counts.any() else None


def split_name(values: NDArray[np.uint8]) -> str:
    """The split of pixels; ``mixed`` of several, ``none`` of none."""
    found = np.unique(values[values < len(SPLITS)])
    if not found.size:
        return "none"
    return SPLITS[int(found[0])] if found.size == 1 else "mixed"


def hectares(frame: Frame, shape: Any) -> float:
    """Area of a shape of the scene's CRS on the ground."""
    height_m, width_m = frame.grid.pixel_m
    a, b, _, d, e, _ = frame.grid.transform[:6]
    return float(shape.area * height_m * width_m / abs(a * e - b * d) / HECTARE_M2)


def region(dataset: DatasetReader, grid: Grid, row: int, col: int) -> tuple[Any, int]:
    """The pixels of one class around a pixel, with its polygon in the scene's CRS; they touch by their sides.

    Args:
        dataset: an open raster of classes.
        grid: where its pixels lie.
        row: of the pixel, within the grid.
        col: likewise.

    Returns:
        A MultiPolygon, and the value of its pixels.

    Raises:
        RefusedError: if the class is unknown there, or the region is too large.
    """
    side = FIRST_SIDE
    while True:
        window, _ = Window(row, col, 1, 1).grown(side // 2, grid.shape)
        values = dataset.read(1, window=rasterio_window(window))
        at = row - window.row, col - window.col
        value = int(values[at])
        if value == IGNORE:
            raise RefusedError(422, "the map knows no class there")
        numbered, _ = ndimage.label(values == value)
        found = numbered == numbered[at]
        if not _is_cut(found, window, grid):
            return _outline(found, grid.window(window)), value
        if side >= LAST_SIDE:
            raise RefusedError(413, f"that region is wider than {LAST_SIDE // 2} pixels; draw a part of it")
        side *= 2


def superpixel(dataset: DatasetReader, grid: Grid, bands: list[int], row: int, col: int) -> Any:
    """The pixels around one that look alike, as a polygon in the scene's CRS.

    They are SLIC superpixels of Achanta et al. 2012, of squares on a fixed grid: the same place is always
    in the same one.

    Args:
        dataset: an open scene.
        grid: where its pixels lie.
        bands: numbers, from 1, by which pixels are compared.
        row: of the pixel, within the grid.
        col: likewise.
    """
    side = SUPERPIXEL_WINDOW // 2
    middle = Window(row // side * side, col // side * side, side, side)
    window, _ = middle.grown(side // 2, grid.shape)
    read = dataset.read(bands, window=rasterio_window(window)).astype(np.float32)
    low, high = (np.percentile(read, share, axis=(1, 2), keepdims=True) for share in (2, 98))
    picture = np.moveaxis(np.clip((read - low) / np.maximum(high - low, 1e-6), 0, 1), 0, -1)
    count = max(1, window.height * window.width // SUPERPIXEL_PX**2)
    numbered = slic(
        picture, n_segments=count, compactness=0.1, start_label=1, channel_axis=-1, convert2lab=False
    )
    found = numbered == numbered[row - window.row, col - window.col]
    return _outline(found, grid.window(window))


def _is_cut(found: NDArray[np.bool_], window: Window, grid: Grid) -> bool:
    """Whether a region goes on beyond a window."""
    inner = [
        (found[0], window.row > 0),
        (found[-1], window.row + window.height < grid.height),
        (found[:, 0], window.col > 0),
        (found[:, -1], window.col + window.width < grid.width),
    ]
    return any(bool(edge.any()) and goes_on for edge, goes_on in inner)


def _outline(found: NDArray[np.bool_], grid: Grid) -> Any:
    """The sides of pixels around a mask, as a MultiPolygon."""
    traced = shapes(found.astype(np.uint8), mask=found, transform=grid.transform)
    return shapely.MultiPolygon(
        [shapely.Polygon(s["coordinates"][0], s["coordinates"][1:]) for s, _ in traced]
    )
