"""The geometry of full-scene prediction: a lattice of windows, and how their scores blend.

Windows lie on a regular lattice that starts half an overlap before the scene and ends
as far behind it; what sticks out is filled by reflection, so the scene's edges are seen
with context like everything else. Scores are summed with weights that fall off to zero
towards a window's edge, so no window border shows in the result.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from urbanseg.grid import Window

Probabilities = NDArray[np.float32]


class Strip(NamedTuple):
    """A finished part of the prediction: full-width rows."""

    window: Window
    classes: NDArray[np.uint8]
    """``(height, width)``: the most probable class."""
    confidence: NDArray[np.float32]
    """``(height, width)``: its probability, 0–1."""


def lattice(length: int, size: int, overlap: int) -> list[int]:
    """Offsets of windows along an axis: from ``-overlap // 2``, `overlap` shared, past the end.

    The first and last offsets may put a window partly outside ``[0, length)``.
    """
    first, stride = -(overlap // 2), size - overlap
    beyond = length + overlap // 2 - (first + size)
    count = 1 + max(0, -(-beyond // stride))
    return [first + i * stride for i in range(count)]


def blend_weights(size: int, overlap: int) -> NDArray[np.float32]:
    """Weight of each pixel of a window, ``(size, size)``, in (0, 1].

    One in the middle, falling off as sin² over the overlap (at half the size at most, where
    it is the Hann window), so that the weights of neighbours add up to one.
    """
    ramp = min(overlap, size // 2)
    profile = np.ones(size)
    if ramp:
        rise = np.sin(np.pi / 2 * (np.arange(ramp) + 0.5) / ramp) ** 2
        profile[:ramp], profile[size - ramp :] = rise, rise[::-1]
    return np.outer(profile, profile).astype(np.float32)


def read_reflected(
    read: Callable[[Window], NDArray[Any]], window: Window, shape: tuple[int, int]
) -> NDArray[Any]:
    """Pixels of a window that may stick out of the scene, filled by reflection at the edges.

    Args:
        read: gives ``(..., height, width)`` for a window inside the scene.
        window: at least partly inside.
        shape: ``(height, width)`` of the scene.
    """
    top, left = max(0, window.row), max(0, window.col)
    bottom = min(shape[0], window.row + window.height)
    right = min(shape[1], window.col + window.width)
    inside = read(Window(top, left, bottom - top, right - left))
    widths = [(0, 0)] * (inside.ndim - 2) + [
        (top - window.row, window.row + window.height - bottom),
        (left - window.col, window.col + window.width - right),
    ]
    return np.pad(inside, widths, mode="reflect") if any(map(any, widths)) else inside


def predict_strips(
    shape: tuple[int, int],
    read: Callable[[Window], NDArray[Any]],
    is_empty: Callable[[Window], bool],
    predict: Callable[[NDArray[Any]], Probabilities],
    *,
    classes: int,
    size: int,
    overlap: int,
    batch_size: int,
    progress: Callable[[Iterable[Any]], Iterable[Any]] = iter,
) -> Iterator[Strip]:
    """Predict a scene row of windows by row of windows; memory is bounded by one such row.

    Args:
        shape: ``(height, width)`` of the scene in pixels.
        read: pixels ``(bands, height, width)`` of a window inside the scene.
        is_empty: whether a window (clipped to the scene) holds no valid pixel; such
            windows are not predicted.
        predict: probabilities ``(n, classes, size, size)`` float32 of a batch of pixels
            ``(n, bands, size, size)``.
        classes: number of classes.
        size: side of a window in pixels.
        overlap: pixels that neighbouring windows share.
        batch_size: windows predicted at once.
        progress: wraps the rows of windows, to show a bar.

    Yields:
        Strips, top to bottom, that partition the scene. Pixels that no window covered
        (nodata all around) have class 0 and confidence 0.
    """
    rows, cols = lattice(shape[0], size, overlap), lattice(shape[1], size, overlap)
    weights = blend_weights(size, overlap)
    left, span = cols[0], cols[-1] + size - cols[0]
    scores = np.zeros((classes, size, span), np.float32)
    total = np.zeros((size, span), np.float32)

    for index, row in enumerate(progress(rows)):
        inhabited = [
            w for w in (Window(row, col, size, size) for col in cols) if not is_empty(_clip(w, shape))
        ]
        for batch in _batches(inhabited, batch_size):
            pixels = np.stack([read_reflected(read, window, shape) for window in batch])
            for window, probabilities in zip(batch, predict(pixels), strict=True):
                at = slice(window.col - left, window.col - left + size)
                scores[:, :, at] += probabilities * weights
                total[:, at] += weights

        done = size if index == len(rows) - 1 else rows[index + 1] - row
        top, bottom = max(0, row), min(shape[0], row + done)
        if bottom > top:
            part = (slice(top - row, bottom - row), slice(-left, -left + shape[1]))
            yield _strip(Window(top, 0, bottom - top, shape[1]), scores[:, *part], total[part])
        scores = _shifted(scores, done)
        total = _shifted(total, done)


def _strip(window: Window, scores: Probabilities, total: NDArray[np.float32]) -> Strip:
    best = scores.argmax(axis=0)
    highest = np.take_along_axis(scores, best[None], axis=0)[0]
    confidence = np.divide(highest, total, out=np.zeros_like(highest), where=total > 0)
    return Strip(window, best.astype(np.uint8), confidence)


def _shifted(array: NDArray[np.float32], rows: int) -> NDArray[np.float32]:
    """Move the content up by `rows`, filling with zeros from below, in place."""
    height = array.shape[-2]
    array[..., : height - rows, :] = array[..., rows:, :].copy()
    array[..., height - rows :, :] = 0
    return array


def _clip(window: Window, shape: tuple[int, int]) -> Window:
    top, left = max(0, window.row), max(0, window.col)
    bottom = min(shape[0], window.row + window.height)
    right = min(shape[1], window.col + window.width)
    return Window(top, left, bottom - top, right - left)


def _batches(items: list[Window], size: int) -> Iterator[list[Window]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
