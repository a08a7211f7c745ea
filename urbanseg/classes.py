"""The class table: id, name and colour of each land-cover class.

The ids are the pixel values of every label and prediction raster. `IGNORE` is not a
class: a pixel that holds it counts in no loss and no metric. Which OpenStreetMap tags
make a class is a matter of `urbanseg.osm`, not of this module. The IoU of each class is computed
here, because training and evaluation both use it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

IGNORE = 255
"""Pixel value of labels that are unknown: cloud, nodata, unmapped."""

CONFIDENCE_SCALE = 254
"""What a confidence, or another share, of 1 is stored as in uint8; `IGNORE` is nodata."""


def encode_share(shares: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Shares 0–1 as uint8 0–`CONFIDENCE_SCALE`; rounding errors beyond are clipped."""
    return np.rint(np.clip(shares, 0, 1) * CONFIDENCE_SCALE).astype(np.uint8)


def decode_share(values: NDArray[Any]) -> NDArray[np.float64]:
    """Shares 0–1 of stored values, or of sums of them."""
    return np.asarray(values / CONFIDENCE_SCALE, np.float64)


@dataclass(frozen=True)
class LandClass:
    """One class: pixel value, name, colour as ``#rrggbb``, and a title if it differs from the name."""

    id: int
    name: str
    color: str
    title: str | None = None

    @property
    def label(self) -> str:
        """The title, or else the name: for legends."""
        return self.title or self.name

    @property
    def rgb(self) -> tuple[int, int, int]:
        """The colour as three values of 0–255."""
        return tuple(bytes.fromhex(self.color.removeprefix("#")))  # type: ignore[return-value]


@dataclass(frozen=True)
class ClassTable:
    """All classes, ordered by id; ids are 0 … n-1 without gaps."""

    classes: tuple[LandClass, ...]

    def __post_init__(self) -> None:
        ids = [c.id for c in self.classes]
        if ids != list(range(len(ids))):
            raise ValueError(f"class ids must be 0 … {len(ids) - 1} in order, got {ids}")

    def __iter__(self) -> Iterator[LandClass]:
        return iter(self.classes)

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def names(self) -> list[str]:
        """Class names; the position is the id."""
        return [c.name for c in self.classes]

    @property
    def labels(self) -> list[str]:
        """Labels of the classes; the position is the id."""
        return [c.label for c in self.classes]

    @property
    def titles(self) -> dict[str, str]:
        """Titles by name, of the classes that have one."""
        return {c.name: c.title for c in self.classes if c.title}

    def id_of(self, name: str) -> int:
        """Pixel value of the class called `name`.

        Raises:
            KeyError: if there is no such class.
        """
        for c in self.classes:
            if c.name == name:
                return c.id
        raise KeyError(name)

    def colormap(self) -> dict[int, tuple[int, int, int, int]]:
        """Colour table for a GeoTIFF: pixel value to RGBA, ignored pixels transparent."""
        table = {c.id: (*c.rgb, 255) for c in self.classes}
        return table | {IGNORE: (0, 0, 0, 0)}


def iou_per_class(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """IoU of each class, ``TP / (TP + FP + FN)``; NaN where a class is in neither raster.

    Args:
        confusion: ``(classes, classes)`` int64 pixels, rows the reference.
    """
    hits = np.diagonal(confusion)
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - hits
    return np.where(union > 0, hits / np.maximum(union, 1), np.nan)
