"""Objects of the labels that a model firmly contradicts: gone from the image, or missing on the map.

The model must not have been trained on them. Objects are connected pixels of a class, cut at the borders
of blocks. How firm a contradiction must be is measured by what the model says of labels in
general, as in confident learning (Northcutt, Jiang & Chuang 2021): a model that is sure of little
contradicts nothing. What is doubted is ignored in training, never relabelled; people decide.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import geopandas as gpd
import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio import features
from scipy import ndimage

from urbanseg.classes import IGNORE
from urbanseg.grid import Grid, Window
from urbanseg.labels.layers import LabelArray, Mask

NEIGHBOURS = np.ones((3, 3), bool)
"""Pixels that touch at a corner are of one object."""
RECOGNIZED = 0.5
"""A model whose mean probability of a class is below this where it is labelled does not judge that class."""
KINDS = ("missing", "gone")
COLUMNS = ("kind", "class", "probability", "pixels", "area_m2", "block")


class Levels(NamedTuple):
    """What a model says of the pixels of a class, and of all others."""

    inside: float
    """Mean probability of the class where it is labelled."""
    outside: float
    """Mean probability of the class where another is labelled."""

    def at(self, firmness: float) -> tuple[float, float]:
        """Probabilities above which a missing object, and below which a gone one, is firmly contradicted.

        At a firmness of 0 both are half-way between what is said of the class and of others; at 1 they
        are those two themselves.
        """
        middle, half = (self.inside + self.outside) / 2, (self.inside - self.outside) / 2
        return middle + firmness * half, middle - firmness * half


class Doubt(NamedTuple):
    """An object in doubt."""

    kind: str
    """One of `KINDS`."""
    class_name: str
    probability: float
    """Mean probability of the class over the object."""
    mask: Mask
    """``(height, width)`` of its own bounding box."""
    window: Window
    """That box, in pixels of the block."""


class Sums:
    """Sums of a class's probability where it is labelled and where another is, over any number of blocks."""

    def __init__(self) -> None:
        self.total = np.zeros(2)
        self.count = np.zeros(2, np.int64)

    def add(self, probability: NDArray[np.float32], labels: LabelArray, value: int) -> None:
        """Add a block.

        Args:
            probability: of the class, ``(height, width)``, 0–1.
            labels: ``(height, width)`` uint8.
            value: the class's id.
        """
        for place, mask in enumerate((labels == value, (labels != value) & (labels != IGNORE))):
            self.total[place] += probability[mask].sum(dtype=np.float64)
            self.count[place] += int(mask.sum())

    @property
    def levels(self) -> Levels | None:
        """The means; None if one is of no pixel, or the class is not recognized where it is labelled."""
        if not self.count.all():
            return None
        inside, outside = (float(mean) for mean in self.total / self.count)
        return Levels(inside, outside) if inside >= RECOGNIZED and inside > outside else None


def find(
    probability: NDArray[np.float32],
    labels: LabelArray,
    value: int,
    name: str,
    levels: Levels,
    firmness: float,
    min_px: int,
) -> list[Doubt]:
    """The objects of a class in a block that the prediction contradicts.

    A missing object is of pixels, none of them labelled as the class, ignored or beside one that is
    labelled so, where the class is likelier than half-way between `levels`; a gone one is labelled. The mean
    probability over the object decides.

    Args:
        probability: of the class, ``(height, width)``, 0–1.
        labels: ``(height, width)`` uint8.
        value: the class's id.
        name: its name.
        levels: what the model says of labels in general.
        firmness: 0–1, see `Levels.at`.
        min_px: smaller objects are not judged.

    Returns:
        What is in doubt, missing objects first, each by its place.
    """
    high, low = levels.at(firmness)
    labelled = labels == value
    likely = probability >= levels.at(0)[0]
    near = ndimage.binary_dilation(labelled, NEIGHBOURS)
    missing = likely & ~near & (labels != IGNORE)
    found = [
        Doubt("missing", name, mean, mask, window)
        for mean, mask, window in _objects(missing, probability, min_px)
        if mean >= high
    ]
    return found + [
        Doubt("gone", name, mean, mask, window)
        for mean, mask, window in _objects(labelled, probability, min_px)
        if mean <= low
    ]


def hide(labels: LabelArray, doubts: Iterable[Doubt]) -> LabelArray:
    """The labels of a block with the objects in doubt ignored, ``(height, width)`` uint8."""
    result = labels.copy()
    for doubt in doubts:
        result[doubt.window.slices][doubt.mask] = IGNORE
    return result


def table(found: Iterable[tuple[int, Window, Doubt]], grid: Grid) -> gpd.GeoDataFrame:
    """Objects in doubt as polygons for review, the largest first.

    Args:
        found: number and window of the block that each is in, and the object.
        grid: of the scene.

    Returns:
        `COLUMNS` and the geometry, in the grid's CRS; areas are in m².
    """
    pixel_m2 = float(np.prod(grid.pixel_m))
    rows: list[dict[str, Any]] = []
    for block, window, doubt in found:
        pixels = int(doubt.mask.sum())
        values = (doubt.kind, doubt.class_name, round(doubt.probability, 4), pixels, pixels * pixel_m2, block)
        rows.append(
            dict(zip(COLUMNS, values, strict=True)) | {"geometry": _polygon(doubt, window, grid.transform)}
        )
    rows.sort(key=lambda row: -row["pixels"])
    return gpd.GeoDataFrame(rows, columns=[*COLUMNS, "geometry"], geometry="geometry", crs=grid.crs)


def _objects(mask: Mask, probability: NDArray[np.float32], min_px: int) -> list[tuple[float, Mask, Window]]:
    """Mean probability, mask and bounding box of each connected part of a mask that is large enough."""
    numbers, count = ndimage.label(mask, NEIGHBOURS)
    sizes = np.bincount(numbers.ravel(), minlength=count + 1)
    result = []
    for number, (rows, cols) in enumerate(ndimage.find_objects(numbers), start=1):
        if sizes[number] >= min_px:
            own = numbers[rows, cols] == number
            window = Window(rows.start, cols.start, *own.shape)
            result.append((float(probability[rows, cols][own].mean(dtype=np.float64)), own, window))
    return result


def _polygon(doubt: Doubt, block: Window, transform: Affine) -> shapely.MultiPolygon:
    """The outline of an object along the sides of its pixels."""
    corner = transform @ Affine.translation(block.col + doubt.window.col, block.row + doubt.window.row)
    parts = features.shapes(doubt.mask.astype(np.uint8), mask=doubt.mask, transform=corner)
    polygons = [shapely.geometry.shape(part) for part, _ in parts]
    return shapely.MultiPolygon([polygon for polygon in polygons if isinstance(polygon, shapely.Polygon)])
