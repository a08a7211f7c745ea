"""Masks of a local scene: its cloudy or valid pixels, by the values of another raster.

The mask may be on another grid and is read by nearest neighbour; outside it, its value
is 0. Clouds are delivered as scene classes (SCL), as for Sentinel-2, so that later stages
read one kind of mask.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from urbanseg.config.scene import MaskParams
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid, Window, blocks
from urbanseg.imagery.local.warping import warped
from urbanseg.io import cog, raster

CLOUD, UNCLASSIFIED = 9, 7
"""SCL codes in which a mask of clouds is written."""


@dataclass(frozen=True)
class Mask:
    """A mask on the scene's grid."""

    kind: str
    band: int
    values: tuple[int, ...] | None
    image: raster.Reader

    def valid(self, window: Window) -> NDArray[np.bool_]:
        """Where the mask's value is among the chosen ones, or above 0 if none are: ``(height, width)``."""
        codes = self.image.read_band(window, self.band)
        return np.asarray(codes > 0 if self.values is None else np.isin(codes, self.values))

    def classes(self, window: Window) -> NDArray[np.uint8]:
        """Scene classes: ``(height, width)`` uint8."""
        if self.kind == "scl":
            return np.asarray(self.image.read_band(window, self.band), dtype=np.uint8)
        return np.where(self.valid(window), CLOUD, UNCLASSIFIED).astype(np.uint8)


@contextmanager
def opened(params: MaskParams, grid: Grid, trusted: Sequence[Path] = ()) -> Iterator[Mask]:
    """Open the mask that the parameters name, on the scene's grid.

    Args:
        params: file, band and values.
        grid: the scene's.
        trusted: files and folders that the mask may name, besides its own folder.

    Yields:
        The mask.

    Raises:
        PipelineError: if the file is missing or damaged, lacks the band, or names files that it may not.
    """
    with raster.reading(params.path, trusted=trusted) as source:
        if params.band > source.info.count:
            raise PipelineError(
                f"{params.path} has {source.info.count} bands, but mask.band asks for band {params.band}; "
                "correct the number"
            )
        with warped(source, grid) as image:
            values = None if params.values is None else tuple(params.values)
            yield Mask(params.kind, params.band, values, image)


def write_classes(mask: Mask, grid: Grid, scl: Path, window_px: int) -> None:
    """Write a mask as scene classes, window by window.

    Args:
        mask: of clouds or scene classes.
        grid: the scene's.
        scl: where to write the scene classes (uint8).
        window_px: side of a window in pixels.
    """
    with cog.writing(scl, grid, dtype="uint8", nodata=0, descriptions=["SCL"]) as out:
        for piece in blocks(grid.shape, window_px):
            out.write(mask.classes(piece), piece)
