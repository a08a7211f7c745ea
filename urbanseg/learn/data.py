"""Tiles as training samples: read by window, padded, normalised, augmented.

Each draw of a tile has its own random generator, made from the seed and the number of
the draw, so a run that was broken and resumed sees what an undisturbed one sees,
whatever the number of worker processes.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from urbanseg.classes import IGNORE
from urbanseg.grid import Window
from urbanseg.raster import Reader, reading
from urbanseg.segmenter import CLIP, Spec
from urbanseg.train_params import AugmentParams

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would ask the network at import
import albumentations as A


class Tile(NamedTuple):
    """A window of a city's scene."""

    city: str
    window: Window


class Source(NamedTuple):
    """Where a city's pixels and labels lie."""

    scene: Path
    labels: Path


@dataclass(frozen=True)
class TrainingSet:
    """What there is to learn from: tiles of both splits, their files, and the spec."""

    train: Sequence[Tile]
    val: Sequence[Tile]
    sources: Mapping[str, Source]
    spec: Spec
    tile_size: int
    """Side of the validation tiles in pixels; smaller ones are padded."""


class Draw(NamedTuple):
    """Which tile is drawn, and the number of the draw in the whole training."""

    tile: int
    number: int


class TileDataset(Dataset[tuple[Tensor, Tensor]]):
    """Samples ``(image, target)``: float32 ``(bands, size, size)`` and int64 ``(size, size)``.

    Of a tile larger than `size` a part at random is read; a smaller one is padded.
    """

    def __init__(
        self,
        tiles: Sequence[Tile],
        sources: Mapping[str, Source],
        spec: Spec,
        size: int,
        augment: A.Compose | None = None,
        seed: int = 0,
    ) -> None:
        self.tiles, self.sources, self.spec, self.size = tiles, sources, spec, size
        self.augment, self.seed = augment, seed
        self._readers: dict[Path, Reader] = {}
        self._open = ExitStack()

    def __len__(self) -> int:
        return len(self.tiles)

    def __getitem__(self, draw: Draw) -> tuple[Tensor, Tensor]:
        city, window = self.tiles[draw.tile]
        window = crop(window, self.size, np.random.default_rng((self.seed, draw.number)))
        source = self.sources[city]
        pixels = self._reader(source.scene).read(window)
        labels = self._reader(source.labels).read_band(window)
        image = self.spec.normalise(pad(np.nan_to_num(pixels), self.size, mode="reflect"))
        target = pad(labels, self.size, mode="constant", constant_values=IGNORE)
        if self.augment is not None:
            image, target = _augmented(self.augment, image, target, self.seed, draw.number)
        return torch.from_numpy(image), torch.from_numpy(target.astype(np.int64))

    def _reader(self, path: Path) -> Reader:
        # opened on first use, so that each worker process has handles of its own
        if path not in self._readers:
            self._readers[path] = self._open.enter_context(reading(path))
        return self._readers[path]


class Draws(Sampler[list[Draw]]):
    """Batches of draws for one epoch: a seeded shuffle of all tiles, pass after pass.

    Tiles are drawn without replacement until all are seen, then shuffled anew; epochs
    continue where the one before stopped. So `steps` may be any number, below or above
    a pass.
    """

    def __init__(self, tiles: int, batch_size: int, steps: int, seed: int) -> None:
        self.tiles, self.batch_size, self.steps, self.seed = tiles, batch_size, steps, seed
        self.epoch = 0

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[list[Draw]]:
        first = self.epoch * self.steps * self.batch_size
        for start in range(first, first + self.steps * self.batch_size, self.batch_size):
            yield [self._draw(number) for number in range(start, start + self.batch_size)]

    def _draw(self, number: int) -> Draw:
        lap, position = divmod(number, self.tiles)
        order = np.random.default_rng((self.seed, lap)).permutation(self.tiles)
        return Draw(int(order[position]), number)


def in_order(tiles: int, batch_size: int) -> list[list[Draw]]:
    """Batches of all tiles once, in order: for validation."""
    return [
        [Draw(i, i) for i in range(start, min(start + batch_size, tiles))]
        for start in range(0, tiles, batch_size)
    ]


def crop(window: Window, size: int, rng: np.random.Generator) -> Window:
    """A window of at most ``size × size`` pixels at a random place inside `window`."""
    height, width = min(size, window.height), min(size, window.width)
    row = window.row + int(rng.integers(window.height - height + 1))
    col = window.col + int(rng.integers(window.width - width + 1))
    return Window(row, col, height, width)


def pad(array: NDArray[Any], size: int, **how: Any) -> NDArray[Any]:
    """Pad the last two axes at their ends to at least `size` pixels; `how` as in `np.pad`."""
    missing = [max(0, size - n) for n in array.shape[-2:]]
    if not any(missing):
        return array
    widths = [(0, 0)] * (array.ndim - 2) + [(0, n) for n in missing]
    return np.pad(array, widths, **how)


def augmentation(params: AugmentParams) -> A.Compose:
    """Flips and quarter turns, brightness, contrast and noise, for any number of bands.

    Intensities are in units where the whole clipped range ±`CLIP` is 1.
    """
    steps: list[Any] = [A.D4(p=1)] if params.flips else []
    if params.brightness or params.contrast:
        steps.append(A.RandomBrightnessContrast(params.brightness, params.contrast, p=0.8))
    if params.noise:
        steps.append(A.GaussNoise(std_range=(0, params.noise), per_channel=True, p=0.5))
    return A.Compose(steps)


def _augmented(
    augment: A.Compose,
    image: NDArray[np.float32],
    target: NDArray[np.uint8],
    seed: int,
    number: int,
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    augment.set_random_seed(int(np.random.SeedSequence((seed, number)).generate_state(1)[0]))
    unit = image.transpose(1, 2, 0) / (2 * CLIP) + 0.5
    result = augment(image=np.ascontiguousarray(unit), mask=target)
    back = (result["image"].transpose(2, 0, 1) - 0.5) * (2 * CLIP)
    return np.ascontiguousarray(back, np.float32), np.ascontiguousarray(result["mask"])
