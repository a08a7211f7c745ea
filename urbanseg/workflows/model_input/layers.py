"""Pixels on a grid that are made of files, or of other such pixels, a window at a time.

Each is read from one thread. Missing pixels follow the rule of `io.raster`; a pixel that is missing in
one part of a stack of parts is missing in all.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from urbanseg.grid import Grid, Window
from urbanseg.io.raster import Reader, common_dtype, present
from urbanseg.workflows.model_input.units import Scaling

Mask = NDArray[np.bool_]


class PixelSource(Protocol):
    """What is read like a `Reader`, but already has the bands that are wanted, in order."""

    @property
    def grid(self) -> Grid:
        """Where the pixels lie."""

    def read(self, window: Window) -> NDArray[Any]:
        """Pixels of a window inside the grid, ``(bands, height, width)``."""

    def valid(self, window: Window) -> Mask:
        """Which of them hold data, ``(height, width)``."""

    def decimated(self, max_side: int) -> np.ma.MaskedArray[Any, Any]:
        """All of it with no side above `max_side`, by nearest neighbour, missing pixels masked."""


class FileBands:
    """Bands of files on one grid."""

    def __init__(self, bands: Sequence[tuple[Reader, int]], nodata: float | None = None) -> None:
        """Take bands, each as its file and its number (from 1).

        Args:
            bands: at least one.
            nodata: value of missing pixels of bands whose files name none.
        """
        self.bands = bands
        own = [reader.info.nodatavals[number - 1] for reader, number in bands]
        self.nodata = [nodata if value is None else value for value in own]
        self.dtype = common_dtype(reader.info.dtypes[number - 1] for reader, number in bands)
        self.files: dict[int, tuple[Reader, list[int]]] = {}
        for reader, number in bands:
            self.files.setdefault(id(reader), (reader, []))[1].append(number)
        self.last: tuple[Window, NDArray[Any]] | None = None

    @property
    def grid(self) -> Grid:
        """That of the first file, which is that of all."""
        return self.bands[0][0].grid

    def read(self, window: Window) -> NDArray[Any]:
        """Pixels of a window, ``(bands, height, width)``, in the type that holds them."""
        if self.last is None or self.last[0] != window:
            self.last = window, self._read(window)
        return self.last[1]

    def valid(self, window: Window) -> Mask:
        """Which pixels of a window hold data, ``(height, width)``."""
        valid = np.ones((window.height, window.width), bool)
        if np.dtype(self.dtype).kind == "f" or set(self.nodata) != {None}:
            valid = present(self.read(window), self.nodata)
        for reader, numbers in self.files.values():
            valid &= reader.unmasked(window, numbers)
        return valid

    def decimated(self, max_side: int) -> np.ma.MaskedArray[Any, Any]:
        """All of it with no side above `max_side`."""
        found = np.ma.stack([reader.decimated(max_side, [number])[0] for reader, number in self.bands])
        values = np.ma.getdata(found)
        known = present(values, self.nodata)
        for (reader, number), hidden in zip(self.bands, np.ma.getmaskarray(found), strict=True):
            if reader.has_mask([number]):
                known &= ~hidden
        return np.ma.array(values, mask=np.broadcast_to(~known, values.shape))

    def _read(self, window: Window) -> NDArray[Any]:
        if len(self.files) == 1:
            return self.bands[0][0].read(window, [number for _, number in self.bands])
        return np.stack(
            [reader.read_band(window, number).astype(self.dtype) for reader, number in self.bands]
        )


class Stacked:
    """Bands of several sources on one grid, in a new order."""

    def __init__(self, parts: Sequence[PixelSource], order: Sequence[tuple[int, int]]) -> None:
        """Take parts, and for each band the part and the position (from 0) in it."""
        self.parts, self.order = parts, order

    @property
    def grid(self) -> Grid:
        """That of all parts."""
        return self.parts[0].grid

    def read(self, window: Window) -> NDArray[Any]:
        """Pixels of a window, ``(bands, height, width)``."""
        read = [part.read(window) for part in self.parts]
        return np.stack([read[part][band] for part, band in self.order])

    def valid(self, window: Window) -> Mask:
        """Which pixels of a window hold data in all parts, ``(height, width)``."""
        return np.asarray(np.logical_and.reduce([part.valid(window) for part in self.parts]))

    def decimated(self, max_side: int) -> np.ma.MaskedArray[Any, Any]:
        """All of it with no side above `max_side`."""
        height, width = self.grid.shrunk(max_side).shape
        fitted = []
        for small in (part.decimated(max_side) for part in self.parts):
            rows, cols = (
                np.minimum((np.arange(new) + 0.5) * old // new, old - 1).astype(int)
                for new, old in zip((height, width), small.shape[1:], strict=True)
            )
            fitted.append(small[:, rows[:, None], cols])
        return np.ma.stack([fitted[part][band] for part, band in self.order])


class Regridded:
    """A source of which another grid says where its pixels lie."""

    def __init__(self, source: PixelSource, grid: Grid) -> None:
        self.source, self.grid = source, grid
        self.read, self.valid, self.decimated = source.read, source.valid, source.decimated


class Converted:
    """A source in the units of a model, without what a mask hides."""

    def __init__(
        self, source: PixelSource, scaling: Scaling, hidden: Callable[[Window], Mask] | None = None
    ) -> None:
        self.source, self.scaling, self.hidden = source, scaling, hidden

    @property
    def grid(self) -> Grid:
        """That of the source."""
        return self.source.grid

    def read(self, window: Window) -> NDArray[Any]:
        """Pixels of a window, ``(bands, height, width)``, in the model's units."""
        return self.scaling.apply(self.source.read(window))

    def valid(self, window: Window) -> Mask:
        """Which pixels of a window hold data that no mask hides, ``(height, width)``."""
        valid = self.source.valid(window)
        return valid if self.hidden is None else valid & ~self.hidden(window)

    def decimated(self, max_side: int) -> np.ma.MaskedArray[Any, Any]:
        """All of it with no side above `max_side`, in the model's units; what a mask hides is there."""
        small = self.source.decimated(max_side)
        return np.ma.array(self.scaling.apply(np.ma.getdata(small)), mask=np.ma.getmaskarray(small))
