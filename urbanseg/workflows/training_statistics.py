"""What is kept of a training by which images are judged later: made of its tiles by the trained model.

`urbanseg.model.domain` has the numbers of whole tiles, `urbanseg.infer.appearance` those of the ground that
the model calls each class. The latter is seen at the pixel sizes that the model is for, as an image may have
any of them: crops are resampled, and the model says their classes. Nothing here changes the training.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pandas as pd
import shapely
import torch
from numpy.typing import NDArray
from rasterio.warp import transform_bounds
from scipy import sparse
from scipy.sparse import csgraph

from urbanseg.classes import IGNORE
from urbanseg.dataset.samples import PathOf, read_spread
from urbanseg.dataset.tiles import windows_of
from urbanseg.grid import Window
from urbanseg.infer import appearance
from urbanseg.infer.predictor import TorchPredictor
from urbanseg.infer.stitching import Predictor
from urbanseg.io import raster
from urbanseg.model import domain, segmenter
from urbanseg.model.domain import LEAST_VALID, TILE_PX
from urbanseg.model.spec import Spec

PIXELS = 1 << 22
"""Of training tiles, whose statistics as a whole are kept."""

CROP_PX = 3 * TILE_PX
"""Side of the crops whose classes are told, a multiple of what networks need."""

CROPS = {"train": 128, "val": 64}
"""How many crops are taken, spread evenly over a split."""

REACH = 0.8
"""Crops are resampled to pixels of this power of `Spec.resolution_factor` smaller and larger."""

LEAST_FACTOR = 32
"""Sides of what a network sees are multiples of it."""

LEAST_TILES, MOST_TILES = 100, 256
"""Tiles of a class: fewer do not show how varied it is, and are not compared with; so many are kept."""

LEAST_HELD_OUT = 12
"""Tiles of the validation by which a class is judged; with fewer, those of the training stand for them."""

SURE, SINGLE = 0.95, 0.99
"""Shares of the windows, and of the single tiles, of the validation that are within the edge."""

DIGITS = 3


class Tile(NamedTuple):
    """The ground of one class, or all, in a tile."""

    group: str
    """The place that it is of; see `places`."""
    window: int
    """Number of the window that it is a part of: a small image."""
    numbers: NDArray[np.float64]


def training_statistics(
    model: Path, table: pd.DataFrame, size: int, *, threads: int, scene_of: PathOf, labels_of: PathOf
) -> dict[str, Any] | None:
    """All statistics of a training, as plain values for JSON.

    Args:
        model: folder of the trained segmenter.
        table: tiles of all splits, as the dataset stage writes them.
        size: side of a tile in pixels.
        threads: that the model runs on.
        scene_of: path of a city's scene.
        labels_of: path of a city's labels.

    Returns:
        None if there are too few tiles to say anything.

    Raises:
        PipelineError: if the model cannot be read.
    """
    network, spec = segmenter.load(model)
    at_most = max(8, PIXELS // size**2)
    tiles = read_spread(table, "train", at_most, size, scene_of=scene_of, labels_of=labels_of)
    whole = (tile for pixels, labels in tiles for tile in domain.tiles(pixels, labels != IGNORE))
    known = domain.statistics(whole, spec)
    if known is None:
        return None
    predict = TorchPredictor(network, spec, torch.device("cpu"), threads, "float32")
    ground = appearance_of(predict, spec, table, scene_of=scene_of, labels_of=labels_of)
    return known | {appearance.KEY: ground}


def appearance_of(
    predict: Predictor, spec: Spec, table: pd.DataFrame, *, scene_of: PathOf, labels_of: PathOf
) -> dict[str, Any]:
    """How the ground that a model calls each class looks in its training; see `training_statistics`.

    Args:
        predict: the model, on any back end.
        spec: of the model.
        table: tiles of all splits.
        scene_of: path of a city's scene.
        labels_of: path of a city's labels.
    """
    place_of = places(sorted(set(table["city"])), scene_of)
    splits = {
        split: _tiles(
            _crops(table[table["split"] == split], most, spec, scene_of, labels_of), predict, spec, place_of
        )
        for split, most in CROPS.items()
    }
    return edges(splits["train"], splits["val"], spec)


def places(cities: Sequence[str], scene_of: PathOf) -> dict[str, str]:
    """The place of each city, called by its first city: scenes that overlap on the ground are of one place.

    So the same streets at another date, or rendered otherwise, are no other place to judge by.

    Args:
        cities: their names.
        scene_of: path of a city's scene.
    """
    if not cities:
        return {}
    boxes = []
    for city in cities:
        with raster.reading(scene_of(city)) as scene:
            grid = scene.grid
        boxes.append(shapely.box(*transform_bounds(grid.crs, 4326, *grid.bounds)))
    one, other = shapely.STRtree(boxes).query(boxes, predicate="intersects")
    links = sparse.coo_array((np.ones(len(one), np.int8), (one, other)), shape=(len(boxes), len(boxes)))
    _, group = csgraph.connected_components(links, directed=False)
    first = np.unique(group, return_index=True)[1]
    return {city: cities[first[number]] for city, number in zip(cities, group, strict=True)}


Crop = tuple[str, NDArray[np.float32], NDArray[np.bool_]]
"""City, pixels ``(bands, side, side)``, and which of them are known."""


def _crops(rows: pd.DataFrame, most: int, spec: Spec, scene_of: PathOf, labels_of: PathOf) -> Iterator[Crop]:
    """Crops at random places of tiles spread evenly over a split, of each pixel size in turn."""
    reach = spec.resolution_factor**REACH
    zooms = (1.0, 1 / reach, reach)
    chosen = rows.reset_index(drop=True)
    if chosen.empty:
        return
    chosen = chosen.iloc[np.linspace(0, len(chosen) - 1, most, dtype=int)]
    rng = np.random.default_rng(0)
    for number, (city, window) in enumerate(zip(chosen["city"], windows_of(chosen), strict=True)):
        zoom = zooms[number % len(zooms)]
        side = min(round(CROP_PX / zoom), window.height, window.width)
        wanted = min(CROP_PX, round(side * zoom) // LEAST_FACTOR * LEAST_FACTOR)
        row, col = (int(rng.integers(full - side + 1)) for full in (window.height, window.width))
        if wanted < TILE_PX:
            continue
        part = Window(window.row + row, window.col + col, side, side)
        with raster.reading(scene_of(city)) as scene, raster.reading(labels_of(city)) as labels:
            pixels = np.nan_to_num(scene.read(part).astype(np.float32))
            known = labels.read_band(part) != IGNORE
        yield city, *_resampled(pixels, known, wanted)


def _resampled(
    pixels: NDArray[np.float32], known: NDArray[np.bool_], side: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """A crop with other pixels: averaged down, or interpolated bilinearly as images are for a model."""
    if side == pixels.shape[1]:
        return pixels, known
    how = cv2.INTER_AREA if side < pixels.shape[1] else cv2.INTER_LINEAR
    bands_last = np.ascontiguousarray(pixels.transpose(1, 2, 0))
    scaled = cv2.resize(bands_last, (side, side), interpolation=how).reshape(side, side, -1)
    mask = cv2.resize(known.astype(np.uint8), (side, side), interpolation=cv2.INTER_NEAREST_EXACT)
    return np.ascontiguousarray(scaled.transpose(2, 0, 1), np.float32), mask.astype(bool)


def _tiles(
    crops: Iterator[Crop], predict: Predictor, spec: Spec, place_of: Mapping[str, str]
) -> dict[str, list[Tile]]:
    """The numbers of each class, and of all, in the tiles of crops."""
    found: dict[str, list[Tile]] = {}
    for number, (city, pixels, known) in enumerate(crops):
        classes = predict(pixels[None])[0].argmax(axis=0).astype(np.uint8)
        classes[~known] = IGNORE
        for row in range(0, len(known) - TILE_PX + 1, TILE_PX):
            for col in range(0, len(known) - TILE_PX + 1, TILE_PX):
                area = slice(row, row + TILE_PX), slice(col, col + TILE_PX)
                if known[area].mean() < LEAST_VALID:
                    continue
                tile = pixels[:, *area].astype(np.float64)
                for name, numbers in appearance.parts(tile, classes[area], spec).items():
                    found.setdefault(name, []).append(Tile(place_of[city], number, numbers))
    return found


def edges(
    training: Mapping[str, Sequence[Tile]], held_out: Mapping[str, Sequence[Tile]], spec: Spec
) -> dict[str, Any]:
    """What is kept of the training, as plain values for JSON; the same tiles give the same values.

    Args:
        training: tiles of each class, and of `ALL`.
        held_out: those of the validation.
        spec: of the model.
    """
    found: dict[str, Any] = {}
    ratios: dict[tuple[str, int], float] = {}
    for name, every in sorted(training.items()):
        if len(every) < LEAST_TILES:
            continue
        kept = [every[i] for i in np.unique(np.linspace(0, len(every) - 1, MOST_TILES, dtype=int))]
        vectors = np.array([tile.numbers for tile in kept]).round(DIGITS)
        judged = _held_out(kept, vectors, held_out.get(name, ()), spec)
        if not judged:
            continue
        images = _by_window(judged)
        edge, single = np.quantile(list(images.values()), SURE), np.quantile([d for _, d in judged], SINGLE)
        found[name] = {"tiles": vectors.tolist(), "edge": float(edge), "single": float(max(edge, single))}
        for window, value in images.items():
            ratios[window] = max(ratios.get(window, 0.0), value / float(edge))
    # An image has several classes, each of which may be beyond its edge.
    wider = max(1.0, float(np.quantile(list(ratios.values()), SURE))) if ratios else 1.0
    for entry in found.values():
        entry |= {key: round(wider * entry[key], DIGITS) for key in ("edge", "single")}
    return found


def _held_out(
    kept: Sequence[Tile], vectors: NDArray[np.float64], held_out: Sequence[Tile], spec: Spec
) -> list[tuple[Tile, float]]:
    """Tiles of the validation with their distances from the training tiles of other places.

    Where the validation has too few, tiles of the training stand for it; of one place or two, from those of
    other windows.
    """
    tested = held_out if len(held_out) >= LEAST_HELD_OUT else kept
    several = len({tile.group for tile in kept}) >= 3
    white = appearance.whitening(vectors, spec)
    plain = vectors @ white
    found: list[tuple[Tile, float]] = []
    for tile in tested:
        others = np.array(
            [
                other.group != tile.group if several else tested is held_out or other.window != tile.window
                for other in kept
            ]
        )
        if others.sum() >= appearance.NEIGHBOURS:
            found.append((tile, appearance.nearest(tile.numbers @ white, plain[others])))
    return found


def _by_window(judged: Iterable[tuple[Tile, float]]) -> dict[tuple[str, int], float]:
    """The median distance of the tiles of each window."""
    gathered: dict[tuple[str, int], list[float]] = {}
    for tile, value in judged:
        gathered.setdefault((tile.group, tile.window), []).append(value)
    return {window: float(np.median(values)) for window, values in gathered.items()}
