"""Where a scene lies on the map of the browser, whose tiles are those of Web Mercator.

A scene that does not say where on Earth it lies is laid around 0° east, 0° north, in metres of Web Mercator,
so that the browser can show it like any other.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import shapely
from affine import Affine
from pyproj import CRS, Transformer
from rasterio.io import DatasetReader

from urbanseg.grid import Grid, Window
from urbanseg.io import georeference

MERCATOR, DEGREES = CRS.from_epsg(3857), CRS.from_epsg(4326)

HALF = math.pi * 6_378_137
"""Half the side of the world in Web Mercator, in metres."""

TILE_PX = 256

Bounds = tuple[float, float, float, float]
"""Left, bottom, right and top."""


@dataclass(frozen=True)
class Frame:
    """Where a scene lies.

    Attributes:
        grid: its pixels; of a scene that is nowhere, in Web Mercator around 0°, 0°.
        is_placed: whether it says where it lies.
    """

    grid: Grid
    is_placed: bool

    @cached_property
    def to_degrees(self) -> Transformer:
        """From the scene's coordinates to longitude and latitude."""
        return Transformer.from_crs(self.grid.crs, DEGREES, always_xy=True)

    @cached_property
    def from_degrees(self) -> Transformer:
        """From longitude and latitude to the scene's coordinates."""
        return Transformer.from_crs(DEGREES, self.grid.crs, always_xy=True)

    @cached_property
    def to_mercator(self) -> Transformer:
        """From the scene's coordinates to those of the tiles."""
        return Transformer.from_crs(self.grid.crs, MERCATOR, always_xy=True)

    @cached_property
    def mercator(self) -> Bounds:
        """Bounds in Web Mercator."""
        return self.to_mercator.transform_bounds(*self.grid.bounds, densify_pts=21)

    @cached_property
    def degrees(self) -> Bounds:
        """Bounds in degrees: west, south, east, north."""
        return self.to_degrees.transform_bounds(*self.grid.bounds, densify_pts=21)

    @property
    def pixel_m(self) -> float:
        """Side of a pixel in metres on the ground."""
        if not self.is_placed:
            return self.grid.resolution
        height_m, width_m = self.grid.pixel_m
        return float((height_m * width_m) ** 0.5)

    @cached_property
    def zooms(self) -> tuple[int, int]:
        """Zoom at which the scene is a tile, and the one at which a pixel is two on the screen."""
        left, bottom, right, top = self.mercator
        side = max(right - left, top - bottom)
        pixel = side / max(self.grid.shape)
        closest = math.ceil(math.log2(2 * HALF / TILE_PX / pixel)) + 1
        return max(0, math.floor(math.log2(2 * HALF / side)) - 1), min(24, closest)

    def pixel_at(self, longitude: float, latitude: float) -> tuple[int, int] | None:
        """Row and column of a place; None outside."""
        x, y = self.from_degrees.transform(longitude, latitude)
        if not (math.isfinite(x) and math.isfinite(y)):
            return None
        col, row = ~self.grid.transform @ (x, y)
        inside = 0 <= row < self.grid.height and 0 <= col < self.grid.width
        return (math.floor(row), math.floor(col)) if inside else None

    def window_of(self, bounds: Bounds, crs: CRS = DEGREES) -> Window | None:
        """The pixels within bounds; None if there are none."""
        box = Transformer.from_crs(crs, self.grid.crs, always_xy=True).transform_bounds(
            *bounds, densify_pts=21
        )
        if not all(map(math.isfinite, box)):
            return None
        return window_within(self.grid, box)

    def shape_in_degrees(self, shape: Any) -> Any:
        """A geometry of the scene's coordinates in longitude and latitude."""
        return shapely.transform(shape, _along(self.to_degrees))

    def shape_from_degrees(self, shape: Any) -> Any:
        """A geometry of longitude and latitude in the scene's coordinates."""
        return shapely.transform(shape, _along(self.from_degrees))

    def block_in_degrees(self, window: Window) -> list[list[float]]:
        """The outline of a window of pixels as a closed ring of longitude and latitude."""
        top, left, bottom, right = (
            window.row,
            window.col,
            window.row + window.height,
            window.col + window.width,
        )
        corners = [(left, top), (left, bottom), (right, bottom), (right, top), (left, top)]
        places = np.array([self.grid.transform @ corner for corner in corners])
        east, north = self.to_degrees.transform(places[:, 0], places[:, 1])
        return [[round(float(x), 7), round(float(y), 7)] for x, y in zip(east, north, strict=True)]


def frame_of(dataset: DatasetReader, pixel_m: float | None = None) -> Frame:
    """The frame of an open raster.

    Args:
        dataset: the raster.
        pixel_m: side of a pixel in metres, of one that does not say where it lies; 1 if unknown.
    """
    if georeference.is_placed(dataset) and not dataset.transform.is_identity:
        crs = CRS.from_wkt(dataset.crs.to_wkt())
        return Frame(Grid(crs, dataset.transform, dataset.height, dataset.width), True)
    side = pixel_m or 1.0
    left, top = -side * dataset.width / 2, side * dataset.height / 2
    return Frame(Grid(MERCATOR, Affine(side, 0, left, 0, -side, top), dataset.height, dataset.width), False)


def window_within(grid: Grid, box: Bounds) -> Window | None:
    """The pixels of a grid that bounds in its CRS touch; None if there are none."""
    left, bottom, right, top = box
    corners = [
        ~grid.transform @ corner for corner in ((left, top), (right, bottom), (left, bottom), (right, top))
    ]
    cols, rows = [c for c, _ in corners], [r for _, r in corners]
    row, col = max(0, math.floor(min(rows))), max(0, math.floor(min(cols)))
    height = min(grid.height, math.ceil(max(rows))) - row
    width = min(grid.width, math.ceil(max(cols))) - col
    return Window(row, col, height, width) if height > 0 and width > 0 else None


def tile_bounds(zoom: int, column: int, row: int) -> Bounds:
    """Bounds of a tile in Web Mercator; rows count from the north.

    Args:
        zoom: 0 is one tile for the whole world.
        column: 0 is the westernmost.
        row: 0 is the northernmost.

    Returns:
        Left, bottom, right and top in metres.
    """
    side = 2 * HALF / (1 << zoom)
    left, top = column * side - HALF, HALF - row * side
    return left, top - side, left + side, top


def overlap(one: Bounds, other: Bounds) -> bool:
    """Whether two bounds share an area."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _along(transformer: Transformer) -> Any:
    """The function of shapely's coordinates that a transformer is."""

    def move(places: Any) -> Any:
        x, y = transformer.transform(places[:, 0], places[:, 1])
        return np.column_stack([x, y])

    return move


def parse_bounds(text: str) -> Bounds:
    """Four numbers with commas between.

    Raises:
        ValueError: if they are not.
    """
    numbers: Sequence[float] = [float(part) for part in text.split(",")]
    if len(numbers) != 4 or not all(map(math.isfinite, numbers)):
        raise ValueError("bounds are four numbers: west,south,east,north")
    west, south, east, north = numbers
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise ValueError("bounds are degrees, west below east and south below north")
    return west, south, east, north
