"""Changes of an image that a camera, the light or the season make: to try a model on, without new labels.

Each keeps where things are, so the labels stay those of the image. Sizes are in standard deviations of the
training's bands, so that they are alike for reflectance and for colours of 8 bits. The kinds are those of
Hendrycks and Dietterich 2019, "Benchmarking Neural Network Robustness to Common Corruptions", that
imagery from above knows.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from urbanseg.model.spec import Spec

Image = NDArray[np.float32]
"""Pixels ``(bands, height, width)`` in the units of the training."""

Shift = Callable[[Image, Spec], Image]
"""A change of an image for a model."""

SEED = 5
"""Of the noise."""


def _column(values: list[float]) -> Image:
    return np.asarray(values, np.float32)[:, None, None]


def gain(factor: float) -> Shift:
    """Brighter or darker, all bands alike."""
    return lambda image, _: image * np.float32(factor)


def haze(share: float) -> Shift:
    """A bright veil: so much of each band is one standard deviation above its mean."""

    def veiled(image: Image, spec: Spec) -> Image:
        veil = _column(spec.mean) + _column(spec.std)
        return np.asarray((1 - np.float32(share)) * image + np.float32(share) * veil, np.float32)

    return veiled


def contrast(factor: float) -> Shift:
    """Flatter or harder, around the mean of the training."""
    return lambda image, spec: _column(spec.mean) + np.float32(factor) * (image - _column(spec.mean))


def tint(amount: float) -> Shift:
    """Colours of another season or sensor: gains that change evenly from the first to the last band."""
    return lambda image, _: (
        image * np.linspace(1 + amount, 1 - amount, len(image), dtype=np.float32)[:, None, None]
    )


def blur(sigma_px: float) -> Shift:
    """Less sharp, by a Gaussian."""
    return lambda image, _: ndimage.gaussian_filter(image, (0, sigma_px, sigma_px))


def noise(amount: float) -> Shift:
    """Normal noise of so many standard deviations of each band; the same for the same image."""

    def noisy(image: Image, spec: Spec) -> Image:
        drawn = np.random.default_rng(SEED).standard_normal(image.shape, np.float32)
        return np.asarray(image + np.float32(amount) * _column(spec.std) * drawn, np.float32)

    return noisy


SHIFTS: Mapping[str, Shift] = MappingProxyType({
    "as it is": lambda image, _: image,
    "darker": gain(0.85),
    "much darker": gain(0.65),
    "brighter": gain(1.15),
    "much brighter": gain(1.4),
    "haze": haze(0.25),
    "thick haze": haze(0.5),
    "harder": contrast(1.4),
    "warmer": tint(0.15),
    "much warmer": tint(0.3),
    "colder": tint(-0.15),
    "much colder": tint(-0.3),
    "blurred": blur(0.7),
    "much blurred": blur(1.5),
    "noisy": noise(0.15),
    "very noisy": noise(0.4),
})  # fmt: skip
"""Changes by their names."""
