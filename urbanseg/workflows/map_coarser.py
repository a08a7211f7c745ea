"""A map in larger pixels, read by window: the most frequent class of each square, and means of the shares."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from urbanseg.classes import IGNORE, ClassTable
from urbanseg.grid import Grid, Window
from urbanseg.mapping.vector_map import ReadBand


class ClassMap(Protocol):
    """A map that is read by window."""

    @property
    def grid(self) -> Grid:
        """Where its pixels lie."""

    @property
    def table(self) -> ClassTable:
        """Its classes."""

    def classes(self, window: Window) -> NDArray[np.uint8]:
        """Class ids, ``(height, width)`` uint8, `IGNORE` where unknown."""

    def confidence(self, window: Window) -> NDArray[np.uint8]:
        """Confidences, 0–254 for 0–1, `IGNORE` where unknown."""

    @property
    def road_probability(self) -> ReadBand | None:
        """Probabilities of road, in the same way; None where roads are no class."""


@dataclass(frozen=True)
class Coarser:
    """A map whose pixels are squares of `factor` × `factor` of another's; a rest at the edge is cut off."""

    fine: ClassMap
    factor: int

    @property
    def grid(self) -> Grid:
        """Where its pixels lie."""
        grid, factor = self.fine.grid, self.factor
        return Grid(
            grid.crs, grid.transform @ Affine.scale(factor), grid.height // factor, grid.width // factor
        )

    def classes(self, window: Window) -> NDArray[np.uint8]:
        """The most frequent class of each square, the first of equals; `IGNORE` where most is unknown."""
        pixels = self._squares(self.fine.classes(self._below(window)))
        values = [*self.fine.table.ids, IGNORE]
        votes = np.stack([(pixels == value).sum(axis=(1, 3), dtype=np.uint32) for value in values])
        return np.asarray(np.array(values, np.uint8)[votes.argmax(axis=0)])

    def confidence(self, window: Window) -> NDArray[np.uint8]:
        """The mean confidence of each square where it is known, `IGNORE` where it is nowhere."""
        return self._mean(self.fine.confidence(self._below(window)))

    @property
    def road_probability(self) -> ReadBand | None:
        """The mean probability of road of each square, in the same way; None where there is none."""
        read = self.fine.road_probability
        return None if read is None else lambda window: self._mean(read(self._below(window)))

    def _mean(self, values: NDArray[np.uint8]) -> NDArray[np.uint8]:
        pixels = self._squares(values)
        known = pixels != IGNORE
        count = known.sum(axis=(1, 3), dtype=np.uint32)
        total = np.where(known, pixels, 0).sum(axis=(1, 3), dtype=np.uint32)
        return np.where(count > 0, total // np.maximum(count, 1), IGNORE).astype(np.uint8)

    def _below(self, window: Window) -> Window:
        return Window(*(edge * self.factor for edge in window))

    def _squares(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The pixels as ``(height, factor, width, factor)``."""
        height, width = (side // self.factor for side in pixels.shape)
        return pixels.reshape(height, self.factor, width, self.factor)
