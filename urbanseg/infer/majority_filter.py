"""Filtering specks out of a map, strip by strip, with the same result as on the whole map.

A pixel's new class depends on its surroundings up to a margin, so the rows above and
below a strip are kept until it is filtered.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from urbanseg.classes import IGNORE
from urbanseg.grid import Window
from urbanseg.infer.stitching import Strip

Method = Literal["none", "median", "morphology"]
Classes = NDArray[np.uint8]


def majority_filtered(
    strips: Iterable[Strip], method: Method, radius_px: int, classes: int
) -> Iterator[Strip]:
    """The strips with filtered classes; other layers stay as they are.

    ``median`` gives each pixel the class that most of the square of ``2 radius_px + 1``
    pixels around it have, the categorical median, and keeps its own where that is among
    the most frequent. ``morphology`` opens each class by that square: what vanishes (specks,
    spikes and threads narrower than it) takes the most frequent class of what remains in
    twice the surroundings, and keeps its own where nothing remains. Unknown pixels stay so
    and count for no class.

    Args:
        strips: top to bottom, without a gap; cut in any way.
        method: ``none`` gives the strips back.
        radius_px: half the side of the square, in pixels.
        classes: number of classes.
    """
    if method == "none":
        yield from strips
        return
    clean, margin = _METHODS[method]
    yield from _with_margin(strips, lambda m: clean(m, radius_px, classes), margin * radius_px)


def majority(labels: Classes, radius_px: int, classes: int) -> Classes:
    """The most frequent class around each pixel ``(height, width)``; see `majority_filtered`.

    Args:
        labels: classes, uint8, or `IGNORE`.
        radius_px: half the side of the square, in pixels.
        classes: number of classes.

    Returns:
        ``(height, width)`` uint8.
    """
    return _voted(labels, labels, radius_px, classes)


def opened(labels: Classes, radius_px: int, classes: int) -> Classes:
    """Each class opened by a square, the rest filled from around; see `majority_filtered`.

    Args:
        labels: ``(height, width)`` classes, uint8, or `IGNORE`.
        radius_px: half the side of the square, in pixels.
        classes: number of classes.

    Returns:
        ``(height, width)`` uint8.
    """
    side = 2 * radius_px + 1
    kept = np.full_like(labels, IGNORE)
    for number in range(classes):
        # What lies outside, or is unknown, might be of the class: it cuts nothing off.
        mask = (labels == number) | (labels == IGNORE)
        core = ndimage.minimum_filter(mask, side, mode="constant", cval=True)
        whole = ndimage.maximum_filter(core, side, mode="constant", cval=False)
        kept[whole & (labels == number)] = number
    lost = (kept == IGNORE) & (labels != IGNORE)
    return np.where(lost, _voted(kept, labels, 2 * radius_px, classes), labels)


_METHODS: dict[str, tuple[Callable[[Classes, int, int], Classes], int]] = {
    "median": (majority, 1),
    "morphology": (opened, 4),
}
"""The filter of each method, and its margin as a multiple of the radius."""


def _voted(voters: Classes, labels: Classes, radius_px: int, classes: int) -> Classes:
    """The class most `voters` around a pixel have; its own in `labels` on a tie, or without voters."""
    side = 2 * radius_px + 1
    best = np.zeros(labels.shape, np.int32)
    result = labels.copy()
    for number in range(classes):
        votes = _counts(voters == number, side)
        # A vote twice over, and one more for what the pixel is: the tie goes to it.
        votes = 2 * votes + ((labels == number) & (votes > 0))
        more = votes > best
        best[more], result[more] = votes[more], number
    result[labels == IGNORE] = IGNORE
    return result


def _counts(mask: NDArray[np.bool_], side: int) -> NDArray[np.int32]:
    """How many pixels of the square of `side` around each are set; outside, none are."""
    rows = ndimage.convolve1d(mask.astype(np.int32), np.ones(side, np.int32), axis=0, mode="constant")
    counts: NDArray[np.int32] = ndimage.convolve1d(rows, np.ones(side, np.int32), axis=1, mode="constant")
    return counts


def _with_margin(
    strips: Iterable[Strip], clean: Callable[[Classes], Classes], margin: int
) -> Iterator[Strip]:
    """Filter classes with `margin` rows of their neighbours, and yield strips as soon as those are known."""
    above: Classes | None = None
    pending: list[Strip] = []

    def flush(count: int, below: int) -> Iterator[Strip]:
        """Yield the first `count` rows of what is pending, filtered with `below` more rows as context."""
        nonlocal above, pending
        raw = np.concatenate([strip.layers["classes"] for strip in pending])
        context = raw[: count + below]
        head = 0 if above is None else len(above)
        seen = context if above is None else np.concatenate([above, context])
        done = clean(seen)[head : head + count]
        above = seen[: head + count][-margin:].copy()
        ready, pending = _cut(pending, count)
        for strip in ready:
            rows = len(strip.layers["classes"])
            strip.layers["classes"], done = done[:rows], done[rows:]
            yield strip

    for strip in strips:
        pending.append(strip)
        known = sum(s.window.height for s in pending)
        if known > margin:
            yield from flush(known - margin, margin)
    if pending:
        yield from flush(sum(s.window.height for s in pending), 0)


def _cut(strips: list[Strip], count: int) -> tuple[list[Strip], list[Strip]]:
    """The strips above and below row number `count` of them all."""
    first: list[Strip] = []
    rest: list[Strip] = []
    for strip in strips:
        rows = min(count, strip.window.height)
        if rows:
            first.append(_part(strip, 0, rows))
        if rows < strip.window.height:
            rest.append(_part(strip, rows, strip.window.height))
        count -= rows
    return first, rest


def _part(strip: Strip, start: int, stop: int) -> Strip:
    window = Window(strip.window.row + start, strip.window.col, stop - start, strip.window.width)
    return Strip(window, {name: layer[..., start:stop, :] for name, layer in strip.layers.items()})
