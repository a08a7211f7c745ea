"""Changes of how a training sample looks, for models that meet other places, light and sensors.

`mixed_amplitudes` lends it the colours and contrasts of another tile, `convolved` its texture to a random
filter, and `relit` changes the light that reached the sensor. Labels stay as they are. All are off unless
params.yaml asks for them; bench/ABLATION.md has what they gained.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from urbanseg.model.spec import CLIP, UNITS

KERNELS = (1, 3, 5, 7)
"""Sides in pixels of the random filters."""

VEIL = 0.05
"""Light that is added, at most, for each stop of exposure: share of white."""

OWN_GAIN = 0.3
"""Stops by which the bands differ, for each stop by which all of them change."""

TOE, SLOPE, OFFSET, POWER = 0.04045, 12.92, 0.055, 2.4
"""Of the transfer curve of sRGB (IEC 61966-2-1)."""


def mixed_amplitudes(
    image: NDArray[np.float32], other: NDArray[np.float32], share: float
) -> NDArray[np.float32]:
    """An image whose Fourier amplitudes are mixed with another's; its phases, where things are, stay.

    Xu et al. 2021, "A Fourier-based framework for domain generalization", equation 5.

    Args:
        image: normalised, ``(bands, n, n)``.
        other: of the same shape.
        share: of the other's amplitudes, 0–1.

    Returns:
        ``(bands, n, n)``, within ±`CLIP`.
    """
    # Over the lower end of the range nothing is negative: the phase of the mean, which is its sign, is 0.
    spectrum = np.fft.rfft2(image + CLIP)
    amplitudes = (1 - share) * np.abs(spectrum) + share * np.abs(np.fft.rfft2(other + CLIP))
    mixed = np.fft.irfft2(amplitudes * np.exp(1j * np.angle(spectrum)), image.shape[1:]) - CLIP
    return np.clip(mixed, -CLIP, CLIP).astype(np.float32)


def convolved(image: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """An image mixed with its convolution by a random filter over all bands.

    Xu et al. 2021, "Robust and generalizable visual representation learning via random
    convolutions", the variant with mixing.

    Args:
        image: normalised, ``(bands, n, n)``.
        rng: draws filter and share.

    Returns:
        ``(bands, n, n)``, within ±`CLIP`.
    """
    bands, side = len(image), int(rng.choice(KERNELS))
    filters = rng.normal(0, 1 / np.sqrt(bands * side * side), (bands, bands, side, side)).astype(np.float32)
    share = np.float32(rng.random())
    made = [
        sum(
            cv2.filter2D(band, cv2.CV_32F, weights, borderType=cv2.BORDER_REFLECT_101)
            for band, weights in zip(image, of_band, strict=True)
        )
        for of_band in filters
    ]
    return np.clip(share * image + (1 - share) * np.stack(made), -CLIP, CLIP).astype(np.float32)


def relit(
    pixels: NDArray[Any], units: str | None, stops: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Pixels in other light: exposure, its colour, and a veil of haze, all in units of light.

    Colours of 8 bits are taken out of sRGB's curve first and put back; they end at white, as in a camera.

    Args:
        pixels: as the scene holds them, ``(bands, n, n)``.
        units: a key of `UNITS`; None where it was not noted, when no veil is laid over them.
        stops: by which the exposure changes, at most: 1 is half or twice as much light.
        rng: draws exposure, colour and veil.

    Returns:
        ``(bands, n, n)`` in the units of `pixels`.
    """
    exposure = rng.uniform(-stops, stops)
    gains = 2 ** (exposure + rng.uniform(-OWN_GAIN * stops, OWN_GAIN * stops, (len(pixels), 1, 1)))
    veil = rng.uniform(0, VEIL * stops)
    if units != "uint8":
        white = UNITS[units] if units else 0.0
        return (pixels * gains + veil * white).astype(np.float32)
    light = _light(pixels / UNITS[units]) * gains
    return (UNITS[units] * _curve(np.minimum(light + veil, 1))).astype(np.float32)


def _light(shares: NDArray[Any]) -> NDArray[np.float32]:
    """Light of values of sRGB, both 0–1."""
    bright = ((np.maximum(shares, TOE) + OFFSET) / (1 + OFFSET)) ** POWER
    return np.where(shares <= TOE, shares / SLOPE, bright).astype(np.float32)


def _curve(light: NDArray[Any]) -> NDArray[np.float32]:
    """Values of sRGB for light, both 0–1."""
    bright = (1 + OFFSET) * np.maximum(light, TOE / SLOPE) ** (1 / POWER) - OFFSET
    return np.where(light <= TOE / SLOPE, light * SLOPE, bright).astype(np.float32)
