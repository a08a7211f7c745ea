"""The rows of a scene that the windows of the moment need, each read from the file once.

A window is narrow and a file's blocks are decoded whole, so windows that are read one by
one decode most blocks several times. Here blocks come in full-width chunks, top to bottom,
stay while a window needs them, and windows are cut from memory.
"""

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from urbanseg.grid import BLOCK_PX, Window
from urbanseg.infer.windows import reflected

Read = Callable[[Window], NDArray[Any]]
"""Pixels ``(bands, height, width)`` of a window inside the scene."""

Valid = Callable[[Window], NDArray[np.bool_]]
"""Which pixels of a window inside the scene hold data, ``(height, width)``."""


class _Chunk(NamedTuple):
    top: int
    pixels: NDArray[Any]
    valid: NDArray[np.bool_]

    @property
    def bottom(self) -> int:
        return self.top + len(self.valid)


class RowBuffer:
    """A view of the scene that moves down; memory is its width times the view's height."""

    def __init__(self, read: Read, valid: Valid, shape: tuple[int, int]) -> None:
        self.read_pixels, self.read_valid, self.shape = read, valid, shape
        self.chunks: deque[_Chunk] = deque()

    def move(self, rows: range) -> None:
        """Make `rows` of the scene available and forget those above."""
        while self.chunks and self.chunks[0].bottom <= rows.start:
            self.chunks.popleft()
        start = self.chunks[-1].bottom if self.chunks else rows.start // BLOCK_PX * BLOCK_PX
        for top in range(start, rows.stop, BLOCK_PX):
            window = Window(top, 0, min(BLOCK_PX, self.shape[0] - top), self.shape[1])
            self.chunks.append(_Chunk(top, self.read_pixels(window), self.read_valid(window)))

    def pixels(self, window: Window) -> NDArray[Any]:
        """Pixels ``(bands, height, width)`` of a window, reflected where it sticks out of the scene."""
        rows = reflected(window.row, window.row + window.height, self.shape[0])
        cols = reflected(window.col, window.col + window.width, self.shape[1])
        top, left = int(rows.min()), int(cols.min())
        inside = Window(top, left, int(rows.max()) + 1 - top, int(cols.max()) + 1 - left)
        values = np.concatenate(
            [chunk.pixels[:, part, left : left + inside.width] for chunk, part in self._parts(inside)],
            axis=1,
        )
        if (inside.height, inside.width) == (window.height, window.width):
            return values
        filled: NDArray[Any] = values[:, (rows - top)[:, None], cols - left]
        return filled

    def valid(self, window: Window) -> NDArray[np.bool_]:
        """Which pixels of a window inside the scene hold data, ``(height, width)``."""
        right = window.col + window.width
        parts = [chunk.valid[part, window.col : right] for chunk, part in self._parts(window)]
        return np.concatenate(parts) if parts else np.zeros((0, window.width), bool)

    def _parts(self, window: Window) -> list[tuple[_Chunk, slice]]:
        bottom = window.row + window.height
        return [
            (chunk, slice(max(0, window.row - chunk.top), min(len(chunk.valid), bottom - chunk.top)))
            for chunk in self.chunks
            if chunk.top < bottom and chunk.bottom > window.row
        ]
