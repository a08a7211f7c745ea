"""Acquisitions of an area by the satellite, and the choice among them.

A catalogue lists products (granules of 110 km). Those that one satellite took within
minutes are one acquisition. Its share of clear pixels is counted over the area itself,
in the scene classification (SCL) of a coarse preview; the cloud share that the catalogue
gives is that of whole granules.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from urbanseg.config.scene import LeastCloud, Median
from urbanseg.errors import PipelineError

UNCLEAR = (0, 1, 3, 8, 9, 10, 11)
"""SCL codes under which the ground is not seen: nodata, saturated, cloud shadow, clouds, cirrus, snow."""

CLOUD = (8, 9, 10)
"""SCL codes of clouds and cirrus."""

MINUTES_APART = timedelta(minutes=10)
"""Granules of one acquisition are seconds apart; the next acquisition is more than an hour away."""


class NoSceneError(PipelineError):
    """There is no image of an area and time, or none on which enough is seen: asking again is of no use."""


@dataclass(frozen=True)
class Product:
    """One granule of a catalogue.

    `granule` is its MGRS tile, `baseline` the processing baseline (``"05.09"``, empty if
    unknown), `shape` the footprint of its data (EPSG:4326), and `source` what the provider
    needs to read it.
    """

    id: str
    granule: str
    moment: datetime
    baseline: str
    shape: BaseGeometry
    source: Any = None


@dataclass(frozen=True)
class Acquisition:
    """Products of one satellite taken within minutes, by id."""

    products: tuple[Product, ...]

    @property
    def start(self) -> datetime:
        """When its first product was taken."""
        return min(product.moment for product in self.products)

    @property
    def end(self) -> datetime:
        """When its last product was taken."""
        return max(product.moment for product in self.products)

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%d %H:%M} UTC"


@dataclass(frozen=True)
class Candidate:
    """An acquisition, and its preview: SCL codes ``(height, width)`` of the coarse scene."""

    acquisition: Acquisition
    scl: NDArray[np.uint8]

    @property
    def clear(self) -> NDArray[np.bool_]:
        """Where the ground is seen: ``(height, width)``."""
        return np.isin(self.scl, UNCLEAR, invert=True)


def group(products: Iterable[Product]) -> list[Acquisition]:
    """Acquisitions in order of time; of a granule that was reprocessed, the newest baseline stays."""
    groups: list[list[Product]] = []
    for product in sorted(products, key=lambda p: (p.moment, p.id)):
        if not groups or product.moment - groups[-1][-1].moment > MINUTES_APART:
            groups.append([])
        groups[-1].append(product)
    return [Acquisition(_newest(close)) for close in groups]


def _newest(products: Sequence[Product]) -> tuple[Product, ...]:
    newest: dict[str, str] = {}
    for product in products:
        newest[product.granule] = max(product.baseline, newest.get(product.granule, ""))
    kept = [product for product in products if product.baseline == newest[product.granule]]
    return tuple(sorted(kept, key=lambda product: product.id))


def choose(
    candidates: Sequence[Candidate],
    area: NDArray[np.bool_],
    rule: LeastCloud | Median,
    min_clear: float,
    name: str,
) -> list[Candidate]:
    """Choose acquisitions, clearest first; of equally clear ones, the earlier first.

    Args:
        candidates: acquisitions with their previews, at least one.
        area: which pixels of the preview are in the area of interest.
        rule: one acquisition, or the n clearest.
        min_clear: share of the area that must be seen clearly on what is chosen, together.
        name: of the area, for the error message.

    Returns:
        At least one acquisition.

    Raises:
        NoSceneError: if too little of the area is seen clearly.
    """
    ranked = sorted(candidates, key=lambda c: (-share(c.clear, area), c.acquisition.start))
    wanted = 1 if isinstance(rule, LeastCloud) else rule.dates
    chosen = [candidate for candidate in ranked[:wanted] if candidate.clear[area].any()]
    seen = share(np.logical_or.reduce([c.clear for c in chosen]), area) if chosen else 0.0
    if not chosen or seen < min_clear:
        best = ranked[0]
        raise NoSceneError(
            f"{100 * seen:.0f} % of {name} is seen clearly on {len(chosen) or 'no'} of {len(ranked)} "
            f"acquisitions (the best is {best.acquisition}, {100 * share(best.clear, area):.0f} %), "
            f"less than min_clear {100 * min_clear:.0f} %; "
            "widen dates, choose the median of more, or lower min_clear"
        )
    return chosen


def share(pixels: NDArray[np.bool_], area: NDArray[np.bool_]) -> float:
    """Share of the area's pixels that are set, 0–1."""
    return float(pixels[area].mean())


def median(
    pixels: NDArray[np.uint16], codes: NDArray[np.uint8]
) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    """Per-pixel median of the clear observations.

    Where no observation is clear, the pixel is that of the first acquisition with data;
    its SCL code says so. The code of the others is that of the first clear observation.

    Args:
        pixels: ``(dates, bands, height, width)`` uint16, 0 is nodata, clearest date first.
        codes: ``(dates, height, width)`` uint8 SCL.

    Returns:
        ``(bands, height, width)`` uint16 and ``(height, width)`` uint8.
    """
    clear = np.isin(codes, UNCLEAR, invert=True) & (pixels > 0).all(axis=1)
    present = (pixels > 0).all(axis=1)
    first = np.where(clear.any(axis=0), clear.argmax(axis=0), present.argmax(axis=0))
    merged = _clear_median(pixels, clear)
    single = np.take_along_axis(pixels, first[np.newaxis, np.newaxis], axis=0)[0]
    merged = np.where(clear.any(axis=0), merged, single)
    return merged, np.take_along_axis(codes, first[np.newaxis], axis=0)[0]


def _clear_median(pixels: NDArray[np.uint16], clear: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """Median over the first axis of what is clear, halves rounded down; 65535 where nothing is."""
    counts = clear.sum(axis=0)
    ordered = np.sort(np.where(clear[:, np.newaxis], pixels, np.uint16(65535)), axis=0)
    low = (np.maximum(counts, 1) - 1) // 2
    high = np.maximum(counts, 1) // 2
    pair = [np.take_along_axis(ordered, at[np.newaxis, np.newaxis], axis=0)[0] for at in (low, high)]
    mean = (pair[0].astype(np.uint32) + pair[1]) // 2
    return np.asarray(mean, dtype=np.uint16)
