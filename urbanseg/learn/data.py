"""Tiles as training samples: read by window, padded, normalised, augmented.

Each draw of a tile has its own random generator, made from the seed and the number of
the draw, so a run that was broken and resumed sees what an undisturbed one sees,
whatever the number of worker processes.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import albumentations as A
import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from urbanseg.classes import IGNORE
from urbanseg.config.train import AugmentParams
from urbanseg.dataset.samples import pad
from urbanseg.grid import Window
from urbanseg.io.raster import Reader, reading
from urbanseg.learn import appearances
from urbanseg.learn.batch_sampler import Draw
from urbanseg.learn.targets import packed
from urbanseg.model.spec import CLIP, Spec

OFF = AugmentParams(flips=False, brightness=0, contrast=0, gamma=0, bands=0, noise=0, scale=0)

OFTEN = 0.5
"""Share of the samples whose amplitudes are mixed with another's."""

CORRECTED = 1 << 8
"""What is added to the class of a pixel that somebody corrected, in what is trained on."""


class Tile(NamedTuple):
    """A window of a city's scene."""

    city: str
    window: Window


class Source(NamedTuple):
    """Where a city's pixels and labels lie, and a raster that is 1 where somebody corrected them, if any."""

    scene: Path
    labels: Path
    corrected: Path | None = None
    cores: Path | None = None
    """1 inside a building; None where buildings are not told apart."""


@dataclass(frozen=True)
class TrainingSet:
    """What there is to learn from: tiles of each split, their files, and the spec."""

    train: Sequence[Tile]
    val: Sequence[Tile]
    sources: Mapping[str, Source]
    spec: Spec
    tile_size: int
    """Side of the validation tiles in pixels; smaller ones are padded."""
    train_counts: NDArray[np.int64]
    """Pixels of each class in each training tile: ``(tiles, classes)``."""
    test: Sequence[Tile] = ()
    """Scored after training only, where training started from an earlier model."""
    relabel: NDArray[np.uint8] | None = None
    """Class of each label value, ``(256,)``, where the network learns other classes than the labels'."""


class TileDataset(Dataset[tuple[Tensor, Tensor]]):
    """Samples ``(image, target)``: float32 ``(bands, size, size)`` and int64 ``(size, size)``.

    Where there are cores of buildings, the target holds them, too, as `targets.packed` says.

    Of a tile larger than `size` a part at random is read; a smaller one is padded. With
    `augment`, the part is up to its `scale` smaller or larger and is resampled to the size, and
    targets of corrected pixels are `CORRECTED` higher.
    """

    def __init__(
        self,
        tiles: Sequence[Tile],
        data: TrainingSet,
        size: int,
        augment: AugmentParams | None = None,
        seed: int = 0,
    ) -> None:
        self.tiles, self.data, self.size, self.seed = tiles, data, size, seed
        self.params, self.is_trained_on = augment or OFF, augment is not None
        self.scale = self.params.scale
        steps = augmentation(augment) if augment else None
        self.augment = steps if steps and steps.transforms else None
        self._readers: dict[Path, Reader] = {}
        self._open = ExitStack()

    def __len__(self) -> int:
        return len(self.tiles)

    def __getitem__(self, draw: Draw) -> tuple[Tensor, Tensor]:
        city, window = self.tiles[draw.tile]
        rng = np.random.default_rng((self.seed, draw.number))
        size = round(self.size / rng.uniform(1 - self.scale, 1 + self.scale)) if self.scale else self.size
        window = crop(window, size, rng)
        pixels = self._pixels(city, window)
        labels = self._reader(self.data.sources[city].labels).read_band(window)
        if self.data.relabel is not None:
            labels = self.data.relabel[labels]
        if (cores := self.data.sources[city].cores) is not None:
            labels = packed(labels, self._reader(cores).read_band(window))
        if (corrected := self.data.sources[city].corrected) is not None and self.is_trained_on:
            marked = (self._reader(corrected).read_band(window) == 1) & (labels != IGNORE)
            labels = labels.astype(np.int16) + np.int16(CORRECTED) * marked
        if self.params.light:
            pixels = appearances.relit(pixels, self.data.spec.units, self.params.light, rng)
        image = self.data.spec.normalise(pad(pixels, size, mode="reflect"))
        target = pad(labels, size, mode="constant", constant_values=IGNORE)
        if size != self.size:
            image, target = resized(image, target, self.size)
        image = self._mixed(image, rng)
        if self.augment is not None:
            image, target = _augmented(self.augment, image, target, self.seed, draw.number)
        return torch.from_numpy(image), torch.from_numpy(target.astype(np.int64))

    def _pixels(self, city: str, window: Window) -> NDArray[Any]:
        pixels: NDArray[Any] = np.nan_to_num(self._reader(self.data.sources[city].scene).read(window))
        return pixels

    def _mixed(self, image: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """An image with the amplitudes of another tile, and a random filter, where they are asked for."""
        if self.params.fourier and rng.random() < OFTEN:
            city, window = self.tiles[int(rng.integers(len(self.tiles)))]
            pixels = pad(self._pixels(city, crop(window, self.size, rng)), self.size, mode="reflect")
            other = self.data.spec.normalise(pixels)
            image = appearances.mixed_amplitudes(image, other, rng.uniform(0, self.params.fourier))
        if self.params.convolution and rng.random() < self.params.convolution:
            image = appearances.convolved(image, rng)
        return image

    def close(self) -> None:
        """Close the files that were opened by reading samples."""
        self._readers.clear()
        self._open.close()

    def _reader(self, path: Path) -> Reader:
        # opened on first use, so that each worker process has handles of its own
        if path not in self._readers:
            self._readers[path] = self._open.enter_context(reading(path))
        return self._readers[path]


def crop(window: Window, size: int, rng: np.random.Generator) -> Window:
    """A window of at most ``size × size`` pixels at a random place inside `window`.

    Args:
        window: what is cropped.
        size: side in pixels, at most.
        rng: draws the place.

    Returns:
        The part of `window`.
    """
    height, width = min(size, window.height), min(size, window.width)
    row = window.row + int(rng.integers(window.height - height + 1))
    col = window.col + int(rng.integers(window.width - width + 1))
    return Window(row, col, height, width)


def resized(
    image: NDArray[np.float32], target: NDArray[Any], size: int
) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """A sample at another resolution, ``size × size`` pixels: bilinear, its labels by the nearest pixel.

    Args:
        image: ``(bands, n, n)``.
        target: ``(n, n)``.
        size: side of the result in pixels.
    """
    bands_last = np.ascontiguousarray(image.transpose(1, 2, 0))
    scaled = cv2.resize(bands_last, (size, size), interpolation=cv2.INTER_LINEAR).reshape(size, size, -1)
    labels = cv2.resize(target, (size, size), interpolation=cv2.INTER_NEAREST_EXACT)
    return np.ascontiguousarray(scaled.transpose(2, 0, 1)), labels.astype(target.dtype)


def augmentation(params: AugmentParams) -> A.Compose:
    """Flips, quarter turns, brightness, contrast, gamma, gains by band, blur, noise, for any number of bands.

    Intensities are in units where the whole clipped range ±`CLIP` is 1; gains keep its lower end.
    """
    steps: list[Any] = [A.D4(p=1)] if params.flips else []
    if params.brightness or params.contrast:
        steps.append(A.RandomBrightnessContrast(params.brightness, params.contrast, p=0.8))
    if params.gamma:
        percent = (100 * (1 - params.gamma), 100 * (1 + params.gamma))
        steps.append(A.RandomGamma(percent, p=0.8))
    if params.bands:
        gains = (1 - params.bands, 1 + params.bands)
        steps.append(A.MultiplicativeNoise(gains, per_channel=True, elementwise=False, p=0.8))
    if params.blur:
        steps.append(A.GaussianBlur(blur_limit=0, sigma_limit=(0, params.blur), p=0.5))
    if params.noise:
        steps.append(A.GaussNoise(std_range=(0, params.noise), per_channel=True, p=0.5))
    return A.Compose(steps)


def _augmented(
    augment: A.Compose,
    image: NDArray[np.float32],
    target: NDArray[Any],
    seed: int,
    number: int,
) -> tuple[NDArray[np.float32], NDArray[Any]]:
    augment.set_random_seed(int(np.random.SeedSequence((seed, number)).generate_state(1)[0]))
    unit = image.transpose(1, 2, 0) / (2 * CLIP) + 0.5
    result = augment(image=np.ascontiguousarray(unit), mask=target)
    back = (result["image"].transpose(2, 0, 1) - 0.5) * (2 * CLIP)
    return np.ascontiguousarray(back, np.float32), np.ascontiguousarray(result["mask"])
