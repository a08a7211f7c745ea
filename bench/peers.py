"""How others predict a scene: the straightforward loop, and the algorithms of two public libraries.

They are written anew after what is published, so that the same network, scene and windows
go through all of them in one process:

- `straightforward`: tile files on disk, one tile at a time, one accumulator of the scene's
  size; what a first script does.
- `geoai`: geoai-py 0.40.1, `geoai.inference.predict_geotiff`: spline blending, batches,
  float64 accumulators of the scene's size. On a test scene this gives the map of the
  published code, pixel for pixel.
- `torchgeo`: TorchGeo's tiled inference callback (pull request 3214; `callbacks/blending.py`
  of torchgeo/torchgeo at 07f9338): each batch's probabilities go to patch files, which are
  then merged with cosine weights in chunks of 4096 pixels.

Each takes a `Case` and returns the classes it wrote.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch
from numpy.typing import NDArray
from rasterio.windows import Window
from torch import nn

from urbanseg.grid import starts
from urbanseg.model.spec import Spec

CHUNK = 4096
"""Pixels along a side of what TorchGeo's merge holds at once, its default."""


@dataclass(frozen=True)
class Case:
    """What is predicted by all alike."""

    network: nn.Module
    spec: Spec
    scene: Path
    bands: list[int]
    size: int
    overlap: int
    batch_size: int
    folder: Path
    """Scratch space."""

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.spec.classes)

    @torch.no_grad()
    def probabilities(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """The plain use of a network: normalise, run, softmax."""
        images = np.stack([self.spec.normalise(p) for p in pixels])
        return self.network(torch.from_numpy(images)).softmax(dim=1).numpy()

    def read(self, scene: Any, top: int, left: int) -> NDArray[Any]:
        """Pixels of a window; zeros where it sticks out."""
        window = Window(left, top, self.size, self.size)
        return scene.read(self.bands, window=window, boundless=True, fill_value=0)


def straightforward(case: Case) -> NDArray[np.uint8]:
    """Cut tile files with half of them shared, predict one after the other, average, write."""
    tiles = []
    with rasterio.open(case.scene) as scene:
        height, width = scene.shape
        for top in starts(height, case.size, case.size // 2):
            for left in starts(width, case.size, case.size // 2):
                path = case.folder / f"tile_{top}_{left}.tif"
                _write(path, case.read(scene, top, left))
                tiles.append((top, left, path))
    scores = np.zeros((case.classes, height, width), np.float32)
    hits = np.zeros((height, width), np.float32)
    for top, left, path in tiles:
        with rasterio.open(path) as tile:
            found = case.probabilities(tile.read()[None])[0]
        part = np.s_[top : top + case.size, left : left + case.size]
        scores[:, *part] += found[:, : height - top, : width - left]
        hits[part] += 1
    return _finish(case, (scores / hits).argmax(axis=0))


def geoai(case: Case) -> NDArray[np.uint8]:
    """geoai-py's smooth windowed prediction."""
    ramp = 0.5 * (1 - np.cos(np.pi * np.arange(1, case.overlap + 1) / max(1, case.overlap)))
    spline = np.ones(case.size)
    if case.overlap:
        spline[: case.overlap], spline[-case.overlap :] = ramp**2, ramp[::-1] ** 2
    weights = np.outer(spline, spline).astype(np.float32)
    with rasterio.open(case.scene) as scene:
        height, width = scene.shape
        total = np.zeros((case.classes, height, width), np.float64)
        weight = np.zeros((1, height, width), np.float64)
        for batch in _batches(_pulled_back(case, height, width), case.batch_size):
            found = case.probabilities(np.stack([case.read(scene, *at) for at in batch]))
            for (top, left), scores in zip(batch, found, strict=True):
                part = np.s_[:, top : top + case.size, left : left + case.size]
                fits = np.s_[:, : height - top, : width - left]
                total[part] += (scores * weights)[fits]
                weight[part] += weights[None][fits]
    mean = np.where(weight > 0, total / (weight + 1e-8), 255).astype(np.float32)
    return _finish(case, mean.argmax(axis=0))


def torchgeo(case: Case) -> NDArray[np.uint8]:
    """TorchGeo's tiled inference: patch files, then a merge by chunks."""
    with rasterio.open(case.scene) as scene:
        height, width = scene.shape
        places = [
            (top, left)
            for top in starts(height, case.size, case.overlap)
            for left in starts(width, case.size, case.overlap)
        ]
        for batch in _batches(places, case.batch_size):
            found = case.probabilities(np.stack([case.read(scene, *at) for at in batch]))
            for (top, left), scores in zip(batch, found, strict=True):
                _write(case.folder / f"patch_{top}_{left}.tif", scores)
    result = np.zeros((height, width), np.uint8)
    for top in range(0, height, CHUNK):
        for left in range(0, width, CHUNK):
            rows, cols = range(top, min(height, top + CHUNK)), range(left, min(width, left + CHUNK))
            result[rows.start : rows.stop, cols.start : cols.stop] = _merged(case, places, rows, cols)
    return _finish(case, result)


def _merged(case: Case, places: list[tuple[int, int]], rows: range, cols: range) -> NDArray[np.intp]:
    """Classes of a chunk from the patch files that reach into it; no ramp at the scene's edges."""
    last = max(top for top, _ in places), max(left for _, left in places)
    scores = np.zeros((case.classes, len(rows), len(cols)), np.float32)
    weight = np.zeros((len(rows), len(cols)), np.float32)
    for top, left in places:
        if top >= rows.stop or left >= cols.stop or min(top - rows.start, left - cols.start) <= -case.size:
            continue
        with rasterio.open(case.folder / f"patch_{top}_{left}.tif") as patch:
            found = patch.read().astype(np.float32)
        down = _cosine(case, top > 0, top < last[0])
        mask = np.outer(down, _cosine(case, left > 0, left < last[1])).astype(np.float32)
        above, before = max(0, rows.start - top), max(0, cols.start - left)
        part = np.s_[above : min(case.size, rows.stop - top), before : min(case.size, cols.stop - left)]
        at = np.s_[
            top + above - rows.start : top + part[0].stop - rows.start,
            left + before - cols.start : left + part[1].stop - cols.start,
        ]
        scores[:, *at] += found[:, *part] * mask[part]
        weight[at] += mask[part]
    return (scores / np.maximum(weight, 1e-6)).argmax(axis=0)


def _cosine(case: Case, ramp_before: bool, ramp_after: bool) -> NDArray[np.float64]:
    weights = np.ones(case.size)
    fall = np.cos(np.pi * np.arange(1, case.overlap + 1) / (case.overlap + 1)) / 2 + 0.5
    if ramp_before and case.overlap:
        weights[: case.overlap] = fall[::-1]
    if ramp_after and case.overlap:
        weights[-case.overlap :] = fall
    return weights


def _pulled_back(case: Case, height: int, width: int) -> list[tuple[int, int]]:
    """Windows from every multiple of the stride, pulled back into the scene, each once."""
    stride = case.size - case.overlap
    return list(
        dict.fromkeys(
            (max(0, min(top, height - case.size)), max(0, min(left, width - case.size)))
            for top in range(0, height, stride)
            for left in range(0, width, stride)
        )
    )


def _batches(items: list[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _write(path: Path, values: NDArray[Any]) -> None:
    count, height, width = values.shape
    with rasterio.open(
        path, "w", driver="GTiff", height=height, width=width, count=count, dtype=values.dtype
    ) as file:
        file.write(values)


def _finish(case: Case, classes: NDArray[Any]) -> NDArray[np.uint8]:
    """Write the map, as everyone must."""
    result = classes.astype(np.uint8)
    with rasterio.open(
        case.folder / "result.tif", "w", driver="GTiff", height=result.shape[0], width=result.shape[1],
        count=1, dtype="uint8", compress="lzw",
    ) as file:  # fmt: skip
        file.write(result, 1)
    return result


PEERS = {"loop": straightforward, "geoai": geoai, "torchgeo": torchgeo}
