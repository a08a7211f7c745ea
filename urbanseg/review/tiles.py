"""Tiles of rasters as PNG, read from the overviews of cloud-optimised GeoTIFFs by rio-tiler."""

import io
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rasterio.enums import Resampling
from rasterio.io import DatasetReader
from rasterio.warp import reproject
from rio_tiler.reader import part

from urbanseg.classes import CONFIDENCE_SCALE, IGNORE, ClassTable
from urbanseg.display.stretch import Stretch, stretch_of
from urbanseg.grid import Grid
from urbanseg.io.raster import rasterio_window
from urbanseg.report.pictures import ERROR_COLORS, SPLIT_COLORS
from urbanseg.review.frames import MERCATOR, TILE_PX, Bounds, Frame, window_within

Rgba = tuple[int, int, int, int]

SHARE_RAMP = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
"""Colours of shares from 0 to 1: viridis, which is even for the colour-blind, too."""

STRETCH_SIDE = 1024
"""Pixels of the longer side of what percentiles are taken of."""


def read_tile(
    dataset: DatasetReader, frame: Frame, bounds: Bounds, bands: Sequence[int], resampling: str = "nearest"
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Pixels of a tile.

    Args:
        dataset: an open raster on the frame's grid.
        frame: where it lies.
        bounds: of the tile in Web Mercator.
        bands: numbers, from 1.
        resampling: ``nearest`` or ``bilinear``.

    Returns:
        ``(bands, 256, 256)`` and which pixels hold data, ``(256, 256)``.
    """
    if not frame.is_placed:
        return _read_unplaced(dataset, frame.grid, bounds, bands, resampling)
    image = part(
        dataset, bounds, height=TILE_PX, width=TILE_PX, dst_crs=MERCATOR.to_wkt(), indexes=list(bands),
        resampling_method=resampling, reproject_method=resampling,  # type: ignore[arg-type]
    )  # fmt: skip
    return image.array.data, _held(image.array)


def _held(read: Any) -> NDArray[np.bool_]:
    """Which pixels of a masked array ``(bands, height, width)`` hold data in any band."""
    return np.asarray(~np.ma.getmaskarray(read).all(axis=0))


def _read_unplaced(
    dataset: DatasetReader, grid: Grid, bounds: Bounds, bands: Sequence[int], resampling: str
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """As `read_tile`, of a raster that is laid into Web Mercator, whose pixels need no warping."""
    values = np.zeros((len(bands), TILE_PX, TILE_PX), dataset.dtypes[0])
    valid = np.zeros((TILE_PX, TILE_PX), bool)
    inside = window_within(grid, bounds)
    if inside is None:
        return values, valid
    left, bottom, right, top = grid.window(inside).bounds
    side = (bounds[2] - bounds[0]) / TILE_PX
    edges = [
        (left - bounds[0]) / side,
        (bounds[3] - top) / side,
        (right - bounds[0]) / side,
        (bounds[3] - bottom) / side,
    ]
    # The pixels that the tile cuts reach over its edge: read with them, then cut.
    col, row = round(edges[0]), round(edges[1])
    width, height = max(1, round(edges[2]) - col), max(1, round(edges[3]) - row)
    read = dataset.read(
        list(bands), window=rasterio_window(inside), out_shape=(len(bands), height, width), masked=True,
        resampling=Resampling[resampling],
    )  # fmt: skip
    rows, cols = slice(max(0, row), min(TILE_PX, row + height)), slice(max(0, col), min(TILE_PX, col + width))
    cut = read[:, rows.start - row : rows.stop - row, cols.start - col : cols.stop - col]
    values[:, rows, cols] = cut.data
    valid[rows, cols] = _held(cut)
    return values, valid


def onto_tile(values: NDArray[np.uint8], grid: Grid, bounds: Bounds) -> NDArray[np.uint8]:
    """Classes of a part of a scene on the pixels of a tile; `IGNORE` outside.

    Args:
        values: ``(height, width)`` uint8 on `grid`.
        grid: in any CRS.
        bounds: of the tile in Web Mercator.
    """
    left, _, right, top = bounds
    side = (right - left) / TILE_PX
    target = np.full((TILE_PX, TILE_PX), IGNORE, np.uint8)
    reproject(
        values, target, src_transform=grid.transform, src_crs=grid.crs.to_wkt(), src_nodata=IGNORE,
        dst_transform=(side, 0, left, 0, -side, top), dst_crs=MERCATOR.to_wkt(), dst_nodata=IGNORE,
        resampling=Resampling.nearest, num_threads=1,
    )  # fmt: skip
    return target


def stretch_for(dataset: DatasetReader, bands: Sequence[int], wanted: str) -> Stretch:
    """The range of values that is shown.

    Args:
        dataset: an open scene.
        bands: that are shown.
        wanted: ``2-98`` or other percentiles, or ``min-max``.

    Raises:
        ValueError: if it is neither.
    """
    factor = max(1.0, max(dataset.shape) / STRETCH_SIDE)
    shape = (len(bands), *(max(1, round(side / factor)) for side in dataset.shape))
    read = dataset.read(list(bands), out_shape=shape, masked=True)
    values, valid = read.data, _held(read)
    if wanted == "2-98":
        return stretch_of(values, valid)
    if wanted == "min-max":
        low, high = 0.0, 100.0
    else:
        low, high = (float(part) for part in wanted.split("-"))
        if not 0 <= low < high <= 100:
            raise ValueError("percentiles are from 0 to 100")
    shown = values.astype(np.float32)[:, valid & np.isfinite(values.astype(np.float32)).all(axis=0)]
    if not shown.size:
        return Stretch((0.0,) * len(bands), 1.0, 1.0)
    black, white = np.percentile(shown, (low, high), axis=1)
    return Stretch(tuple(black.tolist()), max(float((white - black).max()), 1e-6), 1.0)


def class_palette(table: ClassTable, colors: Mapping[str, str], hidden: Collection[str]) -> NDArray[np.uint8]:
    """``(256, 4)`` RGBA of each pixel value of a class raster.

    Args:
        table: the classes.
        colors: ``rrggbb`` in place of a class's own colour, by name.
        hidden: names of classes that are not shown.
    """
    palette = np.zeros((256, 4), np.uint8)
    for each in table:
        if each.name not in hidden:
            rgb = bytes.fromhex(colors[each.name]) if each.name in colors else bytes(each.rgb)
            palette[each.id] = (*rgb, 255)
    return palette


def share_palette() -> NDArray[np.uint8]:
    """``(256, 4)`` RGBA of each value of a raster of shares; nodata is transparent."""
    palette = np.zeros((256, 4), np.uint8)
    places = np.linspace(0, CONFIDENCE_SCALE, len(SHARE_RAMP))
    for channel in range(3):
        ramp = [color[channel] for color in SHARE_RAMP]
        palette[: CONFIDENCE_SCALE + 1, channel] = np.interp(np.arange(CONFIDENCE_SCALE + 1), places, ramp)
    palette[: CONFIDENCE_SCALE + 1, 3] = 255
    return palette


def _few(colors: Sequence[Rgba]) -> NDArray[np.uint8]:
    palette = np.zeros((256, 4), np.uint8)
    palette[: len(colors)] = colors
    return palette


SHARES = share_palette()
SPLITS = _few(SPLIT_COLORS[:3])
ERRORS = _few(ERROR_COLORS[:2])


def paletted_png(values: NDArray[np.uint8], palette: NDArray[np.uint8]) -> bytes | None:
    """A PNG of one byte a pixel; None where all of it is transparent.

    Args:
        values: ``(height, width)`` uint8.
        palette: ``(256, 4)`` RGBA.
    """
    if not palette[:, 3][values].any():
        return None
    image = Image.fromarray(values, "P")
    image.putpalette(palette[:, :3].tobytes(), "RGB")
    return _png(image, transparency=palette[:, 3].tobytes())


def picture_png(picture: NDArray[np.uint8], valid: NDArray[np.bool_]) -> bytes | None:
    """A PNG of a picture ``(height, width, 3)``, transparent where not `valid`; None where all of it is."""
    if not valid.any():
        return None
    if valid.all():
        return _png(Image.fromarray(picture, "RGB"))
    return _png(Image.fromarray(np.dstack([picture, valid.astype(np.uint8) * 255]), "RGBA"))


def _png(image: Image.Image, **options: Any) -> bytes:
    made = io.BytesIO()
    image.save(made, "PNG", compress_level=1, **options)
    return made.getvalue()
