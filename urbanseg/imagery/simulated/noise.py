"""Smooth random fields that do not depend on how a scene is divided into strips.

A field is one seeded periodic texture, read by absolute position, so neighbouring
strips agree to the bit.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import fft

TEXTURE_SIZE = 2048
"""Period of a texture, in pixels."""


def texture(scale: float, seed: list[int], size: int = TEXTURE_SIZE) -> NDArray[np.float32]:
    """A periodic field, standard normal, with features about `scale` pixels across.

    White noise filtered by a Gaussian in the frequency domain, which makes it periodic.

    Args:
        scale: size of the features in pixels.
        seed: of the noise.
        size: period in pixels.

    Returns:
        ``(size, size)`` float32.
    """
    rng = np.random.default_rng(seed)
    white = fft.rfft2(rng.standard_normal((size, size), np.float32))
    row, col = fft.fftfreq(size), fft.rfftfreq(size)
    low_pass = [np.exp(-2 * (np.pi * scale / 2 * f) ** 2).astype(np.float32) for f in (row, col)]
    smooth = fft.irfft2(white * low_pass[0][:, None] * low_pass[1], s=(size, size))
    return np.asarray((smooth - smooth.mean()) / smooth.std(), np.float32)


def fractal(size: int, scale: float, octaves: int, seed: list[int]) -> NDArray[np.float32]:
    """A periodic cloud-like field: octaves of `scale` pixels, half of it, and so on, of falling weight.

    Args:
        size: period in pixels.
        scale: size of the largest features in pixels.
        octaves: number of scales.
        seed: of the noise.

    Returns:
        ``(size, size)`` float32, standard normal in the mean.
    """
    field = np.zeros((size, size), np.float32)
    for octave in range(octaves):
        field += 0.6**octave * texture(scale / 2**octave, [*seed, octave], size)
    return np.asarray((field - field.mean()) / field.std(), np.float32)


def at(field: NDArray[np.float32], row: int, col: int, shape: tuple[int, int]) -> NDArray[np.float32]:
    """A window of a periodic field.

    Args:
        field: the field.
        row: of the upper left pixel; may be negative.
        col: of the upper left pixel; may be negative.
        shape: height and width of the window.

    Returns:
        ``(height, width)`` float32.
    """
    rows = np.arange(row, row + shape[0]) % field.shape[0]
    cols = np.arange(col, col + shape[1]) % field.shape[1]
    return np.asarray(field[rows[:, None], cols[None, :]])
