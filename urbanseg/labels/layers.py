"""What all sources of labels have in common, and how several become one.

A source is a function from a window of the scene to its labels, so that memory is bounded
by the window whatever the source.
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
"""Says something of each pixel of a window of the scene, ``(height, width)``."""

HIDDEN = 254
"""Pixels that a person has drawn as `ignore`: no layer below is asked; classes have ids far below."""


def stacked(layers: Sequence[Labeller]) -> Labeller:
    """The first layer that knows a pixel labels it: what one ignores is left to the next.

    Args:
        layers: highest priority first; they may give `HIDDEN`.
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
    labelled = counts[: len(classes)].sum()
    named = (f"{c.name} {counts[c.id] / max(1, labelled):.1%}" for c in classes)
    return f"{', '.join(named)}; {counts[IGNORE] / counts.sum():.1%} of the pixels ignored"
