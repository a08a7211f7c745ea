"""Images of a city: its rasters read at the size of a screen, and rendered.

Reads are decimated through the overviews, so a scene of any size costs the memory of
one picture. The previews are the same pictures as PNG files.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from urbanseg.classes import IGNORE, ClassTable
from urbanseg.grid import Grid
from urbanseg.io.files import atomic
from urbanseg.io.raster import reading, require_same_grid
from urbanseg.paths import PREVIEW_FILES
from urbanseg.report import pictures
from urbanseg.report.pictures import PalettedImage, Rgb

MAX_SIDE = 2048
"""Longest side of an image in pixels: that of a large screen, for a page of a few megabytes."""
FULL_CITIES = 4
"""Cities on a page up to which each has pictures of that size; of more, all have smaller ones."""
RGB_NAMES = (("b04", "b03", "b02"), ("red", "green", "blue"))
"""Names by which red, green and blue are known among a scene's bands, best first."""
OVERLAY_OPACITY = 0.55


class RasterFiles(NamedTuple):
    """The rasters of a city, all on one grid."""

    scene: Path
    labels: Path
    split: Path
    prediction: Path
    confidence: Path


@dataclass(frozen=True)
class Views:
    """The pictures of a city, all of one shape.

    Attributes:
        grid: the pictures' grid, coarser than the scene's where that is large.
        scene: ``(height, width, 3)`` uint8, true colour.
        layers: what lies over the scene, by name, in the order of the page.
    """

    grid: Grid
    scene: Rgb
    layers: dict[str, PalettedImage]

    @property
    def pictures(self) -> dict[str, PalettedImage | Rgb]:
        """The scene and its layers, by name."""
        return {"scene": self.scene, **self.layers}

    def shrunk(self, max_side: int) -> "Views":
        """The same pictures with no side above `max_side`: codes by nearest neighbour, the scene by area."""
        grid = self.grid.shrunk(max_side)
        if grid.shape == self.grid.shape:
            return self

        def resize(values: Rgb, rule: Image.Resampling) -> Rgb:
            return np.asarray(Image.fromarray(values).resize((grid.width, grid.height), rule))

        layers = {
            name: replace(picture, index=resize(picture.index, Image.Resampling.NEAREST))
            for name, picture in self.layers.items()
        }
        return Views(grid, resize(self.scene, Image.Resampling.BOX), layers)


def side_of(cities: int) -> int:
    """Longest side of the pictures of each of so many cities on a page, which stays of a bounded size."""
    return min(MAX_SIDE, int(MAX_SIDE * (FULL_CITIES / max(cities, 1)) ** 0.5))


def read_views(files: RasterFiles, table: ClassTable, max_side: int = MAX_SIDE) -> Views:
    """Read a city's rasters and make their pictures.

    Args:
        files: the rasters of the city.
        table: the classes.
        max_side: longest side of the images in pixels.

    Returns:
        The images, all of one shape.

    Raises:
        PipelineError: if a raster is missing, damaged, or lies on another grid.
    """
    with reading(files.scene) as scene:
        bands = rgb_bands(scene.info.descriptions)
        values = scene.decimated(max_side, bands, "average")
        full, small = scene.grid, scene.grid.shrunk(max_side)
    valid = np.asarray(~np.ma.getmaskarray(values).all(axis=0))
    labels, split, prediction, confidence = (
        _read_codes(path, files.scene, full, max_side) for path in files[1:]
    )
    layers = {
        "labels": pictures.colorize(labels, table),
        "prediction": pictures.colorize(prediction, table),
        "errors": pictures.errors(labels, prediction, split),
        "confidence": pictures.confidence(confidence),
        "split": pictures.splits(split),
    }
    return Views(small, pictures.true_color(values.data, valid, labels != IGNORE), layers)


def rgb_bands(descriptions: Sequence[str]) -> tuple[int, ...]:
    """Which bands (1-based) to show as red, green and blue: by name, else the first three or one."""
    names = [text.lower() for text in descriptions]
    for wanted in RGB_NAMES:
        if set(wanted) <= set(names):
            return tuple(names.index(name) + 1 for name in wanted)
    return (1, 2, 3) if len(names) >= 3 else (1,)


def write_previews(folder: Path, views: Views, more: Mapping[str, Rgb | None] = MappingProxyType({})) -> None:
    """Write each picture, an overlay and an overview sheet as PNG files; the folder is replaced atomically.

    `more` are further pictures by name, as far as there are any.

    Args:
        folder: where to; replaced as a whole.
        views: the images of the city.
        more: further images by name; None for those that do not exist.
    """
    layers = views.layers
    overlay = pictures.overlay(views.scene, layers["prediction"], OVERLAY_OPACITY)
    white = np.full_like(views.scene, 255)
    panels = [
        ("Scene", views.scene),
        ("Labels", pictures.overlay(white, layers["labels"], 1)),
        ("Prediction", pictures.overlay(white, layers["prediction"], 1)),
    ]
    sheet = pictures.sheet(panels, layers["prediction"])
    made: dict[str, PalettedImage | Rgb] = {"overlay": overlay, "overview": sheet}
    shown = views.pictures | made | {n: p for n, p in more.items() if p is not None}
    with atomic(folder, PREVIEW_FILES) as temporary:
        temporary.mkdir()
        for name, picture in shown.items():
            (temporary / f"{name}.png").write_bytes(pictures.png(picture))


def _read_codes(path: Path, scene_path: Path, scene_grid: Grid, max_side: int) -> NDArray[np.uint8]:
    """One band of codes, nearest neighbour (codes have no mean), nodata as `IGNORE`."""
    with reading(path) as raster:
        require_same_grid(path, raster.grid, scene_path, scene_grid)
        codes: NDArray[np.uint8] = raster.decimated(max_side, [1])[0].filled(IGNORE)
        return codes
