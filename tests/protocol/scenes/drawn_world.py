"""Ground with streets, houses, woods and water by formula, whose outlines cross any edge of a cell.

A product of it holds the colours that `tests.unit.workflows.painted` gives the classes, as reflectances.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.protocol.scenes.world import Product
from tests.unit.workflows.painted import CLASSES, COLORS

BANDS = ("B04", "B03", "B02")
"""Red, green and blue."""


@dataclass(frozen=True)
class DrawnProduct(Product):
    """A product of the drawn ground; `hole` are the bounds of what it lacks."""

    hole: tuple[float, float, float, float] | None = None

    def codes(self, x: NDArray, y: NDArray) -> NDArray[np.uint8]:
        """SCL: vegetation everywhere inside the footprint, and clouds where the product has them."""
        codes = super().codes(x, y)
        return np.where((codes == 9) | (codes == 0), codes, 4).astype(np.uint8)

    def _holds(self, x: NDArray, y: NDArray) -> NDArray[np.bool_]:
        held = super()._holds(x, y)
        if self.hole is None:
            return held
        left, bottom, right, top = self.hole
        return held & ~((x >= left) & (x < right) & (y >= bottom) & (y < top))

    def reflectance(self, band: str, x: NDArray, y: NDArray) -> NDArray[np.int64]:
        """Reflectance × 10000 at places: the colours of the classes, with some noise."""
        classes = drawn(x, y)
        if band not in BANDS:
            return np.full(classes.shape, 100, np.int64)
        noise = (x // 10 * 7919 + y // 10 * 104729) % 7
        return COLORS[classes][..., BANDS.index(band)].astype(np.int64) + noise


def drawn(x: NDArray, y: NDArray) -> NDArray[np.int64]:
    """Position in `CLASSES` of the ground at places in metres (broadcast together)."""
    building, vegetation, water, road = (
        CLASSES.index(name) for name in ("building", "vegetation", "water", "road")
    )
    x, y = np.broadcast_arrays(x, y)
    classes = np.full(x.shape, vegetation)
    wave = np.sin(x / 410.0) * 120 + np.cos(y / 530.0) * 90
    classes[np.abs((x + y / 3 + wave) % 1700 - 850) < 190 + 60 * np.sin(y / 230.0)] = water
    u, v = x + 0.31 * y + 25 * np.sin(y / 300.0), y - 0.31 * x + 25 * np.cos(x / 280.0)
    plot_u, plot_v = np.floor(u / 170), np.floor(v / 140)
    odd = (plot_u * 31 + plot_v * 17) % 5
    is_house = (np.abs(u % 170 - 85) < 25 + 6 * odd) & (np.abs(v % 140 - 70) < 20 + 5 * (odd % 3))
    classes[is_house & (odd > 0) & (classes != water)] = building
    classes[(u % 680 < 34) | (v % 560 < 32)] = road
    return classes
