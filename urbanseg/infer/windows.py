"""The geometry of full-scene prediction: a grid of windows, and how their scores blend.

Windows lie on a regular grid that starts half an overlap before the scene and ends
as far behind it; what sticks out is filled by reflection, so the scene's edges are seen
with context like everything else. Scores are summed with weights that fall off to zero
towards a window's edge, so no window border shows in the result.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from urbanseg.config.base import ENCODER_STRIDE
from urbanseg.grid import Window

Blend = Literal["hann", "cosine", "flat"]


@dataclass(frozen=True)
class WindowGrid:
    """Where the windows of a scene lie. It depends on the whole scene, never on a part of it.

    As few windows as `size` allows, and each no larger than these few must be: what would
    stick out of the scene is not predicted. So windows need not be square.
    """

    shape: tuple[int, int]
    """``(height, width)`` of the scene in pixels."""
    size: int
    """Sides of a window in pixels, at most."""
    overlap: int
    """Pixels that neighbouring windows share."""
    blend: Blend = "hann"

    @cached_property
    def window(self) -> tuple[int, int]:
        """``(height, width)`` of a window in pixels, multiples of `ENCODER_STRIDE` unless `size` is none."""
        height, width = (fitted(length, self.size, self.overlap) for length in self.shape)
        return height, width

    @property
    def strides(self) -> tuple[int, int]:
        """Rows and columns from one window to the next."""
        return self.window[0] - self.overlap, self.window[1] - self.overlap

    @cached_property
    def rows(self) -> list[int]:
        """Offsets of the rows of windows; the first and the last may stick out."""
        return offsets(self.shape[0], self.window[0], self.overlap)

    @cached_property
    def cols(self) -> list[int]:
        """Offsets of the columns of windows; the first and the last may stick out."""
        return offsets(self.shape[1], self.window[1], self.overlap)

    @cached_property
    def weights(self) -> NDArray[np.float32]:
        """Weight of each pixel of a window, ``(height, width)``, in (0, 1]; see `blend_weights`."""
        down, across = (blend_weights(side, self.overlap, self.blend) for side in self.window)
        return np.outer(down, across).astype(np.float32)

    def finished(self, index: int) -> range:
        """Rows of the scene that no later row of windows than number `index` touches, but this does."""
        top = self.rows[index]
        bottom = self.shape[0] if index == len(self.rows) - 1 else self.rows[index + 1]
        return range(max(0, top), max(0, min(bottom, self.shape[0])))

    def touching(self, rows: range) -> range:
        """Numbers of the rows of windows that have a pixel in common with `rows` of the scene."""
        touched = [
            i for i, top in enumerate(self.rows) if top < rows.stop and top + self.window[0] > rows.start
        ]
        return range(touched[0], touched[-1] + 1)

    def rows_per_batch(self, batch_size: int) -> int:
        """How many rows of windows fill a batch, at least one.

        Batches are made within groups of so many rows, counted from the scene's top: a
        window is always predicted in the same batch, so that a part of the scene,
        predicted elsewhere, is the same to the bit.
        """
        return max(1, batch_size // len(self.cols))

    def parts(self, count: int, batch_size: int) -> list[range]:
        """Rows of the scene in up to `count` parts of about the same height, for workers.

        Any ranges would do; these share the fewest windows.
        """
        group = self.rows_per_batch(batch_size)
        groups = -(-len(self.rows) // group)
        count = max(1, min(count, groups))
        firsts = [group * (groups * i // count) for i in range(count)]
        starts = [0, *(max(0, self.rows[i]) for i in firsts[1:])]
        ranges = [range(a, b) for a, b in zip(starts, [*starts[1:], self.shape[0]], strict=True)]
        return [part for part in ranges if len(part)]


@dataclass(frozen=True)
class PlacedWindows(WindowGrid):
    """Windows of just `size`, from the first pixel of what is read to the last: nothing is mirrored.

    `placed` says what must be read, so that windows of neighbours are the same. What the outermost windows
    share with none that is read has not its final score; `placed` reads beyond what is wanted by that much.
    """

    @cached_property
    def window(self) -> tuple[int, int]:
        """``(height, width)`` of a window in pixels."""
        return self.size, self.size

    @cached_property
    def rows(self) -> list[int]:
        """Offsets of the rows of windows."""
        return _placed_offsets(self.shape[0], self.size, self.overlap)

    @cached_property
    def cols(self) -> list[int]:
        """Offsets of the columns of windows."""
        return _placed_offsets(self.shape[1], self.size, self.overlap)


def placed(wanted: range, size: int, overlap: int) -> range:
    """The pixels of an axis that are in a window with some that are wanted.

    Windows lie every ``size - overlap`` pixels, and one of them begins half an overlap before pixel 0: so do
    those of a scene that begins at a multiple of that distance, if `fitted` leaves them their size.

    Args:
        wanted: pixels, which may be below 0.
        size: side of a window in pixels.
        overlap: pixels that neighbours share.

    Returns:
        A range of which `PlacedWindows` are the windows.
    """
    stride, before = size - overlap, overlap // 2
    first = (wanted.start + before - size) // stride + 1
    last = -(-(wanted.stop + before) // stride) - 1
    return range(first * stride - before, last * stride - before + size)


def _placed_offsets(length: int, size: int, overlap: int) -> list[int]:
    if (length - size) % (size - overlap):
        raise ValueError(f"windows of {size} that share {overlap} pixels do not fill {length} pixels")
    return list(range(0, length - size + 1, size - overlap))


def fitted(length: int, size: int, overlap: int) -> int:
    """Side of the smallest windows of which no more are needed than of `size`; see `WindowGrid`.

    Args:
        length: pixels of the scene along the axis.
        size: side of a window in pixels, at most.
        overlap: pixels that neighbours share.

    Returns:
        The side in pixels.
    """
    count = len(offsets(length, size, overlap))
    least = -(-(length + 2 * (overlap // 2) + (count - 1) * overlap) // count)
    return min(
        size,
        max(
            -(-least // ENCODER_STRIDE) * ENCODER_STRIDE,
            overlap // ENCODER_STRIDE * ENCODER_STRIDE + ENCODER_STRIDE,
        ),
    )


def offsets(length: int, size: int, overlap: int) -> list[int]:
    """Offsets of windows along an axis: from ``-overlap // 2``, `overlap` shared, past the end.

    The first and last offsets may put a window partly outside ``[0, length)``.

    Args:
        length: pixels of the scene along the axis.
        size: side of a window in pixels.
        overlap: pixels that neighbours share.

    Returns:
        Offsets in pixels, ascending.
    """
    first, stride = -(overlap // 2), size - overlap
    beyond = length + overlap // 2 - (first + size)
    count = 1 + max(0, -(-beyond // stride))
    return [first + i * stride for i in range(count)]


def blend_weights(size: int, overlap: int, blend: Blend) -> NDArray[np.float64]:
    """Weight of each pixel along a side of a window, ``(size,)``, in (0, 1].

    ``cosine`` is one in the middle and falls off as sin² over the overlap, at half the size
    at most, so that the weights of neighbours add up to one. ``hann`` falls off from the
    very middle whatever the overlap is. ``flat`` is one everywhere: the plain average. At
    half the size of overlap, cosine and hann are the same.

    Args:
        size: side of a window in pixels.
        overlap: pixels that neighbours share.
        blend: name of the fall-off.

    Returns:
        ``(size,)`` float64.
    """
    ramp = {"hann": size // 2, "cosine": min(overlap, size // 2), "flat": 0}[blend]
    weights = np.ones(size)
    if ramp:
        rise = np.sin(np.pi / 2 * (np.arange(ramp) + 0.5) / ramp) ** 2
        weights[:ramp], weights[size - ramp :] = rise, rise[::-1]
    return weights


def reflected(start: int, stop: int, length: int) -> NDArray[np.intp]:
    """Which pixels in ``[0, length)`` fill ``[start, stop)``, what sticks out being mirrored.

    The mirror stands on the first and the last pixel that the range shares with the axis,
    and there are as many as it takes, as with numpy's pad and ``reflect``.

    Args:
        start: first pixel of the range; may be below 0.
        stop: pixel after the last; may be above `length`.
        length: pixels of the axis.

    Returns:
        ``(stop - start,)`` indices.
    """
    first, last = max(0, start), min(stop, length) - 1
    period = 2 * (last - first)
    if period == 0:
        return np.full(stop - start, first)
    at = (np.arange(start, stop) - first) % period
    return first + np.minimum(at, period - at)


def clip(window: Window, shape: tuple[int, int]) -> Window:
    """The part of a window that lies inside the scene."""
    top, left = max(0, window.row), max(0, window.col)
    bottom = min(shape[0], window.row + window.height)
    right = min(shape[1], window.col + window.width)
    return Window(top, left, bottom - top, right - left)
