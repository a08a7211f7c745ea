"""The page of one image's map: one HTML file that needs no network.

The picture and the map lie over each other, with a divider; areas, confidence, warnings and provenance
follow. It holds no date of its making, so equal maps give equal bytes. Needs no matplotlib.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from urbanseg.classes import CONFIDENCE_SCALE, ClassTable
from urbanseg.report import pictures
from urbanseg.report.markup import data_uri, templates
from urbanseg.report.pictures import PalettedImage, Rgb

RAMP = ("#440154", "#3b528b", "#21918c", "#5ec962", "#fde725")
"""Colours of confidence from 0 to 1: viridis of Smith and van der Walt 2015, at quarters."""
STEPS = 50
UNITS = {"ha": "hectares", "px": "pixels"}


@dataclass(frozen=True)
class Familiarity:
    """How far an image is from what the model was trained on.

    Attributes:
        warnings: sentences, the most important first.
        score: distance from the training; below `edge` it is like it. None if it was not measured.
        edge: score from which an image is unusual.
        limit: score from which a map of it would mean nothing.
    """

    warnings: Sequence[str] = ()
    score: float | None = None
    edge: float = 1.0
    limit: float = 4.0

    @property
    def verdict(self) -> tuple[str, str]:
        """A grade, by which it is coloured, and the words for it."""
        if self.score is None:
            return ("acceptable", "with warnings") if self.warnings else ("", "not measured")
        if self.score >= self.limit:
            return "below", "nothing like the training: do not use this map"
        if self.score >= self.edge:
            return "acceptable", "unlike the training: look at the map before it is used"
        return (
            ("acceptable", "like the training, with warnings")
            if self.warnings
            else ("good", "like the training")
        )


@dataclass(frozen=True)
class ImageReport:
    """What the page shows.

    Attributes:
        title: of the image.
        picture: ``(height, width, 3)`` uint8, true colour.
        classes: ``(height, width)`` uint8 class ids, of the same shape.
        confidence: same shape, 0–254 for 0–1.
        table: the classes.
        areas: of each class, in `unit`.
        unknown: area of no known class.
        unit: ``ha`` or ``px``.
        means: mean confidence of each class that is in the map.
        histogram: pixels by confidence, in equal steps from 0 to 1.
        familiarity: how far the image is from the model's training.
        forecast: a sentence on the mean IoU that is expected; empty for none.
        pixel_m: side of a pixel of the picture in metres, if that is known.
        figures: names and values of what else is worth saying, such as the length of roads.
        facts: names and values of the provenance.
        files: names of the files beside the page, and what they are.
        zones: rows of a table, the first with the names of columns; empty for none.
    """

    title: str
    picture: Rgb
    classes: NDArray[np.uint8]
    confidence: NDArray[np.uint8]
    table: ClassTable
    areas: Mapping[str, float]
    unknown: float
    unit: str
    means: Mapping[str, float]
    histogram: NDArray[np.int64]
    familiarity: Familiarity
    forecast: str = ""
    pixel_m: float | None = None
    figures: Sequence[tuple[str, str]] = ()
    facts: Sequence[tuple[str, str]] = ()
    files: Sequence[tuple[str, str]] = ()
    zones: Sequence[Sequence[str]] = field(default=())


def render(report: ImageReport) -> str:
    """The page as HTML; equal reports give equal text."""
    environment = templates()
    total = sum(report.areas.values()) + report.unknown
    wording = pictures.wording(report.table)
    rows = [
        {
            "name": wording(each.name),
            "color": each.color,
            "id": position,
            "area": amount(report.areas[each.name], report.unit),
            "share": report.areas[each.name] / total if total else 0.0,
            "confidence": report.means.get(each.name),
        }
        for position, each in enumerate(report.table)
    ]
    peak = max(1, int(report.histogram.max(initial=0)))
    pixels = max(1, int(report.histogram.sum()))
    bars = [
        {"height": count / peak, "share": count / pixels, "from": i / len(report.histogram)}
        for i, count in enumerate(report.histogram.tolist())
    ]
    return environment.get_template("image.html").render(
        report=report,
        rows=rows,
        unknown={
            "area": amount(report.unknown, report.unit),
            "share": report.unknown / total if total else 0,
        },
        unit=UNITS[report.unit],
        bars=bars,
        ramp=RAMP,
        verdict=report.familiarity.verdict,
        picture=data_uri(report.picture),
        map=data_uri(pictures.colorize(report.classes, report.table)),
        confidence=data_uri(confidence_picture(report.confidence)),
        height=report.picture.shape[0],
        width=report.picture.shape[1],
    )


def amount(value: float, unit: str) -> str:
    """An area with thin spaces: ``12 345.6``; pixels are whole."""
    digits = 0 if unit == "px" else 1 if value >= 10 else 2
    return f"{value:,.{digits}f}".replace(",", "\u202f")


def confidence_picture(values: NDArray[np.uint8]) -> PalettedImage:
    """Confidences in the colours of `RAMP`, in steps of 2 %.

    Args:
        values: ``(height, width)`` uint8, 0–254 for 0–1, 255 nodata.
    """
    anchors = np.array([list(bytes.fromhex(color[1:])) for color in RAMP], float)
    at = np.linspace(0, 1, STEPS + 1)
    mixed = np.stack([np.interp(at, np.linspace(0, 1, len(RAMP)), band) for band in anchors.T], axis=1)
    lookup = np.round(np.arange(CONFIDENCE_SCALE + 1) * (STEPS / CONFIDENCE_SCALE))
    index = np.append(lookup, STEPS + 1).astype(np.uint8)[values]
    colors = [(round(r), round(g), round(b), 255) for r, g, b in mixed.tolist()]
    names = [f"{round(100 * share)} %" for share in at]
    return PalettedImage(index, (*colors, pictures.TRANSPARENT), (*names, "no data"))
