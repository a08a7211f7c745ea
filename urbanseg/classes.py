"""The class table: id, name, colour and kind of each land-cover class.

The ids are the pixel values of every label and prediction raster; networks and scores count the
classes by their position in the table, from 0. `IGNORE` is not a class: a pixel that holds it counts
in no loss and no metric. What needs roads or buildings finds them by the kind of a class, here alone.
Which OpenStreetMap tags make a class is a matter of `urbanseg.osm`, not of this module. The IoU of
each class is computed here, because training and evaluation both use it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

IGNORE = 255
"""Pixel value of labels that are unknown: cloud, nodata, unmapped."""

HIGHEST_ID = 252
"""Highest pixel value of a class; the two above stand for other things while rasters are worked on."""

Kind = Literal["other", "building", "road", "vegetation", "water", "bare_soil", "none"]
"""What a class is to the pipeline: the rest, footprints, a network, curved outlines; or nothing special."""

KINDS: tuple[Kind, ...] = get_args(Kind)[:-1]
"""Those that mean something. A class called by one of them is of it, if it does not say otherwise."""

REST: Kind = "other"
"""Kind of the class of what is none of the others, and its usual name."""

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
    """One class: pixel value, name, colour as ``#rrggbb``, a title if it differs from the name, its kind."""

    id: int
    name: str
    color: str
    title: str | None = None
    kind: Kind | None = None
    """None: by the name."""

    @property
    def stands_for(self) -> Kind:
        """Its kind, or what its name says."""
        named: Kind = next((kind for kind in KINDS if kind == self.name), "none")
        return self.kind or named

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
    """All classes, ordered by id; ids are 0 … `HIGHEST_ID`, and may leave gaps."""

    classes: tuple[LandClass, ...]

    def __post_init__(self) -> None:
        ids = [c.id for c in self.classes]
        if ids != sorted(set(ids)) or not all(0 <= value <= HIGHEST_ID for value in ids):
            raise ValueError(f"class ids must be 0 … {HIGHEST_ID}, each once and in order, got {ids}")

    def __iter__(self) -> Iterator[LandClass]:
        return iter(self.classes)

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def names(self) -> list[str]:
        """Class names in order of their positions."""
        return [c.name for c in self.classes]

    @property
    def labels(self) -> list[str]:
        """Labels of the classes in order of their positions."""
        return [c.label for c in self.classes]

    @property
    def titles(self) -> dict[str, str]:
        """Titles by name, of the classes that have one."""
        return {c.name: c.title for c in self.classes if c.title}

    @property
    def kinds(self) -> dict[str, Kind]:
        """The kind of each class by its name."""
        return {c.name: c.stands_for for c in self.classes}

    @property
    def ids(self) -> list[int]:
        """Pixel values in order of their positions."""
        return [c.id for c in self.classes]

    @cached_property
    def id_lut(self) -> NDArray[np.uint8]:
        """Pixel value of each position, ``(256,)`` uint8; what is no position stays as it is."""
        return id_lut(self.ids)

    @cached_property
    def position_lut(self) -> NDArray[np.uint8]:
        """Position of each pixel value, ``(256,)`` uint8; see `position_lut`."""
        return position_lut(self.ids)

    @property
    def span(self) -> str:
        """The ids in words: ``0 to 5``, or one by one where there are gaps."""
        return span(self.ids)

    def id_of(self, name: str) -> int:
        """Pixel value of the class called `name`.

        Raises:
            KeyError: if there is no such class.
        """
        for c in self.classes:
            if c.name == name:
                return c.id
        raise KeyError(name)

    def of_kind(self, *kinds: Kind) -> tuple[LandClass, ...]:
        """The classes of some kinds, which may be none."""
        return tuple(c for c in self.classes if c.stands_for in kinds)

    @property
    def rest(self) -> str | None:
        """Name of the class of what is none of the others: the first of the kind; None if there is none."""
        return next((c.name for c in self.of_kind(REST)), None)

    def colormap(self) -> dict[int, tuple[int, int, int, int]]:
        """Colour table for a GeoTIFF: pixel value to RGBA, ignored pixels transparent."""
        table = {c.id: (*c.rgb, 255) for c in self.classes}
        return table | {IGNORE: (0, 0, 0, 0)}


def id_lut(ids: Sequence[int]) -> NDArray[np.uint8]:
    """Pixel value of each position, ``(256,)`` uint8; what is no position stays as it is."""
    lut = np.arange(256, dtype=np.uint8)
    lut[: len(ids)] = ids
    return lut


def position_lut(ids: Sequence[int]) -> NDArray[np.uint8]:
    """Position of each pixel value, ``(256,)`` uint8; `IGNORE` stays, and what is no class is 253."""
    lut = np.full(256, HIGHEST_ID + 1, np.uint8)
    lut[list(ids)] = np.arange(len(ids))
    lut[IGNORE] = IGNORE
    return lut


def span(ids: Sequence[int]) -> str:
    """Pixel values in words: ``0 to 5``, or one by one where there are gaps."""
    first, last = min(ids), max(ids)
    return f"{first} to {last}" if len(ids) == last - first + 1 else ", ".join(map(str, ids))


def iou_per_class(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """IoU of each class, ``TP / (TP + FP + FN)``; NaN where a class is in neither raster.

    Args:
        confusion: ``(classes, classes)`` int64 pixels, rows the reference.
    """
    hits = np.diagonal(confusion)
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - hits
    return np.where(union > 0, hits / np.maximum(union, 1), np.nan)
