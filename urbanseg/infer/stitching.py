"""Prediction of a scene, or of any rows of it, strip by strip.

Rows of windows are predicted top to bottom. Of their scores only the seams are kept: a
window's part that no other window touches is decoded at once, and what the next row of
windows shares waits in a band as high as the overlap. So memory grows with the width of
the scene times the overlap, and not with its area.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from urbanseg.classes import IGNORE
from urbanseg.grid import Window
from urbanseg.infer.decode import DecodedLayers, Decoder
from urbanseg.infer.row_buffer import Read, RowBuffer, Valid
from urbanseg.infer.windows import WindowGrid, clip
from urbanseg.io.prefetch import prefetch
from urbanseg.model.limits import enough_memory


class Predictor(Protocol):
    """A network on some back end."""

    def __call__(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Probabilities ``(n, classes, height, width)`` of pixels ``(n, bands, height, width)``.

        Pixels come as the scene stores them. The result, float32, may be overwritten by the caller.
        """


class Strip(NamedTuple):
    """A finished part of the prediction: full-width rows."""

    window: Window
    layers: DecodedLayers
    """What is known of each pixel, uint8; `IGNORE` where the scene holds no data."""

    def hide(self, mask: NDArray[np.bool_]) -> None:
        """Make pixels unknown, by a mask ``(height, width)``."""
        for layer in self.layers.values():
            layer[..., mask] = IGNORE


class _Row(NamedTuple):
    """The heading of a row of windows: its number, and which pixels of the rows it finishes hold data."""

    number: int
    valid: NDArray[np.bool_]


class _Batch(NamedTuple):
    entries: list[_Row | int]
    """Headings of rows, and after each the numbers of its columns whose pixels follow."""
    pixels: list[NDArray[Any]]


def predict_strips(
    windows: WindowGrid,
    read: Read,
    valid: Valid,
    predict: Predictor,
    *,
    classes: int,
    batch_size: int,
    decoder: Decoder | None = None,
    rows: range | None = None,
) -> Iterator[Strip]:
    """Predict some rows of a scene, the same to the bit as if it were all of them.

    Reading runs ahead of the network, and the network ahead of what is done with its
    output, each in a thread of its own.

    Args:
        windows: the windows of the whole scene.
        read: reads pixels, in one thread.
        valid: reads which pixels hold data, in the same thread; windows that hold none
            are not predicted.
        predict: the network.
        classes: number of channels that the network answers with.
        batch_size: windows predicted at once, at most.
        decoder: what makes layers of the scores; class and confidence, if None.
        rows: rows of the scene that are wanted; all, if None.

    Yields:
        Strips, top to bottom, that partition the wanted rows.

    Raises:
        PipelineError: if memory is full.
    """
    with enough_memory(
        f"to predict windows of {windows.size} pixels of a scene {windows.shape[1]} pixels wide",
        "lower predict.size, predict.overlap or predict.batch_size in params.yaml",
    ):
        yield from _strips(windows, read, valid, predict, classes, batch_size, decoder, rows)


def _strips(
    windows: WindowGrid,
    read: Read,
    valid: Valid,
    predict: Predictor,
    classes: int,
    batch_size: int,
    decoder: Decoder | None,
    rows: range | None,
) -> Iterator[Strip]:
    rows = range(windows.shape[0]) if rows is None else rows
    scores = _Scores(windows, rows, classes, decoder or Decoder())
    batches = prefetch(_batches(windows, RowBuffer(read, valid, windows.shape), rows, batch_size))
    predicted = ((b.entries, predict(np.stack(b.pixels)) if b.pixels else ()) for b in batches)
    for entries, found in prefetch(predicted, depth=2):
        probabilities = iter(found)
        for entry in entries:
            if isinstance(entry, _Row):
                yield from scores.begin(entry)
            else:
                scores.add(entry, next(probabilities))
    yield from scores.end()


def _batches(windows: WindowGrid, scene: RowBuffer, rows: range, batch_size: int) -> Iterator[_Batch]:
    group, touching = windows.rows_per_batch(batch_size), windows.touching(rows)
    for first in range(touching.start // group * group, touching.stop, group):
        batch = _Batch([], [])
        for index in range(first, min(first + group, len(windows.rows))):
            row = [Window(windows.rows[index], col, *windows.window) for col in windows.cols]
            inside = clip(row[0], windows.shape)
            scene.move(range(inside.row, inside.row + inside.height))
            done = windows.finished(index)
            finished = scene.valid(Window(done.start, 0, len(done), windows.shape[1]))
            batch.entries.append(_Row(index, finished))
            for col, window in enumerate(row):
                if scene.valid(clip(window, windows.shape)).any():
                    batch.entries.append(col)
                    batch.pixels.append(scene.pixels(window))
                if len(batch.pixels) == batch_size:
                    yield batch
                    batch = _Batch([], [])
        if batch.entries:
            yield batch


class _Scores:
    """Weighted sums of probabilities, of which only what may still grow is kept.

    `block` holds the sums of the row of windows at work, from the window at work on;
    `seam` those of all rows above, in the rows that the next row of windows shares.
    """

    def __init__(self, windows: WindowGrid, wanted: range, classes: int, decoder: Decoder) -> None:
        self.windows, self.wanted, self.decoder = windows, wanted, decoder
        span = windows.strides[1] * len(windows.cols) + windows.overlap
        self.seam = np.zeros((classes, windows.overlap, span), np.float32)
        self.block = np.zeros((classes, *windows.window), np.float32)
        self.empty = decoder(np.zeros((classes, 1, 1), np.float32))
        self.row: _Row | None = None

    def begin(self, row: _Row) -> Iterator[Strip]:
        """Start a row of windows; yields the strip that the one before finished."""
        yield from self.end()
        self.row, self.col, self.block[:] = row, 0, 0
        done = self.windows.finished(row.number)
        self.rows = range(max(done.start, self.wanted.start), min(done.stop, self.wanted.stop))
        self.valid = row.valid[self.rows.start - done.start :][: len(self.rows)]
        shape = len(self.rows), self.windows.shape[1]
        self.layers = {
            name: np.zeros((*like.shape[:-2], *shape), np.uint8) for name, like in self.empty.items()
        }

    def add(self, col: int, probabilities: NDArray[np.float32]) -> None:
        """Add a window's probabilities ``(classes, height, width)``, which are overwritten; left to right."""
        while self.col < col:
            self._advance()
        probabilities *= self.windows.weights
        self.block += probabilities
        self._advance()

    def end(self) -> Iterator[Strip]:
        """Finish the row of windows; yields the strip that it finished, if any of it is wanted."""
        if self.row is None:
            return
        while self.col < len(self.windows.cols):
            self._advance()
        self.row = None
        if len(self.rows):
            strip = Strip(Window(self.rows.start, 0, *self.valid.shape), self.layers)
            strip.hide(~self.valid)
            yield strip

    def _advance(self) -> None:
        """Decode what the next window can't change, and hand the rest on to the right and down."""
        (down, right), overlap = self.windows.strides, self.windows.overlap
        last = self.col == len(self.windows.cols) - 1
        at, width = self.col * right, right + overlap * last
        slab, seam = self.block[:, :, :width], self.seam[:, :, at : at + width]
        slab[:, :overlap] += seam
        self._decode(slab)
        seam[:] = slab[:, down:]
        self.block[:, :, :overlap] = self.block[:, :, right:]
        self.block[:, :, overlap:] = 0
        self.col += 1

    def _decode(self, slab: NDArray[np.float32]) -> None:
        assert self.row is not None  # noqa: S101, begin() precedes
        top, left = self.windows.rows[self.row.number], self.windows.cols[self.col]
        start, stop = max(0, left), min(self.windows.shape[1], left + slab.shape[2])
        if stop <= start or not self.valid[:, start:stop].any():
            return
        part = slab[:, self.rows.start - top : self.rows.stop - top, start - left : stop - left]
        for name, values in self.decoder(part).items():
            self.layers[name][..., start:stop] = values
