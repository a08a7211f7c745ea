"""One target of classes and of the insides of buildings, in the highest of eight bits."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from urbanseg.classes import IGNORE

INSIDE = 128
"""Added to the class of a pixel inside a building; there are fewer classes."""


def packed(classes: NDArray[np.uint8], cores: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One target of classes and cores, ``(height, width)`` uint8.

    Args:
        classes: ``(height, width)`` positions of classes, or `IGNORE`.
        cores: ``(height, width)``, 1 inside a building.
    """
    inside = (cores == 1) & (classes != IGNORE)
    return np.where(inside, classes | INSIDE, classes).astype(np.uint8)


def unpacked(target: Tensor) -> tuple[Tensor, Tensor]:
    """Classes, int64, and what is inside a building, bool, of a target of any shape.

    A mark above the eight bits, as that of corrected pixels, stays with the class.
    """
    value = target % 256
    inside = (value >= INSIDE) & (value != IGNORE)
    return torch.where(inside, target - INSIDE, target), inside
