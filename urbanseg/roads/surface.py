"""What it costs to lead a road across pixels, and how sure the road under a line is.

Both come from the probability of road, also where another class won. Of a prediction that keeps the
confidence of the winning class alone, it is what that confidence says at most. Pixels are read by window.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray

from urbanseg.grid import BLOCK_PX as STRIP_PX
from urbanseg.grid import Window, strips
from urbanseg.roads.thinning import ReadMask

BLOCK_PX = 512
"""Side of the blocks by which pixels are read."""

CERTAIN = 254
"""Probability of a sure pixel; larger values are unknown."""

ON_ROAD = 0.1
"""Cost of a metre on road pixels that are no part of the network yet."""

LIKELY = 0.2
"""Probability of road at which a metre off the road costs 1."""

LOWEST, HIGHEST = 0.25, 4.0
"""Bounds of the cost of a metre off the road; inverse to the probability between them."""

TRACED = 0.3
"""Pixels of at least this probability of road are traced, whichever class won."""

SURE_SHARE = 1 / 3
"""Share of the road pixels that are sure: the probability of one model says less than that of another."""

DOUBTFUL = 0.55
"""Pixels with this part of a sure one's probability count nothing, those between in part."""

NEAR_PX = 3
"""Places that are read together lie no further apart, in pixels."""

Pixels = NDArray[np.int64]
Floats = NDArray[np.float64]

ReadShare = Callable[[Window], NDArray[np.uint8]]
"""Pixels of a window of a band of shares, ``(height, width)`` uint8, 0–254 for 0–1, 255 where unknown."""


@dataclass(frozen=True)
class Surface:
    """Predicted road pixels and the probability of road.

    Attributes:
        is_road: a window of the mask, ``(height, width)`` bool.
        probability: a window of the probability of road, ``(height, width)`` uint8, 0–254 for 0–1, 255 where
            unknown.
        shape: ``(height, width)`` of both.
        transform: from ``(column, row)`` to CRS coordinates.
        sure: probability from which a road pixel counts in full.
    """

    is_road: ReadMask
    probability: ReadShare
    shape: tuple[int, int]
    transform: Affine
    sure: int

    @classmethod
    def of(
        cls,
        is_road: ReadMask,
        probability: ReadShare,
        shape: tuple[int, int],
        transform: Affine,
    ) -> "Surface":
        """The surface of a raster, which is read once by strips to learn how sure its roads are.

        Args:
            is_road: see the attributes.
            probability: same.
            shape: same.
            transform: same.
        """
        counts = np.zeros(256, np.int64)
        for strip in strips(shape, STRIP_PX):
            counts += np.bincount(probability(strip)[is_road(strip)], minlength=256)
        below = np.cumsum(counts[: CERTAIN + 1])
        sure = int(np.searchsorted(below, (1 - SURE_SHARE) * below[-1]))
        return cls(is_road, probability, shape, transform, max(1, sure))

    @property
    def pixel(self) -> tuple[float, float]:
        """Height and width of a pixel in units of the CRS."""
        a, b, _, d, e, _ = self.transform[:6]
        return float(np.hypot(b, e)), float(np.hypot(a, d))

    @property
    def resolution(self) -> float:
        """Side of a pixel in units of the CRS."""
        height, width = self.pixel
        return float((height * width) ** 0.5)

    def costs(self, window: Window) -> Floats:
        """Cost of a unit of length in each pixel, the same whatever the window: ``(height, width)``."""
        probability = self.probability(window)
        off = np.clip(LIKELY * CERTAIN / np.maximum(probability, 1), LOWEST, HIGHEST)
        off[probability > CERTAIN] = 1.0
        return np.asarray(np.where(self.is_road(window), ON_ROAD, off))

    def pixels_of(self, points: Floats) -> Pixels:
        """`pixels_of` for this raster."""
        return pixels_of(points, self.transform, self.shape)

    def likeliness(self, points: Floats) -> Floats:
        """Probability of road between the centres of pixels, bilinear; 0 off the road: ``(n, k)``, 0–254.

        Args:
            points: ``(n, k, 2)`` x and y in the CRS; those of a row lie within `NEAR_PX` of its middle one.
        """
        cols, rows = ~self.transform @ points.reshape(-1, 2).T
        place = np.stack([rows, cols]).reshape(2, *points.shape[:2]) - 0.5
        corner = np.floor(place).astype(np.int64)
        share = place - corner
        chance = np.zeros(points.shape[:2])
        for members, window in by_block(self.pixels_of(points[:, points.shape[1] // 2])):
            grown, _ = window.grown(NEAR_PX + 1, self.shape)
            probability = self.probability(grown)
            road = np.pad(np.where(self.is_road(grown) & (probability <= CERTAIN), probability, 0), 1)
            limit = np.array(road.shape)[:, np.newaxis, np.newaxis] - 2
            origin = np.array(grown[:2])[:, np.newaxis, np.newaxis]
            row, col = np.clip(corner[:, members] - origin + 1, 0, limit)
            down, right = share[:, members]
            above, below = (road[row + i, col] * (1 - right) + road[row + i, col + 1] * right for i in (0, 1))
            chance[members] = above * (1 - down) + below * down
        return chance

    def sure_lengths(self, lines: NDArray[np.object_]) -> Floats:
        """Length of each line on road pixels, each part weighted by how sure it is: ``(n,)``.

        Args:
            lines: ``(n,)`` LineStrings in the CRS.
        """
        owner, places = points_along(lines, self.resolution)
        cells = self.pixels_of(places)
        weight = np.zeros(len(cells))
        for members, window in by_block(cells):
            rows, cols = (cells[members] - np.array(window[:2])).T
            probability = self.probability(window)[rows, cols]
            share = (probability / self.sure - DOUBTFUL) / (1 - DOUBTFUL)
            weight[members] = np.where(self.is_road(window)[rows, cols], np.clip(share, 0, 1), 0)
        count = np.maximum(np.bincount(owner, minlength=len(lines)), 1)
        return np.asarray(shapely.length(lines) * np.bincount(owner, weight, len(lines)) / count)


def with_weak_roads(is_road: ReadMask, probability: ReadShare) -> ReadMask:
    """The mask, and the pixels that are likely enough a road to be traced though another class won.

    Args:
        is_road: a window of the mask, ``(height, width)`` bool.
        probability: of road, of the same pixels.
    """

    def read(window: Window) -> NDArray[np.bool_]:
        values = probability(window)
        return np.asarray(is_road(window) | ((values >= TRACED * CERTAIN) & (values <= CERTAIN)))

    return read


def probability_of(is_road: ReadMask, confidence: ReadShare) -> ReadShare:
    """The probability of road, as far as the confidence of the winning class tells it.

    Where another class won, it is at most what that leaves.

    Args:
        is_road: a window of the mask, ``(height, width)`` bool.
        confidence: of the same pixels.
    """

    def read(window: Window) -> NDArray[np.uint8]:
        values = confidence(window)
        other = ~is_road(window) & (values <= CERTAIN)
        return np.asarray(np.where(other, CERTAIN - values, values).astype(np.uint8))

    return read


def pixels_of(points: Floats, transform: Affine, shape: tuple[int, int]) -> Pixels:
    """Row and column of the pixel that each point lies in, ``(n, 2)``; the nearest for those outside.

    Args:
        points: ``(n, 2)`` x and y in the CRS.
        transform: from ``(column, row)`` to CRS coordinates.
        shape: ``(height, width)`` of the raster.
    """
    cols, rows = ~transform @ points.T
    return np.clip(np.floor([rows, cols]).T.astype(np.int64), 0, np.array(shape) - 1)


def points_along(lines: NDArray[np.object_], step: float) -> tuple[Pixels, Floats]:
    """Points at equal distances of at most `step` along lines, and the line that each lies on."""
    length = shapely.length(lines)
    count = np.maximum(1, np.ceil(length / step)).astype(np.int64)
    owner = np.repeat(np.arange(len(lines)), count)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count) + 0.5
    points = shapely.line_interpolate_point(lines[owner], place * (length / count)[owner])
    return owner, shapely.get_coordinates(points).reshape(-1, 2)


def by_block(cells: Pixels) -> Iterator[tuple[Pixels, Window]]:
    """Pixels by blocks of `BLOCK_PX`: which they are, and the smallest window that holds them.

    Args:
        cells: ``(n, 2)`` row and column.
    """
    blocks = cells // BLOCK_PX
    order = np.lexsort((blocks[:, 1], blocks[:, 0]))
    changes = np.flatnonzero((np.diff(blocks[order], axis=0) != 0).any(axis=1)) + 1
    for members in np.split(order, changes) if len(order) else ():
        (top, left), (bottom, right) = cells[members].min(axis=0), cells[members].max(axis=0) + 1
        yield members, Window(int(top), int(left), int(bottom - top), int(right - left))
