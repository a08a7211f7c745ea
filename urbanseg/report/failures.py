"""The worst cells of the test area, in words and as images.

The cells are those by which the evaluate stage counts; each is read from the rasters at
full resolution.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from pyproj import Transformer

from urbanseg.classes import ClassTable
from urbanseg.grid import Grid, Window
from urbanseg.io.raster import reading
from urbanseg.metrics.block_counts import CountsByBlock
from urbanseg.report import pictures
from urbanseg.report.pictures import Rgb, Wording, humanize
from urbanseg.report.views import RasterFiles, rgb_bands

MOST = 6
"""Cells that are shown."""
LEAST_SHARE = 0.25
"""Least share of a cell's pixels that were compared; fewer are no reliable sample."""
SIDE, GAP, HEAD = 200, 8, 26
"""Pixels of a thumbnail, between thumbnails, and of a line of text above a row."""
PLACES = 3
"""Cells that are shown of a confusion of two classes."""
PANELS = ("scene", "labels", "map", "errors")


@dataclass(frozen=True)
class Failure:
    """A cell that is mapped badly.

    Attributes:
        window: where it lies in the scene, in pixels.
        longitude: of its centre, degrees.
        latitude: likewise.
        accuracy: share of its pixels that are right, 0–1.
        pixels: how many were compared.
        mistake: the most frequent one in words, with its share of the pixels.
    """

    window: Window
    longitude: float
    latitude: float
    accuracy: float
    pixels: int
    mistake: str


def worst_cells(
    found: CountsByBlock, grid: Grid, most: int = MOST, wording: Wording = humanize
) -> list[Failure]:
    """The cells with the lowest share of right pixels, worst first; none without an error.

    Args:
        found: counts of the cells.
        grid: of the city's rasters.
        most: how many cells, at most.
        wording: of the classes.

    Returns:
        At most `most` cells with a sufficient share of compared pixels.
    """
    pixels = found.pixels.sum(axis=(1, 2))
    sizes = np.array([cell.height * cell.width for cell in found.cells])
    right = np.trace(found.pixels, axis1=1, axis2=2)
    accuracy = right / np.maximum(pixels, 1)
    order = np.lexsort((np.arange(len(pixels)), accuracy))
    shown = [i for i in order if pixels[i] >= LEAST_SHARE * sizes[i] and right[i] < pixels[i]][:most]
    to_degrees = Transformer.from_crs(grid.crs, 4326, always_xy=True)
    failures = []
    for i in shown:
        cell = found.cells[i]
        x, y = grid.transform @ (cell.col + cell.width / 2, cell.row + cell.height / 2)
        longitude, latitude = to_degrees.transform(x, y)
        failures.append(
            Failure(
                cell,
                longitude,
                latitude,
                float(accuracy[i]),
                int(pixels[i]),
                _mistake(found.pixels[i], [wording(name) for name in found.classes]),
            )
        )
    return failures


def sheet(files: RasterFiles, table: ClassTable, failures: Sequence[Failure]) -> Rgb:
    """An image with a row for each failure: the scene, the labels, the map and its errors.

    Args:
        files: the rasters of the city.
        table: the classes.
        failures: the cells, one a row.

    Returns:
        ``(height, width, 3)`` uint8.
    """
    row = HEAD + SIDE + GAP
    canvas = Image.new("RGB", (GAP + len(PANELS) * (SIDE + GAP), HEAD + len(failures) * row), "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(15)
    for i, name in enumerate(PANELS):
        draw.text((GAP + i * (SIDE + GAP), 5), name, fill="#56666d", font=font)
    for rank, failure in enumerate(failures):
        top = HEAD + rank * row
        text = f"{rank + 1}.  {failure.accuracy:.0%} right; {failure.mistake}"
        draw.text((GAP, top + 5), text, fill="#1f2933", font=font)
        for i, panel in enumerate(_panels(files, table, failure.window)):
            scale = SIDE / max(panel.shape[:2])
            size = max(1, round(panel.shape[1] * scale)), max(1, round(panel.shape[0] * scale))
            small = Image.fromarray(panel).resize(size, Image.Resampling.NEAREST)
            canvas.paste(small, (GAP + i * (SIDE + GAP), top + HEAD))
    return np.asarray(canvas)


def strips(whole: Rgb, count: int) -> list[Rgb]:
    """The row of panels of each of `count` failures, cut out of what `sheet` made."""
    row = HEAD + SIDE + GAP
    tops = [2 * HEAD + rank * row for rank in range(count)]
    return [whole[top : top + SIDE, GAP:-GAP] for top in tops]


def confused_cells(found: CountsByBlock, most: int = PLACES) -> dict[tuple[int, int], list[Window]]:
    """Where each confusion is most frequent: windows by labelled and mapped class, the worst first.

    Args:
        found: counts of the cells.
        most: how many cells of each confusion, at most.
    """
    n = len(found.classes)
    places = {}
    for actual, mapped in ((a, m) for a in range(n) for m in range(n) if a != m):
        pixels = found.pixels[:, actual, mapped]
        order = np.argsort(-pixels, kind="stable")[:most]
        if cells := [found.cells[i] for i in order if pixels[i]]:
            places[actual, mapped] = cells
    return places


def _panels(files: RasterFiles, table: ClassTable, window: Window) -> list[Rgb]:
    with reading(files.scene) as scene:
        bands = scene.read(window, rgb_bands(scene.info.descriptions))
        view = pictures.true_color(bands, scene.valid(window))
    codes = []
    for path in (files.labels, files.prediction, files.split):
        with reading(path) as raster:
            codes.append(raster.read_band(window))
    labels, prediction, split = codes
    white = np.full((*labels.shape, 3), 255, np.uint8)
    layers = (
        pictures.colorize(labels, table),
        pictures.colorize(prediction, table),
        pictures.errors(labels, prediction, split),
    )
    return [view, *(pictures.overlay(white, layer, 1) for layer in layers)]


def _mistake(matrix: NDArray[np.int64], names: Sequence[str]) -> str:
    wrong = matrix * (1 - np.eye(len(names), dtype=np.int64))
    actual, mapped = divmod(int(wrong.argmax()), len(names))
    share = wrong[actual, mapped] / matrix.sum()
    return f"{share:.0%} are {names[actual]} taken for {names[mapped]}"
