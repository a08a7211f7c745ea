"""Small and narrow holes of a road mask, which would make loops and ladders of a wide road's skeleton.

A hole is filled if it is smaller than a limit, or narrow, as a median between two openings is that the
image shows in pieces. Either lies within a square of bounded side, so a window needs no more than a
halo of that side to be filled as the whole mask would be.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from urbanseg.grid import Window
from urbanseg.roads.thinning import ReadMask

NARROW_M = 4.0
"""A hole that is nowhere wider than this parts no road from another."""

WIDEST_PX = 64
"""Holes longer or wider than this stay open."""


def without_holes(
    road: ReadMask, known: ReadMask, shape: tuple[int, int], max_px: float, narrow_px: float = 0.0
) -> ReadMask:
    """The mask with its small and narrow holes filled, by window.

    Args:
        road: True on road.
        known: True where there is a class: holes that hold an unknown pixel stay open.
        shape: ``(height, width)`` of both.
        max_px: holes of fewer pixels are filled; a hole is 4-connected and doesn't touch the edge of the
            raster.
        narrow_px: holes that are nowhere wider are filled, too; nothing where it is below 2.
    """
    narrow_px = narrow_px if narrow_px >= 2 else 0.0
    halo = WIDEST_PX if narrow_px else min(WIDEST_PX, int(np.ceil(max_px)))

    def read(window: Window) -> NDArray[np.bool_]:
        if max_px <= 1 and not narrow_px:
            return road(window)
        grown, core = window.grown(halo, shape)
        mask = road(grown)
        label, _ = ndimage.label(~mask)
        small = _are_small(label, halo, max_px, narrow_px)
        small[np.concatenate([label[0], label[-1], label[:, 0], label[:, -1]])] = False
        small[label[~known(grown)]] = False
        small[0] = False
        return np.asarray((mask | small[label])[core.slices])

    return read


def _are_small(label: NDArray[np.int32], side: int, max_px: float, narrow_px: float) -> NDArray[np.bool_]:
    """Whether each component is small or narrow, and fits into a square: ``(components + 1,)``."""
    size = np.bincount(label.ravel())
    small = size < max_px
    if max_px <= side and not narrow_px:  # one that is small fits
        return np.asarray(small)
    for number, box in enumerate(ndimage.find_objects(label), start=1):
        fits = max(place.stop - place.start for place in box) <= side
        small[number] = fits and (small[number] or _is_narrow(label[box] == number, narrow_px))
    return np.asarray(small)


def _is_narrow(hole: NDArray[np.bool_], narrow_px: float) -> bool:
    """Whether no pixel of a hole lies further from its edge than half of a width."""
    return narrow_px > 0 and bool(ndimage.distance_transform_edt(np.pad(hole, 1)).max() <= narrow_px / 2)
