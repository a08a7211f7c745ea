"""Strengths laid over a picture: what speaks for something and what against it, and the place it is about."""

import numpy as np
from numpy.typing import NDArray

FOR, AGAINST, MARK = (214, 39, 40), (31, 80, 180), (255, 255, 0)
"""Red, blue and yellow."""

OPACITY = 0.65
"""Of the strongest."""

ARM_PX = 6
"""Length of the arms of the cross that marks the place; its middle stays free."""


def heat(
    base: NDArray[np.uint8], strengths: NDArray[np.float32] | None, place: tuple[int, int]
) -> NDArray[np.uint8]:
    """A picture under strengths, with a cross at a place.

    Args:
        base: ``(height, width, 3)``.
        strengths: ``(height, width)``, -1 to 1; None for the picture and the cross alone.
        place: row and column.

    Returns:
        ``(height, width, 3)``.
    """
    drawn = base.astype(np.float64)
    if strengths is not None:
        weight = OPACITY * np.abs(np.clip(strengths, -1, 1))[..., None]
        colour = np.where(strengths[..., None] >= 0, np.array(FOR), np.array(AGAINST))
        drawn = drawn * (1 - weight) + colour * weight
    picture = np.round(drawn).astype(np.uint8)
    height, width = picture.shape[:2]
    row, col = place
    for step in (*range(-ARM_PX, -1), *range(2, ARM_PX + 1)):
        for at in ((row + step, col), (row, col + step)):
            if 0 <= at[0] < height and 0 <= at[1] < width:
                picture[at] = MARK
    return picture
