"""A piece of ground and the Sentinel-2 products of it, by formula, so that any window of them is known.

The ground has a reflectance at every 10 m (20 m for the bands that have no more) in UTM
zone 32; a product adds clouds, a footprint, and the digital numbers of its baseline.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Transformer

EPSG = 32632
LEFT, TOP = 500_000, 5_400_000
CLOUD_CELL_M = 320
TWENTY_METRES = ("B05", "B06", "B07", "B8A", "B11", "B12")


@dataclass(frozen=True)
class Product:
    """A granule; `bounds` are left, bottom, right, top in UTM metres."""

    moment: datetime
    cloud: float
    baseline: str = "05.09"
    granule: str = "32UNU"
    bounds: tuple[float, float, float, float] = (LEFT - 640, TOP - 4480, LEFT + 4480, TOP + 640)

    @property
    def id(self) -> str:
        when = f"{self.moment:%Y%m%dT%H%M%S}"
        return f"S2A_MSIL2A_{when}_N{self.baseline.replace('.', '')}_R108_T{self.granule}_{when}"

    @property
    def offset(self) -> int:
        """What its digital numbers are higher by."""
        return 1000 if self.baseline >= "04.00" else 0

    @property
    def footprint(self) -> shapely.Polygon:
        """Its outline in degrees."""
        to_degrees = Transformer.from_crs(EPSG, 4326, always_xy=True).transform
        outline = shapely.segmentize(shapely.box(*self.bounds), 2000)
        return shapely.transform(outline, lambda xy: np.column_stack(to_degrees(xy[:, 0], xy[:, 1])))

    def codes(self, x: NDArray, y: NDArray) -> NDArray[np.uint8]:
        """SCL at places (broadcast together), 0 outside the footprint."""
        cell = _hash(x // CLOUD_CELL_M, y // CLOUD_CELL_M, self.moment.toordinal())
        codes = np.where(cell % 1000 < self.cloud * 1000, 9, 4 + _hash(x // 20, y // 20, 1) % 3)
        return np.where(self._holds(x, y), codes, 0).astype(np.uint8)

    def reflectance(self, band: str, x: NDArray, y: NDArray) -> NDArray[np.int64]:
        """Reflectance × 10000 at places; clouds are bright, and some dark ground is below 0."""
        return np.where(self.codes(x, y) == 9, 8000, ground(band, x, y))

    def numbers(self, band: str, x: NDArray, y: NDArray) -> NDArray[np.uint16]:
        """Digital numbers as the baseline encodes them, 0 outside the footprint."""
        encoded = np.maximum(self.reflectance(band, x, y) + self.offset, 1)
        return np.where(self._holds(x, y), encoded, 0).astype(np.uint16)

    def _holds(self, x: NDArray, y: NDArray) -> NDArray[np.bool_]:
        left, bottom, right, top = self.bounds
        return (x >= left) & (x < right) & (y >= bottom) & (y < top)


def ground(band: str, x: NDArray, y: NDArray) -> NDArray[np.int64]:
    """Reflectance × 10000 of the ground."""
    size = 20 if band in TWENTY_METRES else 10
    i, j, salt = x // size, y // size, sum(band.encode())
    field = 200 + _hash(i // 32, j // 32, salt) % 3000 + _hash(i, j, salt) % 200
    return np.where(_hash(i // 4, j // 4, 3) % 40 == 0, -30, field)


def centres(bounds: tuple[float, float, float, float], width: int, height: int) -> tuple[NDArray, NDArray]:
    """Pixel centres of a window: ``(1, width)`` x and ``(height, 1)`` y."""
    left, bottom, right, top = bounds
    x = left + (np.arange(width) + 0.5) * (right - left) / width
    y = top - (np.arange(height) + 0.5) * (top - bottom) / height
    return x[np.newaxis].astype(np.int64), y[:, np.newaxis].astype(np.int64)


def day(month: int, number: int, second: int = 0, year: int = 2023) -> datetime:
    """Half past ten."""
    return datetime(year, month, number, 10, 30, second, tzinfo=UTC)


def _hash(i: NDArray, j: NDArray, salt: int) -> NDArray[np.int64]:
    mixed = (i.astype(np.int64) * 73856093) ^ (j.astype(np.int64) * 19349663) ^ (salt * 83492791)
    return (mixed ^ (mixed >> 13)) & 0xFFFF
