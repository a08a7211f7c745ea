"""The pixel grid of a scene, and the windows and blocks laid over it.

A window is a rectangle of pixels; tiles are windows that overlap; blocks are windows
that don't. Nothing here reads a file.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from affine import Affine
from pyproj import CRS, Geod, Transformer
from pyproj.exceptions import ProjError

WGS84 = Geod(ellps="WGS84")

SPLITS = ("train", "val", "test")
"""Names of the splits; the position is the pixel value of a split raster."""

BLOCK_PX = 256
"""Side of a block (TIFF's tile) of the GeoTIFFs that are written here; files are read in rows of blocks."""

FARTHEST = 1e9
"""Coordinates of places on Earth are smaller in any CRS, whatever its unit."""

METRE_TOLERANCE = 0.01
"""How far a metre of a CRS may be from one on the ground where areas and lengths are measured in it."""


class Window(NamedTuple):
    """A rectangle of pixels: offset of its upper left corner, and its size."""

    row: int
    col: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row and column slices, to index an array of the scene's shape."""
        return (
            slice(self.row, self.row + self.height),
            slice(self.col, self.col + self.width),
        )

    def grown(self, halo_px: int, shape: tuple[int, int]) -> tuple["Window", "Window"]:
        """The window with a halo, clipped to a raster of `shape`, and where the window lies in it.

        >>> Window(0, 30, 10, 10).grown(5, (100, 42))
        (Window(row=0, col=25, height=15, width=17), Window(row=0, col=5, height=10, width=10))
        """
        top, left = max(0, self.row - halo_px), max(0, self.col - halo_px)
        bottom = min(shape[0], self.row + self.height + halo_px)
        right = min(shape[1], self.col + self.width + halo_px)
        core = Window(self.row - top, self.col - left, self.height, self.width)
        return Window(top, left, bottom - top, right - left), core


@dataclass(frozen=True)
class Grid:
    """Where the pixels of a scene lie: CRS, affine transform, and shape in pixels."""

    crs: CRS
    transform: Affine
    height: int
    width: int

    @property
    def shape(self) -> tuple[int, int]:
        """``(height, width)`` in pixels."""
        return self.height, self.width

    @cached_property
    def is_metric(self) -> bool:
        """Whether units are metres on the ground, at the centre and the corners; see `is_metric_at`.

        That the unit is a metre is not enough: Web Mercator's (EPSG:3857) is half of one at 60° north.
        """
        corners = [self.transform @ (col, row) for row in (0, self.height) for col in (0, self.width)]
        return all(is_metric_at(self.crs, float(x), float(y)) for x, y in [self.centre, *corners])

    @property
    def centre(self) -> tuple[float, float]:
        """``(x, y)`` of the grid's centre in its CRS."""
        x, y = self.transform @ (self.width / 2, self.height / 2)
        return float(x), float(y)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """``(left, bottom, right, top)`` in the grid's CRS; the grid may not be rotated."""
        left, top = self.transform @ (0, 0)
        right, bottom = self.transform @ (self.width, self.height)
        return min(left, right), min(bottom, top), max(left, right), max(bottom, top)

    @property
    def resolution(self) -> float:
        """Side of a pixel in units of the CRS: the geometric mean of width and height."""
        return float(abs(self.transform.determinant) ** 0.5)

    @property
    def pixel_m(self) -> tuple[float, float]:
        """Height and width of a pixel in metres.

        In a metric CRS they are those of the grid; otherwise they are measured on the
        ellipsoid at the grid's centre, which is true to 1 % over a city.
        """
        a, b, _, d, e, _ = self.transform[:6]
        if self.is_metric:
            return float(np.hypot(b, e)), float(np.hypot(a, d))
        x, y = self.centre
        return _lengths(self.crs, ((x, y), (x + b, y + e), (x + a, y + d)))

    def same_as(self, other: "Grid") -> bool:
        """Whether both grids have the same pixels (transform within 1/1000 pixel)."""
        close = np.allclose(
            np.array(self.transform[:6]),
            np.array(other.transform[:6]),
            rtol=0,
            atol=self.resolution / 1000,
        )
        return self.shape == other.shape and self.crs == other.crs and bool(close)

    def window(self, window: Window) -> "Grid":
        """The grid of the pixels inside `window`."""
        moved = self.transform @ Affine.translation(window.col, window.row)
        return Grid(self.crs, moved, window.height, window.width)

    def finer(self, factor: int) -> "Grid":
        """The same area with each pixel cut into ``factor × factor``."""
        scaled = self.transform @ Affine.scale(1 / factor)
        return Grid(self.crs, scaled, self.height * factor, self.width * factor)

    def shrunk(self, max_side: int) -> "Grid":
        """The same area in larger pixels, so that no side has more than `max_side` of them."""
        factor = max(1.0, max(self.shape) / max_side)
        height, width = (max(1, round(side / factor)) for side in self.shape)
        scaled = self.transform @ Affine.scale(self.width / width, self.height / height)
        return Grid(self.crs, scaled, height, width)


@lru_cache(maxsize=256)
def ground_scale(crs: CRS, x: float, y: float) -> tuple[float, float]:
    """Metres on the ground, on the ellipsoid, of a unit of `crs` along its x and its y axis at a place.

    Web Mercator's metre is half a metre at 60° north, for instance.

    Args:
        crs: the CRS.
        x: coordinate of the place in `crs`, to the east.
        y: to the north.

    Returns:
        Two lengths in metres; NaN where the CRS tells no place on Earth, as local ones don't.
    """
    return _lengths(crs, ((x, y), (x + 1, y), (x, y + 1)))


def is_metric_at(crs: CRS, x: float, y: float) -> bool:
    """Whether a CRS has metres on the ground at a place, within `METRE_TOLERANCE`; see `ground_scale`."""
    return all(abs(metres - 1) <= METRE_TOLERANCE for metres in ground_scale(crs, x, y))


def _lengths(crs: CRS, points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Metres on the ellipsoid from the first of three points to the other two; NaN if unknown."""
    if not (crs.is_projected or crs.is_geographic):
        return np.nan, np.nan
    try:
        to_degrees = Transformer.from_crs(crs, 4326, always_xy=True)
        here, *others = [to_degrees.transform(*point) for point in points]
    except ProjError:
        return np.nan, np.nan
    if not np.isfinite([here, *others]).all():
        return np.nan, np.nan
    first, second = (float(WGS84.inv(*here, *other)[2]) for other in others)
    return first, second


def utm_crs(longitude: float, latitude: float) -> CRS:
    """The WGS 84 / UTM zone of a place; the exceptions around Norway are not made.

    >>> utm_crs(9.19, 48.78).to_epsg()
    32632
    """
    zone = int((longitude + 180) % 360 // 6) + 1
    return CRS.from_epsg((32600 if latitude >= 0 else 32700) + zone)


def utm_grid(longitude: float, latitude: float, width: float, height: float, resolution: float) -> Grid:
    """A grid around a place, in its UTM zone, whose edges are multiples of `resolution`.

    Args:
        longitude: of the centre, in degrees.
        latitude: of the centre, in degrees.
        width: in metres, west to east; rounded to whole pixels.
        height: in metres.
        resolution: side of a pixel in metres.

    Returns:
        A metric, north-up grid of at least one pixel.
    """
    crs = utm_crs(longitude, latitude)
    x, y = Transformer.from_crs(4326, crs, always_xy=True).transform(longitude, latitude)
    bounds = x - width / 2, y - height / 2, x + width / 2, y + height / 2
    left, bottom, right, top = (round(edge / resolution) for edge in bounds)
    transform = Affine(resolution, 0, left * resolution, 0, -resolution, top * resolution)
    return Grid(crs, transform, max(1, top - bottom), max(1, right - left))


def starts(length: int, size: int, overlap: int) -> list[int]:
    """Offsets of windows of `size` pixels that cover `length` pixels.

    Neighbours share at least `overlap` pixels; the last window is shifted back so that
    it ends at the edge, so every pixel is covered and no window sticks out (unless
    ``length < size``, where one window at 0 does).

    Args:
        length: of the axis in pixels.
        size: of a window in pixels.
        overlap: pixels that neighbours share.

    Returns:
        Ascending offsets; the first is 0.

    Raises:
        ValueError: if ``overlap`` is not in ``[0, size)``.
    """
    if not 0 <= overlap < size:
        raise ValueError(f"overlap must be at least 0 and below the size {size}, got {overlap}")
    if length <= size:
        return [0]
    stride = size - overlap
    return [*range(0, length - size, stride), length - size]


def windows(shape: tuple[int, int], size: int, overlap: int) -> Iterator[Window]:
    """Square windows of `size` pixels that cover `shape`, row by row; see `starts`.

    Args:
        shape: ``(height, width)`` of the raster.
        size: side of a window in pixels.
        overlap: pixels that neighbours share.

    Returns:
        An iterator over the windows.
    """
    for row in starts(shape[0], size, overlap):
        for col in starts(shape[1], size, overlap):
            yield Window(row, col, size, size)


def block_edges(length: int, size: int) -> list[int]:
    """Edges of blocks of at least `size` pixels along an axis; the last takes the rest."""
    count = max(1, length // size)
    return [*range(0, count * size, size), length]


def blocks(shape: tuple[int, int], size: int) -> list[Window]:
    """Blocks of at least ``size × size`` pixels that partition `shape`, row by row."""
    rows, cols = block_edges(shape[0], size), block_edges(shape[1], size)
    return [
        Window(top, left, bottom - top, right - left)
        for top, bottom in pairwise(rows)
        for left, right in pairwise(cols)
    ]


def strips(shape: tuple[int, int], height: int) -> Iterator[Window]:
    """Full-width windows of at most `height` rows that partition `shape`, top to bottom."""
    for row in range(0, shape[0], height):
        yield Window(row, 0, min(height, shape[0] - row), shape[1])


def quotas(count: int, shares: Sequence[float]) -> list[int]:
    """How many of `count` blocks each split gets: largest remainder, but never none.

    A split with a share above 0 gets at least one block as long as there are enough.

    >>> quotas(20, (0.6, 0.15, 0.25))
    [12, 3, 5]
    """
    exact = np.asarray(shares, dtype=float) / sum(shares) * count
    given = np.floor(exact).astype(int)
    for i in np.argsort(given - exact, kind="stable")[: count - given.sum()]:
        given[i] += 1
    for i in np.flatnonzero((given == 0) & (exact > 0)):
        if given.max() > 1:
            given[int(given.argmax())] -= 1
            given[i] += 1
    return [int(g) for g in given]
