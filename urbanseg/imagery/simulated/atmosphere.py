"""Between ground and sensor: haze, clouds and the shadows that clouds cast."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from urbanseg.grid import Window
from urbanseg.imagery.simulated import noise
from urbanseg.imagery.simulated.illumination import Sun

CELL_PX = 3
"""Scene pixels per cell of the cloud field."""
FIELD_SIZE = 1024
CLOUD_CELLS = 40
"""Size of the larger clouds, in cells: about a kilometre."""
CLOUD_BASE_M = 1400.0
CLOUD_SPECTRUM = (0.62, 0.60, 0.60, 0.64)
CLOUD_SHADE = (0.62, 0.56, 0.52, 0.45)
"""Share of the light left in the shadow of a thick cloud, by band."""
HAZE_BY_BAND = (1.0, 0.62, 0.38, 0.12)
"""Path radiance relative to the blue band: about the fourth power of the wavelength, softened by aerosol."""


@dataclass(frozen=True)
class Sky:
    """Clouds and haze over a scene; `threshold` is the value of `cloud_field` at a cloud's edge."""

    cloud_field: NDArray[np.float32]
    haze_field: NDArray[np.float32]
    threshold: float
    haze: float
    sun: Sun
    resolution: float

    def opacity(self, window: Window) -> NDArray[np.float32]:
        """Opacity of the clouds above each pixel: 0 where there is none."""
        return self._cover(window, 0.0, 0.0)

    def shade(self, window: Window) -> NDArray[np.float32]:
        """Opacity of the clouds between each pixel and the sun: 0 where there is none."""
        distance = CLOUD_BASE_M / self.sun.slope / self.resolution
        d_row, d_col = self.sun.towards
        return self._cover(window, d_row * distance, d_col * distance)

    def observed(self, ground: NDArray[np.float32], window: Window) -> NDArray[np.float32]:
        """Reflectance ``(4, height, width)`` as seen from above the atmosphere."""
        cloud, shade = self.opacity(window), self.shade(window)
        veil = 1 + 0.4 * sampled(self.haze_field, window, 0, 0)
        seen = np.empty_like(ground)
        for band in range(len(ground)):
            lit = ground[band] * (1 - shade * (1 - CLOUD_SHADE[band]))
            path = self.haze * HAZE_BY_BAND[band] * np.clip(veil, 0.2, 2)
            hazy = lit * (1 - path) + path
            seen[band] = hazy * (1 - cloud) + CLOUD_SPECTRUM[band] * cloud
        return seen

    def _cover(self, window: Window, row: float, col: float) -> NDArray[np.float32]:
        if not np.isfinite(self.threshold):
            return np.zeros((window.height, window.width), np.float32)
        above = sampled(self.cloud_field, window, row, col) - np.float32(self.threshold)
        thick = np.clip(0.25 + above / np.float32(0.35), 0, 0.97)
        return np.where(above > 0, thick, 0).astype(np.float32)


def sky(
    shape: tuple[int, int], cloud_share: float, haze: float, sun: Sun, resolution: float, seed: int
) -> Sky:
    """Clouds over `cloud_share` of a scene of `shape` pixels, and haze.

    The threshold is the quantile of the cloud field over the scene itself, so the share
    holds for each scene and not only in the mean.

    Args:
        shape: height and width of the scene in pixels.
        cloud_share: share of the scene under clouds, 0–1.
        haze: path radiance in the blue band, as a share of the light.
        sun: its position.
        resolution: side of a pixel in metres.
        seed: of the random fields.

    Returns:
        The clouds and the haze.
    """
    field = noise.fractal(FIELD_SIZE, CLOUD_CELLS, 6, [seed, 21])
    veil = noise.texture(FIELD_SIZE / 10, [seed, 22], FIELD_SIZE)
    threshold = np.inf
    if cloud_share > 0:
        rows, cols = (min(FIELD_SIZE, -(-side // CELL_PX)) for side in shape)
        part = field[: rows + 1, : cols + 1]
        threshold = float(np.quantile(part, 1 - cloud_share)) if cloud_share < 1 else -np.inf
        threshold = max(threshold, float(field.min()) - 1)
    return Sky(field, veil, threshold, haze, sun, resolution)


def sampled(field: NDArray[np.float32], window: Window, row: float, col: float) -> NDArray[np.float32]:
    """A periodic field read at the pixels of a window.

    Args:
        field: of cells of `CELL_PX` pixels.
        window: of the scene.
        row: pixels by which the window is moved down.
        col: pixels by which it is moved right.

    Returns:
        ``(height, width)`` float32.
    """
    rows = (np.arange(window.row, window.row + window.height) + row) / CELL_PX
    cols = (np.arange(window.col, window.col + window.width) + col) / CELL_PX
    return _bilinear(field, rows, cols)


def _bilinear(
    field: NDArray[np.float32], rows: NDArray[np.float64], cols: NDArray[np.float64]
) -> NDArray[np.float32]:
    mesh = np.meshgrid(rows, cols, indexing="ij")
    return np.asarray(map_coordinates(field, mesh, order=1, mode="grid-wrap"), np.float32)
