"""Hills under a scene: slopes that face the sun are bright, others dark, valleys lie in shadow.

Surface reflectance products correct the terrain in part or not at all, so it shows. The
relief is a periodic random field, read by position, as the clouds are.
"""

import numpy as np
from numpy.typing import NDArray

from urbanseg.grid import Window
from urbanseg.imagery.simulated import atmosphere, noise
from urbanseg.imagery.simulated.illumination import Sun, cast_shadows

HILL_CELLS = 60
"""Size of the larger hills, in cells of `atmosphere.CELL_PX` pixels: about 1.8 km at 10 m."""
DIFFUSE = 0.3
"""Share of the light that comes from the whole sky, whatever the slope."""
STRONGEST = 1.6
"""Most that a slope towards the sun gains over level ground."""


class Relief:
    """The light on slopes, relative to level ground."""

    def __init__(self, slope: float, sun: Sun, resolution: float, seed: int) -> None:
        """Lay out hills.

        Args:
            slope: its root mean square, metres per metre.
            sun: its position.
            resolution: side of a scene pixel in metres.
            seed: of the hills.
        """
        cell = resolution * atmosphere.CELL_PX
        height = noise.fractal(atmosphere.FIELD_SIZE, HILL_CELLS, 3, [seed, 51])
        south = (np.roll(height, -1, 0) - np.roll(height, 1, 0)) / (2 * cell)
        east = (np.roll(height, -1, 1) - np.roll(height, 1, 1)) / (2 * cell)
        steep = slope / float(np.sqrt((south**2 + east**2).mean()))
        d_row, d_col = sun.towards
        facing = -(south * d_row + east * d_col) * steep / sun.slope
        direct = np.clip((1 + facing) / np.sqrt(1 + (south**2 + east**2) * steep**2), 0, STRONGEST)
        direct[cast_shadows((height - height.min()) * np.float32(steep), sun, cell)] = 0
        self.light = (DIFFUSE + (1 - DIFFUSE) * direct).astype(np.float32)

    def at(self, window: Window) -> NDArray[np.float32]:
        """Light on the pixels of a window of the scene: ``(height, width)``, 1 on level ground."""
        return atmosphere.sampled(self.light, window, 0, 0)
