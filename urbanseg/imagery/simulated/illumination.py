"""Illumination of scene objects: reflectance on the fine grid, with cast shadows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from urbanseg.imagery.simulated import noise
from urbanseg.imagery.simulated.materials import PATCH_SIZES_PX
from urbanseg.imagery.simulated.scene_objects import SceneObjects

SKYLIGHT = (0.46, 0.40, 0.36, 0.28)
"""Share of the light that reaches shaded ground, from the blue sky, by band."""


SHARPNESS = np.array([3, 3, 0.7], np.float32)
"""Contrast at the edges of patches, by patch size: water mixes gradually."""


@dataclass(frozen=True)
class Sun:
    """Position of the sun: degrees clockwise from north, and above the horizon."""

    azimuth: float
    elevation: float

    @property
    def towards(self) -> tuple[float, float]:
        """Unit vector on the ground towards the sun, in rows and columns."""
        angle = np.radians(self.azimuth)
        return float(-np.cos(angle)), float(np.sin(angle))

    @property
    def slope(self) -> float:
        """Metres of height per metre of shadow."""
        return float(np.tan(np.radians(self.elevation)))


class Textures:
    """The random fields of a scene, in pixels of the fine grid."""

    def __init__(self, seed: int) -> None:
        self.patches = [noise.texture(size, [seed, 11, i]) for i, size in enumerate(PATCH_SIZES_PX.values())]
        self.speckle = noise.texture(1.2, [seed, 12])


def illuminate(
    ids: NDArray[np.int32],
    objects: SceneObjects,
    textures: Textures,
    sun: Sun,
    origin: tuple[int, int],
    pixel: float,
) -> NDArray[np.float32]:
    """Reflectance of the pixels of scene objects under the sun.

    Args:
        ids: ``(height, width)`` ids of the objects.
        objects: the objects.
        textures: the scene's random fields.
        sun: its position.
        origin: row and column of the piece in the scene's fine grid.
        pixel: side of a fine pixel in metres.

    Returns:
        ``(4, height, width)`` float32.
    """
    shape = ids.shape
    size = objects.patch_size[ids]
    patches = np.choose(size, [noise.at(field, *origin, shape) for field in textures.patches])
    other = np.clip((objects.level[ids] - patches) * SHARPNESS[size] + 0.5, 0, 1)
    height = objects.height[ids] + objects.crown[ids] * (1 - other)
    shaded = cast_shadows(height, sun, pixel)
    relief = noise.at(textures.speckle, *origin, shape) + noise.at(textures.patches[-1], *origin, shape)
    relief = np.exp(objects.texture[ids] * relief)
    lit = np.empty((4, *shape), np.float32)
    for band, sky in enumerate(SKYLIGHT):
        main, second = objects.main[:, band][ids], objects.other[:, band][ids]
        lit[band] = (
            (main + (second - main) * other) * relief * np.where(shaded, np.float32(sky), np.float32(1))
        )
    return lit


def cast_shadows(height: NDArray[np.float32], sun: Sun, pixel: float) -> NDArray[np.bool_]:
    """Which pixels are in the shadow of the heights around them.

    A pixel is in shadow if, at some step towards the sun, the height is above the ray from
    the pixel to the sun. Heights beyond the edge of the array count as 0.

    Args:
        height: ``(height, width)`` above ground, in metres.
        sun: its position.
        pixel: side of a pixel in metres.

    Returns:
        ``(height, width)`` bool.
    """
    dark = np.zeros(height.shape, bool)
    d_row, d_col = sun.towards
    tallest = float(height.max(initial=0))
    for step in range(1, shadow_length(tallest, sun, pixel) + 1):
        row, col = round(step * d_row), round(step * d_col)
        if abs(row) >= height.shape[0] or abs(col) >= height.shape[1]:
            break
        here, there = _shifted(height.shape, row, col)
        dark[here] |= height[there] > height[here] + np.float32(step * pixel * sun.slope)
    return dark


def shadow_length(height: float, sun: Sun, pixel: float) -> int:
    """Length of the shadow of an object.

    Args:
        height: of the object in metres.
        sun: its position.
        pixel: side of a pixel in metres.

    Returns:
        Whole pixels.
    """
    return int(np.ceil(height / (sun.slope * pixel)))


def _shifted(shape: tuple[int, int], row: int, col: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Slices of an array and of itself moved by `row`, `col`, where both exist."""
    height, width = shape
    here = slice(max(0, -row), max(0, height - max(0, row))), slice(max(0, -col), max(0, width - max(0, col)))
    there = slice(here[0].start + row, here[0].stop + row), slice(here[1].start + col, here[1].stop + col)
    return here, there
