"""An archive of scenes that is asked no faster than all workers together may ask it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from urbanseg.grid import Grid
from urbanseg.imagery.sentinel2.acquisitions import Acquisition, Product
from urbanseg.imagery.sentinel2.area import Area
from urbanseg.imagery.sentinel2.retry import ResponseError
from urbanseg.imagery.sentinel2.satellite import Archive
from urbanseg.region.pace import Pace


class PacedArchive:
    """An `Archive` whose searches and images wait for their turn.

    An image is a band of a product; how many ranges of it are requested is GDAL's affair.
    """

    def __init__(self, archive: Archive, pace: Pace, pause_s: float) -> None:
        """Let an archive keep to a pace.

        Args:
            archive: that is asked.
            pace: that all share.
            pause_s: for which nobody asks anything once the archive has refused something.
        """
        self._archive, self._pace, self._pause_s = archive, pace, pause_s
        self.name: str = archive.name
        self.identity: Mapping[str, Any] = archive.identity

    def search(self, area: Area) -> list[Product]:
        """As `Archive.search`."""
        self._pace.wait()
        try:
            return self._archive.search(area)
        except ResponseError:
            self._pace.hold(self._pause_s)
            raise

    def read(self, acquisition: Acquisition, grid: Grid, bands: Sequence[str]) -> NDArray[np.uint16]:
        """Read the bands and the SCL of an acquisition, when it is their turn.

        Args:
            acquisition: what to read.
            grid: of the result.
            bands: names of the bands; may be empty.

        Returns:
            As `Archive.read`.

        Raises:
            ResponseError: where a retry may help.
        """
        self._pace.wait((len(bands) + 1) * len(acquisition.products))
        try:
            return self._archive.read(acquisition, grid, bands)
        except ResponseError:
            self._pace.hold(self._pause_s)
            raise
