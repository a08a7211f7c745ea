"""Types that all label sources share, and the stacking of several sources.

A source is a function from a window of the scene to its labels, so that memory is bounded
by the window for any source.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from urbanseg.classes import IGNORE, ClassTable
from urbanseg.grid import Window

LabelArray = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Labeller = Callable[[Window], LabelArray]
"""Gives the labels of a window of the scene, ``(height, width)`` uint8."""
Masker = Callable[[Window], Mask]
"""Gives a mask of a window of the scene, ``(height, width)`` bool."""

HIDDEN = 254
"""Value of pixels that annotation marks as `ignore`: no layer below labels them; class ids are smaller."""


def stacked(layers: Sequence[Labeller]) -> Labeller:
    """Stack layers: a pixel has the label of the first layer that does not ignore it.

    Args:
        layers: highest priority first; they may give `HIDDEN`.

    Returns:
        The function that labels a window.
    """

    def label(window: Window) -> LabelArray:
        values = layers[0](window)
        for layer in layers[1:]:
            unknown = values == IGNORE
            if not unknown.any():
                break
            values[unknown] = layer(window)[unknown]
        values[values == HIDDEN] = IGNORE
        return values

    return label


def shares(counts: NDArray[np.int64], classes: ClassTable) -> str:
    """Class shares of the labelled pixels and the share ignored, in one line.

    Args:
        counts: ``(256,)`` number of pixels of each value.
        classes: the class table.
    """
    labelled = counts[classes.ids].sum()
    named = (f"{c.name} {counts[c.id] / max(1, labelled):.1%}" for c in classes)
    return f"{', '.join(named)}; {counts[IGNORE] / counts.sum():.1%} of the pixels ignored"
