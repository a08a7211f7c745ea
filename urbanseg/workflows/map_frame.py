"""Where the map of an image lies, and in what its areas are measured: hectares or pixels.

The raster of an image that does not say where it lies gets no coordinate reference system; its origin is
the upper left corner and y is upwards, so that rows count from 0 to minus the height. QGIS shows photos
so, too. Its vector layers lie in the same coordinates.
"""

import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS

from urbanseg.classes import IGNORE, ClassTable
from urbanseg.grid import Grid, Window, strips
from urbanseg.io import gdal_access, raster
from urbanseg.io.class_raster import read_classes
from urbanseg.io.georeference import UNKNOWN_CRS
from urbanseg.io.image_sheet import PLACEHOLDER_CRS
from urbanseg.mapping.partition import TooManyRegionsError
from urbanseg.mapping.tidiness import Tidiness, tidy_for
from urbanseg.mapping.vector_map import ReadBand, vector_layers
from urbanseg.mapping.zones import HECTARE_M2
from urbanseg.workflows.change import metric_grid, opened
from urbanseg.workflows.map_coarser import Coarser

log = logging.getLogger(__name__)

UNPLACED_PIXEL_M = 0.5
"""How large pixels are thought to be, of an image that does not say it, where its map is tidied."""

LEAST_REGIONS, PIXELS_OF_A_REGION = 250_000, 32
"""Polygons and roads are drawn from larger pixels where a map has more regions than this, and than one in so
many pixels. Maps of towns at 10 m have one in 50 to 70, noise one in 2: its roads would take a kilobyte a
pixel in the search for gaps to bridge."""

BINS = 20
"""Of the histogram of confidences."""


@dataclass(frozen=True)
class Frame:
    """Where a map lies."""

    grid: Grid
    """Of its rasters."""
    is_placed: bool
    pixel_m: float | None
    """Side of a pixel in metres; None if that is unknown, and areas are in pixels."""

    @property
    def unit(self) -> str:
        """Of areas: ``ha``, or ``px`` for pixels."""
        return "px" if self.pixel_m is None else "ha"

    @property
    def crs(self) -> CRS | None:
        """None of an image that is nowhere on Earth."""
        return self.grid.crs if self.is_placed else None


def frame_of(own: Grid, *, is_placed: bool, pixel_m: float | None) -> Frame:
    """The frame of an image's map.

    Args:
        own: the image's grid; in the placeholder CRS, if it has none at all.
        is_placed: whether it says where on Earth it lies.
        pixel_m: side of a pixel in metres, None if unknown.
    """
    if is_placed or own.crs != PLACEHOLDER_CRS:
        return Frame(own, is_placed, pixel_m)
    side = pixel_m or 1.0
    return Frame(replace(own, crs=UNKNOWN_CRS, transform=Affine.scale(side, -side)), is_placed, pixel_m)


@dataclass(frozen=True)
class OpenMap:
    """A map to be read by window, on a grid on which areas are areas."""

    grid: Grid
    table: ClassTable
    readers: tuple[raster.Reader, raster.Reader]
    """Of the classes and the confidence."""
    roads: raster.Reader | None = None
    """Of the probability of road, where roads are a class."""

    def classes(self, window: Window) -> NDArray[np.uint8]:
        """Class ids, ``(height, width)`` uint8, `IGNORE` where unknown."""
        return read_classes(self.readers[0], self.table.ids, window)

    def confidence(self, window: Window) -> NDArray[np.uint8]:
        """Confidences, 0–254 for 0–1, `IGNORE` where unknown."""
        return np.asarray(self.readers[1].read_band(window))

    @property
    def road_probability(self) -> ReadBand | None:
        """Probabilities of road, 0–254 for 0–1, `IGNORE` where unknown; None where roads are no class."""
        return None if self.roads is None else self.roads.read_band


@contextmanager
def reading_on(path: Path, grid: Grid) -> Iterator[raster.Reader]:
    """Open a raster that was written here, on the grid that it is known to have."""
    with gdal_access.opened(path) as dataset:
        yield raster.Reader(path, dataset, grid)


@contextmanager
def open_map(folder: Path, frame: Frame, table: ClassTable) -> Iterator[OpenMap]:
    """Open classes.tif, confidence.tif and, if it is there, road_probability.tif.

    They are warped to UTM, if they are not in metres on the ground.

    Args:
        folder: that holds them.
        frame: where they lie.
        table: the classes.
    """
    files = folder / "classes.tif", folder / "confidence.tif"
    if frame.is_placed:
        grid = metric_grid(files[0])
        with opened(folder, grid, table.ids) as found:
            assert found.confidence is not None  # noqa: S101, it was written beside the classes
            yield OpenMap(grid, table, (found.classes, found.confidence), found.road_probability)
        return
    side = frame.pixel_m or 1.0
    grid = replace(frame.grid, crs=PLACEHOLDER_CRS, transform=Affine.scale(side, -side))
    with ExitStack() as stack:
        one, other = (stack.enter_context(reading_on(path, grid)) for path in files)
        path = folder / "road_probability.tif"
        roads = stack.enter_context(reading_on(path, grid)) if path.exists() else None
        yield OpenMap(grid, table, (one, other), roads)


def layers_of(found: OpenMap, frame: Frame) -> dict[str, gpd.GeoDataFrame]:
    """The vector layers of a map, as `vector_layers` makes them.

    Of an image of unknown pixel size, ``area_px``, ``length_px`` and ``width_px`` stand for the columns
    that are in m² and m. Without a place, the layers have no CRS. Of a map that is speckled, which
    memory would not hold, they are drawn from larger pixels, and a warning says so.
    """
    layers = _drawn(found, frame)
    if frame.is_placed:
        return layers
    to_frame = frame.grid.transform @ ~found.grid.transform
    return {name: _moved(layer, to_frame, frame.unit) for name, layer in layers.items()}


def _drawn(found: OpenMap, frame: Frame) -> dict[str, gpd.GeoDataFrame]:
    """The layers in the coordinates of the open map, from the smallest pixels that memory allows."""
    kinds, factor = found.table.kinds, 1
    while True:
        coarse = found if factor == 1 else Coarser(found, factor)
        if frame.pixel_m is None:
            tidy = _in_pixels(tidy_for(UNPLACED_PIXEL_M * factor, kinds), UNPLACED_PIXEL_M)
        else:
            tidy = tidy_for(coarse.grid.resolution, kinds)
        most = _most_regions(coarse.grid)
        try:
            layers = vector_layers(
                coarse.classes, coarse.confidence, coarse.grid, found.table, tidy, most,
                coarse.road_probability,
            )  # fmt: skip
        except TooManyRegionsError:
            factor *= 2
            continue
        if factor > 1:
            log.warning(
                "the map is so speckled, with more than %s separate areas, that its polygons and roads are "
                "drawn from pixels %d times as large; the rasters are as they are",
                f"{_most_regions(found.grid):,}", factor,
            )  # fmt: skip
        return layers


def _most_regions(grid: Grid) -> int:
    return max(LEAST_REGIONS, math.prod(grid.shape) // PIXELS_OF_A_REGION)


def _in_pixels(tidy: Tidiness, pixel_m: float) -> Tidiness:
    """Limits in pixels and square pixels."""
    areas: Mapping[str, float] | float = tidy.min_area_m2
    holes: Mapping[str, float] | float = tidy.min_hole_m2
    lengths = {
        name: value / pixel_m if name.endswith("_m") else value
        for name, value in tidy.roads.model_dump().items()
    }
    return replace(
        tidy,
        min_area_m2=_divided(areas, pixel_m**2),
        min_hole_m2=_divided(holes, pixel_m**2),
        simplify_m=tidy.simplify_m / pixel_m,
        roads=tidy.roads.model_copy(update=lengths),
    )


def _divided(limits: Mapping[str, float] | float, by: float) -> dict[str, float] | float:
    if isinstance(limits, Mapping):
        return {name: value / by for name, value in limits.items()}
    return limits / by


def _moved(layer: gpd.GeoDataFrame, to_frame: Affine, unit: str) -> gpd.GeoDataFrame:
    """A layer in the coordinates of the frame, without a CRS."""
    shapes, (a, b, c, d, e, f) = layer.geometry.to_numpy(), to_frame[:6]
    if not to_frame.almost_equals(Affine.identity()):
        shapes = shapely.transform(shapes, lambda xy: np.column_stack([xy @ (a, b) + c, xy @ (d, e) + f]))
    plain = layer.drop(columns="geometry")
    if unit == "px":
        plain = plain.rename(columns={"area_m2": "area_px", "length_m": "length_px", "width_m": "width_px"})
    return gpd.GeoDataFrame(plain, geometry=shapes)


@dataclass(frozen=True)
class Figures:
    """What a map holds, counted in pixels."""

    areas: dict[str, float]
    """Of each class, in hectares, or pixels where their size is unknown."""
    unknown: float
    """Area of no known class, in the same unit."""
    confidence: dict[str, float]
    """Mean confidence of each class that is in the map, 0–1."""
    histogram: NDArray[np.int64]
    """Pixels by confidence, in `BINS` steps from 0 to 1."""
    counts: NDArray[np.int64]
    """Pixels by class and stored confidence, ``(classes, 255)``."""


def figures_of(found: OpenMap, frame: Frame) -> Figures:
    """Count a map, strip by strip."""
    counts = np.zeros((len(found.table), IGNORE + 1), np.int64)  # by class and confidence
    unknown = 0
    for strip in strips(found.grid.shape, 256):
        classes, confidence = found.classes(strip), found.confidence(strip)
        known = classes != IGNORE
        unknown += int((~known).sum())
        both = found.table.position_lut[classes[known]].astype(np.int64) * counts.shape[1] + confidence[known]
        counts += np.bincount(both, minlength=counts.size).reshape(counts.shape)
    pixel = 1.0 if frame.pixel_m is None else abs(found.grid.transform.determinant) / HECTARE_M2
    values = np.arange(IGNORE)
    sure = counts[:, :IGNORE]
    means = (sure * values).sum(axis=1) / np.maximum(1, sure.sum(axis=1)) / (IGNORE - 1)
    steps = np.minimum(values * BINS // (IGNORE - 1), BINS - 1)
    names = found.table.names
    return Figures(
        {name: float(total * pixel) for name, total in zip(names, counts.sum(axis=1), strict=True)},
        unknown * pixel,
        {name: float(mean) for name, mean, row in zip(names, means, sure, strict=True) if row.any()},
        np.bincount(steps, sure.sum(axis=0), BINS).astype(np.int64),
        sure,
    )
