"""The sensor: optical blur, sampling, noise, digital numbers, and the scene classification."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from urbanseg.grid import Window
from urbanseg.imagery.simulated.atmosphere import Sky

MTF_AT_NYQUIST = 0.25
"""Modulation transfer of the whole instrument at half the sampling frequency: the
mission requirement for the 10 m bands is 0.15 to 0.30 (ESA, Sentinel-2 User Handbook)."""

SCALE = 10_000
"""Digital numbers per unit of reflectance."""

GAIN_NOISE = 0.008
"""Relative deviation of the signal-dependent noise."""

MARKED_SHADOW = 0.2
"""Opacity of a cloud above which the scene classification marks its shadow."""


def blur_sigma() -> float:
    """Standard deviation of the optical blur, in scene pixels.

    The square detector passes 2/π at the Nyquist frequency; the Gaussian
    exp(-2π²σ²f²) takes what is left, with f = 1/2.
    """
    optics = MTF_AT_NYQUIST * np.pi / 2
    return float(np.sqrt(-2 * np.log(optics)) / np.pi)


def sample(light: NDArray[np.float32], factor: int, blur: float = 1.0) -> NDArray[np.float32]:
    """Blur fine pixels and average ``factor × factor`` of them into one.

    Args:
        light: ``(bands, height, width)``; sides are multiples of `factor`.
        factor: fine pixels per scene pixel and axis.
        blur: of the optics, relative to the nominal one.
    """
    bands, height, width = light.shape
    sigma = blur_sigma() * factor * blur
    blurred = np.stack([gaussian_filter(band, sigma, truncate=3, mode="nearest") for band in light])
    cells = blurred.reshape(bands, height // factor, factor, width // factor, factor)
    return np.asarray(cells.mean(axis=(2, 4)), np.float32)


def digitise(seen: NDArray[np.float32], noise: float, seed: int, window: Window) -> NDArray[np.uint16]:
    """Add noise and turn reflectance into digital numbers of at least 1; 0 means no data.

    Noise is drawn row by row from a random stream of the row, so it does not depend on strips.

    Args:
        seen: ``(4, height, width)`` reflectance above the atmosphere.
        noise: standard deviation of the noise that does not depend on the signal.
        seed: of the noise.
        window: where `seen` lies in the scene.

    Returns:
        ``(4, height, width)`` uint16.
    """
    numbers = np.empty(seen.shape, np.uint16)
    for i in range(window.height):
        rng = np.random.default_rng([seed, 31, window.row + i])
        draws = rng.standard_normal((2, len(seen), window.width), np.float32)
        row = seen[:, i] * (1 + np.float32(GAIN_NOISE) * draws[0]) + np.float32(noise) * draws[1]
        numbers[:, i] = np.clip(np.rint(row * SCALE), 1, 65_535)
    return numbers


def classify(numbers: NDArray[np.uint16], sky: Sky, window: Window) -> NDArray[np.uint8]:
    """Scene classification as Sen2Cor codes it: the true clouds, and simple spectral rules.

    Codes: 2 dark, 3 cloud shadow, 4 vegetation, 5 not vegetated, 6 water, 7 unclassified,
    8 and 9 cloud of medium and high probability.

    Args:
        numbers: ``(4, height, width)`` digital numbers.
        sky: the true clouds.
        window: where `numbers` lies in the scene.

    Returns:
        ``(height, width)`` uint8.
    """
    blue, green, red, nir = numbers.astype(np.float32) / SCALE
    ndvi = (nir - red) / (nir + red)
    ndwi = (green - nir) / (green + nir)
    codes = np.full(blue.shape, 7, np.uint8)
    codes[ndvi < 0.3] = 5
    codes[ndvi > 0.4] = 4
    codes[(nir < 0.1) & (blue < 0.1)] = 2
    codes[(ndwi > 0.05) & (nir < 0.12)] = 6
    codes[sky.shade(window) > MARKED_SHADOW] = 3
    opacity = sky.opacity(window)
    codes[opacity > 0] = 8
    codes[opacity > 0.6] = 9
    return codes
