"""Open rasters, kept for the next request: opening and checking one takes longer than reading a tile.

GDAL's datasets are of one thread at a time, so each request borrows one of its own. A file that was
written anew is opened anew.
"""

import threading
from collections.abc import Hashable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import rasterio
from numpy.typing import NDArray
from rasterio.io import DatasetReader

from urbanseg.grid import Window
from urbanseg.io import gdal_access
from urbanseg.io.raster import rasterio_window

MOST_IDLE = 24
"""Rasters that are kept open while nobody reads them."""


def state(path: Path) -> tuple[int, int, int]:
    """What tells a file from one that was written in its place: inode, time and size."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size


class _Idle(NamedTuple):
    key: Hashable
    dataset: DatasetReader
    closing: ExitStack


class Readers:
    """Open rasters of a server; see the module."""

    def __init__(self) -> None:
        self._idle: list[_Idle] = []
        self._lock = threading.Lock()

    @contextmanager
    def reading(self, path: Path) -> Iterator[DatasetReader]:
        """Borrow an open raster.

        Raises:
            PipelineError: if the file is missing or no raster.
        """
        key = (path, state(path)) if path.exists() else None
        held = self._taken(key) or _open(key, path)
        try:
            yield held.dataset
        except BaseException:
            held.closing.close()
            raise
        self._give_back(held)

    def close(self) -> None:
        """Close all that nobody reads."""
        with self._lock:
            idle, self._idle = self._idle, []
        for each in idle:
            each.closing.close()

    def _taken(self, key: Any) -> _Idle | None:
        with self._lock:
            for number, each in enumerate(self._idle):
                if each.key == key:
                    return self._idle.pop(number)
        return None

    def _give_back(self, held: _Idle) -> None:
        with self._lock:
            self._idle.append(held)
            surplus, self._idle = self._idle[:-MOST_IDLE], self._idle[-MOST_IDLE:]
        for each in surplus:
            each.closing.close()


def _open(key: Hashable, path: Path) -> _Idle:
    # In an environment that is there already, a dataset makes none of its own, which only the thread that
    # opened it could end.
    with ExitStack() as stack, rasterio.Env():
        dataset = stack.enter_context(gdal_access.opened(path))
        return _Idle(key, dataset, stack.pop_all())


def read_decimated(
    dataset: DatasetReader, window: Window, most: int, bands: Sequence[int]
) -> tuple[NDArray[Any], float]:
    """Pixels of a window, or of every n-th row and column of it, so that there are at most `most`.

    Args:
        dataset: an open raster.
        window: of pixels, within the raster.
        most: pixels that are read of each band.
        bands: numbers, from 1.

    Returns:
        ``(bands, height, width)`` and how many pixels of the window one of them stands for.
    """
    factor = max(1.0, (window.height * window.width / most) ** 0.5)
    shape = max(1, int(window.height / factor)), max(1, int(window.width / factor))
    read = dataset.read(list(bands), window=rasterio_window(window), out_shape=(len(bands), *shape))
    return read, window.height * window.width / (shape[0] * shape[1])
