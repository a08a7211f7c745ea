"""What is wanted of a map, and what a map is: for the command, for files, and for Python."""

import math
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS

from urbanseg.calibration.forecast import Estimate
from urbanseg.classes import ClassTable
from urbanseg.errors import PipelineError
from urbanseg.paths import MAP_ENDINGS
from urbanseg.report.image_page import Familiarity
from urbanseg.workflows.map_frame import Figures, Frame

FORMATS = tuple(MAP_ENDINGS)
"""Vector formats."""
PROJECT_FILE = "map.qgz"
OUTPUTS = ("classes", "confidence", "set", "report", "item", "project", "preview", *FORMATS)
"""All that can be asked for."""
DEFAULT = ("classes", "confidence", "set", "gpkg", "parquet", "report", "item", "project")
"""What is written if nothing else is asked for; sets if the model has them."""


@dataclass(frozen=True)
class Wishes:
    """What a user wants of a map.

    Attributes:
        outputs: of `OUTPUTS`.
        zones: a vector file with polygons to measure classes in.
        bands: such as ``red=1,green=2,blue=3``; None to find them.
        scale: such as ``10`` or ``1,-1000``; None to tell it.
        mask: such as ``cloud=clouds.tif``; None for one that lies beside.
        pixel_m: side of a pixel in metres of an image that does not say where it lies.
        force: map what would be refused, with a warning.
        title: of the map; the image's name if None.
        properties: for the STAC Item, such as the date of the image, and whom to credit for it.
        links: for the STAC Item, such as the terms of use.
        tables: whether vector layers are made even if they are not written.
    """

    outputs: Collection[str] = DEFAULT
    zones: Path | None = None
    bands: str | None = None
    scale: str | None = None
    mask: str | None = None
    pixel_m: float | None = None
    force: bool = False
    title: str | None = None
    properties: dict[str, Any] = field(default_factory=dict)
    links: list[dict[str, Any]] = field(default_factory=list)
    tables: bool = False

    def __post_init__(self) -> None:
        """Check the side of a pixel.

        Raises:
            PipelineError: if it is no length.
        """
        if self.pixel_m is not None and not 0 < self.pixel_m < math.inf:
            raise PipelineError(f"--pixel-m must be a number of metres above 0, got {self.pixel_m:g}")

    @property
    def formats(self) -> list[str]:
        """Vector formats that are wanted."""
        return [name for name in FORMATS if name in self.outputs]


@dataclass(frozen=True)
class Mapped:
    """A map that lies in a folder."""

    name: str
    frame: Frame
    table: ClassTable
    model: str
    figures: Figures
    layers: dict[str, gpd.GeoDataFrame]
    """Empty if no vector format was wanted."""
    zones: gpd.GeoDataFrame | None
    familiarity: Familiarity
    found: list[tuple[str, str]]
    """What was found of the image, in sentences: its bands, units, mask."""
    forecast: Estimate | None = None
    """The mean IoU that is expected of it; None of a model without a calibration."""

    @property
    def road_length(self) -> float:
        """Of all roads, in metres, or pixels where their size is unknown."""
        roads = self.layers["road_edges"]
        return float(roads["length_px" if self.frame.unit == "px" else "length_m"].sum())

    def summary(self) -> dict[str, Any]:
        """What is worth knowing of it, as JSON has it."""
        unit, crs = self.frame.unit, self.frame.crs
        found: dict[str, Any] = {
            "image": self.name,
            "model": self.model,
            "crs": None if crs is None else ":".join(crs.to_authority() or [crs.name]),
            "shape": list(self.frame.grid.shape),
            "pixel_m": self.frame.pixel_m,
            f"areas_{unit}": {name: round(area, 4) for name, area in self.figures.areas.items()},
            f"unknown_{unit}": round(self.figures.unknown, 4),
            "confidence": {name: round(mean, 4) for name, mean in self.figures.confidence.items()},
        }
        if self.layers:
            found["polygons"] = len(self.layers["land_cover"])
            found["roads_px" if unit == "px" else "roads_m"] = round(self.road_length, 1)
        if self.zones is not None:
            found["zones"] = len(self.zones)
        score = self.familiarity.score
        if self.forecast is not None:
            found["expected_miou"] = [round(value, 4) for value in self.forecast]
        return found | {"warnings": list(self.familiarity.warnings), "distance_from_training": score}


@dataclass(frozen=True)
class MapResult:
    """The map of an image.

    Attributes:
        classes: ``(height, width)`` uint8 class ids, 255 where unknown.
        confidence: ``(height, width)`` uint8, 0–254 for 0–1, 255 where unknown.
        class_names: name of each class; the position is its id.
        transform: from columns and rows to coordinates.
        crs: None if the image does not say where on Earth it lies.
        polygons: the land cover: ``class_id``, ``class_name``, ``area_m2`` (``area_px`` if the size of
            pixels is unknown), ``confidence`` 0–1 and ``geometry``; in `crs` if that is in metres, else in
            the UTM zone of the place.
        roads: lines with ``edge_id``, ``u``, ``v`` (ids in `road_nodes`), ``length_m``, ``width_m``,
            ``highway_guess``.
        road_nodes: points with ``node_id`` and ``degree``.
        areas: of each class, in `unit`.
        unit: ``ha`` for hectares, or ``px`` for pixels of unknown size.
        zones: the zones that were asked for, with hectares of each class; None without.
        warnings: sentences on what makes the map doubtful.
        distance: from the model's training; None if it was not measured.
        folder: with the files; None if none were asked for.
        expected_miou: the mean IoU that is expected of it, and its interval; None of a model without a
            calibration.
    """

    classes: NDArray[np.uint8]
    confidence: NDArray[np.uint8]
    class_names: list[str]
    transform: Affine
    crs: CRS | None
    polygons: gpd.GeoDataFrame
    roads: gpd.GeoDataFrame
    road_nodes: gpd.GeoDataFrame
    areas: dict[str, float]
    unit: str
    zones: gpd.GeoDataFrame | None
    warnings: list[str]
    distance: float | None
    folder: Path | None
    expected_miou: Estimate | None = None
