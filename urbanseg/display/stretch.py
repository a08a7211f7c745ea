"""How a scene's values become colours: which bands are red, green and blue, and their range."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

RGB_NAMES = (("b04", "b03", "b02"), ("b4", "b3", "b2"), ("red", "green", "blue"))
"""Names by which red, green and blue are known among a scene's bands, best first."""

PERCENTILES = (2, 98)
MIDTONE = 0.4
"""Brightness to which the median of a dark picture is lifted, as cameras expose."""

LEAST_GAMMA = 1 / 2.2
"""The strongest lift: that of a display for linear light."""


@dataclass(frozen=True)
class Stretch:
    """Range of values that is shown: the colour is ``((value - low) / width) ** gamma``.

    Attributes:
        low: value that is black, of each band shown.
        width: from black to white, the same for all bands, so that a desert stays sand-coloured.
        gamma: below 1 lifts the dark.
    """

    low: tuple[float, ...]
    width: float
    gamma: float


def rgb_bands(descriptions: Sequence[str | None]) -> tuple[int, ...]:
    """Which bands (1-based) to show as red, green and blue: by name, else the first three or one."""
    names = [(text or "").strip().lower() for text in descriptions]
    for wanted in RGB_NAMES:
        if set(wanted) <= set(names):
            return tuple(names.index(name) + 1 for name in wanted)
    return (1, 2, 3) if len(names) >= 3 else (1,)


def stretch_of(bands: NDArray[Any], valid: NDArray[np.bool_]) -> Stretch:
    """The range between the 2nd and the 98th percentile, the widest of the bands for all of them.

    Args:
        bands: ``(3 or 1, height, width)``, any real dtype and unit.
        valid: ``(height, width)``, which pixels hold data.
    """
    values = bands.astype(np.float32)
    valid = valid & np.isfinite(values).all(axis=0)
    if not valid.any():
        return Stretch((0.0,) * len(bands), 1.0, 1.0)
    low, high = np.percentile(values[:, valid], PERCENTILES, axis=1)
    width = float((high - low).max())
    if width <= 0:
        low, width = low - 0.5, 1.0
    shown = np.clip((values[:, valid] - low[:, np.newaxis]) / width, 0, 1)
    middle = float(np.median(shown))
    gamma = max(float(np.log(MIDTONE) / np.log(middle)), LEAST_GAMMA) if 0 < middle < MIDTONE else 1.0
    return Stretch(tuple(low.tolist()), width, gamma)


def stretched(bands: NDArray[Any], valid: NDArray[np.bool_], stretch: Stretch) -> NDArray[np.uint8]:
    """A picture of bands.

    Args:
        bands: ``(3 or 1, height, width)``, any real dtype and unit.
        valid: ``(height, width)``, which pixels hold data; others become white.
        stretch: of the bands.

    Returns:
        ``(height, width, 3)`` uint8.
    """
    low = np.array(stretch.low, np.float32)[:, np.newaxis, np.newaxis]
    shown = np.clip((np.nan_to_num(bands.astype(np.float32)) - low) / stretch.width, 0, 1) ** stretch.gamma
    picture = np.broadcast_to(np.round(shown * 255).astype(np.uint8), (3, *valid.shape)).copy()
    picture[:, ~valid] = 255
    return np.moveaxis(picture, 0, -1)
