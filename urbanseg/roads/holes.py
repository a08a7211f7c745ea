"""Small holes of a road mask, which would make loops and ladders of a wide road's skeleton.

A hole is filled if it is smaller than a limit and lies within a square of bounded side, so a
window needs no more than a halo of that side to be filled as the whole mask would be.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from urbanseg.grid import Window
from urbanseg.roads.thinning import ReadMask

WIDEST_PX = 64
"""Holes longer or wider than this stay open."""


def without_holes(road: ReadMask, known: ReadMask, shape: tuple[int, int], max_px: float) -> ReadMask:
    """The mask with its small holes filled, by window.

    Args:
        road: True on road.
        known: True where there is a class: holes that hold an unknown pixel stay open.
        shape: ``(height, width)`` of both.
        max_px: holes of fewer pixels are filled; a hole is 4-connected and doesn't touch the edge of the
            raster.
    """
    halo = min(WIDEST_PX, int(np.ceil(max_px)))

    def read(window: Window) -> NDArray[np.bool_]:
        if max_px <= 1:
            return road(window)
        grown, core = window.grown(halo, shape)
        mask = road(grown)
        label, _ = ndimage.label(~mask)
        small = _are_small(label, halo, max_px)
        small[np.concatenate([label[0], label[-1], label[:, 0], label[:, -1]])] = False
        small[label[~known(grown)]] = False
        small[0] = False
        return np.asarray((mask | small[label])[core.slices])

    return read


def _are_small(label: NDArray[np.int32], side: int, max_px: float) -> NDArray[np.bool_]:
    """Whether each component has fewer than `max_px` pixels and fits into a square: ``(components + 1,)``."""
    size = np.bincount(label.ravel())
    small = size < max_px
    if max_px > side:  # or else a component that is small fits
        for number, box in enumerate(ndimage.find_objects(label), start=1):
            small[number] &= max(place.stop - place.start for place in box) <= side
    return np.asarray(small)
